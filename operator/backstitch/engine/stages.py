# SPDX-License-Identifier: Apache-2.0
"""How long did each stage of something take?"""

from __future__ import annotations

from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any, TypeVar

from backstitch.core.ports import Clock

T = TypeVar("T")


@dataclass
class Stages:
    """How long each stage took, in milliseconds."""

    clock: Clock
    spent: dict[str, int] = field(default_factory=dict)

    async def timed(self, stage: str, work: Coroutine[Any, Any, T]) -> T:
        """Run something and note its time."""
        start = self.clock.monotonic()
        try:
            return await work
        finally:
            self.spent[stage] = round((self.clock.monotonic() - start) * 1000)
