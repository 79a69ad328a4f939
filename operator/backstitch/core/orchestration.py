# SPDX-License-Identifier: Apache-2.0
"""How does a `migration_orchestration` document become a DatabaseMigration, and a migration such a document?

`to_migration(from_migration(m, …))` is `m` again, but for its status and empty lists of checks. What a document
says beyond a migration (tables of the target state in a person's words) is kept in an annotation.
"""

from __future__ import annotations

import json
from difflib import get_close_matches
from typing import Any, NamedTuple

from pydantic import ValidationError

from backstitch.core.errors import UsageError
from backstitch.core.orchestration_checks import to_check
from backstitch.core.orchestration_export import from_migration, to_yaml
from backstitch.core.orchestration_words import TARGET_TABLES, WORDS, WORDS_OF_KIND, tables_after
from backstitch.core.read_errors import explain
from backstitch.model.checks import Check
from backstitch.model.names import API_VERSION
from backstitch.model.orchestration import DEFAULT_PHASE, MigrationStep, Orchestration, RollbackPlan, TargetState
from backstitch.model.spec import DatabaseMigration, Environment, MigrationSpec, Step

__all__ = ["Described", "from_migration", "to_migration", "to_yaml"]


class Described(NamedTuple):
    """A migration and the environment its document is meant for."""

    migration: DatabaseMigration
    environment: Environment


def to_migration(document: Orchestration) -> Described:
    """Give the migration that a document describes. Raises UsageError with the field and what was expected."""
    head = document.migration
    target = document.target_state or TargetState()
    if target.schema_version not in (None, head.version):
        raise UsageError(
            f"target_state.schema_version is {target.schema_version!r} and migration.version {head.version!r}: the "
            "schema has the migration's version when it is done. Write the same in both, or leave out the first."
        )
    if head.target is None and document.project is None:
        raise UsageError("migration.target: is required where there is no project: it names the MigrationTarget.")
    phases = _phases(document)
    plain: dict[str, Any] = {
        "targetRef": {"name": head.target or document.project},
        "version": head.version,
        "type": head.type,
        "description": head.description,
        "project": document.project,
        "rollbackOf": None if head.rollback_of is None else {"name": head.rollback_of},
        "dependsOn": None if head.depends_on is None else [{"name": name} for name in head.depends_on],
        "assume": None if document.current_state is None else document.current_state.model_dump(),
        "searchPath": head.search_path,
        "deadline": head.deadline,
        "reset": head.reset,
        "phases": phases,
        "checks": _checks(document, None),
        "rollback": _rollback(document.rollback_plan),
        "risks": None if document.risks is None else [r.model_dump() for r in document.risks],
        "followUps": None
        if document.follow_up is None
        else [{"task": f.task, "owner": f.owner, "state": f.status} for f in document.follow_up],
    }
    if not phases:
        del plain["phases"]
    try:
        spec = MigrationSpec.model_validate(plain)
    except ValidationError as error:
        raise UsageError("; ".join(explain(error, MigrationSpec, prefix=("spec",)))) from None
    return Described(_migration(document, spec), document.environment)


def _migration(document: Orchestration, spec: MigrationSpec) -> DatabaseMigration:
    head = document.migration
    annotations = dict(head.annotations or {})
    tables = document.target_state.tables if document.target_state is not None else None
    if tables is not None and tables != tables_after(spec):
        annotations[TARGET_TABLES] = json.dumps([t.model_dump(mode="json", exclude_none=True) for t in tables])
    metadata = {"name": head.name, "annotations": annotations, "labels": head.labels or {}}
    if head.namespace is not None:
        metadata["namespace"] = head.namespace
    plain = {"apiVersion": API_VERSION, "kind": "DatabaseMigration", "metadata": metadata, "spec": spec}
    try:
        return DatabaseMigration.model_validate(plain)
    except ValidationError as error:
        raise UsageError("; ".join(explain(error, DatabaseMigration))) from None


