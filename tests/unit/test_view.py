# SPDX-License-Identifier: Apache-2.0
"""Does the status say what the ledger's record means, to people and to kstatus, for every state?"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backstitch.core.view import status_of
from backstitch.core.view_conditions import TABLE
from backstitch.core.view_text import duration_text, size_text
from backstitch.model.checks import CheckResult
from backstitch.model.conditions import MIGRATION_CONDITIONS
from backstitch.model.record import BackupRecord, Record, RollbackRecord, StepRecord
from backstitch.model.spec import MigrationSpec
from backstitch.model.states import RESTING, State
from backstitch.model.status import MigrationStatus
from tests.kstatus import kstatus

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
SPEC = MigrationSpec.model_validate(
    {
        "targetRef": {"name": "shop"},
        "version": "1",
        "type": "schema",
        "phases": [
            {
                "name": "expand",
                "steps": [
                    {"name": "one", "addColumn": {"table": "users", "column": "a", "type": "text"}},
                    {"name": "two", "addColumn": {"table": "users", "column": "b", "type": "text"}},
                ],
            }
        ],
    }
)


def a_step(name: str = "one", **changes: Any) -> StepRecord:
    return StepRecord(**{"name": name, "phase": "expand", "operation": "addColumn", **changes})


def a_record(state: State = State.PENDING, **changes: Any) -> Record:
    return Record(**{"namespace": "shop", "name": "full-name", "version": "1", "state": state, **changes})


def a_status(record: Record, previous: dict[str, Any] | None = None, *, now: datetime = NOW) -> dict[str, Any]:
    return status_of(record, SPEC, 3, previous, now)


def condition(status: dict[str, Any], type_: str) -> dict[str, Any]:
    return next(c for c in status["conditions"] if c["type"] == type_)


def test_every_state_has_a_row() -> None:
    assert set(TABLE) == set(State)


@pytest.mark.parametrize("state", State)
def test_all_conditions_are_there_from_the_first_pass(state: State) -> None:
    status = a_status(a_record(state))
    types = [c["type"] for c in status["conditions"]]
    assert types[: len(MIGRATION_CONDITIONS)] == list(MIGRATION_CONDITIONS)
    assert all(c["observedGeneration"] == 3 and c["reason"] and c["message"] for c in status["conditions"])
    assert status["observedGeneration"] == 3


@pytest.mark.parametrize("state", State)
def test_waiting_tools_see_done_failed_or_in_progress(state: State) -> None:
    resource = {"metadata": {"generation": 3}, "status": a_status(a_record(state))}
    if state is State.SUCCEEDED:
        assert kstatus(resource) == "Current"
    else:
        assert kstatus(resource) == ("Failed" if state in RESTING else "InProgress")


@pytest.mark.parametrize("state", State)
def test_a_status_of_an_older_spec_is_in_progress(state: State) -> None:
    assert kstatus({"metadata": {"generation": 4}, "status": a_status(a_record(state))}) == "InProgress"


def test_an_object_nobody_looked_at_is_in_progress() -> None:
    """What the CRD's default for status is there for."""
    assert kstatus({"metadata": {"generation": 1}, "status": {"observedGeneration": -1}}) == "InProgress"


def test_a_transition_time_stays_until_the_status_value_changes() -> None:
    first = a_status(a_record(State.BACKING_UP))
    second = a_status(a_record(State.MIGRATING), first, now=NOW + timedelta(seconds=5))
    third = a_status(a_record(State.SUCCEEDED), second, now=NOW + timedelta(seconds=9))
    assert condition(second, "Ready")["lastTransitionTime"] == condition(first, "Ready")["lastTransitionTime"]
    assert condition(third, "Ready")["lastTransitionTime"] != condition(second, "Ready")["lastTransitionTime"]


def test_a_previous_status_of_another_version_is_no_trouble() -> None:
    strange = {"conditions": [{"type": "Odd"}, "word"], "state": 4}
    assert a_status(a_record(), strange)["state"] == "Pending"


