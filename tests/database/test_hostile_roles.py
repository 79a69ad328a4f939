# SPDX-License-Identifier: Apache-2.0
"""Are odd names of roles and of what checks read just names? Are names that cannot be refused with the spec?"""

from __future__ import annotations

import secrets

import pytest
from pydantic import ValidationError

from backstitch.adapters.conninfo import parse_url
from backstitch.adapters.postgres import PostgresDatabase
from backstitch.core.errors import TargetError
from backstitch.model.sql import quote_ident, quote_literal
from backstitch.model.states import State
from tests.plugins.engine import Engine, a_spec
from tests.plugins.pg import OWNER, TestDatabase

ODD = ['"; RESET ROLE; --', "a.b", "%s %(x)s", "it's", "UPPER", "ünï🐘", "a\nb", "$$", "{}"]

pytestmark = pytest.mark.one_major


async def test_the_owner_s_role_may_be_called_anything(database: TestDatabase) -> None:
    for odd in ODD:
        name = f"{odd}{secrets.token_hex(3)}"
        role = quote_ident(name)
        database.psql(f"CREATE ROLE {role}; GRANT {role} TO {OWNER};", superuser=True)
        given = PostgresDatabase.of(parse_url(database.url), role=name)
        session = await given.connect(purpose=f"test/{odd}")
        try:
            assert await session.rows("SELECT current_user::text AS me") == [{"me": name}]
        finally:
            await session.close()
            database.psql(f"DROP ROLE {role}", superuser=True)


@pytest.mark.parametrize("name", ["no such; role", "x" * 64])
async def test_a_role_that_is_not_there_is_said(database: TestDatabase, name: str) -> None:
    given = PostgresDatabase.of(parse_url(database.url), role=name)
    with pytest.raises(TargetError) as caught:
        await given.connect(purpose="test")
    assert name in caught.value.message


@pytest.mark.parametrize("odd", ODD)
async def test_checks_read_what_they_name(engine: Engine, odd: str) -> None:
    n = quote_ident(odd)
    engine.database.psql(
        f"CREATE TABLE {n} (id int PRIMARY KEY, {n} int UNIQUE);"
        f"INSERT INTO {n} SELECT g, g FROM generate_series(1, 5) g;"
    )
    checks = [
        {"name": "rows", "rowCount": {"table": n, "min": 5, "max": 5}},
        {"name": "nulls", "noNulls": {"table": n, "columns": [odd]}},
        {"name": "query", "query": f"SELECT {quote_literal(odd)}", "expect": {"type": "string", "equals": odd}},
    ]
    step = {"name": "s", "updateRows": {"table": n, "set": {odd: f"{n} + 1"}, "where": f"{n} = 5"}}
    record = await engine.migrate(a_spec([step], checks=checks), name="m")
    assert record.state == State.SUCCEEDED, record.message
    assert engine.rows(f"SELECT max({n}) FROM {n}") == [(6,)]


@pytest.mark.parametrize("name", ["x" * 64, "é" * 32, "", "a\0b", "backstitch_x"])
def test_what_cannot_be_a_name_is_refused_with_the_spec(name: str) -> None:
    for step in (
        {"addColumn": {"table": "t", "column": name, "type": "text"}},
        {"createIndex": {"table": "t", "name": name, "columns": ["a"]}},
        {"addConstraint": {"table": "t", "name": name, "check": "a > 0"}},
        {"dropTable": {"table": f'"{name}"'}},
        {"renameTable": {"table": "t", "to": name}},
        {"updateRows": {"table": "t", "set": {name: "1"}, "where": "true"}},
    ):
        with pytest.raises(ValidationError):
            a_spec([{"name": "s", **step}])
