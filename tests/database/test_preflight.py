# SPDX-License-Identifier: Apache-2.0
"""Is a statement begun only when nothing stands in its way, and is it told how far a long one is?"""

from __future__ import annotations

import asyncio
import time

import psycopg
import pytest

from backstitch.engine.preflight import in_the_way
from backstitch.model.record import Record
from backstitch.model.spec import TargetPolicy
from backstitch.model.states import State
from tests.database.test_engine_forward import SHOP
from tests.plugins.engine import Engine, a_spec

INDEX = [{"name": "index", "createIndex": {"table": "users", "columns": ["last_name"], "name": "by_last_name"}}]


async def aged(application: psycopg.Connection[object]) -> None:
    """Let a transaction become old enough to count."""
    for _ in range(200):
        row = application.execute("select clock_timestamp() - now() > interval '2.1 s'").fetchone()
        assert isinstance(row, tuple)
        if row[0]:
            return
        await asyncio.sleep(0.02)
    raise AssertionError("the clock stands still")


async def test_an_index_waits_for_old_snapshots_before_it_begins_and_says_so(engine: Engine) -> None:
    engine.database.psql(SHOP)
    with psycopg.connect(engine.database.url, application_name="pg_dump") as old:
        old.execute("set transaction isolation level repeatable read")
        old.execute("select 1 from notes")
        await aged(old)
        seen: list[Record] = []

        def watch(record: Record) -> None:
            if record.blockers:
                seen.append(record)
                # nothing was begun: no index, and nothing waits for a lock
                assert engine.rows("select 1 from pg_class where relname = 'by_last_name'") == []
                assert engine.rows("select 1 from pg_locks where not granted") == []
                old.rollback()

        engine.on_record = watch
        record = await engine.migrate(a_spec(INDEX))
    assert record.state is State.SUCCEEDED, record.message
    assert seen
    assert seen[0].reason == "WaitsForDump"
    assert "pg_dump" in seen[0].blockers[0]
    assert (record.reason, record.blockers) == ("Succeeded", ())


@pytest.mark.one_major
async def test_what_does_not_go_away_is_met_by_the_statement_itself(engine: Engine) -> None:
    engine.database.psql(SHOP)
    with psycopg.connect(engine.database.url, application_name="writer") as writer:
        writer.execute("update users set first_name = 'w' where id = 1")
        await aged(writer)
        began = time.monotonic()
        add = [{"name": "add", "addColumn": {"table": "users", "column": "extra", "type": "text"}}]
        record = await engine.migrate(a_spec(add), policy=TargetPolicy(lock_timeout_ms=50, lock_allowance="1s"))
        assert record.state is State.ROLLED_BACK, record.message
        assert "writer" in record.message
        assert time.monotonic() - began < 20


async def test_what_stands_in_the_way_is_told_by_kind(engine: Engine) -> None:
    engine.database.psql(SHOP)
    session = await (await engine.world()).database.connect(purpose="test")
    assert await in_the_way(session, "public.users", concurrent=True) == []
    engine.database.psql("begin; update users set last_name = 'p' where id = 1; prepare transaction 'left-over'")
    try:
        found = await in_the_way(session, "public.users", concurrent=False)
        assert [reason for reason, _ in found] == ["WaitsForPrepared"]
        assert "left-over" in found[0][1]
        assert await in_the_way(session, "public.notes", concurrent=False) == []
    finally:
        engine.database.psql("rollback prepared 'left-over'")
    with psycopg.connect(engine.database.url, application_name="reader") as reader:
        reader.execute("select 1 from users")
        await aged(reader)
        # a reader stands in the way of an exclusive lock only: a short try tells
        assert await in_the_way(session, "public.users", concurrent=False) == []
        reader.execute("update users set first_name = 'w' where id = 2")
        assert [r for r, _ in await in_the_way(session, "public.users", concurrent=False)] == ["WaitsForLock"]
    await session.close()


@pytest.mark.one_major
async def test_a_build_tells_how_far_it_is_and_whom_it_waits_for(engine: Engine) -> None:
    engine.database.psql(SHOP)
    with psycopg.connect(engine.database.url, application_name="late-writer") as writer:
        writer.execute("update users set first_name = 'w' where id = 1")  # younger than what preflight waits for

        def watch(record: Record) -> None:
            if record.blockers and record.steps[0].message:
                writer.rollback()

        engine.on_record = watch
        record = await engine.migrate(a_spec(INDEX))
    assert record.state is State.SUCCEEDED, record.message
    messages = {s.message for r in engine.seen for s in r.steps if s.message}
    assert any(m.startswith("Building: ") for m in messages), messages
    assert any("late-writer" in b for r in engine.seen for b in r.blockers)
    assert record.steps[0].message == ""
