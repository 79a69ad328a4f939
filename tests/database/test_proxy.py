# SPDX-License-Identifier: Apache-2.0
"""Does the door in front of PostgreSQL break connections exactly where it says?"""

from __future__ import annotations

import asyncio

import psycopg
import pytest

from tests.plugins.pg import TestDatabase
from tests.plugins.proxy import Fate, PgProxy


def _is_commit(statement: str) -> bool:
    return statement.strip().lower() == "commit"


@pytest.mark.parametrize("protocol", ["simple", "extended", "prepared"])
@pytest.mark.parametrize("fate, rows", [("done", [(1,)]), ("lost", [])])
async def test_a_cut_at_commit_leaves_the_client_unsure_and_the_server_decided(
    database: TestDatabase, proxy: PgProxy, protocol: str, fate: Fate, rows: list[tuple[int]]
) -> None:
    database.psql("create table seen (id int)")
    async with await psycopg.AsyncConnection.connect(proxy.url, autocommit=True) as connection:
        extended = protocol != "simple"
        for _ in range(2):  # the second round reuses what the first one prepared
            await connection.execute("begin")
            await connection.execute("insert into seen values (0)")
            await connection.execute("rollback", prepare=protocol == "prepared", binary=extended)
            await connection.execute("begin")
            await connection.execute("commit", prepare=protocol == "prepared", binary=extended)
        await connection.execute("begin")
        await connection.execute("insert into seen values (%s)", [1])
        proxy.cut_when(_is_commit, fate=fate)
        with pytest.raises(psycopg.OperationalError):
            await connection.execute("commit", prepare=protocol == "prepared", binary=extended)
        assert connection.broken
    assert proxy.sprung.is_set()
    await _until_alone(database)
    assert database.psql("select id from seen") == rows


async def test_an_implicit_transaction_of_the_extended_protocol_is_done_before_the_cut(
    database: TestDatabase, proxy: PgProxy
) -> None:
    database.psql("create table seen (id int)")
    async with await psycopg.AsyncConnection.connect(proxy.url, autocommit=True) as connection:
        proxy.cut_when(lambda statement: statement.startswith("insert"))
        with pytest.raises(psycopg.OperationalError):
            await connection.execute("insert into seen values (%s)", [5])
    assert database.psql("select id from seen") == [(5,)]


async def test_a_refusing_door_lets_existing_connections_live_and_opens_again_at_its_port(proxy: PgProxy) -> None:
    async with await psycopg.AsyncConnection.connect(proxy.url, autocommit=True) as connection:
        url = proxy.url
        await proxy.refuse()
        with pytest.raises(psycopg.OperationalError, match="refused"):
            await psycopg.AsyncConnection.connect(url)
        await connection.execute("select 1")
        await proxy.open()
        assert proxy.url == url
        await (await psycopg.AsyncConnection.connect(url)).close()
    assert proxy.connections == 2


async def test_a_black_hole_answers_nobody_until_it_opens(proxy: PgProxy) -> None:
    async with await psycopg.AsyncConnection.connect(proxy.url, autocommit=True) as connection:
        proxy.black_hole()
        asked = asyncio.create_task(connection.execute("select 7"))
        done, _ = await asyncio.wait([asked], timeout=0.2)
        assert not done
        await proxy.open()
        assert await (await asked).fetchall() == [(7,)]


async def test_a_hang_keeps_the_connection_unanswered_though_the_server_is_done(
    database: TestDatabase, proxy: PgProxy
) -> None:
    async with await psycopg.AsyncConnection.connect(proxy.url, autocommit=True) as connection:
        proxy.hang_when(lambda statement: "create table" in statement)
        asked = asyncio.create_task(connection.execute("create table seen (id int)"))
        await asyncio.wait_for(proxy.sprung.wait(), 10)
        done, _ = await asyncio.wait([asked], timeout=0.1)
        assert not done
        assert database.psql("select count(*) from seen") == [(0,)]
        proxy.cut_all()
        with pytest.raises(psycopg.OperationalError):
            await asked


async def test_answers_are_cut_after_the_given_byte(proxy: PgProxy) -> None:
    async with await psycopg.AsyncConnection.connect(proxy.url, autocommit=True) as connection:
        proxy.cut_after(100_000)
        await connection.execute("select 'short'")
        with pytest.raises(psycopg.OperationalError):
            await connection.execute("select repeat('x', 200000)")
    assert proxy.sprung.is_set()


async def test_a_slow_door_delays_each_way(proxy: PgProxy) -> None:
    async with await psycopg.AsyncConnection.connect(proxy.url, autocommit=True) as connection:
        proxy.delay(0.1)
        begun = asyncio.get_running_loop().time()
        await connection.execute("select 1")
        assert asyncio.get_running_loop().time() - begun >= 0.2


async def _until_alone(database: TestDatabase) -> None:
    """Wait until the server has noticed that the cut session is gone."""
    others = "select count(*) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
    async with asyncio.timeout(10):
        while database.psql(others) != [(0,)]:  # noqa: ASYNC110 - nothing in this process could set an event
            await asyncio.sleep(0.02)
