# SPDX-License-Identifier: Apache-2.0
"""DatabaseMigration and MigrationTarget as people write them. The CRDs in crds/ are generated from these classes."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import ConfigDict, Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from backstitch.model.approval_policy import ApprovalPolicy
from backstitch.model.backup_spec import BackupStorage
from backstitch.model.base import Frozen
from backstitch.model.check_kinds import ColumnName, TableName
from backstitch.model.checks import Check
from backstitch.model.duration import DURATION
from backstitch.model.lock_policy import EndBlockers, Throttle
from backstitch.model.operations import OPERATIONS, Operation
from backstitch.model.rehearsal_spec import RehearsalSpec
from backstitch.model.revert import SPEC_RULES, AdoptSpec, why_unclear
from backstitch.model.rollback_spec import RollbackSpec
from backstitch.model.step import Step
from backstitch.model.windows import Freeze, Window
from backstitch.model.workload import WorkloadQuery

NAME = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"

Environment = Literal["development", "staging", "production"]
MigrationType = Literal["schema", "data", "seed", "rollback"]
Severity = Literal["critical", "high", "medium", "low"]

__all__ = ["OPERATIONS", "BackupStorage", "Operation", "RollbackSpec", "Step"]


class NameRef(Frozen):
    """A reference to an object of the same namespace. There is no namespace field on purpose."""

    name: str = Field(description="Name of the object, in the same namespace.", min_length=1, max_length=253)


class Assumptions(Frozen):
    """The state the migration starts from; anything else refuses it before a change."""

    schema_version: str | None = Field(
        default=None,
        description="Version of the last migration that succeeded on this target.",
        max_length=63,
    )
    tables: list[TableName] | None = Field(
        default=None,
        description="Tables that must be there.",
        max_length=200,
        json_schema_extra={"maxItems": 200},
    )
    row_counts: dict[str, int] | None = Field(default=None, description="Exact number of rows by table.", max_length=50)
    drift: bool | None = Field(
        default=None, description="true: begin also where the schema is not as the last migration left it."
    )


class Phase(Frozen):
    """Steps that belong together, and the checks that must hold before the next phase."""

    name: str = Field(description="Name, unique within the migration.", min_length=1, max_length=63, pattern=NAME)
    steps: list[Step] = Field(description="Steps, in order.", min_length=1, max_length=50)
    checks: list[Check] | None = Field(default=None, description="Checks after this phase.", max_length=30)
    contract: bool | None = Field(
        default=None,
        description="Run it only when the revert window has ended or a person closes it; such phases come last.",
    )


class Risk(Frozen):
    """Something that may go wrong, and what is done about it."""

    risk: str = Field(description="What may go wrong.", min_length=1, max_length=500)
    severity: Severity = Field(description="How bad it would be.")
    mitigation: str = Field(description="What is done about it.", min_length=1, max_length=1000)


class FollowUp(Frozen):
    """A task for people after the migration."""

    task: str = Field(description="What is to be done.", min_length=1, max_length=500)
    owner: str | None = Field(default=None, description="Who does it.", max_length=100)
    state: Literal["pending", "completed"] | None = Field(default=None, description="Default pending.")


class MigrationSpec(Frozen):
    """spec of a DatabaseMigration: one change of one target."""

    model_config = ConfigDict(json_schema_extra=SPEC_RULES)

    target_ref: NameRef = Field(description="The MigrationTarget, in the same namespace.")
    version: str = Field(
        description="Version, ordered within the target: numbers between dots compare as numbers.",
        min_length=1,
        max_length=63,
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$",
    )
    type: MigrationType = Field(description="What kind of change this is.")
    description: str | None = Field(default=None, description="One line for people.", max_length=500)
    project: str | None = Field(default=None, description="The project this belongs to.", max_length=100)
    depends_on: list[NameRef] | None = Field(
        default=None,
        description="Migrations of the same target that must have succeeded before.",
        max_length=50,
    )
    assume: Assumptions | None = Field(default=None, description="The state this migration starts from.")
    search_path: list[ColumnName] | None = Field(
        default=None, description="search_path for SQL of this migration; default [public].", max_length=10
    )
    deadline: str | None = Field(
        default=None,
        description="How long it may run from the first change; then it rolls back. Default 1h.",
        pattern=DURATION,
        max_length=20,
    )
    phases: list[Phase] = Field(
        default_factory=list,
        description="Phases, in order; required, but left out with rollbackOf.",
        min_length=1,
        max_length=10,
    )
    rollback_of: NameRef | None = Field(
        default=None,
        description="With type rollback: take this migration back, within its revert window; without phases then.",
    )
    checks: list[Check] | None = Field(default=None, description="Checks at the end.", max_length=50)
    workload: list[WorkloadQuery] | None = Field(
        default=None,
        description="Statements of the application that must keep working, besides those of pg_stat_statements.",
        max_length=100,
    )
    rollback: RollbackSpec | None = Field(default=None, description="How this migration goes back.")
    risks: list[Risk] | None = Field(default=None, description="Known risks.", max_length=50)
    follow_ups: list[FollowUp] | None = Field(default=None, description="Tasks after it.", max_length=50)
    reset: bool | None = Field(
        default=None,
        description="Empty the database's user schemas first. Development only; refused elsewhere, always.",
    )

    @model_validator(mode="after")
    def _names_are_unique(self) -> MigrationSpec:
        phases = [p.name for p in self.phases]
        steps = [s.name for p in self.phases for s in p.steps]
        checks = [c.name for p in self.phases for c in p.checks or []] + [c.name for c in self.checks or []]
        queries = [q.name for q in self.workload or []]
        for what, names in (("phase", phases), ("step", steps), ("check", checks), ("query", queries)):
            twice = sorted({n for n in names if names.count(n) > 1})
            if twice:
                raise ValueError(f"{what} name {twice[0]!r} is used more than once; every {what} needs its own name")
        return self

    @model_validator(mode="after")
    def _what_to_run_is_clear(self) -> MigrationSpec:
        unclear = why_unclear(self)
        if unclear:
            raise ValueError(unclear)
        return self

    @model_serializer(mode="wrap")
    def _without_empty_phases(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        plain: dict[str, Any] = handler(self)
        if not self.phases:
            plain.pop("phases", None)
        return plain

    def steps(self) -> list[tuple[str, Step]]:
        """Give all steps in order, each with the name of its phase."""
        return [(phase.name, step) for phase in self.phases for step in phase.steps]


class Metadata(Frozen):
    """The part of Kubernetes' metadata that a file on a laptop needs; others are accepted and ignored."""

    model_config = ConfigDict(extra="ignore")

    name: str = Field(min_length=1, max_length=52, pattern=NAME)
    namespace: str = Field(default="default", max_length=63)
    annotations: dict[str, str] = Field(default_factory=dict)
    labels: dict[str, str] = Field(default_factory=dict)


