# SPDX-License-Identifier: Apache-2.0
"""Two versions of an application write the same rows all the while: does a statement fail, is a row ever wrong?

An outside checker: each version notes what it wrote where. In the end both shapes of every row say the same, and what
they say is the start's value or the last that one of the versions wrote to that row.
"""

from __future__ import annotations

import asyncio
import random
from typing import Any

import psycopg
import pytest

from backstitch.engine.job import Requests
from backstitch.model.states import State
from tests.plugins.engine import Engine, a_spec

ROWS = 8000
SHOP = f"""
create table users (id int primary key, name text not null, age text not null, pad text default repeat('x', 100));
insert into users select n, 'start', '1' from generate_series(1, {ROWS}) n;
create index users_name on users (name);
"""
STEPS = [
    {"name": "nick", "renameColumn": {"table": "users", "column": "name", "to": "nick"}},
    {"name": "number", "changeType": {"table": "users", "column": "age", "type": "bigint"}},
]


class Version:
    """One version of the application: it knows one name of the column, and notes what it wrote and what failed."""

    def __init__(self, word: str, column: str, seed: int) -> None:
        self.word, self.column, self.random = word, column, random.Random(seed)
        self.last: dict[int, str] = {}
        self.failed: list[str] = []
        self.statements = 0
        self.stop = False

    async def run(self, connection: psycopg.AsyncConnection[Any]) -> None:
        """Update, upsert and insert until told to stop, in prepared statements as drivers do."""
        while not self.stop:
            number = self.random.randint(1, 300) if self.random.random() < 0.5 else self.random.randint(1, ROWS)
            self.statements += 1
            value = f"{self.word}{self.statements}"
            column = self.column
            statement = (
                f"insert into users (id, {column}, age) values (%s, %s, '2') on conflict (id) do update "
                f"set {column} = excluded.{column}"
                if self.random.random() < 0.3
                else f"with k (id, v) as (values (%s::int, %s::text)) update users set {column} = k.v, age = '2' "
                "from k where users.id = k.id"
            )
            try:
                await connection.execute(statement, (number, value))
                self.last[number] = value
            except psycopg.Error as error:
                if column in str(error) and self.word == "new":
                    await asyncio.sleep(0.01)  # the new version is rolled out when its column is there
                    self.statements -= 1
                else:
                    self.failed.append(str(error))
            await asyncio.sleep(0)


async def test_both_versions_write_the_same_rows_while_it_goes_forward_and_back(engine: Engine) -> None:
    engine.database.psql(SHOP)
    old, new = Version("old", "name", 1), Version("new", "nick", 2)
    tasks = [asyncio.create_task(v.run(await engine.database.connect())) for v in (old, new)]
    spec = a_spec(STEPS, rollback={"revertWindow": "1h"})
    record = await engine.migrate(spec)
    assert record.state is State.SUCCEEDED, record.message
    for _ in range(200):
        if new.statements > 300:
            break
        await asyncio.sleep(0.05)
    new.stop = True
    await tasks[1]
    differ = "select count(*) from users where name is distinct from nick or age::text not in ('1', '2')"
    assert engine.rows(differ) == [(0,)]
    hidden = engine.rows(
        "select attname from pg_attribute where attrelid = 'users'::regclass and attname like 'backstitch%'"
    )[0][0]
    assert engine.rows(f"select count(*) from users where age::text is distinct from {hidden}") == [(0,)]
    assert new.statements > 100

    engine.requests = Requests(rollback="please")
    record = await engine.migrate(spec)
    old.stop = True
    await tasks[0]
    assert record.state is State.ROLLED_BACK, record.message
    known = [v for v in (old.failed + new.failed) if "cached plan must not change" not in v]
    assert known == []
    found = dict(engine.rows("select id, name from users"))
    wrong = {
        number: value
        for number, value in found.items()
        if value not in {old.last.get(number), new.last.get(number)} - {None}
        and (value != "start" or number in old.last or number in new.last)
    }
    assert wrong == {}
    print(f"\n{old.statements} + {new.statements} statements, {len(old.failed + new.failed)} cached plans")


@pytest.mark.one_major
async def test_a_failing_step_under_writers_leaves_what_they_wrote(engine: Engine) -> None:
    engine.database.psql(SHOP)
    old = Version("old", "name", 3)
    task = asyncio.create_task(old.run(await engine.database.connect()))
    steps = [*STEPS, {"name": "never", "addConstraint": {"table": "users", "name": "no", "check": "age < 0"}}]
    record = await engine.migrate(a_spec(steps))
    old.stop = True
    await task
    assert record.state is State.ROLLED_BACK, record.message
    assert [v for v in old.failed if "cached plan" not in v and '"no"' not in v] == []
    assert {n: v for n, v in engine.rows("select id, name from users") if v != old.last.get(n, "start")} == {}
