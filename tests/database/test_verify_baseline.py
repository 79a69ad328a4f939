# SPDX-License-Identifier: Apache-2.0
"""Do the checks that compare with the start (rows, times, the catalog) tell the migration from the application?"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from backstitch.adapters.conninfo import parse_url
from backstitch.adapters.postgres import PostgresDatabase
from backstitch.core.ports import Session
from backstitch.core.uncaptured import EVERY_TABLE
from backstitch.engine.baseline import take_baselines
from backstitch.engine.catalog import read_catalog
from backstitch.engine.fingerprint import fingerprint
from backstitch.engine.verify import CheckContext, run_check
from backstitch.model.checks import Check, CheckResult
from tests.plugins.pg import TestDatabase

SHOP = """
CREATE TABLE users (id int PRIMARY KEY, email text UNIQUE, first text);
INSERT INTO users SELECT i, 'u' || i || '@x', 'f' || i FROM generate_series(1, 50) i;
CREATE TABLE orders (id int PRIMARY KEY, user_id int REFERENCES users);
INSERT INTO orders SELECT i, (i % 50) + 1 FROM generate_series(1, 100) i;
CREATE TABLE lone (x int);
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


async def baselines(session: Session, **fields: Any) -> dict[str, object]:
    taken = await take_baselines(session, [Check.model_validate({"name": "c", **fields})])
    again: dict[str, object] = json.loads(json.dumps(taken))
    return again


UNCHANGED = {"rowsUnchanged": {"table": "users"}}


@pytest.mark.parametrize(
    "change, own, outcome, says",
    [
        ("", (0, 0), "passed", ""),
        ("UPDATE users SET first = 'x', email = id::text", (0, 0), "passed", ""),
        ("VACUUM FULL users", (0, 0), "passed", ""),
        ("ALTER TABLE users ALTER id TYPE bigint", (0, 0), "passed", ""),
        ("ALTER TABLE users RENAME id TO user_id", (0, 0), "passed", ""),
        ("DELETE FROM orders; DELETE FROM users WHERE id = 1", (0, 1), "failed", "deleted 1 row"),
        ("INSERT INTO users VALUES (100)", (1, 0), "failed", "inserted 1 row"),
        ("INSERT INTO users VALUES (100)", (0, 0), "passed", "(50 rows at the start, 51 now)"),
        ("DELETE FROM orders; UPDATE users SET id = 77 WHERE id = 1", (1, 1), "failed", "other keys"),
        ("TRUNCATE users CASCADE", (0, 0), "inconclusive", "truncated, rewritten"),
        ("DROP TABLE users CASCADE; CREATE TABLE users (id int PRIMARY KEY)", (0, 0), "failed", "another table"),
        ("ALTER TABLE users DROP COLUMN id CASCADE", (0, 0), "passed", "only the number of rows"),
        ("ALTER TABLE users RENAME TO people", (0, 0), "error", "public.users does not exist"),
    ],
)
async def test_rows_unchanged(
    session: Session, database: TestDatabase, change: str, own: tuple[int, int], outcome: str, says: str
) -> None:
    start = await baselines(session, **UNCHANGED)
    if change:
        database.psql(change)
    context = CheckContext(baselines=start, own_changes={"public.users": own})
    result = await check(session, context, **UNCHANGED)
    assert result.outcome == outcome, result
    assert says in result.message


async def test_rows_of_a_detached_partition_are_missed(session: Session, database: TestDatabase) -> None:
    database.psql(
        "CREATE TABLE p (id int PRIMARY KEY) PARTITION BY RANGE (id);"
        "CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (10); CREATE TABLE p2 PARTITION OF p DEFAULT;"
        "INSERT INTO p VALUES (1), (20)"
    )
    fields = {"rowsUnchanged": {"table": "p"}}
    context = CheckContext(baselines=await baselines(session, **fields))
    assert (await check(session, context, **fields)).outcome == "passed"
    database.psql("ALTER TABLE p DETACH PARTITION p1")
    assert (await check(session, context, **fields)).outcome == "inconclusive"


async def test_rows_are_not_blamed_on_the_application_when_our_own_writes_are_unknown(
    session: Session, database: TestDatabase
) -> None:
    start = await baselines(session, **UNCHANGED)
    database.psql("INSERT INTO users VALUES (100)")
    for uncaptured, outcome in (
        (frozenset({"public.users"}), "inconclusive"),
        (frozenset({EVERY_TABLE}), "inconclusive"),
        (frozenset({"public.orders"}), "passed"),
    ):
        context = CheckContext(baselines=start, uncaptured=uncaptured)
        assert (await check(session, context, **UNCHANGED)).outcome == outcome


async def test_the_fingerprint_of_the_catalog_is_compared(session: Session, database: TestDatabase) -> None:
    total = fingerprint(await read_catalog(session)).total
    assert (await check(session, schemaIs={"fingerprint": total})).outcome == "passed"
    assert (await check(session, schemaIs={"fingerprint": total[:12].upper()})).outcome == "passed"
    database.psql("CREATE INDEX lone_x ON lone (x)")
    changed = await check(session, schemaIs={"fingerprint": total})
    assert changed.outcome == "failed"
    assert changed.value != total


async def test_rows_unchanged_without_a_start_is_inconclusive(session: Session, database: TestDatabase) -> None:
    assert (await check(session, None, **UNCHANGED)).outcome == "inconclusive"
    start = await baselines(session, rowsUnchanged={"table": "later"})
    database.psql("CREATE TABLE later (id int)")
    result = await check(session, CheckContext(baselines=start), rowsUnchanged={"table": "later"})
    assert result.outcome == "inconclusive"
    assert "public.later does not exist" in result.message


async def test_a_slower_query_fails_and_an_unmeasured_one_is_inconclusive(
    session: Session, database: TestDatabase
) -> None:
    fields = {"queryWithin": {"query": "SELECT * FROM slow", "factor": 3}}
    database.psql("CREATE VIEW slow AS SELECT pg_sleep(0.001)::text AS x")
    start = await baselines(session, **fields)
    assert (await check(session, CheckContext(baselines=start), **fields)).outcome == "passed"
    database.psql("CREATE OR REPLACE VIEW slow AS SELECT pg_sleep(0.1)::text AS x")
    slower = await check(session, CheckContext(baselines=start), **fields)
    assert slower.outcome == "failed"
    assert slower.expected is not None
    assert "3 times" in slower.expected
    assert (await check(session, None, **fields)).outcome == "inconclusive"


async def test_a_query_that_does_not_finish_within_its_limit_fails(session: Session) -> None:
    context = CheckContext(statement_timeout_ms=100)
    result = await check(session, context, queryWithin={"query": "SELECT pg_sleep(60)", "maxMs": 50})
    assert result.outcome == "failed"
    assert result.value == "over 100 ms"


async def test_checks_without_a_start_take_none(session: Session) -> None:
    assert await baselines(session, query="SELECT 1", expect={"rows": 1}) == {}
    assert await baselines(session, queryWithin={"query": "SELECT 1", "maxMs": 1}) == {}
