# SPDX-License-Identifier: Apache-2.0
"""Is a hand-written `down` tried before it is trusted, and judged by what it did when it ran?"""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from backstitch.engine.job import Requests
from backstitch.model.record import Record
from backstitch.model.states import State
from tests.plugins.engine import Engine, a_spec

START = """
create table notes (id bigint primary key, body text, seen int default 0);
insert into notes select g, 'note ' || g, g from generate_series(1, 20) g;
create table keyless (a int); insert into keyless values (1);
create view short as select id, body from notes;
"""
NEVER = [{"name": "never", "query": "select 1", "expect": {"type": "number", "equals": 2}}]


def step(up: str, down: str, **more: Any) -> list[dict[str, Any]]:
    return [{"name": "s", "sql": {"up": up, "down": down}, **more}]


def content(engine: Engine) -> list[tuple[Any, ...]]:
    return engine.rows("select n::text from notes n order by id") + engine.rows("select a::text from keyless")


@pytest.mark.parametrize(
    ("up", "down"),
    [
        ("update notes set body = upper(body)", "update notes set body = lower(body)"),
        ("alter table notes add column x int; update notes set x = 1", "alter table notes drop column x"),
        ("alter table notes rename column body to words; update notes set words = words || '!'",
         "update notes set words = rtrim(words, '!'); alter table notes rename column words to body"),
        ("update keyless set a = 2", "update keyless set a = 1"),
        ("do $$ begin execute 'update notes set seen = seen + 1 where id < 5'; end $$",
         "update notes set seen = seen - 1 where id < 5"),
        ("drop view short; alter table notes alter column id type int",
         "alter table notes alter column id type bigint; create view short as select id, body from notes"),
        ("delete from notes where id = 20", "insert into notes values (20, 'note 20', 20)"),
        ("insert into notes values (21, 'x', 0)", "delete from notes where id = 21"),
    ],
)  # fmt: skip
async def test_a_right_down_is_taken_and_proven(engine: Engine, up: str, down: str) -> None:
    engine.database.psql(START)
    before = content(engine)
    record = await engine.migrate(a_spec(step(up, down), checks=NEVER))
    assert record.state is State.ROLLED_BACK, record.message
    assert "never" in record.message
    assert record.rollback is not None
    assert record.rollback.verdict == "Identical", record.rollback.differences
    assert content(engine) == before


@pytest.mark.parametrize(
    ("up", "down", "words"),
    [
        ("update notes set body = 'x'", "update notes set body = 'wrong'", "20 rows of public.notes"),
        ("update notes set body = 'x' where id < 4", "update notes set body = 'note ' || id where id < 3", "1 rows"),
        ("alter table notes add column x int", "select 1", "column x of public.notes: is new"),
        ("drop view short", "create view short as select id from notes", "public.short"),
        ("create table made (a int)", "alter table made rename to still_there", "table public.still_there: is new"),
        ("delete from notes where id = 3", "insert into notes values (3, 'note 3')", "1 rows of public.notes"),
    ],
)
async def test_a_down_that_leaves_something_behind_stops_the_step(
    engine: Engine, up: str, down: str, words: str
) -> None:
    engine.database.psql(START)
    before = content(engine)
    record = await engine.migrate(a_spec(step(up, down)))
    assert (record.state, record.reason) == (State.ROLLED_BACK, "DownLeavesBehind"), record.message
    assert words in record.steps[0].message
    assert "leave `down` out" in record.steps[0].message
    assert content(engine) == before


async def test_a_down_that_does_not_run_stops_the_step_and_the_computed_way_is_offered(engine: Engine) -> None:
    engine.database.psql(START)
    up = "alter table notes add column x int"
    record = await engine.migrate(a_spec(step(up, "alter table notes alter column y set default 1")))
    assert (record.state, record.reason) == (State.ROLLED_BACK, "DownFails"), record.message
    assert 'DROP COLUMN "x"' in record.steps[0].message or "DROP COLUMN x" in record.steps[0].message


