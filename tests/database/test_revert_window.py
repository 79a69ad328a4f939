# SPDX-License-Identifier: Apache-2.0
"""What happens between success and the end of the revert window: taken back by another one, closed, contracted?"""

from __future__ import annotations

from typing import Any

import pytest

from backstitch.engine.job import Requests
from backstitch.model.spec import MigrationSpec
from backstitch.model.states import State
from tests.plugins.engine import HEAD, Engine, a_spec

SHOP = """
create table users (id bigint primary key, name text not null, nick text);
insert into users select g, 'name ' || g, 'nick ' || g from generate_series(1, 50) g;
"""
UPPER = [{"name": "upper", "sql": {"up": "update users set name = upper(name); alter table users add column age int"}}]
IN_TWO = """
- name: expand
  steps:
  - {name: add, addColumn: {table: users, column: full_name, type: text}}
- name: away
  contract: true
  steps:
  - {name: drop-nick, dropColumn: {table: users, column: nick}}
  checks:
  - {name: still-there, rowCount: {table: users, equals: 50}}
"""


def back(name: str = "change", version: str = "2") -> MigrationSpec:
    return MigrationSpec.model_validate({**HEAD, "version": version, "type": "rollback", "rollbackOf": {"name": name}})


def content(engine: Engine) -> list[tuple[Any, ...]]:
    return engine.rows("select u::text from users u order by id")


def columns(engine: Engine) -> set[str]:
    return {
        r[0]
        for r in engine.rows(
            "select column_name::text from information_schema.columns where table_schema = 'public' "
            "and table_name = 'users' and column_name not like 'backstitch%'"
        )
    }


def end_window(engine: Engine, name: str = "change") -> None:
    engine.database.psql(f"update backstitch.migrations set revert_until = clock_timestamp() where name = '{name}'")


async def test_a_rollback_migration_takes_another_back_and_carries_the_proof(engine: Engine) -> None:
    engine.database.psql(SHOP)
    before = content(engine)
    assert (await engine.migrate(a_spec(UPPER), environment="production")).state is State.SUCCEEDED
    engine.seen.clear()
    record = await engine.migrate(back(), name="undo", environment="production")
    assert (record.state, record.reason) == (State.SUCCEEDED, "Succeeded"), record.message
    assert record.rollback is not None
    assert (record.rollback.verdict, record.rollback.rows_restored) == ("Identical", 50)
    assert record.backup is not None
    assert record.backup.proven
    assert content(engine) == before
    assert {(r.name, r.state) for r in engine.seen} == {("undo", State.MIGRATING), ("undo", State.SUCCEEDED)}
    assert engine.rows("select name, state from backstitch.migrations order by id") == [
        ("change", "RolledBack"),
        ("undo", "Succeeded"),
    ]


@pytest.mark.one_major
async def test_it_changes_nothing_a_second_time_and_what_it_took_back_is_not_run_again(engine: Engine) -> None:
    engine.database.psql(SHOP)
    await engine.migrate(a_spec(UPPER))
    await engine.migrate(back(), name="undo")
    assert engine.rows("select purged_at is not null from backstitch.migrations where name = 'undo'") == [(True,)]
    ledger = engine.rows("select m::text from backstitch.migrations m order by id")
    assert (await engine.migrate(back(), name="undo")).state is State.SUCCEEDED
    assert (await engine.migrate(a_spec(UPPER))).state is State.ROLLED_BACK
    assert engine.rows("select m::text from backstitch.migrations m order by id") == ledger


