# SPDX-License-Identifier: Apache-2.0
"""The connection is cut at a COMMIT, carried out or not: the ledger says which, and every effect is there once."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from backstitch.model.states import State
from tests.database.test_engine_forward import FULL_NAME, SHOP, assert_nothing_left
from tests.database.test_engine_rollback import NEVER, content
from tests.plugins.engine import Engine, a_spec
from tests.plugins.proxy import Fate, PgProxy

COMMITS = (3, 4, 6, 9, 12, 15, 18, 21)  # spread over backup, steps, batches, checks and the end of the story


def nth_commit(number: int) -> Callable[[str], bool]:
    seen = 0

    def is_it(sql: str) -> bool:
        nonlocal seen
        seen += sql.strip().upper() == "COMMIT"
        return seen == number

    return is_it


@pytest.mark.parametrize("fate", ["done", "lost"])
@pytest.mark.parametrize("number", COMMITS)
async def test_a_commit_without_an_answer_is_settled_by_the_ledger(
    engine: Engine, proxy: PgProxy, number: int, fate: Fate
) -> None:
    engine.database.psql(SHOP)
    engine.through = proxy.url
    proxy.cut_when(nth_commit(number), fate=fate)
    phases = (
        FULL_NAME + "- name: last\n  steps: [{name: note, sql: {up: \"insert into notes (body) values ('once')\"}}]\n"
    )
    record = await engine.migrate(a_spec(phases))
    assert proxy.sprung.is_set()
    assert record.state is State.SUCCEEDED, record.message
    assert engine.rows("select count(*) from notes where body = 'once'") == [(1,)]
    assert engine.rows("select count(*) from users where full_name is null") == [(0,)]
    await proxy.stop()  # it lives in this event loop, and the next line does not let it work
    assert_nothing_left(engine)


@pytest.mark.parametrize("fate", ["done", "lost"])
@pytest.mark.parametrize("number", [16, 19, 22, 25])
async def test_a_rollback_goes_on_after_a_lost_commit(engine: Engine, proxy: PgProxy, number: int, fate: Fate) -> None:
    engine.database.psql(SHOP)
    before = content(engine)
    engine.through = proxy.url
    proxy.cut_when(nth_commit(number), fate=fate)
    record = await engine.migrate(a_spec(FULL_NAME, checks=NEVER))
    assert proxy.sprung.is_set()
    assert record.state is State.ROLLED_BACK, record.message
    assert content(engine) == before
    await proxy.stop()  # it lives in this event loop, and the next line does not let it work
    assert_nothing_left(engine)
