# SPDX-License-Identifier: Apache-2.0
"""The stories that crash points are tried on, and the oracle that judges what is left."""

from __future__ import annotations

import asyncio
import json
import os
import traceback
from pathlib import Path
from typing import Any

import psycopg

from backstitch.engine.job import Job
from backstitch.engine.run import run
from backstitch.engine.scratch import scratch_prefix
from backstitch.model.record import Record
from backstitch.model.rehearsal_spec import RehearsalSpec
from backstitch.model.spec import MigrationSpec
from backstitch.model.states import State
from tests.plugins.crash import Counter, crashing
from tests.plugins.engine import NOBODY_ASKED, NOT_REHEARSED, Engine, a_spec
from tests.plugins.pg import TestDatabase

START = """
create table users (id bigint primary key, first_name text, last_name text not null, city text);
insert into users select g, 'first ' || g, 'last ' || g, 'city ' || g % 7 from generate_series(1, 250) g;
create table notes (id bigint generated always as identity primary key, body text);
insert into notes (body) select 'note ' || g from generate_series(1, 10) g;
create table old_stuff (id int primary key, what text);
insert into old_stuff select g, 'stuff ' || g from generate_series(1, 5) g;
"""

PHASES = """
- name: expand
  steps:
  - {name: add-full-name, addColumn: {table: users, column: full_name, type: text}}
  - {name: by-city, createIndex: {table: users, name: users_city, columns: [city]}}
- name: migrate
  steps:
  - name: fill
    backfill:
      {table: users, set: {full_name: "first_name || ' ' || last_name"}, where: "full_name IS NULL", batchRows: 100}
  - name: note
    sql: {up: "create view short as select id from notes; update notes set body = upper(body) where id < 6"}
  checks:
  - {name: filled, noNulls: {table: users, columns: [full_name]}}
- name: switch
  steps:
  - {name: required, setNotNull: {table: users, column: full_name}}
  - {name: away, dropTable: {table: old_stuff}}
"""

NEVER = [{"name": "never", "query": "select 1", "expect": {"type": "number", "equals": 2}}]

STORIES: dict[str, MigrationSpec] = {
    "succeeds": a_spec(PHASES, checks=[{"name": "nobody-lost", "rowsUnchanged": {"table": "users"}}]),
    "rolls-back": a_spec(PHASES, checks=NEVER),
}
SHORT = """
- {name: nick, addColumn: {table: users, column: nick, type: text}}
- {name: note, sql: {up: "update notes set body = upper(body) where id < 6"}}
"""
REHEARSED: dict[str, MigrationSpec] = {
    "rehearsed": a_spec(SHORT),
    "rehearsed-no": a_spec(SHORT, checks=NEVER),
}
"""Stories with a rehearsal: on a copy everything happens three times, so what happens is little."""

RESTORED: dict[str, MigrationSpec] = {
    "restores": a_spec(PHASES, checks=NEVER, rollback={"strategy": "restoreBackup", "capture": True}),
}
"""Rows come back from the backup, with what the application writes on top: the same rows at each try."""

WRITES = """
update users set city = 'by the application' where id = 3;
insert into notes (id, body) overriding system value values (500, 'by the application') on conflict do nothing;
delete from notes where id = 4;
"""

ENDS = {"succeeds": "Succeeded", "rolls-back": "RolledBack", "rehearsed": "Succeeded", "rehearsed-no": "Stopped",
        "restores": "RolledBack"}  # fmt: skip

_SCHEMA = (
    "select 'column', table_schema, table_name, column_name, data_type, is_nullable, column_default::text, "
    "ordinal_position::text from information_schema.columns where table_schema = 'public'",
    "select 'index', schemaname, tablename, indexname, indexdef, '', '', '' from pg_indexes "
    "where schemaname = 'public'",
    "select 'constraint', conrelid::regclass::text, conname, pg_get_constraintdef(oid), convalidated::text, '', '', '' "
    "from pg_constraint where connamespace = 'public'::regnamespace",
    "select 'view', viewname, definition, '', '', '', '', '' from pg_views where schemaname = 'public'",
    "select 'trigger', tgrelid::regclass::text, tgname, '', '', '', '', '' from pg_trigger where not tgisinternal",
)


