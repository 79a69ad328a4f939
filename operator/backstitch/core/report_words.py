# SPDX-License-Identifier: Apache-2.0
"""Which three answers does a newcomer need first? What happened, is my data safe, what to do next: sentences only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from backstitch.core.report_data import Report
from backstitch.core.view_text import proof_of, size_text
from backstitch.model.backup_spec import BackupProof
from backstitch.model.names import RETRY, ROLLBACK
from backstitch.model.record import RollbackRecord
from backstitch.model.states import State

S = State
Tone = Literal["good", "bad", "warn", "calm"]

_TONES: dict[State, Tone] = {S.SUCCEEDED: "good", S.ROLLED_BACK: "warn", S.NEEDS_HELP: "bad", S.REFUSED: "warn",
                             S.STOPPED: "warn", S.ROLLING_BACK: "warn"}  # fmt: skip

_HEADLINES: dict[State, str] = {
    S.PENDING: "Not looked at yet",
    S.REFUSED: "Refused: it was not begun",
    S.AWAITING_APPROVAL: "Waits for a person's yes",
    S.WAITING: "Waits for its turn",
    S.BACKING_UP: "Taking and proving a backup",
    S.REHEARSING: "Rehearsing on a copy",
    S.MIGRATING: "Running its steps",
    S.VERIFYING: "Running its checks",
    S.ROLLING_BACK: "Going back",
    S.SUCCEEDED: "Succeeded",
    S.ROLLED_BACK: "Rolled back: the database is as it was before",
    S.STOPPED: "Stopped before the first change",
    S.NEEDS_HELP: "A person must look at this",
}


@dataclass(frozen=True)
class Answer:
    """One of the three answers."""

    question: str
    lead: str
    rest: tuple[str, ...] = ()


def tone_of(report: Report) -> Tone:
    """Give the colour of the whole page."""
    return _TONES.get(report.record.state, "calm")


def headline_of(report: Report) -> str:
    """Give the one line above everything."""
    rollback = report.record.rollback
    if report.record.state is S.ROLLED_BACK and (rollback is None or rollback.verdict != "Identical"):
        excepted = rollback is not None and rollback.verdict == "IdenticalExcept"
        return "Rolled back, with exceptions" if excepted else "Rolled back"
    return _HEADLINES[report.record.state]


def answers_of(report: Report) -> tuple[Answer, Answer, Answer]:
    """Give the three answers, in the order in which people ask."""
    return _happened(report), _safe(report), _next(report)


def _happened(report: Report) -> Answer:
    record = report.record
    steps = f"{record.steps_done} of {len(record.steps)} steps done"
    if record.rollback is not None and record.state in (S.ROLLED_BACK, S.ROLLING_BACK, S.NEEDS_HELP):
        steps = f"{record.rollback.steps_undone} of {len(record.steps)} steps undone"
    held = sum(1 for c in record.checks if c.outcome == "passed")
    checks = f"{held} of {len(record.checks)} checks held" if record.checks else "no checks"
    cause = record.rollback.cause if record.rollback is not None and record.rollback.cause else record.message
    lead = f"{steps}, {checks}." if record.steps else f"{record.state}."
    return Answer("What happened?", lead, (cause,) if cause and record.state is not S.SUCCEEDED else ())


def _safe(report: Report) -> Answer:
    record, question = report.record, "Is my data safe?"
    backup = _backup(report)
    rollback = record.rollback
    match record.state:
        case S.SUCCEEDED:
            return Answer(question, "Yes. Every check held.", (backup,))
        case S.ROLLED_BACK if rollback is not None and rollback.verdict in ("Identical", "IdenticalExcept"):
            lead = "Yes, proven equal to the start."
            if rollback.verdict == "IdenticalExcept":
                lead = "Yes, proven equal to the start but for what is listed."
            if rollback.rows_lost:
                lead = "The start is back; what was written since is not."
            return Answer(question, lead, tuple(p for p in (proof_of(rollback), lost(rollback)) if p))
        case S.ROLLED_BACK:
            return Answer(question, "It went back; there is no proof on record.", (backup,))
        case S.NEEDS_HELP:
            said = proof_of(rollback) if rollback is not None and rollback.verdict is not None else ""
            return Answer(question, "Not proven. Nothing more is changed until a person decides.",
                          tuple(p for p in (said, backup) if p))  # fmt: skip
        case S.MIGRATING | S.VERIFYING | S.ROLLING_BACK:
            lead = "So far yes: each unit of work commits with its record, and has a way back."
            return Answer(question, lead, (backup,))
        case _:
            return Answer(question, "Yes. Nothing in the database was changed.")


def lost(rollback: RollbackRecord) -> str:
    """Give what a rollback took from the application, or ""."""
    if not rollback.rows_lost:
        return ""
    return f"{rollback.rows_lost:,} rows written by the application since the backup are only in the exported files."


PROOFS: dict[BackupProof, str] = {
    "dump": "restored into a scratch database and compared",
    "restore": "restored to its point on a second server and compared",
    "archived": "seen in the archive, with its WAL; not restored",
}


def _backup(report: Report) -> str:
    backup = report.record.backup
    if backup is None:
        return "No backup was taken."
    if backup.waived:
        return f"No backup was taken: {backup.waived}."
    if not backup.proven:
        return f"The backup ({size_text(backup.bytes)}) is NOT proven."
    when = f" of {backup.taken_at:%Y-%m-%d %H:%M} UTC" if backup.taken_at else ""
    return f"The backup{when} ({size_text(backup.bytes)}) is proven: {PROOFS[backup.proof]}."


def _next(report: Report) -> Answer:
    record, question = report.record, "What to do next?"
    undo = f"backstitch rollback {record.name} -n {record.namespace}"
    again = f"`backstitch run … --retry`, or the annotation {RETRY}"
    match record.state:
        case S.SUCCEEDED if record.revert_until is not None and not report.purged:
            if record.revert_until > report.made_at:
                until = f"{record.revert_until:%Y-%m-%d %H:%M} UTC"
                return Answer(question, "Nothing.", (f"Until {until} it can be undone: `{undo}`.",))
            return Answer(question, "Nothing.", ("The revert window has ended.",))
        case S.SUCCEEDED:
            return Answer(question, "Nothing.")
        case S.ROLLED_BACK:
            return Answer(question, "Mend the cause, then try again.", (f"Change the file, or as it is: {again}.",))
        case S.REFUSED:
            return Answer(question, "Change the migration, then try again.", (f"As it is: {again}.",))
        case S.STOPPED:
            return Answer(question, "When the cause is gone, try again.", (f"With {again}.",))
        case S.NEEDS_HELP:
            ways = (f"Undo it: `{undo}`, or the annotation {ROLLBACK}.", f"Check it again: {again}.")
            return Answer(question, "Read the cause, then decide.", ways)
        case S.AWAITING_APPROVAL:
            return Answer(question, "Read the plan; approve it or not.")
        case _:
            return Answer(question, "Wait.", ("It goes on by itself, also after a crash.",))
