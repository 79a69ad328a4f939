# SPDX-License-Identifier: Apache-2.0
"""Does a rollback tell its own writes from the application's, and does each row go back all the way?"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import replace

from backstitch.core.ports import ObjectStore, StoredObject
from backstitch.engine.job import Job
from backstitch.engine.run import run
from backstitch.model.record import Record
from backstitch.model.states import State
from tests.plugins.engine import Engine, a_spec

ROWS = "create table t (id int primary key, v text); insert into t select n, 'old' from generate_series(1, 100) n"
WRONG = {"name": "fails", "query": "SELECT 1", "expect": {"type": "number", "equals": 2}}
CHANGE = "- {name: change, updateRows: {table: t, set: {v: \"'new'\"}, where: 'id <= 50'}}"


async def test_rows_put_back_are_not_taken_for_the_applications(engine: Engine) -> None:
    engine.rows(ROWS)
    record = await engine.migrate(a_spec(CHANGE, checks=[WRONG]))
    assert record.state is State.ROLLED_BACK
    assert record.rollback is not None
    assert (record.rollback.verdict, record.rollback.exceptions) == ("Identical", ())


async def test_only_what_the_application_wrote_is_counted_as_its(engine: Engine) -> None:
    engine.rows(ROWS)

    def write_once(record: Record) -> None:
        if record.state is State.VERIFYING:
            engine.rows("update t set v = 'theirs' where id = 99")

    engine.on_record = write_once
    record = await engine.migrate(a_spec(CHANGE, checks=[WRONG]))
    assert record.rollback is not None
    assert record.rollback.verdict == "IdenticalExcept", record.rollback
    assert record.rollback.differences == (
        "table public.t: the application wrote 1 rows since the start (then 100 rows, now 100)",
    )


async def test_a_row_that_both_have_written_is_no_damage(engine: Engine) -> None:
    """The application changes another column of a row that the migration changed: each keeps its own."""
    engine.rows("create table t (id int primary key, v text, w text)")
    engine.rows("insert into t select n, 'old', 'old' from generate_series(1, 100) n")

    def write_once(record: Record) -> None:
        if record.state is State.VERIFYING:
            engine.rows("update t set w = 'theirs' where id = 7")

    engine.on_record = write_once
    record = await engine.migrate(a_spec(CHANGE, checks=[WRONG]))
    assert record.rollback is not None
    assert (record.state, record.rollback.verdict) == (State.ROLLED_BACK, "IdenticalExcept"), record.rollback
    assert record.rollback.rows_kept == 1
    assert engine.rows("select v, w from t where id = 7") == [("old", "theirs")]


async def test_a_row_put_back_wrongly_is_found(engine: Engine) -> None:
    engine.rows(ROWS)

    def spoil(record: Record) -> None:
        if record.state is State.VERIFYING:
            engine.rows("update backstitch.images set old = jsonb_set(old, '{v}', '\"wrong\"') where key->>'id' = '7'")

    engine.on_record = spoil
    record = await engine.migrate(a_spec(CHANGE, checks=[WRONG]))
    assert record.rollback is not None
    assert (record.state, record.rollback.verdict) == (State.NEEDS_HELP, "Different"), record.rollback


async def test_a_row_changed_twice_by_one_step_goes_back_all_the_way(engine: Engine) -> None:
    engine.rows(ROWS)
    twice = "- {name: twice, sql: {up: \"UPDATE t SET v = v || 'a'; UPDATE t SET v = v || 'b' WHERE id <= 50\"}}"
    record = await engine.migrate(a_spec(twice, checks=[WRONG]))
    assert record.rollback is not None
    assert record.rollback.verdict == "Identical", record.rollback
    assert engine.rows("select distinct v from t") == [("old",)]


class StoreThatTells:
    """A store that tells when an object of some name was put."""

    def __init__(self, store: ObjectStore, name: str, tell: Callable[[], object]) -> None:
        self._store, self._name, self._tell = store, name, tell

    @property
    def url(self) -> str:
        return self._store.url

    async def put(self, key: str, chunks: AsyncIterator[bytes]) -> StoredObject:
        stored = await self._store.put(key, chunks)
        if key.endswith(self._name):
            self._tell()
        return stored

    def get(self, key: str) -> AsyncIterator[bytes]:
        return self._store.get(key)

    async def list(self, prefix: str) -> list[str]:
        return await self._store.list(prefix)

    async def delete(self, key: str) -> None:
        await self._store.delete(key)


async def test_what_the_application_writes_while_the_backup_is_proven_is_its_own(engine: Engine) -> None:
    """A change between the dump's snapshot and the first step must not look like damage that nobody explains."""
    engine.rows(ROWS)
    world = await engine.world()
    assert world.store is not None
    theirs = "update t set v = 'theirs' where id = 99"
    store = StoreThatTells(world.store, "manifest.json", lambda: engine.rows(theirs))
    job = Job(namespace="shop", name="change", spec=a_spec(CHANGE, checks=[WRONG]), environment="staging")
    record = await run(job, replace(world, store=store))
    assert record.rollback is not None
    assert (record.state, record.rollback.verdict) == (State.ROLLED_BACK, "IdenticalExcept"), record
    assert engine.rows("select v from t where id in (1, 99) order by id") == [("old",), ("theirs",)]
