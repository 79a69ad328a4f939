# SPDX-License-Identifier: Apache-2.0
"""What is in an archive that comes as a stream, and what of it is to be left out?"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Mapping, Sequence

from backstitch.core.errors import BackupFailed

# "3541; 3079 16385 EXTENSION - postgis " and "3542; 0 0 COMMENT - EXTENSION postgis "
_ENTRY = re.compile(r"^\d+; \d+ \d+ (?P<entry>.*)$")


async def read_contents(
    pg_restore: str, chunks: AsyncIterator[bytes], environment: Mapping[str, str]
) -> tuple[str, AsyncIterator[bytes]]:
    """Give what `pg_restore --list` says of the archive, and a stream that still begins at its first byte.

    The contents stand at the archive's beginning, so only that is read and kept. Raises BackupFailed.
    """
    process = await asyncio.create_subprocess_exec(
        pg_restore,
        "--list",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env=dict(environment),
    )
    assert process.stdin is not None
    assert process.stdout is not None
    output = asyncio.create_task(process.stdout.read())
    read: list[bytes] = []
    try:
        async for chunk in chunks:
            read.append(chunk)
            process.stdin.write(chunk)
            await process.stdin.drain()
        process.stdin.close()
    except (BrokenPipeError, ConnectionResetError):
        pass  # it has seen enough
    try:
        contents = (await output).decode(errors="replace")
        code = await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if code != 0:
        raise BackupFailed("pg_restore cannot read the contents of the archive: it is damaged.", reason="BackupDamaged")
    return contents, _again(read, chunks)


def without(contents: str, leave_out: Sequence[str]) -> str:
    """Give the list without these entries (such as `EXTENSION postgis`) and their comments."""
    kinds = [(kind, name) for kind, _, name in (_split(entry) for entry in leave_out)]
    beginnings = tuple(f"{kind} - {name} " for kind, name in kinds)
    comments = tuple(f"COMMENT - {kind} {name} " for kind, name in kinds)
    kept = []
    for line in contents.splitlines():
        found = _ENTRY.match(line)
        # Entries end with the owner, which may be empty: a blank is there either way.
        if found is None or not (found["entry"] + " ").startswith(beginnings + comments):
            kept.append(line)
    return "\n".join(kept) + "\n"


def _split(entry: str) -> tuple[str, str, str]:
    for kind in ("EVENT TRIGGER", "EXTENSION"):
        if entry.startswith(kind + " "):
            return kind, " ", entry[len(kind) + 1 :]
    raise ValueError(f"{entry!r} is not something that can be left out of a restore.")


async def _again(read: list[bytes], rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    for chunk in read:
        yield chunk
    async for chunk in rest:
        yield chunk
