# SPDX-License-Identifier: Apache-2.0
"""Do two shapes of a row say the same, whoever writes which of them, and is only one left after dropOldShape?"""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from backstitch.engine.job import Requests
from backstitch.engine.run import purge
from backstitch.model.record import Record
from backstitch.model.states import State
from tests.database.test_operations import picture
from tests.database.test_revert_window import end_window
from tests.plugins.engine import Engine, a_spec

SHOP = """
create table users (id int primary key, full_name text, age text not null default '18', coupon text default 'none');
insert into users select n, 'Ada' || n || ' Byron' || n, (n %% 90)::text, nullif('c' || n, 'c7')
  from generate_series(1, 200) n;
""".replace("%%", "%")
RENAME = {"renameColumn": {"table": "users", "column": "coupon", "to": "voucher"}}
SPLIT = {
    "splitColumn": {
        "table": "users",
        "column": "full_name",
        "into": [
            {"column": "first", "type": "text", "up": "split_part(full_name, ' ', 1)"},
            {"column": "last", "type": "text", "up": "split_part(full_name, ' ', 2)"},
        ],
        "down": "first || ' ' || last",
    }
}
TYPE = {"changeType": {"table": "users", "column": "age", "type": "int"}}


def with_contract(step: dict[str, Any], column: str, checks: list[Any]) -> Any:
    drop = {"name": "drop", "dropOldShape": {"table": "users", "column": column}}
    return a_spec(
        [
            {"name": "expand", "steps": [{"name": "two-shapes", **step}]},
            {"name": "away", "contract": True, "steps": [drop], "checks": checks},
        ],
        rollback={"revertWindow": "1h"},
    )


async def renamed(engine: Engine, step: dict[str, Any]) -> Record:
    engine.database.psql(SHOP)
    record = await engine.migrate(a_spec([{"name": "two-shapes", **step}], rollback={"revertWindow": "1h"}))
    assert record.state is State.SUCCEEDED, record.message
    return record


@pytest.mark.parametrize(
    ("statement", "coupon", "voucher"),
    [
        ("insert into users (id, coupon) values (900, 'old')", "old", "old"),
        ("insert into users (id, voucher) values (900, 'new')", "new", "new"),
        ("insert into users (id) values (900)", "none", "none"),
        ("insert into users (id, coupon) values (900, null)", None, None),
        ("insert into users (id, voucher) values (900, null)", None, None),
        ("insert into users (id, coupon, voucher) values (900, 'x', 'x')", "x", "x"),
        ("insert into users (id, coupon, voucher) values (900, 'old', 'new')", "new", "new"),
        ("update users set coupon = 'old' where id = 1; update users set id = 900 where id = 1", "old", "old"),
        ("update users set voucher = 'new', id = 900 where id = 1", "new", "new"),
        ("update users set coupon = null, id = 900 where id = 1", None, None),
        ("update users set voucher = null, id = 900 where id = 1", None, None),
        ("update users set voucher = 'x', coupon = 'x', id = 900 where id = 1", "x", "x"),
        ("update users set voucher = 'new', coupon = 'old', id = 900 where id = 1", "new", "new"),
        ("update users set age = '1', id = 900 where id = 7", None, None),
        (
            "insert into users (id, coupon) values (1, 'up') on conflict (id) do update set coupon = excluded.coupon, "
            "id = 900",
            "up",
            "up",
        ),
        (
            "insert into users (id, voucher) values (1, 'up') on conflict (id) do update "
            "set coupon = excluded.voucher, id = 900",
            "up",
            "up",
        ),
        ("set session_replication_role = replica; insert into users (id, coupon) values (900, 'r')", "r", "r"),
        ("set search_path = ''; insert into public.users (id, voucher) values (900, 's')",
         "s", "s"),
    ],
)  # fmt: skip
@pytest.mark.one_major
async def test_whatever_a_statement_gives_both_columns_say_the_same(
    engine: Engine, statement: str, coupon: str | None, voucher: str | None
) -> None:
    await renamed(engine, RENAME)
    engine.database.psql(statement, superuser=True)
    assert engine.rows("select coupon, voucher from users where id = 900") == [(coupon, voucher)]
    assert engine.rows("select count(*) from users where coupon is distinct from voucher") == [(0,)]


