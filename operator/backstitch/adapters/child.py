# SPDX-License-Identifier: Apache-2.0
"""How is a program run whose output or input is a stream, so that it never outlives us and its last words are kept?"""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from backstitch.core.errors import BackupFailed, ConnectionLost

_CHUNK = 256 * 1024
_LINES_KEPT = 60
_LINE_BYTES = 2000

# The server went away or takes nobody just now: the same work may be done when it is back.
_LOST = re.compile(
    r"server closed the connection|terminating connection|connection to server (was lost|.*(refused|timed out|reset))|"
    r"no connection to the server|could not (receive|send) data|connection not open|SSL SYSCALL|"
    r"the database system is|too many (clients|connections)|remaining connection slots",
    re.IGNORECASE,
)
_KEY_VALUES = re.compile(r"=\(.*\)")
# What a person can do about the usual refusals. The first match wins.
_ADVICE = (
    (
        r"permission denied to create extension",
        "This role may not create that extension in a new database: ask a superuser to mark it trusted, "
        "or use a role that may.",
    ),
    (r"extension .* is not available|could not open extension control file", "Install the extension on the server."),
    (r"can only create extension in database", "That extension lives in one database of a server only."),
    (r"permission denied to create event trigger|must be superuser to create", "That object needs a superuser."),
    (r"query would be affected by row-level security", "Use the tables' owner or a role with BYPASSRLS."),
    (r"permission denied for", "Use the owner of the objects, or grant this role SELECT on all of them."),
    (r"must be able to SET ROLE|must be member of role", "Make this role a member of the objects' owners."),
    (r"canceling statement due to lock timeout|could not obtain lock", "Another session holds a table locked."),
    (r"No space left on device", "Make room on the server's disk."),
    (r"server version mismatch", "Install the client programs of the server's major version."),
    (r"snapshot .* does not exist|invalid snapshot", "The session that held the dump's snapshot was lost; try again."),
    (r"input file is too short|unexpected end of file|corrupt|could not uncompress|invalid", "The archive is damaged."),
)


class Child:
    """A running program; made by `running`."""

    def __init__(self, process: asyncio.subprocess.Process, name: str) -> None:
        self._process = process
        self._name = name
        self._lines: deque[str] = deque(maxlen=_LINES_KEPT)
        self._reading = asyncio.create_task(self._read_errors())

    async def output(self) -> AsyncGenerator[bytes, None]:
        """Stream what it writes."""
        assert self._process.stdout is not None
        while chunk := await self._process.stdout.read(_CHUNK):
            yield chunk

    async def feed(self, chunks: AsyncIterator[bytes]) -> None:
        """Stream into it; stops early, without an error, when it has ended: `finish` says why."""
        assert self._process.stdin is not None
        try:
            async for chunk in chunks:
                self._process.stdin.write(chunk)
                await self._process.stdin.drain()
            self._process.stdin.close()
            await self._process.stdin.wait_closed()
        except (BrokenPipeError, ConnectionResetError):
            return

    async def finish(self) -> None:
        """Wait for its end. Raises BackupFailed with its last words, or ConnectionLost, when it did not exit with 0."""
        code = await self._process.wait()
        await self._reading
        if code != 0:
            message = f"{self._name} failed: {self._words() or f'it ended with {code}'}"
            raise ConnectionLost(message) if _LOST.search(message) else BackupFailed(message)

    async def end(self) -> None:
        """Kill it when it still runs."""
        if self._process.returncode is None:
            self._process.kill()
            await self._process.wait()
        self._reading.cancel()
        await asyncio.gather(self._reading, return_exceptions=True)

    async def _read_errors(self) -> None:
        assert self._process.stderr is not None
        while True:
            try:
                line = await self._process.stderr.readline()
            except ValueError:  # a line beyond the reader's limit: its text was dropped, the next ones still come
                continue
            if not line:
                return
            self._lines.append(line[:_LINE_BYTES].decode(errors="replace").rstrip())

    def _words(self) -> str:
        """Its errors without statements and rows, which may hold people's data."""
        marks = (": error: ", "ERROR:  ", "FATAL:  ", "HINT:  ", "DETAIL:  ")
        kept = [line for line in self._lines if any(mark in line for mark in marks) and "Failing row" not in line]
        words = " ".join(re.sub(r"^pg_\w+: (error: )?", "", _KEY_VALUES.sub("=(…)", line)) for line in kept)
        if not words:
            words = " ".join(list(self._lines)[-3:])
        advice = next((text for pattern, text in _ADVICE if re.search(pattern, words, re.IGNORECASE)), "")
        return f"{words[:1000]}{'' if words.endswith('.') else '.'} {advice}".rstrip() if words else ""


@asynccontextmanager
async def running(
    name: str,
    arguments: Sequence[str],
    environment: Mapping[str, str],
    *,
    takes_input: bool,
    owner: tuple[int, int] | None = None,
) -> AsyncIterator[Child]:
    """Start a program, as user and group `owner` where we are root; leaving the block, by any way, ends it."""
    pipe, nothing = asyncio.subprocess.PIPE, asyncio.subprocess.DEVNULL
    try:
        process = await asyncio.create_subprocess_exec(
            *arguments,
            stdin=pipe if takes_input else nothing,
            stdout=nothing if takes_input else pipe,
            stderr=pipe,
            env=dict(environment),
            **(identity(owner) if owner is not None else {}),
        )
    except OSError as error:
        raise BackupFailed(f"{name} could not be started: {error.strerror}.", reason="ToolsMissing") from None
    child = Child(process, name)
    try:
        yield child
    finally:
        await child.end()


def identity(owner: tuple[int, int]) -> dict[str, Any]:
    """Give how a process is started as another user: with that user's group only, in a folder that it may enter."""
    return {"user": owner[0], "group": owner[1], "extra_groups": [], "cwd": "/"}