def content(database: TestDatabase) -> list[Any]:
    """Give the whole schema and every row, without asking the software under test."""
    with psycopg.connect(database.url, autocommit=True) as connection:
        found: list[Any] = []
        for query in _SCHEMA:
            found += sorted(connection.execute(query).fetchall(), key=str)
        tables = connection.execute("select tablename from pg_tables where schemaname = 'public' order by 1").fetchall()
        for (table,) in tables:
            found += sorted(connection.execute(f'select t::text from public."{table}" t').fetchall())
        return found


def deviations(database: TestDatabase, story: str, goal: list[Any]) -> list[str]:
    """Judge a database that came to rest: the end, the content, and that nothing is left behind."""
    wrong = []
    if content(database) != goal:
        wrong.append("the content is neither goal nor start")
    with psycopg.connect(database.url, autocommit=True) as c:
        state, proven, message = c.execute(
            "select state, backup->>'proven', message from backstitch.migrations order by id desc limit 1"
        ).fetchone() or (None, None, None)
        if state != ENDS[story]:
            wrong.append(f"it ended {state} instead of {ENDS[story]}: {message}")
        if story in REHEARSED:
            wrong += _rehearsal_deviations(c, story)
        if proven != "true":
            wrong.append("there was no proven backup")
        left = {
            "locks": "select 1 from pg_locks where locktype = 'advisory' and database = (select oid from pg_database "
            "where datname = current_database())",
            "open transactions": "select 1 from pg_stat_activity where datname = current_database() and "
            "state like 'idle in transaction%' and pid <> pg_backend_pid()",
            "invalid indexes": "select 1 from pg_index where not indisvalid",
            "triggers": "select 1 from pg_trigger where tgname like 'backstitch%'",
            "scratch databases": f"select 1 from pg_database where datname like 'backstitch_scratch%' and "
            f"shobj_description(oid, 'pg_database') like '%{database.name}%'",
            "several active": "select 1 from backstitch.migrations offset 1",
            "reserved names": "select 1 from pg_class where relname like 'backstitch_%' and relnamespace = "
            "'public'::regnamespace",
        }
        wrong += [f"left behind: {what}" for what, query in left.items() if c.execute(query).fetchone()]
    return wrong


def _rehearsal_deviations(connection: psycopg.Connection[Any], story: str) -> list[str]:
    """Judge that there was one rehearsal, that it said what the end says, and that no copy is left."""
    wrong = []
    found = connection.execute("select summary->>'result', summary->>'verdict' from backstitch.rehearsals").fetchall()
    if found != [("Proven" if story == "rehearsed" else "NotProven", "Identical")]:
        wrong.append(f"the ledger says of rehearsals: {found}")
    owner = f"shop/{story}@{connection.info.dbname}"
    left = "select 1 from pg_database where starts_with(datname::text, %s)"
    if connection.execute(left, [scratch_prefix(owner)]).fetchone():
        wrong.append("left behind: a copy")
    return wrong


def in_a_child(database: TestDatabase, store: Path, story: str, counter: Counter, report: Path | None = None) -> int:
    """Run a story to rest in a forked process; give its wait status. The child writes what it counted to `report`."""
    pid = os.fork()
    if pid:
        return os.waitpid(pid, 0)[1]
    code = 1
    try:
        asyncio.run(_run(database, store, story, counter))
        if report is not None:
            report.write_text(json.dumps(counter.calls))
        code = 0
    except BaseException:  # the child must not return into pytest
        traceback.print_exc()
    finally:
        os._exit(code)


def _application(database: TestDatabase, record: Record) -> None:
    if record.state is State.VERIFYING:
        database.psql(WRITES)


async def _run(database: TestDatabase, store: Path, story: str, counter: Counter) -> None:
    engine = Engine(database, f"file://{store}")
    if story in RESTORED:
        engine.on_record = lambda record: _application(database, record)
    world = crashing(await engine.world(), counter)
    job = Job(
        namespace="shop",
        name=story,
        spec={**STORIES, **REHEARSED, **RESTORED}[story],
        environment="production",
        policy=NOBODY_ASKED,
        rehearsal=RehearsalSpec() if story in REHEARSED else NOT_REHEARSED,
    )
    await run(job, world)
