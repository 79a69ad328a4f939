# SPDX-License-Identifier: Apache-2.0
"""Do old backups go by count and age, and never the newest proven one or one that is protected?"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backstitch.engine.backup import find_backup
from backstitch.engine.retention import KeptBackup, list_backups, superfluous, sweep_backups
from backstitch.engine.streams import once
from backstitch.model.backup import MANIFEST, PROOF, BackupObject, BackupRequest, Manifest
from tests.fakes import MemoryStore

START = datetime(2026, 1, 1, tzinfo=UTC)


def manifest_of(number: int, database: str = "shop") -> Manifest:
    request = BackupRequest(namespace="shop", name=f"m{number:03}", attempt="a1")
    objects = [BackupObject(key=f"{request.folder}{name}", size=1, sha256="") for name in ("full.pgc", "schema.pgc")]
    return Manifest(
        request=request,
        taken_at=START + timedelta(days=number),
        database=database,
        system_identifier="7",
        timeline=1,
        server_version=180000,
        tool_version="18.6",
        compression="gzip",
        lsn="0/1",
        snapshot="1:1:",
        full=objects[0],
        schema_only=objects[1],
        tables={},
    )


async def put(store: MemoryStore, number: int, *, proven: bool = True, database: str = "shop") -> str:
    manifest = manifest_of(number, database)
    for key in (manifest.full.key, manifest.schema_only.key):
        await store.put(key, once(b"x"))
    await store.put(manifest.request.folder + MANIFEST, once(manifest.model_dump_json(by_alias=True).encode()))
    if proven:
        await store.put(manifest.request.folder + PROOF, once(b"{}"))
    return manifest.request.folder


async def test_the_newest_are_kept() -> None:
    store = MemoryStore()
    folders = [await put(store, number) for number in range(5)]
    assert await sweep_backups(store, "shop", keep=2) == [folders[2], folders[1], folders[0]]
    assert [backup.folder for backup in await list_backups(store, "shop")] == [folders[4], folders[3]]
    assert len(store.objects) == 8


async def test_the_newest_proven_one_stays_however_old() -> None:
    store = MemoryStore()
    folders = [await put(store, number, proven=number == 0) for number in range(5)]
    await sweep_backups(store, "shop", keep=1, older_than=START + timedelta(days=100))
    assert [backup.folder for backup in await list_backups(store, "shop")] == [folders[0]]


async def test_a_protected_one_stays() -> None:
    store = MemoryStore()
    folders = [await put(store, number) for number in range(4)]
    await sweep_backups(store, "shop", keep=1, protect=[folders[1]])
    assert [backup.folder for backup in await list_backups(store, "shop")] == [folders[3], folders[1]]


async def test_databases_and_namespaces_are_counted_apart() -> None:
    store = MemoryStore()
    shop = [await put(store, number) for number in range(2)]
    other = [await put(store, number, database="other") for number in range(2, 4)]
    store.objects["elsewhere/m/a/manifest.json"] = b"{}"
    assert await sweep_backups(store, "shop", keep=1) == [other[0], shop[0]]
    assert "elsewhere/m/a/manifest.json" in store.objects


async def test_what_is_not_understood_is_left_alone() -> None:
    store = MemoryStore()
    await put(store, 1)
    await put(store, 2)
    store.objects["shop/strange/a/manifest.json"] = b'{"format": 2}'
    store.objects["shop/strange/a/full.pgc"] = b"x"
    store.objects["shop/running/a/full.pgc"] = b"x"
    await sweep_backups(store, "shop", keep=1)
    assert {key for key in store.objects if "strange" in key or "running" in key} == {
        "shop/strange/a/manifest.json",
        "shop/strange/a/full.pgc",
        "shop/running/a/full.pgc",
    }


class DyingStore(MemoryStore):
    """Dies at the nth delete."""

    deletes = 0
    die_at = 0

    async def delete(self, key: str) -> None:
        self.deletes += 1
        if self.deletes == self.die_at:
            raise KeyboardInterrupt
        await super().delete(key)


@pytest.mark.parametrize("at", [1, 2, 3, 4])
async def test_a_sweep_that_was_killed_leaves_no_half_backup_for_good(at: int) -> None:
    store = DyingStore()
    old, new = await put(store, 1), await put(store, 2)
    store.die_at = at
    with pytest.raises(KeyboardInterrupt):
        await sweep_backups(store, "shop", keep=1)
    found = await find_backup(manifest_of(1).request, store)
    assert found is None or {key for key in store.objects if key.startswith(old)} >= {old + "full.pgc"}
    store.die_at = 0
    await sweep_backups(store, "shop", keep=1)
    assert {key[: key.rindex("/") + 1] for key in store.objects} == {new}


@given(
    st.lists(st.booleans(), max_size=12),
    st.integers(1, 5),
    st.one_of(st.none(), st.integers(0, 12)),
    st.sets(st.integers(0, 11)),
)
def test_the_rules_hold_for_any_history(proven: list[bool], keep: int, age: int | None, protected: set[int]) -> None:
    backups = [KeptBackup(f"shop/m{number:03}/a1/", manifest_of(number), was, ()) for number, was in enumerate(proven)][
        ::-1
    ]
    older_than = None if age is None else START + timedelta(days=age)
    protect = {f"shop/m{number:03}/a1/" for number in protected}
    gone = {backup.folder for backup in superfluous(backups, keep=keep, older_than=older_than, protect=protect)}
    newest_proven = next((backup.folder for backup in backups if backup.proven), None)
    assert newest_proven not in gone
    assert not gone & protect
    if older_than is None:
        assert not gone & {backup.folder for backup in backups[:keep]}
    stay = [backup for backup in backups if backup.folder not in gone | protect | {newest_proven}]
    assert len(stay) <= keep
