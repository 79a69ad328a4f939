# SPDX-License-Identifier: Apache-2.0
"""How are lengths of time written in a spec?"""

from __future__ import annotations

import re
from datetime import timedelta

DURATION = r"^([0-9]+(s|m|h|d))+$"
"""The pattern that models and CRDs check."""

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def parse_duration(text: str) -> timedelta:
    """Read `90s`, `5m`, `1h30m` or `2d`. Raises ValueError."""
    parts = re.findall(r"([0-9]+)([smhd])", text)
    if not parts or "".join(n + u for n, u in parts) != text:
        raise ValueError(f"{text!r} is not a duration; write such as 90s, 5m, 1h30m or 2d.")
    try:
        return sum((timedelta(**{_UNITS[unit]: int(number)}) for number, unit in parts), timedelta())
    except OverflowError:
        raise ValueError(f"{text!r} is longer than any calendar; write such as 2d.") from None
