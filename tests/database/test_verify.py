# SPDX-License-Identifier: Apache-2.0
"""Does each kind of check pass, fail and say so, on real servers? One small shop, one fault per case."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from backstitch.adapters.conninfo import parse_url
from backstitch.adapters.postgres import PostgresDatabase
from backstitch.core.ports import Session
from backstitch.engine.verify import CheckContext, run_check
from backstitch.model.checks import KINDS, Check, CheckResult
from tests.plugins.pg import TestDatabase

SHOP = """
CREATE TABLE users (id int PRIMARY KEY, email text UNIQUE, first text, last text, full_name text);
INSERT INTO users SELECT i, 'u' || i || '@x', 'f' || i, 'l' || i, 'f' || i || ' l' || i FROM generate_series(1, 50) i;
CREATE TABLE orders (id int PRIMARY KEY, user_id int REFERENCES users, total numeric);
INSERT INTO orders SELECT i, (i % 50) + 1, i FROM generate_series(1, 5000) i;
CREATE INDEX orders_user ON orders (user_id);
CREATE TABLE "Odd.Name" ("Key" int, note text);
INSERT INTO "Odd.Name" VALUES (1, NULL);
CREATE TABLE lone (x int);
ANALYZE;
"""


@pytest_asyncio.fixture
async def session(database: TestDatabase) -> AsyncIterator[Session]:
    """A read-only session on the shop, as checks get it."""
    database.psql(SHOP)
    opened = await PostgresDatabase.of(parse_url(database.url)).connect(purpose="checks", read_only=True)
    yield opened
    await opened.close()


async def check(session: Session, context: CheckContext | None = None, **fields: Any) -> CheckResult:
    return await run_check(session, Check.model_validate({"name": "c", **fields}), context or CheckContext())


def number(sql: str, **expect: Any) -> dict[str, Any]:
    return {"query": sql, "expect": {"type": "number", **expect}}


PASS: list[dict[str, Any]] = [
    number("SELECT count(*) FROM users", equals=50),
    number("SELECT count(*) FROM users;  -- all", equals=50),
    number("/* a */ WITH u AS (SELECT * FROM users) SELECT sum(id) FROM u", min=1275, max=1275),
    number("SELECT avg(total) FROM orders", equals=2500, threshold=1),
    number("SELECT 0.1::float8 + 0.2::float8", equals=0.3, threshold=0.0001),
    number("SELECT id FROM users ORDER BY id LIMIT 1", equals=1),
    number("VALUES (7)", equals=7),
    number("SELECT 100 % 7", equals=2),
    {"query": "SELECT true", "expect": {"type": "boolean", "equals": True}},
    {"query": "SELECT 'a'::varchar", "expect": {"type": "string", "equals": "a"}},
    {"query": "SELECT date '2026-11-21'", "expect": {"type": "string", "equals": "2026-11-21"}},
    {"query": "SELECT timestamptz 'infinity'", "expect": {"type": "string", "equals": "infinity"}},
    {"query": "SELECT * FROM users WHERE id < 0", "expect": {"empty": True}},
    {"query": "SELECT * FROM users", "expect": {"empty": False}},
    {"query": "SELECT u.id, o.id FROM users u JOIN orders o ON o.user_id = u.id", "expect": {"rows": 5000}},
    {"noNulls": {"table": "users", "columns": ["full_name", "email"]}},
    {"noNulls": {"table": '"Odd.Name"', "columns": ["note"], "where": '"Key" > 1 -- not the first'}},
    {"noDuplicates": {"table": "users", "columns": ["email"]}},
    {"noDuplicates": {"table": '"Odd.Name"', "columns": ["Key", "note"]}},
    {"noOrphans": {"table": "orders", "columns": ["user_id"], "references": "users"}},
    {
        "noOrphans": {
            "table": "public.users",
            "columns": ["email"],
            "references": "users",
            "referencedColumns": ["email"],
        }
    },
    {"foreignKeysHold": {"table": "orders"}},
    {"foreignKeysHold": {"table": "users"}},
    {"uniqueHolds": {"table": "users"}},
    {"rowCount": {"table": "users", "equals": 50}},
    {"rowCount": {"table": "users", "where": "id > 40", "min": 1, "max": 10}},
    {"columnsEqual": {"table": "users", "left": "first || ' ' || last", "right": "full_name"}},
    {"columnsEqual": {"table": '"Odd.Name"', "left": "note", "right": "NULL::text"}},
    {"noInvalidIndexes": {}},
    {"noInvalidIndexes": {"table": "users"}},
    {"queryUsesIndex": {"query": "SELECT * FROM orders WHERE user_id = 7", "index": "orders_user"}},
    {"queryUsesIndex": {"query": "SELECT * FROM orders WHERE id = 7", "index": "orders_pkey"}},
    {"noSequentialScan": {"query": "SELECT * FROM orders WHERE id = 7"}},
    {"noSequentialScan": {"query": "SELECT * FROM users, orders WHERE orders.id = 7", "tables": ["orders"]}},
    {"queryWithin": {"query": "SELECT count(*) FROM users", "maxMs": 5000}},
]

FAIL: list[tuple[str, dict[str, Any], str]] = [
    ("", number("SELECT count(*) FROM users", equals=49), "Found 50."),
    ("", number("SELECT NULL::int", equals=0), "NULL"),
    ("", number("SELECT id FROM users WHERE id < 0", equals=0), "no row"),
    ("", {"query": "SELECT 'b'::text", "expect": {"type": "string", "equals": "a"}}, "Found b."),
    ("", {"query": "SELECT * FROM users", "expect": {"empty": True}}, "at least one row"),
    ("", {"query": "SELECT * FROM users", "expect": {"rows": 3}}, "50 rows"),
    (
        "UPDATE users SET full_name = NULL WHERE id IN (3, 4); UPDATE users SET email = NULL WHERE id = 1",
        {"noNulls": {"table": "users", "columns": ["full_name", "email"]}},
        "NULLs in public.users: 3 (full_name: 2, email: 1).",
    ),
    (
        "UPDATE users SET first = 'same' WHERE id < 4",
        {"noDuplicates": {"table": "users", "columns": ["first"]}},
        "Values of (first) in more than one row of public.users: 1.",
    ),
    (
        "ALTER TABLE orders DROP CONSTRAINT orders_user_id_fkey; UPDATE orders SET user_id = 999 WHERE id = 5",
        {"noOrphans": {"table": "orders", "columns": ["user_id"], "references": "users"}},
        "Rows of public.orders whose (user_id) points at nothing in public.users: 1.",
    ),
    (
        "ALTER TABLE orders DROP CONSTRAINT orders_user_id_fkey; UPDATE orders SET user_id = 999 WHERE id IN (5, 6);"
        "ALTER TABLE orders ADD CONSTRAINT fk FOREIGN KEY (user_id) REFERENCES users NOT VALID",
        {"foreignKeysHold": {"table": "orders"}},
        "fk of public.orders: 2",
    ),
    (
        "ALTER TABLE orders DROP CONSTRAINT orders_user_id_fkey; UPDATE orders SET user_id = 999 WHERE id IN (5, 6);"
        "ALTER TABLE orders ADD CONSTRAINT fk FOREIGN KEY (user_id) REFERENCES users NOT VALID",
        {"foreignKeysHold": {"table": "users"}},
        "fk of public.orders: 2",
    ),
    (
        "CREATE TABLE p (a int, b int, UNIQUE (a, b)); CREATE TABLE f (a int, b int); INSERT INTO f VALUES (1, NULL);"
        "ALTER TABLE f ADD CONSTRAINT whole FOREIGN KEY (a, b) REFERENCES p (a, b) MATCH FULL NOT VALID",
        {"foreignKeysHold": {"table": "f"}},
        "whole of public.f: 1",
    ),
    ("", {"rowCount": {"table": "users", "equals": 51}}, "users has 50 rows."),
    (
        "UPDATE users SET full_name = 'x' WHERE id = 9; UPDATE users SET full_name = NULL WHERE id = 10",
        {"columnsEqual": {"table": "users", "left": "first || ' ' || last", "right": "full_name"}},
        "Rows of public.users in which the two differ: 2.",
    ),
    ("", {"queryUsesIndex": {"query": "SELECT * FROM orders", "index": "orders_user"}}, "reads orders as a whole"),
    ("", {"noSequentialScan": {"query": "SELECT * FROM orders WHERE total = 3"}}, "public.orders"),
    ("", {"queryWithin": {"query": "SELECT pg_sleep(0.02)", "maxMs": 10}}, "takes"),
]

ERROR: list[tuple[dict[str, Any], str]] = [
    (number("SELECT count(*) FROM userz", equals=0), "Did you mean public.users?"),
    (number("SELECT emial FROM users", equals=0), "emial"),
    (number("SELEC 1", equals=0), "cannot be read"),
    (number("SELECT 1/0", equals=0), "22012"),
    (number("SELECT email FROM users WHERE id = 1", equals=0), "gave a string (text)"),
    (number("SELECT id FROM users", equals=0), "more than one row"),
    (number("SELECT 1, 2", equals=1), "2 columns"),
    (number("SELECT 1 AS a, 2 AS a, 3 AS a", equals=1), "columns"),
    (number("", equals=1) | {"query": " -- nothing"}, "no statement"),
    ({"noNulls": {"table": "usrs", "columns": ["email"]}}, "public.usrs does not exist. Did you mean public.users?"),
    ({"noNulls": {"table": "users", "columns": ["emial"]}}, "no column emial. Did you mean email?"),
    ({"noNulls": {"table": "users", "columns": ["email"], "where": "emial = 1"}}, "emial"),
    ({"noDuplicates": {"table": "users", "columns": ["qqq"]}}, "It has: id, email"),
    ({"noOrphans": {"table": "orders", "columns": ["user_id"], "references": "uzers"}}, "public.users"),
    ({"noOrphans": {"table": "orders", "columns": ["user_id"], "references": "lone"}}, "referencedColumns"),
    ({"foreignKeysHold": {"table": "order"}}, "public.orders"),
    ({"uniqueHolds": {"table": "a.b.c"}}, "not a table name"),
    ({"rowCount": {"table": "nowhere.users", "equals": 0}}, "nowhere.users does not exist"),
    ({"columnsEqual": {"table": "users", "left": "first", "right": "naem"}}, "naem"),
    ({"noInvalidIndexes": {"table": "user"}}, "public.users"),
    ({"queryUsesIndex": {"query": "SELECT 1 FROM orders", "index": "orders_usr"}}, "Did you mean orders_user"),
    ({"queryUsesIndex": {"query": "SELECT $1", "index": "orders_user"}}, "$1"),
    ({"noSequentialScan": {"query": "SELECT 1 FROM orders", "tables": ["ordrs"]}}, "public.orders"),
    ({"queryWithin": {"query": "SELECT nope()", "maxMs": 10}}, "nope"),
]


@pytest.mark.parametrize("fields", PASS, ids=str)
async def test_what_holds_passes(session: Session, fields: dict[str, Any]) -> None:
    result = await check(session, **fields)
    assert (result.outcome, result.message) == ("passed", "")
    assert result.value is not None
    assert result.expected is not None


@pytest.mark.parametrize("fault, fields, says", FAIL, ids=str)
async def test_what_does_not_hold_fails(
    session: Session, database: TestDatabase, fault: str, fields: dict[str, Any], says: str
) -> None:
    if fault:
        database.psql(fault)
    result = await check(session, **fields)
    assert result.outcome == "failed", result
    assert says in result.message


@pytest.mark.parametrize("fields, says", ERROR, ids=str)
async def test_what_cannot_be_evaluated_is_an_error_that_helps(
    session: Session, fields: dict[str, Any], says: str
) -> None:
    result = await check(session, **fields)
    assert result.outcome == "error", result
    assert says in result.message


def test_every_kind_has_a_case() -> None:
    seen = {Check.model_validate({"name": "c", **f}).kind for f in [*PASS, *(f for _, f, _ in FAIL)]}
    elsewhere = {"rowsUnchanged", "schemaIs", "workloadStillWorks"}  # test_verify_baseline.py, test_workload_check.py
    assert seen >= set(KINDS) - elsewhere


@pytest.mark.parametrize("kind", ["foreignKeysHold", "uniqueHolds"])
async def test_a_check_with_nothing_to_hold_is_inconclusive(session: Session, kind: str) -> None:
    result = await check(session, None, **{kind: {"table": "lone"}})
    assert result.outcome == "inconclusive"
    assert "nothing to hold" in result.message


async def test_a_plan_that_reads_nothing_is_inconclusive(session: Session) -> None:
    result = await check(session, noSequentialScan={"query": "SELECT * FROM orders WHERE false"})
    assert result.outcome == "inconclusive"


async def test_unique_is_read_from_the_rows_and_not_from_a_broken_index(
    session: Session, database: TestDatabase
) -> None:
    """The index lacks a row, and reading it would be the cheaper way: its answer must not be asked."""
    database.psql("CREATE TABLE t (a int NOT NULL, wide text); CREATE UNIQUE INDEX t_a ON t (a)")
    database.psql("INSERT INTO t SELECT i, repeat('x', 700) FROM generate_series(1, 5000) i")
    database.psql("VACUUM ANALYZE t")
    database.psql("UPDATE pg_index SET indisready = false WHERE indexrelid = 't_a'::regclass", superuser=True)
    database.psql("INSERT INTO t VALUES (7, 'again')")  # the index does not see this one
    database.psql("UPDATE pg_index SET indisready = true WHERE indexrelid = 't_a'::regclass", superuser=True)
    plan = database.psql("EXPLAIN SELECT a FROM t GROUP BY a HAVING count(*) > 1")
    assert "Index Only Scan" in str(plan)
    result = await check(session, uniqueHolds={"table": "t"})
    assert result.outcome == "failed"
    assert "t_a: 1" in result.message


async def test_nulls_not_distinct_and_partial_indexes_are_understood(session: Session, database: TestDatabase) -> None:
    database.psql(
        "CREATE TABLE t (a int, b int); CREATE UNIQUE INDEX t_part ON t (a) WHERE b > 0;"
        "INSERT INTO t VALUES (1, 0), (1, 0), (1, 1), (NULL, 1), (NULL, 1)"
    )
    assert (await check(session, uniqueHolds={"table": "t"})).outcome == "passed"
    database.psql(
        "DELETE FROM t; CREATE UNIQUE INDEX t_nulls ON t (a) NULLS NOT DISTINCT; INSERT INTO t VALUES (NULL, 1)"
    )
    assert (await check(session, uniqueHolds={"table": "t"})).outcome == "passed"


@pytest.mark.parametrize("kind", ["noInvalidIndexes", "uniqueHolds"])
async def test_an_invalid_index_is_named(session: Session, database: TestDatabase, kind: str) -> None:
    database.psql(
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'users_email_key'::regclass", superuser=True
    )
    result = await check(session, None, **{kind: {"table": "users"}})
    assert result.outcome == "failed"
    assert "users_email_key" in result.message
    assert (await check(session, noInvalidIndexes={"table": "orders"})).outcome == "passed"
    assert (await check(session, noInvalidIndexes={})).outcome == "failed"


async def test_partitions_stand_for_their_table(session: Session, database: TestDatabase) -> None:
    database.psql(
        "CREATE TABLE p (id int PRIMARY KEY, v int) PARTITION BY RANGE (id);"
        "CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (100000);"
        "CREATE INDEX p_v ON p (v); INSERT INTO p SELECT i, i FROM generate_series(1, 20000) i; ANALYZE p"
    )
    by_v = "SELECT * FROM p WHERE v = 3"
    assert (await check(session, queryUsesIndex={"query": by_v, "index": "p_v"})).outcome == "passed"
    assert (await check(session, noSequentialScan={"query": by_v, "tables": ["p"]})).outcome == "passed"
    whole = await check(session, noSequentialScan={"query": "SELECT sum(v + id) FROM p", "tables": ["p"]})
    assert (whole.outcome, whole.value) == ("failed", "public.p1")
    assert (await check(session, uniqueHolds={"table": "p"})).outcome == "passed"


async def test_search_path_of_the_migration_holds(session: Session, database: TestDatabase) -> None:
    database.psql("CREATE SCHEMA shop; CREATE TABLE shop.users (id int); INSERT INTO shop.users VALUES (1)")
    counted = number("SELECT count(*) FROM users", equals=1)
    assert (await check(session, CheckContext(search_path=("shop", "public")), **counted)).outcome == "passed"
    assert (await check(session, **counted)).outcome == "failed"


async def test_values_of_rows_stay_out_of_messages(session: Session, database: TestDatabase) -> None:
    database.psql("UPDATE users SET first = 'top-secret' WHERE id = 1")
    for sql in ("SELECT first::int FROM users WHERE id = 1", "SELECT sum(first::int) FROM users"):
        result = await check(session, **number(sql, equals=0))
        assert result.outcome == "error"
        assert "top-secret" not in str(result)
        assert "22P02" in result.message
