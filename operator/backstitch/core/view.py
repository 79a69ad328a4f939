# SPDX-License-Identifier: Apache-2.0
"""What does the status of a DatabaseMigration say for a record of the ledger? Called by the operator and the CLI.

A function of plain values: the status can be thrown away and made again at any time. view_conditions.py answers for the
conditions, view_text.py for the sentences.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from backstitch.core.view_conditions import conditions_of
from backstitch.core.view_contract import contract_condition
from backstitch.core.view_text import message_of, progress_of
from backstitch.model.checks import CheckResult
from backstitch.model.conditions import MAX_MESSAGE, Condition, set_conditions, shorten
from backstitch.model.record import BackupRecord, Record, RollbackRecord, StepRecord
from backstitch.model.spec import MigrationSpec
from backstitch.model.status import (
    MAX_ROWS,
    MAX_TEXT,
    BackupStatus,
    CheckStatus,
    MigrationStatus,
    RollbackStatus,
    StepStatus,
)

MAX_REQUESTS = 200
TEXT_BUDGET = 60_000  # characters for one text of each step and check


def status_of(
    record: Record,
    spec: MigrationSpec,
    generation: int,
    previous_status: Mapping[str, Any] | None,
    now: datetime,
) -> dict[str, Any]:
    """Give the whole status as plain data that fits the CRD.

    `previous_status` is only asked when each condition last changed; one that cannot be read counts as none.
    """
    limit = _text_limit(record)
    status = MigrationStatus(
        observed_generation=generation,
        state=record.state,
        reason=shorten(record.reason, 64) or None,
        message=shorten(message_of(record), MAX_MESSAGE),
        phase=record.phase,
        progress=progress_of(record, spec),
        version=record.version,
        attempt=record.attempt,
        digest=record.digest or None,
        plan_digest=record.plan_digest or None,
        approved_by=list(record.approved_by[:10]) or None,
        plan=record.plan,
        started_at=record.started_at,
        finished_at=record.finished_at,
        duration_ms=_duration_ms(record, now),
        revert_until=record.revert_until,
        steps=[_step(s, limit) for s in record.steps or _planned_steps(spec)],
        checks=[_check(c, limit) for c in record.checks] or None,
        backup=_backup(record.backup) if record.backup else None,
        rehearsal=record.rehearsal,
        rollback=_rollback(record.rollback) if record.rollback else None,
        blockers=_lines(record.blockers),
        # the newest are kept: an old token is never asked for again, the annotation holds one value only
        handled_requests=[shorten(r, MAX_TEXT) for r in record.handled_requests[-MAX_REQUESTS:]] or None,
        conditions=list(
            set_conditions(
                previous_conditions(previous_status),
                (*conditions_of(record, generation, now=now), *contract_condition(record, spec, generation, now)),
            )
        ),
    )
    return status.to_plain()


def previous_conditions(status: Mapping[str, Any] | None) -> tuple[Condition, ...]:
    """Read the conditions of a status as it was; those that cannot be read (of another version) are left out."""
    found = []
    for plain in (status or {}).get("conditions") or []:
        try:
            found.append(Condition.model_validate(plain))
        except ValidationError:
            continue
    return tuple(found)


def _text_limit(record: Record) -> int:
    """Many steps and checks get shorter texts each: spec and status together must fit into etcd's 1.5 MiB."""
    return max(80, min(MAX_TEXT, TEXT_BUDGET // max(1, len(record.steps) + len(record.checks))))


def _planned_steps(spec: MigrationSpec) -> tuple[StepRecord, ...]:
    return tuple(StepRecord(name=s.name, phase=phase, operation=s.operation.kind) for phase, s in spec.steps())


def _duration_ms(record: Record, now: datetime) -> int | None:
    if record.started_at is None:
        return None
    return max(0, round(((record.finished_at or now) - record.started_at).total_seconds() * 1000))


def _lines(texts: Iterable[str]) -> list[str] | None:
    lines = [shorten(text, MAX_TEXT) for text in texts]
    if len(lines) > MAX_ROWS:
        lines = [*lines[: MAX_ROWS - 1], f"… and {len(lines) - MAX_ROWS + 1} more"]
    return lines or None


def _step(step: StepRecord, limit: int) -> StepStatus:
    return StepStatus(
        name=step.name,
        phase=step.phase,
        operation=step.operation,
        state=step.state,
        rows_done=step.rows_done,
        rows_estimated=step.rows_estimated,
        lock_waited_ms=step.lock_waited_ms,
        duration_ms=step.duration_ms,
        message=shorten(step.message, limit) or None,
    )


def _check(check: CheckResult, limit: int) -> CheckStatus:
    return CheckStatus(
        name=check.name,
        phase=check.phase,
        outcome=check.outcome,
        value=None if check.value is None else shorten(check.value, limit),
        expected=None if check.expected is None else shorten(check.expected, limit),
        message=shorten(check.message, limit) or None,
        report_only=check.report_only or None,
        attempts=check.attempts,
    )


def _backup(backup: BackupRecord) -> BackupStatus:
    return BackupStatus(
        place=shorten(backup.place, 2000),
        bytes=backup.bytes,
        sha256=backup.sha256,
        taken_at=backup.taken_at,
        proven=backup.proven,
        schema_version=backup.schema_version,
        waived=shorten(backup.waived, 500) if backup.waived else None,
        duration_ms=backup.duration_ms,
        method=backup.method if backup.method != "dump" else None,
        proof=backup.proof if backup.proof != "dump" else None,
        restore_point=backup.restore_point.name if backup.restore_point else None,
        copies=list(backup.copies) or None,
    )


def _rollback(rollback: RollbackRecord) -> RollbackStatus:
    return RollbackStatus(
        cause=shorten(rollback.cause, MAX_MESSAGE),
        rung=rollback.rung,
        verdict=rollback.verdict,
        exceptions=_lines(rollback.exceptions),
        differences=_lines(rollback.differences),
        steps_undone=rollback.steps_undone,
        rows_restored=rollback.rows_restored,
        rows_kept=rollback.rows_kept,
        kept=_lines(rollback.kept),
        archived=_lines(rollback.archived),
        tables_proven=rollback.tables_proven,
        duration_ms=rollback.duration_ms,
        pause_ms=rollback.pause_ms,
        cost=_lines(rollback.cost),
        rows_lost=rollback.rows_lost or None,
    )
