# SPDX-License-Identifier: Apache-2.0
"""How is the whole database put back to its backup? Restored beside it, compared, then swapped by rename (rung 4).

Where it stands is read from which databases exist, so it goes on after a kill at any point:

    backstitch_restoring_…   half filled: dropped and begun again
    backstitch_restored_…    filled and compared, not swapped yet
    NAME_before_rollback_…   the swap, one transaction, is done; this is the database as it was
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from enum import StrEnum

from backstitch.core.errors import (
    BackstitchError,
    BackupFailed,
    RollbackFailed,
    StatementFailed,
    StorageError,
    TargetError,
)
from backstitch.core.ports import Database, Session
from backstitch.engine.backup import BackupPorts
from backstitch.engine.digest import all_digests, table_digest
from backstitch.engine.likeness import carry_sequences, left_out, make_alike, refuse_foreign, unlike
from backstitch.engine.prove import compare_rows, restore_into, restore_rights
from backstitch.engine.scratch import create_like
from backstitch.engine.streams import close_stream
from backstitch.model.backup import Manifest, TableDigest
from backstitch.model.restore import RestoreReport, TableLoss, table_losses
from backstitch.model.sql import MAX_IDENTIFIER_BYTES, quote_ident

_MAINTENANCE = ("postgres", "template1")
_EMPTYING_TRIES = 250
_EMPTYING_PAUSE_S = 0.02

# What others run is hidden from a plain role (backend_type is NULL then). Autovacuum has no user; RENAME ends it.
_OTHERS = """
SELECT pid, usename::text AS role, coalesce(application_name, '') AS application
  FROM pg_catalog.pg_stat_activity WHERE datname = %s AND pid <> ALL(%s) AND usesysid IS NOT NULL
"""
_PREPARED = "SELECT gid FROM pg_catalog.pg_prepared_xacts WHERE database = %s ORDER BY gid"
# Captured writes come from the application's sessions while the ledger is copied, and are of use to nobody after it:
# the restored tables are others than those they were captured on.
_LEDGER_TABLES = """
SELECT c.relname::text AS name FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE n.nspname = 'backstitch' AND c.relkind = 'r' AND c.relname <> 'app_changes' ORDER BY 1
"""


Hold = Callable[[Session], Awaitable[None]]
"""Called with a session of the target that lives until everybody else's has ended; may raise to stop the swap."""


class Stage(StrEnum):
    """How far a restore is."""

    NOT_BUILT = "not built"
    BUILT = "built"
    SWAPPED = "swapped"


