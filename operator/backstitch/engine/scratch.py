# SPDX-License-Identifier: Apache-2.0
"""Where is a backup restored to? A database beside the target, like it, gone afterwards whatever happens."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from backstitch.core.errors import BackstitchError, BackupFailed, DatabaseError, StatementFailed
from backstitch.core.ports import Database, Session
from backstitch.model.sql import quote_ident, quote_literal

SCRATCH_PREFIX = "backstitch_scratch_"

# pg_database.daticulocale became datlocale in 17; daticurules came with 16. to_jsonb reads what is there.
_LOCALE = """
SELECT pg_catalog.pg_encoding_to_char(encoding) AS encoding, datcollate, datctype, datlocprovider::text AS provider,
       coalesce(to_jsonb(d) ->> 'datlocale', to_jsonb(d) ->> 'daticulocale') AS locale,
       to_jsonb(d) ->> 'daticurules' AS rules
  FROM pg_catalog.pg_database d WHERE datname = %s
"""


def scratch_name(purpose: str, owner: str) -> str:
    """Give a new name that says whose it is: `owner` is hashed into it, the rest is random."""
    return f"{scratch_prefix(owner)}{purpose[:8]}_{secrets.token_hex(5)}"


def scratch_prefix(owner: str) -> str:
    """Give how all scratch databases of an owner (`namespace/name` of the migration, and its database) begin."""
    return f"{SCRATCH_PREFIX}{hashlib.sha256(owner.encode()).hexdigest()[:10]}_"


@asynccontextmanager
async def scratch_database(database: Database, *, purpose: str, owner: str) -> AsyncIterator[str]:
    """Give the name of a new empty database with the target's encoding and locale; it is dropped at the end.

    What dead runs of the same owner left is dropped first. Raises BackupFailed (`CreatedbMissing`), TargetError.
    """
    session = await database.connect(purpose=f"scratch-{purpose}")
    try:
        await drop_leftovers(session, owner)
        name = scratch_name(purpose, owner)
        try:
            await create_like(session, name, like=database.name)
            yield name
        finally:
            await _drop(database, session, name)
    finally:
        await session.close()


class PreparedScratch:
    """A scratch database that is made in the background, because CREATE DATABASE takes as long as a small dump."""

    def __init__(self, database: Database, *, purpose: str, owner: str) -> None:
        self._database = database
        self._purpose = purpose
        self._owner = owner
        self._done = asyncio.Event()

    async def __aenter__(self) -> PreparedScratch:
        self._ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._task = asyncio.create_task(self._hold())
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._done.set()
        if kind is None:
            await self._task
            return
        with suppress(BackstitchError):  # the first error is the one to tell
            await self._task

    async def name(self) -> str:
        """Give the name of the database as soon as it is there; raises what making it raised."""
        either: list[asyncio.Future[Any]] = [self._ready, self._task]
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if not self._ready.done():
            await self._task
        return self._ready.result()

    async def _hold(self) -> None:
        async with scratch_database(self._database, purpose=self._purpose, owner=self._owner) as name:
            self._ready.set_result(name)
            await self._done.wait()


async def create_like(session: Session, name: str, *, like: str) -> None:
    """Create an empty database with the encoding and locale of another. Raises BackupFailed."""
    found = (await session.rows(_LOCALE, [like]))[0]
    options = [
        "TEMPLATE template0",
        f"ENCODING {quote_literal(found['encoding'])}",
        f"LC_COLLATE {quote_literal(found['datcollate'])}",
        f"LC_CTYPE {quote_literal(found['datctype'])}",
    ]
    if found["provider"] == "i":
        options += ["LOCALE_PROVIDER icu", f"ICU_LOCALE {quote_literal(found['locale'])}"]
        if found["rules"]:
            options.append(f"ICU_RULES {quote_literal(found['rules'])}")
    elif found["provider"] == "b":
        options += ["LOCALE_PROVIDER builtin", f"BUILTIN_LOCALE {quote_literal(found['locale'])}"]
    try:
        await session.execute(f"CREATE DATABASE {quote_ident(name)} {' '.join(options)}")
    except StatementFailed as error:
        if error.reason == "PermissionLost":
            raise BackupFailed(
                "The backup cannot be proven: the role may not create databases, and a backup counts only after it was "
                "restored beside the target. Grant it: ALTER ROLE … CREATEDB.",
                reason="CreatedbMissing",
            ) from error
        raise BackupFailed(f"The scratch database {name} could not be created: {error.message}") from error


async def drop_leftovers(session: Session, owner: str) -> list[str]:
    """Drop scratch databases of the same owner that nobody is connected to; give their names."""
    rows = await session.rows(
        "SELECT datname FROM pg_catalog.pg_database d WHERE starts_with(datname::text, %s) "
        "AND NOT EXISTS (SELECT FROM pg_catalog.pg_stat_activity a WHERE a.datid = d.oid) ORDER BY 1",
        [scratch_prefix(owner)],
    )
    dropped = []
    for row in rows:
        try:
            await session.execute(f"DROP DATABASE IF EXISTS {quote_ident(row['datname'])}")
        except DatabaseError:  # somebody connected meanwhile, or another role made it: not ours to end
            continue
        dropped.append(row["datname"])
    return dropped


async def _drop(database: Database, session: Session, name: str) -> None:
    """Drop the scratch database, also when the session that made it is gone; else the next run of its owner does."""
    try:
        await drop_database(session, name)
    except BackstitchError:
        try:
            again = await database.connect(purpose="scratch-drop")
        except BackstitchError:
            return
        try:
            await drop_database(again, name)
        except BackstitchError:
            return
        finally:
            await again.close()


async def drop_database(session: Session, name: str) -> None:
    """Drop a database of ours with the sessions on it. Raises StatementFailed.

    While autovacuum is at work in it, WITH (FORCE) is refused to all but superusers, who alone may end its process;
    without FORCE the server asks autovacuum to leave, and waits some seconds for sessions that are just ending.
    """
    statement = f"DROP DATABASE IF EXISTS {quote_ident(name)}"
    try:
        await session.execute(f"{statement} WITH (FORCE)")
    except StatementFailed as error:
        if error.reason != "PermissionLost":
            raise
        await session.execute(statement)
