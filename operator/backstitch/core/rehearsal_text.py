# SPDX-License-Identifier: Apache-2.0
"""How does a rehearsal read on a terminal: one line for each statement, each query that changed, and each gate?"""

from __future__ import annotations

from backstitch.core.gates import scaled_ms
from backstitch.core.rehearsal_summary import Estimate
from backstitch.core.trace import CLASSES, MODES, is_felt
from backstitch.core.view_text import duration_text, size_text
from backstitch.model.rehearsal import Rehearsal, StatementTrace

_HEAD = ("step", "took", "lock", "held", "rows", "WAL", "statement")
_TEXT = 70


def rehearsal_lines(report: Rehearsal) -> list[str]:
    """Give the lines, without the verdict."""
    lines = [
        f"Rehearsed on a copy ({report.place}, {report.copy_name}): restored in {_ms(report.restore_ms)}, forward "
        f"{_ms(report.forward_ms)}, back {_ms(report.rollback_ms)}, in all {_ms(report.duration_ms)}."
    ]
    if report.scale > 1:
        lines.append(f"Production is {report.scale:.1f} times as large; times that grow with it are scaled.")
    for direction in ("forward", "reverse"):
        found = [t for t in report.statements if t.direction == direction]
        if found:
            lines += ["", f"{direction}:", *_table([_HEAD, *(_row(t) for t in found)])]
    changed = [q for q in report.queries if q.verdict != "works"]
    lines += [f"query after {q.phase}: {q.verdict}: {q.query[:_TEXT]} ({q.detail})" for q in changed]
    lines += ["", *(f"gate {g.name}: {g.result}. {g.message}" for g in report.gates)]
    return lines


def estimate_text(estimate: Estimate) -> str:
    """Give such as `about 2.1 s, the application waits 12 ms; back in 400 ms`."""
    return (
        f"about {_ms(estimate.forward_ms)}, the application waits {_ms(estimate.blocked_ms)}; back in "
        f"{_ms(estimate.rollback_ms)} (rehearsed)"
    )


def _row(trace: StatementTrace) -> tuple[str, ...]:
    strongest = max(trace.locks, key=lambda lock: (MODES.index(lock.mode), lock.held_ms), default=None)
    notes = [f"rewrites {name}" for name in trace.rewrote] + [f"builds {name}" for name in trace.built]
    notes += [f"reads all of {name}" for name in trace.scanned]
    if trace.static_class in CLASSES and trace.static_class != trace.measured_class:
        notes.append(f"planned {trace.static_class}")
    text = trace.statement if len(trace.statement) <= _TEXT else trace.statement[: _TEXT - 1] + "…"
    return (
        trace.step or "(row images)",
        _ms(scaled_ms(trace)) + (f" ({trace.runs}x)" if trace.runs > 1 else ""),
        "-" if strongest is None else f"{strongest.mode.removesuffix('Lock')} {strongest.relation}",
        "-" if strongest is None else _ms(strongest.held_ms) + ("!" if is_felt(strongest) else ""),
        f"{trace.rows:,}" if trace.rows else "-",
        size_text(trace.wal_bytes),
        text + (f"  [{'; '.join(notes)}]" if notes else ""),
    )


def _table(rows: list[tuple[str, ...]]) -> list[str]:
    widths = [max(len(row[n]) for row in rows) for n in range(len(_HEAD) - 1)]
    return [
        "  " + "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[-1]]).rstrip()
        for row in rows
    ]


def _ms(milliseconds: float) -> str:
    return duration_text(round(milliseconds))
