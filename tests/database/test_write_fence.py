# SPDX-License-Identifier: Apache-2.0
"""The write fence: writers wait, readers do not, and a fence whose holder is gone or stuck lifts itself."""

from __future__ import annotations

import threading
import time

import psycopg
import pytest

from backstitch.adapters.conninfo import parse_url
from backstitch.adapters.postgres import PostgresDatabase
from backstitch.core.ports import Session
from backstitch.engine import write_fence
from backstitch.engine.write_fence import lift_fence, raise_fence, still_stands
from tests.plugins.pg import TestDatabase

TABLES = """
create schema backstitch;
create table plain (id int primary key);
create table parts (id int primary key) partition by range (id);
create table parts_1 partition of parts for values from (0) to (100);
"""
WRITES = ("insert into plain values (1)", "insert into parts_1 values (1)", "copy plain from program 'echo 2'",
          "truncate parts_1")  # fmt: skip


class Writer:
    """One statement of the application in a thread; how long it took, and what came of it."""

    def __init__(self, database: TestDatabase, statement: str) -> None:
        self.took: float | None = None
        self.error: str = ""
        self._thread = threading.Thread(target=self._run, args=(database.superuser_url, statement), daemon=True)
        self._thread.start()

    def _run(self, url: str, statement: str) -> None:
        begun = time.monotonic()
        try:
            with psycopg.connect(url, autocommit=True) as app:
                app.execute(statement.encode())
        except psycopg.Error as error:
            self.error = str(error)
        self.took = time.monotonic() - begun

    def done(self, within: float) -> bool:
        self._thread.join(within)
        return self.took is not None


async def _session(database: TestDatabase) -> Session:
    return await PostgresDatabase.of(parse_url(database.url)).connect(purpose="fence")


@pytest.mark.parametrize("statement", WRITES)
async def test_a_writer_waits_without_an_error_and_goes_on_when_it_is_lifted(
    database: TestDatabase, statement: str
) -> None:
    database.psql(TABLES)
    session = await _session(database)
    until = await raise_fence(session, lock_timeout_ms=500)
    assert await still_stands(session, until)
    writer = Writer(database, statement)
    assert not writer.done(within=0.3)
    assert database.psql("select count(*) from plain") == [(0,)]
    await lift_fence(session, lock_timeout_ms=500)
    assert writer.done(within=10)
    assert writer.error == ""
    assert database.psql("select count(*) from pg_trigger where tgname = 'backstitch_app_fence'") == [(0,)]
    await session.close()


async def test_it_lifts_itself_when_its_holder_dies(database: TestDatabase) -> None:
    database.psql(TABLES)
    session = await _session(database)
    await raise_fence(session, lock_timeout_ms=500)
    writer = Writer(database, "insert into plain values (1)")
    assert not writer.done(within=0.3)
    database.psql(f"select pg_terminate_backend({session.pid})", superuser=True)
    assert writer.done(within=10)
    assert writer.error == ""


async def test_it_lifts_itself_when_its_time_is_over(database: TestDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(write_fence, "LIMIT_S", 1)
    database.psql(TABLES)
    session = await _session(database)
    until = await raise_fence(session, lock_timeout_ms=500)
    writer = Writer(database, "insert into plain values (1)")
    assert writer.done(within=10)
    assert writer.error == ""
    assert not await still_stands(session, until)
    await session.close()


async def test_a_fence_that_would_fall_while_writers_are_put_out_is_not_relied_on(
    database: TestDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(write_fence, "LIMIT_S", write_fence.SPARE_S - 1)
    database.psql(TABLES)
    session = await _session(database)
    assert not await still_stands(session, await raise_fence(session, lock_timeout_ms=500))
    await session.close()