def test_steps_are_listed_before_anything_ran() -> None:
    steps = a_status(a_record())["steps"]
    assert [(s["name"], s["phase"], s["operation"], s["state"]) for s in steps] == [
        ("one", "expand", "addColumn", "pending"),
        ("two", "expand", "addColumn", "pending"),
    ]


@pytest.mark.parametrize(
    ("steps", "progress"),
    [
        ([], "0/2 0%"),
        ([a_step(state="done"), a_step("two", state="running", rows_done=250, rows_estimated=1000)], "1/2 62%"),
        ([a_step(state="done"), a_step("two", state="running", rows_done=9000, rows_estimated=1000)], "1/2 99%"),
        ([a_step(state="done"), a_step("two", state="done")], "2/2 100%"),
        ([a_step(state="undone"), a_step("two", state="undone")], "0/2 0%"),
    ],
)
def test_progress_counts_steps_and_the_rows_of_the_running_one(steps: list[StepRecord], progress: str) -> None:
    assert a_status(a_record(State.MIGRATING, steps=tuple(steps)))["progress"] == progress


def test_a_step_shows_rows_lock_wait_and_duration() -> None:
    step = a_step(state="running", rows_done=10, rows_estimated=40, lock_waited_ms=120, duration_ms=900, message="x")
    shown = a_status(a_record(State.MIGRATING, steps=(step,)))["steps"][0]
    assert shown == {
        "name": "one",
        "phase": "expand",
        "operation": "addColumn",
        "state": "running",
        "rowsDone": 10,
        "rowsEstimated": 40,
        "lockWaitedMs": 120,
        "durationMs": 900,
        "message": "x",
    }


def test_a_failed_check_is_told_with_its_value_and_expectation() -> None:
    check = CheckResult(name="no-orphans", outcome="failed", value="5", expected="0")
    status = a_status(a_record(State.ROLLING_BACK, checks=(check,)))
    assert status["checks"][0]["value"] == "5"
    assert condition(status, "Verified") | {"lastTransitionTime": ""} == {
        "type": "Verified",
        "status": "False",
        "reason": "CheckFailed",
        "message": "no-orphans failed: found 5, expected 0",
        "observedGeneration": 3,
        "lastTransitionTime": "",
    }


def test_a_report_only_check_does_not_spoil_verified() -> None:
    check = CheckResult(name="slow", outcome="failed", report_only=True)
    assert condition(a_status(a_record(State.SUCCEEDED, checks=(check,))), "Verified")["status"] == "True"


@pytest.mark.parametrize(
    ("backup", "status", "reason", "words"),
    [
        (None, "False", "NotStarted", "No backup"),
        (
            BackupRecord(place="s3://b/m.json", bytes=4_700_000, proven=True),
            "True",
            "BackupProven",
            "4.7 MB at s3://b/m.json",
        ),
        (BackupRecord(place="s3://b/m.json"), "False", "BackupNotProven", "NOT proven"),
        (BackupRecord(place="", waived="development"), "False", "NotRequired", "development"),
    ],
)
def test_backed_up_is_true_only_for_a_proven_backup(
    backup: BackupRecord | None, status: str, reason: str, words: str
) -> None:
    said = condition(a_status(a_record(State.MIGRATING, backup=backup)), "BackedUp")
    assert (said["status"], said["reason"]) == (status, reason)
    assert words in said["message"]


@pytest.mark.parametrize(
    ("rollback", "reason", "words"),
    [
        (
            RollbackRecord(verdict="Identical", tables_proven=1),
            "Identical",
            "identical to the start (1 table compared)",
        ),
        (
            RollbackRecord(verdict="IdenticalExcept", exceptions=("sequence values moved on",), rows_kept=3),
            "IdenticalExcept",
            "except for sequence values moved on; 3 rows that the application wrote later",
        ),
        (None, "NotProven", "no record of the proof"),
    ],
)
def test_a_rollback_says_what_was_proven(rollback: RollbackRecord | None, reason: str, words: str) -> None:
    status = a_status(a_record(State.ROLLED_BACK, message="Check x failed", rollback=rollback))
    said = condition(status, "RolledBack")
    assert (said["status"], said["reason"]) == ("True", reason)
    assert words in said["message"]
    if rollback:
        assert words in status["message"]
        assert status["message"].startswith("Check x failed. ")


