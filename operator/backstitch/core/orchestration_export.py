# SPDX-License-Identifier: Apache-2.0
"""How is a migration, with what was measured, written as a `migration_orchestration` document?"""

from __future__ import annotations

import re
from typing import Any

import yaml

from backstitch.core.gates import longest_lock
from backstitch.core.orchestration_checks import to_verification
from backstitch.core.orchestration_words import TARGET_TABLES, WORDS_OF_KIND, kept_tables, tables_after
from backstitch.core.rehearsal_summary import Estimate, estimates
from backstitch.core.view_text import duration_text
from backstitch.model.orchestration import (
    CurrentState,
    DocumentRisk,
    FollowUpTask,
    MeasuredBackup,
    MeasuredRehearsal,
    MeasuredStep,
    MigrationHead,
    MigrationStep,
    Orchestration,
    RehearsedStep,
    Result,
    RollbackPlan,
    Strategy,
    TargetState,
)
from backstitch.model.record import Record
from backstitch.model.rehearsal import Rehearsal
from backstitch.model.spec import DatabaseMigration, Environment, RollbackSpec, Step


def from_migration(
    migration: DatabaseMigration,
    environment: Environment,
    record: Record | None = None,
    rehearsal: Rehearsal | None = None,
) -> Orchestration:
    """Give the document of a migration; with a record, what was measured is filled in, with a rehearsal the times."""
    times = estimates(rehearsal) if rehearsal is not None else {}
    spec, metadata = migration.spec, migration.metadata
    annotations = dict(metadata.annotations)
    later = {p.name for p in spec.phases if p.contract}
    tables = tables_after(spec)
    kept = kept_tables(annotations.get(TARGET_TABLES), spec)
    if kept is not None:
        tables = kept
        del annotations[TARGET_TABLES]
    checks = [
        to_verification(check, phase, record)
        for phase, found in [*((p.name, p.checks) for p in spec.phases), (None, spec.checks)]
        for check in found or []
    ]
    return Orchestration(
        project=spec.project,
        environment=environment,
        migration=MigrationHead(
            name=metadata.name,
            version=spec.version,
            description=spec.description,
            type=spec.type,
            target=spec.target_ref.name if spec.target_ref.name != spec.project else None,
            namespace=metadata.namespace if metadata.namespace != "default" else None,
            depends_on=None if spec.depends_on is None else [ref.name for ref in spec.depends_on],
            rollback_of=spec.rollback_of.name if spec.rollback_of is not None else None,
            search_path=spec.search_path,
            deadline=spec.deadline,
            reset=spec.reset,
            labels=metadata.labels or None,
            annotations=annotations or None,
        ),
        current_state=None if spec.assume is None else CurrentState(**spec.assume.model_dump()),
        target_state=TargetState(schema_version=spec.version, tables=tables),
        migration_steps=[
            _from_step(number, phase, step, record, times.get(step.name)).model_copy(
                update={
                    "contract": phase in later or None,
                    "irreversible": step.irreversible.to_plain() if step.irreversible is not None else None,
                }
            )
            for number, (phase, step) in enumerate(spec.steps(), start=1)
        ],
        rollback_plan=None if spec.rollback is None else _from_rollback(spec.rollback),
        risks=None if spec.risks is None else [DocumentRisk(**r.model_dump()) for r in spec.risks],
        verification=checks or None,
        follow_up=None
        if spec.follow_ups is None
        else [FollowUpTask(task=f.task, owner=f.owner, status=f.state) for f in spec.follow_ups],
        rehearsal=None if rehearsal is None else _rehearsal(rehearsal),
        backup=_backup(record),
        result=None if record is None else _result(record),
    )


def _from_step(number: int, phase: str, step: Step, record: Record | None, estimate: Estimate | None) -> MigrationStep:
    kind = step.operation.kind
    details = step.operation.model_dump(mode="json", by_alias=False, exclude_none=True)
    sql = details.pop("up", None) if kind == "sql" else None
    rollback = details.pop("down", None) if kind == "sql" else None
    found = next((s for s in record.steps if s.name == step.name), None) if record is not None else None
    return MigrationStep(
        step=number,
        name=step.name,
        phase=phase,
        description=step.description,
        operation=WORDS_OF_KIND[kind],
        details=details if details or kind != "sql" else None,
        sql=sql,
        rollback=rollback,
        dry_run=True,
        estimated_time=step.estimated_time or (duration_text(round(estimate.forward_ms)) if estimate else None),
        rehearsed=None
        if estimate is None
        else RehearsedStep(
            duration_ms=round(estimate.forward_ms),
            downtime_ms=round(estimate.blocked_ms),
            rollback_ms=round(estimate.rollback_ms),
        ),
        measured=None
        if found is None
        else MeasuredStep(
            state=found.state,
            rows=found.rows_done,
            duration_ms=found.duration_ms,
            lock_waited_ms=found.lock_waited_ms,
            message=found.message or None,
        ),
    )


_STRATEGIES: dict[str, Strategy] = {"auto": "reverse_sql", "restoreBackup": "restore_backup"}


def _from_rollback(rollback: RollbackSpec) -> RollbackPlan:
    return RollbackPlan(
        enabled=rollback.strategy != "none",
        strategy=_STRATEGIES.get(rollback.strategy or ""),
        accept_data_loss=rollback.accept_data_loss,
        revert_window=rollback.revert_window,
    )


def _rehearsal(report: Rehearsal) -> MeasuredRehearsal:
    return MeasuredRehearsal(
        gates={gate.name: gate.result for gate in report.gates},
        verdict=report.verdict,
        forward_ms=round(report.forward_ms * report.scale),
        rollback_ms=round(report.rollback_ms * report.scale),
        downtime_ms=round(longest_lock(report)[0]),
        digest=report.digest,
    )


def _backup(record: Record | None) -> MeasuredBackup | None:
    if record is None or record.backup is None:
        return None
    taken = record.backup
    return MeasuredBackup(
        place=taken.place,
        bytes=taken.bytes,
        sha256=taken.sha256 or None,
        taken_at=taken.taken_at,
        proven=taken.proven,
        waived=taken.waived,
        duration_ms=taken.duration_ms,
    )


def _result(record: Record) -> Result:
    took = record.finished_at - record.started_at if record.finished_at and record.started_at else None
    return Result(
        state=str(record.state.value),
        reason=record.reason or None,
        message=record.message or None,
        started_at=record.started_at,
        finished_at=record.finished_at,
        duration_ms=None if took is None else int(took.total_seconds() * 1000),
        rows_changed=sum(step.rows_done for step in record.steps),
        rollback_verdict=record.rollback.verdict if record.rollback is not None else None,
        rollback_differences=list(record.rollback.differences) or None if record.rollback is not None else None,
    )


_OTHER_BREAKS = re.compile("[\r\x85\u2028\u2029\ufeff]")


class _Dumper(yaml.SafeDumper):
    """Writes SQL of several lines as a block, and never an alias."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    # Line breaks of other systems would be read back as \n, unless they are escaped.
    style = '"' if _OTHER_BREAKS.search(text) else "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)


def to_yaml(document: Orchestration) -> str:
    """Give the document as YAML text that read_document reads back as the same."""
    return yaml.dump(document.to_plain(), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)
