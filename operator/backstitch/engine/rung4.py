# SPDX-License-Identifier: Apache-2.0
"""Rung 4 of the ladder, `rollback.strategy: restoreBackup`: the proven backup takes the place of the database.

What the application wrote since the backup does not come along; it is counted first, and without a person's yes
(`acceptDataLoss`) nothing is done. The old database is kept under another name.
"""

from __future__ import annotations

import logging
from dataclasses import replace

from backstitch.core.errors import BackupFailed, RollbackFailed
from backstitch.engine.backup import BackupPorts
from backstitch.engine.capture import look_at_tables
from backstitch.engine.context import Run
from backstitch.engine.copies import sound_place
from backstitch.engine.ledger import update_step
from backstitch.engine.proof import written_by_others
from backstitch.engine.proven_backup import request_of
from backstitch.engine.restore import Restore, Stage
from backstitch.model.backup import Manifest
from backstitch.model.record import RollbackRecord

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
    restore = Restore(manifest, ports)
    if await restore.stage() is not Stage.SWAPPED:
        await ask_first(run)
    report = await restore.run()
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
            "archived": (f"database {report.kept_as}",),
            "differences": (*lost, *report.not_carried_over),
        }
    )


async def ask_first(run: Run) -> None:
    """Count what others wrote since the start; raise unless the spec accepts that loss."""
    start = run.entry.start or {}
    written = {}
    for rel in start.get("digests", {}):
        if await look_at_tables(run.session, [rel]):
            rows = await written_by_others(run.session, run.id, rel, start["snapshot"])
            if rows:
                written[rel] = rows
    rollback = run.entry.spec.rollback
    if written and not (rollback and rollback.accept_data_loss):
        said = ", ".join(f"{rows} in {rel}" for rel, rows in written.items())
        raise RollbackFailed(
            f"Restoring the backup would lose rows that the application has written since ({said}), and "
            "rollback.acceptDataLoss is not true. Nothing was restored. Roll back by hand, or accept the loss in a "
            "new version.",
            reason="DataLossNotAccepted",
        )
