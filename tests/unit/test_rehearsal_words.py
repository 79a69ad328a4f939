# SPDX-License-Identifier: Apache-2.0
"""Is a rehearsal told truly where people meet it: in conditions, on a terminal, in an exported document, in rules?"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from backstitch.core.orchestration import from_migration
from backstitch.core.policy import rules_for
from backstitch.core.rehearsal_summary import Estimate
from backstitch.core.rehearsal_text import estimate_text, rehearsal_lines
from backstitch.core.view import status_of
from backstitch.model.record import Record
from backstitch.model.rehearsal import Gate, LockSeen, Rehearsal, StatementTrace
from backstitch.model.rehearsal_record import RehearsalRecord
from backstitch.model.rehearsal_spec import RehearsalSpec
from backstitch.model.spec import DatabaseMigration, Environment, TargetSpec
from backstitch.model.states import State

NOW = datetime(2026, 11, 24, tzinfo=UTC)
MIGRATION = DatabaseMigration.model_validate(
    {
        "apiVersion": "backstitch.dev/v1alpha1",
        "kind": "DatabaseMigration",
        "metadata": {"name": "add"},
        "spec": {
            "targetRef": {"name": "shop"},
            "version": "1",
            "type": "schema",
            "phases": [
                {"name": "only", "steps": [{"name": "a", "addColumn": {"table": "t", "column": "c", "type": "int"}}]}
            ],
        },
    }
)
LOCK = LockSeen(relation="public.t", mode="AccessExclusiveLock", held_ms=7.4, blocks=("reads", "writes"))
TRACE = StatementTrace(
    direction="forward", phase="only", step="a", statement="ALTER TABLE t ADD c int", started_ms=0, duration_ms=1500,
    locks=(LOCK,), rewrote=("public.t",), wal_bytes=2_000, static_class="validate", measured_class="exclusive",
)  # fmt: skip
BACK = TRACE.model_copy(update={"direction": "reverse", "duration_ms": 30.0, "rewrote": ()})
REPORT = Rehearsal(
    place="sameServer",
    copy_name="backstitch_scratch_x",
    forward_ms=2000,
    rollback_ms=40,
    statements=(TRACE, BACK),
    gates=(Gate(name="lockBudget", result="held", message="It waits 7 ms."),),
    verdict="Identical",
    digest="ab",
)


def conditions(record: Record) -> tuple[str, str, str]:
    """Give status, reason and message of the condition Rehearsed."""
    found: list[dict[str, Any]] = status_of(record, MIGRATION.spec, 1, None, NOW)["conditions"]
    (one,) = [c for c in found if c["type"] == "Rehearsed"]
    return one["status"], one["reason"], one["message"]


def record(state: State, rehearsal: RehearsalRecord | None) -> Record:
    return Record(namespace="shop", name="add", version="1", state=state, rehearsal=rehearsal)


PROVEN = RehearsalRecord(result="Proven", place="sameServer", forward_ms=2000, longest_lock_ms=7, verdict="Identical")
NOT_PROVEN = PROVEN.model_copy(update={"result": "NotProven", "gates": ["lockBudget broken: too long"]})


@pytest.mark.parametrize(
    ("state", "found", "status", "reason", "said"),
    [
        (State.BACKING_UP, None, "False", "NotRequired", "no rehearsal"),
        (State.REHEARSING, None, "False", "Running", "on a copy"),
        (State.MIGRATING, PROVEN, "True", "RehearsalProven", "proven on a copy (sameServer): forward 2.0 s"),
        (State.STOPPED, NOT_PROVEN, "False", "RehearsalNotProven", "lockBudget broken: too long"),
        (State.SUCCEEDED, RehearsalRecord(result="Waived", waived="no disk"), "False", "RehearsalWaived", "no disk"),
    ],
)
def test_the_condition(state: State, found: RehearsalRecord | None, status: str, reason: str, said: str) -> None:
    got = conditions(record(state, found))
    assert got[:2] == (status, reason)
    assert said in got[2]


def test_a_terminal_shows_each_statement_once_with_what_was_not_planned() -> None:
    text = "\n".join(rehearsal_lines(REPORT))
    assert "AccessExclusive public.t" in text
    assert "7 ms!" in text
    assert "[rewrites public.t; planned validate]" in text
    assert text.count("ALTER TABLE t ADD c int") == 2
    assert "gate lockBudget: held. It waits 7 ms." in text


def test_an_export_has_the_times_of_the_rehearsal() -> None:
    document = from_migration(MIGRATION, "production", None, REPORT).to_plain()
    block: Any = document["migration_orchestration"]
    assert block["migration_steps"][0]["estimated_time"] == "1.5 s"
    assert block["migration_steps"][0]["rehearsed"] == {"duration_ms": 1500, "downtime_ms": 7, "rollback_ms": 30}
    assert block["rehearsal"]["gates"] == {"lockBudget": "held"}
    assert (block["rehearsal"]["verdict"], block["rehearsal"]["downtime_ms"]) == ("Identical", 7)
    assert "rehearsal" not in str(from_migration(MIGRATION, "production").to_plain())


def test_an_estimate_in_words() -> None:
    text = estimate_text(Estimate(forward_ms=2100, rollback_ms=400, blocked_ms=12))
    assert text == "about 2.1 s, the application waits 12 ms; back in 400 ms (rehearsed)"


@pytest.mark.parametrize(
    ("environment", "spec", "rehearsal", "waived", "backup"),
    [
        ("production", None, True, "", True),
        ("production", RehearsalSpec(required=False), True, "", True),
        ("production", RehearsalSpec(no_room="2 TB"), False, "2 TB", True),
        ("staging", None, False, "", True),
        ("staging", RehearsalSpec(), True, "", True),
        ("staging", RehearsalSpec(required=False), False, "", True),
        ("development", None, False, "", False),
        ("development", RehearsalSpec(required=True), True, "", True),
        ("development", RehearsalSpec(no_room="x"), False, "", False),
    ],
)
def test_rules(
    environment: Environment, spec: RehearsalSpec | None, rehearsal: bool, waived: str, backup: bool
) -> None:
    rules = rules_for(environment, None, spec)
    assert (rules.rehearsal, rules.rehearsal_waived, rules.backup) == (rehearsal, waived, backup)


def test_another_server_and_its_secret_belong_together() -> None:
    whole = {"environment": "staging", "secretRef": {"name": "s"}}
    TargetSpec.model_validate({**whole, "rehearsal": {"place": "otherServer", "secretRef": {"name": "o"}}})
    for wrong in ({"place": "otherServer"}, {"secretRef": {"name": "o"}}, {"lockBudget": "soon"}):
        with pytest.raises(ValidationError):
            TargetSpec.model_validate({**whole, "rehearsal": wrong})
