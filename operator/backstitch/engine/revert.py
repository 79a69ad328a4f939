# SPDX-License-Identifier: Apache-2.0
"""The revert window: may a migration that succeeded still be taken back, and how does a person end that time?"""

from __future__ import annotations

from backstitch.core.ports import Session
from backstitch.engine.context import Run
from backstitch.engine.fence import Fence
from backstitch.engine.ledger import Entry, update_migration
from backstitch.engine.ledger_schema import ACTIVE
from backstitch.engine.purge import purge_ended
from backstitch.model.record import Record
from backstitch.model.states import State

ACTIVE_STATES = [s.value for s in ACTIVE]

CLOSED = "RevertWindowClosed"
HELD = "DatabaseBusy"
STOOD_ON = "LaterMigration"
NO_ROLLBACK_OF_ROLLBACK = "RollbackOfRollback"


async def why_no_rollback(session: Session, entry: Entry) -> tuple[str, str] | None:
    """Give (reason, message) why a migration that rests cannot be rolled back now, or None when it can."""
    holding = await session.rows(
        "SELECT name, version, state FROM backstitch.migrations WHERE state = ANY(%s) AND id <> %s LIMIT 1",
        (ACTIVE_STATES, entry.id),
    )
    if holding:
        return HELD, (
            f"Migration {holding[0]['name']} (version {holding[0]['version']}) is {holding[0]['state']} and holds "
            "the database. Settle that one first, then ask again."
        )
    if entry.state is State.NEEDS_HELP:
        return None
    if entry.spec.rollback_of is not None:
        return NO_ROLLBACK_OF_ROLLBACK, (
            f"{entry.name} took {entry.spec.rollback_of.name} back; there is nothing of its own to undo. To have "
            f"{entry.spec.rollback_of.name} again, ask for a retry of it."
        )
    if not entry.revertible:
        return CLOSED, (
            "The revert window has ended, so what a rollback needs is not kept any more. Write a migration that "
            "goes the other way, or restore the backup."
        )
    later = await session.rows(
        "SELECT name, version FROM backstitch.migrations WHERE state = 'Succeeded' AND id > %s "
        "AND NOT spec ? 'rollbackOf' ORDER BY id LIMIT 1",
        (entry.id,),
    )
    if later:
        return STOOD_ON, (
            f"Migration {later[0]['name']} (version {later[0]['version']}) came after this one and stands on it. "
            "Roll that one back first."
        )
    return None


async def who_is_active(session: Session) -> str:
    """Say for which migration another one waits."""
    rows = await session.rows(
        "SELECT name, version, state FROM backstitch.migrations WHERE state = ANY(%s) LIMIT 1", (ACTIVE_STATES,)
    )
    if not rows:
        return "Waits for another migration of this database."
    return f"Waits for migration {rows[0]['name']} (version {rows[0]['version']}), which is {rows[0]['state']}."


async def note_request(run: Run, message: str) -> Record:
    """Write down that what people asked was heard, and why nothing came of it."""
    handled = sorted({*run.record.handled_requests, *run.tokens()})
    async with run.transaction():
        await update_migration(run.session, run.id, handled=handled, message=message)
    await run.publish(handled_requests=tuple(handled), message=message)
    return run.record


async def close_window(run: Run, fence: Fence) -> None:
    """End the revert window now, because a person asked; then give up what was kept for it.

    A window that has ended already stays as it is.
    """
    handled = sorted({*run.record.handled_requests, *run.tokens()})
    columns: dict[str, object] = {"handled": handled}
    if run.entry.revertible:
        columns |= {"revert_until": "now", "message": "A person closed the revert window."}
    async with run.transaction():
        times = await update_migration(run.session, run.id, **columns)
    message = str(columns.get("message", run.record.message))
    await run.publish(handled_requests=tuple(handled), message=message, **times)
    await purge_ended(run.session, fence)
