# SPDX-License-Identifier: Apache-2.0
"""What happens where two tables are written alike once a dot is between schema and name: "a.b"."c" and "a"."b.c"?

Images, plans and backups know a table as `schema.name`. Only a schema with a dot in its name can make two tables one;
then nothing begins, and no step may make it so.
"""

from __future__ import annotations

import pytest

from backstitch.model.states import State
from tests.database.test_operations import picture
from tests.plugins.engine import Engine, a_spec

SCHEMAS = 'CREATE SCHEMA a; CREATE SCHEMA "a.b";'
FIRST = 'CREATE TABLE "a.b".c (id int PRIMARY KEY, v text); INSERT INTO "a.b".c VALUES (1, \'first\');'
SECOND = 'CREATE TABLE a."b.c" (id int PRIMARY KEY, v text); INSERT INTO a."b.c" VALUES (1, \'second\');'

pytestmark = pytest.mark.one_major


@pytest.mark.parametrize("second", [SECOND, 'CREATE VIEW a."b.c" AS SELECT 1 AS id;'], ids=["table", "view"])
@pytest.mark.parametrize("environment", ["development", "production"])
async def test_nothing_begins_where_two_are_written_alike(engine: Engine, second: str, environment: str) -> None:
    engine.database.psql(SCHEMAS + FIRST + second)
    start = picture(engine.database)
    spec = a_spec([{"name": "s", "updateRows": {"table": '"a.b".c', "set": {"v": "'new'"}, "where": "id = 1"}}])
    record = await engine.migrate(spec, environment=environment)  # type: ignore[arg-type]
    assert record.state == State.REFUSED, record.message
    assert '"a"."b.c" and "a.b"."c" are written alike' in record.message
    assert "Rename" in record.message
    assert picture(engine.database) == start


@pytest.mark.parametrize(
    "step",
    [
        {"sql": {"up": SECOND}},
        {"sql": {"up": SECOND, "down": 'DROP TABLE a."b.c"'}},
        {"sql": {"up": 'ALTER TABLE a.other RENAME TO "b.c"'}},
        {"createTable": {"table": 'a."b.c"', "columns": [{"name": "id", "type": "int"}], "primaryKey": ["id"]}},
        {"renameTable": {"table": "a.other", "to": "b.c"}},
    ],
    ids=["sql", "sql with down", "sql rename", "createTable", "renameTable"],
)
async def test_no_step_makes_two_that_are_written_alike(engine: Engine, step: dict[str, object]) -> None:
    engine.database.psql(SCHEMAS + FIRST + "CREATE TABLE a.other (id int PRIMARY KEY);")
    start = picture(engine.database)
    record = await engine.migrate(a_spec([{"name": "s", **step}]))
    assert record.state in (State.REFUSED, State.ROLLED_BACK), record.message
    assert "a.b.c" in record.message or "written alike" in record.message
    assert picture(engine.database) == start


async def test_one_of_them_alone_is_a_table_like_any_other(engine: Engine) -> None:
    engine.database.psql(SCHEMAS + FIRST)
    spec = a_spec([{"name": "s", "updateRows": {"table": '"a.b".c', "set": {"v": "'new'"}, "where": "id = 1"}}])
    record = await engine.migrate(spec, environment="staging")
    assert record.state == State.SUCCEEDED, record.message
    assert engine.rows('SELECT v FROM "a.b".c') == [("new",)]
