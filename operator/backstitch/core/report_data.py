# SPDX-License-Identifier: Apache-2.0
"""What does a report on one migration hold? Read by engine/report.py, drawn by core/report.py, printed by `-o json`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Literal

from backstitch.core.hazards import find_script_hazards
from backstitch.model.base import Frozen
from backstitch.model.operations.run_sql import RunSql
from backstitch.model.record import Record
from backstitch.model.rehearsal import Rehearsal
from backstitch.model.script import ScriptError
from backstitch.model.spec import MigrationSpec
from backstitch.model.sql import DEFAULT_SCHEMA

LockStrength = Literal["exclusive", "validate", "rows", "none", "unknown"]
MAX_TEXT = 400


class UnitSpan(Frozen):
    """One unit of work of a step, as the ledger knows it."""

    statements: tuple[str, ...] = ()  # the first MAX_TEXT characters of each
    state: str = "planned"
    lock: LockStrength = "unknown"  # as it was planned
    table: str | None = None
    rows: int = 0
    started_at: datetime | None = None
    finished_at: datetime | None = None  # of the way forward, or of its undoing


class StepSpan(Frozen):
    """When one step ran, and what it consists of."""

    name: str
    phase: str
    started_at: datetime | None = None
    finished_at: datetime | None = None
    units: tuple[UnitSpan, ...] = ()


class HazardLine(Frozen):
    """A hazard of a step's SQL, from its text alone."""

    step: str
    id: str
    level: str
    message: str
    safe: str


class Report(Frozen):
    """Everything a page about one attempt of one migration says."""

    made_at: datetime
    database: str
    environment: str
    description: str = ""
    created_at: datetime | None = None
    purged: bool = False  # what a rollback needs was given up
    record: Record
    spans: tuple[StepSpan, ...] = ()
    hazards: tuple[HazardLine, ...] = ()
    rehearsal: Rehearsal | None = None


def hazards_of(spec: MigrationSpec, sources: Mapping[str, str]) -> tuple[HazardLine, ...]:
    """Give the hazards of a migration's raw SQL. Sizes of tables are not known here, so small ones count as large."""
    found: list[HazardLine] = []
    for _, step in spec.steps():
        if not isinstance(step.operation, RunSql):
            continue
        operation = step.operation
        text = operation.up if operation.up_from is None else sources.get(operation.up_from.source)
        try:
            hazards = find_script_hazards(text or "", default_schema=(spec.search_path or [DEFAULT_SCHEMA])[0])
        except ScriptError:
            continue
        found += [HazardLine(step=step.name, id=h.id, level=h.level, message=h.message, safe=h.safe) for h in hazards]
    return tuple(found)