def _phases(document: Orchestration) -> list[dict[str, Any]]:
    """Give the phases: steps that follow each other under one name."""
    phases: list[dict[str, Any]] = []
    lone_sql = [s for s in document.migration_steps if s.sql is not None]
    plan_sql = document.rollback_plan.sql if document.rollback_plan is not None else None
    if plan_sql is not None and (len(lone_sql) != 1 or lone_sql[0].rollback is not None):
        raise UsageError(
            "rollback_plan.sql: it is clear only for a document with exactly one SQL step without a rollback. "
            "Write the rollback of each step into migration_steps[].rollback."
        )
    for at, step in enumerate(document.migration_steps):
        where = f"migration_steps[{at}]"
        if step.step != at + 1:
            raise UsageError(f"{where}.step: expected {at + 1}, found {step.step}; number the steps 1, 2, 3 in order.")
        name = step.phase or (phases[-1]["name"] if phases else DEFAULT_PHASE)
        if not phases or phases[-1]["name"] != name:
            if name in [p["name"] for p in phases]:
                raise UsageError(f"{where}.phase: phase {name!r} was left before; steps of one phase stand together.")
            phases.append({"name": name, "steps": [], "checks": _checks(document, name), "contract": step.contract})
        phases[-1]["steps"].append(_step(step, where, plan_sql))
    known = [p["name"] for p in phases]
    for at, check in enumerate(document.verification or []):
        if check.phase is not None and check.phase not in known:
            raise UsageError(f"verification[{at}].phase: no step has phase {check.phase!r}; there are {known}.")
    return phases


def _checks(document: Orchestration, phase: str | None) -> list[Check] | None:
    found = [
        to_check(check, f"verification[{at}]")
        for at, check in enumerate(document.verification or [])
        if check.phase == phase
    ]
    return found or None


def _step(step: MigrationStep, where: str, plan_sql: str | None) -> Step:
    description = step.description
    word = step.operation if step.operation in WORDS else WORDS_OF_KIND.get(step.operation)
    details = dict(step.details or {})
    if word is None or word == "sql" or (step.sql is not None and step.details is None):
        if step.sql is None and word != "sql":
            near = get_close_matches(step.operation, list(WORDS), n=1, cutoff=0.6)
            hint = f" Did you mean {near[0]}?" if near else ""
            raise UsageError(
                f"{where}.operation: {step.operation!r} is no operation, and the step has no sql.{hint} "
                f"Operations are {', '.join(WORDS)}."
            )
        if step.operation != "sql" and description is None:
            description = step.operation
        word = "sql"
        down = step.rollback if step.rollback is not None else plan_sql
        details |= {key: text for key, text in (("up", step.sql), ("down", down)) if text is not None}
    elif step.sql is not None or step.rollback is not None:
        given = "sql" if step.sql is not None else "rollback"
        raise UsageError(
            f"{where}.{given}: {word} writes its own statements, in both directions. Leave out sql and rollback, or "
            "leave out details to run the SQL as it is."
        )
    plain = {
        "name": step.name or f"step-{step.step}",
        "description": description,
        "estimated_time": step.estimated_time,
        "irreversible": step.irreversible,
        word: details,
    }
    try:
        return Step.model_validate(plain)
    except ValidationError as error:
        renamed = {word: "details"} if word != "sql" else {"sql.up": "sql", "sql.down": "rollback", "sql": "details"}
        raise UsageError("; ".join(explain(error, Step, prefix=(where,), renamed=renamed))) from None


def _rollback(plan: RollbackPlan | None) -> dict[str, Any] | None:
    if plan is None:
        return None
    if plan.strategy == "point_in_time":
        raise UsageError(
            "rollback_plan.strategy: point_in_time cannot be chosen beforehand; it needs a person's decision at the "
            "time. Expected reverse_sql or restore_backup."
        )
    strategy: str | None = {"reverse_sql": "auto", "restore_backup": "restoreBackup", None: None}[plan.strategy]
    return {
        "strategy": "none" if plan.enabled is False else strategy,
        "acceptDataLoss": plan.accept_data_loss,
        "revertWindow": plan.revert_window,
    }
