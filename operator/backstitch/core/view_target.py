# SPDX-License-Identifier: Apache-2.0
"""What does the status of a MigrationTarget say, for what was seen of its database? Called by the operator."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from backstitch.core.errors import TargetError
from backstitch.core.view import previous_conditions
from backstitch.model.conditions import (
    MAX_MESSAGE,
    Condition,
    ConditionStatus,
    ConditionType,
    Reason,
    set_conditions,
    shorten,
)
from backstitch.model.record import Record
from backstitch.model.states import RESTING, State
from backstitch.model.status import LastMigration, TargetStatus


@dataclass(frozen=True)
class TargetSeen:
    """What a look at a target's database found."""

    database: str
    server_version: int  # server_version_num, such as 180006
    records: tuple[Record, ...] = ()  # latest attempt of each migration in its ledger


def target_status_of(
    seen: TargetSeen | TargetError,
    generation: int,
    previous_status: Mapping[str, Any] | None,
    now: datetime,
) -> dict[str, Any]:
    """Give the whole status as plain data that fits the CRD.

    When the database could not be looked at, what was known of it stays. An error that may go away by itself is
    Reconciling; one that asks for a person is Stalled.
    """
    error = seen if isinstance(seen, TargetError) else None
    message = shorten(error.message if error else f"Connected to {_name(seen)}.", MAX_MESSAGE)
    reason = Reason.CONNECTED if error is None else (Reason.UNREACHABLE if error.retry else Reason.UNFIT)
    known = _known(previous_status) if isinstance(seen, TargetError) else _found(seen)
    status = TargetStatus(
        **known,
        observed_generation=generation,
        reachable=error is None,
        message=message,
        checked_at=now,
        conditions=list(
            set_conditions(previous_conditions(previous_status), _conditions(error, reason, message, generation, now))
        ),
    )
    return status.to_plain()


def _name(seen: TargetSeen | TargetError) -> str:
    assert isinstance(seen, TargetSeen)
    return f"{seen.database} on PostgreSQL {version_text(seen.server_version)}"


def version_text(server_version: int) -> str:
    """Give such as 18.6 for 180006."""
    return f"{server_version // 10000}.{server_version % 10000}"


def _found(seen: TargetSeen) -> dict[str, Any]:
    active = next((r for r in seen.records if r.state not in RESTING), None)
    ended = [(r.finished_at, r) for r in seen.records if r.state in RESTING and r.finished_at is not None]
    last = _latest(ended)
    newest = _latest([(at, r) for at, r in ended if r.state is State.SUCCEEDED])
    return {
        "database": seen.database,
        "server_version": version_text(seen.server_version),
        "schema_version": newest.version if newest else None,
        "active_migration": active.name if active else None,
        "last_migration": LastMigration(
            name=last.name, version=last.version, state=last.state, finished_at=last.finished_at
        )
        if last
        else None,
    }


def _latest(ended: list[tuple[datetime, Record]]) -> Record | None:
    return max(ended, key=lambda pair: pair[0])[1] if ended else None


def _known(previous: Mapping[str, Any] | None) -> dict[str, Any]:
    before = previous or {}
    fields = ("database", "serverVersion", "schemaVersion", "activeMigration", "lastMigration")
    return {name: before[name] for name in fields if before.get(name) is not None}


def _conditions(
    error: TargetError | None, reason: Reason, message: str, generation: int, now: datetime
) -> tuple[Condition, ...]:
    def one(type_: ConditionType, status: ConditionStatus) -> Condition:
        return Condition(
            type=type_,
            status=status,
            reason=reason,
            message=message,
            observed_generation=generation,
            last_transition_time=now,
        )

    good: ConditionStatus = "True" if error is None else "False"
    conditions = [one(ConditionType.READY, good), one(ConditionType.REACHABLE, good)]
    if error is not None:
        conditions.append(one(ConditionType.RECONCILING if error.retry else ConditionType.STALLED, "True"))
    return tuple(conditions)
