# SPDX-License-Identifier: Apache-2.0
"""Rung 4 of the ladder, `rollback.strategy: restoreBackup`: the proven backup takes the place of the database.

What the application wrote since the backup does not come along; it is counted first, behind a fence that holds all
writers, and without a person's yes to that number nothing is done. The rows are exported, and the old database is kept
under another name.
"""

from __future__ import annotations

import logging
from dataclasses import replace

from backstitch.core.errors import BackupFailed, RollbackFailed
from backstitch.core.ports import ObjectStore, Session
from backstitch.engine.backup import BackupPorts
from backstitch.engine.context import Run
from backstitch.engine.copies import sound_place
from backstitch.engine.ledger import update_step
from backstitch.engine.lost_rows import count_lost, export_lost, exported, in_words, refuse_more
from backstitch.engine.proven_backup import request_of
from backstitch.engine.restore import Restore, Stage
from backstitch.engine.streams import once, read_object
from backstitch.engine.write_fence import LIMIT_S, lift_fence, raise_fence, still_stands
from backstitch.model.backup import Manifest
from backstitch.model.record import RollbackRecord

PAUSE = "lost/pause_ms"

log = logging.getLogger("backstitch.engine")


async def restore_backup(run: Run, so_far: RollbackRecord) -> RollbackRecord:
    """Put the backup in place and mark every step undone. Raises RollbackFailed; ConnectionLost after the swap.

    The swap ends every session of the old database, ours too: the next pass connects to the new one, finds the swap
    done and goes on from there.
    """
    world = run.world
    if world.store is None or world.archiver is None:
        raise RollbackFailed(
            "The strategy is restoreBackup, but this target has no place for backups.", reason="NoBackupStorage"
        )
    ports = BackupPorts(world.database, world.archiver, world.store, world.clock, world.copies)
    try:
        manifest, store, wrong = await sound_place(
            await request_of(run), ports.places, manifest_sha256=(run.entry.backup or {}).get("manifestSha256", "")
        )
    except BackupFailed as error:
        raise RollbackFailed(
            f"{error.message} Nothing was restored. Set another strategy in a new version, or restore another backup "
            "by hand.",
            reason=error.reason,
        ) from error
    for trouble in wrong:
        log.warning("a place of the backup cannot be relied on", extra={"detail": trouble, "used": store.url})
    return await put_in_place(run, so_far, manifest, replace(ports, store=store), rung=4)


async def put_in_place(
    run: Run, so_far: RollbackRecord, manifest: Manifest, ports: BackupPorts, *, rung: int
) -> RollbackRecord:
    """Swap the backup in and mark every step undone; see `restore_backup`."""
    folder, hold = manifest.request.folder, _Hold(run, ports.store, manifest.request.folder)
    restore = Restore(manifest, ports, hold, spare=run.session)
    try:
        if await restore.stage() is not Stage.SWAPPED:
            await ask_first(run)
        report = await restore.run()
    except RollbackFailed:  # the fence may be one of an earlier process, too
        await lift_fence(run.session, lock_timeout_ms=run.rules.lock_timeout_ms)
        raise
    await _unfence(run, report.kept_as)
    await hold.note_pause()
    lost_rows, pause_ms = await exported(ports.store, folder), await paused_ms(ports.store, folder)
    for ordinal, _ in enumerate(run.record.steps):
        async with run.transaction():
            await run.session.execute(
                "UPDATE backstitch.units SET state = 'undone' WHERE migration_id = %s AND step = %s", (run.id, ordinal)
            )
            await update_step(run.session, run.id, ordinal, "undone")
        await run.publish_step(ordinal, state="undone")
    lost = tuple(
        f"table {loss.table}: {loss.rows_before_restore} rows before the restore, {loss.rows_in_backup} in the backup"
        for loss in report.losses
    )
    return so_far.model_copy(
        update={
            "rung": rung,
            "steps_undone": len(run.record.steps),
            "archived": (f"database {report.kept_as}", *(f"{folder}lost/{rel}.csv" for rel in lost_rows)),
            "rows_lost": sum(lost_rows.values()),
            "cost": (f"{in_words(lost_rows)} lost",) if lost_rows else ("Nothing: no row was written since.",),
            "pause_ms": pause_ms,
            "differences": (*lost, *report.not_carried_over),
        }
    )


async def ask_first(run: Run) -> None:
    """Count what others wrote since the start; raise unless somebody agreed to lose as many rows."""
    await refuse_more(run, await count_lost(run, run.session))


class _Hold:
    """What is done while nobody can write: the rows that would be lost are counted again, and exported."""

    def __init__(self, run: Run, store: ObjectStore, folder: str) -> None:
        self._run = run
        self._store = store
        self._folder = folder
        self._began: float | None = None

    async def __call__(self, inside: Session) -> None:
        run, until = self._run, ""

        async def fenced() -> None:
            nonlocal until
            self._began = run.world.clock.monotonic()
            until = await raise_fence(inside, lock_timeout_ms=run.rules.lock_timeout_ms)

        await run.patiently("Holding the writers", None, len(run.record.steps) - 1, fenced)
        lost = await count_lost(run, inside)
        await refuse_more(run, lost)
        await export_lost(run, inside, lost, self._store, self._folder)
        if not await still_stands(inside, until):
            raise RollbackFailed(
                f"Exporting the rows that would be lost took longer than the {LIMIT_S} s for which writers may be "
                "held. Nothing was restored. Use rollback.capture, or restore by hand in a quiet hour.",
                reason="FenceExpired",
            )

    async def note_pause(self) -> None:
        """Write down how long writers waited; after a kill between the swap and this, nobody knows."""
        if self._began is not None:
            paused = int((self._run.world.clock.monotonic() - self._began) * 1000)
            await self._store.put(f"{self._folder}{PAUSE}", once(str(paused).encode()))


async def paused_ms(store: ObjectStore, folder: str) -> int | None:
    """Give how long writers waited for the swap, in milliseconds, where it was written down."""
    if f"{folder}{PAUSE}" not in await store.list(f"{folder}lost/"):
        return None
    return int(await read_object(store, f"{folder}{PAUSE}"))


async def _unfence(run: Run, kept_as: str) -> None:
    session = await run.world.database.connect(purpose="unfence", database=kept_as)
    try:
        await lift_fence(session, lock_timeout_ms=run.rules.lock_timeout_ms)
    finally:
        await session.close()
