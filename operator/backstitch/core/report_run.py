# SPDX-License-Identifier: Apache-2.0
"""The parts of a report that tell what happened to the real database: timeline, steps, checks, backup, rollback."""

from __future__ import annotations

from datetime import datetime

from backstitch.core.report_data import Report, StepSpan, UnitSpan
from backstitch.core.report_html import Html, Part, badge, join, section, table, tag
from backstitch.core.report_timeline import Band, Bar, Row, chart, legend
from backstitch.core.report_words import PROOFS, Tone, lost
from backstitch.core.view_text import duration_text, proof_of, size_text
from backstitch.model.backup import CopyRecord
from backstitch.model.record import RollbackRecord, StepRecord

_STEP_TONES: dict[str, Tone] = {"done": "good", "failed": "bad", "undone": "warn", "running": "calm"}
_CHECK_TONES: dict[str, Tone] = {"passed": "good", "failed": "bad", "error": "bad", "inconclusive": "warn"}
_LOCKS = {
    "exclusive": "exclusive lock, asked for briefly: reads and writes wait",
    "validate": "reads and writes go on; other DDL waits",
    "rows": "rows in batches",
    "none": "no lock on an existing table",
    "unknown": "your own SQL",
}
MAX_LISTED = 50


def run_timeline(report: Report) -> Html | None:
    """Draw backup, steps by phase, and rollback."""
    begin = report.created_at or report.record.started_at
    if begin is None:
        return None
    bands: list[Band] = []
    backup = report.record.backup
    if backup is not None and backup.duration_ms and not backup.waived:
        bar = Bar(0, backup.duration_ms, "backup", "backup, restored and compared")
        bands.append(Band("Before the first change", [Row("backup and its proof", _took(backup.duration_ms), [bar])]))
    fills = set()
    for phase in dict.fromkeys(s.phase for s in report.spans):
        rows = [_step_row(s, begin, report) for s in report.spans if s.phase == phase and s.started_at is not None]
        fills |= {bar.fill for row in rows for bar in row.bars}
        bands.append(Band(f"Phase {phase}", rows))
    rollback, finished = report.record.rollback, report.record.finished_at
    if rollback is not None and rollback.duration_ms and finished is not None:
        end = _ms(begin, finished)
        bar = Bar(end - rollback.duration_ms, end, "back", "undone, and compared with the start")
        bands.append(Band("Way back", [Row("rollback and its proof", _took(rollback.duration_ms), [bar])]))
    drawn = chart(bands, label="Timeline of backup, steps and rollback")
    if not drawn:
        return None
    words = [("failed", "failed"), *_LOCKS.items()]
    return section(
        "Timeline",
        drawn,
        legend([(fill, said) for fill, said in words if fill in fills]),
        intro="When each step ran on the real database. Its colour is the strongest lock that was planned for it.",
    )


def _ms(begin: datetime, then: datetime) -> float:
    return (then - begin).total_seconds() * 1000


def _took(milliseconds: float) -> str:
    return duration_text(int(milliseconds))


def _step_row(span: StepSpan, begin: datetime, report: Report) -> Row:
    assert span.started_at is not None
    start = _ms(begin, span.started_at)
    end = _ms(begin, span.finished_at or report.record.finished_at or report.made_at)
    state = next((s.state for s in report.record.steps if s.name == span.name), "done")
    lock = strongest(span.units)
    bars = [Bar(start, end, "failed" if state == "failed" else lock, f"{span.name}: {state}")]
    name = join(span.name, tag("span", f" {state}", cls="quiet") if state != "done" else None)
    return Row(name, _took(end - start), bars)


def strongest(units: tuple[UnitSpan, ...]) -> str:
    """Give the strongest lock class that was planned for a step."""
    found = {u.lock for u in units}
    return next((lock for lock in ("exclusive", "unknown", "validate", "rows", "none") if lock in found), "unknown")


def steps_table(report: Report) -> Html:
    """Give what each step did."""
    spans = {s.name: s for s in report.spans}
    rows: list[tuple[Part, ...]] = []
    for step in report.record.steps:
        span = spans.get(step.name)
        texts = [text for unit in span.units for text in unit.statements] if span else []
        rows.append(
            (
                join(tag("strong", step.name), tag("div", f"{step.operation}, phase {step.phase}", cls="quiet")),
                badge(step.state, _STEP_TONES.get(step.state, "calm")),
                _took(step.duration_ms) if step.duration_ms else "–",
                f"{step.rows_done:,}" if step.rows_done else "–",
                join(_what(step, span.units if span else ()), _statements(texts)),
            )
        )
    return section("Steps", table(("Step", "State", "Took", "Rows", "What it did"), rows))


