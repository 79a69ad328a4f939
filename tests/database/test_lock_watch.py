# SPDX-License-Identifier: Apache-2.0
"""Does the application keep its pace while a migration waits for a lock, and does the status say for whom it waits?"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

import psycopg
import pytest

from backstitch.engine.blockers import Blocker, blockers_of, end_blockers, still_there
from backstitch.engine.lock_watch import LockWatch
from backstitch.model.lock_policy import EndBlockers
from backstitch.model.record import Record
from backstitch.model.spec import TargetPolicy
from backstitch.model.states import State
from tests.database.test_engine_forward import SHOP, assert_nothing_left
from tests.plugins.engine import Engine, a_spec

ADD = [{"name": "add", "addColumn": {"table": "users", "column": "extra", "type": "text"}}]


async def until(true: Callable[[], bool], within_s: float = 20.0) -> None:
    """Wait until something is so."""
    limit = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < limit, "it did not come true"
        await asyncio.sleep(0.01)


async def reads(engine: Engine, go_on: Callable[[], bool]) -> list[float]:
    """Read the table as the application does, one statement after the other; give how long each took, in seconds."""
    reader = await engine.database.connect()
    took = []
    while go_on():
        began = time.monotonic()
        await reader.execute("select 1 from users limit 1")
        took.append(time.monotonic() - began)
        await asyncio.sleep(0.01)
    return took


async def while_held(engine: Engine, migration: Awaitable[Record], hold_s: float) -> tuple[Record, list[float]]:
    """Run a migration while a report holds the table for some seconds and the application reads it."""
    over = False
    report = await psycopg.AsyncConnection.connect(engine.database.url, application_name="night-report")
    await report.execute("select count(*) from users where first_name = 'secret-name'")

    async def let_go() -> None:
        await asyncio.sleep(hold_s)
        await report.commit()

    async def migrate() -> Record:
        nonlocal over
        try:
            return await migration
        finally:
            over = True

    record, took, _ = await asyncio.gather(migrate(), reads(engine, lambda: not over), let_go())
    await report.close()
    return record, took


async def test_a_migration_waits_politely_for_a_long_transaction_and_the_application_keeps_its_pace(
    engine: Engine,
) -> None:
    engine.database.psql(SHOP)
    # lock_timeout alone would let readers queue for two seconds with every try
    policy = TargetPolicy(lock_timeout_ms=2000, queue_allowance_ms=200)
    record, took = await while_held(engine, engine.migrate(a_spec(ADD), policy=policy), 4.0)
    assert record.state is State.SUCCEEDED, record.message
    assert record.steps[0].lock_waited_ms > 2000
    assert max(took) < 1.5
    waits = [t for t in took if t > 0.1]
    assert len(waits) <= 4, waits  # nothing queues while what blocked the last try is still there
    named = [b for r in engine.seen for b in r.blockers]
    assert any("night-report" in b and "idle in transaction" in b and "first_name = ?" in b for b in named), named
    assert not any("secret-name" in b for b in named)
    assert {r.reason for r in engine.seen if r.blockers} == {"WaitsForLock"}
    assert (record.blockers, record.reason) == ((), "Succeeded")
    assert_nothing_left(engine)


async def test_our_statement_is_cancelled_before_the_application_has_queued_for_longer_than_allowed(
    engine: Engine,
) -> None:
    engine.database.psql(SHOP)
    world = await engine.world()
    ours = await world.database.connect(purpose="test")
    holder, reader = await engine.database.connect(), await engine.database.connect()
    await holder.execute("begin; select 1 from users limit 1")
    watch = LockWatch(world.database, ours.pid, allowance_ms=300)
    done: list[float] = []

    async def read() -> None:
        await until(lambda: engine.rows("select 1 from pg_locks where not granted") != [])
        began = time.monotonic()
        await reader.execute("select 1 from users limit 1")
        done.append(time.monotonic() - began)

    task = asyncio.create_task(read())
    with pytest.raises(Exception, match="canceling statement due to user request"):
        async with watch.over() as seen, ours.transaction():
            await ours.execute("lock table users")
    await task
    await watch.close()
    await ours.close()
    assert (seen.cancelled, seen.held, seen.queued) == (True, False, 1)
    assert seen.queued_ms < 1000  # 300 and the time a busy machine takes to look
    assert done[0] < 1.0
    assert [b.pid for b in seen.blockers] == [holder.info.backend_pid]


async def test_a_statement_nobody_waits_for_is_left_alone(engine: Engine) -> None:
    engine.database.psql(SHOP)
    world = await engine.world()
    ours = await world.database.connect(purpose="test")
    watch = LockWatch(world.database, ours.pid, allowance_ms=60)
    async with watch.over() as seen, ours.transaction():
        await ours.execute("lock table users")
        await ours.execute("select pg_sleep(0.4)")
    await watch.close()
    await ours.close()
    assert (seen.cancelled, seen.queued) == (False, 0)


async def test_a_batch_that_the_application_waits_for_is_taken_in_smaller_bites(engine: Engine) -> None:
    engine.database.psql(SHOP)
    # the last row of the first bite is held, so the batch waits with all the others locked
    other = await engine.database.connect()
    await other.execute("begin; update users set last_name = 'theirs' where id = 900")
    fill = [{"name": "fill", "updateRows": {"table": "users", "set": {"first_name": "'x'"}, "where": "true"}}]
    over = False

    async def migrate() -> Record:
        nonlocal over
        record = await engine.migrate(a_spec(fill), policy=TargetPolicy(queue_allowance_ms=200))
        over = True
        return record

    async def application() -> list[float]:
        writer, took = await engine.database.connect(), []
        while not over:
            began = time.monotonic()
            await writer.execute("update users set updated_at = now() where id = 7")
            took.append(time.monotonic() - began)
            await asyncio.sleep(0.02)
        return took

    async def let_go() -> None:
        await asyncio.sleep(3.0)
        await other.execute("commit")

    record, took, _ = await asyncio.gather(migrate(), application(), let_go())
    assert record.state is State.SUCCEEDED, record.message
    assert max(took) < 1.5, max(took)
    assert engine.rows("select count(*) from users where first_name = 'x'") == [(2500,)]
    assert engine.rows("select last_name from users where id = 900") == [("theirs",)]


@pytest.mark.one_major
async def test_only_sessions_that_the_policy_names_are_ended(engine: Engine) -> None:
    engine.database.psql(SHOP)
    world = await engine.world()
    ours, looks = await world.database.connect(purpose="test"), await world.database.connect(purpose="looks")
    idle = await psycopg.AsyncConnection.connect(engine.database.url, application_name="forgotten")
    await idle.execute("select 1 from users limit 1")

    async def wait() -> None:
        async with ours.transaction():
            await ours.execute("SET LOCAL lock_timeout = '20s'")
            await ours.execute("lock table users")

    task = asyncio.create_task(wait())
    found: tuple[Blocker, ...] = ()
    for _ in range(400):
        found = await blockers_of(looks, ours.pid)
        if found:
            break
        await asyncio.sleep(0.01)
    assert [b.pid for b in found] == [idle.info.backend_pid]
    assert await still_there(looks, found)
    assert await end_blockers(looks, found, EndBlockers()) == ()
    assert await end_blockers(looks, found, EndBlockers(idle_in_transaction_after="1h", active_after="1h")) == ()
    await asyncio.sleep(1.1)
    ended = await end_blockers(looks, found, EndBlockers(idle_in_transaction_after="1s"))
    assert ended == (f"pid {idle.info.backend_pid} (forgotten)",)
    await task
    assert await still_there(looks, found) == ()
    await ours.close()
    await looks.close()


@pytest.mark.one_major
async def test_a_forgotten_transaction_is_ended_where_the_target_says_so(engine: Engine) -> None:
    engine.database.psql(SHOP)
    with psycopg.connect(engine.database.url, application_name="forgotten") as forgotten:
        forgotten.execute("select 1 from users limit 1")
        policy = TargetPolicy(lock_timeout_ms=100, end_blockers=EndBlockers(idle_in_transaction_after="1s"))
        record = await engine.migrate(a_spec(ADD), policy=policy)
        assert record.state is State.SUCCEEDED, record.message
        assert any("forgotten" in s.message for r in engine.seen for s in r.steps)
        forgotten.close()


@pytest.mark.one_major
async def test_a_prepared_transaction_is_named_by_its_gid(engine: Engine) -> None:
    engine.database.psql(SHOP)
    engine.database.psql("begin; update users set last_name = 'p' where id = 1; prepare transaction 'left-over'")
    record = await engine.migrate(a_spec(ADD), policy=TargetPolicy(lock_timeout_ms=50, lock_allowance="1s"))
    assert record.state is State.ROLLED_BACK, record.message
    assert "left-over" in record.message
    assert "WaitsForPrepared" in {r.reason for r in engine.seen}
    engine.database.psql("rollback prepared 'left-over'")
