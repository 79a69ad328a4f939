# SPDX-License-Identifier: Apache-2.0
"""Which sentences and numbers tell a tired person where a migration is, and what to do? Used by status and terminal."""

from __future__ import annotations

from collections.abc import Mapping

from backstitch.model.checks import CheckResult
from backstitch.model.names import RETRY, ROLLBACK
from backstitch.model.record import BackupRecord, Record, RollbackRecord, StepRecord
from backstitch.model.rehearsal_record import RehearsalRecord
from backstitch.model.spec import MigrationSpec
from backstitch.model.states import State

S = State

_WHAT_HAPPENS: dict[State, str] = {
    S.PENDING: "Not looked at yet.",
    S.REFUSED: "Refused; nothing was touched.",
    S.AWAITING_APPROVAL: "Waits for a person to approve the plan.",
    S.WAITING: "Waits for its turn.",
    S.BACKING_UP: "Takes and proves a backup; nothing was touched yet.",
    S.REHEARSING: "Rehearses on a copy; nothing was touched yet.",
    S.MIGRATING: "Runs its steps.",
    S.VERIFYING: "Runs its checks.",
    S.ROLLING_BACK: "Undoes its steps.",
    S.SUCCEEDED: "All steps are done and all checks hold.",
    S.ROLLED_BACK: "Undone.",
    S.STOPPED: "Stopped before the first change; nothing was touched.",
    S.NEEDS_HELP: "No machine can settle this.",
}

WHAT_TO_DO: Mapping[State, str] = {
    S.REFUSED: f"Change the spec, or set the annotation {RETRY} to try again as it is.",
    S.ROLLED_BACK: f"Change the spec to try again, or set the annotation {RETRY} to try it again as it is.",
    S.STOPPED: f"When the cause is gone, set the annotation {RETRY} to try again.",
    S.NEEDS_HELP: f"Look at it, then set the annotation {ROLLBACK} to undo it, or {RETRY} to check it again.",
}


def message_of(record: Record, what_to_do: Mapping[State, str] = WHAT_TO_DO) -> str:
    """Give what happens or happened, with the proof of a rollback, and what a person can do.

    `what_to_do` has the words of the place where it is read: annotations in a cluster, options on a command line.
    """
    parts = [record.message.strip() or _WHAT_HAPPENS[record.state]]
    rollback = record.rollback if record.state in (S.ROLLED_BACK, S.NEEDS_HELP) else None
    if rollback is not None and (rollback.verdict is None or rollback.verdict not in parts[0]):
        parts.append(proof_of(rollback))
    if record.state is S.SUCCEEDED and record.revert_until is not None and "revert window" not in parts[0]:
        parts.append(f"It can be rolled back until {record.revert_until:%Y-%m-%d %H:%M} UTC.")
    if record.blockers and record.state in (S.MIGRATING, S.ROLLING_BACK):
        parts.append(f"Waits for a lock held by {record.blockers[0]}.")
    to_do = what_to_do.get(record.state)
    if to_do and not any(annotation in parts[0] for annotation in (RETRY, ROLLBACK)):
        parts.append(to_do)
    return " ".join(_sentence(part) for part in parts)


def _sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?", "…", ")")) else f"{text}."


def proof_of(rollback: RollbackRecord) -> str:
    """Give what the comparison with the start said."""
    tables = f"{rollback.tables_proven} {'table' if rollback.tables_proven == 1 else 'tables'}"
    match rollback.verdict:
        case "Identical":
            said = f"Schema and rows are proven identical to the start ({tables} compared)"
        case "IdenticalExcept":
            said = f"Schema and rows are proven identical to the start ({tables} compared) except for "
            said += "; ".join(rollback.exceptions) or "what is listed in status.rollback"
        case "Different":
            said = "NOT as before: " + ("; ".join(rollback.differences[:3]) or "see status.rollback")
        case None:
            said = "Whether everything is as before is not proven yet"
    if rollback.rows_kept:
        said += f"; {rollback.rows_kept} rows that the application wrote later were left alone"
    if rollback.rows_lost:
        said += f"; {rollback.rows_lost} rows written since the backup are in its exported files only"
    if rollback.pause_ms is not None:
        said += f"; writes waited {rollback.pause_ms} ms"
    return said + "."


def backup_summary(backup: BackupRecord) -> str:
    """Give one line about the backup."""
    if backup.waived:
        return f"no backup: {backup.waived}"
    proven = "proven" if backup.proven else "NOT proven"
    if backup.proven and backup.proof == "restore":
        proven = "proven by a restored server"
    point = f", restore point {backup.restore_point.name}" if backup.restore_point else ""
    places = sum(1 for copy in backup.copies if copy.verified_at is not None)
    copies = f", {places} of {len(backup.copies)} copies" if backup.copies else ""
    return f"{size_text(backup.bytes)} at {backup.place}, {proven}{copies}{point}"


def rehearsal_summary(rehearsal: RehearsalRecord) -> str:
    """Give one line about the rehearsal: its result, its times, and what did not hold."""
    if rehearsal.waived:
        return f"none: {rehearsal.waived}"
    said = (
        f"{'proven' if rehearsal.result == 'Proven' else 'NOT proven'} on a copy ({rehearsal.place}): forward "
        f"{duration_text(rehearsal.forward_ms)}, back {duration_text(rehearsal.rollback_ms)}"
    )
    if rehearsal.verdict:
        said += f", {rehearsal.verdict} after the rollback"
    said += f", the application waits {duration_text(rehearsal.longest_lock_ms)} at most"
    return "; ".join([said, *(rehearsal.gates or [])])


def check_summary(check: CheckResult) -> str:
    """Give one line about a check: its value against its expectation."""
    said = f"{check.name} {check.outcome}"
    if check.value is not None:
        said += f": found {check.value}"
        said += f", expected {check.expected}" if check.expected else ""
    if check.message and check.outcome != "passed":
        said += f" ({check.message})"
    return said + (" [report only]" if check.report_only else "")


def progress_of(record: Record, spec: MigrationSpec) -> str:
    """Give such as `3/7 62%`: steps done of all, and percent with the rows of the running step counted in."""
    steps = record.steps
    total = len(steps) or len(spec.steps())
    if not total:
        return "0/0 0%"
    percent = int(100 * sum(_share(step) for step in steps) / total)
    return f"{record.steps_done}/{total} {percent}%"


def _share(step: StepRecord) -> float:
    """How much of a step is done, from 0 to 1; a running one never counts as whole."""
    if step.state == "done":
        return 1.0
    if step.state != "running" or not step.rows_estimated:
        return 0.0
    return min(0.99, step.rows_done / step.rows_estimated)


def size_text(size: int) -> str:
    """Give such as `812 B`, `4.7 kB` or `1.2 GB`; powers of 1000."""
    value = float(size)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:
            return f"{size} B" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"


def duration_text(milliseconds: int) -> str:
    """Give such as `12 ms`, `3.4 s`, `2m 05s` or `1h 12m`."""
    if milliseconds < 1000:
        return f"{milliseconds} ms"
    seconds = milliseconds / 1000
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(int(seconds), 60)
    if minutes < 60:
        return f"{minutes}m {rest:02d}s"
    return f"{minutes // 60}h {minutes % 60:02d}m"
