# SPDX-License-Identifier: Apache-2.0
"""What a migration would do on these facts: every statement of every step, or the reasons why it is refused.

Later steps are planned on the facts that earlier steps would leave (`Operation.after`). Where raw SQL makes those
uncertain, the step is planned again, and may fail, when its turn comes; nothing is guessed.
"""

from __future__ import annotations

import hashlib
import json

from backstitch.core.hazards import Hazard, find_script_hazards
from backstitch.core.policy import Rules
from backstitch.core.policy import refuse as refuse_by_policy
from backstitch.model.base import Frozen
from backstitch.model.facts import Facts
from backstitch.model.operations import StepContext
from backstitch.model.operations.run_sql import RunSql
from backstitch.model.spec import MigrationSpec
from backstitch.model.sql import DEFAULT_SCHEMA, QualifiedName, parse_name
from backstitch.model.step import Step
from backstitch.model.units import BatchUnit, ConcurrentUnit, DdlUnit, RowsUnit, SqlUnit, Unit


class PlannedStep(Frozen):
    """One step with what it will do."""

    name: str
    phase: str
    operation: str
    units: tuple[Unit, ...] = ()
    hazards: tuple[Hazard, ...] = ()
    no_way_back: tuple[str, ...] = ()  # why it cannot be taken back, where the spec accepts that
    certain: bool = True  # False: planned again when its turn comes, on what an earlier raw SQL step left

    @property
    def statements(self) -> tuple[str, ...]:
        """Give the forward statements, for people."""
        return tuple(text for unit in self.units for text in forward_texts(unit))


class Plan(Frozen):
    """A whole plan. With refusals it must not be run."""

    steps: tuple[PlannedStep, ...] = ()
    refusals: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    drifted: bool = False  # the schema is not as the last migration left it; a warning says what differs
    digest: str = ""


def content_digest(spec: MigrationSpec, sources: dict[str, str]) -> str:
    """Give the SHA-256 (hex) of what a migration says; the same words in another order of keys are the same."""
    text = json.dumps([spec.to_plain(), sources], sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def token_of(namespace: str, name: str) -> str:
    """Give eight hex digits for reserved names: the same for every attempt of one migration."""
    return hashlib.sha256(f"{namespace}/{name}".encode()).hexdigest()[:8]


def forward_texts(unit: Unit) -> tuple[str, ...]:
    """Give a unit's forward statements as text, for people and for the plan's digest."""
    match unit:
        case DdlUnit():
            return unit.forward
        case ConcurrentUnit():
            return (unit.forward,)
        case BatchUnit():
            return tuple(f"{s.before}<next batch by key>{s.after}" for s in unit.statements)
        case RowsUnit():
            return (f"INSERT INTO {unit.table} ({', '.join(unit.columns)}) <{len(unit.rows)} rows>",)
        case SqlUnit():
            return unit.statements


def assume_refusals(spec: MigrationSpec, facts: Facts, schema_version: str | None) -> tuple[str, ...]:
    """Give what the spec assumes and the database does not hold. Row counts are checked by the engine."""
    assume = spec.assume
    if assume is None:
        return ()
    reasons = []
    if assume.schema_version is not None and assume.schema_version != schema_version:
        reasons.append(
            f"The migration assumes schema version {assume.schema_version}, but the last one that succeeded here is "
            f"{schema_version or 'none'}."
        )
    for table in assume.tables or []:
        if facts.table(table) is None:
            near = facts.near_tables(table)
            hint = f" Did you mean {' or '.join(near)}?" if near else ""
            reasons.append(f"The migration assumes table {parse_name(table)}, which is not in {facts.database}.{hint}")
    return tuple(reasons)


def make_plan(
    spec: MigrationSpec,
    facts: Facts,
    rules: Rules,
    *,
    sources: dict[str, str],
    token: str,
    schema_version: str | None = None,
) -> Plan:
    """Plan every step; collect all refusals, so that a person mends them in one go."""
    refusals = [*refuse_by_policy(spec, rules), *assume_refusals(spec, facts, schema_version)]
    steps: list[PlannedStep] = []
    current = facts if not spec.reset else facts.model_copy(update={"tables": {}, "other_names": ()})
    for ordinal, (phase, step) in enumerate(spec.steps()):
        context = StepContext(
            facts=current,
            step=step.name,
            token=token,
            ordinal=ordinal,
            sources=sources,
            accepts=step.irreversible.accept if step.irreversible else None,
            default_schema=(spec.search_path or [DEFAULT_SCHEMA])[0],
        )
        created = frozenset(t.qualified for name, t in current.tables.items() if name not in facts.tables)
        planned, reasons = _plan_step(phase, step, context, rules, created)
        steps.append(planned)
        refusals += [f"Step {step.name}: {reason}" for reason in reasons]
        if not reasons:
            current = step.operation.after(context)
    words = [facts.system_identifier, facts.database, *(t for s in steps for u in s.units for t in forward_texts(u))]
    return Plan(
        steps=tuple(steps),
        refusals=tuple(refusals),
        digest=hashlib.sha256(json.dumps([content_digest(spec, sources), words]).encode()).hexdigest(),
    )


def _plan_step(
    phase: str, step: Step, context: StepContext, rules: Rules, created: frozenset[QualifiedName]
) -> tuple[PlannedStep, tuple[str, ...]]:
    operation = step.operation
    planned = PlannedStep(name=step.name, phase=phase, operation=operation.kind, certain=_certain(step, context.facts))
    try:
        reasons = operation.refuse(context)
        if reasons:
            return planned, reasons
        # What SQL would do to the application is in its text, also where its units wait for the real catalog.
        hazards: tuple[Hazard, ...] = ()
        if isinstance(operation, RunSql):
            hazards = find_script_hazards(operation.script(context), context.facts, created, context.default_schema)
            if context.accepts is not None:
                planned = planned.model_copy(update={"no_way_back": operation.no_way_back(context)})
        units = operation.forward(context) if planned.certain else ()
    except ValueError as error:  # a name that cannot be one
        return planned, (str(error),)
    blocking = tuple(
        f"{h.message} ({h.id})" for h in hazards if rules.hazards_block and rules.environment in h.blocks_in
    )
    return planned.model_copy(update={"units": units, "hazards": hazards}), blocking


def _certain(step: Step, facts: Facts) -> bool:
    tables = [facts.table(name) for name in step.operation.tables()]
    return all(t.certain if t is not None else facts.certain for t in tables)
