# SPDX-License-Identifier: Apache-2.0
"""SIGKILL between two calls while a migration takes another back or contract phases run: each ends as if calm."""

from __future__ import annotations

import asyncio
import os
import signal
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from backstitch.engine.job import Job, Requests
from backstitch.engine.run import run
from backstitch.model.spec import Environment, MigrationSpec
from tests.faults.story import PHASES, START, content
from tests.plugins.crash import Counter, Moment, crashing
from tests.plugins.engine import HEAD, Engine, a_spec
from tests.plugins.pg import PgCluster, TestDatabase

SHAPE_POINTS = 12
QUICK, THOROUGH = 8, 60  # points of the two passes; all of them (474) were tried when this was written

BACK = MigrationSpec.model_validate({**HEAD, "version": "2", "type": "rollback", "rollbackOf": {"name": "change"}})
CONTRACT = """
- name: expand
  steps:
  - {name: add-full-name, addColumn: {table: users, column: full_name, type: text}}
  - {name: away, dropTable: {table: old_stuff}}
- name: contract
  contract: true
  steps:
  - {name: drop-city, dropColumn: {table: users, column: city}}
  - {name: upper, sql: {up: "update notes set body = upper(body)"}}
"""
SHAPES = """
- name: expand
  steps:
  - {name: town, renameColumn: {table: users, column: city, to: town}}
  - name: name
    mergeColumns:
      table: users
      columns:
      - {column: first_name, down: "split_part(name, ',', 1)"}
      - {column: last_name, down: "split_part(name, ',', 2)"}
      into: name
      type: text
      up: concat_ws(',', first_name, last_name)
  - {name: long, changeType: {table: notes, column: body, type: varchar(99)}}
- name: contract
  contract: true
  steps:
  - {name: drop-city, dropOldShape: {table: users, column: city}}
  - {name: drop-names, dropOldShape: {table: users, column: first_name}}
  - {name: drop-body, dropOldShape: {table: notes, column: body}}
"""


@dataclass(frozen=True)
class Story:
    """What has happened before, what is killed, and how it must end."""

    before: MigrationSpec
    name: str
    spec: MigrationSpec
    requests: Requests
    ends: tuple[tuple[str, str], ...]  # name and state of every attempt in the ledger
    environment: Environment = "development"


STORIES = {
    "takes-back": Story(
        a_spec(PHASES), "undo", BACK, Requests(), (("change", "RolledBack"), ("undo", "Succeeded"))
    ),
    "contracts": Story(
        a_spec(CONTRACT), "change", a_spec(CONTRACT), Requests(close="now"),
        (("change", "Succeeded"), ("change.contract", "Succeeded")),
    ),
    "drops-old-shapes": Story(
        a_spec(SHAPES), "change", a_spec(SHAPES), Requests(close="now"),
        (("change", "Succeeded"), ("change.contract", "Succeeded")),
    ),
    "takes-shapes-back": Story(
        a_spec(SHAPES), "undo", BACK, Requests(), (("change", "RolledBack"), ("undo", "Succeeded"))
    ),
    "makes-shapes": Story(
        a_spec("- {name: n, createTable: {table: fresh, columns: [{name: id, type: int}]}}"),
        "shapes", a_spec(SHAPES, version="2"), Requests(), (("change", "Succeeded"), ("shapes", "Succeeded")),
    ),
}  # fmt: skip


async def go(database: TestDatabase, folder: Path, name: str, spec: MigrationSpec, story: Story, counter: Counter,
             requests: Requests) -> None:  # fmt: skip
    engine = Engine(database, f"file://{folder}", requests=requests)
    world = crashing(await engine.world(), counter)
    await run(Job(namespace="shop", name=name, spec=spec, environment=story.environment), world)


def in_a_child(database: TestDatabase, folder: Path, story: Story, counter: Counter) -> int:
    """Run what is killed to rest in a forked process; give its wait status."""
    pid = os.fork()
    if pid:
        return os.waitpid(pid, 0)[1]
    code = 1
    try:
        asyncio.run(go(database, folder, story.name, story.spec, story, counter, story.requests))
        code = 0
    except BaseException:  # the child must not return into pytest
        traceback.print_exc()
    finally:
        os._exit(code)


