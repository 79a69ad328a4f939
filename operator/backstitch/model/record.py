# SPDX-License-Identifier: Apache-2.0
"""What the ledger knows of one attempt of one migration, as plain values: the source of every status and report."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from backstitch.model.backup import CopyRecord
from backstitch.model.backup_spec import BackupMethod, BackupProof
from backstitch.model.base import Frozen
from backstitch.model.checks import CheckResult
from backstitch.model.plan_short import PlanShort
from backstitch.model.point_in_time import RestorePoint, SideProof
from backstitch.model.rehearsal_record import RehearsalRecord
from backstitch.model.states import State

StepState = Literal["pending", "running", "done", "undone", "failed"]
ProofVerdict = Literal["Identical", "IdenticalExcept", "Different"]


class StepRecord(Frozen):
    """One step: how far it is."""

    name: str
    phase: str
    operation: str
    state: StepState = "pending"
    rows_done: int = 0
    rows_estimated: int | None = None
    lock_waited_ms: int = 0
    duration_ms: int = 0
    message: str = ""


class BackupRecord(Frozen):
    """The proven backup."""

    place: str  # url and key of the manifest
    bytes: int = 0
    sha256: str = ""
    taken_at: datetime | None = None
    proven: bool = False
    schema_version: str | None = None
    waived: str | None = None  # why there is none, where policy allows that
    duration_ms: int = 0
    method: BackupMethod = "dump"
    proof: BackupProof = "dump"  # what `proven` rests on
    manifest_sha256: str = ""  # by which the manifest is known again
    copies: tuple[CopyRecord, ...] = ()
    restore_point: RestorePoint | None = None
    side: SideProof | None = None


class RollbackRecord(Frozen):
    """What a rollback did and proved."""

    cause: str = ""
    rung: int = 1
    verdict: ProofVerdict | None = None
    exceptions: tuple[str, ...] = ()
    differences: tuple[str, ...] = ()
    steps_undone: int = 0
    rows_restored: int = 0
    rows_kept: int = 0  # rows the application wrote later, left as they are
    kept: tuple[str, ...] = ()  # the first of them, as table and key
    archived: tuple[str, ...] = ()  # tables that keep values of removed columns and tables
    tables_proven: int = 0
    duration_ms: int = 0
    pause_ms: int | None = None  # how long the application's writes waited for a switch; None: there was none
    cost: tuple[str, ...] = ()  # what the rung would give up, counted before it ran, in words
    rows_lost: int = 0  # written by the application since the backup, and in the exported files only


class ContractRecord(Frozen):
    """The phases that wait for the end of the revert window."""

    state: State | None = None  # of their own attempt; None: not begun
    reason: str = ""
    message: str = ""


class Record(Frozen):
    """One attempt of one migration, as the ledger has it."""

    namespace: str
    name: str
    version: str
    attempt: int = 1
    digest: str = ""  # of the spec's content
    plan_digest: str = ""
    state: State = State.PENDING
    reason: str = ""
    message: str = ""
    phase: str | None = None
    steps: tuple[StepRecord, ...] = ()
    checks: tuple[CheckResult, ...] = ()
    backup: BackupRecord | None = None
    rehearsal: RehearsalRecord | None = None
    rollback: RollbackRecord | None = None
    approved_by: tuple[str, ...] = ()  # whose yes the plan has
    plan: PlanShort | None = None  # while it waits for a yes or its window
    blockers: tuple[str, ...] = ()  # sessions that hold a lock we wait for, for people
    started_at: datetime | None = None
    finished_at: datetime | None = None
    revert_until: datetime | None = None
    contract: ContractRecord | None = None  # None: it has no contract phases
    handled_requests: tuple[str, ...] = ()  # tokens of annotations that were acted on
    again_after_s: float | None = None  # not resting: look again after so many seconds

    @property
    def steps_done(self) -> int:
        """Give how many steps are done."""
        return sum(1 for s in self.steps if s.state == "done")
