# SPDX-License-Identifier: Apache-2.0
"""Rung 4 of the ladder, `rollback.strategy: restoreBackup`: the proven backup takes the place of the database.

What the application wrote since the backup does not come along; it is counted first, and without a person's yes
(`acceptDataLoss`) nothing is done. The old database is kept under another name.
"""

from __future__ import annotations

from backstitch.core.errors import RollbackFailed
from backstitch.engine.backup import BackupPorts, find_backup
from backstitch.engine.capture import look_at_tables
from backstitch.engine.context import Run
from backstitch.engine.ledger import update_step
from backstitch.engine.proof import written_by_others
from backstitch.engine.proven_backup import request_of
from backstitch.engine.restore import Restore, Stage
from backstitch.model.record import RollbackRecord


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
    found = await find_backup(await request_of(run), world.store)
    if found is None:
        raise RollbackFailed(
            f"The backup of this migration is not in {world.store.url} any more, so it cannot be restored. "
            "Set another strategy in a new version, or restore another backup by hand.",
            reason="BackupMissing",
        )
    restore = Restore(found[0], BackupPorts(world.database, world.archiver, world.store, world.clock))
    if await restore.stage() is not Stage.SWAPPED:
        await _ask_first(run)
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
            "rung": 4,
            "steps_undone": len(run.record.steps),
            "archived": (f"database {report.kept_as}",),
            "differences": (*lost, *report.not_carried_over),
        }
    )


async def _ask_first(run: Run) -> None:
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
