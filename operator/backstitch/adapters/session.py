# SPDX-License-Identifier: Apache-2.0
"""How does one connection run statements and transactions? core.ports.Session on psycopg."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, cast

import psycopg
from psycopg import errors, generators, pq

from backstitch.adapters.sqlstate import describe, translate
from backstitch.core.errors import CommitUnknown, ConnectionLost, StatementFailed
from backstitch.core.ports import Prepared, Row

_CANCEL_LIMIT_S = 5.0

MARK = "\n/* backstitch */"
"""After every statement of ours, so that pg_stat_statements and pg_stat_activity tell it from the application's. At the
end, because the server counts characters of errors from the beginning; on a new line, because `--` may stand before."""


class PostgresSession:
    """One direct connection, made by PostgresDatabase.connect. One task uses it at a time, except for `cancel`."""

    def __init__(self, connection: psycopg.AsyncConnection[Row], *, where: str, read_only: bool) -> None:
        self._connection = connection
        self._where = where
        self._read_only = read_only
        self._depth = 0
        self._pid = connection.pgconn.backend_pid
        self._version = connection.pgconn.server_version

    def __repr__(self) -> str:
        return f"PostgresSession(pid={self._pid}, {self._where})"

    @property
    def pid(self) -> int:
        """Give the server process id of this connection."""
        return self._pid

    @property
    def server_version(self) -> int:
        """Give server_version_num, such as 180006."""
        return self._version

    @property
    def closed(self) -> bool:
        """Whether the connection is gone, as far as this side knows."""
        return self._connection.closed

    async def rows(self, sql: str, params: Sequence[object] | None = None) -> list[Row]:
        """Run one statement and give its rows as dicts."""
        cursor = await self._run(sql, params)
        if cursor.description is None:
            return []
        try:
            return await cursor.fetchall()
        except psycopg.DataError as error:  # a value Python has no form for, such as timestamptz 'infinity'
            raise StatementFailed(
                f"A value of the answer cannot be read: {describe(error)} Cast it to text in the query.",
                reason="BadValue",
            ) from None

    async def execute(self, sql: str, params: Sequence[object] | None = None) -> int:
        """Run one statement and give the number of rows it touched (-1 where that means nothing)."""
        return (await self._run(sql, params)).rowcount

    async def prepare(self, name: str, sql: str) -> Prepared:
        """Prepare one statement without running it, and give its columns' and parameters' types."""
        connection = self._connection
        try:
            connection.pgconn.send_prepare(name.encode(), sql.encode())
            await self._answer()
            connection.pgconn.send_describe_prepared(name.encode())
            found = await self._answer()
        except psycopg.Error as error:
            raise self._translated(error) from None
        return Prepared(
            columns=tuple(
                ((found.fname(n) or b"").decode(), found.ftype(n), found.fmod(n)) for n in range(found.nfields)
            ),
            parameters=tuple(found.param_type(n) for n in range(found.nparams)),
        )

    async def copy_out(self, sql: str) -> AsyncIterator[bytes]:
        """Run `COPY … TO STDOUT` and stream what it gives."""
        try:
            async with self._connection.cursor() as cursor, cursor.copy(sql.encode()) as copy:
                async for chunk in copy:
                    yield bytes(chunk)
        except psycopg.Error as error:
            raise self._translated(error) from None

    async def copy_in(self, sql: str, chunks: AsyncIterator[bytes]) -> int:
        """Run `COPY … FROM STDIN` on a stream and give the rows it took; when `chunks` raises, it took none."""
        try:
            async with self._connection.cursor() as cursor:
                async with cursor.copy(sql.encode()) as copy:
                    async for chunk in chunks:
                        await copy.write(chunk)
                return cursor.rowcount
        except psycopg.Error as error:
            raise self._translated(error) from None

    def _translated(self, error: psycopg.Error) -> Exception:
        return translate(error, closed=self._connection.closed, read_only=self._read_only, where=self._where)

    def transaction(self) -> AbstractAsyncContextManager[None]:
        """BEGIN … COMMIT, or ROLLBACK when an exception leaves the block. Nested: a savepoint."""
        return self._savepoint() if self._depth else self._transaction()

    async def cancel(self) -> None:
        """Ask the server to cancel what this session runs now; safe from another task."""
        if self._connection.closed:
            return
        try:
            await self._connection.cancel_safe(timeout=_CANCEL_LIMIT_S)
        except psycopg.Error as error:
            if self._connection.closed:
                return
            raise ConnectionLost(
                f"The statement of session {self._pid} on {self._where} could not be cancelled: {describe(error)}"
            ) from None

    async def close(self) -> None:
        """Close the connection; safe to call twice and after the connection was lost."""
        await self._connection.close()

    async def _answer(self) -> pq.abc.PGresult:
        """Wait for what was sent by hand, which the driver has no call of its own for."""
        results = await self._connection.wait(generators.execute(self._connection.pgconn))
        found: pq.abc.PGresult = results[-1]
        if found.status != pq.ExecStatus.COMMAND_OK:
            raise errors.error_from_result(found)
        return found

    async def _run(self, sql: str, params: Sequence[object] | None) -> psycopg.AsyncCursor[Row]:
        try:
            return await self._connection.execute(sql + MARK, cast("Sequence[Any] | None", params))
        except psycopg.Error as error:
            raise self._translated(error) from None

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[None]:
        await self.execute("BEGIN")
        self._depth = 1
        try:
            yield
        except BaseException:
            self._depth = 0
            await self._undo("ROLLBACK")
            raise
        self._depth = 0
        await self._commit()

    async def _commit(self) -> None:
        try:
            cursor = await self._connection.execute("COMMIT")
        except psycopg.Error as error:
            if self._connection.closed:
                raise CommitUnknown(
                    f"The connection to {self._where} was lost while COMMIT was in flight: {describe(error)} "
                    "Whether it was committed is known only to the ledger."
                ) from None
            # A deferred constraint, say: the server has rolled the transaction back.
            raise translate(error, closed=False, read_only=self._read_only, where=self._where) from None
        if cursor.statusmessage == "ROLLBACK":  # the block swallowed an error that had aborted the transaction
            raise StatementFailed(
                "The transaction was rolled back at COMMIT, because a statement in it had failed.",
                sqlstate="25P02",
                reason="TransactionAborted",
            )

    @asynccontextmanager
    async def _savepoint(self) -> AsyncIterator[None]:
        name = f"backstitch_{self._depth}"
        await self.execute(f"SAVEPOINT {name}")
        self._depth += 1
        try:
            yield
        except BaseException:
            self._depth -= 1
            await self._undo(f"ROLLBACK TO SAVEPOINT {name}", f"RELEASE SAVEPOINT {name}")
            raise
        self._depth -= 1
        await self.execute(f"RELEASE SAVEPOINT {name}")

    async def _undo(self, *statements: str) -> None:
        """Roll back; where that is impossible close the connection, which makes the server do it."""
        try:
            async with asyncio.timeout(_CANCEL_LIMIT_S):
                for statement in statements:
                    if not self._connection.closed:
                        await self._connection.execute(statement)
        except (psycopg.Error, TimeoutError):
            await self.close()
