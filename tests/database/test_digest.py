# SPDX-License-Identifier: Apache-2.0
"""Does a digest change when, and only when, the rows change?"""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from backstitch.adapters.conninfo import parse_url
from backstitch.adapters.postgres import PostgresDatabase
from backstitch.adapters.session import PostgresSession
from backstitch.core.errors import StatementFailed
from backstitch.engine.digest import all_digests, differing, table_digest
from tests.plugins.pg import TestDatabase


@pytest.fixture
async def session(database: TestDatabase) -> AsyncIterator[PostgresSession]:
    session = await PostgresDatabase.of(parse_url(database.url)).connect(purpose="test")
    yield session
    await session.close()


async def run(session: PostgresSession, *statements: str) -> None:
    for statement in statements:
        await session.execute(statement)


async def test_it_does_not_depend_on_the_order_of_rows_and_columns(session: PostgresSession) -> None:
    await run(
        session,
        "CREATE TABLE a (id int, name text)",
        "INSERT INTO a SELECT g, 'n' || g FROM generate_series(1, 500) g",
        "CREATE TABLE b (name text, gone int, id int)",
        "ALTER TABLE b DROP COLUMN gone",
        "INSERT INTO b (id, name) SELECT id, name FROM a ORDER BY id DESC",
    )
    digests = await all_digests(session)
    assert digests["public.a"] == digests["public.b"]
    assert digests["public.a"].rows == 500
    assert len(digests["public.a"].digest) == 32
    assert await table_digest(session, "public", "a") == digests["public.a"]


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE t SET n = 1.0 WHERE id = 1",
        "UPDATE t SET f = '-0' WHERE id = 1",
        "UPDATE t SET s = NULL WHERE id = 1",
        "UPDATE t SET s = 'NULL' WHERE id = 1",
        """UPDATE t SET j = '{"a": 1}' WHERE id = 1""",
        "UPDATE t SET p = point(1, 2.0000000000000004) WHERE id = 1",
        "UPDATE t SET x = '<a> </a>' WHERE id = 1",
        "UPDATE t SET ts = ts + interval '1 microsecond' WHERE id = 1",
        "UPDATE t SET id = 3 WHERE id = 2",
        "INSERT INTO t SELECT (t).* FROM (SELECT t FROM t WHERE id = 1) x",
        "DELETE FROM t WHERE id = 2",
    ],
)
async def test_it_sees_what_equality_does_not(session: PostgresSession, change: str) -> None:
    xml = "xml" if session.server_version < 160000 else "text"  # the PostgreSQL 18 of the tests is built without libxml
    await run(
        session,
        f"CREATE TABLE t (id int, n numeric, f float8, s text, j json, p point, x {xml}, ts timestamptz, b bytea)",
        """INSERT INTO t SELECT g, 1.00, 0, '', '{"a":1}', point(1, 2), '<a></a>', '2026-01-01', '\\x00'
             FROM generate_series(1, 2) g""",
    )
    before = await table_digest(session, "public", "t")
    await session.execute(change)
    after = await table_digest(session, "public", "t")
    assert before != after
    assert before.digest != after.digest


async def test_rows_that_come_and_go_leave_the_same_digest(session: PostgresSession) -> None:
    await run(session, "CREATE TABLE t (a int)", "INSERT INTO t SELECT generate_series(1, 10)")
    before = await table_digest(session, "public", "t")
    await run(session, "INSERT INTO t VALUES (11)", "DELETE FROM t WHERE a IN (3, 11)", "INSERT INTO t VALUES (3)")
    assert await table_digest(session, "public", "t") == before


async def test_a_table_without_columns_and_an_empty_one(session: PostgresSession) -> None:
    await run(session, "CREATE TABLE none ()", "INSERT INTO none DEFAULT VALUES", "CREATE TABLE empty (a int)")
    digests = await all_digests(session)
    assert digests["public.none"].rows == 1
    assert digests["public.empty"].rows == 0
    assert digests["public.empty"].digest == "0" * 32


async def test_generated_columns_and_odd_names(session: PostgresSession) -> None:
    await run(
        session,
        'CREATE SCHEMA "odd.schema"',
        'CREATE TABLE "odd.schema"."it\'s ""%s""" ("a b" int, "%" int GENERATED ALWAYS AS ("a b" * 2) STORED)',
        'INSERT INTO "odd.schema"."it\'s ""%s""" VALUES (1)',
    )
    digests = await all_digests(session)
    assert list(digests) == ['odd.schema.it\'s "%s"']
    assert await table_digest(session, "odd.schema", 'it\'s "%s"') == next(iter(digests.values()))


