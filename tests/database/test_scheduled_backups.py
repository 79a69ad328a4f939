# SPDX-License-Identifier: Apache-2.0
"""Backups by the clock on a real server: taken when due, once, in the ledger, never beside a migration."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from backstitch.adapters.storage import open_store
from backstitch.adapters.store_url import parse_store_url
from backstitch.core.errors import StorageError
from backstitch.core.ports import StoredObject
from backstitch.engine.copies import StoreCopy
from backstitch.engine.fence import take_fence
from backstitch.engine.job import World
from backstitch.engine.scheduled import read_taken, take_due_backup
from backstitch.model.backup_spec import BackupSchedule
from backstitch.model.states import State
from tests.database.test_engine_forward import FULL_NAME, SHOP
from tests.fakes import FakeClock, MemoryStore
from tests.plugins.engine import Engine, a_spec
from tests.plugins.physical import PhysicalEngine

HOURLY = BackupSchedule(full="0 * * * *", keep=2)
START = datetime(2026, 11, 24, 10, 30, tzinfo=UTC)


async def at(engine: Engine, now: datetime, **changes: Any) -> World:
    return replace(await engine.world(), clock=FakeClock(now), **changes)


def ledger(engine: Engine) -> list[tuple[Any, ...]]:
    return engine.rows("select kind, method, state from backstitch.scheduled_backups order by id")


async def test_dumps_by_the_hour_with_their_own_number_kept(engine: Engine, tmp_path: Path) -> None:
    engine.database.psql(SHOP)
    second = open_store(parse_store_url(f"file://{tmp_path}/second"))
    copies = (StoreCopy(second),)
    record = await engine.migrate(a_spec(FULL_NAME), environment="staging")
    assert record.state is State.SUCCEEDED, record.message
    for hour in range(4):
        world = await at(engine, START + timedelta(hours=hour), copies=copies)
        due = await take_due_backup("shop", HOURLY, world)
        assert due is not None
        assert due.at == datetime(2026, 11, 24, 10 + hour, tzinfo=UTC)
        assert await take_due_backup("shop", HOURLY, world) is None  # it is served
    assert world.store is not None
    for store in (world.store, second):
        kept = {key.split("/")[2].partition("-")[2] for key in await store.list("shop/_scheduled/")}
        assert kept == {"20261124T1200Z", "20261124T1300Z"}
    assert len(await world.store.list("shop/change/")) == 4  # the migration's own backup is not counted with them
    assert ledger(engine) == [("full", "dump", "done")] * 4
    session = await world.database.connect(purpose="test")
    taken = await read_taken(session)
    await session.close()
    assert (taken.last_kind, taken.last_due_at, taken.trouble) == ("full", datetime(2026, 11, 24, 13, tzinfo=UTC), "")


async def test_a_database_without_a_ledger_gets_one(engine: Engine) -> None:
    engine.database.psql(SHOP)
    assert await take_due_backup("shop", HOURLY, await at(engine, START)) is not None
    assert ledger(engine) == [("full", "dump", "done")]


class Unwilling(MemoryStore):
    async def put(self, key: str, chunks: AsyncIterator[bytes]) -> StoredObject:
        raise StorageError("the store is away")


async def test_a_failure_is_told_and_not_tried_at_every_look(engine: Engine) -> None:
    engine.database.psql(SHOP)
    world = await at(engine, START, store=Unwilling())
    assert await take_due_backup("shop", HOURLY, world) is None
    assert ledger(engine) == [("full", "dump", "failed")]
    session = await world.database.connect(purpose="test")
    assert "the store is away" in (await read_taken(session)).trouble
    await session.close()
    good = await at(engine, START)
    assert await take_due_backup("shop", HOURLY, good) is None  # too soon
    engine.database.psql("update backstitch.scheduled_backups set started_at = started_at - interval '11 minutes'")
    assert await take_due_backup("shop", HOURLY, good) is not None
    session = await world.database.connect(purpose="test")
    assert (await read_taken(session)).trouble == ""
    await session.close()


async def test_never_beside_a_migration(engine: Engine) -> None:
    engine.database.psql(SHOP)
    assert await take_due_backup("shop", HOURLY, await at(engine, START)) is not None
    later = await at(engine, START + timedelta(hours=1))
    working = await later.database.connect(purpose="migration")
    assert await take_fence(working, later.clock, holder="somebody", wait_s=1) is not None
    assert await take_due_backup("shop", HOURLY, later) is None
    await working.close()
    # a process that was killed in the middle of a migration holds no lock any more
    await engine.migrate(a_spec(FULL_NAME))
    engine.database.psql("update backstitch.migrations set state = 'Migrating'")
    assert await take_due_backup("shop", HOURLY, later) is None
    engine.database.psql("update backstitch.migrations set state = 'Succeeded'")
    assert await take_due_backup("shop", HOURLY, later) is not None


async def test_a_killed_one_is_taken_up_again(engine: Engine) -> None:
    engine.database.psql(SHOP)
    world = await at(engine, START)
    assert await take_due_backup("shop", HOURLY, world) is not None
    engine.database.psql("update backstitch.scheduled_backups set state = 'running', finished_at = null")
    assert world.store is not None
    before = await world.store.list("shop/_scheduled/")
    assert await take_due_backup("shop", HOURLY, world) is not None
    assert ledger(engine) == [("full", "dump", "done")]
    assert await world.store.list("shop/_scheduled/") == before  # the same backup, found by its name


@pytest.mark.slow
async def test_incremental_ones_by_pgbackrest(physical_engine: PhysicalEngine) -> None:
    engine = physical_engine
    engine.database.psql(SHOP)
    schedule = BackupSchedule(full="0 3 * * 0", incremental="0 * * * *")
    for now, kind in ((START, "full"), (START + timedelta(hours=1), "incremental")):
        due = await take_due_backup("shop", schedule, await at(engine, now))
        assert due is not None
        assert due.kind == kind
    assert ledger(engine) == [("full", "pgBackRest", "done"), ("incremental", "pgBackRest", "done")]
    newest = await engine.backups().newest()
    assert newest is not None
    assert newest.kind == "incremental"
    assert engine.rows("select place from backstitch.scheduled_backups order by id desc limit 1") == [
        (f"pgBackRest stanza shop, {newest.label}",)
    ]
