# SPDX-License-Identifier: Apache-2.0
"""Where does a report come from? From the ledger alone: the attempt's rows, its units' times, its rehearsal."""

from __future__ import annotations

from datetime import datetime

from backstitch.core.plan import forward_texts
from backstitch.core.ports import Session
from backstitch.core.report_data import MAX_TEXT, LockStrength, Report, StepSpan, UnitSpan, hazards_of
from backstitch.engine.ledger import Entry, read_units
from backstitch.engine.recall import recall
from backstitch.engine.rehearsal_ledger import read_rehearsal, report_of_plan
from backstitch.model.record import Record
from backstitch.model.units import BatchUnit, ConcurrentUnit, DdlUnit, RowsUnit, SqlUnit, Unit

MAX_UNITS = 200  # of a step; more say nothing to a reader


async def read_report(session: Session, entry: Entry, *, database: str, now: datetime) -> Report:
    """Give everything the ledger knows of one attempt. Reads only."""
    return Report(
        made_at=now,
        database=database,
        environment=entry.environment,
        description=entry.spec.description or "",
        created_at=entry.created_at,
        purged=entry.purged_at is not None,
        record=await recall(session, entry),
        spans=await _spans(session, entry.id),
        hazards=hazards_of(entry.spec, entry.sources),
        rehearsal=await read_rehearsal(session, entry.id)
        or await report_of_plan(session, entry.namespace, entry.name, entry.plan_digest),
    )


async def read_rehearsal_alone(
    session: Session, namespace: str, name: str, *, database: str, now: datetime
) -> Report | None:
    """Give a report on the latest rehearsal of a migration that was never begun, or None."""
    found = await report_of_plan(session, namespace, name, None)
    if found is None:
        return None
    record = Record(namespace=namespace, name=name, version="", message="Rehearsed, not begun.")
    return Report(made_at=now, database=database, environment="rehearsed only", record=record, rehearsal=found)


async def _spans(session: Session, migration_id: int) -> tuple[StepSpan, ...]:
    steps = await session.rows(
        "SELECT ordinal, name, phase, started_at, finished_at FROM backstitch.steps "
        "WHERE migration_id = %s ORDER BY ordinal",
        (migration_id,),
    )
    times = {
        (r["step"], r["unit"]): r
        for r in await session.rows(
            "SELECT step, unit, started_at, finished_at FROM backstitch.units WHERE migration_id = %s",
            (migration_id,),
        )
    }
    units: dict[int, list[UnitSpan]] = {}
    for row in await read_units(session, migration_id):
        time = times.get((row.step, row.unit), {})
        span = UnitSpan(
            statements=tuple(text[:MAX_TEXT] for text in forward_texts(row.body)),
            state=row.state,
            lock=_lock_of(row.body),
            table=None if isinstance(row.body, SqlUnit) else row.body.table,
            rows=row.rows,
            started_at=time.get("started_at"),
            finished_at=time.get("finished_at"),
        )
        units.setdefault(row.step, []).append(span)
    return tuple(
        StepSpan(
            name=s["name"],
            phase=s["phase"],
            started_at=s["started_at"],
            finished_at=s["finished_at"],
            units=tuple(units.get(s["ordinal"], ())[:MAX_UNITS]),
        )
        for s in steps
    )


def _lock_of(unit: Unit) -> LockStrength:
    match unit:
        case DdlUnit():
            return unit.lock
        case ConcurrentUnit():
            return "validate"
        case BatchUnit() | RowsUnit():
            return "rows"
        case SqlUnit():
            return "unknown"
