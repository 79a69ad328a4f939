# SPDX-License-Identifier: Apache-2.0
"""A bad data migration beside four writers, taken back by each rung: no row is wrong by a model outside."""

from __future__ import annotations

from pathlib import Path

import pytest

from backstitch.model.states import State
from dev.bench_rollback import tell
from tests.plugins.pg import TestDatabase


@pytest.mark.slow
@pytest.mark.parametrize("rung", [2, 3])
async def test_no_row_is_wrong_by_a_model_that_knows_every_write(
    database: TestDatabase, tmp_path: Path, rung: int
) -> None:
    story = await tell(database.url, database.server.major, rung, 4000, f"file://{tmp_path}/backups", pause_s=0.01)
    assert story.record.state is State.ROLLED_BACK, story.record.message
    assert story.record.rollback is not None
    assert story.record.rollback.rung == rung, story.record.rollback
    assert story.errors == []
    assert story.wrong == []
    assert story.writes > 100
