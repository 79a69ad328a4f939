# SPDX-License-Identifier: Apache-2.0
"""Can a cron expression and a time zone, as people write them, be read? For windows and schedules."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError


def check_cron(value: str) -> str:
    """Give the expression back. Raises ValueError: it is not one of five fields."""
    wrong = f"{value!r} is not a cron expression of five fields"
    if len(value.split()) != 5:
        raise ValueError(wrong)
    try:
        CronSim(value, datetime(2026, 1, 1, tzinfo=UTC))
    except CronSimError as error:
        raise ValueError(f"{wrong} ({error})") from None
    return value


def check_zone(value: str) -> str:
    """Give the name back. Raises ValueError: there is no such time zone."""
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"{value!r} is not a time zone; write an IANA name such as Europe/Berlin") from None
    return value
