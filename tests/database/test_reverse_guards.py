# SPDX-License-Identifier: Apache-2.0
"""Does a computed reverse stop rather than destroy what came to be after the migration?"""

from collections.abc import AsyncIterator

import pytest

from backstitch.adapters.conninfo import parse_url
from backstitch.adapters.postgres import PostgresDatabase
from backstitch.core.errors import StatementFailed
from backstitch.core.ports import Session
from backstitch.core.reverse import reverse
from backstitch.engine.catalog import read_catalog
from tests.plugins.pg import TestDatabase


@pytest.fixture
async def session(database: TestDatabase) -> AsyncIterator[Session]:
    opened = await PostgresDatabase.of(parse_url(database.url)).connect(purpose="test")
    yield opened
    await opened.close()


async def _reverse_of(session: Session, setup: str, forward: str) -> tuple[str, ...]:
    await session.execute(setup)
    before = await read_catalog(session)
    await session.execute(forward)
    return reverse(before, await read_catalog(session)).statements


async def _run(session: Session, statements: tuple[str, ...]) -> None:
    async with session.transaction():
        for statement in statements:
            await session.execute(statement)


async def test_digits_written_since_are_not_rounded_away(session: Session) -> None:
    back = await _reverse_of(
        session,
        "create table public.t (a numeric(6,2)); insert into public.t values (1.25)",
        "alter table public.t alter a type numeric(12,4)",
    )
    await session.execute("insert into public.t values (1.2345)")

    with pytest.raises(StatementFailed, match=r"Column a of public\.t holds values that numeric\(6,2\) cannot hold"):
        await _run(session, back)
    assert len(await session.rows("select 1 from public.t where a = 1.2345")) == 1

    await session.execute("delete from public.t where a = 1.2345")
    await _run(session, back)


async def test_numbers_that_do_not_fit_any_more_stop_the_way_back(session: Session) -> None:
    back = await _reverse_of(session, "create table public.t (a int)", "alter table public.t alter a type bigint")
    await session.execute("insert into public.t values (3000000000)")

    with pytest.raises(StatementFailed):
        await _run(session, back)


async def test_texts_that_do_not_fit_any_more_are_not_cut(session: Session) -> None:
    back = await _reverse_of(session, "create table public.t (a varchar(3))", "alter table public.t alter a type text")
    await session.execute("insert into public.t values ('long text')")

    with pytest.raises(StatementFailed):
        await _run(session, back)


async def test_a_view_that_somebody_made_since_is_not_dropped(session: Session) -> None:
    back = await _reverse_of(session, "create schema s", "create table s.t (a int)")
    await session.execute("create view public.theirs as select a from s.t")

    with pytest.raises(StatementFailed, match="depend"):
        await _run(session, back)


async def test_a_sequence_that_has_moved_on_is_not_set_back(session: Session) -> None:
    back = await _reverse_of(
        session,
        "create sequence public.q; select setval('public.q', 50)",
        "alter sequence public.q increment 10; select setval('public.q', 7)",
    )
    await session.execute("select setval('public.q', 900)")

    await _run(session, back)

    assert await session.rows("select last_value from public.q") == [{"last_value": 900}]


async def test_a_sequence_that_was_set_back_gets_its_position(session: Session) -> None:
    back = await _reverse_of(
        session,
        "create sequence public.q; select setval('public.q', 50)",
        "select setval('public.q', 7)",
    )

    await _run(session, back)

    assert await session.rows("select nextval('public.q') as n") == [{"n": 51}]


async def test_the_statements_do_not_need_a_search_path(session: Session) -> None:
    back = await _reverse_of(
        session,
        "create table public.t (a int); create view public.v as select a from public.t",
        "drop view public.v; alter table public.t rename to u; create function public.f() returns int language sql "
        "as 'select 1'",
    )
    await session.execute("set search_path = ''")

    await _run(session, back)

    assert len(await session.rows("select a from public.v")) == 0
