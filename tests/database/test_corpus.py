# SPDX-License-Identifier: Apache-2.0
"""Does each migration of our own corpus come back as expected? Never Different, and refused only with the reason."""

from __future__ import annotations

import pytest

from tests.corpus import History, histories
from tests.database.test_roundtrip import judge
from tests.plugins.pg import TestDatabase

_SMALL = "library"


async def _see(database: TestDatabase, history: History) -> None:
    results = await judge(database, *history.directory.migrations, superuser=history.superuser)

    assert [r.name for r in results] == list(history.expected)
    found = {r.name: history.expected[r.name].speaks_against(r.computed, r.down) for r in results}
    assert not {name: otherwise for name, otherwise in found.items() if otherwise}


async def test_a_small_history(database: TestDatabase) -> None:
    await _see(database, History(_SMALL))


@pytest.mark.slow
@pytest.mark.parametrize("history", [h for h in histories() if h.name != _SMALL], ids=lambda h: h.name)
async def test_a_history(database: TestDatabase, pg_major: int, history: History) -> None:
    if pg_major in history.majors:
        await _see(database, history)
    else:  # what is written for another major fails here, or it should not be a history of its own
        first = await judge(database, *history.directory.migrations[:3], superuser=history.superuser)
        assert "Failed" in {r.computed.verdict for r in first}
