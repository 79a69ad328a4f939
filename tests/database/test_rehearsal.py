# SPDX-License-Identifier: Apache-2.0
"""Does a rehearsal say what production would see, and is production left alone until it says yes?"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import psycopg
import pytest

from backstitch.adapters.conninfo import parse_url
from backstitch.adapters.dump import open_archiver
from backstitch.adapters.postgres import PostgresDatabase
from backstitch.engine.job import Job, OtherServer, Requests
from backstitch.engine.run import run
from backstitch.model.record import Record
from backstitch.model.rehearsal import Rehearsal, StatementTrace
from backstitch.model.rehearsal_spec import RehearsalSpec, SampleSpec
from dev.postgres import PostgresServer
from tests.plugins.engine import Engine, a_spec

START = """
create table users (id bigint primary key, first_name text, last_name text not null, city text);
insert into users select g, 'first ' || g, 'last ' || g, 'city ' || g % 7 from generate_series(1, 2000) g;
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
      {table: users, set: {full_name: "first_name || ' ' || last_name"}, where: "full_name IS NULL", batchRows: 500}
  - name: note
    sql: {up: "create view short as select id from users; update old_stuff set what = upper(what) where id < 3"}
  checks:
  - {name: filled, noNulls: {table: users, columns: [full_name]}}
- name: switch
  steps:
  - {name: required, setNotNull: {table: users, column: full_name}}
  - {name: away, dropTable: {table: old_stuff}}
