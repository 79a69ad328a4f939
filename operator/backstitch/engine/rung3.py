# SPDX-License-Identifier: Apache-2.0
"""Rung 3 of the ladder: rows from the proven backup, with the application's own writes since on top (safety.md 3.7).

The work is done beside the tables while the application goes on. Only the switch holds its writes: one transaction,
under locks that readers do not notice, catches the last changes up, takes the schema back, settles the rows that
still differ, and moves the ledger. Where it stands is in backstitch.restores, so it goes on after a kill at any line.
"""

from __future__ import annotations

import sys
from dataclasses import replace

from backstitch.core.errors import BackupFailed, StatementFailed, StepFailed
from backstitch.engine.backup import BackupPorts
from backstitch.engine.context import Run
from backstitch.engine.copies import sound_place
from backstitch.engine.follow import followed
from backstitch.engine.ledger import UnitRow, lock_unit, read_units, update_step, update_unit
from backstitch.engine.proof import Exact
from backstitch.engine.proven_backup import request_of
from backstitch.engine.replay import replay_all
from backstitch.engine.settle import settle_early, settle_silently
from backstitch.engine.shadow import (
    Place,
    begin,
    catch_up,
    compare,
    fill,
    leave_out_equal,
    places,
    rows_that_differ,
    set_stage,
    stage_of,
)
from backstitch.engine.undo import Undone, ddl_back, sql_schema_back
from backstitch.engine.units import run_concurrent
from backstitch.model.backup import Manifest
from backstitch.model.record import RollbackRecord
from backstitch.model.units import BatchUnit, ConcurrentUnit, DdlUnit, RowsUnit, SqlUnit

SWITCH_LOCK_TIMEOUT_MS = 800  # also below deadlock_timeout
SHOWN = 20
PASSES = 8  # over the rows that differ, while the application writes
FEW = 500  # keys that the switch may take along


class NotThisWay(Exception):
    """A signal: this rung cannot do it and has changed nothing that the row images do not know; climb another."""


async def captured_restore(run: Run, so_far: RollbackRecord) -> RollbackRecord:
    """Put the followed tables and the schema back, and mark every step undone.

    Raises NotThisWay where rows were written that are not followed, or other rows are in the way; RollbackFailed.
    """
    if await stage_of(run.session, run.id) == "given up":
        raise NotThisWay("it was tried before")
    await _see_that_all_is_followed(run)
    manifest, ports = await _backup(run)
    try:
        await _restore(run, manifest, ports)
    except (StatementFailed, BackupFailed, StepFailed) as error:  # StepFailed: the switch never got its locks
        raise NotThisWay(error.message) from error
    await _after(run)
    did = await run.session.rows("SELECT rows, pause_ms FROM backstitch.restores WHERE migration_id = %s", (run.id,))
    kept = await run.session.rows(
        "SELECT a.rel || ' ' || t.key::text AS what, count(*) OVER () AS many FROM backstitch.app_tainted t "
        "JOIN backstitch.app_tables a ON a.root = t.root AND a.relid = a.root AND a.migration_id = %s "
        "ORDER BY 1 LIMIT %s",
        (run.id, SHOWN),
    )
    return so_far.model_copy(
        update={
            "rung": 3,
            "cost": ("Nothing: every write of the application since the backup is captured.",),
            "steps_undone": len(run.record.steps),
            "rows_restored": did[0]["rows"],
            "rows_kept": kept[0]["many"] if kept else 0,
            "kept": tuple(r["what"] for r in kept),
            "pause_ms": did[0]["pause_ms"],
        }
    )


async def _restore(run: Run, manifest: Manifest, ports: BackupPorts) -> None:
    await begin(run, manifest.snapshot)
    stage = await stage_of(run.session, run.id)
    if stage == "begun":
        await fill(run, manifest, ports)
    if stage != "switched":
        await catch_up(run)
        await _settle_what_can_be(run)
        await catch_up(run)
        await _switch(run)


