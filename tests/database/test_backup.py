# SPDX-License-Identifier: Apache-2.0
"""Is a backup taken in one snapshot, proven by a restore, found again, and never left looking complete?"""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from backstitch.engine.backup import find_backup, secure_backup, take_backup
from tests.database.backups import KEYS, REQUEST, SHOP, ports_of, scratch_left, store_of
from tests.plugins.pg import TestDatabase


@pytest.fixture
def shop(database: TestDatabase) -> TestDatabase:
    database.psql(SHOP)
    return database


async def test_a_backup_is_taken_and_proven(shop: TestDatabase) -> None:
    ports = await ports_of(shop)
    manifest, proof = await secure_backup(REQUEST, ports)
    assert sorted(store_of(ports).objects) == KEYS
    assert {name: table.rows for name, table in manifest.tables.items()} == {
        "public.users": 300,
        "public.orders": 300,
        "public.days_2026": 100,
    }
    assert (proof.tables, proof.rows, proof.owners_kept) == (3, 700, True)
    assert manifest.full.size == len(store_of(ports).objects[KEYS[0]])
    assert manifest.server_version // 10000 == shop.server.major
    assert manifest.tool_version.split(".")[0] == str(shop.server.major)
    assert manifest.database == shop.name
    assert (manifest.timeline, len(manifest.system_identifier) > 10, "/" in manifest.lsn) == (1, True, True)
    assert scratch_left(shop) == []


async def test_the_dump_holds_quarantine_but_not_the_ledger(shop: TestDatabase, tmp_path: Path) -> None:
    ports = await ports_of(shop)
    await take_backup(REQUEST, ports)
    shop.psql("DROP SCHEMA backstitch CASCADE; DROP SCHEMA backstitch_quarantine CASCADE")
    shop.psql("DROP MATERIALIZED VIEW counts; DROP VIEW happy; DROP TABLE orders, users, days; DROP TYPE mood CASCADE")
    shop.psql("DROP FUNCTION f")
    await ports.archiver.restore(ports.store.get(KEYS[0]), database=shop.name)
    assert shop.psql("SELECT a FROM backstitch_quarantine.dropped") == [(1,)]
    assert shop.psql("SELECT to_regnamespace('backstitch')::text") == [(None,)]
    assert shop.psql("SELECT count(*) FROM happy") == [(300,)]


async def test_after_a_restart_the_same_backup_is_found(shop: TestDatabase) -> None:
    ports = await ports_of(shop)
    first = await secure_backup(REQUEST, ports)
    shop.psql("INSERT INTO users (id, name) VALUES (1000, 'later')")
    assert await secure_backup(REQUEST, ports) == first
    assert await find_backup(REQUEST, ports.store) == first
    assert await find_backup(REQUEST.model_copy(update={"attempt": "a2"}), ports.store) is None


async def test_a_backup_without_a_proof_is_proven_after_a_restart(shop: TestDatabase) -> None:
    ports = await ports_of(shop)
    manifest = await take_backup(REQUEST, ports)
    assert await find_backup(REQUEST, ports.store) == (manifest, None)
    again = await secure_backup(REQUEST, ports)
    assert again.manifest == manifest
    assert KEYS[2] in store_of(ports).objects


async def test_writes_during_the_backup_are_not_in_it(shop: TestDatabase) -> None:
    """Digests and dump are of one instant, however fast others write."""
    ports = await ports_of(shop)
    connection = await shop.connect()
    stop = asyncio.Event()

    async def write() -> int:
        number = 0
        while not stop.is_set():
            number += 1
            await connection.execute("INSERT INTO users (id, name) VALUES (%s, 'x')", [10000 + number])
        return number

    writer = asyncio.create_task(write())
    manifest, _ = await secure_backup(REQUEST, ports)
    stop.set()
    written = await writer
    assert manifest.tables["public.users"].rows <= 300 + written
    assert shop.psql("SELECT count(*) FROM users") == [(300 + written,)]
