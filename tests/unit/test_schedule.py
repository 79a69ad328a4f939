# SPDX-License-Identifier: Apache-2.0
"""Which scheduled backup is due? Missed times are made up for once, in the schedule's own time zone."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from pydantic import ValidationError

from backstitch.core.schedule import Due, due_backup, next_backup
from backstitch.model.backup_spec import BackupSchedule, BackupStorage

HOURLY = BackupSchedule(full="0 3 * * 0", incremental="0 * * * *")
SUNDAY_FULL = datetime.fromisoformat("2026-11-22T03:00:00Z")


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"2026-11-{text}:00Z")


@pytest.mark.parametrize(
    ("last", "now", "due"),
    [
        pytest.param({}, at("24T10:30"), ("full", SUNDAY_FULL), id="what was never taken is due at once"),
        pytest.param({"full": SUNDAY_FULL}, at("22T03:59"), None, id="a full one serves the incremental before it"),
        pytest.param({"full": SUNDAY_FULL}, at("22T04:00"), ("incremental", at("22T04:00")), id="to the minute"),
        pytest.param(
            {"full": SUNDAY_FULL, "incremental": at("22T04:00")},
            at("24T10:30"),
            ("incremental", at("24T10:00")),
            id="many missed times are one",
        ),
        pytest.param({"full": SUNDAY_FULL, "incremental": at("24T10:00")}, at("24T10:59"), None, id="served"),
        pytest.param(
            {"full": SUNDAY_FULL, "incremental": at("24T10:00")},
            at("29T03:00"),
            ("full", at("29T03:00")),
            id="full before incremental",
        ),
    ],
)
def test_due(last: dict[Any, datetime], now: datetime, due: tuple[Any, datetime] | None) -> None:
    assert due_backup(HOURLY, last, now) == (Due(*due) if due else None)


@pytest.mark.parametrize(
    ("now", "due"),
    [
        ("2026-03-28T12:00:00Z", "2026-03-28T01:30:00Z"),
        ("2026-03-29T00:59:00Z", "2026-03-28T01:30:00Z"),
        ("2026-03-29T12:00:00Z", "2026-03-29T01:00:00Z"),  # half past two did not exist that night
        ("2026-10-25T12:00:00Z", "2026-10-25T00:30:00Z"),  # and in this one twice: the first counts
    ],
)
def test_summer_time(now: str, due: str) -> None:
    nightly = BackupSchedule(full="30 2 * * *", time_zone="Europe/Berlin")
    assert due_backup(nightly, {}, datetime.fromisoformat(now)) == Due("full", datetime.fromisoformat(due))


def test_next() -> None:
    assert next_backup(HOURLY, at("24T10:30")) == at("24T11:00")
    assert next_backup(BackupSchedule(full="0 3 * * 0"), at("24T10:30")) == at("29T03:00")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"full": "every day"}, "not a cron expression"),
        ({"full": "0 0 * * * *"}, "five fields"),
        ({"full": "0 25 * * *"}, "not a cron expression"),
        ({"full": "0 3 * * *", "timeZone": "Mars/Olympus"}, "not a time zone"),
        ({}, "needs full or incremental"),
    ],
)
def test_what_cannot_be_a_schedule(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        BackupSchedule.model_validate(given)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"method": "pgBackRest"}, r"pgBackRest\.stanza"),
        ({"method": "cloudNativePG"}, r"cloudNativePG\.cluster"),
        ({"proof": "restore"}, "needs method pgBackRest or cloudNativePG"),
        ({"method": "pgBackRest", "proof": "restore", "pgBackRest": {"stanza": "s"}}, "sideFolder"),
        ({"schedule": {"incremental": "0 * * * *"}}, "a dump is always full"),
    ],
)
def test_what_does_not_fit_together(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        BackupStorage.model_validate({"url": "file:///b", **given})
