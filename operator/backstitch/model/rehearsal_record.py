# SPDX-License-Identifier: Apache-2.0
"""What does a status say of a rehearsal, in short? The whole report is in the ledger (model/rehearsal.py)."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import Field

from backstitch.model.base import Frozen

_Line = Annotated[str, Field(max_length=1000)]


class RehearsalRecord(Frozen):
    """A rehearsal that came to an end, or why there was none."""

    result: str = Field(description="Proven, NotProven, or Waived.", max_length=20)
    waived: str | None = Field(default=None, description="Why there was none.", max_length=500)
    place: str | None = Field(default=None, description="sameServer, otherServer or sample.", max_length=20)
    started_at: datetime | None = Field(default=None, description="When it began.")
    duration_ms: int = Field(default=0, description="Milliseconds it took, with the making of the copy.", ge=0)
    forward_ms: int = Field(default=0, description="Milliseconds of the migration, for production's size.", ge=0)
    rollback_ms: int = Field(default=0, description="Milliseconds of its rollback, for production's size.", ge=0)
    longest_lock_ms: int = Field(
        default=0, description="The longest time in milliseconds that the application would be blocked.", ge=0
    )
    longest_lock: str | None = Field(default=None, description="By which statement, on what.", max_length=1000)
    verdict: str | None = Field(
        default=None, description="The copy after the rollback, compared with its start.", max_length=20
    )
    gates: list[_Line] | None = Field(
        default=None, description="Gates that did not hold, each with its reason.", max_length=50
    )
    digest: str = Field(default="", description="Digest of the whole report in the ledger.", max_length=128)
