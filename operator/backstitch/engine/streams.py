# SPDX-License-Identifier: Apache-2.0
"""How is work done side by side, or streamed, so that nothing runs on after the first failure?"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Coroutine
from typing import Any

from backstitch.core.ports import ObjectStore


async def together(*work: Coroutine[Any, Any, Any]) -> list[Any]:
    """Run all at once and give their results; the first error ends the others and comes out as it was raised."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one) for one in work]
    except BaseExceptionGroup as errors:
        raise _first(errors) from None
    return [task.result() for task in tasks]


async def close_stream(stream: AsyncIterator[bytes]) -> None:
    """End a stream that may not have been read to its end, so that what feeds it ends now."""
    close = getattr(stream, "aclose", None)
    if close is not None:
        await close()


async def once(data: bytes) -> AsyncIterator[bytes]:
    """Give bytes as a stream."""
    yield data


async def read_object(store: ObjectStore, key: str) -> bytes:
    """Read a small object whole."""
    return b"".join([chunk async for chunk in store.get(key)])


class Hashed:
    """A stream that counts and hashes what passes; a reader may stop early and `drain` reads the rest."""

    def __init__(self, chunks: AsyncIterator[bytes]) -> None:
        self._chunks = chunks
        self._digest = hashlib.sha256()
        self.size = 0

    def __aiter__(self) -> Hashed:
        return self

    async def __anext__(self) -> bytes:
        chunk = await anext(self._chunks)
        self._digest.update(chunk)
        self.size += len(chunk)
        return chunk

    async def drain(self) -> None:
        """Read what is left, for the hash."""
        async for _ in self:
            pass

    @property
    def sha256(self) -> str:
        """Give the SHA-256 of what passed, as hex."""
        return self._digest.hexdigest()


def _first(errors: BaseExceptionGroup[BaseException]) -> BaseException:
    """The error to tell: cancellations of the others come after it."""
    flat: list[BaseException] = []
    for error in errors.exceptions:
        flat.append(_first(error) if isinstance(error, BaseExceptionGroup) else error)
    return next((error for error in flat if not isinstance(error, asyncio.CancelledError)), flat[0])
