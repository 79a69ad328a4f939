# SPDX-License-Identifier: Apache-2.0
"""The ledger's rows of one attempt as a Record: what status, terminal and reports are made of."""

from __future__ import annotations

from backstitch.core.ports import Database, Session
from backstitch.engine.ledger import Entry, latest_entry, read_steps
from backstitch.engine.ledger_schema import ledger_exists
from backstitch.engine.rehearsal_ledger import summary_of_attempt
from backstitch.model.checks import CheckResult
from backstitch.model.record import BackupRecord, Record, RollbackRecord, StepRecord


async def recall(session: Session, entry: Entry) -> Record:
    """Give the record of one attempt."""
    steps = tuple(
        StepRecord(
            name=r["name"],
            phase=r["phase"],
            operation=r["operation"],
            state=r["state"],
            rows_done=r["rows"],
            rows_estimated=r["rows_estimated"],
            lock_waited_ms=r["lock_waited_ms"],
            duration_ms=r["duration_ms"],
            message=r["message"],
        )
        for r in await read_steps(session, entry.id)
    )
    return Record(
        namespace=entry.namespace,
        name=entry.name,
        version=entry.version,
        attempt=entry.attempt,
        digest=entry.digest,
        plan_digest=entry.plan_digest,
        state=entry.state,
        reason=entry.reason,
        message=entry.message,
        phase=entry.phase,
        steps=steps,
        checks=tuple(CheckResult.model_validate(c) for c in entry.checks),
        backup=BackupRecord.model_validate(entry.backup) if entry.backup else None,
        rehearsal=await summary_of_attempt(session, entry.id),
        rollback=RollbackRecord.model_validate(entry.rollback) if entry.rollback else None,
        started_at=entry.started_at,
        finished_at=entry.finished_at,
        revert_until=entry.revert_until,
        handled_requests=tuple(entry.handled),
        approved_by=tuple(entry.approved_by),
    )


async def read_record(database: Database, namespace: str, name: str) -> Record | None:
    """Give the record of a migration's latest attempt, or None when this database has never begun it.

    Raises TargetError.
    """
    session = await database.connect(purpose="status", read_only=True)
    try:
        if not await ledger_exists(session):
            return None
        entry = await latest_entry(session, namespace, name)
        return await recall(session, entry) if entry else None
    finally:
        await session.close()
