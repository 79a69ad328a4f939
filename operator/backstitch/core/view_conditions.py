# SPDX-License-Identifier: Apache-2.0
"""Which conditions does a record of the ledger mean? A table by state, and four questions about what was done.

kstatus (Helm, Flux, `kubectl wait`) reads: Reconciling True is in progress, Stalled True is failed, Ready True is done.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from backstitch.core.view_text import backup_summary, check_summary, message_of, proof_of, rehearsal_summary
from backstitch.model.conditions import (
    MAX_MESSAGE,
    MIGRATION_CONDITIONS,
    Condition,
    ConditionStatus,
    ConditionType,
    Reason,
    shorten,
)
from backstitch.model.record import Record
from backstitch.model.states import RESTING, State

S, R, T = State, Reason, ConditionType


class Said(NamedTuple):
    """A condition without its type and times."""

    status: ConditionStatus
    reason: Reason
    message: str = ""


@dataclass(frozen=True)
class Row:
    """What a state alone says."""

    ready: Reason
    planned: Said
    approved: Said
    migrated: Said
    verified: Said


_NOT_PLANNED = Said("Unknown", R.NOT_STARTED, "No plan was made yet.")
_PLANNED = Said("True", R.PLAN_MADE, "A plan was made.")
_REFUSED = Said("False", R.REFUSED)
_APPROVED_NOT_YET = Said("Unknown", R.NOT_STARTED, "Whether a person must approve is known once there is a plan.")
_APPROVAL_MISSING = Said("False", R.AWAITING_APPROVAL, "A person must approve the plan with this digest.")
_APPROVED = Said("True", R.NOT_REQUIRED, "The target's policy asks for no approval.")
_UNTOUCHED = Said("False", R.NOT_STARTED, "Nothing was changed.")
_CHANGING = Said("False", R.RUNNING, "Steps are being run.")
_CHANGED = Said("True", R.ALL_STEPS_DONE, "All steps are done.")
_UNDOING = Said("False", R.ROLLING_BACK, "Steps are being undone.")
_UNDONE = Said("False", R.STEPS_UNDONE, "All steps that were done are undone.")
_UNCHECKED = Said("Unknown", R.NOT_STARTED, "No check was run.")
_CHECKING = Said("Unknown", R.RUNNING, "Checks are being run.")
_HOLDS = Said("True", R.CHECKS_HOLD, "All checks hold.")
_UNSETTLED = Said("Unknown", R.NEEDS_HELP, "Some steps may be done and others not; status.steps says which.")

TABLE: dict[State, Row] = {
    S.PENDING: Row(R.PENDING, _NOT_PLANNED, _APPROVED_NOT_YET, _UNTOUCHED, _UNCHECKED),
    S.REFUSED: Row(R.REFUSED, _REFUSED, _APPROVED_NOT_YET, _UNTOUCHED, _UNCHECKED),
    S.AWAITING_APPROVAL: Row(R.AWAITING_APPROVAL, _PLANNED, _APPROVAL_MISSING, _UNTOUCHED, _UNCHECKED),
    S.WAITING: Row(R.WAITING, _NOT_PLANNED, _APPROVED_NOT_YET, _UNTOUCHED, _UNCHECKED),
    S.BACKING_UP: Row(R.BACKING_UP, _PLANNED, _APPROVED, _UNTOUCHED, _UNCHECKED),
    S.REHEARSING: Row(R.REHEARSING, _PLANNED, _APPROVED, _UNTOUCHED, _UNCHECKED),
    S.MIGRATING: Row(R.MIGRATING, _PLANNED, _APPROVED, _CHANGING, _CHECKING),
    S.VERIFYING: Row(R.VERIFYING, _PLANNED, _APPROVED, _CHANGING, _CHECKING),
    S.ROLLING_BACK: Row(R.ROLLING_BACK, _PLANNED, _APPROVED, _UNDOING, _UNCHECKED),
    S.SUCCEEDED: Row(R.SUCCEEDED, _PLANNED, _APPROVED, _CHANGED, _HOLDS),
    S.ROLLED_BACK: Row(R.ROLLED_BACK, _PLANNED, _APPROVED, _UNDONE, _UNCHECKED),
    S.STOPPED: Row(R.STOPPED, _NOT_PLANNED, _APPROVED_NOT_YET, _UNTOUCHED, _UNCHECKED),
    S.NEEDS_HELP: Row(R.NEEDS_HELP, _PLANNED, _APPROVED, _UNSETTLED, _CHECKING),
}
"""One row per state. Ready is True in Succeeded only; Reconciling while not resting; Stalled in every other rest."""


def conditions_of(record: Record, generation: int, *, now: datetime) -> tuple[Condition, ...]:
    """Give the conditions in the order people read them, all changed `now`; set_conditions keeps older times."""
    row = TABLE[record.state]
    main = Said("True" if record.state is S.SUCCEEDED else "False", row.ready, message_of(record))
    said: dict[ConditionType, Said] = {
        T.READY: main,
        T.PLANNED: _planned(record, row),
        T.APPROVED: _approved(record, row),
        T.BACKED_UP: _backed_up(record),
        T.REHEARSED: _rehearsed(record),
        T.MIGRATED: _migrated(record, row),
        T.VERIFIED: _verified(record, row),
        T.ROLLED_BACK: _rolled_back(record),
    }
    order = list(MIGRATION_CONDITIONS)
    if record.state not in RESTING:
        said[T.RECONCILING] = main._replace(status="True")
        order.append(T.RECONCILING)
    elif record.state is not S.SUCCEEDED:
        said[T.STALLED] = main._replace(status="True")
        order.append(T.STALLED)
    return tuple(
        Condition(
            type=type_,
            status=said[type_].status,
            reason=said[type_].reason,
            message=shorten(said[type_].message, MAX_MESSAGE),
            observed_generation=generation,
            last_transition_time=now,
        )
        for type_ in order
    )


def _planned(record: Record, row: Row) -> Said:
    if row.planned.reason is R.REFUSED:
        return row.planned._replace(message=message_of(record))
    if record.plan_digest:
        return _PLANNED._replace(message=f"The plan has digest {record.plan_digest[:16]}.")
    return row.planned


def _approved(record: Record, row: Row) -> Said:
    if record.state is S.AWAITING_APPROVAL:
        return row.approved._replace(message=message_of(record))
    if record.approved_by:
        return Said("True", R.APPROVED, f"Approved by {', '.join(record.approved_by)}.")
    return row.approved


def _backed_up(record: Record) -> Said:
    backup = record.backup
    if backup is None:
        if record.state is S.BACKING_UP:
            return Said("False", R.RUNNING, "A backup is being taken and proven.")
        return Said("False", R.NOT_STARTED, "No backup was taken.")
    if backup.waived:
        return Said("False", R.NOT_REQUIRED, f"There is no backup: {backup.waived}")
    if backup.proven:
        return Said("True", R.BACKUP_PROVEN, f"Read back, restored and compared: {backup_summary(backup)}.")
    return Said("False", R.BACKUP_NOT_PROVEN, f"There is a backup that is not proven: {backup_summary(backup)}.")


def _rehearsed(record: Record) -> Said:
    found = record.rehearsal
    if found is None:
        if record.state is S.REHEARSING:
            return Said("False", R.RUNNING, "The migration and its rollback are run on a copy.")
        return Said("False", R.NOT_REQUIRED, "The target's policy asks for no rehearsal, or none was made yet.")
    if found.waived:
        return Said("False", R.REHEARSAL_WAIVED, f"There was no rehearsal: {found.waived}")
    if found.result == "Proven":
        return Said("True", R.REHEARSAL_PROVEN, rehearsal_summary(found))
    return Said("False", R.REHEARSAL_NOT_PROVEN, rehearsal_summary(found))


def _migrated(record: Record, row: Row) -> Said:
    if row.migrated.reason in (R.RUNNING, R.ROLLING_BACK, R.NEEDS_HELP):
        return row.migrated._replace(message=f"{row.migrated.message} {_steps_text(record)}")
    return row.migrated


def _steps_text(record: Record) -> str:
    at = next((s for s in record.steps if s.state in ("running", "failed")), None)
    here = f"; at step {at.name} of phase {at.phase}" if at else ""
    return f"{record.steps_done} of {len(record.steps)} steps are done{here}."


def _verified(record: Record, row: Row) -> Said:
    counting = [c for c in record.checks if not c.report_only]
    for outcome, reason in (("failed", R.CHECK_FAILED), ("error", R.CHECK_INCONCLUSIVE)):
        found = [c for c in counting if c.outcome == outcome]
        if found:
            status: ConditionStatus = "False" if outcome == "failed" else "Unknown"
            return Said(status, reason, "; ".join(check_summary(c) for c in found))
    unclear = [c for c in counting if c.outcome == "inconclusive"]
    if unclear:
        return Said("Unknown", R.CHECK_INCONCLUSIVE, "; ".join(check_summary(c) for c in unclear))
    if row.verified is _HOLDS and not counting:
        return _HOLDS._replace(message="The migration has no checks of its own.")
    return row.verified


def _rolled_back(record: Record) -> Said:
    rollback = record.rollback
    match record.state:
        case S.ROLLING_BACK:
            return Said("False", R.RUNNING, (rollback.cause if rollback else "") or "Steps are being undone.")
        case S.ROLLED_BACK:
            reasons = {"Identical": R.IDENTICAL, "IdenticalExcept": R.IDENTICAL_EXCEPT, "Different": R.DIFFERENT}
            if rollback is None or rollback.verdict is None:
                return Said("True", R.NOT_PROVEN, "Undone; there is no record of the proof.")
            return Said("True", reasons[rollback.verdict], proof_of(rollback))
        case S.NEEDS_HELP if rollback is not None:
            different = rollback.verdict == "Different"
            return Said("False", R.DIFFERENT if different else R.NEEDS_HELP, proof_of(rollback))
        case _:
            return Said("False", R.NOT_NEEDED, "Nothing was rolled back.")