async def test_partitions_count_once_and_inheritance_too(session: PostgresSession) -> None:
    await run(
        session,
        "CREATE TABLE p (a int) PARTITION BY RANGE (a)",
        "CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (10)",
        "CREATE TABLE p2 PARTITION OF p FOR VALUES FROM (10) TO (20)",
        "INSERT INTO p SELECT generate_series(0, 14)",
        "CREATE TABLE parent (a int)",
        "CREATE TABLE child () INHERITS (parent)",
        "INSERT INTO child VALUES (1)",
    )
    digests = await all_digests(session)
    assert {name: digest.rows for name, digest in digests.items()} == {
        "public.p1": 10,
        "public.p2": 5,
        "public.parent": 0,
        "public.child": 1,
    }
    assert (await table_digest(session, "public", "p")).rows == 15


async def test_what_is_ours_is_left_out(session: PostgresSession) -> None:
    await run(
        session,
        "CREATE SCHEMA backstitch",
        "CREATE TABLE backstitch.migrations (a int)",
        "CREATE SCHEMA backstitch_quarantine",
        "CREATE TABLE backstitch_quarantine.t (a int)",
        "CREATE TEMPORARY TABLE temp (a int)",
        "CREATE TABLE t (a int)",
        "INSERT INTO t VALUES (1)",
    )
    before = await all_digests(session)
    assert list(before) == ["public.t"]
    await session.execute("ALTER TABLE t ADD backstitch_parked_b int DEFAULT 7")
    assert await all_digests(session) == before


async def test_only_the_columns_asked_for(session: PostgresSession) -> None:
    await run(session, "CREATE TABLE t (a int, b int)", "INSERT INTO t VALUES (1, 2)")
    before = await table_digest(session, "public", "t", ["a"])
    await session.execute("UPDATE t SET b = 3")
    assert await table_digest(session, "public", "t", ["a"]) == before
    assert await table_digest(session, "public", "t", ["b", "a"]) == await table_digest(session, "public", "t")


async def test_a_missing_table_is_named(session: PostgresSession) -> None:
    with pytest.raises(StatementFailed, match=r"public\.nowhere") as caught:
        await table_digest(session, "public", "nowhere")
    assert caught.value.reason == "TableMissing"


async def test_hidden_rows_are_an_error_not_a_smaller_count(session: PostgresSession, database: TestDatabase) -> None:
    await run(
        session,
        "CREATE TABLE t (a int)",
        "INSERT INTO t SELECT generate_series(1, 10)",
        "ALTER TABLE t ENABLE ROW LEVEL SECURITY",
        "ALTER TABLE t FORCE ROW LEVEL SECURITY",
        "CREATE POLICY few ON t USING (a < 5)",
    )
    with pytest.raises(StatementFailed, match="row-level security"):
        await all_digests(session)
    assert await session.rows("SHOW row_security") == [{"row_security": "on"}]
    async with session.transaction():
        await session.execute("ALTER TABLE t NO FORCE ROW LEVEL SECURITY")
        assert (await table_digest(session, "public", "t")).rows == 10
        assert await session.rows("SHOW row_security") == [{"row_security": "on"}]


async def test_many_tables_take_a_few_statements(session: PostgresSession) -> None:
    for number in range(95):
        await session.execute(f"CREATE TABLE t{number:02} AS SELECT {number} AS a")
    digests = await all_digests(session)
    assert len(digests) == 95
    assert len({digest.digest for digest in digests.values()}) == 95


async def test_the_difference_is_said_in_words(session: PostgresSession) -> None:
    await run(session, "CREATE TABLE a AS SELECT 1 AS x", "CREATE TABLE b AS SELECT 1 AS x", "CREATE TABLE c ()")
    before = await all_digests(session)
    await run(session, "UPDATE a SET x = 2", "INSERT INTO b VALUES (2)", "DROP TABLE c", "CREATE TABLE d ()")
    assert differing(before, before) == []
    assert differing(before, await all_digests(session)) == [
        "public.a has other values in its 1 rows",
        "public.b has 2 rows instead of 1",
        "public.c is missing",
        "public.d is new",
    ]
