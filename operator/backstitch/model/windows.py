# SPDX-License-Identifier: Apache-2.0
"""When may migrations of a target begin: what the platform team writes about windows and freezes."""

from __future__ import annotations

from datetime import datetime, timedelta

from pydantic import Field, field_validator, model_validator

from backstitch.model.base import Frozen
from backstitch.model.cron import check_cron, check_zone
from backstitch.model.duration import DURATION, parse_duration


class Window(Frozen):
    """A time in which migrations may begin."""

    cron: str = Field(description="When it opens: five cron fields, such as `0 2 * * 6`.", min_length=9, max_length=100)
    duration: str = Field(
        description="How long it stays open, such as 4h; at most 7d.", pattern=DURATION, max_length=20
    )
    time_zone: str | None = Field(
        default=None, description="IANA name such as Europe/Berlin; default UTC.", min_length=1, max_length=64
    )

    @field_validator("cron")
    @classmethod
    def _can_be_read(cls, value: str) -> str:
        return check_cron(value)

    @field_validator("time_zone")
    @classmethod
    def _is_a_zone(cls, value: str | None) -> str | None:
        return value if value is None else check_zone(value)

    @field_validator("duration")
    @classmethod
    def _is_not_too_long(cls, value: str) -> str:
        if not timedelta() < parse_duration(value) <= timedelta(days=7):
            raise ValueError(f"{value!r} must be longer than nothing and at most 7d")
        return value


class Freeze(Frozen):
    """A time in which no migration begins, whatever the windows say."""

    start: datetime = Field(description="From when, RFC 3339 with an offset, such as 2026-12-20T00:00:00Z.")
    end: datetime = Field(description="Until when.")
    reason: str | None = Field(default=None, description="Why, for people who wait.", max_length=200)

    @field_validator("start", "end", mode="before")
    @classmethod
    def _is_no_number(cls, value: object) -> object:
        if isinstance(value, int | float) or (isinstance(value, str) and "-" not in value[1:]):
            raise ValueError(f"{value!r} is no time; write such as 2026-12-20T00:00:00Z")  # not seconds since 1970
        return value

    @model_validator(mode="after")
    def _has_an_order(self) -> Freeze:
        if self.start.tzinfo is None or self.end.tzinfo is None:
            raise ValueError("start and end need an offset, such as 2026-12-20T00:00:00Z")
        if self.end <= self.start:
            raise ValueError(f"end ({self.end.isoformat()}) must come after start ({self.start.isoformat()})")
        return self
