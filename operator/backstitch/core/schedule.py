# SPDX-License-Identifier: Apache-2.0
"""Which scheduled backup is due now? From the schedule and the last runs; a missed time is made up for once."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

from cronsim import CronSim

from backstitch.model.backup_spec import BackupKind, BackupSchedule


class Due(NamedTuple):
    """A backup that should have been taken at `at` (UTC)."""

    kind: BackupKind
    at: datetime


def due_backup(schedule: BackupSchedule, last: Mapping[BackupKind, datetime], now: datetime) -> Due | None:
    """Give what is due at `now` (aware), full before incremental; None: nothing.

    `last`: for each kind the due time that was served last. A full backup serves an incremental that was due before
    it. What was never taken is due at once: a schedule that waits for its first time leaves a gap that nobody sees.
    """
    full = _latest(schedule.full, schedule.time_zone, now)
    if full is not None and _open(last.get("full"), full):
        return Due("full", full)
    incremental = _latest(schedule.incremental, schedule.time_zone, now)
    served = max((moment for moment in (last.get("incremental"), last.get("full")) if moment), default=None)
    if incremental is not None and _open(served, incremental):
        return Due("incremental", incremental)
    return None


def next_backup(schedule: BackupSchedule, now: datetime) -> datetime | None:
    """Give when the next one comes after `now` (UTC)."""
    zone = ZoneInfo(schedule.time_zone or "UTC")
    coming = (
        next(iter(CronSim(cron, now.astimezone(zone))), None) for cron in (schedule.full, schedule.incremental) if cron
    )
    return min((moment.astimezone(UTC) for moment in coming if moment is not None), default=None)


def _open(served: datetime | None, due: datetime) -> bool:
    return served is None or served < due


def _latest(cron: str | None, time_zone: str | None, now: datetime) -> datetime | None:
    """The last time of a cron expression at or before `now`. CronSim gives what comes strictly before its start."""
    if cron is None:
        return None
    zone = ZoneInfo(time_zone or "UTC")
    minute = now.astimezone(zone).replace(second=0, microsecond=0)
    start = datetime.fromtimestamp(minute.timestamp() + 60, zone)
    found = next(iter(CronSim(cron, start, reverse=True)), None)
    return found.astimezone(UTC) if found is not None else None
