# SPDX-License-Identifier: Apache-2.0
"""Is a role that owns what it changes enough, and can it reach nothing else? docs/least-rights.md says what it needs.

The other tests run as `app_owner`, which owns the whole database; here it is a role that owns one schema in it.
"""

from __future__ import annotations

import secrets
from dataclasses import replace
from typing import Any

import pytest

from backstitch.engine.job import Requests
from backstitch.model.rehearsal_spec import RehearsalSpec
from backstitch.model.spec import MigrationSpec
from backstitch.model.states import State
from tests.database.test_operations import picture
from tests.plugins.engine import Engine, a_spec
from tests.plugins.pg import OWNER


def as_plain_role(engine: Engine) -> Engine:
    """Give an engine that works as a role with LOGIN, CREATEDB, CREATE on the database, and one schema of its own."""
    name, password = f"plain_{secrets.token_hex(4)}", secrets.token_hex(8)
    database = engine.database
    database.psql(
        f"CREATE ROLE {name} LOGIN CREATEDB PASSWORD '{password}'; GRANT CREATE ON DATABASE {database.name} TO {name};"
        f"CREATE SCHEMA app AUTHORIZATION {name};",
        superuser=True,
    )
    url = database.server.url(database.name, user=name, password=password)
    mine = Engine(replace(database, url=url), engine.store_url)
    mine.database.psql(
        "CREATE TABLE app.users (id int PRIMARY KEY, name text, note text, code text);"
        "INSERT INTO app.users SELECT g, 'n' || g, 'o' || g, 'c' || g FROM generate_series(1, 50) g;"
        "CREATE TABLE app.old (id int PRIMARY KEY); CREATE INDEX users_code ON app.users (code);"
    )
    return mine


def every_family() -> MigrationSpec:
    table = {"table": "app.users"}
    steps: list[dict[str, Any]] = [
        {"addColumn": {**table, "column": "whole", "type": "text"}},
        {"backfill": {**table, "set": {"whole": "name"}, "where": "id > 0"}},
        {"setNotNull": {**table, "column": "whole"}},
        {"addConstraint": {**table, "name": "named", "check": "whole <> ''"}},
        {"createIndex": {**table, "name": "users_full", "columns": ["whole"]}},
        {"updateRows": {**table, "set": {"note": "'new'"}, "where": "id < 5"}},
        {"deleteRows": {**table, "where": "id = 9"}},
        {"upsert": {**table, "rows": [{"values": {"id": "99", "name": "x", "whole": "x"}}]}},
        {"createTable": {"table": "app.made", "columns": [{"name": "id", "type": "int"}], "primaryKey": ["id"]}},
        {"dropIndex": {**table, "name": "users_code"}},
        {"dropColumn": {**table, "column": "code"}},
        {"dropTable": {"table": "app.old"}},
        {"sql": {"up": "CREATE VIEW app.seen AS SELECT id FROM app.users; UPDATE app.users SET note = 'sql'"}},
    ]
    named = [{"name": f"s{number}", **step} for number, step in enumerate(steps)]
    checks = [{"name": "rows", "rowCount": {"table": "app.users", "min": 50, "max": 50}}]
    return a_spec(named, searchPath=["app"], checks=checks, rollback={"revertWindow": "1h"})


def test_the_role_of_all_tests_is_no_superuser(engine: Engine) -> None:
    found = engine.rows(
        "SELECT rolsuper, rolreplication, rolbypassrls, rolcreaterole, (SELECT count(*) FROM pg_auth_members m "
        f"WHERE m.member = r.oid) FROM pg_roles r WHERE rolname = current_user AND rolname = '{OWNER}'"
    )
    assert found == [(False, False, False, False, 0)]


@pytest.mark.one_major
async def test_backup_rehearsal_every_family_and_rollback_as_the_owner_of_one_schema(engine: Engine) -> None:
    engine = as_plain_role(engine)
    start = picture(engine.database)
    spec = every_family()
    rehearsed = RehearsalSpec(required=True, lock_budget="1m")
    record = await engine.migrate(spec, environment="staging", rehearsal=rehearsed)
    assert record.state == State.SUCCEEDED, record.message
    assert record.backup is not None
    engine.requests = Requests(rollback="please")
    record = await engine.migrate(spec, environment="staging", rehearsal=rehearsed)
    assert record.state == State.ROLLED_BACK, record.message
    assert record.rollback is not None
    assert (record.rollback.verdict, record.rollback.differences) == ("Identical", ())
    assert picture(engine.database) == start


@pytest.mark.one_major
@pytest.mark.parametrize(
    "statement",
    [
        "PERFORM pg_read_file('/etc/hostname')",
        "PERFORM lo_import('/etc/hostname')",
        "EXECUTE 'COPY app.users TO PROGRAM ''cat'''",
        "EXECUTE 'COPY app.users TO ''/tmp/x'''",
        "EXECUTE 'CREATE ROLE another'",
        "PERFORM pg_reload_conf()",
    ],
)
async def test_what_the_linter_cannot_see_the_server_denies(engine: Engine, statement: str) -> None:
    engine = as_plain_role(engine)
    start = picture(engine.database)
    record = await engine.migrate(a_spec([{"name": "s", "sql": {"up": f"DO $$ BEGIN {statement}; END $$"}}]))
    assert record.state == State.ROLLED_BACK, record.message
    assert "denied" in record.message or "must be superuser" in record.message, record.message
    assert picture(engine.database) == start
