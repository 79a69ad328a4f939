# SPDX-License-Identifier: Apache-2.0
"""Rollback through the engine on a real server: by itself, to what it was, with the application's writes kept."""

from __future__ import annotations

import psycopg
import pytest

from backstitch.engine.job import Requests
from backstitch.model.record import Record
from backstitch.model.states import State
from tests.database.test_engine_forward import FULL_NAME, SHOP, assert_nothing_left
from tests.plugins.engine import Engine, a_spec

NEVER = [{"name": "never", "query": "select 1", "expect": {"type": "number", "equals": 2}}]


def content(engine: Engine) -> list[tuple[object, ...]]:
    return engine.rows("select u::text from users u order by id") + engine.rows(
        "select n::text from notes n order by id"
    )


async def test_a_failing_check_rolls_back_and_proves_it(engine: Engine) -> None:
    engine.database.psql(SHOP)
    before = content(engine)
    record = await engine.migrate(a_spec(FULL_NAME, checks=NEVER))
    assert record.state is State.ROLLED_BACK, record.message
    assert record.rollback is not None
    assert record.rollback.verdict == "Identical", record.rollback.differences
    assert record.rollback.rows_restored == 2500
    assert "never" in record.rollback.cause
    assert content(engine) == before
    assert [s.state for s in record.steps] == ["undone"] * 3
    assert_nothing_left(engine)


@pytest.mark.parametrize(
    "up",
    [
        "update notes set body = upper(body) where id > 3",
        "delete from notes where id in (2, 4)",
        "insert into notes (body) values ('new')",
        "do $$ begin execute 'truncate notes'; end $$",
        "with gone as (delete from notes where id = 1 returning body) insert into notes (body) table gone",
        "alter table notes add column extra int; update notes set extra = id; create index on notes (extra)",
        "do $$ begin update notes set body = body || '!'; execute 'create table made (a int)'; end $$",
        "create view short as select id from notes; create function f() returns int language sql as 'select 1'",
        "alter table users alter column first_name set not null; comment on table users is 'people'",
        "create table copied as select * from users; delete from users where id > 100",
        "alter table notes rename column body to words",
        "merge into notes n using (values (1::bigint), (99::bigint)) v(id) on n.id = v.id "
        "when matched then update set body = 'merged' when not matched then insert (body) values ('x')",
    ],
)  # fmt: skip
async def test_raw_sql_without_down_comes_back(engine: Engine, up: str) -> None:
    engine.database.psql(SHOP)
    before = content(engine)
    record = await engine.migrate(a_spec([{"name": "s", "sql": {"up": up}}], checks=NEVER))
    assert record.state is State.ROLLED_BACK, record.message
    assert record.rollback is not None
    assert record.rollback.verdict in ("Identical", "IdenticalExcept")
    assert "applicationWrites" not in record.rollback.exceptions
    assert content(engine) == before
    assert_nothing_left(engine)


async def test_triggers_of_the_application_do_not_disturb_rows_that_go_back(engine: Engine) -> None:
    engine.database.psql(SHOP)
    engine.database.psql(
        "create table audit (id bigint generated always as identity primary key, who bigint);"
        "create function touch() returns trigger language plpgsql as "
        "$$ begin new.updated_at = now(); return new; end $$;"
        "create trigger touch before update on users for each row execute function touch();"
        "create function note() returns trigger language plpgsql as "
        "$$ begin insert into audit (who) values (new.id); return null; end $$;"
        "create trigger note after update on users for each row execute function note()"
    )
    before = content(engine)
    record = await engine.migrate(
        a_spec([{"name": "s", "sql": {"up": "update users set last_name = 'x' where id < 50"}}], checks=NEVER)
    )
    assert record.state is State.ROLLED_BACK, record.message
    assert content(engine) == before
    assert engine.rows("select count(*) from audit") == [(0,)]
    assert engine.rows("select count(*) from pg_trigger where tgenabled <> 'O' and not tgisinternal") == [(0,)]


async def test_what_the_application_wrote_later_is_kept_and_listed(engine: Engine) -> None:
    engine.database.psql(SHOP)

    def application(record: Record) -> None:
        if record.state is State.VERIFYING and record.phase == "migrate":
            engine.on_record = None
            with psycopg.connect(engine.database.url, autocommit=True) as app:
                app.execute("update users set full_name = 'mine', last_name = 'changed' where id = 7")
                app.execute("delete from users where id = 8")
                app.execute("insert into users values (9999, 'new', 'one', null, 'new one')")

    engine.on_record = application
    record = await engine.migrate(a_spec(FULL_NAME, checks=NEVER))
    assert record.state is State.ROLLED_BACK, record.message
    assert record.rollback is not None
    assert record.rollback.verdict == "IdenticalExcept"
    assert record.rollback.exceptions == ("applicationWrites",)
    assert engine.rows("select last_name from users where id = 7") == [("changed",)]
    assert engine.rows("select count(*) from users where id = 8") == [(0,)]
    assert engine.rows("select first_name from users where id = 9999") == [("new",)]
    archive = record.rollback.archived[0]
    assert sorted(engine.rows(f"select * from {archive}")) == [(7, "mine"), (9999, "new one")]


