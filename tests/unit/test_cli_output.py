# SPDX-License-Identifier: Apache-2.0
"""What do people see of a run: one line per change, or a screen that is drawn again?"""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from backstitch.app.output import Lines, full_text, say
from backstitch.app.progress import Screen
from backstitch.model.checks import CheckResult
from backstitch.model.record import BackupRecord, Record, RollbackRecord, StepRecord
from backstitch.model.spec import MigrationSpec
from backstitch.model.states import State

SPEC = MigrationSpec.model_validate(
    {
        "targetRef": {"name": "shop"},
        "version": "1",
        "type": "schema",
        "phases": [
            {"name": "all", "steps": [{"name": "add", "addColumn": {"table": "t", "column": "c", "type": "text"}}]}
        ],
    }
)


def a_step(**changes: Any) -> StepRecord:
    return StepRecord(**{"name": "add", "phase": "all", "operation": "addColumn", **changes})


def a_record(state: State = State.MIGRATING, **changes: Any) -> Record:
    steps = changes.pop("steps", (a_step(state="running"),))
    return Record(**{"namespace": "n", "name": "m", "version": "1", "state": state, "steps": steps, **changes})


def lines_of(*records: Record) -> list[str]:
    written: list[str] = []
    lines = Lines(SPEC, written.append)
    for record in records:
        lines.show(record)
    return written


def test_nothing_new_is_no_line() -> None:
    assert lines_of(a_record(), a_record()) == lines_of(a_record())


def test_batches_are_told_by_tenths() -> None:
    batches = [a_record(steps=(a_step(state="running", rows_done=n, rows_estimated=1000),)) for n in range(0, 1001, 10)]
    told = [line for line in lines_of(*batches) if "of about" in line]
    assert len(told) == 10
    assert told[-1] == "  step add: 1,000 of about 1,000 rows"


def test_a_lock_holder_is_named_once() -> None:
    blocked = a_record(blockers=("pid 7 (reports)",))
    assert lines_of(a_record(), blocked, blocked)[-1] == "  waits for a lock held by pid 7 (reports)"
    assert sum("pid 7" in line for line in lines_of(a_record(), blocked, blocked)) == 1


def test_a_step_tells_its_end_with_rows_waits_and_time() -> None:
    done = a_step(state="done", rows_done=5, lock_waited_ms=120, duration_ms=3400)
    assert lines_of(a_record(), a_record(steps=(done,)))[-1] == (
        "  step add (addColumn): done, 5 rows, waited 120 ms for locks, took 3.4 s"
    )


def test_a_message_that_changes_at_rest_is_told() -> None:
    before = a_record(State.SUCCEEDED, message="Done.")
    after = a_record(State.SUCCEEDED, message="The revert window has ended.")
    assert lines_of(before, after)[-1] == "Succeeded: The revert window has ended."


def test_a_command_line_speaks_of_options_not_of_annotations() -> None:
    rolled_back = a_record(State.ROLLED_BACK, message="Check x failed.", rollback=RollbackRecord(verdict="Identical"))
    text = full_text(rolled_back, SPEC) + "\n".join(lines_of(rolled_back))
    assert "--retry" in text
    assert "annotation" not in text


def test_what_looks_like_a_password_is_not_written(capsys: pytest.CaptureFixture[str]) -> None:
    say("cannot reach postgresql://app:hidden-word@host/db")
    assert capsys.readouterr().err == "cannot reach postgresql://app:***@host/db\n"


def screen_of(*moments: tuple[float, Record]) -> str:
    now = [0.0]
    console = Console(file=io.StringIO(), force_terminal=True, width=150, color_system=None)
    screen = Screen(SPEC, lambda: now[0], console)
    for seconds, record in moments:
        now[0] = seconds
        screen.show(record)
    screen.close()
    screen.close()
    written = console.file
    assert isinstance(written, io.StringIO)
    return written.getvalue()


def test_the_screen_shows_the_rate_of_a_running_step() -> None:
    start = a_record(steps=(a_step(state="running", rows_done=1000, rows_estimated=9000),))
    later = a_record(steps=(a_step(state="running", rows_done=5000, rows_estimated=9000),))
    assert "5,000 of about 9,000 rows, 2,000/s" in screen_of((0, start), (2, later))


def test_the_screen_ends_with_checks_backup_and_what_to_do() -> None:
    record = a_record(
        State.ROLLED_BACK,
        steps=(a_step(state="undone", message="undone with [brackets]"),),
        checks=(CheckResult(name="x", outcome="failed", value="5", expected="0"),),
        backup=BackupRecord(place="s3://b/m.json", bytes=1000, proven=True),
        message="Check x failed.",
        rollback=RollbackRecord(verdict="Identical", tables_proven=2),
    )
    shown = screen_of((0, record))
    for words in (
        "m RolledBack  0/1 0%",
        "↩ add",
        "undone with [brackets]",
        "✗ x failed: found 5, expected 0",
        "backup: 1.0 kB at s3://b/m.json, proven",
        "proven identical to the start (2 tables compared)",
        "--retry",
    ):
        assert words in shown