"""


def report_of(engine: Engine) -> Rehearsal:
    """Give the report that the ledger keeps of the latest rehearsal."""
    ((plain,),) = engine.database.psql(
        "select report::text from backstitch.rehearsals order by id desc limit 1", superuser=True
    )
    return Rehearsal.model_validate(json.loads(plain))


def forward(report: Rehearsal, step: str, begins: str) -> StatementTrace:
    """Give the one statement of a step, going forward, that begins so."""
    (found,) = [
        t for t in report.statements if (t.direction, t.step) == ("forward", step) and t.statement.startswith(begins)
    ]
    return found


def untouched(engine: Engine) -> bool:
    """Tell whether the tables are as START made them, and no copy is left."""
    columns = engine.rows("select count(*) from information_schema.columns where table_schema = 'public'")
    rows = engine.rows("select count(*), count(*) filter (where what like 'stuff %') from old_stuff")
    scratch = engine.rows("select count(*) from pg_database where datname like 'backstitch_scratch%'")
    return (columns, rows, scratch) == ([(6,)], [(5, 5)], [(0,)])


async def in_production(
    engine: Engine, phases: str, spec: RehearsalSpec | None = None, *, name: str = "change", **changes: Any
) -> Record:
    """Run with a rehearsal, as production does."""
    migration = a_spec(phases, **changes)
    return await engine.migrate(migration, name=name, environment="production", rehearsal=spec or RehearsalSpec())


async def test_production_is_touched_after_a_rehearsal_that_holds(engine: Engine) -> None:
    engine.rows(START)
    record = await in_production(engine, PHASES)
    assert (record.state, record.message) == ("Succeeded", record.message)
    states = list(dict.fromkeys(str(r.state) for r in engine.seen))
    assert states[:3] == ["BackingUp", "Rehearsing", "Migrating"]
    assert record.rehearsal is not None
    assert (record.rehearsal.result, record.rehearsal.verdict) == ("Proven", "Identical")
    report = report_of(engine)
    assert {g.result for g in report.gates} == {"held"}
    assert report.digest == record.rehearsal.digest
    assert report.plan_digest == record.plan_digest
    assert [c.name for c in report.checks] == ["filled"]
    assert engine.rows("select count(*) from pg_database where datname like 'backstitch_scratch%'") == [(0,)]

    add = forward(report, "add-full-name", "ALTER TABLE")
    assert [(lock.relation, lock.mode) for lock in add.locks] == [("public.users", "AccessExclusiveLock")]
    assert (add.static_class, add.measured_class, add.rewrote, add.scanned) == ("exclusive", "exclusive", (), ())
    build = forward(report, "by-city", "CREATE INDEX CONCURRENTLY")
    assert build.static_class == "validate"
    assert build.measured_class in ("validate", "")  # so small an index may be there before anybody looks
    assert len(build.built) == 1
    batches = [t for t in report.statements if t.step == "fill" and t.statement.startswith("UPDATE")]
    assert sum(t.rows for t in batches if t.direction == "forward") == 2000
    assert sum(t.rows for t in batches if t.direction == "reverse") == 2000
    assert {t.static_class for t in batches if t.direction == "forward"} == {"rows"}
    validated = forward(report, "required", 'ALTER TABLE "public"."users" VALIDATE')
    assert validated.scanned == ("public.users",)
    assert {t.direction for t in report.statements} == {"forward", "reverse"}


@pytest.mark.one_major
async def test_a_rewrite_is_seen_and_its_lock_breaks_the_budget(engine: Engine) -> None:
    engine.rows(START)
    wide = """
    - name: wide
      sql: {up: alter table users alter column id type numeric(30), down: alter table users alter column id type bigint}
    """
    record = await engine.migrate(a_spec(wide), environment="staging", rehearsal=RehearsalSpec(lock_budget="1ms"))
    assert (record.state, record.reason) == ("Stopped", "RehearsalFailed")
    assert "block reads and writes of public.users" in record.message
    assert "1ms is allowed (rehearsal.lockBudget)" in record.message
    assert untouched(engine)
    report = report_of(engine)
    assert forward(report, "wide", "alter table").rewrote == ("public.users",)
    broken = {g.name for g in report.gates if g.result == "broken"}
    assert broken == {"lockBudget"}


@pytest.mark.one_major
async def test_a_check_that_fails_stops_it_before_production(engine: Engine) -> None:
    engine.rows(START)
    never = [{"name": "never", "query": "select 1", "expect": {"type": "number", "equals": 2}}]
    record = await in_production(engine, PHASES, checks=never)
    assert (record.state, record.reason) == ("Stopped", "RehearsalFailed")
    assert "Checks do not hold on the copy: never failed" in record.message
    assert untouched(engine)
    report = report_of(engine)
    assert [g.name for g in report.gates if g.result != "held"] == ["checks"]
    assert report.verdict == "Identical"  # and the copy went back


@pytest.mark.one_major
async def test_a_step_that_fails_stops_it_before_production(engine: Engine) -> None:
    engine.rows(START)
    record = await in_production(engine, "- {name: bad, sql: {up: 'update users set id = 1 where id > 1'}}")
    assert (record.state, record.reason) == ("Stopped", "RehearsalFailed")
    assert "did not come to its end" in record.message
    assert "Step bad" in record.message
    assert untouched(engine)


@pytest.mark.one_major
async def test_what_the_plan_cannot_tell_needs_a_yes(engine: Engine) -> None:
    engine.rows(START)
    hidden = "- {name: hidden, sql: {up: \"do $$ begin execute 'alter table users add column nick text'; end $$\"}}"
    record = await in_production(engine, hidden)
    assert (record.state, record.reason) == ("Stopped", "RehearsalFailed")
    assert "step hidden: planned unknown, seen exclusive" in record.message
    assert untouched(engine)
    engine.requests = Requests(retry="1")
    record = await in_production(engine, hidden, RehearsalSpec(accept_unproven=True))
    assert record.state == "Succeeded"


@pytest.mark.parametrize(
    ("spec", "gate"),
    [(RehearsalSpec(disk_free="1"), "diskNeeded"), (RehearsalSpec(duration_budget="1ms"), "durationBudget")],
)
@pytest.mark.one_major
async def test_budgets(engine: Engine, spec: RehearsalSpec, gate: str) -> None:
    engine.rows(START)
    record = await in_production(engine, "- {name: add, addColumn: {table: users, column: nick, type: text}}", spec)
    assert (record.state, record.reason) == ("Stopped", "RehearsalFailed")
    assert [g.name for g in report_of(engine).gates if g.result != "held"] == [gate]
    assert untouched(engine)


@pytest.mark.one_major
async def test_a_target_without_room_says_why_aloud(engine: Engine) -> None:
    engine.rows(START)
    add = "- {name: add, addColumn: {table: users, column: nick, type: text}}"
    record = await in_production(engine, add, RehearsalSpec(no_room="the disk is full"))
    assert record.state == "Succeeded"
    assert record.rehearsal is not None
    assert (record.rehearsal.result, record.rehearsal.waived) == ("Waived", "the disk is full")
    again = await in_production(engine, add, RehearsalSpec(no_room="the disk is full"))
    assert again.rehearsal == record.rehearsal  # from the ledger


@pytest.mark.one_major
async def test_a_cancelled_rehearsal_leaves_nothing(engine: Engine) -> None:
    engine.rows(START)

    def cancel(record: Record) -> None:
        if record.state == "Rehearsing":
            engine.requests = Requests(cancel="1")

    engine.on_record = cancel
    record = await in_production(engine, PHASES)
    assert (record.state, record.reason) == ("Stopped", "StopRequested")
    assert untouched(engine)


@pytest.mark.one_major
async def test_a_copy_reaches_nobody_outside(engine: Engine) -> None:
    """A migration on the copy that would write through dblink or a foreign table finds them cut off."""
    engine.rows(START)
    engine.through = engine.database.superuser_url  # such extensions are a superuser's
    engine.database.psql("create extension postgres_fdw; create extension dblink", superuser=True)
    engine.database.psql("create server self foreign data wrapper postgres_fdw", superuser=True)
    engine.database.psql("create user mapping for current_user server self options (user 'x')", superuser=True)
    engine.database.psql("create foreign table far (id int) server self", superuser=True)
    insert = "- {name: write, sql: {up: 'insert into far values (1)', down: 'select 1'}}"
    record = await in_production(engine, insert, name="far")
    assert record.state == "Stopped"
    assert "user mapping not found" in record.message
    up = f"select dblink_exec('{engine.database.url}', 'delete from public.old_stuff')"
    record = await in_production(engine, json.dumps([{"name": "reach", "sql": {"up": up, "down": "select 1"}}]))
    assert record.state == "Stopped"
    assert "dblink_exec" in record.message
    assert engine.rows("select count(*) from old_stuff") == [(5,)]


@pytest.mark.one_major
async def test_a_sample_stands_for_the_whole_and_times_are_scaled(engine: Engine) -> None:
    engine.through = engine.database.superuser_url  # a sample is filled without triggers and foreign keys
    engine.rows(START)
    engine.rows("create table visits (id int primary key, user_id bigint not null references users, price numeric)")
    engine.rows("insert into visits select g, 2001 - g, 0.1 + g / 3.0 from generate_series(1, 500) g")
    sample = SampleSpec(max_rows_per_table=50, max_size="1")
    record = await in_production(engine, PHASES, RehearsalSpec(place="sample", sample=sample))
    assert record.state == "Succeeded"
    report = report_of(engine)
    assert (report.place, report.verdict) == ("sample", "Identical")
    assert report.scale > 1
    batches = [t for t in report.statements if t.step == "fill" and t.statement.startswith("UPDATE")]
    assert sum(t.rows for t in batches if t.direction == "forward") == 100  # 50, and 50 that visits point to
    assert all(t.scaled_duration_ms is not None and t.scaled_duration_ms > t.duration_ms for t in batches)


@pytest.mark.one_major
@pytest.mark.slow
async def test_a_copy_on_another_server(engine: Engine, pg_server: PostgresServer) -> None:
    engine.rows(START)
    other = PostgresServer(pg_server.major)
    other.start()
    try:
        database = PostgresDatabase.of(parse_url(other.url()))
        server = OtherServer(database, await open_archiver(database, pg_server.major * 10000))
        spec = RehearsalSpec.model_validate({"place": "otherServer", "secretRef": {"name": "other"}})
        job = Job("shop", "change", a_spec(PHASES), "staging", rehearsal=spec)
        record = await run(job, replace(await engine.world(), other_server=server))
        assert (record.state, record.message) == ("Succeeded", record.message)
        assert report_of(engine).place == "otherServer"
        with psycopg.connect(other.url()) as connection:
            left = connection.execute("select datname from pg_database where datname like 'backstitch%'").fetchall()
        assert left == []
        engine.seen.clear()
        record = await run(replace(job, name="later", spec=a_spec(LATER, version="2")), await engine.world())
        assert (record.state, record.reason) == ("Stopped", "NoRehearsalServer")
    finally:
        other.stop()


LATER = "- {name: later, addColumn: {table: users, column: later, type: text}}"


@pytest.mark.one_major
async def test_statements_of_the_application_are_a_gate_where_a_check_asks(engine: Engine) -> None:
    engine.rows(START)
    query = {"name": "by-name", "query": "select id from users where first_name = $1"}
    rename = "- {name: away, sql: {up: 'alter table users rename column first_name to given_name'}}"
    check = [{"name": "apps", "workloadStillWorks": {}}]
    spec = a_spec(rename, workload=[query], checks=check)
    record = await engine.migrate(spec, environment="staging", rehearsal=RehearsalSpec())
    assert (record.state, record.reason) == ("Stopped", "RehearsalFailed")
    assert untouched(engine)
    report = report_of(engine)
    assert [(q.verdict, q.phase) for q in report.queries] == [("fails", "only")]
    assert {g.name for g in report.gates if g.result == "broken"} == {"workload", "checks"}


@pytest.mark.one_major
async def test_triggers_of_another_migration_of_ours_do_not_come_along(engine: Engine) -> None:
    engine.rows(START)
    captured = {"strategy": "restoreBackup", "capture": True}
    first = "- {name: first, updateRows: {table: users, set: {city: \"'x'\"}, where: 'id < 9'}}"
    record = await engine.migrate(a_spec(first, rollback=captured), name="first", environment="staging")
    assert (record.state, record.message) == ("Succeeded", record.message)
    assert engine.rows("select count(*) > 0 from pg_trigger where tgname like 'backstitch%'") == [(True,)]
    second = "- {name: second, updateRows: {table: users, set: {city: \"'y'\"}, where: 'id < 9'}}"
    record = await in_production(engine, second, name="second", version="2")
    assert (record.state, record.message) == ("Succeeded", record.message)
