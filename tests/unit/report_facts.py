# SPDX-License-Identifier: Apache-2.0
"""What does a report in a unit test hold? The smallest whole ones, changed by what the test is about."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from backstitch.core.report_data import HazardLine, Report, StepSpan, UnitSpan
from backstitch.model.checks import CheckResult
from backstitch.model.record import BackupRecord, Record, RollbackRecord, StepRecord
from backstitch.model.rehearsal import Gate, LockSeen, QueryFinding, Rehearsal, StatementTrace
from backstitch.model.states import State

START = datetime(2026, 11, 24, 16, 0, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def a_record(**changes: Any) -> Record:
    """A migration of three steps that succeeded."""
    given: dict[str, Any] = {
        "namespace": "shop",
        "name": "full-name",
        "version": "20261124.1",
        "state": State.SUCCEEDED,
        "reason": "Succeeded",
        "message": "All 3 steps are done and 2 checks held.",
        "digest": "39ea6ff1a45b2c3d" * 4,
        "plan_digest": "77aa6ff1a45b2c3d" * 4,
        "steps": (
            StepRecord(name="add-full-name", phase="expand", operation="addColumn", state="done", duration_ms=25),
            StepRecord(
                name="fill", phase="migrate", operation="backfill", state="done", rows_done=50_000, duration_ms=1810
            ),
            StepRecord(
                name="required",
                phase="switch",
                operation="setNotNull",
                state="done",
                duration_ms=377,
                lock_waited_ms=300,
            ),
        ),
        "checks": (
            CheckResult(name="filled", outcome="passed", phase="migrate", value="0", expected="0"),
            CheckResult(name="nobody-lost", outcome="passed", value="50000 rows", expected="50000 rows"),
        ),
        "backup": BackupRecord(
            place="s3://backups/shop/full-name/manifest.json",
            bytes=325_000_000,
            sha256="ab" * 32,
            taken_at=at(1),
            proven=True,
            duration_ms=2400,
        ),
        "started_at": at(3),
        "finished_at": at(6),
        "revert_until": at(86_400),
    }
    return Record.model_validate({**given, **changes})


def rolled_back(**changes: Any) -> Record:
    """One whose check failed; it went back and was proven."""
    rollback = RollbackRecord(
        cause="check nobody-lost: found 49990 rows, expected 50000 rows",
        verdict="Identical",
        steps_undone=3,
        rows_restored=50_000,
        rows_kept=12,
        kept=("public.users 7", "public.users 9"),
        tables_proven=9,
        duration_ms=900,
    )
    steps = tuple(s.model_copy(update={"state": "undone"}) for s in a_record().steps)
    failed = CheckResult(
        name="nobody-lost", outcome="failed", value="49990 rows", expected="50000 rows", message="10 rows are gone."
    )
    return a_record(
        **{
            "state": State.ROLLED_BACK,
            "reason": "CheckFailed",
            "message": "Rolled back because: check nobody-lost failed.",
            "rollback": rollback,
            "steps": steps,
            "checks": (a_record().checks[0], failed),
            "revert_until": None,
            **changes,
        }
    )


def a_rehearsal(**changes: Any) -> Rehearsal:
    """A rehearsal with a lock of each kind and an index that a query loses."""

    def trace(direction: str, step: str, text: str, start: float, took: float, mode: str, *blocks: str) -> Any:
        lock = LockSeen(relation="public.users", mode=mode, held_ms=took, blocks=blocks)
        return StatementTrace(
            direction=direction,
            phase="expand",
            step=step,
            statement=text,
            started_ms=start,
            duration_ms=took,
            locks=(lock,),
            measured_class="exclusive",
            static_class="exclusive",
            wal_bytes=12_000,
        )

    given: dict[str, Any] = {
        "place": "sameServer",
        "started_at": START,
        "duration_ms": 9000,
        "restore_ms": 2100,
        "forward_ms": 2300,
        "rollback_ms": 1400,
        "scale": 1.0,
        "statements": (
            trace("forward", "add-full-name", "ALTER TABLE users ADD COLUMN full_name text", 0, 25,
                  "AccessExclusiveLock", "reads", "writes", "DDL", "vacuum"),
            trace("forward", "fill", "UPDATE users SET full_name = first_name || …", 40, 1800, "RowExclusiveLock",
                  "CREATE INDEX and most DDL"),
            trace("forward", "required", "ALTER TABLE users VALIDATE CONSTRAINT …", 1850, 300,
                  "ShareUpdateExclusiveLock", "DDL", "vacuum"),
            trace("reverse", "required", "ALTER TABLE users ALTER full_name DROP NOT NULL", 2300, 12,
                  "AccessExclusiveLock", "reads", "writes", "DDL", "vacuum"),
            trace("reverse", "fill", "put 50,000 rows back", 2320, 1300, "RowExclusiveLock"),
        ),
        "queries": (
            QueryFinding(query="SELECT id FROM users WHERE lower(email) = $1", source="pg_stat_statements",
                         role="shop_app", calls=120_431, phase="switch", verdict="sequentialScan",
                         detail="It now reads public.users (about 50,000 rows) from end to end."),
            QueryFinding(query="login: SELECT * FROM users WHERE id = $1", source="spec", phase="expand",
                         verdict="resultTypeChanged", detail="It gave (id integer), now (id integer, full_name text)."),
            QueryFinding(query="SELECT 1 FROM orders", source="pg_stat_statements", role="shop_app", calls=3,
                         phase="expand", verdict="works"),
        ),
        "gates": (
            Gate(name="lockBudget", result="held", allowed="2 s", measured="25 ms"),
            Gate(name="reversible", result="held", allowed="Identical", measured="Identical"),
            Gate(name="classAsPlanned", result="unproven", message="Step fill: a trigger took another lock."),
            Gate(name="workload", result="broken", allowed="nothing but works",
                 measured="3 statements tried, 2 not as before", message="sequentialScan: SELECT id FROM users …"),
        ),
        "verdict": "Identical",
        "digest": "c0ffee" * 10,
    }  # fmt: skip
    return Rehearsal.model_validate({**given, **changes})


def a_report(record: Record | None = None, **changes: Any) -> Report:
    """A report as the engine reads it."""
    given: dict[str, Any] = {
        "made_at": at(60),
        "database": "shop",
        "environment": "production",
        "description": "One column for the whole name, so that the shop can greet people.",
        "created_at": START,
        "record": record or a_record(),
        "spans": (
            StepSpan(
                name="add-full-name", phase="expand", started_at=at(3), finished_at=at(3.025),
                units=(UnitSpan(statements=('ALTER TABLE "public"."users" ADD COLUMN "full_name" text',),
                                state="done", lock="exclusive", table="public.users"),),
            ),
            StepSpan(
                name="fill", phase="migrate", started_at=at(3.1), finished_at=at(4.91),
                units=(UnitSpan(statements=("UPDATE users SET full_name = first_name || ' ' || last_name",),
                                state="done", lock="rows", table="public.users", rows=50_000),),
            ),
            StepSpan(
                name="required", phase="switch", started_at=at(5), finished_at=at(5.377),
                units=(UnitSpan(statements=("ALTER TABLE users VALIDATE CONSTRAINT x",), state="done",
                                lock="validate", table="public.users"),),
            ),
        ),
        "hazards": (
            HazardLine(step="fill", id="update-without-where", level="warning",
                       message="UPDATE without WHERE writes every row of public.users in one transaction.",
                       safe="Use backfill: batches by key."),
        ),
    }  # fmt: skip
    return Report.model_validate({**given, **changes})
