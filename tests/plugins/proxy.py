# SPDX-License-Identifier: Apache-2.0
"""How does a test break the network between a client and PostgreSQL at a chosen moment?

A TCP door inside the test's event loop: open, closed, deaf, slow, cut after n bytes, or cut at a chosen statement. Only
clients that don't block this loop can use it (asynchronous ones, threads, other processes).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

import pytest

from tests.plugins.frontend import FrontendReader, Message
from tests.plugins.pg import TestDatabase

_CHUNK = 65536
_READY_FOR_QUERY = b"Z\0\0\0\x05"

Fate = Literal["lost", "done"]
"""What became of the statement at which the door cut: it never reached the server, or the server has carried it out.
The client sees the same in both cases: a connection that ended without an answer."""


@dataclass
class _Trap:
    predicate: Callable[[str], bool]
    fate: Fate
    ending: Literal["cut", "hang"]


class _Cut(Exception):
    """Ends both directions of one connection."""


class PgProxy:
    """A door in front of one PostgreSQL server. It starts open; every method changes it from that moment on."""

    def __init__(self, database: TestDatabase) -> None:
        self._target = (database.server.host, database.server.port)
        self._database = database
        self._server: asyncio.Server | None = None
        self._port = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._hears = asyncio.Event()
        self._hears.set()
        self._delay_s = 0.0
        self._bytes_left: int | None = None
        self._trap: _Trap | None = None
        self.sprung = asyncio.Event()
        """Set when a trap of `cut_when` or `hang_when`, or the limit of `cut_after`, took effect."""
        self.connections = 0
        """How many connections it has accepted."""

    @property
    def url(self) -> str:
        """The database through this door, as its owner."""
        return self._through_here(self._database.url)

    @property
    def superuser_url(self) -> str:
        """The database through this door, as the superuser."""
        return self._through_here(self._database.superuser_url)

    async def open(self) -> None:
        """Accept and pass everything again; connections that hung go on."""
        self._delay_s, self._bytes_left, self._trap = 0.0, None, None
        self._hears.set()
        if self._server is None:
            self._server = await asyncio.start_server(self._accept, "127.0.0.1", self._port)
            self._port = self._server.sockets[0].getsockname()[1]

    async def refuse(self) -> None:
        """Refuse new connections as a host without a server does; existing ones live on."""
        if self._server is not None:
            self._server.close()
            self._server = None

    def black_hole(self) -> None:
        """Accept connections, swallow what is said and never answer, on existing connections too."""
        self._hears.clear()

    def delay(self, seconds: float) -> None:
        """Hold back each piece, in each direction, by this time."""
        self._delay_s = seconds

    def cut_all(self) -> None:
        """Cut every connection now (a reset, as a rebooted router does); new ones are accepted."""
        for writer in self._writers:
            writer.transport.abort()

    def cut_after(self, count: int) -> None:
        """Cut the connection on which, from now, byte `count` of the server's answers has passed."""
        self.sprung.clear()
        self._bytes_left = count

    def cut_when(self, predicate: Callable[[str], bool], *, fate: Fate = "done") -> None:
        """Cut the first connection on which a statement is sent whose SQL meets `predicate`, once.

        With `done` the door waits until the server has carried out the statement, and cuts before the answer passes;
        with `lost` the server never sees it. Works in the simple and in the extended protocol.
        """
        self.sprung.clear()
        self._trap = _Trap(predicate, fate, "cut")

    def hang_when(self, predicate: Callable[[str], bool], *, fate: Fate = "done") -> None:
        """As `cut_when`, but the client's connection stays and is never answered, until `cut_all`."""
        self.sprung.clear()
        self._trap = _Trap(predicate, fate, "hang")

    async def stop(self) -> None:
        """Close the door and every connection."""
        await self.refuse()
        self.cut_all()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _through_here(self, url: str) -> str:
        parts = urlsplit(url)
        return parts._replace(netloc=f"{parts.netloc.rpartition('@')[0]}@127.0.0.1:{self._port}").geturl()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None, "asyncio runs this in a task"
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        self.connections += 1
        await self._hears.wait()
        upstream = None
        try:
            upstream_reader, upstream = await asyncio.open_connection(*self._target)
            self._writers |= {writer, upstream}
            async with asyncio.TaskGroup() as group:
                answers = group.create_task(self._pass_answers(upstream_reader, writer))
                group.create_task(self._pass_requests(reader, upstream, upstream_reader, answers))
        except* (OSError, _Cut):
            pass
        finally:
            for each in (writer, upstream):
                if each is not None:
                    self._writers.discard(each)
                    each.transport.abort()

    async def _pass_requests(
        self,
        client: asyncio.StreamReader,
        upstream: asyncio.StreamWriter,
        upstream_reader: asyncio.StreamReader,
        answers: asyncio.Task[None],
    ) -> None:
        messages = FrontendReader()
        while chunk := await client.read(_CHUNK):
            await self._hold_back()
            for message in messages.feed(chunk):
                if trap := self._sprung_by(message):
                    answers.cancel()
                    with contextlib.suppress(asyncio.CancelledError):
                        await answers
                    await _decide_fate(trap.fate, message, upstream, upstream_reader)
                    self.sprung.set()
                    if trap.ending == "hang":
                        await asyncio.Event().wait()
                    raise _Cut
                upstream.write(message.wire)
            await upstream.drain()
        raise _Cut  # the client has closed: so must the server's side

    def _sprung_by(self, message: Message) -> _Trap | None:
        trap = self._trap
        if trap is None or not any(trap.predicate(statement) for statement in message.statements):
            return None
        self._trap = None
        return trap

    async def _pass_answers(self, upstream: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        while chunk := await upstream.read(_CHUNK):
            await self._hold_back()
            if self._bytes_left is not None:
                chunk = chunk[: self._bytes_left]
                self._bytes_left -= len(chunk)
            client.write(chunk)
            await client.drain()
            if self._bytes_left == 0:
                self._bytes_left = None
                self.sprung.set()
                raise _Cut
        raise _Cut

    async def _hold_back(self) -> None:
        await self._hears.wait()
        if self._delay_s:
            await asyncio.sleep(self._delay_s)


async def _decide_fate(
    fate: Fate, message: Message, upstream: asyncio.StreamWriter, answers: asyncio.StreamReader
) -> None:
    if fate == "lost":
        return
    upstream.write(message.wire)
    await upstream.drain()
    answer = b""
    while _READY_FOR_QUERY not in answer[-6:]:
        chunk = await answers.read(_CHUNK)
        if not chunk:
            return
        answer += chunk


@pytest.fixture
async def proxy(database: TestDatabase) -> AsyncIterator[PgProxy]:
    """An open door in front of this test's database."""
    door = PgProxy(database)
    await door.open()
    yield door
    await door.stop()
