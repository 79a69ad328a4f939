# SPDX-License-Identifier: Apache-2.0
"""The sql step on real servers: forward, and back to the same schema and rows."""

from __future__ import annotations

import subprocess
from typing import Any

import pytest

from backstitch.engine.job import Requests
from backstitch.model.states import State
from dev.pgbinaries import find_bin_dir
from tests.plugins.engine import Engine, a_spec
from tests.plugins.pg import TestDatabase

SHOP = """
CREATE TABLE users (id bigint PRIMARY KEY, name text, code text);
CREATE INDEX users_name ON users (name); COMMENT ON INDEX users_name IS 'it''s quick';
ALTER TABLE users CLUSTER ON users_name;
INSERT INTO users SELECT n, 'n' || n, 'c' || n FROM generate_series(1, 50) n;
CREATE SCHEMA app; CREATE TABLE app.things (id bigint PRIMARY KEY, a int);
"""

CONCURRENT = """
ALTER TABLE users ADD COLUMN seen boolean;
CREATE INDEX CONCURRENTLY users_code ON users (code) WHERE id > 3;
UPDATE users SET seen = id > 10;
DROP INDEX CONCURRENTLY users_name;
CREATE TABLE visits (id bigint PRIMARY KEY, user_id bigint REFERENCES users (id));
"""

STORIES: dict[str, dict[str, Any]] = {
    "concurrent indexes between transactions": {"sql": {"up": CONCURRENT}},
    "odd but legal text": {
        "sql": {
            "up": "/* ; */ UPDATE users SET name = 'ü;--' WHERE id = 1; -- 100%\n"
            "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS $f$ SELECT 1; $f$;\n-- last"
        }
    },
    "a hand-written down": {
        "sql": {
            "up": "CREATE TABLE extra (a int PRIMARY KEY); UPDATE users SET code = upper(code)",
            "down": "UPDATE users SET code = lower(code); DROP TABLE extra;",
        }
    },
    "a data-modifying CTE": {
        "sql": {"up": "WITH gone AS (DELETE FROM users WHERE id > 40 RETURNING *) SELECT count(*) FROM gone"}
    },
}


def picture(database: TestDatabase) -> tuple[list[str], list[tuple[Any, ...]]]:
    """The application's schema as pg_dump writes it, and the rows of its table."""
    tool = find_bin_dir(database.server.major, install=False) / "pg_dump"
    ours = ["--exclude-schema=backstitch", "--exclude-schema=backstitch_quarantine"]
    done = subprocess.run([tool, "--schema-only", *ours, database.superuser_url], check=True, capture_output=True)
    hidden = ("\\restrict", "\\unrestrict", "CREATE TRIGGER backstitch_")
    lines = [line for line in done.stdout.decode().splitlines() if not line.startswith(hidden)]
    return lines, database.psql("SELECT * FROM users ORDER BY id")


@pytest.mark.parametrize("step", STORIES.values(), ids=list(STORIES))
async def test_it_goes_forward_and_back_to_the_same(engine: Engine, step: dict[str, Any]) -> None:
    engine.database.psql(SHOP)
    start = picture(engine.database)
    spec = a_spec([{"name": "raw", **step}], rollback={"revertWindow": "1h"})
    record = await engine.migrate(spec)
    assert record.state == State.SUCCEEDED, record.message
    assert picture(engine.database) != start
    engine.requests = Requests(rollback="please")
    record = await engine.migrate(spec)
    assert record.state == State.ROLLED_BACK, record.message
    assert record.rollback is not None
    assert record.rollback.verdict == "Identical", record.rollback.differences
    assert picture(engine.database) == start


async def test_names_without_a_schema_follow_the_search_path(engine: Engine) -> None:
    engine.database.psql(SHOP)
    up = "CREATE INDEX CONCURRENTLY things_a ON things (a)"
    spec = a_spec([{"name": "raw", "sql": {"up": up}}], searchPath=["app"], rollback={"revertWindow": "1h"})
    record = await engine.migrate(spec)
    assert record.state == State.SUCCEEDED, record.message
    assert engine.rows("SELECT schemaname FROM pg_indexes WHERE indexname = 'things_a'") == [("app",)]
    engine.requests = Requests(rollback="please")
    record = await engine.migrate(spec)
    assert record.state == State.ROLLED_BACK, record.message
    assert engine.rows("SELECT schemaname FROM pg_indexes WHERE indexname = 'things_a'") == []


@pytest.mark.parametrize(
    "up, said",
    [
        ("UPDATE usrs SET name = 'x'", "Did you mean public.users?"),
        ("UPDATE users SET nme = 'x'", "Did you mean name?"),
        ("BEGIN; UPDATE users SET name = 'x'; COMMIT", "already is one transaction"),
        ("\\i other.sql", "command of psql"),
        ("UPDATE users SET name = 'x'\0; DROP TABLE users", "NUL"),
        ("DROP TABLE users", "Use dropTable"),
    ],
)
async def test_what_is_refused_touches_nothing(engine: Engine, up: str, said: str) -> None:
    engine.database.psql(SHOP)
    start = picture(engine.database)
    record = await engine.migrate(a_spec([{"name": "raw", "sql": {"up": up}}]))
    assert record.state == State.REFUSED
    assert said in record.message
    assert picture(engine.database) == start


async def test_hazards_refuse_in_production_and_a_reason_takes_them_back(engine: Engine) -> None:
    engine.database.psql(SHOP + "INSERT INTO users SELECT n FROM generate_series(51, 20000) n; ANALYZE users;")
    up = "CREATE INDEX users_id_code ON users (id, code)"
    refused = await engine.migrate(a_spec([{"name": "raw", "sql": {"up": up}}]), environment="production")
    assert refused.state == State.REFUSED
    assert "create-index-blocks-writes" in refused.message
    excused = f"-- backstitch:ignore create-index-blocks-writes nobody writes at night\n{up}"
    spec = a_spec([{"name": "raw", "sql": {"up": excused}}])
    record = await engine.migrate(spec, name="again", environment="production")
    assert record.state == State.SUCCEEDED, record.message