class DatabaseMigration(Frozen):
    """A whole DatabaseMigration document."""

    api_version: Literal["backstitch.dev/v1alpha1"]
    kind: Literal["DatabaseMigration"]
    metadata: Metadata
    spec: MigrationSpec
    status: dict[str, Any] | None = None


class SecretRef(Frozen):
    """A Secret of the same namespace and, where its shape does not say everything, the rest."""

    name: str = Field(description="Name of the Secret.", min_length=1, max_length=253)
    host: str | None = Field(default=None, description="Host, where the Secret has none.", max_length=253)
    port: int | None = Field(default=None, description="Port, where the Secret has none.", ge=1, le=65535)
    dbname: str | None = Field(default=None, description="Database, where the Secret has none.", max_length=63)
    ssl_mode: Literal["disable", "prefer", "require", "verify-ca", "verify-full"] | None = Field(
        default=None, description="TLS: default verify-full when a CA is given, else require."
    )
    ca_secret_name: str | None = Field(default=None, description="Secret with ca.crt.", max_length=253)


class TargetPolicy(Frozen):
    """What the environment's table says, made stricter for this target."""

    backup: Literal["full", "none"] | None = Field(default=None, description="none is allowed in development only.")
    allow_destructive: bool | None = Field(default=None, description="Allow dropTable, dropColumn, deleteRows.")
    lock_timeout_ms: int | None = Field(default=None, description="For exclusive locks; default 800.", ge=10, le=5000)
    lock_allowance: str | None = Field(
        default=None,
        description="How long to keep trying for one lock; default 60s.",
        pattern=DURATION,
        max_length=20,
    )
    queue_allowance_ms: int | None = Field(
        default=None,
        description="Milliseconds that sessions of the application may queue behind a statement of ours before it is "
        "cancelled and tried again; default 300.",
        ge=50,
        le=10_000,
    )
    end_blockers: EndBlockers | None = Field(
        default=None, description="Sessions that may be ended because a migration waits for them; default none."
    )
    throttle: Throttle | None = Field(default=None, description="When backfills pause; default never.")
    workload: list[WorkloadQuery] | None = Field(
        default=None,
        description="Statements of the application that every migration must keep working.",
        max_length=100,
    )
    on_delete: Literal["rollback", "finish"] | None = Field(
        default=None,
        description="When a running migration's object is deleted: roll back (default) or finish.",
    )
    drift: Literal["wait", "warn"] | None = Field(
        default=None,
        description="When the schema is not as the last migration left it: wait until a person adopts it (default in "
        "production), or only say so in the plan.",
    )
    approval: ApprovalPolicy | None = Field(default=None, description="Who must say yes to a plan.")
    windows: list[Window] | None = Field(
        default=None, description="When migrations may begin; default any time.", min_length=1, max_length=20
    )
    freezes: list[Freeze] | None = Field(
        default=None, description="When none begins, whatever the windows say.", max_length=50
    )


class TargetSpec(Frozen):
    """spec of a MigrationTarget: one database."""

    environment: Environment = Field(description="Which row of the environment table holds.")
    secret_ref: SecretRef = Field(description="Where the connection settings are.")
    backup: BackupStorage | None = Field(default=None, description="Where backups go; needed unless policy says none.")
    policy: TargetPolicy | None = Field(default=None, description="Stricter (in development: other) rules.")
    suspend: bool | None = Field(default=None, description="Nothing begins on this target while it is true.")
    owner_role: str | None = Field(default=None, description="SET ROLE to this before any statement.", max_length=63)
    adopt: AdoptSpec | None = Field(
        default=None, description="Take an existing database in when it is first looked at, at the version it has."
    )
    rehearsal: RehearsalSpec | None = Field(
        default=None, description="How migrations are rehearsed on a copy before they touch this database."
    )


class MigrationTarget(Frozen):
    """A whole MigrationTarget document."""

    api_version: Literal["backstitch.dev/v1alpha1"]
    kind: Literal["MigrationTarget"]
    metadata: Metadata
    spec: TargetSpec
    status: dict[str, Any] | None = None
