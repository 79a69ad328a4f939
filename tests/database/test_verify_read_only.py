# SPDX-License-Identifier: Apache-2.0
"""Can a check change anything? Every known way to write from a query is tried, on the reader's word alone too."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from backstitch.adapters.conninfo import parse_url
from backstitch.adapters.postgres import PostgresDatabase
from backstitch.core.errors import DatabaseError
from backstitch.core.ports import Session
from backstitch.engine.verify import CheckContext, run_check
from backstitch.engine.verify_session import looking
from backstitch.model.checks import Check
from tests.plugins.pg import TestDatabase

SETUP = """
CREATE TABLE t (id int PRIMARY KEY, n int);
INSERT INTO t VALUES (1, 1);
CREATE SEQUENCE s;
CREATE FUNCTION writes() RETURNS int LANGUAGE plpgsql AS $$ BEGIN UPDATE t SET n = n + 1; RETURN 1; END $$;
CREATE FUNCTION claims_stable() RETURNS int STABLE LANGUAGE sql AS 'SELECT 1';
CREATE FUNCTION commits() RETURNS int LANGUAGE plpgsql AS $$ BEGIN COMMIT; UPDATE t SET n = 9; RETURN 1; END $$;
CREATE FUNCTION opens() RETURNS int LANGUAGE plpgsql AS $$
  BEGIN PERFORM set_config('transaction_read_only', 'off', false); UPDATE t SET n = 9; RETURN 1; END $$;
CREATE FUNCTION opens_later() RETURNS int LANGUAGE plpgsql AS $$
  BEGIN PERFORM set_config('default_transaction_read_only', 'off', false); RETURN 1; END $$;
CREATE VIEW v AS SELECT writes() AS one;
CREATE RULE r AS ON UPDATE TO v DO INSTEAD DELETE FROM t;
"""

TRICKS = [
    "INSERT INTO t VALUES (2, 2) RETURNING 1",
    "UPDATE t SET n = 2 RETURNING 1",
    "DELETE FROM t RETURNING 1",
    "MERGE INTO t USING (SELECT 1 AS id) x ON t.id = x.id WHEN MATCHED THEN DELETE",
    "WITH gone AS (DELETE FROM t RETURNING 1) SELECT count(*) FROM gone",
    "WITH a AS (WITH b AS (UPDATE t SET n = 5 RETURNING n) SELECT * FROM b) SELECT count(*) FROM a",
    "SELECT nextval('s')",
    "SELECT setval('s', 77)",
    "SELECT writes()",
    "SELECT one FROM v",
    "SELECT count(*) FROM generate_series(1, 3) WHERE writes() = 1",
    "SELECT opens()",
    "SELECT opens_later()",
    "SELECT commits()",
    "SELECT set_config('transaction_read_only', 'off', false)::text",
    "SELECT 1; DROP TABLE t",
    "COMMIT; DROP TABLE t",
    "ROLLBACK; DROP TABLE t; BEGIN; SELECT 1",
    "SELECT 1) AS q(x); DROP TABLE t; SELECT * FROM (SELECT 1",
    "SELECT 1) AS q, (WITH x AS (DELETE FROM t RETURNING 1) SELECT count(*) FROM x",
    "SELECT n FROM t FOR UPDATE",
    "SELECT n FROM t FOR KEY SHARE",
    "SELECT * FROM (SELECT n FROM t FOR UPDATE) x",
    "SELECT 1 AS n INTO made",
    "CREATE TABLE made AS SELECT 1",
    "TRUNCATE t",
    "DROP TABLE t",
    "DO $$ BEGIN DELETE FROM t; END $$",
    "CALL nothing()",
    "PREPARE p AS DELETE FROM t",
    "EXPLAIN ANALYZE DELETE FROM t",
    "SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE",
    "BEGIN READ WRITE",
    "LOCK TABLE t",
    "SELECT lo_create(424242)",
    "SELECT lo_from_bytea(424242, 'x')",
    "SELECT lo_import('/etc/hostname')",
    "SELECT pg_advisory_lock(1)",
    "SELECT query_to_xml('DELETE FROM t', true, true, '')::text",
    "SELECT database_to_xml(true, true, '')::text FROM (SELECT writes()) x",
    "SELECT pg_notify('c', 'x')::text",
    "SELECT pg_terminate_backend(pg_backend_pid())",
    "SELECT pg_catalog.pg_logical_emit_message(false, 'a', 'b')::text",
]
AS_SUPERUSER = [
    "COPY t FROM PROGRAM 'echo 2,2' WITH (FORMAT csv)",
    "COPY t TO PROGRAM 'touch {marker}'",
    "COPY (SELECT 1) TO '{marker}'",
    "SELECT lo_export(lo_from_bytea(0, 'x'), '{marker}')",
    "SELECT pg_file_write('{marker}', 'x', false)",
    "SELECT dblink_exec('{dsn}', 'DELETE FROM t')",
    "SELECT public.dblink_connect('{dsn}')",
    "SELECT x FROM dblink('{dsn}', 'DELETE FROM t RETURNING n') AS d(x int)",
    "SELECT pg_reload_conf()",
    "SELECT pg_create_restore_point('x')::text",
    "ALTER SYSTEM SET work_mem = '8MB'",
]
STATE = """
SELECT (SELECT jsonb_agg(t) FROM t)::text || (SELECT last_value || is_called::text FROM s)
    || (SELECT count(*) FROM pg_largeobject_metadata) || (SELECT count(*) FROM pg_class)