async def test_a_step_that_fails_for_good_rolls_back(engine: Engine) -> None:
    engine.database.psql(SHOP)
    before = content(engine)
    steps = [
        {"name": "upper", "sql": {"up": "update notes set body = upper(body)"}},
        {"name": "clash", "sql": {"up": "insert into users select * from users"}},
    ]
    record = await engine.migrate(a_spec(steps))
    assert record.state is State.ROLLED_BACK, record.message
    assert "clash" in record.message
    assert content(engine) == before


async def test_sql_without_a_way_back_changes_nothing(engine: Engine) -> None:
    engine.database.psql(SHOP)
    record = await engine.migrate(
        a_spec([{"name": "s", "sql": {"up": "do $$ begin execute 'drop table notes'; end $$"}}])
    )
    assert record.state is State.ROLLED_BACK, record.message
    assert "dropTable" in record.message
    assert engine.rows("select count(*) from notes") == [(10,)]


async def test_a_table_without_a_key_cannot_be_changed_without_down(engine: Engine) -> None:
    engine.database.psql("create table keyless (a int); insert into keyless values (1)")
    record = await engine.migrate(a_spec([{"name": "s", "sql": {"up": "update keyless set a = 2"}}]))
    assert record.state is State.REFUSED
    hidden = "do $$ begin execute 'update keyless set a = 2'; end $$"
    record = await engine.migrate(a_spec([{"name": "s", "sql": {"up": hidden}}]))
    assert record.state is State.ROLLED_BACK
    assert "primary key" in record.message
    assert engine.rows("select a from keyless") == [(1,)]


async def test_the_shape_of_a_table_without_a_key_can_be_changed(engine: Engine) -> None:
    engine.database.psql("create table keyless (a int, b varchar(5)); insert into keyless values (1, 'x')")
    up = "alter table keyless add column c text, alter column a type bigint; comment on table keyless is 'seen'"
    record = await engine.migrate(a_spec([{"name": "s", "sql": {"up": up}}], checks=NEVER))
    assert record.state is State.ROLLED_BACK, record.message
    assert record.rollback is not None
    assert record.rollback.verdict == "Identical"
    assert engine.rows("select a, b from keyless") == [(1, "x")]


async def test_a_given_down_is_used(engine: Engine) -> None:
    engine.database.psql("create table keyless (a int); insert into keyless values (1)")
    step = {"name": "s", "sql": {"up": "update keyless set a = 2", "down": "update keyless set a = 1"}}
    record = await engine.migrate(a_spec([step], checks=NEVER))
    assert record.state is State.ROLLED_BACK, record.message
    assert engine.rows("select a from keyless") == [(1,)]


async def test_beside_the_applications_writes_a_down_on_a_table_without_a_key_is_not_judged(engine: Engine) -> None:
    engine.database.psql("create table keyless (a int); insert into keyless values (1)")

    def application(record: Record) -> None:
        if record.state is State.VERIFYING:
            engine.on_record = None
            engine.database.psql("insert into keyless values (7)")

    engine.on_record = application
    step = {"name": "s", "sql": {"up": "update keyless set a = 2", "down": "update keyless set a = 1 where a = 2"}}
    record = await engine.migrate(a_spec([step], checks=NEVER))
    assert record.rollback is not None
    assert record.rollback.exceptions == ("applicationWrites", "rowsOfDown")
    assert "cannot be told" in " ".join(record.rollback.differences)


async def test_a_person_can_roll_back_within_the_revert_window(engine: Engine) -> None:
    engine.database.psql(SHOP)
    before = content(engine)
    assert (await engine.migrate(a_spec(FULL_NAME))).state is State.SUCCEEDED
    engine.requests = Requests(rollback="token-1")
    record = await engine.migrate(a_spec(FULL_NAME))
    assert record.state is State.ROLLED_BACK, record.message
    assert content(engine) == before
    assert (await engine.migrate(a_spec(FULL_NAME))).state is State.ROLLED_BACK  # the token was used up


async def test_a_failed_digest_is_quarantined_until_a_retry_is_asked_for(engine: Engine) -> None:
    engine.database.psql(SHOP)
    engine.database.psql("create table switch (ok int); insert into switch values (0)")
    spec = a_spec(
        [{"name": "s", "sql": {"up": "insert into notes (body) values ('again')"}}],
        checks=[{"name": "on", "query": "select ok from switch", "expect": {"type": "number", "equals": 1}}],
    )
    assert (await engine.migrate(spec)).state is State.ROLLED_BACK
    engine.database.psql("update switch set ok = 1")
    assert (await engine.migrate(spec)).state is State.ROLLED_BACK
    engine.requests = Requests(retry="now")
    record = await engine.migrate(spec)
    assert (record.state, record.attempt) == (State.SUCCEEDED, 2)
    assert engine.rows("select count(*) from notes where body = 'again'") == [(1,)]


async def test_cancelling_in_the_middle_rolls_back(engine: Engine) -> None:
    engine.database.psql(SHOP)
    before = content(engine)

    def cancel(record: Record) -> None:
        if record.steps and record.steps[1].rows_done >= 1000:
            engine.requests = Requests(cancel="stop")

    engine.on_record = cancel
    record = await engine.migrate(a_spec(FULL_NAME))
    assert record.state is State.ROLLED_BACK, record.message
    assert content(engine) == before
