# SPDX-License-Identifier: Apache-2.0
"""What the engine asks of the outside world. Each docstring is the contract; adapters and fakes keep it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

Row = dict[str, Any]


@dataclass(frozen=True)
class Prepared:
    """What the server says of a statement that it has prepared; types as oid and modifier."""

    columns: tuple[tuple[str, int, int], ...]  # name, type, modifier (-1: none); () when it gives no rows
    parameters: tuple[int, ...]  # types


class Session(Protocol):
    """One direct connection to one database; autocommit outside `transaction()`.

    Every session is pinned: search_path as asked (default `pg_catalog, public`-less `''` is never used for user
    SQL), UTC, ISO dates, extra_float_digits=1, bytea_output=hex, standard_conforming_strings=on, UTF8.
    Errors come out as classes of core.errors, never as the driver's.
    """

    @property
    def pid(self) -> int:
        """Give the server process id of this connection."""

    @property
    def server_version(self) -> int:
        """Give server_version_num, such as 180006."""

    async def rows(self, sql: str, params: Sequence[object] | None = None) -> list[Row]:
        """Run one statement and give its rows as dicts. With `params=None` a `%` in the text is just a `%`."""

    async def execute(self, sql: str, params: Sequence[object] | None = None) -> int:
        """Run one statement and give the number of rows it touched (-1 where that means nothing)."""

    async def prepare(self, name: str, sql: str) -> Prepared:
        """Prepare one statement, `$1` and so on being its parameters, without running it; DEALLOCATE it when done.

        It is not undone by a rollback. Raises StatementFailed where it does not parse here.
        """

    def copy_out(self, sql: str) -> AsyncIterator[bytes]:
        """Run `COPY … TO STDOUT` and stream what it gives."""

    async def copy_in(self, sql: str, chunks: AsyncIterator[bytes]) -> int:
        """Run `COPY … FROM STDIN` on a stream and give the rows it took; when `chunks` raises, it took none."""

    def transaction(self) -> AbstractAsyncContextManager[None]:
        """BEGIN … COMMIT, or ROLLBACK when an exception leaves the block. Nested: a savepoint.

        Raises CommitUnknown when the connection is lost while COMMIT is in flight.
        """

    async def cancel(self) -> None:
        """Ask the server to cancel what this session runs now; safe from another task."""

    async def close(self) -> None:
        """Close the connection; safe to call twice and after the connection was lost."""


class Database(Protocol):
    """One target database, as its connection settings name it. Credentials are read at each connect."""

    async def connect(self, *, purpose: str, database: str | None = None, read_only: bool = False) -> Session:
        """Give a new direct session.

        `purpose` becomes part of application_name (`backstitch/<purpose>`). `database` chooses another database
        of the same server (a scratch database). `read_only` starts it with default_transaction_read_only=on.
        Raises TargetError: unreachable, wrong password, transaction pooler, read-only server, server too old.
        """

    @property
    def name(self) -> str:
        """Give the database's name."""


@dataclass(frozen=True)
class StoredObject:
    """What the store holds: bytes and the SHA-256 of those bytes (hex) as they were sent or read."""

    key: str
    size: int
    sha256: str


class ObjectStore(Protocol):
    """A place for backups: a directory or an S3-compatible bucket, below one prefix."""

    @property
    def url(self) -> str:
        """Give where this is, for people; no credentials in it."""

    async def put(self, key: str, chunks: AsyncIterator[bytes]) -> StoredObject:
        """Stream an object in. When `chunks` raises, nothing is left under `key` and that error comes out."""

    def get(self, key: str) -> AsyncIterator[bytes]:
        """Stream an object out. Raises StorageError when it is not there (reason `ObjectMissing`)."""

    async def list(self, prefix: str) -> list[str]:
        """Give the keys under a prefix, sorted."""

    async def delete(self, key: str) -> None:
        """Delete an object; nothing happens when it is not there."""


class Archiver(Protocol):
    """pg_dump and pg_restore of the server's own major version, as streams; no local spool."""

    def dump(self, *, snapshot: str | None, schema_only: bool) -> AsyncIterator[bytes]:
        """Stream a custom-format dump of the target database.

        Raises BackupFailed at the end of the stream when pg_dump did not exit with 0, so that `put` aborts;
        ConnectionLost when that was because the server went away.
        """

    def dump_ledger(self) -> AsyncIterator[bytes]:
        """Stream a custom-format dump of schema `backstitch` only, which `dump` leaves out."""

    async def restore(
        self, chunks: AsyncIterator[bytes], *, database: str, keep_owners: bool = True, leave_out: Sequence[str] = ()
    ) -> None:
        """Restore a custom-format dump into an existing database of the same server; stop at the first error.

        `keep_owners=False` leaves out owners and grants; `leave_out` entries such as `EXTENSION postgis` with their
        comments. Publications and subscriptions are always left out.
        """

    @property
    def tool_version(self) -> str:
        """Give the version of pg_dump, such as `18.6`."""

    @property
    def compression(self) -> str:
        """Give how dumps are compressed: `zstd`, `gzip` or `none`."""


class Clock(Protocol):
    """Time, so that tests can own it."""

    def now(self) -> datetime:
        """Give the time in UTC, aware."""

    def monotonic(self) -> float:
        """Give seconds that never go back."""

    async def sleep(self, seconds: float) -> None:
        """Wait; cancellation passes through."""
