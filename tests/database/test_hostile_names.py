# SPDX-License-Identifier: Apache-2.0
"""Do operations do exactly what was meant, whatever things are called? One name at a time, in every place at once.

Each name is a schema, table, column, index and constraint of one migration with every operation on rows and objects;
it succeeds, says the same rows as the same change by hand would, and goes back to the same.
"""

from __future__ import annotations

from typing import Any

import pytest

from backstitch.engine.job import Requests
from backstitch.model.spec import MigrationSpec
from backstitch.model.sql import quote_ident, quote_literal
from backstitch.model.states import State
from tests.database.test_operations import picture
from tests.plugins.engine import Engine, a_spec

NAMES = {
    "statement": '"; DROP TABLE users; --',
    "dot": "a.b",
    "two dots": ".a..",
    "quote": 'a"b',
    "apostrophe": "it's",
    "unicode": "ünïcode 名",
    "63 bytes": "é" * 31 + "x",
    "word": "select",
    "space": " trailing ",
    "newline": "a\nb",
    "percent": "%s",
    "percent name": "%(x)s%",
    "braces": "{}{0}",
    "dollars": "$$",
    "tag": "$backstitch$",
    "backslash": "a\\b\\'",
    "emoji": "🐘",
    "catalog": "pg_catalog",
    "upper": "UPPER",
    "slash": "a/b",
    "comment": "/* -- */",
}


def other(name: str, letter: str) -> str:
    """Give another name like this one."""
    return name + letter if len(name.encode()) < 63 else name[:-1] + letter


def schema_of(name: str) -> str:
    return other(name, "s").removeprefix("pg_")  # PostgreSQL keeps pg_ for itself


def setup(name: str) -> str:
    n, s, i = quote_ident(name), quote_ident(schema_of(name)), quote_ident(other(name, "i"))
    return f"""
CREATE TABLE users (id int PRIMARY KEY);
CREATE SCHEMA {s}; CREATE SCHEMA third;
CREATE TABLE {s}.{n} (id int PRIMARY KEY, {n} text, keep int CONSTRAINT {n} CHECK (keep > 0));
INSERT INTO {s}.{n} SELECT g, 'v' || g, g FROM generate_series(1, 9) g;
CREATE TABLE t (id int PRIMARY KEY, {n} int, {quote_ident(other(name, "g"))} text);
INSERT INTO t SELECT g, g, 'w' || g FROM generate_series(1, 3) g;
CREATE INDEX {i} ON t ({n});
COMMENT ON COLUMN t.{n} IS {quote_literal(name)};
CREATE TABLE third.{n} (id int PRIMARY KEY, {n} text DEFAULT {quote_literal(name)}); INSERT INTO third.{n} VALUES (1);
"""


def migration(name: str) -> MigrationSpec:
    n, s = quote_ident(name), quote_ident(schema_of(name))
    table, new = f"{s}.{n}", f"{s}.{quote_ident(other(name, 'n'))}"
    added, moved = other(name, "a"), other(name, "m")
    columns = [{"name": "id", "type": "int"}, {"name": name, "type": "text"}]
    own = [{"name": name, "expression": f"{n} <> ''"}]
    steps: list[dict[str, Any]] = [
        {"createTable": {"table": new, "columns": columns, "primaryKey": ["id"], "checks": own}},
        {"addColumn": {"table": table, "column": added, "type": "text"}},
        {"createIndex": {"table": "t", "name": name, "columns": [name]}},
        {"backfill": {"table": table, "set": {added: f"{n} || {quote_literal(name)}"}, "where": f"{n} <> ''"}},
        {"setNotNull": {"table": table, "column": added}},
        {"dropNotNull": {"table": table, "column": added}},
        {"setDefault": {"table": table, "column": added, "default": quote_literal(name)}},
        {"addConstraint": {"table": table, "name": moved, "check": f"{n} <> ''"}},
        {"addConstraint": {"table": "t", "name": name, "foreignKey":
            {"columns": [name], "references": table, "referencedColumns": ["id"]}}},
        {"addConstraint": {"table": table, "name": other(name, "u"), "unique": {"columns": [name]}}},
        {"updateRows": {"table": table, "set": {name: quote_literal(name)}, "where": f"{n} = 'v1'"}},
        {"deleteRows": {"table": table, "where": f"{n} = 'v9'"}},
        {"upsert": {"table": table, "rows": [{"values": {"id": "50", name: name + "!"}}],
                    "conflict": {"columns": ["id"], "action": "update"}}},
        {"moveRows": {"from": table, "to": new, "columns": {"id": "id", name: n}, "where": "id >= 4", "delete": True}},
        {"dropConstraint": {"table": table, "name": name}},
        {"dropIndex": {"table": "t", "name": other(name, "i")}},
        {"dropColumn": {"table": "t", "column": other(name, "g")}},
        {"renameTable": {"table": table, "to": moved}},
        {"dropTable": {"table": f"third.{n}"}},
        {"sql": {"up": f"ALTER TABLE {new} ADD COLUMN IF NOT EXISTS more int DEFAULT 7; UPDATE {new} SET more = id;"
                       f"CREATE VIEW third.{quote_ident(other(name, 'v'))} AS SELECT {n} FROM {new};"}},
    ]  # fmt: skip
    checks: list[dict[str, Any]] = [
        {"name": "nulls", "noNulls": {"table": new, "columns": [name]}},
        {"name": "rows", "rowCount": {"table": new, "min": 6, "max": 6}},
        {"name": "own", "query": f"SELECT count({n}) FROM {new}", "expect": {"type": "number", "min": 6, "max": 6}},
    ]  # fmt: skip
    named = [{"name": f"s{number}", **step} for number, step in enumerate(steps)]
    return a_spec(named, searchPath=["public", schema_of(name)], checks=checks, rollback={"revertWindow": "1h"})


@pytest.mark.one_major
@pytest.mark.parametrize("name", NAMES.values(), ids=list(NAMES))
async def test_every_operation_means_this_name_and_goes_back(engine: Engine, name: str) -> None:
    engine.database.psql(setup(name))
    start = picture(engine.database)
    spec = migration(name)
    record = await engine.migrate(spec)
    assert record.state == State.SUCCEEDED, record.message
    n, s = quote_ident(name), quote_ident(schema_of(name))
    moved, new = f"{s}.{quote_ident(other(name, 'm'))}", f"{s}.{quote_ident(other(name, 'n'))}"
    assert engine.rows(f"SELECT {n} FROM {moved} ORDER BY id") == [(name,), ("v2",), ("v3",)]
    found = engine.rows(f"SELECT {n}, more = id FROM {new} ORDER BY id")
    assert found == [*((f"v{g}", True) for g in range(4, 9)), (name + "!", True)]
    assert engine.rows("SELECT count(*) FROM users") == [(0,)]
    engine.requests = Requests(rollback="please")
    record = await engine.migrate(spec)
    assert record.state == State.ROLLED_BACK, record.message
    assert record.rollback is not None
    assert (record.rollback.verdict, record.rollback.differences) == ("Identical", ())
    assert picture(engine.database) == start
