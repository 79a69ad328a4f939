# SPDX-License-Identifier: Apache-2.0
"""What came of a round trip: one verdict for each migration, and how many there are of each."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from backstitch.model.base import Frozen

Verdict = Literal["Identical", "IdenticalExcept", "Different", "Refused", "Failed"]


class Judgement(Frozen):
    """Whether a way back gave the database back. `differences` and `reason` say what is wrong, for people."""

    verdict: Verdict
    exceptions: tuple[str, ...] = ()
    differences: tuple[str, ...] = ()
    reason: str = ""


class MigrationResult(Frozen):
    """One migration: the computed way back, and its author's where there is one."""

    name: str
    computed: Judgement
    down: Judgement | None = None
    notes: tuple[str, ...] = ()
    seconds: float = 0


class Totals(Frozen):
    """How many migrations there are of each verdict of the computed way back."""

    identical: int = 0
    identical_except: int = 0
    different: int = 0
    refused: int = 0
    failed: int = 0


def count(results: Iterable[MigrationResult]) -> Totals:
    """Give the totals."""
    found = [r.computed.verdict for r in results]
    return Totals(
        identical=found.count("Identical"),
        identical_except=found.count("IdenticalExcept"),
        different=found.count("Different"),
        refused=found.count("Refused"),
        failed=found.count("Failed"),
    )
