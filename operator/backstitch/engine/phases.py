# SPDX-License-Identifier: Apache-2.0
"""Going forward: the steps of a phase, each from its frozen units, then the phase's checks."""

from __future__ import annotations

from backstitch.core.errors import DatabaseError, StepFailed
from backstitch.core.judge import settle
from backstitch.core.plan import token_of
from backstitch.core.uncaptured import uncaptured_tables
from backstitch.engine.context import Interrupted, Run
from backstitch.engine.facts import read_facts
from backstitch.engine.ledger import insert_units, read_units, update_migration, update_step
from backstitch.engine.reset import reset_unit
from backstitch.engine.units import run_unit
from backstitch.engine.verify import CheckContext, run_checks
from backstitch.model.checks import Check, CheckResult
from backstitch.model.facts import Facts
from backstitch.model.operations import StepContext
from backstitch.model.operations.run_sql import RunSql
from backstitch.model.sql import DEFAULT_SCHEMA, parse_name
from backstitch.model.states import Event
from backstitch.model.step import Step

CHECK_TIMEOUT_MS = 300_000


async def apply_phase(run: Run, index: int) -> None:
    """Run the steps of one phase that are not done. Raises StepFailed, Interrupted, Fenced."""
    spec = run.entry.spec
    first = sum(len(p.steps) for p in spec.phases[:index])
    for offset, step in enumerate(spec.phases[index].steps):
        ordinal = first + offset
        if run.record.steps[ordinal].state == "done":
            continue
        run.heed_requests()
        await run.heed_deadline()
        await _run_step(run, ordinal, step)


async def _run_step(run: Run, ordinal: int, step: Step) -> None:
    began = run.world.clock.monotonic()
    try:
        units = await read_units(run.session, run.id, ordinal)
        if not units:
            await _freeze_units(run, ordinal, step)
            units = await read_units(run.session, run.id, ordinal)
        await run.publish_step(ordinal, state="running")
        for row in units:
            run.heed_requests()
            await run_unit(run, row)
        if not step.operation.done_when(await _facts_for(run, step)):
            raise StepFailed("Its statements ran, but what it should leave is not in the catalog.", reason="NotDone")
    except StepFailed as error:
        async with run.transaction():
            await update_step(run.session, run.id, ordinal, "failed", error.message)
        await run.publish_step(ordinal, state="failed", message=error.message)
        raise StepFailed(f"Step {step.name}: {error.message}", reason=error.reason) from error
    async with run.transaction():
        await update_step(run.session, run.id, ordinal, "done")
    took = int((run.world.clock.monotonic() - began) * 1000)
    await run.publish_step(ordinal, state="done", duration_ms=took)


async def _facts_for(run: Run, step: Step) -> Facts:
    """Read what a step's answers need: the tables it names, or everything for SQL that may name any."""
    names = [parse_name(t) for t in step.operation.tables()]
    return await read_facts(run.session, tables=names if names and not isinstance(step.operation, RunSql) else None)


async def _freeze_units(run: Run, ordinal: int, step: Step) -> None:
    """Plan the step on the catalog as it is now and write its units down before the first of them runs."""
    facts = await read_facts(run.session)  # whole: foreign keys of other tables matter to refusals and row images
    context = StepContext(
        facts=facts,
        step=step.name,
        token=token_of(run.entry.namespace, run.entry.name),
        ordinal=ordinal,
        sources=run.entry.sources,
        accepts=step.irreversible.accept if step.irreversible else None,
        default_schema=(run.entry.spec.search_path or [DEFAULT_SCHEMA])[0],
    )
    try:
        reasons = step.operation.refuse(context)
        if reasons:
            raise StepFailed(" ".join(reasons), reason="RefusedAtItsTurn")
        units = step.operation.forward(context)
    except ValueError as error:
        raise StepFailed(str(error), reason="RefusedAtItsTurn") from error
    async with run.transaction():
        if ordinal == 0 and run.entry.spec.reset:
            units = (await reset_unit(run.session, run.id), *units)
        await update_step(run.session, run.id, ordinal, "running")
        await insert_units(run.session, run.id, ordinal, units)


async def verify(run: Run, checks: list[Check], phase: str | None) -> None:
    """Run checks and note their results. Raises Interrupted with CHECK_FAILED or CHECK_INCONCLUSIVE."""
    if not checks:
        return
    context = CheckContext(
        baselines=(run.entry.start or {}).get("baselines", {}),
        own_changes=await _own_changes(run),
        uncaptured=uncaptured_tables(run.entry.spec, run.entry.sources),
        phase=phase,
        statement_timeout_ms=CHECK_TIMEOUT_MS,
        search_path=tuple(run.entry.spec.search_path or (DEFAULT_SCHEMA,)),
        whole=run.job.whole_copy,
    )

    async def _see(result: CheckResult) -> None:
        await run.publish(checks=(*(c for c in run.record.checks if c.name != result.name), result))

    try:
        results = await run_checks(run.world.database, checks, context, run.world.clock, _see)
    except DatabaseError as error:
        raise Interrupted(Event.CHECK_INCONCLUSIVE, f"The checks could not be run: {error.message}") from error
    names = {r.name for r in results}
    known = (*(c for c in run.record.checks if c.name not in names), *results)
    async with run.transaction():
        await update_migration(run.session, run.id, checks=[c.to_plain() for c in known])
    await run.publish(checks=known)
    outcome = settle(results)
    if outcome == "passed":
        return
    bad = [r for r in results if r.outcome != "passed" and not r.report_only]
    said = "; ".join(f"check {r.name}: {r.message}" for r in bad)
    raise Interrupted(Event.CHECK_FAILED if outcome == "failed" else Event.CHECK_INCONCLUSIVE, said)


async def _own_changes(run: Run) -> dict[str, tuple[int, int]]:
    rows = await run.session.rows(
        "SELECT rel, count(*) FILTER (WHERE op = 'I') AS inserted, count(*) FILTER (WHERE op = 'D') AS deleted "
        "FROM backstitch.images WHERE migration_id = %s GROUP BY rel",
        (run.id,),
    )
    return {r["rel"]: (r["inserted"], r["deleted"]) for r in rows}
