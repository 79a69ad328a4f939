# SPDX-License-Identifier: Apache-2.0
"""The parts of a report that tell what a rehearsal on a copy showed: gates, locks over time, statements, queries."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from backstitch.core.report_html import Html, Part, badge, join, section, table, tag
from backstitch.core.report_run import lines, pairs_list
from backstitch.core.report_timeline import Band, Bar, Row, chart, legend
from backstitch.core.report_words import Tone
from backstitch.core.view_text import check_summary, duration_text, size_text
from backstitch.model.rehearsal import LockSeen, QueryFinding, Rehearsal, StatementTrace

MAX_ROWS = 40  # statements that a chart draws
MAX_QUERIES = 100

_GATES: dict[str, tuple[str, str]] = {
    "lockBudget": ("Locks are short enough", "longest lock that keeps the application waiting"),
    "durationBudget": ("It is quick enough", "time for the whole migration"),
    "diskNeeded": ("There is room on the disk", "bytes written beside the old ones"),
    "reversible": ("It can be undone", "the copy after the rollback against its start"),
    "backupProven": ("The backup is good", "the copy was restored from it"),
    "classAsPlanned": ("Locks are as planned", "what the text said against what was seen"),
    "checks": ("The checks hold", "every check, on the copy"),
    "workload": ("The application's queries work", "prepared and explained after each phase"),
}
_GATE_TONES: dict[str, Tone] = {"held": "good", "broken": "bad", "unproven": "warn"}
_PLACES = {
    "sameServer": "on a copy beside the database",
    "otherServer": "on a copy on another server",
    "sample": "on a copy with some rows of each table",
}
_VERDICTS: dict[str, tuple[str, Tone]] = {
    "fails": ("fails", "bad"),
    "sequentialScan": ("reads all rows", "bad"),
    "indexLost": ("index lost", "warn"),
    "resultTypeChanged": ("other columns", "warn"),
    "notTried": ("not tried", "calm"),
    "works": ("works", "good"),
}
_FILL_WORDS = [
    ("exclusive", "lock: writes wait, perhaps reads too"),
    ("validate", "lock: only DDL and vacuum wait"),
    ("rows", "lock: as the application's own writes"),
    ("none", "lock: nobody waits"),
]


def rehearsal_parts(rehearsal: Rehearsal) -> list[Html]:
    """Give the sections, most important first."""
    parts = [_summary(rehearsal), _queries(rehearsal.queries), _trace(rehearsal), _statements(rehearsal)]
    return [part for part in parts if part is not None]


def fill_of(lock: LockSeen) -> str:
    """Give the colour of a lock by whom it keeps waiting."""
    if "writes" in lock.blocks or "reads" in lock.blocks:
        return "exclusive"
    if "vacuum" in lock.blocks:
        return "validate"
    return "rows" if lock.blocks else "none"


def _ms(value: float | None) -> str:
    return duration_text(round(value or 0))


def _summary(rehearsal: Rehearsal) -> Html:
    where = _PLACES.get(rehearsal.place, rehearsal.place)
    pairs: list[tuple[str, Part]] = [
        ("Ended early", tag("strong", rehearsal.failure) if rehearsal.failure else None),
        ("When", f"{rehearsal.started_at:%Y-%m-%d %H:%M:%S} UTC" if rehearsal.started_at else None),
        ("Took", f"{_ms(rehearsal.duration_ms)}: copy {_ms(rehearsal.restore_ms)}, forward "
                 f"{_ms(rehearsal.forward_ms)}, back {_ms(rehearsal.rollback_ms)}"),
        ("Size", f"production is about {rehearsal.scale:.1f} times the copy" if rehearsal.scale > 1.05 else None),
        ("After the rollback", _verdict(rehearsal)),
        ("Except", lines(rehearsal.exceptions)),
        ("Different", lines(rehearsal.differences)),
        ("Checks", lines(tuple(check_summary(c) for c in rehearsal.checks))),
    ]  # fmt: skip
    rows: list[tuple[Part, ...]] = []
    for gate in rehearsal.gates:
        name, meaning = _GATES[gate.name]
        rows.append(
            (
                join(tag("strong", name), tag("div", meaning, cls="quiet")),
                badge(gate.result, _GATE_TONES[gate.result]),
                gate.measured or "–",
                gate.allowed or "–",
                gate.message,
            )
        )
    gates = table(("Gate", "Result", "Measured", "Allowed", "Said"), rows) if rows else None
    return section(
        "Rehearsal",
        gates,
        tag("h3", "The rehearsal itself"),
        pairs_list(pairs),
        intro=f"Before production was touched the whole migration ran {where}: forward, all the way back, compared, "
        "and forward again.",
        anchor="rehearsal",
    )


def _verdict(rehearsal: Rehearsal) -> Html | None:
    if rehearsal.verdict is None:
        return None
    tones: dict[str, Tone] = {"Identical": "good", "IdenticalExcept": "warn", "Different": "bad"}
    return badge(rehearsal.verdict, tones[rehearsal.verdict])


def _trace(rehearsal: Rehearsal) -> Html | None:
    traced = rehearsal.statements
    if not traced:
        return None
    drawn = set(sorted(range(len(traced)), key=lambda i: -traced[i].duration_ms)[:MAX_ROWS])
    bands, fills = [], set()
    for direction in ("forward", "reverse", "forward again"):
        rows = [_row(traced[i]) for i in sorted(drawn) if traced[i].direction == direction]
        fills |= {bar.fill for row in rows for bar in row.below}
        if rows:
            bands.append(Band({"forward": "Forward", "reverse": "Way back"}.get(direction, "Forward again"), rows))
    left_out = len(traced) - len(drawn)
    return section(
        "Locks over time, on the copy",
        chart(bands, label="Timeline of the rehearsal's statements and their locks"),
        legend([("bar", "statement"), *((fill, said) for fill, said in _FILL_WORDS if fill in fills)]),
        tag("p", f"{left_out} shorter ones are not drawn; the table has them.", cls="quiet") if left_out else None,
        intro="Each statement with, below it, the locks it took until the end of its transaction.",
    )  # fmt: skip


def _row(trace: StatementTrace) -> Row:
    start, end = trace.started_ms, trace.started_ms + trace.duration_ms
    strong = sorted(trace.locks, key=lambda lock: ("exclusive", "validate", "rows", "none").index(fill_of(lock)))[:6]
    locks = [
        Bar(start, start + lock.held_ms, fill_of(lock),
            f"{lock.mode} on {lock.relation}, {_ms(lock.held_ms)}; waits: {', '.join(lock.blocks) or 'nobody'}")
        for lock in strong
    ]  # fmt: skip
    line = " ".join(trace.statement.split())
    name = join(trace.step or trace.phase, tag("div", line[:80], cls="quiet one"))
    return Row(name, _ms(trace.duration_ms), [Bar(start, end, "bar", line)], locks)


def _statements(rehearsal: Rehearsal) -> Html | None:
    forward = [t for t in rehearsal.statements if t.direction == "forward"]
    if not forward:
        return None
    rows: list[tuple[Part, ...]] = []
    for trace in forward:
        scaled = trace.scaled_duration_ms
        took = join(_ms(trace.duration_ms), tag("div", f"about {_ms(scaled)} there", cls="quiet") if scaled else None)
        rows.append(
            (
                join(tag("strong", trace.step), tag("div", f"phase {trace.phase}", cls="quiet")),
                join(tag("pre", trace.statement), tag("div", _effects(trace), cls="quiet")),
                took,
                join(*(tag("div", _lock(lock)) for lock in trace.locks), _surprise(trace)),
            )
        )
    head = ("Step", "Statement", "Took", "Locks")
    return section("Statements on the copy", table(head, rows))


def _effects(trace: StatementTrace) -> str:
    said = [f"ran {trace.runs} times"] if trace.runs > 1 else []
    said += [f"rewrote {name}" for name in trace.rewrote]
    said += [f"built {name}" for name in trace.built]
    said += [f"read all of {name}" for name in trace.scanned]
    said += [f"{trace.rows:,} rows"] if trace.rows else []
    said += [f"{size_text(trace.wal_bytes)} of WAL"] if trace.wal_bytes else []
    return ", ".join(said)


def _lock(lock: LockSeen) -> str:
    waits = f": {', '.join(lock.blocks)} wait" if lock.blocks else ""
    return f"{lock.mode} on {lock.relation}, {_ms(lock.held_ms)}{waits}"


def _surprise(trace: StatementTrace) -> Html | None:
    if not trace.static_class or trace.static_class == trace.measured_class:
        return None
    return tag("div", badge(f"{trace.measured_class or 'nothing'} seen, {trace.static_class} planned", "warn"))


def _queries(findings: Sequence[QueryFinding]) -> Html | None:
    if not findings:
        return None
    counted = Counter(f.verdict for f in findings)
    phases: dict[tuple[str, ...], list[QueryFinding]] = {}  # one row for what is the same after several phases
    for finding in findings:
        if finding.verdict != "works":
            key = (finding.query, finding.role or "", finding.verdict, finding.detail)
            phases.setdefault(key, []).append(finding)
    bad = sorted(phases.values(), key=lambda same: (list(_VERDICTS).index(same[0].verdict), -(same[0].calls or 0)))
    rows: list[tuple[Part, ...]] = [
        (
            badge(*_VERDICTS[same[0].verdict]),
            join(tag("pre", same[0].query[:1000]), tag("div", _source(same[0]), cls="quiet")),
            "" if same[0].verdict == "notTried" else ", ".join(f.phase for f in same),
            same[0].detail,
        )
        for same in bad[:MAX_QUERIES]
    ]
    said = f"{counted['works']} of {len(findings)} tries work as before."
    more = f" {len(bad) - MAX_QUERIES} more are in the JSON." if len(bad) > MAX_QUERIES else ""
    return section(
        "The application's queries",
        table(("Result", "Query", "After phase", "Why"), rows) if rows else None,
        intro=f"Each was prepared and explained after each phase on the copy, never run. {said}{more}",
        anchor="queries",
    )


def _source(finding: QueryFinding) -> str:
    said = ["written down in the spec" if finding.source == "spec" else "seen by pg_stat_statements"]
    said += [f"as {finding.role}"] if finding.role else []
    said += [f"{finding.calls:,} calls"] if finding.calls else []
    return ", ".join(said)
