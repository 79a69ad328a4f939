# SPDX-License-Identifier: Apache-2.0
"""What may a migration cost the application, as the owner says: whose waits end, how fast a backfill may be."""

from __future__ import annotations

from pydantic import Field

from backstitch.model.base import Frozen
from backstitch.model.duration import DURATION

SIZE = r"^[0-9]+(kB|MB|GB|TB)$"


class EndBlockers(Frozen):
    """Which sessions may be ended because a migration waits for their locks; what is left out ends nobody."""

    idle_in_transaction_after: str | None = Field(
        default=None,
        description="End a session that holds up this target's migrations while it does nothing inside a transaction "
        "older than this.",
        pattern=DURATION,
        max_length=20,
    )
    active_after: str | None = Field(
        default=None,
        description="End a session that holds up this target's migrations in a transaction older than this, also one "
        "that works.",
        pattern=DURATION,
        max_length=20,
    )


class Throttle(Frozen):
    """When a backfill pauses; what is left out is not looked at."""

    max_replication_lag: str | None = Field(
        default=None,
        description="Pause while a standby replays later than this.",
        pattern=DURATION,
        max_length=20,
    )
    max_slot_retained: str | None = Field(
        default=None,
        description="Pause while a replication slot keeps more WAL than this, such as 2GB.",
        pattern=SIZE,
        max_length=20,
    )
    max_archive_backlog: int | None = Field(
        default=None,
        description="Pause while more WAL files than this wait to be archived.",
        ge=0,
        le=1_000_000,
    )
    pause_ms: int | None = Field(
        default=None, description="Milliseconds to rest after every batch; default 0.", ge=0, le=60_000
    )


_UNITS = {"kB": 10, "MB": 20, "GB": 30, "TB": 40}


def bytes_of(size: str) -> int:
    """Read `512MB` or `2GB`, in powers of two as PostgreSQL has them. Raises ValueError."""
    number, unit = size[:-2], size[-2:]
    if unit not in _UNITS or not number.isdigit():
        raise ValueError(f"{size!r} is not a size; write such as 512MB or 2GB.")
    return int(number) << _UNITS[unit]
