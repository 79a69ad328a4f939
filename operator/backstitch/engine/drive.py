# SPDX-License-Identifier: Apache-2.0
"""Taking one attempt from the state its ledger row has to a resting state: a loop over the life cycle's table."""

from __future__ import annotations

import logging
from typing import Any

from backstitch.core.errors import (
    BackupFailed,
    ConnectionLost,
    DatabaseError,
    RollbackFailed,
    StepFailed,
    StorageError,
)
from backstitch.engine.context import Interrupted, Paused, Run
from backstitch.engine.follow import unfollow
from backstitch.engine.ledger import update_migration
from backstitch.engine.phases import apply_phase, verify
from backstitch.engine.prepare import baselines, prepare, sweep
from backstitch.engine.rehearse_phase import note_waiver, rehearse_run
from backstitch.engine.rehearse_story import RunHere
from backstitch.engine.rollback import roll_back, stop_capture
from backstitch.engine.shape import leave_shape
from backstitch.model.duration import parse_duration
from backstitch.model.record import Record, RollbackRecord
from backstitch.model.states import RESTING, TRANSITIONS, Event, State

DEFAULT_REVERT_WINDOW = "24h"
DEFAULT_DEADLINE = "1h"

_WHEN_IT_CANNOT = {
    State.BACKING_UP: Event.BACKUP_FAILED,
    State.REHEARSING: Event.REHEARSAL_FAILED,
    State.MIGRATING: Event.STEP_FAILED,
    State.VERIFYING: Event.CHECK_INCONCLUSIVE,
    State.ROLLING_BACK: Event.ROLLBACK_FAILED,
}

UNTOUCHED = (State.BACKING_UP, State.REHEARSING)

log = logging.getLogger("backstitch.engine")


async def drive(run: Run, run_here: RunHere) -> Record:
    """Go on until the attempt rests; `run_here` is what a rehearsal runs on its copy.

    Raises Fenced, ConnectionLost, CommitUnknown, TargetError.
    """
    while run.record.state not in RESTING:
        try:
            await _one_state(run, run_here)
        except Paused:
            if not (await run.reread()).late:
                raise
            await move(run, Event.DEADLINE_PASSED, reason="DeadlinePassed", message="It passed during a pause.")
        except Interrupted as interrupted:
            if run.record.state in UNTOUCHED:  # there is nothing to roll back
                interrupted.event = Event.STOP_REQUESTED
            await move(run, interrupted.event, reason=_reason(interrupted.event), message=interrupted.cause)
        except StepFailed as error:
            await move(run, _WHEN_IT_CANNOT[run.record.state], reason=error.reason, message=error.message)
        except (BackupFailed, StorageError) as error:  # also on the way back, by restoring
            await move(run, _WHEN_IT_CANNOT[run.record.state], reason=error.reason, message=error.message)
        except RollbackFailed as error:
            await move(run, Event.ROLLBACK_FAILED, reason=error.reason, message=error.message)
        except ConnectionLost:
            raise
        except DatabaseError as error:
            # The server said no to something of ours: a right that is missing, a full disk, a broken ledger.
            if run.record.state in RESTING:
                log.warning("could not tidy up", extra={"reason": error.reason, "error": error.message})
                break
            await move(run, _WHEN_IT_CANNOT[run.record.state], reason=error.reason, message=error.message)
    if run.record.state is State.STOPPED:
        await unfollow(run)
    return run.record


async def _one_state(run: Run, run_here: RunHere) -> None:
    phases = run.entry.spec.phases
    match run.record.state:
        case State.BACKING_UP:
            start, backup = await prepare(run)
            await run.publish(backup=backup)
            if run.rules.rehearsal:
                await move(run, Event.BACKUP_PROVEN_REHEARSAL_ASKED, start=start, backup=backup.to_plain())
            else:
                await note_waiver(run)
                await _begin(run, Event.BACKUP_PROVEN, start, backup=backup.to_plain())
            run.entry = await run.reread()
        case State.REHEARSING:
            await rehearse_run(run, run_here)
            start = {**(run.entry.start or {}), "baselines": await baselines(run)}
            await _begin(run, Event.REHEARSAL_PROVEN, start)
            run.entry = await run.reread()
        case State.MIGRATING:
            index = run.entry.phases_done
            await apply_phase(run, index)
            await move(run, Event.PHASE_APPLIED, phase=phases[index].name)
        case State.VERIFYING:
            await _verify(run)
        case State.ROLLING_BACK:
            record = await roll_back(run)
            await leave_shape(run)
            await move(
                run,
                Event.ROLLBACK_PROVEN,
                reason=_reason_of_cause(run),
                message=_rolled_back_message(record),
                finished_at="now",
            )
        case state:
            raise AssertionError(f"nothing drives {state}")


