# SPDX-License-Identifier: Apache-2.0
"""What time is it? The one place that asks the machine."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime


class SystemClock:
    """The machine's clock; implements core.ports.Clock."""

    def now(self) -> datetime:
        """Give the time in UTC, aware."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Give seconds that never go back."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait; cancellation passes through."""
        await asyncio.sleep(seconds)