def test_a_rollback_that_is_different_is_no_rollback() -> None:
    rollback = RollbackRecord(verdict="Different", differences=("index users_email is missing",))
    status = a_status(a_record(State.NEEDS_HELP, rollback=rollback))
    assert condition(status, "RolledBack")["status"] == "False"
    assert "index users_email is missing" in status["message"]


@pytest.mark.parametrize("state", [State.REFUSED, State.STOPPED, State.ROLLED_BACK, State.NEEDS_HELP])
def test_a_migration_that_failed_says_what_to_do(state: State) -> None:
    assert "backstitch.dev/retry" in a_status(a_record(state, message="Something happened"))["message"]


def test_success_says_until_when_it_can_be_undone() -> None:
    status = a_status(a_record(State.SUCCEEDED, revert_until=NOW))
    assert "until 2026-01-01 12:00 UTC" in status["message"]
    assert status["revertUntil"] == "2026-01-01T12:00:00Z"


def test_a_lock_holder_is_named() -> None:
    status = a_status(a_record(State.MIGRATING, blockers=("pid 7 (reports): select",)))
    assert status["blockers"] == ["pid 7 (reports): select"]
    assert "held by pid 7 (reports)" in status["message"]


def test_durations_run_until_the_end_or_now() -> None:
    started = NOW - timedelta(seconds=90)
    assert a_status(a_record(State.MIGRATING, started_at=started))["durationMs"] == 90_000
    ended = a_record(State.SUCCEEDED, started_at=started, finished_at=started + timedelta(seconds=2))
    assert a_status(ended)["durationMs"] == 2000


words = st.text(max_size=5000)


@given(
    state=st.sampled_from(State),
    message=words,
    reason=words,
    value=words,
    lines=st.lists(words, max_size=80),
)
def test_any_record_fits_the_crd(state: State, message: str, reason: str, value: str, lines: list[str]) -> None:
    """The API server would refuse a longer status, and nobody would learn why a migration failed."""
    record = a_record(
        state,
        message=message,
        reason=reason,
        steps=(a_step(state="failed", message=message),),
        checks=(CheckResult(name="c", outcome="error", value=value, expected=value, message=message),),
        backup=BackupRecord(place=value),
        rollback=RollbackRecord(cause=message, verdict="Different", differences=tuple(lines), kept=tuple(lines)),
        blockers=tuple(lines),
        handled_requests=tuple(lines) * 4,
    )
    status = a_status(record)
    assert MigrationStatus.model_validate(status).to_plain() == status
    assert "\0" not in str(status)


def test_the_largest_status_leaves_room_for_the_spec() -> None:
    """etcd takes 1.5 MiB for both; a spec file may have 1 MiB."""
    long = "x" * 10_000
    record = a_record(
        State.NEEDS_HELP,
        message=long,
        steps=tuple(a_step(f"{n:063}", message=long) for n in range(500)),
        checks=tuple(
            CheckResult(name=f"{n:063}", outcome="error", value=long, expected=long, message=long) for n in range(350)
        ),
        rollback=RollbackRecord(cause=long, kept=(long,) * 99, differences=(long,) * 99, exceptions=(long,) * 99),
        blockers=(long,) * 99,
    )
    assert len(json.dumps(a_status(record)).encode()) < 700_000


def test_sizes_and_durations_are_short() -> None:
    assert [size_text(n) for n in (812, 4_700, 1_200_000_000, 5 * 10**12)] == ["812 B", "4.7 kB", "1.2 GB", "5.0 TB"]
    assert [duration_text(n) for n in (12, 3400, 125_000, 4_320_000)] == ["12 ms", "3.4 s", "2m 05s", "1h 12m"]
