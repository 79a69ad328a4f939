# SPDX-License-Identifier: Apache-2.0
"""What does the command line say, line by line, where nobody watches a terminal? One line per change, on stderr.

The result, JSON or text, goes to stdout. Everything written passes `redact`.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Protocol

import click

from backstitch.app.logs import redact
from backstitch.core.view import status_of
from backstitch.core.view_text import (
    backup_summary,
    check_summary,
    duration_text,
    message_of,
    progress_of,
)
from backstitch.model.names import API_VERSION
from backstitch.model.record import Record, StepRecord
from backstitch.model.spec import MigrationSpec
from backstitch.model.states import RESTING, State

WHAT_TO_DO = {
    State.REFUSED: "Mend it and run it again.",
    State.ROLLED_BACK: "Change the file to try again, or run it with --retry to try it again as it is.",
    State.STOPPED: "When the cause is gone, run it again with --retry.",
    State.NEEDS_HELP: "Look at it, then undo it with `backstitch rollback`, or check it again with --retry.",
}

ROWS_EVERY_PERCENT = 10
"""A long step says how far it is each time another tenth is done."""


class Display(Protocol):
    """Shows a run to a person."""

    def note(self, text: str) -> None:
        """Say something that is not about a step."""

    def show(self, record: Record) -> None:
        """Take a record; called at every change, batches included, so it must be quick."""

    def close(self) -> None:
        """Stop showing. Safe to call twice."""


def say(text: str = "") -> None:
    """Write one line for people to stderr."""
    click.echo(redact(text), err=True)


def give(text: str) -> None:
    """Write the result to stdout."""
    click.echo(redact(text))


def give_json(value: Any) -> None:
    """Write the result to stdout as JSON."""
    give(json.dumps(value, indent=2, ensure_ascii=False, default=str))


class Lines:
    """One line per change."""

    def __init__(self, spec: MigrationSpec, write: Callable[[str], None] = say) -> None:
        self._spec = spec
        self._write = write
        self._last: Record | None = None
        self._tenths: dict[str, int] = {}

    def note(self, text: str) -> None:
        """Say it."""
        self._write(text)

    def show(self, record: Record) -> None:
        """Write what is new in this record."""
        for line in self._news(record):
            self._write(line)
        self._last = record

    def close(self) -> None:
        """Nothing is open."""

    def _news(self, record: Record) -> list[str]:
        last = self._last
        lines = []
        if last is None or _place(record) != _place(last):
            lines.append(self._state_line(record))
        if record.backup is not None and (last is None or record.backup != last.backup):
            lines.append(f"  backup: {backup_summary(record.backup)}")
        if record.blockers and (last is None or record.blockers != last.blockers):
            lines += [f"  waits for a lock held by {blocker}" for blocker in record.blockers]
        before = {s.name: s for s in last.steps} if last is not None else {}
        lines += [line for step in record.steps for line in self._step_lines(step, before.get(step.name))]
        known = last.checks if last is not None else ()
        lines += [f"  check {check_summary(check)}" for check in record.checks if check not in known]
        return lines

    def _state_line(self, record: Record) -> str:
        if record.state in RESTING:
            return f"{record.state}: {message_of(record, WHAT_TO_DO)}"
        phase = f", phase {record.phase}" if record.phase else ""
        why = f": {record.message}" if record.message else ""
        return f"{record.state}{phase} ({progress_of(record, self._spec)}){why}"

    def _step_lines(self, step: StepRecord, before: StepRecord | None) -> list[str]:
        if before is None or step.state != before.state:
            if step.state == "pending":
                return []
            self._tenths.pop(step.name, None)
            return [f"  step {step.name} ({step.operation}): {step_summary(step)}"]
        if step.state == "running" and step.rows_estimated and step.rows_done:
            tenth = min(100, 100 * step.rows_done // step.rows_estimated) // ROWS_EVERY_PERCENT
            if tenth > self._tenths.get(step.name, 0):
                self._tenths[step.name] = tenth
                return [f"  step {step.name}: {rows_text(step)}"]
        return []


def _place(record: Record) -> tuple[str, ...]:
    """What makes a new line about the whole; while it runs, its message changes too often for that."""
    return (record.state, record.reason, record.phase or "", record.message if record.state in RESTING else "")


def step_summary(step: StepRecord) -> str:
    """Give a step's state with what it did."""
    parts: list[str] = [step.state]
    if step.rows_done:
        parts.append(rows_text(step))
    if step.lock_waited_ms:
        parts.append(f"waited {duration_text(step.lock_waited_ms)} for locks")
    if step.state != "running" and step.duration_ms:
        parts.append(f"took {duration_text(step.duration_ms)}")
    if step.message:
        parts.append(step.message)
    return ", ".join(parts)


def rows_text(step: StepRecord) -> str:
    """Give such as `1,200 of about 5,000 rows`."""
    done = f"{step.rows_done:,}"
    return f"{done} of about {step.rows_estimated:,} rows" if step.rows_estimated else f"{done} rows"


def document_of(record: Record, spec: MigrationSpec, now: Any) -> dict[str, Any]:
    """Give the final status as `kubectl get -o json` would: an object without its spec."""
    return {
        "apiVersion": API_VERSION,
        "kind": "DatabaseMigration",
        "metadata": {"name": record.name, "namespace": record.namespace},
        "status": status_of(record, spec, 1, None, now),
    }


def full_text(record: Record, spec: MigrationSpec) -> str:
    """Give a whole record as text: where it is, its steps, checks, backup and rollback."""
    lines = [f"{record.name} (version {record.version}, attempt {record.attempt}): {record.state}"]
    lines.append(f"  {message_of(record, WHAT_TO_DO)}")
    lines.append(f"  progress {progress_of(record, spec)}")
    if record.backup is not None:
        lines.append(f"  backup: {backup_summary(record.backup)}")
    lines += [f"  step {s.name} ({s.operation}): {step_summary(s)}" for s in record.steps]
    lines += [f"  check {check_summary(c)}" for c in record.checks]
    if record.rollback is not None and record.rollback.kept:
        lines += ["  rows left as the application wrote them later:", *(f"    {k}" for k in record.rollback.kept)]
    return "\n".join(lines)
