# SPDX-License-Identifier: Apache-2.0
"""How are backups kept in a directory? core.ports.ObjectStore with rename as the commit, and fsync before it."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import os
import secrets
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import BinaryIO, ParamSpec, TypeVar

from backstitch.core.errors import StorageError
from backstitch.core.ports import StoredObject

_UNFINISHED = ".unfinished-"  # first letters of the name of a file that is being written
_CHUNK = 1 << 20
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)

Keys = list[str]  # inside the class `list` is the port's method
P = ParamSpec("P")
T = TypeVar("T")


class FileStore:
    """Objects are files below a directory, which is made when the first one is written."""

    def __init__(self, root: Path) -> None:
        self._root = root

    @property
    def url(self) -> str:
        """Give where this is."""
        return f"file://{self._root}"

    async def put(self, key: str, chunks: AsyncIterator[bytes]) -> StoredObject:
        """Stream an object in: a temporary file, fsync, rename, fsync of the directory."""
        path = self._path(key)
        unfinished = path.with_name(f"{_UNFINISHED}{secrets.token_hex(6)}")
        digest, size = hashlib.sha256(), 0
        file = await self._do(key, _create, unfinished)
        try:
            async for chunk in chunks:
                digest.update(chunk)
                size += len(chunk)
                await self._do(key, file.write, chunk)
            await self._do(key, _finish, file, unfinished, path)
        except BaseException:
            file.close()
            unfinished.unlink(missing_ok=True)
            raise
        return StoredObject(key=key, size=size, sha256=digest.hexdigest())

    async def get(self, key: str) -> AsyncIterator[bytes]:
        """Stream an object out."""
        file = await self._do(key, self._path(key).open, "rb")
        try:
            while chunk := await self._do(key, file.read, _CHUNK):
                yield bytes(chunk)
        finally:
            file.close()

    async def list(self, prefix: str) -> list[str]:
        """Give the keys under a prefix, sorted."""
        return await self._do(prefix, self._list, prefix)

    async def delete(self, key: str) -> None:
        """Delete an object, and folders that became empty."""
        await self._do(key, self._delete, self._path(key))

    def _list(self, prefix: str) -> Keys:
        start = self._root / prefix.rpartition("/")[0]
        files = (Path(folder) / name for folder, _, names in os.walk(start) for name in names)
        keys = (path.relative_to(self._root).as_posix() for path in files if not path.name.startswith(_UNFINISHED))
        return sorted(key for key in keys if key.startswith(prefix))

    def _delete(self, path: Path) -> None:
        path.unlink(missing_ok=True)
        for folder in path.parents:
            if folder == self._root:
                break
            try:
                folder.rmdir()
            except OSError:  # not empty, or gone already
                break

    def _path(self, key: str) -> Path:
        parts = key.split("/")
        if any(part in ("", ".", "..") or "\0" in part or part.startswith(_UNFINISHED) for part in parts):
            raise StorageError(f"{key!r} cannot be the key of an object.", reason="KeyInvalid")
        return self._root.joinpath(*parts)

    async def _do(self, key: str, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return await asyncio.to_thread(call, *args, **kwargs)
        except FileNotFoundError:
            raise StorageError(f"{self.url}/{key} is not there.", reason="ObjectMissing") from None
        except PermissionError as error:
            raise StorageError(
                f"{self.url}/{key}: {error.strerror}. Let the user that runs this write there.", reason="StorageDenied"
            ) from None
        except OSError as error:
            full = error.errno in _FULL
            raise StorageError(
                f"{self.url}/{key}: {error.strerror}." + (" Make room or give another place." if full else ""),
                reason="StorageFull" if full else "StorageError",
            ) from None


def _create(path: Path) -> BinaryIO:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")


def _finish(file: BinaryIO, unfinished: Path, path: Path) -> None:
    file.flush()
    os.fsync(file.fileno())
    file.close()
    unfinished.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
