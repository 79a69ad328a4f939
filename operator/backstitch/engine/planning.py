# SPDX-License-Identifier: Apache-2.0
"""Planning a migration on the catalog as it is now; nothing is touched."""

from __future__ import annotations

from backstitch.core.plan import Plan, token_of
from backstitch.core.plan import make_plan as plan_of
from backstitch.core.ports import Session
from backstitch.core.workload import queries_of, touched_tables
from backstitch.engine.facts import read_facts
from backstitch.engine.history import version_now
from backstitch.engine.job import Job, World
from backstitch.engine.ledger import latest_entries
from backstitch.engine.ledger_schema import ledger_exists
from backstitch.engine.names_alike import why_alike
from backstitch.engine.shape import find_drift
from backstitch.engine.verify_workload import why_no_workload


async def make_plan(job: Job, world: World) -> Plan:
    """Plan a migration on the catalog as it is; touches nothing. Raises TargetError."""
    session = await world.database.connect(purpose="plan", read_only=True)
    try:
        entries = await latest_entries(session) if await ledger_exists(session) else []
        return await plan_now(session, job, await version_now(session, entries))
    finally:
        await session.close()


async def plan_now(session: Session, job: Job, schema_version: str | None) -> Plan:
    """Plan with the session at hand; counts the rows that the spec assumes. Raises DatabaseError."""
    facts = await read_facts(session)
    plan = plan_of(
        job.spec, facts, job.rules, sources=job.sources, token=token_of(job.namespace, job.name),
        schema_version=schema_version,
    )  # fmt: skip
    counts = (job.spec.assume.row_counts if job.spec.assume else None) or {}
    alike = await why_alike(session)
    wrong = [alike] if alike else []
    for name, wanted in counts.items():
        table = facts.table(name)
        if table is None:
            wrong.append(f"The migration assumes rows in table {name}, which does not exist.")
            continue
        found = (await session.rows(f"SELECT count(*) AS n FROM {table.qualified.sql}"))[0]["n"]
        if found != wanted:
            wrong.append(f"The migration assumes {wanted} rows in {table.qualified}, but there are {found}.")
    if not job.on_copy:  # there the target was asked already
        checks = [c for p in job.spec.phases for c in p.checks or []] + list(job.spec.checks or [])
        queries = queries_of(job.spec, job.policy)
        wrong += await why_no_workload(session, checks, queries, touched_tables(job.spec, job.sources))
    drift = await find_drift(session)
    drifted = drift is not None and drift.is_there
    return plan.model_copy(
        update={
            "refusals": (*plan.refusals, *wrong),
            "drifted": drifted,
            "warnings": (*plan.warnings, f"{drift} `backstitch adopt` accepts it.") if drifted else plan.warnings,
        }
    )
