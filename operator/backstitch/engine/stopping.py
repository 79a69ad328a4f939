# SPDX-License-Identifier: Apache-2.0
"""What does a run leave behind when its process is told to stop, or when a person pauses it? A word in the ledger of
where it is, and nothing open.

The state stays what it is: stopping a process is no event in the life of a migration. Who comes next goes on.
"""

from __future__ import annotations

import asyncio
import logging

from backstitch.core.errors import BackstitchError
from backstitch.engine.context import Run
from backstitch.engine.ledger import update_migration
from backstitch.model.record import Record
from backstitch.model.states import State

OPERATOR_STOPPING = "OperatorStopping"
PAUSED = "Paused"
PAUSED_AGAIN_S = 60.0  # taking the pause back wakes it at once; this is for its deadline, which goes on
NOTE_LIMIT_S = 2.0
AGAIN_S = 1.0

_NOTHING = {"reason": "", "message": ""}

log = logging.getLogger("backstitch.engine")


async def note_pause(run: Run) -> Record:
    """Write down where a person's pause holds the run; give the record."""
    message = (
        f"A person paused it {_where(run)}. Nothing is half done; it goes on there when annotation "
        "backstitch.dev/pause is taken away, and rolls back when its deadline passes before that."
    )
    async with run.transaction():
        await update_migration(run.session, run.id, reason=PAUSED, message=message)
    await run.publish(reason=PAUSED, message=message, again_after_s=PAUSED_AGAIN_S)
    return run.record


async def note_stop(run: Run) -> Record:
    """Write down where the run stops, as far as the database lets us within two seconds; give the record.

    While rolling back the ledger's reason stays, because it is the rollback's; only the status says that it pauses.
    """
    message = f"The operator was told to stop {_where(run)}. Nothing is half done; the next one goes on there."
    try:
        async with asyncio.timeout(NOTE_LIMIT_S):
            if run.record.state is not State.ROLLING_BACK:
                async with run.transaction():
                    await update_migration(run.session, run.id, reason=OPERATOR_STOPPING, message=message)
            await run.publish(reason=OPERATOR_STOPPING, message=message, again_after_s=AGAIN_S)
    except (BackstitchError, TimeoutError) as error:
        log.info("the ledger's last word stands", extra={"error": str(error)})
    return run.record.model_copy(update={"again_after_s": AGAIN_S})


async def forget_stop(run: Run) -> None:
    """Take the word of an earlier process away: this one goes on."""
    if run.record.reason not in (OPERATOR_STOPPING, PAUSED):
        return
    async with run.transaction():
        await update_migration(run.session, run.id, **_NOTHING)
    run.record = run.record.model_copy(update=_NOTHING)


def _where(run: Run) -> str:
    doing = next((s.name for s in run.record.steps if s.state == "running"), None)
    return f"in step {doing}" if doing else f"while {run.record.state}"
