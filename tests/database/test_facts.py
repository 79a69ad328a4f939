# SPDX-License-Identifier: Apache-2.0
"""Are the facts of a plan what the database has: tables, keys, views that depend on them, and nothing of ours?"""

from collections.abc import AsyncIterator

import pytest

from backstitch.adapters.conninfo import parse_url
from backstitch.adapters.postgres import PostgresDatabase
from backstitch.core.ports import Session
from backstitch.engine.facts import read_facts
from backstitch.model.sql import QualifiedName
from tests.plugins.pg import TestDatabase

_SETUP = """
create schema shop;
create table shop.users (id bigint generated always as identity primary key, mail text not null collate "C",
  name varchar(20) default 'x', up text generated always as (upper(mail)) stored, backstitch_parked int);
alter table shop.users add constraint mail_there check (mail <> '') not valid;
comment on constraint mail_there on shop.users is 'why';
create unique index users_mail on shop.users (lower(mail)) where id > 0;
create unique index users_mail_plain on shop.users (mail);
create index backstitch_half on shop.users (name);
create table shop.orders (id int, user_id bigint references shop.users on delete cascade);
create view shop.v as select * from shop.users;
create materialized view shop.m as select id from shop.v;
create function shop.total() returns bigint language sql begin atomic select count(*) from shop.users; end;
create table shop.parts (id int) partition by range (id);
create table shop.part1 partition of shop.parts for values from (1) to (9);
create type shop.mood as enum ('a');
insert into shop.users (mail) select g::text from generate_series(1, 500) g;
analyze shop.users;
create schema backstitch;
create table backstitch.fence (id int);
create schema backstitch_quarantine;
"""


@pytest.fixture
async def session(database: TestDatabase) -> AsyncIterator[Session]:
    opened = await PostgresDatabase.of(parse_url(database.url)).connect(purpose="test")
    await opened.execute(_SETUP)
    yield opened
    await opened.close()


async def test_a_table_is_read_with_columns_constraints_and_indexes(session: Session) -> None:
    facts = await read_facts(session)
    users = facts.tables["shop.users"]

    assert [c.name for c in users.columns] == ["id", "mail", "name", "up"]
    assert users.column("id").identity == "a"  # type: ignore[union-attr]
    assert users.column("mail").collation == "C"  # type: ignore[union-attr]
    assert users.column("name").type == "character varying(20)"  # type: ignore[union-attr]
    assert users.column("name").default == "'x'::character varying"  # type: ignore[union-attr]
    assert users.column("up").generated == "s"  # type: ignore[union-attr]
    check = users.constraint("mail_there")
    assert check is not None
    assert (check.kind, check.validated, check.comment, check.columns) == ("check", False, "why", ("mail",))
    partial = users.index("users_mail")
    assert partial is not None
    assert (partial.unique, partial.partial, partial.columns) == (True, True, ())
    assert users.index("users_pkey").constraint == "users_pkey"  # type: ignore[union-attr]
    assert users.key == ("id",)
    assert users.owner == "app_owner"
    assert users.estimated_rows == 500
    assert users.bytes > 0


async def test_what_uses_a_table_is_named(session: Session) -> None:
    users = (await read_facts(session)).tables["shop.users"]

    assert set(users.dependents) == {
        "view shop.v",
        "function shop.total()",
        "constraint orders_user_id_fkey on table shop.orders",
    }


async def test_kinds_and_references(session: Session) -> None:
    facts = await read_facts(session)

    kinds = {name: table.kind for name, table in facts.tables.items()}
    assert kinds == {
        "shop.users": "table",
        "shop.orders": "table",
        "shop.v": "view",
        "shop.m": "materializedView",
        "shop.parts": "partitioned",
        "shop.part1": "partition",
    }
    assert facts.tables["shop.orders"].constraint("orders_user_id_fkey").references == "shop.users"  # type: ignore[union-attr]
    assert {"shop.mood", "shop.users_id_seq", "shop.users_pkey"} <= set(facts.other_names)


async def test_ours_is_left_out(session: Session) -> None:
    facts = await read_facts(session)

    assert facts.schemas == ("public", "shop")
    assert facts.tables["shop.users"].index("backstitch_half") is None
    assert facts.tables["shop.users"].column("backstitch_parked") is None


async def test_only_the_tables_asked_for(session: Session) -> None:
    facts = await read_facts(session, tables=[QualifiedName("shop", "orders"), QualifiedName("shop", "none")])

    assert set(facts.tables) == {"shop.orders"}
    assert set((await read_facts(session, schemas=["public"])).tables) == set()


async def test_the_server_is_known(session: Session, database: TestDatabase) -> None:
    facts = await read_facts(session)
    asked = database.psql("select system_identifier::text from pg_control_system()", superuser=True)

    assert facts.database == database.name
    assert facts.server_version // 10000 == database.server.major
    assert facts.system_identifier == asked[0][0]
