# SPDX-License-Identifier: Apache-2.0
"""Does each gate hold what is harmless and break on what is not, in words that say what to do?"""

from __future__ import annotations

from typing import Any

import pytest

from backstitch.core.gates import Measured, judge, longest_lock, milliseconds, passes, size_in_bytes, why_not
from backstitch.core.rehearsal_summary import estimates, summary_of
from backstitch.model.checks import CheckResult
from backstitch.model.rehearsal import Gate, LockSeen, Rehearsal, StatementTrace
from backstitch.model.rehearsal_spec import RehearsalSpec


def trace(**changes: Any) -> StatementTrace:
    """One harmless statement, changed."""
    return StatementTrace.model_validate(
        {
            "direction": "forward",
            "phase": "expand",
            "step": "add",
            "statement": "ALTER TABLE users ADD COLUMN nick text",
            "started_ms": 0,
            "duration_ms": 3,
            "locks": [LockSeen(relation="public.users", mode="AccessExclusiveLock", held_ms=12, blocks=("reads",))],
            "static_class": "exclusive",
            "measured_class": "exclusive",
            **changes,
        }
    )


def report(*statements: StatementTrace, **changes: Any) -> Rehearsal:
    """A rehearsal in which everything went well, changed."""
    given = {"place": "sameServer", "statements": statements or (trace(),), "forward_ms": 900, "verdict": "Identical"}
    return Rehearsal.model_validate({**given, **changes})


def answers(found: Rehearsal, spec: RehearsalSpec | None = None, **measured: Any) -> dict[str, Gate]:
    """Give the gates by name."""
    return {g.name: g for g in judge(found, spec or RehearsalSpec(), Measured(**measured))}


def test_all_gates_hold_where_all_went_well() -> None:
    gates = answers(report())
    assert {name: g.result for name, g in gates.items()} == dict.fromkeys(
        ["backupProven", "checks", "reversible", "classAsPlanned", "lockBudget", "durationBudget", "diskNeeded"], "held"
    )
    done = report(gates=tuple(gates.values()))
    assert passes(done, accept_unproven=False)
    assert summary_of(done, accept_unproven=False).result == "Proven"


LONG = LockSeen(relation="public.users", mode="AccessExclusiveLock", held_ms=2500, blocks=("reads", "writes"))
FAILED = CheckResult(name="filled", outcome="failed", value="3", message="3 rows are NULL")

BROKEN: list[tuple[str, Rehearsal, dict[str, Any], str]] = [
    ("lockBudget", report(trace(locks=(LONG,))), {}, "block reads and writes of public.users for 2500 ms, and 2s is"),
    ("durationBudget", report(forward_ms=7_200_000), {}, "about 7200.0 s, and 1h is allowed (its deadline"),
    ("checks", report(checks=(FAILED,)), {}, "filled failed: 3 rows are NULL"),
    ("reversible", report(verdict="Different", differences=("view short is missing",)), {}, "view short is missing"),
    ("reversible", report(verdict=None), {}, "did not come to its end"),
]


@pytest.mark.parametrize(("name", "found", "measured", "said"), BROKEN)
def test_a_gate_breaks_and_says_why(name: str, found: Rehearsal, measured: dict[str, Any], said: str) -> None:
    gates = answers(found, **measured)
    assert gates[name].result == "broken"
    assert said in gates[name].message
    whole = found.model_copy(update={"gates": tuple(gates.values())})
    assert not passes(whole, accept_unproven=True)
    assert said in why_not(whole, accept_unproven=True)
    assert [g for g in gates.values() if g.result != "held"] == [gates[name]]


def test_disk_that_is_not_there_breaks_and_disk_that_nobody_counted_does_not() -> None:
    found = report(trace(wal_bytes=600_000_000))
    assert answers(found, rewritten_bytes=500_000_000)["diskNeeded"].result == "held"
    tight = answers(found, RehearsalSpec(disk_free="1Gi"), rewritten_bytes=500_000_000)["diskNeeded"]
    assert (tight.result, tight.measured) == ("broken", "1100.0 MB")
    assert answers(found, RehearsalSpec(disk_free="2Gi"), rewritten_bytes=5)["diskNeeded"].result == "held"


