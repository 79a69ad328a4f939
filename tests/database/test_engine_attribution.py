# SPDX-License-Identifier: Apache-2.0
"""Does a rollback tell its own writes from the application's?"""

from __future__ import annotations

from backstitch.model.record import Record
from backstitch.model.states import State
from tests.plugins.engine import Engine, a_spec

ROWS = "create table t (id int primary key, v text); insert into t select n, 'old' from generate_series(1, 100) n"
WRONG = {"name": "fails", "query": "SELECT 1", "expect": {"type": "number", "equals": 2}}
CHANGE = "- {name: change, updateRows: {table: t, set: {v: \"'new'\"}, where: 'id <= 50'}}"


async def test_rows_put_back_are_not_taken_for_the_applications(engine: Engine) -> None:
    engine.rows(ROWS)
    record = await engine.migrate(a_spec(CHANGE, checks=[WRONG]))
    assert record.state is State.ROLLED_BACK
    assert record.rollback is not None
    assert (record.rollback.verdict, record.rollback.exceptions) == ("Identical", ())


async def test_only_what_the_application_wrote_is_counted_as_its(engine: Engine) -> None:
    engine.rows(ROWS)

    def write_once(record: Record) -> None:
        if record.state is State.VERIFYING:
            engine.rows("update t set v = 'theirs' where id = 99")

    engine.on_record = write_once
    record = await engine.migrate(a_spec(CHANGE, checks=[WRONG]))
    assert record.rollback is not None
    assert record.rollback.verdict == "IdenticalExcept", record.rollback
    assert record.rollback.differences == (
        "table public.t: the application wrote 1 rows since the start (then 100 rows, now 100)",
    )
