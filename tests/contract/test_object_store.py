# SPDX-License-Identifier: Apache-2.0
"""Does every object store keep the promises of core.ports.ObjectStore?"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from backstitch.adapters.storage import open_store
from backstitch.adapters.store_url import parse_store_url
from backstitch.core.errors import StorageError
from backstitch.core.ports import ObjectStore
from tests.fakes import MemoryStore


@pytest.fixture(params=["memory", "file", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ObjectStore]:
    if request.param == "memory":
        yield MemoryStore()
    elif request.param == "file":
        yield open_store(parse_store_url(f"file://{tmp_path}/backups"))
    else:
        server = request.getfixturevalue("s3_server")
        bucket = request.getfixturevalue("bucket")
        keys = {"accessKeyId": server.access_key, "secretAccessKey": server.secret_key}
        yield open_store(parse_store_url(f"s3://{bucket}/some/prefix", endpoint=server.endpoint, keys=keys))


async def chunks_of(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


async def read(store: ObjectStore, key: str) -> bytes:
    return b"".join([chunk async for chunk in store.get(key)])


async def test_what_was_put_is_given_back(store: ObjectStore) -> None:
    stored = await store.put("a/b/one", chunks_of(b"hello ", b"", b"world"))
    assert (stored.key, stored.size) == ("a/b/one", 11)
    assert stored.sha256 == hashlib.sha256(b"hello world").hexdigest()
    assert await read(store, "a/b/one") == b"hello world"


async def test_an_empty_object_can_be_kept(store: ObjectStore) -> None:
    assert (await store.put("empty", chunks_of())).size == 0
    assert await read(store, "empty") == b""


async def test_a_large_object_comes_back_whole(store: ObjectStore) -> None:
    """More than one part of a multipart upload."""
    parts = [bytes([n]) * (1 << 20) for n in range(70)]
    stored = await store.put("large", chunks_of(*parts))
    digest = hashlib.sha256()
    async for chunk in store.get("large"):
        digest.update(chunk)
    assert digest.hexdigest() == stored.sha256 == hashlib.sha256(b"".join(parts)).hexdigest()


async def test_a_second_put_replaces_the_object(store: ObjectStore) -> None:
    await store.put("a/one", chunks_of(b"old and long"))
    await store.put("a/one", chunks_of(b"new"))
    assert await read(store, "a/one") == b"new"


@pytest.mark.parametrize("size", [10, 40 << 20], ids=["small", "multipart"])
async def test_nothing_is_left_when_the_source_fails(store: ObjectStore, size: int) -> None:
    async def failing() -> AsyncIterator[bytes]:
        for _ in range(max(1, size >> 20)):
            yield b"x" * min(size, 1 << 20)
        raise LookupError("the dump died")

    with pytest.raises(LookupError, match="the dump died"):
        await store.put("a/one", failing())
    assert await store.list("") == []
    with pytest.raises(StorageError):
        await read(store, "a/one")


async def test_a_failing_put_leaves_the_old_object(store: ObjectStore) -> None:
    async def failing() -> AsyncIterator[bytes]:
        yield b"new"
        raise LookupError("the dump died")

    await store.put("a/one", chunks_of(b"old"))
    with pytest.raises(LookupError):
        await store.put("a/one", failing())
    assert await read(store, "a/one") == b"old"


async def test_nothing_is_left_when_put_is_cancelled(store: ObjectStore) -> None:
    started = asyncio.Event()
    go_on = asyncio.Event()

    async def waiting() -> AsyncIterator[bytes]:
        yield b"x" * 1000
        started.set()
        await asyncio.wait_for(go_on.wait(), 0.5) if not go_on.is_set() else None
        yield b"y"

    task = asyncio.create_task(store.put("a/one", waiting()))
    await asyncio.wait_for(started.wait(), 10)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await store.list("") == []


async def test_a_missing_object_says_so(store: ObjectStore) -> None:
    with pytest.raises(StorageError, match="a/none") as caught:
        await read(store, "a/none")
    assert caught.value.reason == "ObjectMissing"


async def test_list_gives_sorted_keys_below_a_prefix(store: ObjectStore) -> None:
    for key in ("b/2", "a/1/x", "a/10", "a/1/b", "ab/1"):
        await store.put(key, chunks_of(b"1"))
    assert await store.list("") == ["a/1/b", "a/1/x", "a/10", "ab/1", "b/2"]
    assert await store.list("a/") == ["a/1/b", "a/1/x", "a/10"]
    assert await store.list("a/1") == ["a/1/b", "a/1/x", "a/10"]
    assert await store.list("a/1/") == ["a/1/b", "a/1/x"]
    assert await store.list("nothing/") == []


async def test_delete_is_done_once_and_allowed_twice(store: ObjectStore) -> None:
    await store.put("a/b/one", chunks_of(b"1"))
    await store.put("a/two", chunks_of(b"2"))
    await store.delete("a/b/one")
    await store.delete("a/b/one")
    assert await store.list("") == ["a/two"]


async def test_the_url_has_no_keys_in_it(store: ObjectStore, request: pytest.FixtureRequest) -> None:
    assert store.url.partition("://")[0] in ("memory", "file", "s3")
    assert "@" not in store.url
    assert "?" not in store.url


async def test_a_file_store_lets_no_key_out_of_its_directory(tmp_path: Path) -> None:
    store = open_store(parse_store_url(f"file://{tmp_path}/backups"))
    for key in ("../out", "a/../../out", "/etc/out", "a//b", ""):
        with pytest.raises(StorageError):
            await store.put(key, chunks_of(b"1"))
    assert list(tmp_path.rglob("out")) == []


async def test_a_file_store_keeps_its_files_to_itself(tmp_path: Path) -> None:
    await open_store(parse_store_url(f"file://{tmp_path}/backups")).put("a/one", chunks_of(b"1"))
    assert (tmp_path / "backups/a/one").stat().st_mode & 0o777 == 0o600


async def test_a_full_disk_is_named(tmp_path: Path) -> None:
    (tmp_path / "backups").symlink_to("/dev/full/not-a-directory")
    with pytest.raises(StorageError, match="file://"):
        await open_store(parse_store_url(f"file://{tmp_path}/backups")).put("one", chunks_of(b"1"))


async def test_wrong_keys_are_refused_without_repeating_them(request: pytest.FixtureRequest) -> None:
    server, bucket = request.getfixturevalue("s3_server"), request.getfixturevalue("bucket")
    keys = {"accessKeyId": "WRONGKEYWRONGKEY", "secretAccessKey": "wrong-secret-wrong-secret"}
    store = open_store(parse_store_url(f"s3://{bucket}", endpoint=server.endpoint, keys=keys))
    with pytest.raises(StorageError) as caught:
        await store.put("one", chunks_of(b"1"))
    assert "wrong-secret" not in caught.value.message
    assert "WRONGKEY" not in caught.value.message
    assert caught.value.reason == "StorageDenied"


async def test_a_server_that_is_not_there_is_named() -> None:
    keys = {"accessKeyId": "0123456789", "secretAccessKey": "0123456789"}
    location = parse_store_url("s3://some-bucket", endpoint="http://127.0.0.1:9", keys=keys)
    with pytest.raises(StorageError, match="s3://some-bucket"):
        await open_store(location).list("")
