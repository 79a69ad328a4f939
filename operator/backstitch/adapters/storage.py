# SPDX-License-Identifier: Apache-2.0
"""How are backups kept in an S3-compatible bucket? core.ports.ObjectStore on obstore; and which store is which."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import obstore
from obstore.exceptions import BaseError, NotFoundError, PermissionDeniedError, UnauthenticatedError
from obstore.store import S3Store

from backstitch.adapters.file_store import FileStore
from backstitch.adapters.store_url import StoreLocation
from backstitch.core.errors import StorageError
from backstitch.core.ports import ObjectStore, StoredObject

_PART = 32 << 20  # S3 allows 10,000 parts: 320 GB; two in flight are 64 MB of memory
_PARTS_IN_FLIGHT = 2
_READ = 1 << 20
_ABORT_LIMIT_S = 20.0
_RETRY_FOR = timedelta(seconds=60)
_REQUEST_LIMIT = timedelta(seconds=120)


def open_store(location: StoreLocation) -> ObjectStore:
    """Give the store at a location. Nothing is contacted yet."""
    return FileStore(Path(location.path)) if location.kind == "file" else BucketStore(location)


class _Stopped(Exception):
    """Raised into obstore so that it aborts the upload."""


class BucketStore:
    """Objects are objects of a bucket, below the location's prefix."""

    def __init__(self, location: StoreLocation) -> None:
        self._location = location
        self._store = S3Store(
            location.bucket,
            prefix=location.path or None,
            config=_config(location),
            client_options={"allow_http": (location.endpoint or "").startswith("http://"), "timeout": _REQUEST_LIMIT},
            retry_config={"max_retries": 4, "retry_timeout": _RETRY_FOR},
        )

    @property
    def url(self) -> str:
        """Give where this is; no keys in it."""
        return self._location.url

    async def put(self, key: str, chunks: AsyncIterator[bytes]) -> StoredObject:
        """Stream an object in. A small one is one request; a large one is completed only when `chunks` ended well."""
        digest, size, start = hashlib.sha256(), 0, bytearray()

        async def counted() -> AsyncIterator[bytes]:
            nonlocal size
            async for chunk in chunks:
                digest.update(chunk)
                size += len(chunk)
                yield chunk

        source = counted()
        async for chunk in source:
            start += chunk
            if len(start) >= _PART:
                await self._put_parts(key, start, source)
                break
        else:
            await self._upload(key, bytes(start), use_multipart=False)
        return StoredObject(key=key, size=size, sha256=digest.hexdigest())

    async def _put_parts(self, key: str, start: bytearray, rest: AsyncIterator[bytes]) -> None:
        failed: BaseException | None = None
        stopping = False

        async def guarded() -> AsyncIterator[bytes]:
            nonlocal failed
            try:
                yield bytes(start)
                start.clear()
                async for chunk in rest:
                    if stopping:
                        raise _Stopped
                    yield chunk
            except BaseException as error:
                failed = error
                raise
            if stopping:
                raise _Stopped

        upload = asyncio.ensure_future(self._upload(key, guarded(), chunk_size=_PART, max_concurrency=_PARTS_IN_FLIGHT))
        try:
            await asyncio.shield(upload)
        except asyncio.CancelledError:
            # A dropped upload would leave its parts in the bucket: let obstore see an error and abort it itself.
            stopping = True
            with suppress(Exception):
                async with asyncio.timeout(_ABORT_LIMIT_S):  # not wait_for: 3.11's may swallow a cancellation
                    await upload
            raise
        except StorageError:
            if failed is not None:
                raise failed from None
            raise

    async def _upload(self, key: str, data: Any, **how: Any) -> None:
        try:
            await obstore.put_async(self._store, key, data, **how)
        except Exception as error:  # obstore's own, or what it makes of an error in the source
            raise self._translate(error, key) from None

    async def get(self, key: str) -> AsyncIterator[bytes]:
        """Stream an object out."""
        try:
            answer = await obstore.get_async(self._store, key)
            async for chunk in answer.stream(min_chunk_size=_READ):
                yield bytes(chunk)
        except (BaseError, OSError) as error:
            raise self._translate(error, key) from None

    async def list(self, prefix: str) -> list[str]:
        """Give the keys under a prefix, sorted."""
        folder, _, rest = prefix.rpartition("/")  # obstore matches whole folders only
        keys: list[str] = []
        try:
            async for page in obstore.list(self._store, folder or None):
                keys += [str(entry["path"]) for entry in page]
        except (BaseError, OSError) as error:
            raise self._translate(error, prefix) from None
        return sorted(key for key in keys if key.startswith(prefix) or (not rest and not folder))

    async def delete(self, key: str) -> None:
        """Delete an object; nothing happens when it is not there."""
        try:
            await obstore.delete_async(self._store, key)
        except (NotFoundError, FileNotFoundError):
            return
        except (BaseError, OSError) as error:
            raise self._translate(error, key) from None

    def _translate(self, error: Exception, key: str) -> StorageError:
        where = f"{self.url}/{key}"
        if isinstance(error, (NotFoundError, FileNotFoundError)):
            return StorageError(f"{where} is not there (or its bucket is not).", reason="ObjectMissing")
        words = self._without_keys(str(error))
        if isinstance(error, (PermissionDeniedError, UnauthenticatedError)):
            return StorageError(
                f"{where}: the object store refused our keys: {words} They need to read, write, list and delete there.",
                reason="StorageDenied",
            )
        return StorageError(f"{where}: {words}")

    def _without_keys(self, text: str) -> str:
        secret = (self._location.access_key_id, self._location.secret_access_key, self._location.session_token)
        line = " ".join(text.partition("Debug source:")[0].split())[:500]
        for value in secret:
            if value:
                line = line.replace(value, "…")
        return line


def _config(location: StoreLocation) -> Any:
    config: dict[str, object] = {"region": location.region}
    if location.endpoint is not None:
        config["endpoint"] = location.endpoint
        config["virtual_hosted_style_request"] = False  # bucket in the path: what S3-compatible servers understand
    if location.access_key_id is not None:
        config["access_key_id"] = location.access_key_id
        config["secret_access_key"] = location.secret_access_key
    if location.session_token is not None:
        config["session_token"] = location.session_token
    return config
