# SPDX-License-Identifier: Apache-2.0
"""The life cycle: one table from (state, event) to state. Everything else looks it up; the docs draw it."""

from __future__ import annotations

from enum import StrEnum


class State(StrEnum):
    """Where a migration is, in the words people see."""

    PENDING = "Pending"
    REFUSED = "Refused"
    AWAITING_APPROVAL = "AwaitingApproval"
    WAITING = "Waiting"
    BACKING_UP = "BackingUp"
    REHEARSING = "Rehearsing"
    MIGRATING = "Migrating"
    VERIFYING = "Verifying"
    ROLLING_BACK = "RollingBack"
    SUCCEEDED = "Succeeded"
    ROLLED_BACK = "RolledBack"
    STOPPED = "Stopped"
    NEEDS_HELP = "NeedsHelp"


class Event(StrEnum):
    """What happened."""

    PLAN_REFUSED = "plan refused"
    MUST_WAIT = "must wait"
    APPROVAL_NEEDED = "approval needed"
    APPROVED = "approved"
    TURN_CAME = "turn came"
    BACKUP_PROVEN = "backup proven"
    BACKUP_PROVEN_REHEARSAL_ASKED = "backup proven, rehearsal asked"
    BACKUP_FAILED = "backup failed"
    REHEARSAL_PROVEN = "rehearsal proven"
    REHEARSAL_FAILED = "rehearsal failed"
    PHASE_APPLIED = "phase applied"
    PHASE_VERIFIED = "phase verified"
    ALL_VERIFIED = "all verified"
    STEP_FAILED = "step failed"
    CHECK_FAILED = "check failed"
    CHECK_INCONCLUSIVE = "check inconclusive"
    DEADLINE_PASSED = "deadline passed"
    STOP_REQUESTED = "stop requested"
    ROLLBACK_REQUESTED = "rollback requested"
    ROLLBACK_PROVEN = "rollback proven"
    ROLLBACK_FAILED = "rollback failed"
    RETRY_REQUESTED = "retry requested"
    SPEC_CHANGED = "spec changed"


S, E = State, Event

RESTING = frozenset({S.REFUSED, S.SUCCEEDED, S.ROLLED_BACK, S.STOPPED, S.NEEDS_HELP})
"""States that nothing leaves by itself."""

TOUCHED = frozenset({S.MIGRATING, S.VERIFYING, S.ROLLING_BACK})
"""States in which the database may differ from the start."""

TRANSITIONS: dict[tuple[State, Event], State] = {
    (S.PENDING, E.PLAN_REFUSED): S.REFUSED,
    (S.PENDING, E.MUST_WAIT): S.WAITING,
    (S.PENDING, E.APPROVAL_NEEDED): S.AWAITING_APPROVAL,
    (S.PENDING, E.TURN_CAME): S.BACKING_UP,
    (S.PENDING, E.STOP_REQUESTED): S.STOPPED,
    (S.AWAITING_APPROVAL, E.APPROVED): S.WAITING,
    (S.AWAITING_APPROVAL, E.PLAN_REFUSED): S.REFUSED,
    (S.AWAITING_APPROVAL, E.STOP_REQUESTED): S.STOPPED,
    (S.AWAITING_APPROVAL, E.SPEC_CHANGED): S.PENDING,
    (S.WAITING, E.MUST_WAIT): S.WAITING,
    (S.WAITING, E.TURN_CAME): S.BACKING_UP,
    (S.WAITING, E.APPROVAL_NEEDED): S.AWAITING_APPROVAL,
    (S.WAITING, E.PLAN_REFUSED): S.REFUSED,
    (S.WAITING, E.STOP_REQUESTED): S.STOPPED,
    (S.WAITING, E.SPEC_CHANGED): S.PENDING,
    (S.BACKING_UP, E.BACKUP_PROVEN): S.MIGRATING,
    (S.BACKING_UP, E.BACKUP_PROVEN_REHEARSAL_ASKED): S.REHEARSING,
    (S.BACKING_UP, E.BACKUP_FAILED): S.STOPPED,
    (S.BACKING_UP, E.STOP_REQUESTED): S.STOPPED,
    (S.REHEARSING, E.REHEARSAL_PROVEN): S.MIGRATING,
    (S.REHEARSING, E.REHEARSAL_FAILED): S.STOPPED,
    (S.REHEARSING, E.STOP_REQUESTED): S.STOPPED,
    (S.MIGRATING, E.PHASE_APPLIED): S.VERIFYING,
    (S.MIGRATING, E.STEP_FAILED): S.ROLLING_BACK,
    (S.MIGRATING, E.DEADLINE_PASSED): S.ROLLING_BACK,
    (S.MIGRATING, E.STOP_REQUESTED): S.ROLLING_BACK,
    (S.MIGRATING, E.ROLLBACK_REQUESTED): S.ROLLING_BACK,
    (S.VERIFYING, E.PHASE_VERIFIED): S.MIGRATING,
    (S.VERIFYING, E.ALL_VERIFIED): S.SUCCEEDED,
    (S.VERIFYING, E.CHECK_FAILED): S.ROLLING_BACK,
    (S.VERIFYING, E.CHECK_INCONCLUSIVE): S.NEEDS_HELP,
    (S.VERIFYING, E.DEADLINE_PASSED): S.ROLLING_BACK,
    (S.VERIFYING, E.STOP_REQUESTED): S.ROLLING_BACK,
    (S.VERIFYING, E.ROLLBACK_REQUESTED): S.ROLLING_BACK,
    (S.ROLLING_BACK, E.ROLLBACK_PROVEN): S.ROLLED_BACK,
    (S.ROLLING_BACK, E.ROLLBACK_FAILED): S.NEEDS_HELP,
    (S.SUCCEEDED, E.ROLLBACK_REQUESTED): S.ROLLING_BACK,
    (S.NEEDS_HELP, E.ROLLBACK_REQUESTED): S.ROLLING_BACK,
    (S.NEEDS_HELP, E.RETRY_REQUESTED): S.VERIFYING,
    (S.REFUSED, E.RETRY_REQUESTED): S.PENDING,
    (S.REFUSED, E.SPEC_CHANGED): S.PENDING,
    (S.STOPPED, E.RETRY_REQUESTED): S.PENDING,
    (S.STOPPED, E.SPEC_CHANGED): S.PENDING,
    (S.ROLLED_BACK, E.RETRY_REQUESTED): S.PENDING,
    (S.ROLLED_BACK, E.SPEC_CHANGED): S.PENDING,
}


def why_ignored(state: State, event: Event) -> str | None:
    """Give the reason why this event changes nothing in this state, or None when the table lists the pair."""
    if (state, event) in TRANSITIONS:
        return None
    if state is S.SUCCEEDED:
        return "A migration that succeeded is finished; only a rollback within its revert window may follow."
    if state in RESTING:
        return f"{state} is a resting state; only a person's request or a changed spec leaves it."
    if event is E.SPEC_CHANGED and state in TOUCHED | {S.BACKING_UP, S.REHEARSING}:
        return "A started spec is frozen; the ledger's copy is what runs."
    return f"'{event}' cannot happen in {state}; a repeated or late message is dropped."


def next_state(state: State, event: Event) -> State:
    """Give the state after an event: the table's answer, or the same state where the pair is not listed."""
    return TRANSITIONS.get((state, event), state)
