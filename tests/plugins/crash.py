# SPDX-License-Identifier: Apache-2.0
"""Ports that count every call to the outside and kill the process, with SIGKILL, before or after call n.

The numbers come from a run that is not killed: what a story does to the database, the store and its observer is the
list of its crash points, so a new call gets its crash points without a new test.
"""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeVar

from backstitch.core.ports import Archiver, Database, ObjectStore, Prepared, Row, Session, StoredObject
from backstitch.engine.job import World
from backstitch.model.record import Record

Moment = Literal["before", "after"]
T = TypeVar("T")


@dataclass
class Counter:
    """Counts calls; dies at the one that was named."""

    at: int = 0  # 0: never
    moment: Moment = "before"
    calls: list[str] = field(default_factory=list)

    def before(self, what: str) -> int:
        """Note a call that is about to be made; give its number."""
        self.calls.append(what)
        number = len(self.calls)
        if number == self.at and self.moment == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        return number

    def after(self, number: int) -> None:
        """Note that a call's effect is there."""
        if number == self.at and self.moment == "after":
            os.kill(os.getpid(), signal.SIGKILL)

    async def around(self, what: str, call: Awaitable[T]) -> T:
        """Make one call between its two crash points."""
        number = self.before(what)
        result = await call
        self.after(number)
        return result


class CrashingSession:
    """A Session whose every message is a crash point; BEGIN and COMMIT too."""

    def __init__(self, inner: Session, counter: Counter) -> None:
        self._inner = inner
        self._counter = counter

    @property
    def pid(self) -> int:
        return self._inner.pid

    @property
    def server_version(self) -> int:
        return self._inner.server_version

    async def rows(self, sql: str, params: Sequence[object] | None = None) -> list[Row]:
        return await self._counter.around(sql[:60], self._inner.rows(sql, params))

    async def execute(self, sql: str, params: Sequence[object] | None = None) -> int:
        return await self._counter.around(sql[:60], self._inner.execute(sql, params))

    async def prepare(self, name: str, sql: str) -> Prepared:
        return await self._counter.around(sql[:60], self._inner.prepare(name, sql))

    async def copy_out(self, sql: str) -> AsyncIterator[bytes]:
        number = self._counter.before(sql[:60])
        async for chunk in self._inner.copy_out(sql):
            yield chunk
        self._counter.after(number)

    async def copy_in(self, sql: str, chunks: AsyncIterator[bytes]) -> int:
        return await self._counter.around(sql[:60], self._inner.copy_in(sql, chunks))

    def transaction(self) -> AbstractAsyncContextManager[None]:
        return self._transaction()

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[None]:
        manager = self._inner.transaction()
        await self._counter.around("BEGIN", manager.__aenter__())
        try:
            yield
        except BaseException as error:
            if not await self._counter.around("ROLLBACK", manager.__aexit__(type(error), error, error.__traceback__)):
                raise
        else:
            await self._counter.around("COMMIT", manager.__aexit__(None, None, None))

    async def cancel(self) -> None:
        await self._inner.cancel()

    async def close(self) -> None:
        await self._inner.close()


class CrashingDatabase:
    """A Database whose sessions are crash points."""

    def __init__(self, inner: Database, counter: Counter) -> None:
        self._inner = inner
        self._counter = counter

    @property
    def name(self) -> str:
        return self._inner.name

    async def connect(self, *, purpose: str, database: str | None = None, read_only: bool = False) -> Session:
        inner = self._inner.connect(purpose=purpose, database=database, read_only=read_only)
        if purpose == "lock-watch":  # it changes nothing, and how often it looks is a matter of time
            return await inner
        return CrashingSession(await self._counter.around(f"connect {purpose}", inner), self._counter)


class CrashingStore:
    """An ObjectStore whose calls are crash points."""

    def __init__(self, inner: ObjectStore, counter: Counter) -> None:
        self._inner = inner
        self._counter = counter

    @property
    def url(self) -> str:
        return self._inner.url

    async def put(self, key: str, chunks: AsyncIterator[bytes]) -> StoredObject:
        return await self._counter.around(f"put {key}", self._inner.put(key, chunks))

    async def get(self, key: str) -> AsyncIterator[bytes]:
        number = self._counter.before(f"get {key}")
        async for chunk in self._inner.get(key):
            yield chunk
        self._counter.after(number)

    async def list(self, prefix: str) -> list[str]:
        return await self._counter.around(f"list {prefix}", self._inner.list(prefix))

    async def delete(self, key: str) -> None:
        await self._counter.around(f"delete {key}", self._inner.delete(key))


class CrashingArchiver:
    """An Archiver whose calls are crash points: before the child process, and after it ended."""

    def __init__(self, inner: Archiver, counter: Counter) -> None:
        self._inner = inner
        self._counter = counter

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def dump(self, *, snapshot: str | None, schema_only: bool) -> AsyncIterator[bytes]:
        number = self._counter.before("pg_dump")
        async for chunk in self._inner.dump(snapshot=snapshot, schema_only=schema_only):
            yield chunk
        self._counter.after(number)

    async def restore(self, chunks: AsyncIterator[bytes], *, database: str, **how: Any) -> None:
        await self._counter.around("pg_restore", self._inner.restore(chunks, database=database, **how))


def crashing(world: World, counter: Counter) -> World:
    """Give a world that works as this one does and dies where the counter says."""

    async def observe(record: Record) -> None:
        await counter.around(f"observe {record.state}", world.observe(record))

    assert world.archiver is not None
    assert world.store is not None
    return replace(
        world,
        database=CrashingDatabase(world.database, counter),
        archiver=CrashingArchiver(world.archiver, counter),
        store=CrashingStore(world.store, counter),
        observe=observe,
    )