async def give_up(run: Run) -> None:
    """Note that another rung is climbed, so that a restart does not come back to this one."""
    async with run.transaction():
        await set_stage(run.session, run.id, "given up")


async def judge_exactly(run: Run) -> dict[str, Exact]:
    """Compare every followed table with its shadow in one snapshot: by `schema.name`, partitions like their table."""
    found: dict[str, Exact] = {}
    if await stage_of(run.session, run.id) != "switched":
        return found
    session = run.session
    async with session.transaction():
        await session.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        await run.fence.check()
        await replay_all(session, run.id)
        for place in await places(session, run.id):
            wrong = await rows_that_differ(session, place)
            rows = await session.rows(
                "SELECT m.n, c.relnamespace::regnamespace::text AS schema, c.relname AS name FROM ("
                "SELECT count(DISTINCT coalesce(new, old)) AS n FROM backstitch.app_changes x "
                "JOIN backstitch.app_tables a ON a.relid = x.relid::bigint AND a.migration_id = %s "
                "WHERE a.root = %s AND NOT pg_visible_in_snapshot(x.xid, %s::pg_snapshot)) m, "
                "backstitch.app_tables a JOIN pg_class c ON c.oid = a.relid::oid "
                "WHERE a.migration_id = %s AND a.root = %s",
                (run.id, place.table.oid, (run.entry.start or {})["snapshot"], run.id, place.table.oid),
            )
            for row in rows:
                found[f"{row['schema']}.{row['name']}"] = Exact(wrong, row["n"])
    return found


async def _see_that_all_is_followed(run: Run) -> None:
    rows = await run.session.rows(
        "SELECT DISTINCT i.rel FROM backstitch.images i WHERE migration_id = %s AND NOT EXISTS ("
        "SELECT FROM backstitch.app_tables a JOIN pg_class c ON c.oid = a.relid::oid "
        "JOIN pg_namespace n ON n.oid = c.relnamespace WHERE a.migration_id = %s "
        "AND i.rel IN (a.rel, n.nspname || '.' || c.relname))",
        (run.id, run.id),
    )
    if rows or not await followed(run.session, run.id):
        raise NotThisWay(", ".join(r["rel"] for r in rows) or "no table is followed")


async def _backup(run: Run) -> tuple[Manifest, BackupPorts]:
    world = run.world
    if world.store is None or world.archiver is None:
        raise NotThisWay("this target has no place for backups")
    ports = BackupPorts(world.database, world.archiver, world.store, world.clock, world.copies)
    known = (run.entry.backup or {}).get("manifestSha256", "")
    try:
        manifest, store, _ = await sound_place(await request_of(run), ports.places, manifest_sha256=known)
    except BackupFailed as error:
        raise NotThisWay(error.message) from error
    return manifest, replace(ports, store=store)


async def _settle_what_can_be(run: Run) -> None:
    """While the application writes: compare the tables that look as they did, and settle their rows in batches."""
    todo = [p for p in await places(run.session, run.id) if p.as_before]
    if await stage_of(run.session, run.id) != "compared":
        async with run.transaction(lock_timeout_ms=5000):
            for place in todo:
                await compare(run.session, place)
            await set_stage(run.session, run.id, "compared")
    before = {p.table.oid: sys.maxsize for p in todo}
    for _ in range(PASSES):
        await catch_up(run)
        left = {p.table.oid: await leave_out_equal(run, p) for p in todo}
        again = [p for p in todo if FEW < left[p.table.oid] < before[p.table.oid] / 2]
        if not again:
            break
        for place in again:
            await settle_early(run, place)
        before = left


