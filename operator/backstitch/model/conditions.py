# SPDX-License-Identifier: Apache-2.0
"""Which conditions does a status have, with which reasons, and how does one change? All three are closed lists here."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from typing import Literal

from pydantic import Field

from backstitch.model.base import Frozen

ConditionStatus = Literal["True", "False", "Unknown"]

MAX_MESSAGE = 2000  # a status must stay far below etcd's 1.5 MiB; the whole text is in the ledger and the log


class ConditionType(StrEnum):
    """Kinds of condition. Adjectives or past tense; all but Reconciling and Stalled exist from the first pass."""

    READY = "Ready"
    PLANNED = "Planned"
    APPROVED = "Approved"
    BACKED_UP = "BackedUp"
    REHEARSED = "Rehearsed"
    MIGRATED = "Migrated"
    VERIFIED = "Verified"
    ROLLED_BACK = "RolledBack"
    REACHABLE = "Reachable"  # of a MigrationTarget
    DRIFTED = "Drifted"  # of a MigrationTarget
    CONTRACTED = "Contracted"  # where a migration has contract phases
    RECONCILING = "Reconciling"
    STALLED = "Stalled"


ABNORMAL = frozenset({ConditionType.RECONCILING, ConditionType.STALLED})
"""Conditions that are there only while they are True (kstatus), and never both."""

MIGRATION_CONDITIONS = (
    ConditionType.READY,
    ConditionType.PLANNED,
    ConditionType.APPROVED,
    ConditionType.BACKED_UP,
    ConditionType.REHEARSED,
    ConditionType.MIGRATED,
    ConditionType.VERIFIED,
    ConditionType.ROLLED_BACK,
)
"""What every DatabaseMigration shows, in this order, from the first pass."""


class Reason(StrEnum):
    """Every reason a condition may have. A machine may match on these; a new one is a change people can notice."""

    NOT_STARTED = "NotStarted"
    NOT_REQUIRED = "NotRequired"
    NOT_NEEDED = "NotNeeded"
    RUNNING = "Running"
    PENDING = "Pending"
    WAITING = "Waiting"
    AWAITING_APPROVAL = "AwaitingApproval"
    BACKING_UP = "BackingUp"
    REHEARSING = "Rehearsing"
    MIGRATING = "Migrating"
    VERIFYING = "Verifying"
    ROLLING_BACK = "RollingBack"
    SUCCEEDED = "Succeeded"
    ROLLED_BACK = "RolledBack"
    REFUSED = "Refused"
    STOPPED = "Stopped"
    NEEDS_HELP = "NeedsHelp"
    PLAN_MADE = "PlanMade"
    APPROVED = "Approved"
    BACKUP_PROVEN = "BackupProven"
    BACKUP_NOT_PROVEN = "BackupNotProven"
    REHEARSAL_PROVEN = "RehearsalProven"
    REHEARSAL_NOT_PROVEN = "RehearsalNotProven"
    REHEARSAL_WAIVED = "RehearsalWaived"
    ALL_STEPS_DONE = "AllStepsDone"
    STEPS_UNDONE = "StepsUndone"
    CHECKS_HOLD = "ChecksHold"
    CHECK_FAILED = "CheckFailed"
    CHECK_INCONCLUSIVE = "CheckInconclusive"
    IDENTICAL = "Identical"
    IDENTICAL_EXCEPT = "IdenticalExcept"
    DIFFERENT = "Different"
    NOT_PROVEN = "NotProven"
    CONNECTED = "Connected"
    UNREACHABLE = "Unreachable"
    UNFIT = "Unfit"
    SCHEMA_AS_LEFT = "SchemaAsLeft"
    SCHEMA_CHANGED = "SchemaChanged"
    SCHEMA_NOT_KNOWN = "SchemaNotKnown"
    REVERT_WINDOW_OPEN = "RevertWindowOpen"


class Condition(Frozen):
    """One condition, as Kubernetes' own objects have them."""

    type: ConditionType = Field(description="What this is about.")
    status: ConditionStatus = Field(description="True, False or Unknown.")
    reason: Reason = Field(description="Why, as one word from a closed list; for machines.")
    message: str = Field(description="Why, as a sentence; for people.", max_length=MAX_MESSAGE)
    observed_generation: int = Field(description="Generation of the spec this was found for.", ge=-1)
    last_transition_time: datetime = Field(description="When `status` last changed.")


def set_condition(previous: Condition | None, new: Condition) -> Condition:
    """Give the condition to write: the new one, with the old transition time where `status` did not change."""
    if previous is not None and previous.status == new.status:
        return new.model_copy(update={"last_transition_time": previous.last_transition_time})
    return new


def set_conditions(previous: Iterable[Condition], new: Iterable[Condition]) -> tuple[Condition, ...]:
    """Give all conditions to write.

    Raises ValueError when an abnormal condition is not True, or Reconciling and Stalled are both there: kstatus would
    call such an object failed and in progress at once.
    """
    before = {c.type: c for c in previous}
    result = tuple(set_condition(before.get(c.type), c) for c in new)
    abnormal = [c for c in result if c.type in ABNORMAL]
    if len(abnormal) > 1 or any(c.status != "True" for c in abnormal):
        raise ValueError(f"at most one of {', '.join(sorted(ABNORMAL))} may be there, and only while True")
    return result


def shorten(text: str, limit: int = MAX_MESSAGE) -> str:
    """Cut a text to what a status may hold, saying that it was cut; NUL bytes (YAML refuses them) are dropped."""
    text = text.replace("\0", "")
    return text if len(text) <= limit else text[: limit - 1] + "…"
