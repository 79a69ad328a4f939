# SPDX-License-Identifier: Apache-2.0
"""May a migration of this target begin now, and if not, when?"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from cronsim import CronSim

from backstitch.model.duration import parse_duration
from backstitch.model.windows import Freeze, Window

LONGEST_LOOK_AHEAD = timedelta(days=400)


class Shut(NamedTuple):
    """Why a migration does not begin now."""

    reason: str
    message: str
    until: datetime | None  # UTC; None: no window of the next 400 days lies outside the freezes


def why_shut(windows: Sequence[Window], freezes: Sequence[Freeze], now: datetime) -> Shut | None:
    """Give None when a migration may begin at `now` (aware). Without windows every time outside freezes is good.

    A window decides when a migration begins; one that has begun is taken to its end also after the window closed:
    a half-done migration is worse than a late one.
    """
    frozen = _freeze_at(freezes, now)
    if frozen is not None:
        why = f": {frozen.reason.rstrip('.')}" if frozen.reason else ""
        opens = _next_opening(windows, freezes, frozen.end)
        return Shut("Frozen", f"A freeze holds until {_text(frozen.end)}{why}. {_begins(opens)}", opens)
    if not windows or any(_is_open(window, now) for window in windows):
        return None
    opens = _next_opening(windows, freezes, now)
    return Shut("OutsideWindow", f"No window of the target is open. {_begins(opens)}", opens)


def _begins(opens: datetime | None) -> str:
    if opens is None:
        return "No window opens within 400 days; see spec.policy.windows of the MigrationTarget."
    return f"It begins at {_text(opens)} at the earliest."


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")


def _freeze_at(freezes: Sequence[Freeze], now: datetime) -> Freeze | None:
    holding = [f for f in freezes if f.start <= now < f.end]
    return max(holding, key=lambda f: f.end, default=None)


def _is_open(window: Window, now: datetime) -> bool:
    length = parse_duration(window.duration)
    zone = ZoneInfo(window.time_zone or "UTC")
    # the last opening at or before now; CronSim gives what comes strictly after its start
    opening = next(iter(CronSim(window.cron, (now - length).astimezone(zone))), None)
    return opening is not None and opening.astimezone(UTC) <= now.astimezone(UTC)


def _next_opening(windows: Sequence[Window], freezes: Sequence[Freeze], after: datetime) -> datetime | None:
    moment = after
    while moment - after < LONGEST_LOOK_AHEAD:
        if windows and not any(_is_open(w, moment) for w in windows):
            nexts = [_opening_after(w, moment) for w in windows]
            coming = min((n for n in nexts if n is not None), default=None)
            if coming is None:
                return None
            moment = coming
        frozen = _freeze_at(freezes, moment)
        if frozen is None:
            return moment.astimezone(UTC)
        moment = frozen.end
    return None


def _opening_after(window: Window, moment: datetime) -> datetime | None:
    zone = ZoneInfo(window.time_zone or "UTC")
    return next(iter(CronSim(window.cron, moment.astimezone(zone))), None)
