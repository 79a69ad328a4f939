# SPDX-License-Identifier: Apache-2.0
"""Trouble on the way, on a real server: locks, other operators, lost connections, drift, and full stores."""

from __future__ import annotations

import asyncio
from pathlib import Path

import psycopg

from backstitch.engine.job import Requests
from backstitch.engine.run import purge
from backstitch.model.record import Record
from backstitch.model.spec import TargetPolicy
from backstitch.model.states import State
from tests.database.test_engine_forward import FULL_NAME, SHOP, assert_nothing_left
from tests.database.test_engine_rollback import NEVER, content
from tests.plugins.engine import Engine, a_spec

ADD = [{"name": "add", "addColumn": {"table": "users", "column": "extra", "type": "text"}}]


async def test_a_lock_that_is_not_to_be_had_rolls_back_and_names_the_blocker(engine: Engine) -> None:
    engine.database.psql(SHOP)
    with psycopg.connect(engine.database.url, application_name="night-report") as blocker:
        blocker.execute("select count(*) from users")
        record = await engine.migrate(a_spec(ADD), policy=TargetPolicy(lock_timeout_ms=50, lock_allowance="1s"))
        assert record.state is State.ROLLED_BACK, record.message
        assert record.reason == "LockNotAvailable"
        assert "night-report" in record.message
    assert any("night-report" in b for r in engine.seen for b in r.blockers)
    assert_nothing_left(engine)


async def test_a_cancel_is_heard_while_waiting_for_a_lock(engine: Engine) -> None:
    engine.database.psql(SHOP)
    with psycopg.connect(engine.database.url, application_name="night-report") as blocker:
        blocker.execute("select count(*) from users")

        def cancel(record: Record) -> None:
            if record.blockers:
                engine.requests = Requests(cancel="no more")

        engine.on_record = cancel
        record = await engine.migrate(a_spec(ADD), policy=TargetPolicy(lock_timeout_ms=50, lock_allowance="60s"))
        assert record.state is State.ROLLED_BACK, record.message
        assert "cancel" in record.message


async def test_a_short_blocker_is_waited_out_and_readers_are_not_held_up(engine: Engine) -> None:
    engine.database.psql(SHOP)
    blocker = await engine.database.connect()
    await blocker.execute("begin")
    await blocker.execute("select count(*) from users")

    async def application() -> float:
        reader = await engine.database.connect()
        longest = 0.0
        loop = asyncio.get_running_loop()
        for _ in range(60):
            began = loop.time()
            await reader.execute("select 1 from users limit 1")
            longest = max(longest, loop.time() - began)
            await asyncio.sleep(0.02)
        await blocker.execute("commit")
        return longest

    record, longest = await asyncio.gather(
        engine.migrate(a_spec(ADD), policy=TargetPolicy(lock_timeout_ms=100, lock_allowance="60s")), application()
    )
    assert record.state is State.SUCCEEDED, record.message
    assert record.steps[0].lock_waited_ms > 0
    # a reader queues behind our waiting statement no longer than its lock_timeout, with room for a busy machine
    assert longest < 1.5


async def test_two_operators_on_one_database_do_everything_once(engine: Engine) -> None:
    engine.database.psql(SHOP)
    spec = a_spec([{"name": "note", "sql": {"up": "insert into notes (body) values ('once')"}}])
    records = await asyncio.gather(*(engine.migrate(spec) for _ in range(4)))
    assert State.SUCCEEDED in {r.state for r in records}
    assert {r.state for r in records} <= {State.SUCCEEDED, State.WAITING}
    assert engine.rows("select count(*) from notes where body = 'once'") == [(1,)]
    assert engine.rows("select count(*) from backstitch.migrations") == [(1,)]


async def test_another_migration_waits_while_one_needs_help(engine: Engine) -> None:
    engine.database.psql(SHOP)
    stuck = a_spec(ADD, checks=NEVER, rollback={"strategy": "none"})
    assert (await engine.migrate(stuck, name="stuck")).state is State.NEEDS_HELP
    record = await engine.migrate(a_spec(FULL_NAME, version="2"), name="next")
    assert (record.state, record.reason) == (State.WAITING, "DatabaseBusy")
    assert "stuck" in record.message


async def test_a_backend_that_is_terminated_in_the_middle_changes_nothing_in_the_end(engine: Engine) -> None:
    engine.database.psql(SHOP)
    shots = 0

    def shoot(record: Record) -> None:
        nonlocal shots
        if shots < 3 and record.state is State.MIGRATING:
            shots += 1
            engine.database.psql(
                "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() "
                "and application_name like 'backstitch%'",
                superuser=True,
            )

    engine.on_record = shoot
    record = await engine.migrate(a_spec(FULL_NAME))
    assert shots == 3
    assert record.state is State.SUCCEEDED, record.message
    assert engine.rows("select count(*) from users where full_name is null") == [(0,)]
    assert_nothing_left(engine)