class Restore:
    """The restore of one backup over its database. Every method may be called again after a kill."""

    def __init__(
        self, manifest: Manifest, ports: BackupPorts, hold: Hold | None = None, *, spare: Session | None = None
    ) -> None:
        """Take a session to spare until all others are gone: whoever asks can then write down what is in the way."""
        self._hold = hold
        self._spare = [spare.pid] if spare else []
        self._manifest = manifest
        self._ports = ports
        self.target = ports.database.name
        short = hashlib.sha256(manifest.request.folder.encode()).hexdigest()[:8]
        self.restoring = f"{_prefix('restoring', self.target)}{short}"
        self.restored = f"{_prefix('restored', self.target)}{short}"
        suffix = f"_before_rollback_{short}"
        kept = self.target.encode()[: MAX_IDENTIFIER_BYTES - len(suffix)].decode(errors="ignore")
        self.old = f"{kept}{suffix}"

    async def run(self) -> RestoreReport:
        """Do what is left to do and report. Raises RollbackFailed; the database is then as it was, and open.

        TargetError, ConnectionLost and CommitUnknown come through: call again.
        """
        if self._manifest.database != self.target:
            raise RollbackFailed(
                f"The backup is one of database {self._manifest.database}, not of {self.target}.",
                reason="BackupOfAnother",
            )
        try:
            if await self.stage() is Stage.NOT_BUILT:
                await self.build()
            if await self.stage() is Stage.BUILT:
                await self.swap()
            return await self._report()
        except (BackupFailed, StorageError, StatementFailed) as error:
            raise RollbackFailed(
                f"{self.target} could not be put back to its backup: {error.message}", reason=error.reason
            ) from error

    async def stage(self) -> Stage:
        """Read from the server how far this restore is."""
        async with maintenance(self._ports.database) as session:
            there = await _existing(session, self.old, self.restored)
        if self.old in there:
            return Stage.SWAPPED
        return Stage.BUILT if self.restored in there else Stage.NOT_BUILT

    async def losses(self) -> tuple[TableLoss, ...]:
        """Compare the database as it is (after the swap: as it was) with the backup: what a restore gives up."""
        name = self.old if await self.stage() is Stage.SWAPPED else None
        session = await self._ports.database.connect(purpose="losses", database=name, read_only=True)
        try:
            return table_losses(self._manifest.tables, await all_digests(session))
        finally:
            await session.close()

    async def build(self) -> None:
        """Restore into a new database beside the target and compare every table; the application is untouched."""
        rights = await restore_rights(self._ports.database)
        if not rights.keep_owners or rights.leave_out:
            what = f"be without {', '.join(rights.leave_out)}" if rights.leave_out else "have other owners or grants"
            raise RollbackFailed(
                f"A restored {self.target} would {what}, because of what our role may do. Make it a member of all "
                "owners, or restore the backup as a superuser by hand.",
                reason="PermissionLost",
            )
        ports = self._ports
        async with maintenance(ports.database) as session:
            await refuse_foreign(session, self.target)
            await session.execute(f"DROP DATABASE IF EXISTS {quote_ident(self.restoring)} WITH (FORCE)")
            await create_like(session, self.restoring, like=self.target)
            await restore_into(
                self._manifest, self.restoring, ports.database, ports.archiver, ports.store, rights=rights
            )
            await compare_rows(self._manifest, self.restoring, ports.database)
            await session.execute(
                f"ALTER DATABASE {quote_ident(self.restoring)} RENAME TO {quote_ident(self.restored)}"
            )

    async def swap(self) -> None:
        """Copy the ledger over, keep everybody out, and rename both in one transaction.

        The hold on the application is from closing the database to the renames: 0.2 to 0.5 s on a small one,
        measured on two cores with much else to do.
        """
        async with maintenance(self._ports.database) as session:
            await _open(session, self.target)  # a killed swap may have left it closed
            await self._refuse_prepared(session)
            inside = await self._ports.database.connect(purpose="restore-swap")
            try:
                await self._copy_ledger(inside)
                await make_alike(session, self.restored, like=self.target)
                if self._hold is not None:
                    await self._hold(inside)
                await self._swap_behind_closed_doors(session, inside)
            finally:
                await inside.close()

    async def _swap_behind_closed_doors(self, session: Session, inside: Session) -> None:
        target, restored, old = (quote_ident(name) for name in (self.target, self.restored, self.old))
        try:
            await session.execute(f"ALTER DATABASE {target} ALLOW_CONNECTIONS false")
            await self._empty(session, [inside.pid, *self._spare])
            await self._carry_last_words(inside)
            await inside.close()
            await self._empty(session, [])
            async with session.transaction():
                await session.execute(f"ALTER DATABASE {target} RENAME TO {old}")
                await session.execute(f"ALTER DATABASE {restored} RENAME TO {target}")
                await session.execute(f"ALTER DATABASE {old} ALLOW_CONNECTIONS true")
        except BaseException:
            with suppress(BackstitchError):
                async with maintenance(self._ports.database) as again:
                    await _open(again, self.target)
            raise

    async def _empty(self, session: Session, keep: list[int]) -> None:
        """End every session of the target but ours. Nobody can come back: it is closed."""
        others: list[dict[str, object]] = []
        for _ in range(_EMPTYING_TRIES):
            others = await session.rows(_OTHERS, [self.target, keep])
            if not others:
                return
            for other in others:
                with suppress(StatementFailed):  # not ours to end: named below
                    await session.rows("SELECT pg_catalog.pg_terminate_backend(%s)", [other["pid"]])
            await self._ports.clock.sleep(_EMPTYING_PAUSE_S)
        names = ", ".join(
            f"{other['role']} ({other['application'] or 'application not shown to us'})" for other in others[:5]
        )
        raise RollbackFailed(
            f"Sessions on {self.target} could not be ended: {names}. Grant our role pg_signal_backend, or end them.",
            reason="SessionsLeft",
        )

    async def _refuse_prepared(self, session: Session) -> None:
        prepared = [row["gid"] for row in await session.rows(_PREPARED, [self.target])]
        if prepared:
            raise RollbackFailed(
                f"{self.target} has prepared transactions ({', '.join(prepared[:5])}); a database with them cannot be "
                "renamed. Commit or roll them back first.",
                reason="PreparedTransactions",
            )

    async def _copy_ledger(self, inside: Session) -> None:
        """The ledger is newer than the backup and says what we are doing: it goes along as it is now."""
        async with self._session(self.restored) as new:
            await new.execute("DROP SCHEMA IF EXISTS backstitch CASCADE")
        if not (await inside.rows("SELECT to_regnamespace('backstitch') IS NOT NULL AS there"))[0]["there"]:
            return
        chunks = self._ports.archiver.dump_ledger()
        try:
            await self._ports.archiver.restore(chunks, database=self.restored)
        finally:
            await close_stream(chunks)

    async def _carry_last_words(self, inside: Session) -> None:
        """Nobody writes any more: sequences go on from where they are, and the copied ledger must be the ledger."""
        async with self._session(self.restored) as new:
            await carry_sequences(inside, new)
            if await _ledger(inside) != await _ledger(new):
                raise StatementFailed("The ledger changed while it was copied; try again.", reason="LedgerMoved")

    async def _report(self) -> RestoreReport:
        async with self._session(self.old) as was, maintenance(self._ports.database) as session:
            losses = table_losses(self._manifest.tables, await all_digests(was))
            missing = await left_out(was)
            refused = await unlike(session, self.target, like=self.old)
        return RestoreReport(
            database=self.target, kept_as=self.old, losses=losses, not_carried_over=(*missing, *refused)
        )

    @asynccontextmanager
    async def _session(self, name: str) -> AsyncIterator[Session]:
        session = await self._ports.database.connect(purpose="restore", database=name)
        try:
            yield session
        finally:
            await session.close()


