# SPDX-License-Identifier: Apache-2.0
"""What do people and machines read in `status` of a DatabaseMigration and of a MigrationTarget?

core/view.py fills these in from the ledger's record; nothing here is a source of truth. The lengths are those of the
CRD: what does not fit is cut by the view, never refused by the API server.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import ConfigDict, Field

from backstitch.model.backup import CopyRecord
from backstitch.model.backup_spec import BackupKind, BackupMethod, BackupProof
from backstitch.model.base import Frozen
from backstitch.model.checks import CheckOutcome
from backstitch.model.conditions import MAX_MESSAGE, Condition
from backstitch.model.plan_short import PlanShort
from backstitch.model.record import ProofVerdict, StepState
from backstitch.model.rehearsal_record import RehearsalRecord
from backstitch.model.states import State

MAX_TEXT = 1000
MAX_ROWS = 50
"""How many blockers, kept rows, differences … are listed at most."""

Line = Annotated[str, Field(max_length=MAX_TEXT)]
Digest = Annotated[str, Field(max_length=128)]
Lines = Annotated[list[Line], Field(max_length=MAX_ROWS)]


class StepStatus(Frozen):
    """One step: how far it is."""

    name: str = Field(description="Name of the step.", max_length=63)
    phase: str = Field(description="Its phase.", max_length=63)
    operation: str = Field(description="What it does, such as addColumn.", max_length=63)
    state: StepState = Field(description="pending, running, done, undone or failed.")
    rows_done: int = Field(description="Rows written so far.", ge=0)
    rows_estimated: int | None = Field(default=None, description="Rows expected, by the catalog.", ge=0)
    lock_waited_ms: int = Field(description="Milliseconds spent waiting for locks.", ge=0)
    duration_ms: int = Field(description="Milliseconds from its start to its end, or until now.", ge=0)
    message: str | None = Field(default=None, description="What went wrong, or what it waits for.", max_length=MAX_TEXT)


class CheckStatus(Frozen):
    """One check: what was found and what was wanted."""

    name: str = Field(description="Name of the check.", max_length=63)
    phase: str | None = Field(default=None, description="Its phase; none: at the end.", max_length=63)
    outcome: CheckOutcome = Field(description="passed, failed, error or inconclusive.")
    value: str | None = Field(default=None, description="What was found.", max_length=MAX_TEXT)
    expected: str | None = Field(default=None, description="What was wanted, in words.", max_length=MAX_TEXT)
    message: str | None = Field(default=None, description="More about it.", max_length=MAX_TEXT)
    report_only: bool | None = Field(default=None, description="true: it is shown and stops nothing.")
    attempts: int = Field(description="How often it was tried.", ge=0)


class BackupStatus(Frozen):
    """The backup that was taken before the first change."""

    place: str = Field(description="Where its manifest is; no credentials.", max_length=2000)
    bytes: int = Field(description="Its size.", ge=0)
    sha256: str = Field(description="Digest of the dump as stored, in hex.", max_length=64)
    taken_at: datetime | None = Field(default=None, description="When it was taken.")
    proven: bool = Field(description="true: it was read back, restored and compared, and is equal.")
    schema_version: str | None = Field(default=None, description="Schema version in it.", max_length=63)
    waived: str | None = Field(default=None, description="Why there is none, where that is allowed.", max_length=500)
    duration_ms: int = Field(description="Milliseconds to take and prove it.", ge=0)
    method: BackupMethod | None = Field(default=None, description="How it was made; none: dump.")
    proof: BackupProof | None = Field(default=None, description="What `proven` rests on; none: a restored dump.")
    restore_point: str | None = Field(
        default=None, description="Name of the restore point before the first change.", max_length=63
    )
    copies: Annotated[list[CopyRecord], Field(max_length=5)] | None = Field(
        default=None, description="The backup in second places."
    )


class RollbackStatus(Frozen):
    """What a rollback did, and whether it was proven that everything is as before."""

    cause: str = Field(description="Why it rolled back.", max_length=MAX_MESSAGE)
    rung: int = Field(description="Which rung of the rollback ladder was used (docs/rollback.md).", ge=0)
    verdict: ProofVerdict | None = Field(
        default=None, description="Compared with the start: Identical, IdenticalExcept or Different."
    )
    exceptions: Lines | None = Field(default=None, description="What IdenticalExcept leaves out, each with its reason.")
    differences: Lines | None = Field(default=None, description="What is not as before.")
    steps_undone: int = Field(description="How many steps were undone.", ge=0)
    rows_restored: int = Field(description="How many rows got their old values back.", ge=0)
    rows_kept: int = Field(description="How many rows the application wrote later; they were left alone.", ge=0)
    kept: Lines | None = Field(default=None, description="The first of those rows, as table and key.")
    archived: Lines | None = Field(default=None, description="Tables that keep values of removed columns and tables.")
    tables_proven: int = Field(description="How many tables were compared row by row.", ge=0)
    duration_ms: int = Field(description="Milliseconds it took.", ge=0)
    pause_ms: int | None = Field(
        default=None, description="Milliseconds for which writes of the application waited (rungs 3 and 4).", ge=0
    )
    cost: Lines | None = Field(default=None, description="What this rung would give up, counted before it ran.")
    rows_lost: int | None = Field(
        default=None, description="Rows written since the backup that are in exported files only (rung 4).", ge=0
    )


_NEVER_OBSERVED = ConfigDict(json_schema_extra={"default": {"observedGeneration": -1}})


class MigrationStatus(Frozen):
    """status of a DatabaseMigration."""

    model_config = _NEVER_OBSERVED

    observed_generation: int = Field(
        default=-1, description="Generation of the spec this status is about; -1: not looked at yet.", ge=-1
    )
    state: State = Field(default=State.PENDING, description="Where it is in its life cycle.")
    reason: str | None = Field(default=None, description="Why it is there, as one word.", max_length=64)
    message: str | None = Field(default=None, description="Why it is there, as a sentence.", max_length=MAX_MESSAGE)
    phase: str | None = Field(default=None, description="The phase that runs or ran last.", max_length=63)
    progress: str | None = Field(default=None, description="Steps done of all, and percent.", max_length=40)
    version: str | None = Field(default=None, description="Version that is being run.", max_length=63)
    attempt: int | None = Field(default=None, description="Which try this is.", ge=0)
    digest: Digest | None = Field(default=None, description="Digest of the spec's content.")
    plan_digest: Digest | None = Field(default=None, description="Digest of the plan: what an approval is for.")
    approved_by: Annotated[list[Annotated[str, Field(max_length=253)]], Field(max_length=10)] | None = Field(
        default=None, description="Whose yes the plan has."
    )
    plan: PlanShort | None = Field(default=None, description="The plan, while it waits for a yes or for its window.")
    started_at: datetime | None = Field(default=None, description="When the first change was made.")
    finished_at: datetime | None = Field(default=None, description="When it came to rest.")
    duration_ms: int | None = Field(default=None, description="Milliseconds from start to end, or until now.", ge=0)
    revert_until: datetime | None = Field(default=None, description="Until when it can still be rolled back.")
    steps: Annotated[list[StepStatus], Field(max_length=2000)] | None = Field(default=None, description="The steps.")
    checks: Annotated[list[CheckStatus], Field(max_length=1100)] | None = Field(
        default=None, description="The checks that ran."
    )
    backup: BackupStatus | None = Field(default=None, description="The backup before the first change.")
    rehearsal: RehearsalRecord | None = Field(default=None, description="What a rehearsal on a copy showed.")
    rollback: RollbackStatus | None = Field(default=None, description="What a rollback did and proved.")
    blockers: Lines | None = Field(default=None, description="Sessions that hold a lock this waits for.")
    handled_requests: Annotated[list[Line], Field(max_length=200)] | None = Field(
        default=None, description="Values of the request annotations that were acted on."
    )
    conditions: Annotated[list[Condition], Field(max_length=20)] | None = Field(
        default=None, description="Conditions, as Kubernetes' own objects have them."
    )


class LastMigration(Frozen):
    """A migration, as its target shows it."""

    name: str = Field(description="Its name.", max_length=253)
    version: str = Field(description="Its version.", max_length=63)
    state: State = Field(description="How it ended.")
    finished_at: datetime | None = Field(default=None, description="When it ended.")


class ScheduledBackupsStatus(Frozen):
    """Backups by the clock."""

    last_kind: BackupKind | None = Field(default=None, description="Kind of the last one that was completed.")
    last_due_at: datetime | None = Field(default=None, description="For when it was due.")
    last_finished_at: datetime | None = Field(default=None, description="When it was complete.")
    last_place: str | None = Field(default=None, description="Where it is; no credentials.", max_length=2000)
    next_at: datetime | None = Field(default=None, description="When the next one is due.")
    trouble: str | None = Field(
        default=None, description="Why the newest attempt failed; gone after a success.", max_length=MAX_TEXT
    )


class TargetStatus(Frozen):
    """status of a MigrationTarget."""

    model_config = _NEVER_OBSERVED

    observed_generation: int = Field(
        default=-1, description="Generation of the spec this status is about; -1: not looked at yet.", ge=-1
    )
    reachable: bool | None = Field(default=None, description="Whether the database answered the last time.")
    message: str | None = Field(default=None, description="Why it is as it is, in a sentence.", max_length=MAX_MESSAGE)
    database: str | None = Field(default=None, description="Name of the database.", max_length=63)
    server_version: str | None = Field(default=None, description="Version of PostgreSQL, such as 18.6.", max_length=40)
    schema_version: str | None = Field(
        default=None, description="Version of the last migration that succeeded.", max_length=63
    )
    active_migration: str | None = Field(default=None, description="The migration that runs now.", max_length=253)
    last_migration: LastMigration | None = Field(default=None, description="The migration that ended last.")
    drift: Lines | None = Field(
        default=None, description="Objects that are not as the last migration left them; the first 20."
    )
    handled_requests: Annotated[list[Line], Field(max_length=20)] | None = Field(
        default=None, description="Values of the request annotations that were acted on."
    )
    checked_at: datetime | None = Field(default=None, description="When the database was last looked at.")
    scheduled_backups: ScheduledBackupsStatus | None = Field(default=None, description="Backups by the clock.")
    conditions: Annotated[list[Condition], Field(max_length=20)] | None = Field(
        default=None, description="Conditions, as Kubernetes' own objects have them."
    )