"""


@pytest.fixture
def untouched(database: TestDatabase) -> Iterator[None]:
    """The database has one row, one sequence, and all of it is the same when the test ends."""
    database.psql(SETUP)
    database.psql("CREATE EXTENSION dblink", superuser=True)
    before = database.psql(STATE)
    yield
    assert database.psql(STATE) == before


@pytest_asyncio.fixture
async def session(database: TestDatabase, untouched: None) -> AsyncIterator[Session]:
    """A read-only session, as checks get it."""
    opened = await PostgresDatabase.of(parse_url(database.url)).connect(purpose="checks", read_only=True)
    yield opened
    await opened.close()


@pytest_asyncio.fixture
async def mighty(database: TestDatabase, untouched: None) -> AsyncIterator[Session]:
    """The same, as a superuser."""
    url = database.superuser_url
    opened = await PostgresDatabase.of(parse_url(url)).connect(purpose="checks", read_only=True)
    yield opened
    await opened.close()


def every_way(query: str) -> list[dict[str, Any]]:
    """The query in each place where a person may put SQL."""
    return [
        {"query": query, "expect": {"type": "number", "equals": 1}},
        {"query": query, "expect": {"empty": False}},
        {"query": query, "expect": {"rows": 1}},
        {"queryUsesIndex": {"query": query, "index": "t_pkey"}},
        {"noSequentialScan": {"query": query}},
        {"queryWithin": {"query": query, "maxMs": 1000}},
        {"rowCount": {"table": "t", "equals": 1, "where": f"({query}) IS NOT NULL"}},
        {"rowCount": {"table": "t", "equals": 1, "where": f"true); {query}; SELECT (1"}},
        {"noNulls": {"table": "t", "columns": ["n"], "where": f"exists ({query})"}},
        {"columnsEqual": {"table": "t", "left": f"({query})", "right": "1"}},
        {"columnsEqual": {"table": "t", "left": "n", "right": f"1); {query}; SELECT (1"}},
    ]


@pytest.mark.parametrize("trick", TRICKS)
async def test_no_trick_writes(session: Session, database: TestDatabase, trick: str) -> None:
    for fields in every_way(trick):
        await run_check(session, Check.model_validate({"name": "c", **fields}), CheckContext())
        locks = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database "
        assert database.psql(locks + "WHERE datname = current_database())") == [(0,)]
    again = {"name": "c", "query": "SELECT n FROM t", "expect": {"type": "number", "equals": 1}}
    assert (await run_check(session, Check.model_validate(again), CheckContext())).outcome == "passed"


@pytest.mark.parametrize("trick", AS_SUPERUSER)
async def test_no_trick_of_a_superuser_reaches_outside(
    mighty: Session, database: TestDatabase, tmp_path: Path, trick: str
) -> None:
    marker = tmp_path / "written"
    tmp_path.chmod(0o777)
    dsn = database.superuser_url
    for fields in every_way(trick.format(marker=marker, dsn=dsn)):
        await run_check(mighty, Check.model_validate({"name": "c", **fields}), CheckContext())
    assert not marker.exists()
    result = await run_check(mighty, Check.model_validate({"name": "c", **every_way(trick)[0]}), CheckContext())
    assert result.outcome == "error"
    assert "read" in result.message or "may not call" in result.message


async def test_the_server_alone_refuses_to_write(session: Session) -> None:
    """What the reader of the query may overlook, the read-only transaction still stops."""
    for statement in ("UPDATE t SET n = 2", "SELECT writes()", "SELECT opens()", "SELECT nextval('s')", "TRUNCATE t"):
        with pytest.raises(DatabaseError):
            async with looking(session, CheckContext()):
                await session.rows(statement)


async def test_what_the_server_lets_through_is_rolled_back(session: Session, database: TestDatabase) -> None:
    """PostgreSQL 15 makes large objects in a read-only transaction."""
    if session.server_version >= 160000:
        with pytest.raises(DatabaseError):
            async with looking(session, CheckContext()):
                await session.rows("SELECT lo_create(424242)")
    else:
        async with looking(session, CheckContext()):
            await session.rows("SELECT lo_create(424242)")
    assert database.psql("SELECT count(*) FROM pg_largeobject_metadata") == [(0,)]


async def test_a_setting_does_not_outlive_its_check(session: Session) -> None:
    first = {"name": "c", "query": "SELECT opens_later()", "expect": {"type": "number", "equals": 1}}
    assert (await run_check(session, Check.model_validate(first), CheckContext())).outcome == "passed"
    assert (await session.rows("SHOW default_transaction_read_only"))[0] == {"default_transaction_read_only": "on"}
