# SPDX-License-Identifier: Apache-2.0
"""Is every change to a stored backup noticed before it is used? On a folder and on an S3 server, at both moments:
when a started migration comes back to it, and when a rollback restores it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from backstitch.adapters.storage import open_store
from backstitch.adapters.store_url import parse_store_url
from backstitch.core.errors import BackstitchError, BackupFailed
from backstitch.core.ports import ObjectStore
from backstitch.engine.backup import BackupPorts, Secured, find_backup, secure_backup, take_backup
from backstitch.engine.copies import StoreCopy, sound_place
from backstitch.engine.streams import once, read_object
from backstitch.model.backup import BackupRequest
from dev.s3 import S3Server
from tests.database.backups import REQUEST, SHOP, ports_of
from tests.plugins.pg import TestDatabase

FOLDER = REQUEST.folder
FULL, SCHEMA, MANIFEST = (FOLDER + name for name in ("full.pgc", "schema.pgc", "manifest.json"))
OTHER = BackupRequest(namespace="shop", name="other", attempt="b1", version="1", fingerprint="f")


class Scene(NamedTuple):
    """A proven backup of ours, and what else is in the store."""

    store: ObjectStore
    older: dict[str, bytes]  # an older backup of this database, by name
    other: dict[str, bytes]  # one of another migration


Mutation = Callable[[Scene], Awaitable[None]]


async def put(store: ObjectStore, key: str, data: bytes) -> None:
    await store.put(key, once(data))


async def flip(scene: Scene) -> None:
    data = bytearray(await read_object(scene.store, FULL))
    data[len(data) // 2] ^= 1
    await put(scene.store, FULL, bytes(data))


async def truncate(scene: Scene) -> None:
    await put(scene.store, FULL, (await read_object(scene.store, FULL))[:-100])


async def append(scene: Scene) -> None:
    await put(scene.store, SCHEMA, await read_object(scene.store, SCHEMA) + b"x")


async def delete(scene: Scene) -> None:
    await scene.store.delete(FULL)


async def delete_schema(scene: Scene) -> None:
    await scene.store.delete(SCHEMA)


async def swap(scene: Scene) -> None:
    full, schema = await read_object(scene.store, FULL), await read_object(scene.store, SCHEMA)
    await put(scene.store, FULL, schema)
    await put(scene.store, SCHEMA, full)


async def dump_of_another_migration(scene: Scene) -> None:
    await put(scene.store, FULL, scene.other["full.pgc"])


async def older_dump(scene: Scene) -> None:
    await put(scene.store, FULL, scene.older["full.pgc"])


async def whole_older_backup(scene: Scene) -> None:
    """The whole folder of an earlier day, put back under our name: in itself it is consistent."""
    for name, data in scene.older.items():
        await put(scene.store, FOLDER + name, data)


async def empty_manifest(scene: Scene) -> None:
    await put(scene.store, MANIFEST, b"")


async def no_manifest(scene: Scene) -> None:
    await scene.store.delete(MANIFEST)


async def manifest_of_another_migration(scene: Scene) -> None:
    await put(scene.store, MANIFEST, scene.other["manifest.json"])


async def manifest_of_another_target(scene: Scene) -> None:
    """Same names, other server: as when two targets share a place."""
    text = (await read_object(scene.store, MANIFEST)).decode()
    await put(scene.store, MANIFEST, text.replace('"database": "', '"database": "x').encode())


TABLE: list[tuple[Mutation, str, str]] = [
    (flip, "BackupDamaged", r"full\.pgc reads back as"),
    (truncate, "BackupDamaged", r"full\.pgc reads back as"),
    (append, "BackupDamaged", r"schema\.pgc reads back as"),
    (delete, "BackupMissing", r"full\.pgc is not there"),
    (delete_schema, "BackupMissing", r"schema\.pgc is not there"),
    (swap, "BackupDamaged", r"full\.pgc reads back as"),
    (dump_of_another_migration, "BackupDamaged", r"full\.pgc reads back as"),
    (older_dump, "BackupDamaged", r"full\.pgc reads back as"),
    (whole_older_backup, "BackupReplaced", "was replaced since"),
    (empty_manifest, "ManifestUnreadable", r"cannot be read \(0 bytes\)"),
    (no_manifest, "BackupMissing", r"manifest\.json is not there"),
    (manifest_of_another_migration, "BackupOfAnother", "is the manifest of shop/other/b1/"),
    (manifest_of_another_target, "BackupReplaced", "was replaced since"),
]


@pytest.fixture(params=["file", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    if request.param == "file":
        return open_store(parse_store_url(f"file://{tmp_path}/backups"))
    server: S3Server = request.getfixturevalue("s3_server")
    bucket: str = request.getfixturevalue("bucket")
    return s3_store(server, bucket)


def s3_store(server: S3Server, bucket: str) -> ObjectStore:
    keys = {"accessKeyId": server.access_key, "secretAccessKey": server.secret_key}
    return open_store(parse_store_url(f"s3://{bucket}/backups", endpoint=server.endpoint, keys=keys))


@pytest.fixture
def shop(database: TestDatabase) -> TestDatabase:
    database.psql(SHOP)
    return database


async def contents(store: ObjectStore, folder: str) -> dict[str, bytes]:
    return {key.removeprefix(folder): await read_object(store, key) for key in await store.list(folder)}


async def scene_of(ports: BackupPorts, shop: TestDatabase) -> tuple[Scene, Secured]:
    await take_backup(REQUEST, ports)
    older = await contents(ports.store, FOLDER)
    await take_backup(OTHER, ports)
    other = await contents(ports.store, OTHER.folder)
    shop.psql("INSERT INTO users (id, name) VALUES (9999, 'newer')")
    for name in older:
        await ports.store.delete(FOLDER + name)
    secured = await secure_backup(REQUEST, ports)
    return Scene(ports.store, older, other), secured


async def restore_all(store: ObjectStore, kept: dict[str, bytes]) -> None:
    for name, data in kept.items():
        await put(store, FOLDER + name, data)


async def test_every_mutation_is_noticed_before_use(shop: TestDatabase, store: ObjectStore) -> None:
    """One scene, every row of the table in it: at a rollback, and when a started migration comes back."""
    ports = await ports_on(shop, store)
    scene, secured = await scene_of(ports, shop)
    good = await contents(store, FOLDER)
    for mutation, reason, message in TABLE:
        await mutation(scene)
        with pytest.raises(BackupFailed, match=message) as caught:
            await sound_place(REQUEST, [store], manifest_sha256=secured.manifest_sha256)
        assert caught.value.reason == reason, mutation.__name__
        await _not_taken_for_proven(ports, secured, mutation.__name__)
        for key in await store.list(FOLDER):
            await store.delete(key)
        await restore_all(store, good)
        manifest, _, wrong = await sound_place(REQUEST, [store], manifest_sha256=secured.manifest_sha256)
        assert (manifest, wrong) == (secured.manifest, ())


async def _not_taken_for_proven(ports: BackupPorts, secured: Secured, name: str) -> None:
    """Before the first change: either it says so, or it takes and proves a new one; never the mutated one."""
    try:
        again = await secure_backup(REQUEST, ports)
    except BackstitchError as error:
        if error.reason not in ("BackupDamaged", "BackupOfAnother"):
            raise
        return
    assert again.proof.proven_at != secured.proof.proven_at, name
    found = await find_backup(REQUEST, ports.store)
    assert found == (again.manifest, again.proof), name


async def ports_on(shop: TestDatabase, store: ObjectStore, *copies: StoreCopy) -> BackupPorts:
    made = await ports_of(shop)
    return BackupPorts(made.database, made.archiver, store, made.clock, copies)


@pytest.fixture
def places(tmp_path: Path, s3_server: S3Server, bucket: str) -> tuple[ObjectStore, ObjectStore]:
    return open_store(parse_store_url(f"file://{tmp_path}/first")), s3_store(s3_server, bucket)


@pytest.mark.parametrize("damage", [flip, delete, empty_manifest, "gone"], ids=["flip", "delete", "manifest", "gone"])
async def test_a_copy_stands_in_for_the_first_place(
    shop: TestDatabase, places: tuple[ObjectStore, ObjectStore], damage: Mutation | str, tmp_path: Path
) -> None:
    first, second = places
    ports = await ports_on(shop, first, StoreCopy(second, required=True))
    secured = await secure_backup(REQUEST, ports)
    assert [(copy.url, copy.required) for copy in secured.proof.copies] == [(second.url, True)]
    assert secured.proof.copies[0].verified_at is not None
    assert await contents(first, FOLDER) == await contents(second, FOLDER)
    if isinstance(damage, str):
        (tmp_path / "first").rename(tmp_path / "moved")
    else:
        await damage(Scene(first, {}, {}))
    manifest, store, wrong = await sound_place(REQUEST, ports.places, manifest_sha256=secured.manifest_sha256)
    assert (manifest, store.url, len(wrong)) == (secured.manifest, second.url, 1)


async def test_a_folder_stands_in_for_an_s3_server_that_is_away(
    shop: TestDatabase, places: tuple[ObjectStore, ObjectStore], s3_server: S3Server
) -> None:
    second, first = places
    ports = await ports_on(shop, first, StoreCopy(second))
    secured = await secure_backup(REQUEST, ports)
    s3_server.halt()
    try:
        manifest, store, wrong = await sound_place(REQUEST, ports.places, manifest_sha256=secured.manifest_sha256)
    finally:
        s3_server.resume()
    assert (manifest, store.url, len(wrong)) == (secured.manifest, second.url, 1)


async def test_a_copy_that_cannot_be_made(
    shop: TestDatabase, places: tuple[ObjectStore, ObjectStore], s3_server: S3Server, tmp_path: Path
) -> None:
    first, _ = places
    blocked = tmp_path / "blocked"
    blocked.write_text("a file where a folder should be")
    second = open_store(parse_store_url(f"file://{blocked}/backups"))
    with pytest.raises(BackupFailed, match="required and could not be made") as caught:
        await secure_backup(REQUEST, await ports_on(shop, first, StoreCopy(second, required=True)))
    assert caught.value.reason == "CopyMissing"
    secured = await secure_backup(REQUEST, await ports_on(shop, first, StoreCopy(second)))
    assert secured.proof.copies[0].verified_at is None
    assert "blocked" in secured.proof.copies[0].message
    blocked.unlink()
    mended = await secure_backup(REQUEST, await ports_on(shop, first, StoreCopy(second, required=True)))
    assert mended.proof.copies[0].verified_at is not None
    assert mended.manifest == secured.manifest


async def test_a_copy_that_was_damaged_is_made_anew(
    shop: TestDatabase, places: tuple[ObjectStore, ObjectStore]
) -> None:
    first, second = places
    ports = await ports_on(shop, first, StoreCopy(second, required=True))
    await secure_backup(REQUEST, ports)
    await flip(Scene(second, {}, {}))
    await secure_backup(REQUEST, ports)
    assert await contents(first, FOLDER) == await contents(second, FOLDER)