async def reopen_interrupted(database: Database) -> bool:
    """Open a target that a killed swap left closed; give whether it was. Call it on TargetError `DatabaseClosed`."""
    async with maintenance(database) as session:
        prefix = _prefix("restored", database.name)
        rows = await session.rows("SELECT FROM pg_catalog.pg_database WHERE starts_with(datname::text, %s)", [prefix])
        if rows:
            await _open(session, database.name)
        return bool(rows)


@asynccontextmanager
async def maintenance(database: Database) -> AsyncIterator[Session]:
    """Give a session on another database of the server, because one cannot rename where one is."""
    refused: TargetError | None = None
    for name in _MAINTENANCE:
        if name == database.name:
            continue
        try:
            session = await database.connect(purpose="maintenance", database=name)
        except TargetError as error:
            refused = error
            continue
        try:
            yield session
        finally:
            await session.close()
        return
    assert refused is not None
    raise refused


def _prefix(kind: str, target: str) -> str:
    return f"backstitch_{kind}_{hashlib.sha256(target.encode()).hexdigest()[:10]}_"


async def _existing(session: Session, *names: str) -> set[str]:
    rows = await session.rows(
        "SELECT datname::text AS name FROM pg_catalog.pg_database WHERE datname = ANY(%s)", [list(names)]
    )
    return {row["name"] for row in rows}


async def _open(session: Session, name: str) -> None:
    await session.execute(f"ALTER DATABASE {quote_ident(name)} ALLOW_CONNECTIONS true")


async def _ledger(session: Session) -> dict[str, TableDigest]:
    tables = [row["name"] for row in await session.rows(_LEDGER_TABLES)]
    return {name: await table_digest(session, "backstitch", name) for name in tables}