async def _switch(run: Run) -> None:
    """Hold the application's writes, and do the rest. Raises NotThisWay where other rows are in the way."""
    clock = run.world.clock
    tables = [p.table for p in await places(run.session, run.id)]
    if not tables:
        raise StatementFailed("Every table that was followed is gone.")
    names = ", ".join(t.sql for t in tables)

    async def once() -> None:
        async with run.transaction(lock_timeout_ms=SWITCH_LOCK_TIMEOUT_MS):
            if await stage_of(run.session, run.id) == "switched":
                return
            await run.session.execute("SET LOCAL jit = off")  # compiling takes longer than these statements
            began = clock.monotonic()
            await run.session.execute(f"LOCK TABLE {names} IN EXCLUSIVE MODE")  # in the order of their oids
            await replay_all(run.session, run.id)
            await _all_back(run)
            await set_stage(run.session, run.id, "switched")
            await _note_pause(run, began)
        async with run.transaction():
            await _note_pause(run, began)  # with the commit

    await run.patiently("The switch to the restored rows", tables[0].rel, len(run.record.steps) - 1, once)


async def _note_pause(run: Run, began: float) -> None:
    paused = int((run.world.clock.monotonic() - began) * 1000)
    await run.session.execute("UPDATE backstitch.restores SET pause_ms = %s WHERE migration_id = %s", (paused, run.id))


async def _all_back(run: Run) -> None:
    """Take the schema back, newest unit first, and settle the rows, in the switch's transaction.

    A unit of rows is where older rows may be needed before older constraints come back, and where newer ones may
    refuse them; so the rows are tried there too, and must go at the end.
    """
    session = run.session
    found = await places(session, run.id)
    undone = Undone()
    units = await read_units(session, run.id)
    tried = all(isinstance(u.body, BatchUnit | RowsUnit) for u in units)  # without constraints, once is enough
    for row in reversed(units):
        if row.state == "undone" or (row.state == "planned" and row.cursor is None):
            continue
        if isinstance(row.body, BatchUnit | RowsUnit | SqlUnit) and not tried:
            tried = True
            await _try_early(run, [p for p in await places(session, run.id) if p.as_before])
        await _unit_back(run, row, undone)
    now = await places(session, run.id)
    strange = [p.table.rel for p in now if not p.as_before]
    if strange or len(now) != len(await followed(session, run.id)):
        raise StatementFailed(f"The columns or the key of {', '.join(strange) or 'a table'} are not what they were.")
    compared = {p.table.oid for p in found if p.as_before}
    for place in now:
        if place.table.oid not in compared:
            await compare(session, place)
    await settle_silently(run, now)
    await session.execute("DELETE FROM backstitch.todo")


async def _try_early(run: Run, ready: list[Place]) -> None:
    try:
        async with run.session.transaction():
            await settle_silently(run, ready)
    except StatementFailed as error:
        if error.sqlstate[:2] not in ("22", "23"):
            raise


async def _unit_back(run: Run, row: UnitRow, undone: Undone) -> None:
    session, unit = run.session, row.body
    await lock_unit(session, run.id, row.step, row.unit)
    match unit:
        case DdlUnit():
            await ddl_back(run, row, unit, undone)
        case SqlUnit() if unit.down is None:
            await sql_schema_back(run, row, undone)
        case SqlUnit():
            for statement in unit.down or ():
                await session.execute(statement)
        case ConcurrentUnit() if unit.probe.present:
            # the lock is ours already: for an index that goes there is nothing to be had from CONCURRENTLY
            await session.execute(unit.backward.replace(" CONCURRENTLY", "", 1))
            for statement in unit.backward_after:
                await session.execute(statement)
        case ConcurrentUnit():
            return  # an index that comes back is built after the switch, while the application writes
        case _:
            pass
    await update_unit(session, run.id, row.step, row.unit, state="undone")


async def _after(run: Run) -> None:
    """Build the indexes that were dropped, and mark the steps."""
    for row in reversed(await read_units(run.session, run.id)):
        if isinstance(row.body, ConcurrentUnit) and row.state in ("done", "intent"):
            probe = row.body.probe.model_copy(update={"present": not row.body.probe.present})
            await run_concurrent(run, row, row.body.backward, probe, "undone", row.body.backward_after)
    for ordinal, step in enumerate(run.record.steps):
        if step.state in ("pending", "undone"):
            continue
        async with run.transaction():
            await update_step(run.session, run.id, ordinal, "undone")
        await run.publish_step(ordinal, state="undone")
