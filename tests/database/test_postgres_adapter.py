# SPDX-License-Identifier: Apache-2.0
"""Does the PostgreSQL adapter keep the promises of core.ports, and turn trouble into the right error?"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest

from backstitch.adapters.conninfo import parse_url
from backstitch.adapters.postgres import PostgresDatabase
from backstitch.adapters.session import PostgresSession
from backstitch.core.errors import (
    BackstitchError,
    CommitUnknown,
    ConnectionLost,
    LockNotAvailable,
    StatementFailed,
    Transient,
)
from tests.plugins.pg import TestDatabase
from tests.plugins.proxy import PgProxy


def target(url: str, **settings: str) -> PostgresDatabase:
    return PostgresDatabase.of(parse_url(url), **settings)


@pytest.fixture
async def session(database: TestDatabase) -> AsyncIterator[PostgresSession]:
    session = await target(database.url).connect(purpose="test")
    yield session
    await session.close()


async def in_transaction(session: PostgresSession, *statements: str) -> None:
    async with session.transaction():
        for statement in statements:
            await session.execute(statement)


async def test_rows_are_dicts_and_a_percent_sign_is_itself(session: PostgresSession) -> None:
    assert await session.rows("SELECT 1 AS a, '%s %' AS b") == [{"a": 1, "b": "%s %"}]
    assert await session.rows("SELECT %s::int AS a, '%%' AS b", [7]) == [{"a": 7, "b": "%"}]
    assert await session.rows("CREATE TABLE t (a int)") == []


async def test_execute_counts_rows(session: PostgresSession) -> None:
    assert await session.execute("CREATE TABLE t (a int, b jsonb)") == -1
    assert await session.execute("INSERT INTO t SELECT g FROM generate_series(1, 5) g") == 5
    assert await session.execute("UPDATE t SET b = %s WHERE a < %s", [{"k": [1]}, 3]) == 2
    assert await session.rows("SELECT b FROM t WHERE a = 1") == [{"b": {"k": [1]}}]


async def test_a_transaction_commits_or_rolls_back_whole(session: PostgresSession) -> None:
    await session.execute("CREATE TABLE t (a int)")
    async with session.transaction():
        await session.execute("INSERT INTO t VALUES (1)")
    with pytest.raises(StatementFailed):
        await in_transaction(session, "INSERT INTO t VALUES (2)", "SELECT 1/0")
    assert await session.rows("SELECT a FROM t") == [{"a": 1}]


async def test_a_nested_transaction_is_a_savepoint(session: PostgresSession) -> None:
    await session.execute("CREATE TABLE t (a int PRIMARY KEY)")
    async with session.transaction():
        await session.execute("INSERT INTO t VALUES (1)")
        with pytest.raises(StatementFailed):
            await in_transaction(session, "INSERT INTO t VALUES (2)", "INSERT INTO t VALUES (1)")
        async with session.transaction(), session.transaction():
            await session.execute("INSERT INTO t VALUES (3)")
    assert await session.rows("SELECT a FROM t ORDER BY a") == [{"a": 1}, {"a": 3}]


async def test_a_swallowed_error_does_not_look_like_a_commit(session: PostgresSession) -> None:
    await session.execute("CREATE TABLE t (a int)")

    async def swallow() -> None:
        async with session.transaction():
            await session.execute("INSERT INTO t VALUES (1)")
            with suppress(StatementFailed):
                await session.execute("SELECT 1/0")

    with pytest.raises(StatementFailed) as caught:
        await swallow()
    assert caught.value.reason == "TransactionAborted"
    assert await session.rows("SELECT a FROM t") == []


async def test_a_deferred_constraint_fails_at_commit_with_its_own_error(session: PostgresSession) -> None:
    await session.execute("CREATE TABLE t (a int UNIQUE DEFERRABLE INITIALLY DEFERRED)")
    with pytest.raises(StatementFailed) as caught:
        async with session.transaction():
            await session.execute("INSERT INTO t VALUES (1), (1)")
    assert caught.value.reason == "ConstraintViolated"
    assert await session.rows("SELECT count(*) AS n FROM t") == [{"n": 0}]


@pytest.mark.parametrize(
    "sql, reason, words",
    [
        ("SELEC 1", "SyntaxError", 'at or near "SELEC"'),
        ("SELECT * FROM nowhere", "TableMissing", "nowhere"),
        ("SELECT nothing FROM t", "ColumnMissing", "nothing"),
        ("CREATE TABLE t (a int)", "AlreadyExists", "already exists"),
        ("SELECT 1/0", "BadValue", "division by zero"),
        ("INSERT INTO t VALUES (1, 'hidden-value')", "ConstraintViolated", "public.t"),
        ("INSERT INTO t VALUES (NULL, 'hidden-value')", "ConstraintViolated", "not-null"),
        ("INSERT INTO t VALUES (2, 'hidden-value-is-long')", "ConstraintViolated", "short"),
        ("DROP TABLE t", "StillNeeded", "other objects depend on it"),
        ("SELECT pg_read_file('/etc/passwd')", "PermissionLost", "permission denied"),
        ("CREATE INDEX CONCURRENTLY ON t (a); SELECT 1", "StatementFailed", "transaction block"),
    ],
)
async def test_an_error_says_its_reason_and_no_values(
    session: PostgresSession, sql: str, reason: str, words: str
) -> None:
    await session.execute("CREATE TABLE t (a int PRIMARY KEY, b text UNIQUE CONSTRAINT short CHECK (length(b) < 15))")
    await session.execute("CREATE VIEW v AS SELECT a FROM t")
    await session.execute("INSERT INTO t VALUES (1, 'hidden-value')")
    with pytest.raises(StatementFailed, match=words) as caught:
        await session.execute(sql)
    assert caught.value.reason == reason
    assert len(caught.value.sqlstate) == 5
    assert "hidden" not in caught.value.message


async def test_parameters_are_in_no_message(session: PostgresSession) -> None:
    await session.execute("CREATE TABLE t (a text PRIMARY KEY, b text)")
    await session.execute("INSERT INTO t VALUES (%s, %s)", ["hidden", "x"])
    with pytest.raises(StatementFailed) as caught:
        await session.execute("INSERT INTO t VALUES (%s, %s)", ["hidden", "secret"])
    assert "hidden" not in caught.value.message
    assert "secret" not in caught.value.message
    assert "(a)=(…)" in caught.value.message


async def test_a_value_python_cannot_hold_is_a_clear_error(session: PostgresSession) -> None:
    with pytest.raises(StatementFailed, match="Cast it to text"):
        await session.rows("SELECT 'infinity'::timestamptz AS t")
    assert await session.rows("SELECT 1 AS a") == [{"a": 1}]


async def test_a_lock_that_is_not_to_be_had(session: PostgresSession, database: TestDatabase) -> None:
    await session.execute("CREATE TABLE t (a int)")
    other = await target(database.url).connect(purpose="other")
    async with other.transaction():
        await other.execute("LOCK TABLE t")
        await session.execute("SET lock_timeout = '50ms'")
        with pytest.raises(LockNotAvailable):
            await session.execute("ALTER TABLE t ADD b int")
    await other.close()


async def test_a_deadlock_is_transient(session: PostgresSession, database: TestDatabase) -> None:
    await session.execute("CREATE TABLE t (a int PRIMARY KEY)")
    await session.execute("INSERT INTO t VALUES (1), (2)")
    other = await target(database.url).connect(purpose="other")

    async def both(one: PostgresSession, first: int, second: int, ready: asyncio.Event, go: asyncio.Event) -> str:
        try:
            async with one.transaction():
                await one.execute("UPDATE t SET a = a WHERE a = %s", [first])
                ready.set()
                await go.wait()
                await one.execute("UPDATE t SET a = a WHERE a = %s", [second])
        except Transient as error:
            return error.reason
        return "done"

    left, right = asyncio.Event(), asyncio.Event()
    ends = await asyncio.gather(both(session, 1, 2, left, right), both(other, 2, 1, right, left))
    await other.close()
    assert sorted(ends) == ["Deadlock", "done"]


async def test_cancel_ends_the_statement_only(session: PostgresSession) -> None:
    running = asyncio.create_task(session.execute("SELECT pg_sleep(60)"))
    for _ in range(200):
        await session.cancel()
        done, _ = await asyncio.wait([running], timeout=0.05)
        if done:
            break
    with pytest.raises(StatementFailed) as caught:
        await running
    assert caught.value.reason == "QueryCancelled"
    assert await session.rows("SELECT 1 AS a") == [{"a": 1}]


async def test_a_cancelled_task_rolls_back_and_the_session_lives(
    session: PostgresSession, database: TestDatabase
) -> None:
    await session.execute("CREATE TABLE t (a int)")

    async def work() -> None:
        async with session.transaction():
            await session.execute("INSERT INTO t VALUES (1)")
            await session.execute("SELECT pg_sleep(60)")

    task = asyncio.create_task(work())
    asleep = f"SELECT count(*) FROM pg_stat_activity WHERE pid = {session.pid} AND wait_event = 'PgSleep'"
    for _ in range(400):
        if database.psql(asleep) == [(1,)]:
            break
        await asyncio.sleep(0.02)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(task, 20)
    assert await session.rows("SELECT a FROM t") == []


async def test_a_terminated_session_is_lost_and_can_be_closed_twice(
    session: PostgresSession, database: TestDatabase
) -> None:
    await session.execute("CREATE TABLE t (a int)")

    async def cut() -> None:
        async with session.transaction():
            await session.execute("INSERT INTO t VALUES (1)")
            database.psql(f"SELECT pg_terminate_backend({session.pid}, 5000)")
            await session.execute("INSERT INTO t VALUES (2)")

    with pytest.raises(ConnectionLost):
        await cut()
    assert session.closed
    with pytest.raises(ConnectionLost):
        await session.rows("SELECT 1")
    with pytest.raises(ConnectionLost):
        async with session.transaction():
            pass
    await session.cancel()
    await session.close()
    await session.close()
    assert database.psql("SELECT * FROM t") == []


@pytest.mark.parametrize("fate, rows", [("done", [(1,)]), ("lost", [])])
async def test_a_commit_without_an_answer_is_unknown(
    database: TestDatabase, proxy: PgProxy, fate: str, rows: list[tuple[int]]
) -> None:
    database.psql("CREATE TABLE t (a int)")
    session = await target(proxy.url).connect(purpose="x")
    proxy.cut_when(lambda sql: sql == "COMMIT", fate=fate)  # type: ignore[arg-type]
    with pytest.raises(CommitUnknown):
        async with session.transaction():
            await session.execute("INSERT INTO t VALUES (1)")
    assert database.psql("SELECT * FROM t") == rows
    await session.close()


async def test_a_statement_without_an_answer_is_a_lost_connection(database: TestDatabase, proxy: PgProxy) -> None:
    database.psql("CREATE TABLE t (a int)")
    session = await target(proxy.url).connect(purpose="x")
    proxy.cut_when(lambda sql: sql.startswith("INSERT"))
    with pytest.raises(ConnectionLost):
        async with session.transaction():
            await session.execute("INSERT INTO t VALUES (1)")
    await session.close()


async def test_every_error_of_ours_is_ours(session: PostgresSession) -> None:
    with pytest.raises(BackstitchError):
        await session.rows("SELECT %s", [object()])