async def test_copy_policies_and_triggers_of_the_application_are_seen(engine: Engine) -> None:
    engine.database.psql(SHOP)
    engine.database.psql("""
        create function tidy() returns trigger language plpgsql as
          'begin new.coupon := lower(new.coupon); return new; end';
        create trigger tidy before insert or update on users for each row execute function tidy();
        alter table users enable row level security;
        grant select, insert on users to pg_monitor;
        create policy all_but_x on users using (true) with check (coupon is distinct from 'x');
    """)
    spec = a_spec([{"name": "two-shapes", **RENAME}], rollback={"revertWindow": "1h"})
    assert (await engine.migrate(spec)).state is State.SUCCEEDED
    connection = await engine.database.connect()
    cursor = connection.cursor()
    async with cursor.copy("copy users (id, coupon) from stdin") as copy:
        await copy.write("901\tLOUD\n")
    async with cursor.copy("copy users (id, voucher) from stdin") as copy:
        await copy.write("902\tnew\n")
    assert engine.rows("select coupon, voucher from users where id > 900 order by id") == [
        ("loud", "loud"),  # what the application's trigger made of it
        ("new", "new"),
    ]
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="row-level security"):
        engine.database.psql("set role pg_monitor; insert into users (id, voucher) values (903, 'x')", superuser=True)
    engine.database.psql("set role pg_monitor; insert into users (id, voucher) values (904, 'y')", superuser=True)
    assert engine.rows("select coupon from users where id = 904") == [("y",)]
    # a trigger of the application may write more than our column: images are kept, and rows are put back by them
    engine.requests = Requests(rollback="please")
    record = await engine.migrate(spec)
    assert record.state is State.ROLLED_BACK, record.message
    assert engine.rows("select coupon from users where id > 900 order by id") == [("loud",), ("new",), ("y",)]


@pytest.mark.one_major
async def test_lossy_expressions_change_no_value_that_nobody_wrote(engine: Engine) -> None:
    engine.database.psql(SHOP)
    engine.database.psql("insert into users values (500, 'Ann Mary  Lee'), (501, 'Cher'), (502, null)")
    spec = a_spec([{"name": "two-shapes", **SPLIT}], rollback={"revertWindow": "1h"})
    assert (await engine.migrate(spec)).state is State.SUCCEEDED
    engine.database.psql("update users set age = '3' where id >= 500; update users set last = 'Lee' where id = 501")
    engine.database.psql("update users set first = 'A', last = 'B C' where id = 1")
    engine.database.psql("update users set age = '2' where id = 1")
    assert engine.rows("select full_name, first, last from users where id in (1, 500, 501, 502) order by id") == [
        ("A B C", "A", "B C"),
        ("Ann Mary  Lee", "Ann", "Mary"),
        ("Cher Lee", "Cher", "Lee"),
        (None, None, None),
    ]
    engine.requests = Requests(rollback="please")
    record = await engine.migrate(spec)
    assert record.state is State.ROLLED_BACK, record.message
    assert record.rollback is not None
    (archive,) = record.rollback.archived  # new values that do not follow from the old column
    assert engine.rows(f"select id, first, last from {archive}") == [(1, "A", "B C")]
    assert engine.rows("select full_name from users where id = 1") == [("A B C",)]


@pytest.mark.parametrize(("step", "column"), [(RENAME, "coupon"), (SPLIT, "full_name"), (TYPE, "age")])
async def test_the_old_shape_goes_with_contract_and_comes_back_with_what_was_written_since(
    engine: Engine, step: dict[str, Any], column: str
) -> None:
    engine.database.psql(SHOP)
    spec = with_contract(step, column, [{"name": "never", "rowCount": {"table": "users", "equals": 0}}])
    assert (await engine.migrate(spec)).state is State.SUCCEEDED
    between = picture(engine.database)

    def write(record: Record) -> None:
        if record.contract is not None and record.contract.state is State.VERIFYING:
            engine.on_record = None
            engine.database.psql("insert into users (id, %s) values (901, %s)" % {  # noqa: UP031
                "coupon": ("voucher", "'late'"), "full_name": ("first, last", "'La', 'Te'"), "age": ("age", "77"),
            }[column])  # fmt: skip

    engine.on_record = write
    end_window(engine)
    record = await engine.migrate(spec)
    assert record.contract is not None
    assert record.contract.state is State.ROLLED_BACK, record.contract.message
    old = {"coupon": "coupon", "full_name": "full_name", "age": "backstitch_%"}[column]
    (name,) = engine.rows(
        f"select quote_ident(attname) from pg_attribute where attrelid = 'users'::regclass and attname like '{old}' "
        "and attnum > 0"
    )[0]
    expected = {"coupon": "late", "full_name": "La Te", "age": "77"}[column]
    assert engine.rows(f"select {name} from users where id = 901") == [(expected,)]
    engine.database.psql("delete from users where id = 901")
    assert picture(engine.database) == between


