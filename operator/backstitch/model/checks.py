# SPDX-License-Identifier: Apache-2.0
"""The closed set of verification checks, as people write them."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from backstitch.model.base import Frozen

CheckOutcome = Literal["passed", "failed", "error", "inconclusive"]


class Check(Frozen):
    """One verification; exactly one kind is set."""

    name: str = Field(description="Name, unique within the migration.", min_length=1, max_length=63)


class CheckResult(Frozen):
    """What a check found, as the ledger, the status and the terminal show it."""

    name: str
    outcome: CheckOutcome
    phase: str | None = None  # None: a check of the whole migration
    value: str | None = None  # what was found, as text
    expected: str | None = None  # what was wanted, in words
    message: str = ""
    report_only: bool = False
    attempts: int = 1