@pytest.mark.one_major
async def test_what_was_taken_back_may_be_retried_and_an_earlier_one_taken_back_too(engine: Engine) -> None:
    engine.database.psql(SHOP)
    before = content(engine)
    await engine.migrate(a_spec("- {name: a, addColumn: {table: users, column: a, type: int}}"), name="first")
    await engine.migrate(a_spec(UPPER, version="2"))
    assert (await engine.migrate(back("first", "3"), name="too-early")).reason == "LaterMigration"
    assert (await engine.migrate(back(version="4"), name="undo")).state is State.SUCCEEDED
    record = await engine.migrate(back("first", "5"), name="undo-first")
    assert record.state is State.SUCCEEDED, record.message
    assert content(engine) == before
    engine.requests = Requests(rollback="please")
    record = await engine.migrate(back(version="4"), name="undo")
    assert record.state is State.SUCCEEDED
    assert "nothing of its own" in record.message


@pytest.mark.one_major
@pytest.mark.parametrize(
    ("prepare", "reason", "words"),
    [
        ("", "NothingToRollBack", "not in this database's ledger"),
        ("ended", "RevertWindowClosed", "window has ended"),
        ("back", "NothingToRollBack", "change is RolledBack"),
        ("stood on", "LaterMigration", "stands on it"),
    ],
)
async def test_it_is_refused_with_the_reason(engine: Engine, prepare: str, reason: str, words: str) -> None:
    engine.database.psql(SHOP)
    if prepare:
        await engine.migrate(a_spec(UPPER))
    if prepare == "ended":
        end_window(engine)
    if prepare == "back":
        engine.requests = Requests(rollback="please")
        assert (await engine.migrate(a_spec(UPPER))).state is State.ROLLED_BACK
        engine.requests = Requests()
    if prepare == "stood on":
        later = a_spec("- {name: a, addColumn: {table: users, column: a, type: int}}", version="2")
        assert (await engine.migrate(later, name="later")).state is State.SUCCEEDED
    before = content(engine)
    record = await engine.migrate(back(version="3"), name="undo")
    assert (record.state, record.reason) == (State.REFUSED, reason)
    assert words in record.message
    assert content(engine) == before


@pytest.mark.one_major
async def test_it_waits_while_another_migration_holds_the_database(engine: Engine) -> None:
    engine.database.psql(SHOP)
    await engine.migrate(a_spec(UPPER))
    engine.database.psql(
        "insert into backstitch.migrations (namespace, name, version, attempt, digest, plan_digest, state, spec, "
        "sources, environment) select namespace, 'busy', '1', 1, digest, '', 'NeedsHelp', spec, sources, environment "
        "from backstitch.migrations"
    )
    record = await engine.migrate(back(), name="undo")
    assert (record.state, record.reason) == (State.WAITING, "DatabaseBusy")
    assert "busy" in record.message


@pytest.mark.one_major
async def test_a_rollback_that_stops_says_so_and_goes_on_at_a_retry(engine: Engine) -> None:
    engine.database.psql(SHOP)
    before = content(engine)
    await engine.migrate(a_spec(UPPER))
    engine.database.psql("create view on_age as select age from users")
    record = await engine.migrate(back(), name="undo")
    assert record.state is State.NEEDS_HELP, record.message
    assert "on_age" in record.message
    engine.database.psql("drop view on_age")
    assert (await engine.migrate(back(), name="undo")).state is State.NEEDS_HELP
    engine.requests = Requests(retry="mended")
    assert (await engine.migrate(back(), name="undo")).state is State.SUCCEEDED
    assert content(engine) == before


async def test_contract_phases_wait_for_the_end_of_the_window(engine: Engine) -> None:
    engine.database.psql(SHOP)
    record = await engine.migrate(a_spec(IN_TWO), environment="production")
    assert record.state is State.SUCCEEDED, record.message
    assert columns(engine) == {"id", "name", "nick", "full_name"}
    record = await engine.migrate(a_spec(IN_TWO), environment="production")
    assert record.contract is not None
    assert record.contract.state is None
    assert [(s.name, s.state) for s in record.steps] == [("add", "done"), ("drop-nick", "pending")]
    end_window(engine)
    record = await engine.migrate(a_spec(IN_TWO), environment="production")
    assert record.state is State.SUCCEEDED
    assert record.contract is not None
    assert record.contract.state is State.SUCCEEDED, record.contract
    assert [(s.name, s.state) for s in record.steps] == [("add", "done"), ("drop-nick", "done")]
    assert columns(engine) == {"id", "name", "full_name"}
    assert [c.name for c in record.checks] == ["still-there"]
    ledger = engine.rows("select m::text from backstitch.migrations m order by id")
    assert (await engine.migrate(a_spec(IN_TWO), environment="production")).contract == record.contract
    assert engine.rows("select m::text from backstitch.migrations m order by id") == ledger


