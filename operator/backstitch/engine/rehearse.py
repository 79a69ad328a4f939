# SPDX-License-Identifier: Apache-2.0
"""Would this migration go well on the target, and back again? Tried whole on a copy of the fresh backup, and judged.

Nothing of it is written to the target; killed at any point, the next run drops the copy and begins anew.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from backstitch.core.gates import Measured, judge
from backstitch.core.ports import Session
from backstitch.core.trace import grows_with_rows
from backstitch.core.workload import allowed_by, queries_of, touched_tables, workload_gate
from backstitch.engine.job import Job, World
from backstitch.engine.rehearse_copy import Copy, copy_of
from backstitch.engine.rehearse_story import AfterPhase, RunHere, Story
from backstitch.engine.trace import Tracer, TracingDatabase
from backstitch.engine.verify_session import CheckContext
from backstitch.engine.workload import read_rows, read_workload, see_workload, try_workload
from backstitch.model.backup import Manifest
from backstitch.model.rehearsal import QueryFinding, Rehearsal
from backstitch.model.rehearsal_spec import RehearsalSpec
from backstitch.model.sql import DEFAULT_SCHEMA
from backstitch.model.workload import QuerySeen, Workload

DEFAULT_DEADLINE = "1h"


async def rehearse(
    job: Job,
    world: World,
    manifest: Manifest,
    run_here: RunHere,
    *,
    plan_digest: str = "",
    heed: Callable[[], None] = lambda: None,
) -> Rehearsal:
    """Rehearse a migration on a copy made from a backup and give the whole report, gates and digest in it.

    `heed` is called often and may raise to abandon it. Raises BackupFailed, StorageError, TargetError, ConnectionLost.
    """
    spec = job.rehearsal or RehearsalSpec()
    clock = world.clock
    began, started_at = clock.monotonic(), clock.now()
    workload, sizes = await _production_workload(job, world)
    async with copy_of(manifest, world, spec) as copy:
        heed()
        tracer = Tracer(clock)
        report = Rehearsal(
            place=copy.place,
            copy_name=copy.name,
            plan_digest=plan_digest,
            started_at=started_at,
            restore_ms=(clock.monotonic() - began) * 1000,
            scale=copy.scale,
        )
        database = TracingDatabase(copy.database, copy.name, tracer, f"{job.namespace}/{job.name}")
        here = replace(job, workload=workload, whole_copy=copy.scale <= 1.0)
        rows = manifest.tables if copy.place != "sample" else None
        after = await _queries(here, database, workload, sizes)
        report = await Story(here, world, database, tracer, run_here, rows, heed, after).tell(report)
    report = _scaled(report, copy)
    measured = Measured(
        rewritten_bytes=max((0, *tracer.rewritten_bytes.values())),
        strategy=(job.spec.rollback.strategy if job.spec.rollback else None) or "auto",
        irreversible=any(step.irreversible for _, step in job.spec.steps()),
        deadline=job.spec.deadline or DEFAULT_DEADLINE,
    )
    allowed = allowed_by(job.spec)
    gate = workload_gate(report.queries, workload, allowed) if allowed is not None else None
    report = report.model_copy(update={"duration_ms": (clock.monotonic() - began) * 1000})
    return sealed(report.model_copy(update={"gates": judge(report, spec, measured, gate)}))


def sealed(report: Rehearsal) -> Rehearsal:
    """Give the report with its digest: SHA-256 (hex) of its plain form without this field."""
    plain: dict[str, Any] = report.model_copy(update={"digest": ""}).to_plain()
    text = json.dumps(plain, sort_keys=True, ensure_ascii=False)
    return report.model_copy(update={"digest": hashlib.sha256(text.encode()).hexdigest()})


def _scaled(report: Rehearsal, copy: Copy) -> Rehearsal:
    if copy.scale <= 1.0:
        return report
    statements = tuple(
        t.model_copy(update={"scaled_duration_ms": t.duration_ms * (copy.scale if grows_with_rows(t) else 1.0)})
        for t in report.statements
    )
    return report.model_copy(update={"statements": statements})


async def _production_workload(job: Job, world: World) -> tuple[Workload, dict[str, float]]:
    """Read what the application sends; in production, because a copy's statistics know nothing."""
    session = await world.database.connect(purpose="workload", read_only=True)
    try:
        listed = queries_of(job.spec, job.policy)
        workload = await read_workload(session, listed, touched_tables(job.spec, job.sources))
        return workload, await read_rows(session) if workload.queries else {}
    finally:
        await session.close()


async def _queries(job: Job, database: TracingDatabase, workload: Workload, sizes: dict[str, float]) -> AfterPhase:
    """Give what tries the application's statements after a phase, compared with how they are before the first."""
    context = CheckContext(search_path=tuple(job.spec.search_path or (DEFAULT_SCHEMA,)))
    before: tuple[QuerySeen, ...] = ()
    if workload.queries:
        session = await database.connect(purpose="queries")
        try:
            before = await see_workload(session, workload.queries, context, whole=job.whole_copy)
        finally:
            await session.close()

    async def after(session: Session, phase: str) -> tuple[QueryFinding, ...]:
        if not workload.queries:
            return ()
        await session.execute("ANALYZE")  # as autovacuum would; plans without statistics say little
        return await try_workload(
            session, workload.queries, before, phase=phase, context=context, rows=sizes, whole=job.whole_copy
        )

    return after