async def _begin(run: Run, event: Event, start: dict[str, Any], **columns: Any) -> None:
    """Begin with the changes: from here on the deadline counts."""
    deadline = parse_duration(run.entry.spec.deadline or DEFAULT_DEADLINE)
    phase = run.entry.spec.phases[0].name
    await move(run, event, phase=phase, start=start, started_at="now", deadline_at=deadline, **columns)


async def _verify(run: Run) -> None:
    phases = run.entry.spec.phases
    index = run.entry.phases_done
    if index < len(phases):
        await verify(run, phases[index].checks or [], phases[index].name)
        if index + 1 < len(phases):
            await move(run, Event.PHASE_VERIFIED, phase=phases[index + 1].name, phases_done=index + 1)
            run.entry = await run.reread()
            return
    await verify(run, run.entry.spec.checks or [], None)
    run.heed_requests()  # the last moment at which a rollback needs no rollback window
    await run.heed_deadline()
    await stop_capture(run)
    await leave_shape(run)
    rollback = run.entry.spec.rollback
    window = parse_duration((rollback.revert_window if rollback else None) or DEFAULT_REVERT_WINDOW)
    await move(
        run,
        Event.ALL_VERIFIED,
        reason="Succeeded",
        message=_succeeded_message(run.record),
        finished_at="now",
        revert_until=window,
    )
    await sweep(run)  # only now: a slow store must not keep a finished migration from being called so


def _reason(event: Event) -> str:
    return "".join(word.capitalize() for word in event.value.split())


def _reason_of_cause(run: Run) -> str:
    return run.record.reason or "RolledBack"


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _succeeded_message(record: Record) -> str:
    steps = "The step is" if len(record.steps) == 1 else f"All {len(record.steps)} steps are"
    checks = f" and {_counted(len(record.checks), 'check')} held" if record.checks else ""
    return f"{steps} done{checks}."


def _rolled_back_message(record: RollbackRecord) -> str:
    proven = f"{record.verdict}"
    if record.exceptions:
        proven += f" [{', '.join(record.exceptions)}]"
    parts = [f"Rolled back because: {record.cause.rstrip('.')}." if record.cause else "Rolled back."]
    parts.append(
        f"Proven {proven}: the schema and {record.tables_proven} tables compared, {record.rows_restored} rows put back."
    )
    if record.rows_kept:
        parts.append(f"{record.rows_kept} rows were left as the application wrote them later.")
    if record.archived:
        parts.append(f"Values kept in {', '.join(record.archived)}.")
    return " ".join(parts)


async def move(run: Run, event: Event, *, reason: str = "", message: str = "", **columns: Any) -> None:
    """Make a transition of the life cycle, in the ledger and in the record, in one transaction.

    An event that the table does not list for this state is a fault of this program and raises.
    """
    state = TRANSITIONS[(run.record.state, event)]
    changes: dict[str, Any] = {"state": state, "reason": reason, "message": message}
    if "phase" in columns:
        changes["phase"] = columns["phase"]
    if state is State.ROLLING_BACK:
        run.record = run.record.model_copy(update={"rollback": RollbackRecord(cause=message)})
        columns["rollback"] = RollbackRecord(cause=message).to_plain()
        columns["rollback_cause"] = message
        columns["handled"] = sorted({*run.record.handled_requests, *run.tokens()})
        changes["handled_requests"] = tuple(columns["handled"])
    elif event is Event.STOP_REQUESTED:  # acted on: a retry need not wait until the old word is taken away
        heard = [t for t in run.tokens() if t.startswith(("cancel:", "rollback:"))]
        columns["handled"] = sorted({*run.record.handled_requests, *heard})
        changes["handled_requests"] = tuple(columns["handled"])
    async with run.transaction():
        times = await update_migration(
            run.session, run.id, state=state.value, reason=reason, message=message, **columns
        )
    log.info(
        "state changed",
        extra={"migration": f"{run.entry.namespace}/{run.entry.name}", "attempt": run.entry.attempt,
               "state": state.value, "event": event.value, "reason": reason},
    )  # fmt: skip
    await run.publish(**changes, **times)