def test_a_stronger_lock_than_planned_needs_a_yes() -> None:
    found = report(trace(static_class="rows"))
    gates = answers(found)
    assert gates["classAsPlanned"].result == "unproven"
    assert "step add: planned rows, seen exclusive" in gates["classAsPlanned"].message
    whole = found.model_copy(update={"gates": tuple(gates.values())})
    assert not passes(whole, accept_unproven=False)
    assert passes(whole, accept_unproven=True)
    assert not whole.proven


@pytest.mark.parametrize(
    ("planned", "seen", "result"),
    [
        ("exclusive", "none", "held"),
        ("validate", "validate", "held"),
        ("validate", "exclusive", "unproven"),
        ("unknown", "rows", "held"),
        ("unknown", "validate", "unproven"),
        ("row images", "exclusive", "held"),
        ("", "exclusive", "held"),
    ],
)
def test_classes(planned: str, seen: str, result: str) -> None:
    assert answers(report(trace(static_class=planned, measured_class=seen)))["classAsPlanned"].result == result


def test_a_smaller_copy_is_scaled_where_time_grows_with_the_rows() -> None:
    held = LockSeen(relation="public.users", mode="ShareLock", held_ms=300, blocks=("writes",))
    rewriting = trace(locks=(held,), rewrote=("public.users",))
    assert longest_lock(report(rewriting, scale=10))[0] == 3000
    assert answers(report(rewriting, scale=10))["lockBudget"].result == "broken"
    assert longest_lock(report(trace(locks=(held,)), scale=10))[0] == 300
    assert answers(report(trace(), scale=10), RehearsalSpec(duration_budget="5s"))["durationBudget"].result == "broken"


def test_a_lock_that_lets_the_application_work_is_not_counted() -> None:
    weak = LockSeen(relation="public.users", mode="ShareUpdateExclusiveLock", held_ms=60_000)
    assert longest_lock(report(trace(locks=(weak,))))[0] == 0


def test_a_strategy_without_a_way_back_is_not_held_against_it() -> None:
    gate = answers(report(verdict="Different", differences=("x",)), strategy="none")["reversible"]
    assert gate.result == "held"
    assert "rollback.strategy is none" in gate.message


def test_one_that_ended_early_stops_everything() -> None:
    found = report(failure="Step add: table users is gone.", gates=(Gate(name="backupProven", result="held"),))
    assert not passes(found, accept_unproven=True)
    assert "table users is gone. Nothing was touched." in why_not(found, accept_unproven=True)
    assert not passes(report(), accept_unproven=True)  # no gate was asked


def test_estimates_are_of_production_and_leave_the_second_forward_out() -> None:
    found = report(
        trace(duration_ms=100, rows=5), trace(duration_ms=40, direction="reverse"),
        trace(duration_ms=900, direction="forward again"), scale=2,
    )  # fmt: skip
    estimate = estimates(found)["add"]
    scaled = estimates(found.model_copy(update={"statements": (trace(rows=5, scaled_duration_ms=200.0),)}))["add"]
    assert (estimate.forward_ms, estimate.rollback_ms, estimate.blocked_ms) == (100, 40, 24)
    assert scaled.forward_ms == 200


@pytest.mark.parametrize(("text", "value"), [("500ms", 500), ("2s", 2000), ("1h30m", 5_400_000), ("1m1ms", 60_001)])
def test_durations(text: str, value: float) -> None:
    assert milliseconds(text) == value


@pytest.mark.parametrize("text", ["", "5", "2 s", "s", "1h x"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="not a duration"):
        milliseconds(text)


def test_sizes() -> None:
    assert [size_in_bytes(t) for t in ("7", "2Ki", "1Mi", "1Gi")] == [7, 2048, 1048576, 1073741824]
    with pytest.raises(ValueError, match="not a size"):
        size_in_bytes("1G")