def _what(step: StepRecord, units: tuple[UnitSpan, ...]) -> Html:
    parts: list[Part] = [tag("div", step.message)] if step.message else []
    if units:
        tables = sorted({u.table for u in units if u.table})
        where = f"{', '.join(tables)}: " if tables else ""
        parts.append(tag("div", f"{where}{_LOCKS[strongest(units)]}", cls="quiet"))
    if step.lock_waited_ms:
        parts.append(tag("div", f"waited {_took(step.lock_waited_ms)} for locks", cls="quiet"))
    return join(*parts)


def _statements(texts: list[str]) -> Html | None:
    if not texts:
        return None
    shown = [tag("pre", text) for text in texts[:MAX_LISTED]]
    more = tag("p", f"and {len(texts) - MAX_LISTED} more", cls="quiet") if len(texts) > MAX_LISTED else None
    label = "1 statement" if len(texts) == 1 else f"{len(texts)} statements"
    return tag("details", tag("summary", label), *shown, more)


def checks_table(report: Report) -> Html | None:
    """Give what each check found, against what was wanted."""
    if not report.record.checks:
        return None
    rows: list[tuple[Part, ...]] = [
        (
            join(tag("strong", c.name), tag("div", f"phase {c.phase}" if c.phase else "at the end", cls="quiet")),
            join(badge(c.outcome, _CHECK_TONES[c.outcome]), tag("div", "report only") if c.report_only else None),
            c.value if c.value is not None else "–",
            c.expected or "–",
            c.message or "",
        )
        for c in report.record.checks
    ]  # fmt: skip
    return section("Checks", table(("Check", "Result", "Found", "Wanted", "Said"), rows))


def backup_part(report: Report) -> Html | None:
    """Give where the backup is and how it was proven."""
    backup = report.record.backup
    if backup is None:
        return None
    if backup.waived:
        return section("Backup", tag("p", badge("none", "warn"), f" {backup.waived}"))
    proven = badge("proven", "good") if backup.proven else badge("NOT proven", "bad")
    pairs: list[tuple[str, Part]] = [
        ("State", join(proven, f" {PROOFS[backup.proof]}" if backup.proven else None)),
        ("Place", tag("span", backup.place, cls="code")),
        ("Size", size_text(backup.bytes)),
        ("Taken at", f"{backup.taken_at:%Y-%m-%d %H:%M:%S} UTC" if backup.taken_at else None),
        ("Took", _took(backup.duration_ms) if backup.duration_ms else None),
        ("SHA-256", tag("span", backup.sha256, cls="code") if backup.sha256 else None),
        ("Schema version", backup.schema_version),
        ("Copies", lines(tuple(_copy(copy) for copy in backup.copies))),
        ("Restore point", backup.restore_point.name if backup.restore_point is not None else None),
    ]
    return section("Backup", pairs_list(pairs))


def _copy(copy: CopyRecord) -> str:
    return f"{copy.url}: " + ("read back and equal" if copy.verified_at is not None else copy.message or "not there")


def rollback_part(rollback: RollbackRecord | None) -> Html | None:
    """Give what went back and how it was proven."""
    if rollback is None:
        return None
    tones: dict[str, Tone] = {"Identical": "good", "IdenticalExcept": "warn", "Different": "bad"}
    verdict = badge(rollback.verdict, tones[rollback.verdict]) if rollback.verdict else badge("not proven yet", "warn")
    pairs: list[tuple[str, Part]] = [
        ("Proof", join(verdict, " ", proof_of(rollback))),
        ("Cause", rollback.cause or None),
        ("Way", f"rung {rollback.rung} of the rollback ladder"),
        ("Steps undone", str(rollback.steps_undone)),
        ("Rows put back", f"{rollback.rows_restored:,}"),
        ("Took", _took(rollback.duration_ms) if rollback.duration_ms else None),
        ("Writes waited", _took(rollback.pause_ms) if rollback.pause_ms is not None else None),
        ("Lost", lost(rollback) or None),
        ("Counted before", lines(rollback.cost)),
        ("Except", lines(rollback.exceptions)),
        ("Different", lines(rollback.differences)),
        ("Left as the application wrote them later", lines(rollback.kept)),
        ("Kept in", lines(rollback.archived)),
    ]
    return section("Rollback and its proof", pairs_list(pairs))


def lines(words: tuple[str, ...]) -> Html | None:
    """Give texts below each other; nothing for none."""
    shown = [tag("div", w) for w in words[:MAX_LISTED]]
    if len(words) > MAX_LISTED:
        shown.append(tag("div", f"and {len(words) - MAX_LISTED} more", cls="quiet"))
    return join(*shown) if words else None


def pairs_list(pairs: list[tuple[str, Part]]) -> Html:
    """Give names with their values; pairs without a value are left out."""
    shown = [(tag("dt", name), tag("dd", value)) for name, value in pairs if value is not None]
    return tag("dl", *(part for pair in shown for part in pair))
