# SPDX-License-Identifier: Apache-2.0
"""May this migration touch production, by what its rehearsal showed? One gate for each question; all must hold.

Times are for production's size: what grows with the rows is multiplied by production's size over the copy's.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from backstitch.core.trace import as_planned, grows_with_rows, is_felt
from backstitch.model.rehearsal import Gate, GateResult, LockSeen, Rehearsal, StatementTrace
from backstitch.model.rehearsal_spec import RehearsalSpec

DEFAULT_LOCK_BUDGET = "2s"
SHOWN = 3
_UNITS_MS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_POWERS = {"": 0, "Ki": 1, "Mi": 2, "Gi": 3, "Ti": 4}


@dataclass(frozen=True)
class Measured:
    """What the gates need beside the report: sizes in bytes, taken on the copy."""

    rewritten_bytes: int = 0  # of files and indexes that were written anew, while the old ones are still there
    strategy: str = "auto"
    irreversible: bool = False  # a step may be without a way back, because the spec accepts that
    deadline: str = "1h"


def milliseconds(text: str) -> float:
    """Read `500ms`, `2s` or `1h30m`. Raises ValueError."""
    parts = re.findall(r"([0-9]+)(ms|s|m|h|d)", text)
    if not parts or "".join(n + u for n, u in parts) != text:
        raise ValueError(f"{text!r} is not a duration; write such as 500ms, 2s or 5m.")
    return float(sum(int(n) * _UNITS_MS[u] for n, u in parts))


def size_in_bytes(text: str) -> int:
    """Read `20Gi` or a plain number of bytes. Raises ValueError."""
    found = re.fullmatch(r"([0-9]+)(Ki|Mi|Gi|Ti)?", text)
    if not found:
        raise ValueError(f"{text!r} is not a size; write such as 500Mi or 20Gi.")
    return int(found[1]) * int(1024 ** _POWERS[found[2] or ""])


def judge(report: Rehearsal, spec: RehearsalSpec, measured: Measured, workload: Gate | None = None) -> tuple[Gate, ...]:
    """Give every gate with its answer; one that ended early has only those that it came to.

    `workload`: core.workload.workload_gate's answer, where a check makes the application's statements a gate.
    """
    gates = [_backup(report)]
    if report.failure and not report.statements:
        return tuple(gates)
    gates += [_checks(report), _reversible(report, measured), _as_planned(report, spec)]
    gates += [_locks(report, spec), _duration(report, spec, measured), _disk(report, spec, measured)]
    return (*gates, workload) if workload is not None else tuple(gates)


def passes(report: Rehearsal, *, accept_unproven: bool) -> bool:
    """Tell whether production may be touched: nothing failed, no gate is broken, and unproven ones have their yes."""
    results = {g.result for g in report.gates}
    return (
        not report.failure
        and bool(results)
        and "broken" not in results
        and (accept_unproven or "unproven" not in results)
    )


def why_not(report: Rehearsal, *, accept_unproven: bool) -> str:
    """Give the sentence that a person reads when a rehearsal stops a migration."""
    if report.failure:
        return f"The rehearsal did not come to its end: {report.failure.rstrip('.')}. Nothing was touched."
    bad = [g for g in report.gates if g.result == "broken" or (g.result == "unproven" and not accept_unproven)]
    return " ".join(["The rehearsal on a copy says no, so nothing was touched:", *(g.message for g in bad)])


def scaled_ms(trace: StatementTrace) -> float:
    """Give a statement's duration for production's size."""
    return trace.scaled_duration_ms if trace.scaled_duration_ms is not None else trace.duration_ms


def longest_lock(report: Rehearsal) -> tuple[float, StatementTrace | None, LockSeen | None]:
    """Give the longest time the application would wait for a lock, forward or on the way back, and for which."""
    found: tuple[float, StatementTrace | None, LockSeen | None] = (0.0, None, None)
    for trace in report.statements:
        for lock in trace.locks:
            held = lock.held_ms * (report.scale if grows_with_rows(trace) else 1.0)
            if is_felt(lock) and held > found[0]:
                found = (held, trace, lock)
    return found


def _gate(name: str, result: GateResult, message: str, allowed: str = "", measured: str = "") -> Gate:
    return Gate.model_validate(
        {"name": name, "result": result, "message": message, "allowed": allowed, "measured": measured}
    )


def _backup(report: Rehearsal) -> Gate:
    if report.place == "sample":  # its rows are the target's; the whole backup was restored and compared before
        return _gate("backupProven", "held", "The backup is proven; the copy has its schema and a sample of the rows.")
    return _gate("backupProven", "held", "The copy was restored from the backup and has the same rows.")


def _checks(report: Rehearsal) -> Gate:
    bad = [c for c in report.checks if c.outcome != "passed" and not c.report_only]
    if not bad:
        return _gate(
            "checks", "held", f"{len(report.checks)} checks hold on the copy.", measured=str(len(report.checks))
        )
    said = "; ".join(f"{c.name} {c.outcome}: {c.message or c.value or ''}".rstrip(": ") for c in bad[:SHOWN])
    return _gate("checks", "broken", f"Checks do not hold on the copy: {said}. Mend the migration or its checks.")


def _reversible(report: Rehearsal, measured: Measured) -> Gate:
    if report.verdict in ("Identical", "IdenticalExcept"):
        but = f", except {', '.join(report.exceptions)}" if report.exceptions else ""
        return _gate("reversible", "held", f"The rollback gave back schema and rows{but}.", measured=report.verdict)
    what = "; ".join(report.differences[:SHOWN]) or "the rollback did not come to its end"
    if measured.strategy != "auto":
        return _gate(
            "reversible", "held", f"It does not go back by itself ({what}); rollback.strategy is {measured.strategy}."
        )
    if measured.irreversible and report.verdict is None:  # it stopped at that step, as the spec says it may
        return _gate("reversible", "held", f"It does not go back by itself ({what}); the spec accepts that.")
    return _gate(
        "reversible",
        "broken",
        f"Rolled back on the copy, it was not what it had been: {what}. Give the step a `down`, or use an operation.",
        measured=report.verdict or "not proven",
    )


def _as_planned(report: Rehearsal, spec: RehearsalSpec) -> Gate:
    other = [t for t in report.statements if t.direction == "forward" and not as_planned(t)]
    if not other:
        return _gate("classAsPlanned", "held", "No statement locked more than its plan says.")
    said = "; ".join(
        f"step {t.step}: planned {t.static_class}, seen {t.measured_class} ({t.statement[:80]})" for t in other[:SHOWN]
    )
    yes = (
        "accepted by rehearsal.acceptUnproven"
        if spec.accept_unproven
        else ("look at them; rehearsal.acceptUnproven: true of the MigrationTarget says yes")
    )
    return _gate("classAsPlanned", "unproven", f"Statements locked more than their plan says: {said}; {yes}.")


def _locks(report: Rehearsal, spec: RehearsalSpec) -> Gate:
    budget = spec.lock_budget or DEFAULT_LOCK_BUDGET
    held, trace, lock = longest_lock(report)
    seen = f"{held:.0f} ms"
    if trace is None or lock is None or held <= milliseconds(budget):
        return _gate("lockBudget", "held", f"The application waits {seen} at most.", budget, seen)
    return _gate(
        "lockBudget",
        "broken",
        f"Step {trace.step} ({trace.direction}) would block {' and '.join(lock.blocks[:2])} of {lock.relation} for "
        f"{seen}, and {budget} is allowed (rehearsal.lockBudget): {trace.statement[:120]}. Use an operation that does "
        "it in small parts.",
        budget,
        seen,
    )


def _duration(report: Rehearsal, spec: RehearsalSpec, measured: Measured) -> Gate:
    budget = spec.duration_budget or measured.deadline
    word = "rehearsal.durationBudget" if spec.duration_budget else "its deadline, after which it rolls back"
    takes = report.forward_ms * report.scale
    seen = f"{takes / 1000:.1f} s"
    if takes <= milliseconds(budget):
        return _gate("durationBudget", "held", f"It takes about {seen}.", budget, seen)
    return _gate(
        "durationBudget", "broken", f"It would take about {seen}, and {budget} is allowed ({word}).", budget, seen
    )


def _disk(report: Rehearsal, spec: RehearsalSpec, measured: Measured) -> Gate:
    wal = max(
        (sum(t.wal_bytes for t in report.statements if t.direction == d) for d in ("forward", "reverse")), default=0
    )
    need = round((measured.rewritten_bytes + wal) * report.scale)
    seen = f"{need / 1e6:.1f} MB"
    if spec.disk_free is None:
        return _gate("diskNeeded", "held", f"It needs about {seen} (tables and indexes written anew, WAL).", "", seen)
    if need <= size_in_bytes(spec.disk_free):
        return _gate("diskNeeded", "held", f"It needs about {seen}.", spec.disk_free, seen)
    return _gate(
        "diskNeeded",
        "broken",
        f"It needs about {seen} for tables and indexes written anew and WAL, and rehearsal.diskFree is "
        f"{spec.disk_free}. Make room first.",
        spec.disk_free,
        seen,
    )
