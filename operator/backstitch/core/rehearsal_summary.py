# SPDX-License-Identifier: Apache-2.0
"""What does a rehearsal say in short, and how long will each step and its way back take in production?"""

from __future__ import annotations

from dataclasses import dataclass

from backstitch.core.gates import longest_lock, passes, scaled_ms
from backstitch.core.trace import grows_with_rows, is_felt
from backstitch.model.rehearsal import Gate, Rehearsal
from backstitch.model.rehearsal_record import RehearsalRecord

MAX_GATES = 8


@dataclass(frozen=True)
class Estimate:
    """What one step costs, in milliseconds, for production's size."""

    forward_ms: float = 0.0
    rollback_ms: float = 0.0
    blocked_ms: float = 0.0  # the longest time that it makes a statement of the application wait


def summary_of(report: Rehearsal, *, accept_unproven: bool) -> RehearsalRecord:
    """Give the short form of a report."""
    held, trace, lock = longest_lock(report)
    shown = [g for g in report.gates if g.result != "held"]
    said = ([f"failure: {report.failure}"] if report.failure else []) + [_line(g) for g in shown]
    return RehearsalRecord(
        result="Proven" if passes(report, accept_unproven=accept_unproven) else "NotProven",
        place=report.place,
        started_at=report.started_at,
        duration_ms=round(report.duration_ms),
        forward_ms=round(report.forward_ms * report.scale),
        rollback_ms=round(report.rollback_ms * report.scale),
        longest_lock_ms=round(held),
        longest_lock=None
        if trace is None or lock is None
        else f"step {trace.step or 'row images'} ({trace.direction}): {lock.mode} on {lock.relation}",
        verdict=report.verdict,
        gates=[line[:1000] for line in said[:MAX_GATES]] or None,
        digest=report.digest,
    )


def waived(why: str) -> RehearsalRecord:
    """Give what stands in place of a rehearsal that the target has no room for."""
    return RehearsalRecord(result="Waived", waived=why)


def _line(gate: Gate) -> str:
    return f"{gate.name} {gate.result}: {gate.message}"


def estimates(report: Rehearsal) -> dict[str, Estimate]:
    """Give what each step costs, by its name."""
    found: dict[str, Estimate] = {}
    for trace in report.statements:
        if not trace.step or trace.direction == "forward again":
            continue
        was = found.get(trace.step, Estimate())
        forward = trace.direction == "forward"
        factor = report.scale if grows_with_rows(trace) else 1.0
        blocked = max((lock.held_ms * factor for lock in trace.locks if is_felt(lock)), default=0.0)
        found[trace.step] = Estimate(
            was.forward_ms + (scaled_ms(trace) if forward else 0.0),
            was.rollback_ms + (0.0 if forward else scaled_ms(trace)),
            max(was.blocked_ms, blocked if forward else 0.0),
        )
    return found