async def test_without_a_place_for_the_backup_production_is_not_touched(engine: Engine, tmp_path: Path) -> None:
    engine.database.psql(SHOP)
    before = content(engine)
    (tmp_path / "a-file").write_text("")
    engine.store_url = f"file://{tmp_path}/a-file/below"
    record = await engine.migrate(a_spec(FULL_NAME), environment="production")
    assert record.state is State.STOPPED, record.message
    assert content(engine) == before
    assert engine.rows("select attname from pg_attribute where attname = 'full_name'") == []


async def test_a_reset_is_refused_outside_development_and_comes_back_in_it(engine: Engine) -> None:
    engine.database.psql(SHOP)
    before = content(engine)
    make = [{"name": "make", "sql": {"up": "create table fresh (id int primary key)"}}]
    for environment in ("staging", "production"):
        record = await engine.migrate(a_spec(make, reset=True), environment=environment)
        assert record.state is State.REFUSED
        assert "development only" in record.message
    record = await engine.migrate(a_spec(make, reset=True, checks=NEVER))
    assert record.state is State.ROLLED_BACK, record.message
    assert content(engine) == before
    record = await engine.migrate(a_spec(make, reset=True, version="2"), name="again")
    assert record.state is State.SUCCEEDED, record.message
    assert engine.rows("select tablename from pg_tables where schemaname = 'public'") == [("fresh",)]


async def test_an_inconclusive_check_waits_for_a_person_and_can_be_tried_again(engine: Engine) -> None:
    engine.database.psql(SHOP)
    check = {"name": "odd", "query": "select ok from switch", "expect": {"type": "number", "equals": 1}, "attempts": 1}
    spec = a_spec(ADD, checks=[check])
    record = await engine.migrate(spec)
    assert record.state is State.NEEDS_HELP
    assert "odd" in record.message
    engine.database.psql("create table switch (ok int); insert into switch values (1)")
    assert (await engine.migrate(spec)).state is State.NEEDS_HELP
    engine.requests = Requests(retry="looked")
    assert (await engine.migrate(spec)).state is State.SUCCEEDED


async def test_somebody_elses_change_is_found_by_the_proof_and_a_person_is_asked(engine: Engine) -> None:
    engine.database.psql(SHOP)

    def drift(record: Record) -> None:
        if record.state is State.VERIFYING:
            engine.on_record = None
            engine.database.psql("create table by_hand (id int)")

    engine.on_record = drift
    record = await engine.migrate(a_spec(ADD, checks=NEVER))
    assert record.state is State.NEEDS_HELP
    assert record.reason == "Different"
    assert "by_hand" in record.message
    engine.database.psql("drop table by_hand")
    engine.requests = Requests(rollback="mended")
    record = await engine.migrate(a_spec(ADD, checks=NEVER))
    assert record.state is State.ROLLED_BACK, record.message


async def test_purge_gives_up_what_an_ended_revert_window_kept(engine: Engine) -> None:
    engine.database.psql(SHOP)
    spec = a_spec(
        [
            {"name": "gone", "dropTable": {"table": "notes"}},
            {"name": "fill", "sql": {"up": "delete from users where id > 9"}},
        ],
        rollback={"revertWindow": "1s"},
    )
    assert (await engine.migrate(spec)).state is State.SUCCEEDED
    kept = "select count(*) from pg_class where relnamespace = 'backstitch_quarantine'::regnamespace and relkind = 'r'"
    assert engine.rows(kept) == [(1,)]
    assert engine.rows("select count(*) > 0 from backstitch.images") == [(True,)]
    engine.database.psql("select pg_sleep(1.1)")
    assert await purge(await engine.world()) == ["shop/change"]
    assert engine.rows(kept) == [(0,)]
    assert engine.rows("select count(*) from backstitch.images") == [(0,)]
    engine.requests = Requests(rollback="late")
    record = await engine.migrate(spec)
    assert record.state is State.SUCCEEDED
    assert "revert window has ended" in record.message


async def test_the_password_is_in_no_record(engine: Engine) -> None:
    engine.database.psql(SHOP)
    await engine.migrate(a_spec(ADD, checks=NEVER), environment="production")
    password = psycopg.conninfo.conninfo_to_dict(engine.database.url)["password"]
    assert isinstance(password, str)
    assert all(password not in r.model_dump_json() for r in engine.seen)