@contextmanager
def prepared(cluster: PgCluster, folder: Path, story: Story) -> Iterator[str]:
    """Give the name of a database in which everything before has happened: a template of all that follow."""
    database = cluster.create(f"before_{os.getpid()}_{story.name}")
    try:
        database.psql(START)
        asyncio.run(go(database, folder, "change", story.before, story, Counter(), Requests()))
        yield database.name
    finally:
        cluster.drop(database)


@contextmanager
def copy_of(cluster: PgCluster, template: str, name: str) -> Iterator[TestDatabase]:
    made = cluster.create(name)
    cluster.drop(made)
    with psycopg.connect(made.superuser_url.replace(f"/{name}", "/postgres"), autocommit=True) as admin:
        admin.execute(f'create database "{name}" template "{template}" owner app_owner strategy file_copy')
    try:
        yield made
    finally:
        made.close()
        cluster.drop(made)


def wrong_with(database: TestDatabase, story: Story, goal: list[object]) -> list[str]:
    found = []
    if content(database) != goal:
        found.append("the content is not what it should be")
    ends = tuple(database.psql("select name, state from backstitch.migrations order by id"))
    if ends != story.ends:
        found.append(f"the ledger says {ends}")
    left = {
        "advisory locks": "select 1 from pg_locks where locktype = 'advisory' and database = (select oid from "
        "pg_database where datname = current_database())",
        "triggers": "select 1 from pg_trigger where tgname like 'backstitch%'",
        "attempts": "select 1 from backstitch.migrations where attempt > 1",
    }
    return found + [f"left behind: {what}" for what, query in left.items() if database.psql(query)]


def crash_everywhere(cluster: PgCluster, folder: Path, story: Story, points: int) -> list[str]:
    found: list[str] = []
    with prepared(cluster, folder, story) as template:
        calm = Counter()
        with copy_of(cluster, template, f"calm_{os.getpid()}") as database:
            asyncio.run(go(database, folder, story.name, story.spec, story, calm, story.requests))
            goal = content(database)
            assert wrong_with(database, story, goal) == []
            ledger = database.psql("select m::text from backstitch.migrations m order by id")
            asyncio.run(go(database, folder, story.name, story.spec, story, Counter(), story.requests))
            assert database.psql("select m::text from backstitch.migrations m order by id") == ledger
        numbers = range(1, len(calm.calls) + 1, max(1, len(calm.calls) // points))
        moment: Moment = "after"  # "after n" is "before n + 1": one call follows the other
        for number in numbers:
            with copy_of(cluster, template, f"crash_{os.getpid()}_{number}") as database:
                status = in_a_child(database, folder, story, Counter(number, moment))
                if not (os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL):
                    found.append(f"call {number}: it was not killed (status {status})")
                    continue
                status = in_a_child(database, folder, story, Counter())
                if status != 0:
                    found.append(f"call {number}: the second run failed (status {status})")
                found += [f"call {number} ({calm.calls[number - 1]}): {w}" for w in wrong_with(database, story, goal)]
        print(f"\n{story.name}: {len(calm.calls)} calls, {len(numbers)} crash points, {len(found)} deviations")
    return found


@pytest.mark.one_major
@pytest.mark.parametrize("story", ["takes-back", "contracts"])
@pytest.mark.timeout(600)
def test_a_sample_of_crash_points(pg_cluster: PgCluster, tmp_path: Path, story: str) -> None:
    assert crash_everywhere(pg_cluster, tmp_path, STORIES[story], QUICK) == []


@pytest.mark.slow
@pytest.mark.one_major
@pytest.mark.parametrize("story", STORIES)
@pytest.mark.timeout(1800)
def test_more_crash_points(pg_cluster: PgCluster, tmp_path: Path, story: str) -> None:
    assert crash_everywhere(pg_cluster, tmp_path, STORIES[story], SHAPE_POINTS if "shapes" in story else THOROUGH) == []
