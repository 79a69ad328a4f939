# SPDX-License-Identifier: Apache-2.0
"""Are the application's statements found in pg_stat_statements, and is each that breaks named with its reason?"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import psycopg
import pytest
import pytest_asyncio

from backstitch.adapters.conninfo import parse_url
from backstitch.adapters.postgres import PostgresDatabase
from backstitch.core.ports import Session
from backstitch.engine.verify_session import CheckContext
from backstitch.engine.workload import read_workload, see_workload, try_workload
from backstitch.model.rehearsal import QueryFinding
from backstitch.model.workload import AppQuery
from dev.postgres import PostgresServer
from tests.plugins.pg import PgCluster, TestDatabase

SHOP = """
CREATE TABLE users (id int PRIMARY KEY, email text UNIQUE, first text, tenant text DEFAULT 'a');
INSERT INTO users SELECT i, 'u' || i || '@x', 'f' || i FROM generate_series(1, 20000) i;
CREATE TABLE orders (id int PRIMARY KEY, user_id int REFERENCES users, total numeric(10,2), placed timestamptz);
INSERT INTO orders SELECT i, (i % 20000) + 1, i, now() FROM generate_series(1, 20000) i;
CREATE INDEX orders_user ON orders (user_id);
CREATE TABLE small (id int PRIMARY KEY, note text);
INSERT INTO small SELECT i, 'n' FROM generate_series(1, 20) i;
CREATE VIEW named AS SELECT id, first FROM users;
ANALYZE;
"""


@pytest.fixture(scope="module")
def counting(pg_major: int) -> Iterator[PgCluster]:
    """A server of this major that loads pg_stat_statements."""
    cluster = PgCluster(PostgresServer(pg_major, settings={"shared_preload_libraries": "pg_stat_statements"}))
    yield cluster
    cluster.stop()


@pytest.fixture
def shop(counting: PgCluster) -> Iterator[TestDatabase]:
    with counting.fresh_database() as database:
        database.psql(SHOP)
        yield database


@pytest_asyncio.fixture
async def session(shop: TestDatabase) -> AsyncIterator[Session]:
    opened = await PostgresDatabase.of(parse_url(shop.url)).connect(purpose="workload")
    yield opened
    await opened.close()


def spec_query(text: str, role: str | None = None) -> AppQuery:
    return AppQuery(text=text, source="spec", name="q", role=role)


async def became(
    shop: TestDatabase, session: Session, text: str, change: str, *, role: str | None = None, whole: bool = True
) -> QueryFinding:
    """What is said of one statement after a change."""
    queries = [spec_query(text, role)]
    before = await see_workload(session, queries, whole=whole)
    shop.psql(change)
    (finding,) = await try_workload(session, queries, before, phase="expand", whole=whole)
    return finding


CASES = [
    ("same", "SELECT first FROM users WHERE id = $1", "ALTER TABLE users ADD x int", "works", ""),
    ("column-gone", "SELECT first FROM users WHERE id = $1", "ALTER TABLE users DROP first CASCADE", "fails", "first"),
    ("table-renamed", "SELECT id FROM users", "ALTER TABLE users RENAME TO people", "fails", "users"),
    ("operator-gone", "SELECT 1 FROM orders WHERE total > $1::numeric",
     "ALTER TABLE orders ALTER total TYPE text", "fails", "operator does not exist"),
    ("star-grows", "SELECT * FROM orders WHERE id = $1", "ALTER TABLE orders ADD x int",
     "resultTypeChanged", "x integer"),
    ("type-changed", "SELECT total FROM orders WHERE id = $1", "ALTER TABLE orders ALTER total TYPE numeric(12,2)",
     "resultTypeChanged", "total numeric(12,2)"),
    ("returning", "INSERT INTO orders (id, total) VALUES ($1, $2) RETURNING placed",
     "ALTER TABLE orders ALTER placed TYPE timestamp", "resultTypeChanged", "timestamp without time zone"),
    ("scan-of-large", "SELECT total FROM orders WHERE user_id = $1", "DROP INDEX orders_user",
     "sequentialScan", "public.orders (about 20,000 rows)"),
    ("update-scans", "UPDATE orders SET total = $2 WHERE user_id = $1", "DROP INDEX orders_user",
     "sequentialScan", "orders_user on public.orders"),
    ("other-index", "SELECT total FROM orders WHERE user_id = $1",
     "CREATE INDEX other ON orders (user_id); DROP INDEX orders_user", "works", ""),
    ("small-table", "SELECT note FROM small WHERE id = $1",
     "ALTER TABLE small DROP CONSTRAINT small_pkey", "works", ""),
    ("through-a-view", "SELECT first FROM named WHERE id = $1",
     "ALTER TABLE users DROP CONSTRAINT users_pkey CASCADE", "sequentialScan", "public.users"),
    ("utility", "VACUUM users", "SELECT 1", "notTried", "VACUUM cannot be prepared"),
    ("cut-off", "SELECT first FROM users WHERE (id = $1", "SELECT 1", "notTried", "cut off"),
    ("never-worked", "SELECT nothing FROM users", "SELECT 1", "notTried", "did not work before"),
    ("two", "SELECT 1; SELECT 2", "SELECT 1", "notTried", "2 statements"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "change", "verdict", "said"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
async def test_what_becomes_of_a_statement(
    shop: TestDatabase, session: Session, text: str, change: str, verdict: str, said: str
) -> None:
    finding = await became(shop, session, text, change)
    assert finding.verdict == verdict, finding
    assert said in finding.detail
    assert finding.phase == "expand"


async def test_a_copy_that_is_small_shows_a_lost_index_all_the_same(shop: TestDatabase, session: Session) -> None:
    text = "SELECT note FROM small WHERE id = $1"
    finding = await became(shop, session, text, "ALTER TABLE small DROP CONSTRAINT small_pkey", whole=False)
    assert finding.verdict == "indexLost"
    assert "small_pkey on public.small" in finding.detail


async def test_productions_size_counts_and_not_that_of_the_copy(shop: TestDatabase, session: Session) -> None:
    queries = [spec_query("SELECT note FROM small WHERE id = $1")]
    before = await see_workload(session, queries, whole=False)
    shop.psql("ALTER TABLE small DROP CONSTRAINT small_pkey")
    (finding,) = await try_workload(session, queries, before, phase="p", rows={"public.small": 5_000_000}, whole=False)
    assert finding.verdict == "sequentialScan"
    assert "5,000,000" in finding.detail


async def test_nothing_is_run_and_nothing_stays(shop: TestDatabase, session: Session) -> None:
    queries = [spec_query("DELETE FROM orders RETURNING id"), spec_query("SELECT pg_advisory_lock(1), $1::int")]
    before = await see_workload(session, queries)
    assert [s.error for s in before] == ["", ""]
    assert shop.psql("SELECT count(*) FROM orders") == [(20000,)]
    assert await session.rows("SELECT name FROM pg_prepared_statements") == []
    held = await session.rows("SELECT locktype FROM pg_locks WHERE pid = pg_backend_pid() AND locktype = 'advisory'")
    assert held == []
    assert await session.rows("SHOW plan_cache_mode") == [{"plan_cache_mode": "auto"}]


async def test_the_roles_rights_and_row_security_count(
    shop: TestDatabase, session: Session, counting: PgCluster
) -> None:
    counting.admin.execute("DROP ROLE IF EXISTS reader")
    counting.admin.execute("CREATE ROLE reader")
    shop.psql("GRANT reader TO app_owner", superuser=True)
    try:
        shop.psql("GRANT SELECT ON users TO reader")
        text = "SELECT first FROM users WHERE id = $1"
        gone = await became(shop, session, text, "REVOKE SELECT ON users FROM reader", role="reader")
        assert (gone.verdict, gone.role) == ("fails", "reader")
        assert "permission denied" in gone.detail
        shop.psql("GRANT SELECT ON users TO reader")
        secured = (
            "ALTER TABLE users ENABLE ROW LEVEL SECURITY;"
            "CREATE POLICY p ON users TO reader USING (tenant = (SELECT note FROM small WHERE id = 1))"
        )
        now = await became(shop, session, text, secured, role="reader")
        assert now.verdict == "fails", "the policy reads a table that its readers may not"
        assert "small" in now.detail
        assert (await session.rows("SELECT current_user::text AS u"))[0]["u"] == "app_owner"
    finally:
        shop.psql("DROP OWNED BY reader", superuser=True)
        counting.admin.execute("DROP ROLE reader")


async def test_a_role_we_may_not_become_is_said(shop: TestDatabase, session: Session) -> None:
    finding = await became(shop, session, "SELECT first FROM users WHERE id = $1", "SELECT 1", role="postgres")
    assert finding.verdict == "works"
    assert "tried as our own role" in finding.detail
    finding = await became(shop, session, "SELECT first FROM users WHERE id = $1", "SELECT 1", role="nobody-here")
    assert "does not exist" in finding.detail


def send(shop: TestDatabase, *texts: str, times: int = 3) -> None:
    """Be the application."""
    with psycopg.connect(shop.url, autocommit=True) as connection:
        for text in texts * times:
            connection.execute(text)


async def test_statements_come_from_pg_stat_statements_with_role_and_calls(
    shop: TestDatabase, session: Session
) -> None:
    shop.psql("CREATE SCHEMA stats; CREATE EXTENSION pg_stat_statements SCHEMA stats", superuser=True)
    shop.psql("GRANT USAGE ON SCHEMA stats TO app_owner", superuser=True)
    shop.psql("ALTER ROLE app_owner IN DATABASE " + shop.name + " SET search_path = public, stats", superuser=True)
    send(
        shop,
        "SELECT first FROM users WHERE id = 7",
        "SELECT first FROM named WHERE id = 7",
        "SELECT total FROM public.orders WHERE user_id = 7",
        "SELECT note FROM small WHERE id = 3",
        "SELECT relname FROM pg_class WHERE oid = 1",
        "SELECT 1 /* backstitch */ FROM users",
    )
    send(shop, "SELECT email FROM users WHERE id = 9", times=1)
    found = await read_workload(session, tables=frozenset({"public.users"}))
    seen = {q.text: q for q in found.queries}
    assert set(seen) == {"SELECT first FROM users WHERE id = $1", "SELECT first FROM named WHERE id = $1"}
    query = seen["SELECT first FROM users WHERE id = $1"]
    assert (query.role, query.calls, query.source) == ("app_owner", 3, "pg_stat_statements")
    assert query.search_path == "public, stats"
    everything = {q.text for q in (await read_workload(session)).queries}
    assert "SELECT total FROM public.orders WHERE user_id = $1" in everything
    assert not any("pg_class" in text for text in everything)
    assert found.notes == ("What postgres sent is hidden from us: GRANT pg_read_all_stats to the role we connect as.",)
    shop.psql("GRANT pg_read_all_stats TO app_owner", superuser=True)
    try:
        assert (await read_workload(session)).notes == ()
    finally:
        shop.psql("REVOKE pg_read_all_stats FROM app_owner", superuser=True)


async def test_our_own_statements_are_told_from_the_applications(shop: TestDatabase, session: Session) -> None:
    shop.psql("CREATE EXTENSION pg_stat_statements", superuser=True)
    for number in range(3):
        await session.rows(f"SELECT first FROM users WHERE id = {number} -- a comment")
        await session.rows("SELECT email FROM users WHERE id = %s", [number])
    send(shop, "SELECT tenant FROM users WHERE id = 4")
    found = await read_workload(session, tables=frozenset({"public.users"}))
    assert [q.text for q in found.queries] == ["SELECT tenant FROM users WHERE id = $1"]


async def test_what_was_seen_works_in_its_own_search_path(shop: TestDatabase, session: Session) -> None:
    shop.psql("CREATE EXTENSION pg_stat_statements", superuser=True)
    shop.psql("CREATE SCHEMA app; CREATE TABLE app.things (id int PRIMARY KEY)")
    shop.psql(f"ALTER DATABASE {shop.name} SET search_path = app, public", superuser=True)
    send(shop, "SELECT id FROM things WHERE id = 4")
    found = await read_workload(session, tables=frozenset({"app.things"}))
    before = await see_workload(session, found.queries, CheckContext(search_path=("public",)))
    assert [(q.text, s.error) for q, s in zip(found.queries, before, strict=True)] == [
        ("SELECT id FROM things WHERE id = $1", "")
    ]


async def test_what_cannot_be_read_is_said(shop: TestDatabase, session: Session) -> None:
    absent = await read_workload(session, [spec_query("SELECT 1 FROM users")])
    assert [q.source for q in absent.queries] == ["spec"]
    assert "not installed" in absent.notes[0]
    shop.psql("CREATE EXTENSION pg_stat_statements", superuser=True)
    with psycopg.connect(shop.superuser_url, autocommit=True) as admin:
        for _ in range(3):
            admin.execute("SELECT id FROM users WHERE id = 7")
    hidden = await read_workload(session)
    assert "GRANT pg_read_all_stats" in hidden.notes[0]
    shop.psql("REVOKE ALL ON pg_stat_statements FROM public", superuser=True)
    refused = await read_workload(session)
    assert refused.queries == ()
    assert "permission denied" in refused.notes[0]


async def test_an_extension_whose_library_is_not_loaded_is_said(database: TestDatabase) -> None:
    database.psql("CREATE EXTENSION pg_stat_statements", superuser=True)
    opened = await PostgresDatabase.of(parse_url(database.url)).connect(purpose="workload", read_only=True)
    try:
        found = await read_workload(opened)
        assert found.queries == ()
        assert "shared_preload_libraries" in found.notes[0]
        assert await opened.rows("SELECT 1 AS one") == [{"one": 1}]
    finally:
        await opened.close()
