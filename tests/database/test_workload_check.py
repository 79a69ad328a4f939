# SPDX-License-Identifier: Apache-2.0
"""Does the check workloadStillWorks hold, fail and say so: by itself, and deciding over a whole migration?"""

from __future__ import annotations

from typing import Any

import pytest

from backstitch.adapters.conninfo import parse_url
from backstitch.adapters.postgres import PostgresDatabase
from backstitch.engine.baseline import take_baselines
from backstitch.engine.verify import CheckContext, run_check
from backstitch.model.checks import Check
from backstitch.model.states import State
from backstitch.model.workload import AppQuery, Workload
from tests.plugins.engine import Engine, a_spec
from tests.plugins.pg import TestDatabase

SHOP = """
CREATE TABLE users (id int PRIMARY KEY, email text, tenant int);
INSERT INTO users SELECT i, 'u' || i, i % 10 FROM generate_series(1, 20000) i;
CREATE INDEX users_email ON users (email);
CREATE TABLE other (id int PRIMARY KEY);
ANALYZE users;
"""
BY_EMAIL = {"name": "by-email", "query": "SELECT id, email FROM users WHERE email = $1"}
COUNT = {"name": "count-other", "query": "SELECT count(*) FROM other"}
BROKEN = {"name": "broken", "query": "SELECT nothing FROM users"}
WRITE = {"name": "write", "query": "UPDATE users SET tenant = $1 WHERE email = $2"}
DROP_INDEX = "DROP INDEX users_email"
RENAME = "ALTER TABLE other RENAME TO others"

CASES: list[tuple[str, str, list[dict[str, str]], dict[str, Any], str, str]] = [
    ("holds", "ALTER TABLE users ADD x int", [BY_EMAIL, COUNT, WRITE], {}, "passed", ""),
    ("type", "ALTER TABLE users ALTER email TYPE varchar(50)", [BY_EMAIL], {}, "failed", "resultTypeChanged: by-email"),
    ("write-scans", DROP_INDEX, [WRITE], {}, "failed", "sequentialScan: write"),
    ("another-allowed", DROP_INDEX, [BY_EMAIL], {"allow": ["fails"]}, "failed", "sequentialScan"),
    ("fails", RENAME, [COUNT], {}, "failed", "fails: count-other"),
    ("fails-allowed", RENAME, [COUNT], {"allow": ["fails"]}, "passed", "fails: count-other"),
    ("only-named", RENAME, [COUNT, BY_EMAIL], {"queries": ["by-email"]}, "passed", ""),
    ("only-tables", RENAME, [COUNT, BY_EMAIL], {"tables": ["users"]}, "passed", ""),
    ("unknown-name", "SELECT 1", [BY_EMAIL], {"queries": ["login"]}, "error", "names login"),
    ("never-worked", "SELECT 1", [BROKEN], {}, "error", "did not work before the migration either"),
]


@pytest.mark.parametrize(
    ("change", "listed", "wanted", "outcome", "said"), [c[1:] for c in CASES], ids=[c[0] for c in CASES]
)
async def test_what_the_check_finds(
    database: TestDatabase, change: str, listed: list[dict[str, str]], wanted: dict[str, Any], outcome: str, said: str
) -> None:
    database.psql(SHOP)
    queries = tuple(AppQuery(text=q["query"], source="spec", name=q["name"]) for q in listed)
    check = Check.model_validate({"name": "application", "workloadStillWorks": wanted})
    session = await PostgresDatabase.of(parse_url(database.url)).connect(purpose="checks", read_only=True)
    try:
        baselines = await take_baselines(session, [check], CheckContext(queries=queries))
        database.psql(change)
        found = await run_check(session, check, CheckContext(baselines=baselines, queries=queries))
    finally:
        await session.close()
    assert found.outcome == outcome, found
    assert said in found.message


async def test_a_copy_is_judged_by_what_production_sends(database: TestDatabase) -> None:
    database.psql(SHOP)
    sent = AppQuery(text="SELECT id FROM users WHERE email = $1", source="pg_stat_statements", calls=7)
    elsewhere = AppQuery(text="SELECT id FROM other", source="pg_stat_statements", calls=7)
    check = Check.model_validate({"name": "application", "workloadStillWorks": {}})
    context = CheckContext(workload=Workload(queries=(sent, elsewhere)), touched=frozenset({"public.users"}))
    session = await PostgresDatabase.of(parse_url(database.url)).connect(purpose="checks", read_only=True)
    try:
        baselines = await take_baselines(session, [check], context)
        database.psql(DROP_INDEX + ";" + RENAME)
        found = await run_check(session, check, CheckContext(baselines=baselines))
    finally:
        await session.close()
    assert (found.outcome, found.value) == ("failed", "0 of 1 statements as before")


async def test_it_rolls_a_migration_back(engine: Engine) -> None:
    engine.database.psql(SHOP)
    drop = {"name": "drop", "dropIndex": {"table": "users", "name": "users_email"}}
    checks = [{"name": "application", "workloadStillWorks": {}}]
    record = await engine.migrate(a_spec([drop], workload=[BY_EMAIL], checks=checks))
    assert record.state is State.ROLLED_BACK, record.message
    assert record.rollback is not None
    assert record.rollback.verdict == "Identical"
    assert "sequentialScan: by-email" in record.rollback.cause
    assert engine.rows("SELECT indexname::text FROM pg_indexes WHERE indexname = 'users_email'")


async def test_where_nothing_is_known_it_is_refused_before_the_first_change(engine: Engine) -> None:
    engine.database.psql(SHOP)
    add = {"name": "add", "addColumn": {"table": "users", "column": "note", "type": "text"}}
    record = await engine.migrate(a_spec([add], checks=[{"name": "application", "workloadStillWorks": {}}]))
    assert record.state is State.REFUSED
    assert "pg_stat_statements is not installed" in record.message
    assert "spec.workload" in record.message
    named = [{"name": "application", "workloadStillWorks": {"queries": ["login"]}}]
    record = await engine.migrate(a_spec([add], checks=named), name="second")
    assert (record.state, "names login" in record.message) == (State.REFUSED, True)
