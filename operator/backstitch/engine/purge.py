# SPDX-License-Identifier: Apache-2.0
"""Giving up what is kept for a rollback once the revert window has ended: quarantined objects, images, triggers."""

from __future__ import annotations

from backstitch.core.errors import LockNotAvailable, StatementFailed, Transient
from backstitch.core.ports import Session
from backstitch.engine.capture import captured_tables, remove_capture
from backstitch.engine.fence import Fence
from backstitch.engine.follow import forget, take_off, unneeded
from backstitch.engine.ledger import read_units
from backstitch.model.units import DdlUnit

PURGE_LOCK_TIMEOUT_MS = 800


async def purge_ended(session: Session, fence: Fence) -> list[str]:
    """Purge every migration whose revert window has ended; give their names. A busy table is left for next time."""
    rows = await session.rows(
        "SELECT id, namespace || '/' || name AS name, state FROM backstitch.migrations WHERE purged_at IS NULL AND "
        "((state = 'Succeeded' AND revert_until < clock_timestamp()) OR state IN ('RolledBack', 'Stopped')) ORDER BY id"
    )
    purged = []
    for row in rows:
        try:
            await _purge(session, fence, row["id"], row["state"] == "Succeeded")
        except (LockNotAvailable, Transient):
            continue
        except StatementFailed:
            # something else depends on a quarantined object by now; it stays, visible in backstitch_quarantine
            continue
        purged.append(row["name"])
    return purged


async def _purge(session: Session, fence: Fence, migration_id: int, succeeded: bool) -> None:
    active = await session.rows(
        "SELECT 1 AS there FROM backstitch.migrations WHERE state IN ('Migrating', 'Verifying', 'RollingBack') LIMIT 1"
    )
    async with session.transaction():
        await session.execute(f"SET LOCAL lock_timeout = {PURGE_LOCK_TIMEOUT_MS}")
        await fence.check()
        if succeeded:
            for unit in await read_units(session, migration_id):
                if isinstance(unit.body, DdlUnit) and unit.state == "done":
                    for statement in unit.body.purge:
                        await session.execute(statement)
        if not active:
            for table in await captured_tables(session):
                await remove_capture(session, table)
        await forget(session, migration_id)
        for table in await unneeded(session):
            await take_off(session, table)
        await session.execute("DELETE FROM backstitch.images WHERE migration_id = %s", (migration_id,))
        await session.execute("DELETE FROM backstitch.writes WHERE migration_id = %s", (migration_id,))
        # the whole catalog of the start is of no more use
        await session.execute(
            "UPDATE backstitch.migrations SET purged_at = clock_timestamp(), start = NULL WHERE id = %s",
            (migration_id,),
        )
