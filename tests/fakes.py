# SPDX-License-Identifier: Apache-2.0
"""What do tests use instead of the outside world? Small honest implementations of core.ports; tests/contract runs
the same promises on these and on the real adapters."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

from backstitch.core.errors import StorageError
from backstitch.core.ports import StoredObject


class FakeClock:
    """A clock that moves only when told, or when somebody sleeps on it (then by what was asked)."""

    def __init__(self, start: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> None:
        self._start = start
        self._passed = 0.0
        self.slept: list[float] = []

    def now(self) -> datetime:
        return self._start + timedelta(seconds=self._passed)

    def monotonic(self) -> float:
        return self._passed

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self._passed += max(seconds, 0.0)
        await asyncio.sleep(0)  # others run, and a cancellation passes through

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self._passed += seconds


class MemoryStore:
    """An ObjectStore in a dict. `full_after`: bytes after which `put` fails like a full disk."""

    def __init__(self, url: str = "memory:///", *, full_after: int | None = None) -> None:
        self._url = url
        self.objects: dict[str, bytes] = {}
        self.full_after = full_after

    @property
    def url(self) -> str:
        return self._url

    async def put(self, key: str, chunks: AsyncIterator[bytes]) -> StoredObject:
        data = bytearray()
        async for chunk in chunks:
            data += chunk
            if self.full_after is not None and len(data) > self.full_after:
                raise StorageError(f"{self._url}{key} cannot be written: no space left.", reason="StorageFull")
        self.objects[key] = bytes(data)
        return StoredObject(key=key, size=len(data), sha256=hashlib.sha256(data).hexdigest())

    async def get(self, key: str) -> AsyncIterator[bytes]:
        if key not in self.objects:
            raise StorageError(f"{self._url}{key} is not there.", reason="ObjectMissing")
        data = self.objects[key]
        for start in range(0, len(data), 65536):
            await asyncio.sleep(0)
            yield data[start : start + 65536]

    async def list(self, prefix: str) -> list[str]:
        return sorted(key for key in self.objects if key.startswith(prefix))

    async def delete(self, key: str) -> None:
        self.objects.pop(key, None)
