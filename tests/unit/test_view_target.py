# SPDX-License-Identifier: Apache-2.0
"""Does a MigrationTarget's status say what was seen of its database, and what is known while it does not answer?"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from backstitch.core.errors import TargetError
from backstitch.core.view_target import TargetSeen, target_status_of
from backstitch.model.record import Record
from backstitch.model.states import State
from backstitch.model.status import TargetStatus
from tests.kstatus import kstatus

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


def a_record(state: State, **changes: Any) -> Record:
    return Record(**{"namespace": "shop", "name": "full-name", "version": "1", "state": state, **changes})


def test_a_target_that_answers_shows_what_it_has() -> None:
    seen = TargetSeen(
        database="shop",
        server_version=180006,
        records=(
            a_record(State.SUCCEEDED, name="old", version="1", finished_at=NOW),
            a_record(State.ROLLED_BACK, name="bad", version="2", finished_at=NOW + timedelta(hours=1)),
            a_record(State.MIGRATING, name="now", version="3"),
        ),
    )
    status = target_status_of(seen, 2, None, NOW)
    assert (status["reachable"], status["serverVersion"], status["schemaVersion"]) == (True, "18.6", "1")
    assert (status["activeMigration"], status["lastMigration"]["name"]) == ("now", "bad")
    assert kstatus({"metadata": {"generation": 2}, "status": status}) == "Current"
    assert TargetStatus.model_validate(status).to_plain() == status


@pytest.mark.parametrize(("retry", "verdict"), [(True, "InProgress"), (False, "Failed")])
def test_a_target_that_does_not_answer_keeps_what_was_known(retry: bool, verdict: str) -> None:
    before = target_status_of(TargetSeen("shop", 150004), 2, None, NOW)
    status = target_status_of(TargetError("No answer.", retry=retry), 2, before, NOW + timedelta(seconds=9))
    assert (status["reachable"], status["serverVersion"], status["message"]) == (False, "15.4", "No answer.")
    assert kstatus({"metadata": {"generation": 2}, "status": status}) == verdict