async def test_a_person_closes_the_window_and_what_was_kept_goes_with_it(engine: Engine) -> None:
    engine.database.psql(SHOP + "create table old (id int primary key)")
    spec = a_spec(IN_TWO.replace("steps:\n", "steps:\n  - {name: old, dropTable: {table: old}}\n", 1))
    await engine.migrate(spec)
    assert engine.rows("select count(*) from pg_tables where schemaname = 'backstitch_quarantine'") == [(1,)]
    engine.requests = Requests(close="now")
    record = await engine.migrate(spec)
    assert record.contract is not None
    assert record.contract.state is State.SUCCEEDED, record.contract
    assert columns(engine) == {"id", "name", "full_name"}
    assert engine.rows("select count(*) from pg_tables where schemaname = 'backstitch_quarantine'") == [(0,)]
    assert engine.rows("select handled ? 'close:now' from backstitch.migrations where name = 'change'") == [(True,)]
    assert (await engine.migrate(spec)).state is State.SUCCEEDED
    engine.requests = Requests(rollback="too late")  # for all but the contract phases
    record = await engine.migrate(spec)
    assert (record.state, record.contract and record.contract.state) == (State.SUCCEEDED, State.ROLLED_BACK)
    engine.requests = Requests(rollback="once more")
    assert "window has ended" in (await engine.migrate(spec)).message


@pytest.mark.one_major
async def test_contract_phases_hold_no_later_migration_up_and_do_not_lower_the_version(engine: Engine) -> None:
    engine.database.psql(SHOP)
    await engine.migrate(a_spec(IN_TWO))
    later = a_spec(
        "- {name: age, addColumn: {table: users, column: age, type: int}}", version="2", assume={"schemaVersion": "1"}
    )
    assert (await engine.migrate(later, name="later")).state is State.SUCCEEDED
    end_window(engine)
    record = await engine.migrate(a_spec(IN_TWO))
    assert record.contract is not None
    assert record.contract.state is State.SUCCEEDED, record.contract
    third = a_spec("- {name: b, addColumn: {table: users, column: b, type: int}}", version="3",
                   assume={"schemaVersion": "2"})  # fmt: skip
    assert (await engine.migrate(third, name="third")).state is State.SUCCEEDED


@pytest.mark.one_major
async def test_contract_phases_that_fail_go_back_alone_and_are_tried_again_when_asked(engine: Engine) -> None:
    engine.database.psql(SHOP)
    await engine.migrate(a_spec(IN_TWO))
    end_window(engine)
    engine.database.psql("delete from users where id = 50")
    record = await engine.migrate(a_spec(IN_TWO))
    assert record.state is State.SUCCEEDED
    assert record.contract is not None
    assert record.contract.state is State.ROLLED_BACK, record.contract
    assert columns(engine) == {"id", "name", "nick", "full_name"}
    engine.database.psql("insert into users values (50, 'name 50', 'nick 50')")
    record = await engine.migrate(a_spec(IN_TWO))
    assert record.contract is not None
    assert record.contract.state is State.ROLLED_BACK
    engine.requests = Requests(retry="again")
    record = await engine.migrate(a_spec(IN_TWO))
    assert record.contract is not None
    assert record.contract.state is State.SUCCEEDED
    assert columns(engine) == {"id", "name", "full_name"}
