# SPDX-License-Identifier: Apache-2.0
"""When do windows and freezes let a migration begin?"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from backstitch.core.windows import why_shut
from backstitch.model.duration import DURATION, parse_duration
from backstitch.model.rollback_spec import RollbackSpec
from backstitch.model.windows import Freeze, Window

SATURDAY_NIGHT = Window(cron="0 2 * * 6", duration="4h", time_zone="Europe/Berlin")
CHRISTMAS = Freeze(
    start=datetime(2026, 12, 20, tzinfo=UTC), end=datetime(2027, 1, 6, tzinfo=UTC), reason="Christmas trade."
)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def test_no_window_and_no_freeze_is_always_open() -> None:
    assert why_shut([], [], at("2026-11-24T12:00:00Z")) is None


@pytest.mark.parametrize(
    ("now", "is_open"),
    [
        ("2026-11-28T01:00:00+00:00", True),  # the very minute it opens: 02:00 in Berlin
        ("2026-11-28T00:59:59+00:00", False),
        ("2026-11-28T04:59:59+00:00", True),
        ("2026-11-28T05:00:00+00:00", False),  # the end is not in it
        ("2026-11-29T02:00:00+00:00", False),
        ("2026-07-04T00:00:00+00:00", True),  # summer time: 02:00 in Berlin is 00:00 UTC
        ("2026-07-04T04:00:00+00:00", False),
    ],
)
def test_a_window_follows_its_time_zone(now: str, is_open: bool) -> None:
    assert (why_shut([SATURDAY_NIGHT], [], at(now)) is None) == is_open


def test_outside_it_says_when_it_begins() -> None:
    shut = why_shut([SATURDAY_NIGHT], [], at("2026-11-24T12:00:00+00:00"))
    assert shut is not None
    assert shut.reason == "OutsideWindow"
    assert shut.until == at("2026-11-28T01:00:00+00:00")
    assert "2026-11-28 01:00 UTC" in shut.message


def test_the_nearest_of_several_windows_counts() -> None:
    daily = Window(cron="30 3 * * *", duration="30m")
    shut = why_shut([SATURDAY_NIGHT, daily], [], at("2026-11-24T12:00:00+00:00"))
    assert shut is not None
    assert shut.until == at("2026-11-25T03:30:00+00:00")


def test_a_freeze_holds_also_inside_a_window_and_the_next_opening_lies_behind_it() -> None:
    shut = why_shut([SATURDAY_NIGHT], [CHRISTMAS], at("2026-12-26T02:00:00+00:00"))
    assert shut is not None
    assert shut.reason == "Frozen"
    assert "Christmas trade" in shut.message
    assert shut.until == at("2027-01-09T01:00:00+00:00")


def test_a_window_that_lies_in_a_freeze_is_passed_over() -> None:
    shut = why_shut([SATURDAY_NIGHT], [CHRISTMAS], at("2026-12-19T12:00:00+00:00"))
    assert shut is not None
    assert shut.reason == "OutsideWindow"
    assert shut.until == at("2027-01-09T01:00:00+00:00")


def test_a_freeze_that_ends_in_an_open_window_begins_at_its_end() -> None:
    freeze = Freeze(start=at("2026-11-28T00:00:00Z"), end=at("2026-11-28T03:00:00Z"))
    shut = why_shut([SATURDAY_NIGHT], [freeze], at("2026-11-28T01:30:00+00:00"))
    assert shut is not None
    assert shut.until == at("2026-11-28T03:00:00+00:00")


def test_a_window_once_in_four_years_says_that_none_comes_soon() -> None:
    leap_day = Window(cron="0 0 29 2 *", duration="1h")
    shut = why_shut([leap_day], [Freeze(start=at("2028-02-28T00:00:00Z"), end=at("2028-03-02T00:00:00Z"))],
                    at("2026-11-24T12:00:00Z"))  # fmt: skip
    assert shut is not None
    assert shut.until is None
    assert "400 days" in shut.message


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("cron", "every saturday", "cron expression"),
        ("cron", "0 0 31 2 *", "Bad day-of-month"),
        ("cron", "0 0 2 * * 6", "five fields"),
        ("timeZone", "Mars/Olympus", "time zone"),
        ("timeZone", "../../etc/passwd", "time zone"),
        ("duration", "8d", "at most 7d"),
        ("duration", "0s", "longer than nothing"),
        ("duration", "soon", "pattern"),
    ],
)
def test_a_window_that_cannot_be_is_refused_by_name(field: str, value: str, said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        Window.model_validate({"cron": "0 2 * * 6", "duration": "4h", field: value})


@pytest.mark.parametrize(
    ("start", "end", "said"),
    [
        ("2026-12-20T00:00:00", "2026-12-21T00:00:00Z", "offset"),
        ("20261220", "2026-12-21T00:00:00Z", "is no time"),
        ("-1", "2026-12-21T00:00:00Z", "is no time"),
        ("2026-12-20T00:00:00Z", "2026-12-20T00:00:00Z", "after start"),
    ],
)
def test_a_freeze_that_cannot_be_is_refused(start: str, end: str, said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        Freeze.model_validate({"start": start, "end": end})


@pytest.mark.parametrize("text", ["", "1", "h", "1 h", "1h ", "9" * 30 + "d"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="write such as"):
        parse_duration(text)


@given(st.from_regex(DURATION, fullmatch=True).filter(lambda text: len(text) <= 20))
def test_what_a_spec_may_say_is_a_time_that_can_be_added_to_now(text: str) -> None:
    assert (datetime(2026, 1, 1, tzinfo=UTC) + parse_duration(text)).year < 3000


@pytest.mark.parametrize("text", ["99999999999999999d", "999999999d", "9999999d"])
def test_what_no_calendar_holds_is_refused_with_the_spec(text: str) -> None:
    with pytest.raises(ValidationError, match="pattern"):
        RollbackSpec.model_validate({"revertWindow": text})


def test_durations_add_up() -> None:
    assert parse_duration("1d2h3m4s") == timedelta(days=1, hours=2, minutes=3, seconds=4)


@given(
    minute=st.integers(0, 525_600),
    zone=st.sampled_from(["UTC", "Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe"]),
    hour=st.integers(0, 23),
)
def test_whenever_it_is_shut_the_moment_it_names_is_open(minute: int, zone: str, hour: int) -> None:
    now = at("2026-01-01T00:00:00Z") + timedelta(minutes=minute)
    windows = [Window(cron=f"0 {hour} * * 1-5", duration="90m", time_zone=zone)]
    freezes = [Freeze(start=at("2026-06-01T00:00:00Z"), end=at("2026-06-20T12:34:56Z"))]
    shut = why_shut(windows, freezes, now)
    if shut is not None:
        assert shut.until is not None
        assert shut.until > now
        assert why_shut(windows, freezes, shut.until) is None
