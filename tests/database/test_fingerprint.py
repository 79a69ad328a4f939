# SPDX-License-Identifier: Apache-2.0
"""Does the fingerprint see every kind of change, and nothing that is ours or no change?"""

from collections.abc import AsyncIterator

import pytest

from backstitch.adapters.conninfo import parse_url
from backstitch.adapters.postgres import PostgresDatabase
from backstitch.core.ports import Session
from backstitch.engine.catalog import read_catalog
from backstitch.engine.fingerprint import compare, fingerprint
from tests.plugins.pg import TestDatabase

_SETUP = """
create table public.t (id int primary key, a text, b int);
create index t_a on public.t (a);
create view public.v as select id, a from public.t;
create function public.f() returns trigger language plpgsql as 'begin return new; end';
create trigger tr before insert on public.t for each row execute function public.f();
create sequence public.q;
"""


@pytest.fixture
async def session(database: TestDatabase) -> AsyncIterator[Session]:
    opened = await PostgresDatabase.of(parse_url(database.url)).connect(purpose="test")
    await opened.execute(_SETUP)
    yield opened
    await opened.close()


@pytest.mark.parametrize(
    "statement",
    [
        "create schema s",
        "comment on table public.t is 'x'",
        "alter table public.t add column z int",
        "alter table public.t alter b set default 1",
        "alter table public.t alter b set not null",
        "alter table public.t alter a set storage external",
        "alter table public.t alter a set statistics 5",
        "alter table public.t set (fillfactor = 50)",
        "alter table public.t enable row level security",
        "alter table public.t replica identity full",
        "alter table public.t cluster on t_a",
        "alter table public.t disable trigger tr",
        "alter table public.t rename column a to c",
        "alter index public.t_a rename to t_x",
        "drop index public.t_a",
        "grant select on public.t to public",
        "grant select (a) on public.t to public",
        "revoke execute on function public.f() from public",
        "create or replace view public.v as select id, upper(a) as a from public.t",
        "create or replace function public.f() returns trigger language plpgsql as 'begin return old; end'",
        "alter sequence public.q increment 5",
        "create policy p on public.t",
        "create type public.e as enum ('a')",
        "create statistics public.st on a, b from public.t",
        "create publication pub for table public.t",
        "create extension citext",
        "alter default privileges grant select on tables to public",
        'create collation public.c from "C"',
        "create rule r as on delete to public.t do instead nothing",
    ],
)
async def test_a_change_is_seen(session: Session, statement: str) -> None:
    before = await read_catalog(session)

    await session.execute(statement)

    after = await read_catalog(session)
    assert fingerprint(after).total != fingerprint(before).total
    assert compare(before, after).verdict in ("Different", "IdenticalExcept")
    assert compare(before, after).differences


@pytest.mark.parametrize(
    "statement",
    [
        "insert into public.t select g, 'x', g from generate_series(1, 50) g",
        "analyze public.t",
        "vacuum full public.t",
        "reindex table public.t",
        "select nextval('public.q')",
        "grant select on public.t to public; revoke select on public.t from public",
        "alter table public.t add column z int; alter table public.t drop column z",
        "create schema backstitch; create table backstitch.fence (id int)",
        "create schema backstitch_quarantine; create table backstitch_quarantine.old (id int)",
        "create index backstitch_new on public.t (b)",
        "alter table public.t add column backstitch_parked int",
        "create trigger backstitch_capture after insert on public.t for each row execute function public.f()",
        "create temp table scratch (id int)",
    ],
)
async def test_no_change_and_what_is_ours_is_not_seen(session: Session, statement: str) -> None:
    before = await read_catalog(session)

    await session.execute(statement)

    after = await read_catalog(session)
    assert compare(before, after).differences == ()
    assert fingerprint(after) == fingerprint(before)


async def test_a_parked_column_leaves_the_order_of_the_others(session: Session) -> None:
    before = await read_catalog(session)

    await session.execute(
        "alter table public.t rename column b to backstitch_parked_1; alter table public.t add b2 int"
    )
    await session.execute("alter table public.t drop column b2")
    await session.execute("alter table public.t rename column backstitch_parked_1 to b")

    assert compare(before, await read_catalog(session)).verdict == "Identical"


async def test_the_session_is_as_it_was_and_reading_works_inside_a_transaction(session: Session) -> None:
    await session.execute("set search_path = public, pg_catalog")
    async with session.transaction():
        await session.execute("create table public.fresh (id int)")
        catalog = await read_catalog(session)
        inside = await session.rows("select current_setting('search_path') as p")
    outside = await session.rows("select current_setting('search_path') as p")

    assert any(str(o.key) == "table public.fresh" for o in catalog.objects)
    assert inside == outside == [{"p": "public, pg_catalog"}]
