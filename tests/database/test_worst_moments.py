# SPDX-License-Identifier: Apache-2.0
"""What happens where two features meet at a bad moment: a kill, a request or a write of the application in between?"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import psycopg
import pytest

from backstitch.core.ports import Archiver
from backstitch.engine.job import Job, Requests
from backstitch.engine.run import run
from backstitch.model.record import Record
from backstitch.model.rehearsal_spec import RehearsalSpec
from backstitch.model.states import State
from tests.database.test_engine_rollback import NEVER
from tests.database.test_engine_rung3 import CAPTURED, meanwhile
from tests.database.test_revert_window import IN_TWO, UPPER, back, columns, end_window
from tests.database.test_revert_window import SHOP as USERS
from tests.plugins.engine import Engine, a_spec

pytestmark = pytest.mark.one_major

START = """
create table keyless (a int);
create table notes (id int primary key, mail text not null unique, body text);
insert into notes select g, 'm' || g, 'body ' || g from generate_series(1, 20) g;
"""
GONE = {"up": "do $$ begin execute 'drop table keyless'; end $$"}
SMALL = {"accept": "restoreBackup", "reason": "it is small"}


class _Killed(BaseException):
    pass


def notes(engine: Engine) -> list[tuple[Any, ...]]:
    return engine.rows("select n::text from notes n order by id")


async def test_a_kill_after_the_swap_does_not_undo_what_the_swap_has_undone(engine: Engine) -> None:
    engine.database.psql(START)
    before = notes(engine)
    steps = [
        {"name": "gone", "sql": GONE, "irreversible": SMALL},
        {"name": "drop", "dropColumn": {"table": "notes", "column": "body"}},
    ]
    spec = a_spec(steps, checks=NEVER)

    def killer(record: Record) -> None:
        if [s.state for s in record.steps] == ["undone", "done"]:
            engine.on_record = None
            raise _Killed

    engine.on_record = killer
    with pytest.raises(_Killed):
        await engine.migrate(spec, environment="staging")
    record = await engine.migrate(spec, environment="staging")
    assert record.state is State.ROLLED_BACK, record.message
    assert record.rollback is not None
    assert record.rollback.rung == 4
    assert notes(engine) == before


async def test_the_backup_stands_in_also_where_writes_are_captured(engine: Engine) -> None:
    engine.database.psql(START)
    before = notes(engine)
    steps = [
        {"name": "gone", "sql": GONE, "irreversible": SMALL},
        {"name": "spoil", "sql": {"up": "update notes set body = 'x'"}},
    ]
    record = await engine.migrate(a_spec(steps, checks=NEVER, rollback=CAPTURED), environment="staging")
    assert record.state is State.ROLLED_BACK, record.message
    assert record.rollback is not None
    assert record.rollback.rung == 4
    assert notes(engine) == before


@pytest.mark.parametrize(
    "up",
    [
        "do $$ begin execute 'drop table notes'; end $$",
        "alter table notes drop constraint notes_pkey",
        "alter table notes drop constraint notes_pkey, drop constraint notes_mail_key",
    ],
)
async def test_a_followed_table_that_is_gone_or_has_lost_its_key_comes_back(engine: Engine, up: str) -> None:
    engine.database.psql(START)
    before = notes(engine)
    steps = [
        {"name": "spoil", "sql": {"up": "update notes set body = 'x' where id > 3"}},
        {"name": "s", "sql": {"up": up}},
    ]
    record = await engine.migrate(a_spec(steps, checks=NEVER, rollback=CAPTURED), environment="staging")
    assert record.state is State.ROLLED_BACK, record.message
    assert notes(engine) == before
    assert engine.rows("select count(*) from pg_trigger where tgname like 'backstitch%'") == [(0,)]


async def test_keys_that_pass_one_another_in_one_statement_lose_no_row(engine: Engine) -> None:
    """Only a deferrable key lets a row take a key before the row that has it has left."""
    engine.database.psql(START.replace("primary key", "primary key deferrable").replace("unique", ""))
    meanwhile(engine, ["update notes set id = id + 1"])
    steps = [{"name": "spoil", "sql": {"up": "update notes set body = 'x'"}}]
    record = await engine.migrate(a_spec(steps, checks=NEVER, rollback=CAPTURED), environment="staging")
    if record.state is not State.STOPPED:  # it may be refused before anything is touched
        assert engine.rows("select count(distinct mail) from notes") == [(20,)], record
    assert record.state is State.STOPPED, record.message
    assert record.reason == "NoKey"


async def test_the_database_is_swapped_while_another_migration_is_followed(engine: Engine) -> None:
    engine.database.psql(START)
    first = a_spec([{"name": "one", "sql": {"up": "update notes set body = 'y' where id = 1"}}], rollback=CAPTURED)
    assert (await engine.migrate(first, name="first", environment="staging")).state is State.SUCCEEDED

    rollback = {"strategy": "restoreBackup", "acceptDataLoss": True, "maxLostRows": 5}
    spec = a_spec([{"name": "two", "sql": {"up": "update notes set body = 'z'"}}], version="2", checks=NEVER,
                  rollback=rollback)  # fmt: skip
    world = await engine.world()
    assert world.archiver is not None
    database = engine.database

    class Busy:
        def __init__(self, inner: Archiver) -> None:
            self._inner = inner

        def __getattr__(self, name: str) -> Any:
            return getattr(self._inner, name)

        async def dump_ledger(self) -> AsyncIterator[bytes]:
            async for chunk in self._inner.dump_ledger():
                yield chunk
            database.psql("update notes set body = body || '!' where id = 2")  # goes into the log of the first one

    job = Job(namespace="shop", name="second", spec=spec, environment="staging")
    record = await run(job, replace(world, archiver=Busy(world.archiver)))
    assert record.state is State.ROLLED_BACK, record.message
    assert engine.rows("select body from notes where id < 4 order by id") == [("y",), ("body 2",), ("body 3",)]
    assert record.rollback is not None
    assert record.rollback.rows_lost == 1


async def test_a_step_that_the_backup_takes_back_passes_its_rehearsal(engine: Engine) -> None:
    engine.database.psql(START)
    spec = a_spec([{"name": "gone", "sql": GONE, "irreversible": SMALL}])
    record = await engine.migrate(spec, environment="staging", rehearsal=RehearsalSpec())
    assert (record.state, record.message[:200]) == (State.SUCCEEDED, record.message[:200]), record.message


async def test_a_cancel_while_it_is_planned_is_not_taken_for_an_old_one(engine: Engine) -> None:
    engine.database.psql(START)
    world = await engine.world()
    asked = iter([Requests()])

    def late() -> Requests:  # a person asks just after the first look
        return next(asked, Requests(cancel="now"))

    spec = a_spec([{"name": "s", "sql": {"up": "update notes set body = 'x'"}}])
    job = Job(namespace="shop", name="change", spec=spec, environment="development")
    record = await run(job, replace(world, requests=late))
    assert record.state is State.STOPPED, record.message


async def test_an_old_cancel_does_not_keep_contract_phases_from_running(engine: Engine) -> None:
    engine.database.psql(USERS)
    spec = a_spec(IN_TWO)

    def cancel(record: Record) -> None:
        if record.state is State.VERIFYING:
            engine.on_record = None
            engine.requests = Requests(cancel="monday")

    engine.on_record = cancel
    assert (await engine.migrate(spec)).state is State.ROLLED_BACK
    engine.requests = Requests(cancel="monday", retry="tuesday")
    assert (await engine.migrate(spec)).state is State.SUCCEEDED
    end_window(engine)
    record = await engine.migrate(spec)
    assert record.contract is not None
    assert record.contract.state is State.SUCCEEDED, record.contract


async def test_taking_back_goes_on_when_another_migration_came_in_between(engine: Engine) -> None:
    engine.database.psql(USERS)
    assert (await engine.migrate(a_spec(UPPER))).state is State.SUCCEEDED
    # what is left when another one began between our look and our turn, and has ended since
    engine.database.psql("update backstitch.migrations set handled = '[\"rollback:migration/undo\"]'")
    record = await engine.migrate(back(), name="undo")
    assert record.state is State.SUCCEEDED, record.message
    assert engine.rows("select name from users where id = 1") == [("name 1",)]


async def test_a_session_that_cannot_be_ended_stops_the_swap_once_and_leaves_nothing(engine: Engine) -> None:
    engine.database.psql(START)
    spec = a_spec([{"name": "s", "sql": {"up": "update notes set body = 'x'"}}], checks=NEVER,
                  rollback={"strategy": "restoreBackup"})  # fmt: skip
    with psycopg.connect(engine.database.superuser_url) as other:  # not ours to end
        record = await engine.migrate(spec, environment="staging")
        assert (record.state, record.reason) == (State.NEEDS_HELP, "SessionsLeft"), record.message
        assert other.execute("select count(*) from notes where body = 'x'").fetchone() == (20,)
    assert engine.rows("select count(*) from pg_trigger where tgname like 'backstitch_app%'") == [(0,)]
    engine.requests = Requests(rollback="again")
    record = await engine.migrate(spec, environment="staging")
    assert record.state is State.ROLLED_BACK, record.message
    assert engine.rows("select count(*) from notes where body = 'x'") == [(0,)]


async def test_a_fence_that_a_killed_process_left_goes_also_where_the_next_one_may_not_restore(engine: Engine) -> None:
    engine.database.psql(START)
    spec = a_spec([{"name": "s", "sql": {"up": "update notes set body = 'x'"}}], checks=NEVER,
                  rollback={"strategy": "restoreBackup"})  # fmt: skip

    def fence(record: Record) -> None:
        if record.state is State.ROLLING_BACK:
            engine.on_record = None
            engine.database.psql(
                "create function backstitch.write_fence() returns trigger language plpgsql as 'begin return null; end';"
                "create trigger backstitch_app_fence before insert on keyless "
                "execute function backstitch.write_fence();"
                "insert into notes values (99, 'm99', 'mine')"
            )

    engine.on_record = fence
    record = await engine.migrate(spec, environment="staging")
    assert (record.state, record.reason) == (State.NEEDS_HELP, "DataLossNotAccepted"), record.message
    assert engine.rows("select count(*) from pg_trigger where tgname like 'backstitch_app%'") == [(0,)]


async def test_what_was_cancelled_before_it_changed_anything_may_be_retried(engine: Engine) -> None:
    engine.database.psql(START)
    spec = a_spec([{"name": "s", "sql": {"up": "update notes set body = 'x'"}}])

    def cancel(record: Record) -> None:
        if record.state is State.BACKING_UP:
            engine.on_record = None
            engine.requests = Requests(cancel="monday")

    engine.on_record = cancel
    assert (await engine.migrate(spec, environment="staging")).state is State.STOPPED
    assert (await engine.migrate(spec, environment="staging")).state is State.STOPPED
    engine.requests = Requests(cancel="monday", retry="tuesday")
    record = await engine.migrate(spec, environment="staging")
    assert record.state is State.SUCCEEDED, record.message


async def test_a_yes_to_the_loss_of_rows_is_not_taken_for_one_to_those_of_the_next_attempt(engine: Engine) -> None:
    engine.database.psql(START)
    spec = a_spec([{"name": "s", "sql": {"up": "update notes set body = 'x'"}}], checks=NEVER,
                  rollback={"strategy": "restoreBackup"})  # fmt: skip
    meanwhile(engine, ["insert into notes values (99, 'm99', 'mine')"])
    assert (await engine.migrate(spec, environment="staging")).state is State.NEEDS_HELP
    engine.requests = Requests(rollback="monday lose=1")
    assert (await engine.migrate(spec, environment="staging")).state is State.ROLLED_BACK
    engine.requests = Requests(rollback="monday lose=1", retry="tuesday")
    meanwhile(engine, ["insert into notes values (98, 'm98', 'mine')"])
    record = await engine.migrate(spec, environment="staging")
    assert (record.state, record.reason) == (State.NEEDS_HELP, "DataLossNotAccepted"), record.message
    assert engine.rows("select count(*) from notes where id = 98") == [(1,)]


async def test_a_rollback_after_contract_phases_is_theirs_and_not_called_refused(engine: Engine) -> None:
    engine.database.psql(USERS)
    spec = a_spec(IN_TWO)
    await engine.migrate(spec)
    end_window(engine)
    record = await engine.migrate(spec)
    assert record.contract is not None
    assert (record.contract.state, "nick" in columns(engine)) == (State.SUCCEEDED, False)
    engine.requests = Requests(rollback="please")
    record = await engine.migrate(spec)
    assert record.contract is not None
    assert (record.contract.state, "nick" in columns(engine)) == (State.ROLLED_BACK, True)
    assert "has ended" not in record.message
