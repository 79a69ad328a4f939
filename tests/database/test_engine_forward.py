# SPDX-License-Identifier: Apache-2.0
"""Whole migrations through the engine on a real server: the main job, from begin to rest."""

from __future__ import annotations

import time

from backstitch.engine.job import Requests
from backstitch.model.states import State
from tests.plugins.engine import Engine, a_spec

SHOP = """
create table users (id bigint primary key, first_name text, last_name text not null, updated_at timestamptz);
insert into users select g, 'first ' || g, 'last ' || g, '2026-01-01' from generate_series(1, 2500) g;
create table notes (id bigint generated always as identity primary key, body text);
insert into notes (body) select 'note ' || g from generate_series(1, 10) g;
"""

FULL_NAME = """
- name: expand
  steps:
  - {name: add-full-name, addColumn: {table: users, column: full_name, type: text}}
- name: migrate
  steps:
  - name: fill
    backfill: {table: users, set: {full_name: "first_name || ' ' || last_name"}, where: "full_name IS NULL"}
  checks:
  - {name: filled, noNulls: {table: users, columns: [full_name]}}
- name: switch
  steps:
  - {name: required, setNotNull: {table: users, column: full_name}}
"""


def assert_nothing_left(engine: Engine) -> None:
    """No trigger, open transaction, lock or invalid index of ours is left behind."""
    assert engine.rows("select tgname from pg_trigger where tgname like 'backstitch%'") == []
    assert engine.rows("select 1 from pg_index where not indisvalid") == []
    held = "select pid from pg_locks where locktype = 'advisory'"
    for _ in range(100):  # a backend needs a moment to notice that its client is gone
        if not engine.rows(held):
            return
        time.sleep(0.05)
    assert engine.rows(held) == []


async def test_a_migration_of_three_phases_succeeds(engine: Engine) -> None:
    engine.database.psql(SHOP)
    record = await engine.migrate(
        a_spec(FULL_NAME, checks=[{"name": "all-there", "rowsUnchanged": {"table": "users"}}])
    )
    assert (record.state, record.message) == (State.SUCCEEDED, "All 3 steps are done and 2 checks held.")
    assert engine.rows(
        "select count(*), min(full_name) from users where full_name = first_name || ' ' || last_name"
    ) == [(2500, "first 1 last 1")]
    assert engine.rows(
        "select attnotnull from pg_attribute where attrelid = 'users'::regclass and attname = 'full_name'"
    ) == [(True,)]
    assert record.steps[1].rows_done == 2500
    states = [r.state for r in engine.seen]
    assert State.VERIFYING in states
    assert states[-1] is State.SUCCEEDED
    assert_nothing_left(engine)


async def test_running_a_finished_migration_again_changes_nothing(engine: Engine) -> None:
    engine.database.psql(SHOP)
    step = [{"name": "note", "sql": {"up": "insert into notes (body) values ('once')"}}]
    for _ in range(3):
        record = await engine.migrate(a_spec(step))
        assert record.state is State.SUCCEEDED, record.message
    assert engine.rows("select count(*) from notes where body = 'once'") == [(1,)]


async def test_the_same_name_with_other_content_is_refused(engine: Engine) -> None:
    engine.database.psql(SHOP)
    await engine.migrate(a_spec([{"name": "note", "sql": {"up": "insert into notes (body) values ('a')"}}]))
    record = await engine.migrate(a_spec([{"name": "note", "sql": {"up": "insert into notes (body) values ('b')"}}]))
    assert (record.state, record.reason) == (State.REFUSED, "ContentChanged")
    assert "new name" in record.message
    assert engine.rows("select count(*) from notes where body = 'b'") == [(0,)]


async def test_a_missing_table_is_refused_with_the_near_name_and_nothing_is_touched(engine: Engine) -> None:
    engine.database.psql(SHOP)
    record = await engine.migrate(
        a_spec([{"name": "add", "addColumn": {"table": "user", "column": "x", "type": "text"}}])
    )
    assert record.state is State.REFUSED
    assert "public.users" in record.message
    assert engine.rows("select to_regclass('backstitch.migrations')") == [(None,)]


async def test_production_takes_and_proves_a_backup_first(engine: Engine) -> None:
    engine.database.psql(SHOP)
    record = await engine.migrate(a_spec(FULL_NAME), environment="production")
    assert record.state is State.SUCCEEDED, record.message
    assert record.backup is not None
    assert record.backup.proven
    assert record.backup.bytes > 0
    assert record.backup.place.endswith("manifest.json")
    assert engine.rows("select datname from pg_database where datname like 'backstitch_scratch%'") == []


async def test_a_lower_version_than_the_last_is_refused(engine: Engine) -> None:
    engine.database.psql(SHOP)
    one = [{"name": "s", "sql": {"up": "insert into notes (body) values ('x')"}}]
    assert (await engine.migrate(a_spec(one, version="20261121.10"), name="ten")).state is State.SUCCEEDED
    record = await engine.migrate(a_spec(one, version="20261121.9"), name="nine")
    assert (record.state, record.reason) == (State.REFUSED, "VersionNotAbove")


async def test_depends_on_waits_and_says_for_whom(engine: Engine) -> None:
    engine.database.psql(SHOP)
    one = [{"name": "s", "sql": {"up": "insert into notes (body) values ('x')"}}]
    record = await engine.migrate(a_spec(one, version="2", dependsOn=[{"name": "first"}]), name="second")
    assert record.state is State.WAITING
    assert "first" in record.message
    assert record.again_after_s
    assert (await engine.migrate(a_spec(one), name="first")).state is State.SUCCEEDED
    record = await engine.migrate(a_spec(one, version="2", dependsOn=[{"name": "first"}]), name="second")
    assert record.state is State.SUCCEEDED


async def test_assumed_row_counts_and_schema_version_are_checked(engine: Engine) -> None:
    engine.database.psql(SHOP)
    one = [{"name": "s", "sql": {"up": "insert into notes (body) values ('x')"}}]
    record = await engine.migrate(
        a_spec(one, assume={"schemaVersion": "7", "rowCounts": {"users": 3}, "tables": ["nots"]})
    )
    assert record.state is State.REFUSED
    for words in ("schema version 7", "3 rows in public.users, but there are 2500", "public.notes"):
        assert words in record.message


async def test_a_cancelled_migration_that_has_not_begun_is_stopped(engine: Engine) -> None:
    engine.requests = Requests(cancel="please")
    record = await engine.migrate(a_spec([{"name": "s", "sql": {"up": "create table t (a int)"}}]))
    assert record.state is State.STOPPED
    assert engine.rows("select to_regclass('t')") == [(None,)]
