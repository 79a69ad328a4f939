# SPDX-License-Identifier: Apache-2.0
"""Faults of docs/fault-matrix.md that only the engine and a database are needed for, and no other test has."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import time
import traceback
from dataclasses import replace
from datetime import datetime, timedelta

import psycopg
import pytest

from backstitch.adapters.clock import SystemClock
from backstitch.engine.job import Job, World
from backstitch.engine.run import run
from backstitch.model.record import Record
from backstitch.model.spec import MigrationSpec, TargetPolicy
from backstitch.model.states import State
from tests.database.test_engine_forward import FULL_NAME, SHOP, assert_nothing_left
from tests.database.test_engine_rollback import content
from tests.plugins.engine import Engine, a_spec
from tests.plugins.operator import eventually
from tests.plugins.pg import TestDatabase

INDEX = [{"name": "by", "createIndex": {"table": "users", "name": "users_first", "columns": ["first_name"]}}]
UNIQUE = [{"name": "by", "createIndex": {"table": "users", "name": "one", "columns": ["last_name"], "unique": True}}]
WAITS = (
    "select count(*) from pg_stat_activity where application_name like 'backstitch/shop%' and wait_event_type = 'Lock'"
)
QUICK = TargetPolicy(lock_timeout_ms=50, lock_allowance="2s")
RUNNING = "select pid from pg_stat_activity where application_name like 'backstitch/shop%' and query like '%pg_sleep%'"


class WrongClock(SystemClock):
    """A clock whose time of day is wrong."""

    def __init__(self, by: timedelta) -> None:
        self._by = by

    def now(self) -> datetime:
        return super().now() + self._by


def in_a_child(database: TestDatabase, store: str, spec: MigrationSpec) -> int:
    """Begin a migration in a forked process; give its pid."""
    pid = os.fork()
    if pid:
        return pid
    try:

        async def go() -> None:
            world: World = await Engine(database, store).world()
            await run(Job(namespace="shop", name="change", spec=spec, environment="development"), world)

        asyncio.run(go())
    except BaseException:  # the child must not return into pytest
        traceback.print_exc()
    finally:
        os._exit(0)


async def test_killed_while_an_index_is_built_it_is_built_again_whole(engine: Engine) -> None:
    engine.database.psql(SHOP)
    # Each of its two waits: for writers, before the index is valid; for old snapshots, before it is used.
    for taken in (
        "begin; update users set last_name = last_name where id = 1",
        "begin isolation level repeatable read; select 1",
    ):
        spec = a_spec(INDEX, version=str(1 + len(engine.rows("select 1 from pg_class where relname = 'users_first'"))))
        with psycopg.connect(engine.database.url, autocommit=True) as blocker:
            blocker.execute(taken)
            if "repeatable" in taken:
                blocker.execute("select count(*) from notes")
            child = in_a_child(engine.database, engine.store_url, spec)
            await asyncio.to_thread(eventually, lambda: engine.rows(WAITS)[0][0] > 0, 30, "the build to wait")
            os.kill(child, signal.SIGKILL)
            await asyncio.to_thread(os.waitpid, child, 0)
        record = await engine.migrate(spec)
        assert record.state is State.SUCCEEDED, record.message
        valid = "select indisvalid from pg_index where indexrelid = 'users_first'::regclass"
        assert engine.rows(valid) == [(True,)]
        assert_nothing_left(engine)
        engine.database.psql("drop schema backstitch cascade; drop schema backstitch_quarantine cascade")
        engine.database.psql("drop index users_first")


async def test_a_unique_index_on_rows_that_are_not_rolls_back_and_leaves_no_broken_one(engine: Engine) -> None:
    engine.database.psql(SHOP)
    engine.database.psql("update users set last_name = 'the same'")
    before = content(engine)
    record = await engine.migrate(a_spec(UNIQUE))
    assert record.state in (State.ROLLED_BACK, State.REFUSED), record.message
    assert content(engine) == before
    assert engine.rows("select count(*) from pg_index where not indisvalid") == [(0,)]


@pytest.mark.parametrize("by", [timedelta(hours=-1), timedelta(hours=1)])
async def test_a_wrong_clock_of_the_day_changes_nothing(engine: Engine, by: timedelta) -> None:
    engine.database.psql(SHOP)
    world = replace(await engine.world(), clock=WrongClock(by))
    spec = a_spec(FULL_NAME, deadline="10m")
    record = await run(Job(namespace="shop", name="change", spec=spec, environment="staging"), world)
    assert record.state is State.SUCCEEDED, record.message
    window = "select revert_until - finished_at from backstitch.migrations"
    assert abs(engine.rows(window)[0][0] - timedelta(hours=24)) < timedelta(minutes=1)  # by the server's clock


async def test_a_statement_that_a_person_cancels_is_not_tried_again(engine: Engine) -> None:
    engine.database.psql(SHOP)
    before = content(engine)
    steps = [
        {"name": "note", "sql": {"up": "update notes set body = upper(body)"}},
        {"name": "slow", "sql": {"up": "update notes set body = body || pg_sleep(20)::text"}},
    ]
    task = asyncio.create_task(engine.migrate(a_spec(steps)))

    def cancelled() -> bool:
        pids = engine.rows(RUNNING)
        return bool(pids) and engine.database.psql(f"select pg_cancel_backend({pids[0][0]})", superuser=True) == [
            (True,)
        ]

    await asyncio.to_thread(eventually, cancelled, 30, "a statement to cancel")
    record = await task
    assert record.state is State.ROLLED_BACK, record.message
    assert "cancel" in record.message
    assert content(engine) == before


async def test_a_forgotten_prepared_transaction_that_holds_a_lock_rolls_back(engine: Engine) -> None:
    engine.database.psql(SHOP)
    before = content(engine)
    engine.database.psql("begin; update users set last_name = last_name where id = 1; prepare transaction 'forgotten'")
    steps = [{"name": "add", "addColumn": {"table": "users", "column": "extra", "type": "text"}}]
    record = await engine.migrate(a_spec(steps), policy=QUICK)
    assert (record.state, record.reason) == (State.ROLLED_BACK, "LockNotAvailable")
    engine.database.psql("rollback prepared 'forgotten'")
    assert content(engine) == before


async def test_the_same_name_from_another_namespace_does_not_run_twice(engine: Engine) -> None:
    engine.database.psql(SHOP)
    spec = a_spec([{"name": "note", "sql": {"up": "insert into notes (body) values ('once')"}}])
    assert (await engine.migrate(spec)).state is State.SUCCEEDED
    job = Job(namespace="elsewhere", name="change", spec=spec, environment="development")
    record = await run(job, await engine.world())
    assert record.state is State.REFUSED, record.message
    assert engine.rows("select count(*) from notes where body = 'once'") == [(1,)]


async def test_a_right_that_is_lost_on_the_way_leaves_nothing_half_done(engine: Engine) -> None:
    engine.database.psql(SHOP)
    before = content(engine)
    steps = [
        {"name": "note", "sql": {"up": "update notes set body = upper(body)"}},
        {"name": "add", "addColumn": {"table": "users", "column": "extra", "type": "text"}},
    ]

    def take_away(record: Record) -> None:
        if record.steps and record.steps[0].state == "done" and record.state is State.MIGRATING:
            engine.database.psql("alter table users owner to postgres", superuser=True)
            engine.on_record = None

    engine.on_record = take_away
    record = await engine.migrate(a_spec(steps))
    assert record.state in (State.ROLLED_BACK, State.NEEDS_HELP), record.message
    engine.database.psql("alter table users owner to app_owner", superuser=True)
    assert content(engine) == before


async def test_row_image_triggers_that_somebody_drops_do_not_lose_the_way_back_unnoticed(engine: Engine) -> None:
    engine.database.psql(SHOP)
    before = content(engine)
    fill = {
        "table": "users",
        "set": {"last_name": "upper(last_name)"},
        "where": "last_name <> upper(last_name)",
        "batchRows": 50,
    }
    steps = [{"name": "fill", "backfill": fill}]

    def drop(record: Record) -> None:
        if record.steps and record.steps[0].rows_done:
            found = engine.rows("select tgname from pg_trigger where tgname like 'backstitch%'")
            for (name,) in found:
                engine.database.psql(f"drop trigger {name} on users")
            engine.on_record = None

    engine.on_record = drop
    never = [{"name": "never", "query": "select 1", "expect": {"type": "number", "equals": 2}}]
    record = await engine.migrate(a_spec(steps, checks=never))
    same = content(engine) == before
    assert (record.state is State.ROLLED_BACK and same) or record.state is State.NEEDS_HELP, record.message


async def test_a_dump_that_is_killed_is_no_backup(engine: Engine) -> None:
    engine.database.psql(SHOP)
    engine.database.psql("insert into notes (body) select repeat(md5(g::text), 300) from generate_series(1, 3000) g")
    done = asyncio.Event()

    def kill() -> int:
        """Kill the first dump that shows up."""
        while not done.is_set():
            found = subprocess.run(
                ["pgrep", "-f", f"pg_dump.*{engine.database.name}"], capture_output=True, text=True, check=False
            )
            if pids := found.stdout.split():
                os.kill(int(pids[0]), signal.SIGKILL)
                return 1
            time.sleep(0.01)
        return 0

    killer = asyncio.create_task(asyncio.to_thread(kill))
    record = await engine.migrate(a_spec(FULL_NAME), environment="staging")
    done.set()
    killed = await killer
    assert killed
    assert record.state in (State.STOPPED, State.SUCCEEDED), record.message
    proven = engine.rows("select backup->>'proven' from backstitch.migrations where state = 'Succeeded'")
    assert proven in ([], [("true",)])
    assert_nothing_left(engine)
