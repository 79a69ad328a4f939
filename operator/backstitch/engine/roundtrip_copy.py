# SPDX-License-Identifier: Apache-2.0
"""A copy of the history's scratch database to try one migration on; made by the server, gone afterwards."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from backstitch.core.ports import Database, Session
from backstitch.engine.scratch import drop_database, scratch_name
from backstitch.model.sql import quote_ident


@dataclass(frozen=True)
class Copy:
    """One copy and how to reach it."""

    database: Database
    name: str

    @asynccontextmanager
    async def session(self) -> AsyncIterator[Session]:
        """Give a new session: what SET left behind in another one is not in it."""
        session = await self.database.connect(purpose="roundtrip-copy", database=self.name)
        try:
            yield session
        finally:
            await session.close()


@dataclass(frozen=True)
class Copies:
    """Makes copies of one database that nobody is connected to."""

    database: Database
    outside: Session  # to another database of the same server
    owner: str
    source: str

    @asynccontextmanager
    async def copy(self, purpose: str) -> AsyncIterator[Copy]:
        """Give a copy with the same objects, rows and object numbers; it is dropped at the end."""
        name = scratch_name(purpose, self.owner)
        # wal_log, the default: a small database is copied without a checkpoint
        await self.outside.execute(f"CREATE DATABASE {quote_ident(name)} TEMPLATE {quote_ident(self.source)}")
        try:
            yield Copy(self.database, name)
        finally:
            await drop_database(self.outside, name)
