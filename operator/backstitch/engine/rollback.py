# SPDX-License-Identifier: Apache-2.0
"""A rollback from beginning to proof: undo by the strategy the spec asks for, then compare with the start."""

from __future__ import annotations

from backstitch.core.errors import RollbackFailed, StatementFailed, StepFailed
from backstitch.engine.capture import Captured, captured_tables, remove_capture
from backstitch.engine.context import Run
from backstitch.engine.cost_of_undo import Cost, cost_of_undo, refuse_too_many
from backstitch.engine.follow import unfollow, wanted
from backstitch.engine.irreversible import rung_that_stands_in
from backstitch.engine.ledger import read_units, update_migration
from backstitch.engine.proof import prove
from backstitch.engine.rung3 import NotThisWay, captured_restore, give_up, judge_exactly
from backstitch.engine.rung4 import restore_backup
from backstitch.engine.rung5 import restore_point_in_time
from backstitch.engine.undo import Undone, archived, undo_all
from backstitch.model.record import RollbackRecord


async def roll_back(run: Run) -> RollbackRecord:
    """Undo everything, prove it, and give what was done. Raises RollbackFailed where a person must look."""
    began = run.world.clock.monotonic()
    strategy = (run.entry.spec.rollback.strategy if run.entry.spec.rollback else None) or "auto"
    stands_in = await rung_that_stands_in(run)
    if strategy == "auto":
        strategy = stands_in or strategy
    so_far = run.record.rollback or RollbackRecord()
    if strategy == "none":
        raise RollbackFailed(
            "rollback.strategy is none, so nothing was undone. The ledger has every step, its reverse and its row "
            "images; ask for a rollback after setting the strategy in a new version, or mend by hand.",
            reason="StrategyNone",
        )
    if so_far.verdict in ("Identical", "IdenticalExcept"):  # proven and written down; what is left is to tidy up
        await unfollow(run)
        return so_far
    undone = Undone()
    if strategy == "auto":
        so_far = await _count_first(run, so_far)
    captured = wanted(run) and stands_in is None  # what a step took away for good is not among captured rows
    if strategy == "restoreBackup" and captured:
        try:
            so_far = await captured_restore(run, so_far)
        except NotThisWay as signal:
            # every row that we changed has its image, so nothing is lost by taking those
            await give_up(run)
            so_far = so_far.model_copy(update={"cost": (f"Rung 3 could not be climbed: {signal}",)})
            undone = await undo_all(run)
    elif strategy == "restoreBackup":
        so_far = await restore_backup(run, so_far)
    elif strategy == "pointInTime":
        so_far = await restore_point_in_time(run, so_far)
    else:
        undone = await undo_all(run)
    await stop_capture(run)
    proof = await prove(run, await judge_exactly(run) if captured else None)
    record = so_far.model_copy(
        update={
            "rung": max(so_far.rung, 2 if undone.rows.restored or so_far.rows_restored else 1),
            "verdict": proof.verdict,
            "exceptions": tuple(proof.exceptions),
            "differences": (*so_far.differences, *proof.differences),
            "steps_undone": max(undone.steps, so_far.steps_undone),
            "rows_restored": so_far.rows_restored + undone.rows.restored,
            "rows_kept": so_far.rows_kept + undone.rows.kept,
            "kept": (*so_far.kept, *undone.rows.examples)[:20],
            "archived": tuple(dict.fromkeys((*so_far.archived, *await archived(run)))),
            "tables_proven": proof.tables,
            "duration_ms": so_far.duration_ms + int((run.world.clock.monotonic() - began) * 1000),
        }
    )
    async with run.transaction():
        await update_migration(run.session, run.id, rollback=record.to_plain())
    await run.publish(rollback=record)
    if proof.verdict == "Different":
        raise RollbackFailed(
            "Everything was undone, but the database is not what it was: "
            + "; ".join(proof.differences[:3])
            + ". If somebody else changed it meanwhile, that may be all; compare with the backup before going on.",
            reason="Different",
        )
    await unfollow(run)
    return record


async def _count_first(run: Run, so_far: RollbackRecord) -> RollbackRecord:
    """Say what undoing will leave or archive, before anything is undone. Raises RollbackFailed (`TooManyKept`)."""
    if so_far.cost or any(u.state == "undone" for u in await read_units(run.session, run.id)):
        return so_far  # an earlier run of this rollback has counted
    try:
        cost = await cost_of_undo(run)
    except StatementFailed as error:  # a full disk, say: going back matters more than the number
        cost = Cost(lines=[f"It could not be counted: {error.message}"])
    refuse_too_many(run, cost)
    record = so_far.model_copy(update={"cost": tuple(cost.lines) or ("Nothing: no row and no value.",)})
    async with run.transaction():
        await update_migration(run.session, run.id, rollback=record.to_plain())
    await run.publish(rollback=record)
    return record


async def stop_capture(run: Run) -> None:
    """Take the row image triggers off every table; a table whose lock is not to be had is left for `purge`."""
    for table in await captured_tables(run.session):

        async def once(table: Captured = table) -> None:
            async with run.transaction():
                await remove_capture(run.session, table)

        try:
            await run.patiently(f"Row images of {table.rel}", table.rel, len(run.record.steps) - 1, once)
        except StepFailed:
            # They do nothing without our setting; the next purge tries again.
            continue
