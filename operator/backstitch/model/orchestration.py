# SPDX-License-Identifier: Apache-2.0
"""The document `migration_orchestration`: the same migration as one YAML block that people keep and pass around.

Keys are snake_case. What a DatabaseMigration says is here too, under the names of this document; what was measured
(`measured`, `result`, `backup`) is written by an export and ignored when read. core/orchestration.py translates.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from backstitch.model.checks import CheckOutcome
from backstitch.model.record import ProofVerdict, StepState
from backstitch.model.spec import NAME, Environment, MigrationType, Severity

BLOCK = "migration_orchestration"
DEFAULT_PHASE = "migrate"

Strategy = Literal["reverse_sql", "restore_backup", "point_in_time"]
Action = Literal["create", "alter", "drop", "rename"]
Text = Annotated[str, Field(min_length=1, max_length=100_000)]


class Snake(BaseModel):
    """A value of this document: frozen, snake_case as in Python, and an unknown field is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class MigrationHead(Snake):
    """What the migration is."""

    name: str = Field(min_length=1, max_length=52, pattern=NAME)
    version: str = Field(min_length=1, max_length=63)
    description: str | None = Field(default=None, max_length=500)
    type: MigrationType
    target: str | None = None  # the MigrationTarget's name; default: the project
    namespace: str | None = None
    depends_on: list[str] | None = None
    rollback_of: str | None = None  # with type rollback: the migration to take back; without steps then
    search_path: list[str] | None = None
    deadline: str | None = None
    reset: bool | None = None
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None


class CurrentState(Snake):
    """The state the migration starts from; anything else refuses it."""

    schema_version: str | None = None
    tables: list[str] | None = None
    row_counts: dict[str, int] | None = None
    drift: bool | None = None


class TargetTable(Snake):
    """What becomes of one table."""

    name: str
    action: Action
    new_name: str | None = None  # of a rename
    details: Any = None


class TargetState(Snake):
    """The state the migration aims at."""

    schema_version: str | None = None  # default: the migration's version, which it must equal
    tables: list[TargetTable] | None = None


class MeasuredStep(Snake):
    """What a step did."""

    state: StepState
    rows: int = 0
    duration_ms: int = 0
    lock_waited_ms: int = 0
    message: str | None = None


class RehearsedStep(Snake):
    """What a step did on a copy, for production's size; written by an export and ignored when read."""

    duration_ms: int = 0
    downtime_ms: int = 0  # the longest time that a statement of the application would wait
    rollback_ms: int = 0


class MigrationStep(Snake):
    """One step: SQL with its rollback, or an operation of Backstitch with its details."""

    step: int = Field(ge=1)
    name: str | None = None  # default: step-N
    phase: str | None = None  # default: that of the step before, at first `migrate`
    contract: bool | None = None  # true: of a phase that runs only when the revert window has ended
    description: str | None = None
    operation: str = Field(min_length=1, max_length=500)  # add_column, …; with `sql` any words
    details: dict[str, Any] | None = None  # the fields of the operation, snake_case
    sql: Text | None = None
    rollback: Text | None = None  # left out, the way back is computed
    irreversible: dict[str, Any] | None = None  # {accept: restoreBackup or none, reason}
    dry_run: bool | None = None  # for people: a plan tries every step, whatever stands here
    estimated_time: str | None = None
    rehearsed: RehearsedStep | None = None
    measured: MeasuredStep | None = None


class RollbackPlan(Snake):
    """How the migration goes back."""

    enabled: bool | None = None  # default true
    strategy: Strategy | None = None
    sql: Text | None = None  # the way back of the only SQL step, where that has none of its own
    accept_data_loss: bool | None = None
    revert_window: str | None = None


class DocumentRisk(Snake):
    """Something that may go wrong, and what is done about it."""

    risk: str
    severity: Severity
    mitigation: str


class MeasuredCheck(Snake):
    """What a check found."""

    outcome: CheckOutcome
    value: str | None = None
    message: str | None = None
    attempts: int = 1


class Verification(Snake):
    """One check: a query and what it must give, or a named check with its details."""

    name: str
    phase: str | None = None  # default: at the end
    description: str | None = None
    query: Text | None = None
    expected: Any = None  # 0, true or text; or {type, equals, min, max, threshold, rows, empty}
    check: str | None = None  # no_nulls, rows_unchanged, …
    details: dict[str, Any] | None = None
    report_only: bool | None = None
    attempts: int | None = None
    measured: MeasuredCheck | None = None


class FollowUpTask(Snake):
    """A task for people after the migration."""

    task: str
    status: Literal["pending", "completed"] | None = None
    owner: str | None = None


class MeasuredBackup(Snake):
    """The backup taken before the first change."""

    place: str
    bytes: int = 0
    sha256: str | None = None
    taken_at: datetime | None = None
    proven: bool = False
    waived: str | None = None
    duration_ms: int = 0


class MeasuredRehearsal(Snake):
    """What the rehearsal on a copy showed; written by an export and ignored when read."""

    gates: dict[str, str]  # by name: held, broken, unproven
    verdict: ProofVerdict | None = None
    forward_ms: int = 0
    rollback_ms: int = 0
    downtime_ms: int = 0
    digest: str = ""


class Result(Snake):
    """How it ended."""

    state: str
    reason: str | None = None
    message: str | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    duration_ms: int | None = None
    rows_changed: int = 0
    rollback_verdict: ProofVerdict | None = None
    rollback_differences: list[str] | None = None


class Orchestration(Snake):
    """The whole block."""

    project: str | None = Field(default=None, min_length=1, max_length=100)
    environment: Environment
    migration: MigrationHead
    current_state: CurrentState | None = None
    target_state: TargetState | None = None
    migration_steps: list[MigrationStep] = Field(default_factory=list, max_length=2000)
    rollback_plan: RollbackPlan | None = None
    risks: list[DocumentRisk] | None = None
    verification: list[Verification] | None = None
    follow_up: list[FollowUpTask] | None = None
    rehearsal: MeasuredRehearsal | None = None
    backup: MeasuredBackup | None = None
    result: Result | None = None

    def to_plain(self) -> dict[str, object]:
        """Give the document as plain data below its one key, without what is not set."""
        return {BLOCK: self.model_dump(mode="json", exclude_none=True)}
