# SPDX-License-Identifier: Apache-2.0
"""What a rollback does when the application's later rows are in its way: it loses none of theirs and none of ours."""

from __future__ import annotations

import shutil

import pytest

from backstitch.engine.job import Requests
from backstitch.model.record import Record
from backstitch.model.states import State
from tests.database.test_engine_edge import NEVER, content
from tests.plugins.engine import Engine, a_spec

SHOP = """
create table person (id int primary key, email text unique, boss int references person on delete cascade);
create table orders (id int primary key, person int references person on delete cascade, v text);
create table strict_orders (id int primary key, person int references person);
create table soft (id int primary key, person int references person on delete set null);
insert into person values (1, 'a', null), (2, 'b', 1), (3, 'c', null);
insert into orders values (1, 1, 'x');
"""


async def rolled_back(engine: Engine, up: str, application: str) -> Record:
    """Run `up`, let the application write, fail the check."""

    def write(record: Record) -> None:
        if record.state is State.VERIFYING:
            engine.on_record = None
            engine.database.psql(application)

    engine.on_record = write
    record = await engine.migrate(a_spec([{"name": "s", "sql": {"up": up}}], checks=NEVER))
    assert record.state is State.ROLLED_BACK, record.message
    assert record.rollback is not None
    assert record.rollback.exceptions == ("applicationWrites",), record.rollback.differences
    return record


@pytest.mark.parametrize(
    "refers",
    [
        "insert into orders values (50, 9, 'theirs')",
        "insert into strict_orders values (50, 9)",
        "insert into soft values (50, 9)",
        "insert into person values (50, 'theirs', 9)",
    ],
)
async def test_a_new_row_that_the_application_refers_to_stays(engine: Engine, refers: str) -> None:
    engine.database.psql(SHOP)
    before = content(engine)
    record = await rolled_back(engine, "insert into person values (8, 'h', null), (9, 'i', 8), (10, 'j', 9)", refers)
    after = content(engine)
    assert set(after) >= set(before)
    assert ("public.person", "(9,i,8)") in after
    assert ("public.person", "(10,j,9)") not in after
    assert len(after) == len(before) + 3  # 8 and 9, and the application's row
    assert record.rollback is not None
    assert record.rollback.rows_kept == 2


async def test_a_deleted_row_whose_unique_value_was_taken_is_kept_aside(engine: Engine) -> None:
    engine.database.psql(SHOP)
    record = await rolled_back(engine, "delete from person where id = 3", "insert into person values (77, 'c', null)")
    assert ("public.person", "(77,c,)") in content(engine)
    assert record.rollback is not None
    assert record.rollback.rows_kept == 1
    (archive,) = record.rollback.archived
    assert engine.rows(f"select rel, key, old from {archive}") == [
        ("public.person", {"id": "3"}, {"id": "3", "email": "c", "boss": None})
    ]


async def test_a_deleted_row_whose_key_was_taken_is_kept_aside(engine: Engine) -> None:
    engine.database.psql(SHOP)
    record = await rolled_back(engine, "delete from person where id = 3", "insert into person values (3, 'new', null)")
    assert ("public.person", "(3,new,)") in content(engine)
    assert record.rollback is not None
    assert engine.rows(f"select old->>'email' from {record.rollback.archived[0]}") == [("c",)]


async def test_a_deleted_row_whose_parent_the_application_deleted_is_kept_aside(engine: Engine) -> None:
    engine.database.psql(SHOP)
    record = await rolled_back(
        engine, "delete from orders; delete from person where id = 2", "delete from person where id = 1"
    )
    assert record.rollback is not None
    assert len(engine.rows(f"select key from {record.rollback.archived[0]}")) == 2
    assert content(engine) == [("public.person", "(3,c,)")]


async def test_a_changed_row_whose_old_value_was_taken_stays_and_the_others_go_back(engine: Engine) -> None:
    engine.database.psql(SHOP)
    record = await rolled_back(
        engine, "update person set email = email || '@new'", "insert into person values (77, 'b', null)"
    )
    assert [row for table, row in content(engine) if table == "public.person"] == [
        "(1,a,)", "(2,b@new,1)", "(3,c,)", "(77,b,)",
    ]  # fmt: skip
    assert record.rollback is not None
    assert engine.rows(f"select key, old->>'email' from {record.rollback.archived[0]}") == [({"id": "2"}, "b")]


async def test_archived_rows_outlive_the_images(engine: Engine) -> None:
    engine.database.psql(SHOP)
    record = await rolled_back(engine, "delete from person where id = 3", "insert into person values (77, 'c', null)")
    await engine.migrate(a_spec([{"name": "n", "sql": {"up": "create table next (a int)"}}], version="2"), name="next")
    assert engine.rows("select 1 from backstitch.images") == []
    assert record.rollback is not None
    assert engine.rows(f"select count(*) from {record.rollback.archived[0]}") == [(1,)]


async def test_a_rollback_waits_for_a_migration_that_needs_help(engine: Engine) -> None:
    engine.database.psql(SHOP)
    first = a_spec([{"name": "s", "sql": {"up": "update person set email = email || '!'"}}])
    assert (await engine.migrate(first, name="first")).state is State.SUCCEEDED
    stuck = a_spec(
        [{"name": "s", "sql": {"up": "create table x (a int)"}}],
        checks=NEVER,
        version="2",
        rollback={"strategy": "none"},
    )
    assert (await engine.migrate(stuck, name="stuck")).state is State.NEEDS_HELP
    engine.requests = Requests(rollback="now")
    record = await engine.migrate(first, name="first")
    assert record.state is State.SUCCEEDED
    assert "stuck" in record.message
    assert "NeedsHelp" in record.message


async def test_a_rollback_asked_for_during_the_backup_stops_before_anything_is_touched(engine: Engine) -> None:
    engine.database.psql(SHOP)
    before = content(engine)

    def ask(record: Record) -> None:
        if record.state is State.BACKING_UP:
            engine.requests = Requests(rollback="now")

    engine.on_record = ask
    record = await engine.migrate(a_spec([{"name": "s", "sql": {"up": "delete from orders"}}]))
    assert record.state is State.STOPPED
    assert content(engine) == before


async def test_storage_that_fails_on_the_way_back_needs_help(engine: Engine) -> None:
    engine.database.psql(SHOP)

    def lose_the_store(record: Record) -> None:
        if record.state is State.VERIFYING:
            engine.on_record = None
            shutil.rmtree(engine.store_url.removeprefix("file://"))

    engine.on_record = lose_the_store
    spec = a_spec(
        [{"name": "s", "sql": {"up": "delete from orders"}}], checks=NEVER, rollback={"strategy": "restoreBackup"}
    )
    record = await engine.migrate(spec, environment="staging")
    assert record.state is State.NEEDS_HELP, record.message


async def test_row_security_that_hides_rows_stops_before_anything_is_touched(engine: Engine) -> None:
    engine.database.psql(
        "create table t (id int primary key, who text); insert into t values (1, 'me'), (2, 'other');"
        "alter table t enable row level security; alter table t force row level security;"
        "create policy mine on t using (who = 'me') with check (true)"
    )
    record = await engine.migrate(a_spec([{"name": "s", "sql": {"up": "update t set who = 'gone'"}}]))
    assert record.state is State.STOPPED, record.message
    assert engine.database.psql("select who from t order by id", superuser=True) == [("me",), ("other",)]
