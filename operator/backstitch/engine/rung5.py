# SPDX-License-Identifier: Apache-2.0
"""Rung 5 of the ladder, `rollback.strategy: pointInTime`: back to the restore point, by the server's own archive.

Never by itself. A second server is restored to the point beside the first, compared with the start, and its database
takes the place of ours by rung 4's swap: the other databases of the server keep what they wrote. Where no second server
can be had here, nothing is done and a person gets the commands and the number.
"""

from __future__ import annotations

from backstitch.core.errors import BackupFailed, RollbackFailed
from backstitch.core.point_in_time import PhysicalBackups
from backstitch.core.ports import Session
from backstitch.engine.backup import BackupPorts, find_backup, take_backup
from backstitch.engine.catalog import read_catalog
from backstitch.engine.context import Run
from backstitch.engine.digest import all_digests
from backstitch.engine.fingerprint import compare
from backstitch.engine.proof import written_by_others
from backstitch.engine.proven_backup import request_of
from backstitch.engine.rung4 import ask_first, put_in_place
from backstitch.model.backup import BackupRequest, Manifest, TableDigest
from backstitch.model.catalog import Catalog
from backstitch.model.point_in_time import RestorePoint
from backstitch.model.record import RollbackRecord

_NAMED = 5


async def restore_point_in_time(run: Run, so_far: RollbackRecord) -> RollbackRecord:
    """Put the database back to the restore point. Raises RollbackFailed; ConnectionLost after the swap.

    Called again after a kill it goes on: what was taken off the second server is in the store, the swap tells itself.
    """
    world, point = run.world, _point_of(run)
    if world.physical is None or point is None:
        raise RollbackFailed(
            "The strategy is pointInTime, but "
            + ("no restore point is in the ledger." if point is None else "this run was given no way to its backups.")
            + " It needs backup.method pgBackRest or cloudNativePG when the migration begins. Nothing was done.",
            reason="PointMissing",
        )
    request = (await request_of(run)).model_copy(update={"attempt": f"{(await request_of(run)).attempt}-point"})
    found = await find_backup(request, world.store) if world.store is not None else None
    if found is None:
        await ask_first(run)
    no_side = found is None and not world.physical.may_restore
    if world.store is None or world.archiver is None or no_side:
        raise RollbackFailed(await _by_hand(run, world.physical, point), reason="RestoreByHand")
    ports = BackupPorts(world.database, world.archiver, world.store, world.clock)
    manifest = found[0] if found is not None else await _take_from_side(run, world.physical, point, request, ports)
    return await put_in_place(run, so_far, manifest, ports, rung=5)


def _point_of(run: Run) -> RestorePoint | None:
    plain = (run.entry.backup or {}).get("restorePoint")
    return RestorePoint.model_validate(plain) if plain else None


async def _take_from_side(
    run: Run, physical: PhysicalBackups, point: RestorePoint, request: BackupRequest, ports: BackupPorts
) -> Manifest:
    try:
        async with physical.side_server(point) as side:
            session = await side.database.connect(purpose="compare", read_only=True)
            try:
                await _refuse_unlike_start(run, session, side.where)
            finally:
                await session.close()
            return await take_backup(request, BackupPorts(side.database, side.archiver, ports.store, ports.clock))
    except BackupFailed as error:
        raise RollbackFailed(
            f"The database could not be brought back to {point.name}: {error.message} Nothing was changed.",
            reason=error.reason,
        ) from error


async def _refuse_unlike_start(run: Run, session: Session, where: str) -> None:
    """What the second server holds must be the start, or explained by what the application wrote before the point."""
    start = run.entry.start or {}
    async with session.transaction():
        await session.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        comparison = compare(Catalog.from_plain(start["catalog"]), await read_catalog(session))
        wrong = list(comparison.differences) if comparison.verdict == "Different" else []
        found = await all_digests(session)
        for rel, plain in start["digests"].items():
            was, now = TableDigest.model_validate(plain), found.get(rel)
            if now is None:
                wrong.append(f"table {rel} is not there")
                continue
            same = now == was or now.rows < was.rows  # fewer: the application deleted some before the point
            if not same and not await written_by_others(session, run.id, rel, start["snapshot"]):
                wrong.append(f"table {rel} has other rows, and nobody wrote to it")
    if wrong:
        raise RollbackFailed(
            f"{where[0].upper()}{where[1:]} was restored, but is not what the migration began with: "
            f"{'; '.join(wrong[:_NAMED])}. Nothing was changed; look at the archive before anything else.",
            reason="Different",
        )


async def _by_hand(run: Run, physical: PhysicalBackups, point: RestorePoint) -> str:
    rows = await run.session.rows("SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint AS next_xid")
    since = max(0, int(rows[0]["next_xid"]) - point.next_xid)
    steps = "; ".join(f"{number}. {text}" for number, text in enumerate(physical.by_hand(point), start=1))
    return (
        f"No second server can be restored here, so nothing was done. Restore point {point.name} ({point.lsn}, "
        f"{point.made_at:%Y-%m-%d %H:%M:%S} UTC) was seen archived. Going back to it by hand gives up at most {since} "
        f"transactions of the whole server since then, of every database on it. To do it: {steps}."
    )
