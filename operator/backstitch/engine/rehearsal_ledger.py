# SPDX-License-Identifier: Apache-2.0
"""Where are rehearsals kept? Whole, in the ledger, by the attempt that asked for one, or by the plan alone."""

from __future__ import annotations

import json

from backstitch.core.ports import Database, Session
from backstitch.model.rehearsal import Rehearsal
from backstitch.model.rehearsal_record import RehearsalRecord

_THERE = (
    "SELECT EXISTS (SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace "
    "WHERE n.nspname = 'backstitch' AND c.relname = 'rehearsals') AS there"
)


async def save_rehearsal(
    session: Session,
    *,
    migration_id: int | None,
    namespace: str,
    name: str,
    plan_digest: str,
    summary: RehearsalRecord,
    report: Rehearsal | None,
) -> None:
    """Keep a rehearsal in the caller's transaction; that of an attempt takes the place of an earlier one."""
    await session.execute("DELETE FROM backstitch.rehearsals WHERE migration_id = %s", (migration_id,))
    await session.execute(
        "INSERT INTO backstitch.rehearsals (migration_id, namespace, name, plan_digest, summary, report) "
        "VALUES (%s, %s, %s, %s, %s, %s)",
        (
            migration_id, namespace, name, plan_digest, json.dumps(summary.to_plain()),
            json.dumps(report.to_plain()) if report is not None else None,
        ),
    )  # fmt: skip


async def summary_of_attempt(session: Session, migration_id: int) -> RehearsalRecord | None:
    """Give the short form of the rehearsal of an attempt, or None; also where the ledger is older than rehearsals."""
    if not (await session.rows(_THERE))[0]["there"]:
        return None
    rows = await session.rows("SELECT summary FROM backstitch.rehearsals WHERE migration_id = %s", (migration_id,))
    return RehearsalRecord.model_validate(rows[0]["summary"]) if rows else None


async def read_rehearsal(session: Session, migration_id: int) -> Rehearsal | None:
    """Give the whole report of the rehearsal of an attempt, or None."""
    if not (await session.rows(_THERE))[0]["there"]:
        return None
    rows = await session.rows(
        "SELECT report FROM backstitch.rehearsals WHERE migration_id = %s AND report IS NOT NULL", (migration_id,)
    )
    return Rehearsal.model_validate(rows[0]["report"]) if rows else None


async def report_of_plan(session: Session, namespace: str, name: str, plan_digest: str | None) -> Rehearsal | None:
    """Give the latest report for a migration, and for this plan of it where a digest is given; None: there is none."""
    if not (await session.rows(_THERE))[0]["there"]:
        return None
    rows = await session.rows(
        "SELECT report FROM backstitch.rehearsals WHERE namespace = %s AND name = %s AND report IS NOT NULL "
        "AND (%s::text IS NULL OR plan_digest = %s) ORDER BY id DESC LIMIT 1",
        (namespace, name, plan_digest, plan_digest),
    )
    return Rehearsal.model_validate(rows[0]["report"]) if rows else None


async def rehearsal_of_plan(database: Database, namespace: str, name: str, plan_digest: str | None) -> Rehearsal | None:
    """Give a plan's rehearsal, or a migration's latest; the database may have no ledger. Raises TargetError."""
    session = await database.connect(purpose="plan", read_only=True)
    try:
        return await report_of_plan(session, namespace, name, plan_digest)
    finally:
        await session.close()