async def test_rows_the_application_wrote_elsewhere_do_not_blur_the_proof(engine: Engine) -> None:
    engine.database.psql(START)

    def application(record: Record) -> None:
        if record.state is State.VERIFYING:
            engine.on_record = None
            with psycopg.connect(engine.database.url, autocommit=True) as app:
                app.execute("insert into notes values (99, 'mine', 1); update notes set seen = 7 where id = 2")

    engine.on_record = application
    up, down = "update notes set body = upper(body)", "update notes set body = lower(body) where id < 99"
    record = await engine.migrate(a_spec(step(up, down), checks=NEVER))
    assert record.state is State.ROLLED_BACK, record.message
    assert record.rollback is not None
    assert record.rollback.exceptions == ("applicationWrites",)
    assert engine.rows("select seen from notes where id = 2") == [(7,)]


async def test_what_a_down_overwrites_of_the_application_is_named(engine: Engine) -> None:
    engine.database.psql(START)

    def application(record: Record) -> None:
        if record.state is State.VERIFYING:
            engine.on_record = None
            engine.database.psql("update notes set body = 'mine' where id = 2")

    engine.on_record = application
    up, down = "update notes set body = upper(body)", "update notes set body = 'note ' || id"
    record = await engine.migrate(a_spec(step(up, down), checks=NEVER))
    assert (record.state, record.reason) == (State.NEEDS_HELP, "Different")
    assert 'public.notes {"id": "2"}' in record.message
    assert engine.rows(
        "select old->>'body' from backstitch.images where key->>'id' = '2' order by id desc limit 1"
    ) == [("mine",)]


async def test_after_success_a_down_is_still_watched(engine: Engine) -> None:
    engine.database.psql(START)
    before = content(engine)
    spec = a_spec(step("update notes set body = upper(body)", "update notes set body = lower(body)"))
    assert (await engine.migrate(spec)).state is State.SUCCEEDED
    assert engine.rows("select count(*) from pg_trigger where tgname like 'backstitch%'") == [(0,)]
    engine.requests = Requests(rollback="please")
    record = await engine.migrate(spec)
    assert record.state is State.ROLLED_BACK, record.message
    assert record.rollback is not None
    assert record.rollback.verdict == "Identical"
    assert content(engine) == before
    assert engine.rows("select count(*) from pg_trigger where tgname like 'backstitch%'") == [(0,)]


GONE = "do $$ begin execute 'drop table keyless'; end $$"


@pytest.mark.parametrize(
    "sql",
    [
        {"up": GONE},
        {"up": "update keyless set a = 2"},
        {"up": "update notes set body = 'x'", "down": "update notes set body = 'y'"},
    ],
)
async def test_a_step_without_a_way_back_runs_where_the_spec_accepts_a_lower_rung(
    engine: Engine, sql: dict[str, str]
) -> None:
    engine.database.psql(START)
    refused = await engine.migrate(a_spec([{"name": "s", "sql": sql}]), name="refused")
    assert refused.state in (State.REFUSED, State.ROLLED_BACK)
    accepted = {"accept": "none", "reason": "nobody needs it"}
    record = await engine.migrate(a_spec([{"name": "s", "sql": sql, "irreversible": accepted}]), name="accepted")
    assert record.state is State.SUCCEEDED, record.message
    engine.requests = Requests(rollback="please")
    record = await engine.migrate(a_spec([{"name": "s", "sql": sql, "irreversible": accepted}]), name="accepted")
    assert (record.state, record.reason) == (State.NEEDS_HELP, "NoWayBack"), record.message


async def test_a_step_that_has_a_way_back_uses_it_although_it_need_not(engine: Engine) -> None:
    engine.database.psql(START)
    before = content(engine)
    accepted = {"accept": "none", "reason": "whatever"}
    steps = [{"name": "s", "sql": {"up": "update notes set body = 'x'"}, "irreversible": accepted}]
    record = await engine.migrate(a_spec(steps, checks=NEVER))
    assert record.state is State.ROLLED_BACK, record.message
    assert content(engine) == before


@pytest.mark.one_major
async def test_the_backup_stands_in_where_the_spec_says_so(engine: Engine) -> None:
    engine.database.psql(START)
    before = content(engine)
    accepted = {"accept": "restoreBackup", "reason": "it is small"}
    steps = [{"name": "s", "sql": {"up": GONE}, "irreversible": accepted}]
    spec = a_spec(steps, checks=NEVER, rollback={"acceptDataLoss": True})
    record = await engine.migrate(spec, environment="staging")
    assert record.state is State.ROLLED_BACK, record.message
    assert record.rollback is not None
    assert record.rollback.rung == 4
    assert content(engine) == before