@pytest.mark.parametrize(("step", "column"), [(RENAME, "coupon"), (SPLIT, "full_name"), (TYPE, "age")])
@pytest.mark.one_major
async def test_after_contract_and_its_window_nothing_of_ours_is_left_on_the_table(
    engine: Engine, step: dict[str, Any], column: str
) -> None:
    engine.database.psql(SHOP)
    spec = with_contract(step, column, [{"name": "all", "rowCount": {"table": "users", "equals": 200}}])
    assert (await engine.migrate(spec)).state is State.SUCCEEDED
    end_window(engine)
    record = await engine.migrate(spec)
    assert record.contract is not None
    assert record.contract.state is State.SUCCEEDED, record.contract
    engine.database.psql("insert into users (id) values (900)")  # nothing asks for old values any more
    end_window(engine, "change.contract")
    assert await purge(await engine.world()) == ["shop/change.contract"]
    left = "select count(*) from pg_attribute where attrelid = 'users'::regclass and attname like 'backstitch%'"
    assert engine.rows(left) == [(0,)]
    assert engine.rows("select count(*) from pg_trigger where tgrelid = 'users'::regclass and tgname like '~%'") == [
        (0,)
    ]
    assert engine.rows("select count(*) from pg_proc where pronamespace = 'backstitch_quarantine'::regnamespace") == [
        (0,)
    ]


async def test_a_dry_pass_names_the_rows_that_do_not_convert_and_nothing_was_changed(engine: Engine) -> None:
    engine.database.psql(SHOP)
    engine.database.psql("update users set age = 'young' where id in (3, 44); update users set age = '' where id = 9")
    before = picture(engine.database)
    record = await engine.migrate(a_spec([{"name": "two-shapes", **TYPE}]))
    assert record.state is State.ROLLED_BACK
    assert "id=3 (invalid input syntax" in record.message
    assert "id=9 (" in record.message
    assert "id=44 (" in record.message
    assert record.message.count("id=") == 3
    assert picture(engine.database) == before
    nulls = {"changeType": {**TYPE["changeType"], "up": "case when age ~ '^[0-9]+$' then age::int end"}}
    record = await engine.migrate(a_spec([{"name": "two-shapes", **nulls}]), name="again")
    assert "id=3 (gives NULL)" in record.message


@pytest.mark.one_major
async def test_filling_new_columns_keeps_no_images(engine: Engine) -> None:
    await renamed(engine, RENAME)
    assert engine.rows("select count(*) from backstitch.images") == [(0,)]
    assert engine.rows("select count(*) from users where voucher is distinct from coupon") == [(0,)]


@pytest.mark.one_major
async def test_a_backup_made_meanwhile_brings_the_trigger_back(engine: Engine) -> None:
    await renamed(engine, RENAME)
    steps = "- {name: more, addColumn: {table: users, column: more, type: int}}"
    spec = a_spec(steps, version="2", rollback={"strategy": "restoreBackup", "acceptDataLoss": True})
    never = [{"name": "never", "rowCount": {"table": "users", "equals": 0}}]
    record = await engine.migrate(
        spec.model_copy(update={"checks": a_spec(steps, checks=never).checks}), name="later", environment="production"
    )
    assert record.state is State.ROLLED_BACK, record.message
    assert record.rollback is not None
    assert record.rollback.rung == 4
    engine.database.psql("insert into users (id, coupon) values (900, 'after')")
    assert engine.rows("select voucher from users where id = 900") == [("after",)]
