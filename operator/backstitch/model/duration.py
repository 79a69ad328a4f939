# SPDX-License-Identifier: Apache-2.0
"""How are lengths of time written in a spec?"""

from __future__ import annotations

import re
from datetime import timedelta

DURATION = r"^([0-9]{1,9}s|[0-9]{1,7}m|[0-9]{1,6}h|[0-9]{1,5}d)+$"
"""The pattern that models and CRDs check. Twenty letters of it are at most 900 years: added to now, still a date."""

MAX_LENGTH = 20
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def parse_duration(text: str) -> timedelta:
    """Read `90s`, `5m`, `1h30m` or `2d`. Raises ValueError."""
    if not re.fullmatch(DURATION, text) or len(text) > MAX_LENGTH:
        raise ValueError(f"{text!r} is not a duration; write such as 90s, 5m, 1h30m or 2d.")
    parts = re.findall(r"([0-9]+)([smhd])", text)
    return sum((timedelta(**{_UNITS[unit]: int(number)}) for number, unit in parts), timedelta())
