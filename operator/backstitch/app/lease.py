# SPDX-License-Identifier: Apache-2.0
"""Which of several operators works? The one that holds the Lease; the others stand by.

As client-go does it: a holder is dead when its record has not changed for its own duration, by *our* monotonic clock
since *we* saw it change: no two clocks are compared. This decides who works, not what is safe: that is the
fence in the database (engine/fence.py), which the Lease only tells who came later (core/term.py).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from dataclasses import dataclass
from datetime import datetime

from backstitch.adapters.kube_api import ApiError
from backstitch.adapters.kube_lease import LeaseRecord, Leases
from backstitch.core.errors import BackstitchError
from backstitch.core.ports import Clock
from backstitch.core.term import Term

logger = logging.getLogger(__name__)


class LeaseLost(BackstitchError):
    """Another operator holds the Lease, so this process must end; it is started again as a standby."""

    reason = "LeaseLost"


@dataclass(frozen=True)
class LeaseTimes:
    """Seconds. `retry_s` is how often the holder renews and a standby looks."""

    duration_s: float
    retry_s: float


class Lease:
    """Our part in one Lease: acquire, keep, release."""

    def __init__(
        self, leases: Leases, clock: Clock, namespace: str, name: str, identity: str, times: LeaseTimes
    ) -> None:
        self._leases = leases
        self._clock = clock
        self._where = (namespace, name)
        self._identity = identity
        self._times = times
        self._seen: LeaseRecord | None = None
        self._changed_at = clock.monotonic()  # when we last saw it change
        self._renewed_at = float("-inf")
        self._acquired: datetime | None = None
        self._has_complained = False
        self.term: Term | None = None
        """Which holding of the Lease is ours; None on standby."""

    @property
    def holder(self) -> str:
        """Give who holds it, as last seen; empty: nobody."""
        return self._seen.holder if self._seen else ""

    @property
    def is_fresh(self) -> bool:
        """Tell whether nobody else can have taken it: it is ours and was renewed within its duration."""
        return self.term is not None and self._clock.monotonic() - self._renewed_at < self._times.duration_s

    async def acquire(self, stop: asyncio.Event) -> bool:
        """Wait until it is ours; False when `stop` was set first."""
        while not stop.is_set():
            try:
                if await self._try_to_take():
                    return True
            except ApiError as error:
                self._complain(error)
            await self._pause(stop)
        return False

    async def keep(self, stop: asyncio.Event) -> None:
        """Renew it until `stop` is set. Raises LeaseLost when somebody else has it.

        While the API server is away it is kept: nobody can take it through that server, a migration under way needs
        only the database, and where we alone are cut off the fence stops us.
        """
        while not stop.is_set():
            await self._pause(stop)
            if stop.is_set():
                return
            try:
                await self._renew()
            except ApiError as error:
                self._complain(error)

    async def release(self) -> None:
        """Give it back, so that a standby need not wait for its end; nothing happens when it is not ours."""
        if self.term is None or self._seen is None:
            return
        self.term = None
        with contextlib.suppress(ApiError):
            # client-go's way too: no holder and a duration of a second
            await self._write(self._seen, holder="", duration_s=1, transitions=self._seen.transitions)

    async def _try_to_take(self) -> bool:
        self._see(await self._leases.read(*self._where))
        seen = self._seen
        if seen is not None and seen.holder and not self._is_over(seen):
            return False
        before = self._clock.monotonic()
        self._acquired = self._clock.now()
        written = await self._write(
            seen,
            holder=self._identity,
            duration_s=self._duration,
            transitions=seen.transitions + 1 if seen else 1,
        )
        if written is None:
            return False  # another one was faster
        self._renewed_at, self._has_complained = before, False
        self.term = Term(lease=written.uid.replace("-", "")[:8], number=written.transitions)
        logger.info("leads", extra={"lease": "/".join(self._where), "term": written.transitions})
        return True

    async def _renew(self) -> None:
        before = self._clock.monotonic()
        seen = self._seen
        transitions = seen.transitions if seen else 1
        written = await self._write(seen, holder=self._identity, duration_s=self._duration, transitions=transitions)
        if written is None:
            self._see(await self._leases.read(*self._where))
            if self._seen is not None and self._seen.holder != self._identity:
                self.term = None
                holder = self._seen.holder or "nobody"
                raise LeaseLost(
                    f"The Lease {'/'.join(self._where)} is held by {holder} now; this operator ends and starts again."
                )
            return  # somebody wrote a label on it, or it was deleted: the next try, in a moment, knows that
        self._renewed_at, self._has_complained = before, False

    async def _write(
        self, seen: LeaseRecord | None, *, holder: str, duration_s: int, transitions: int
    ) -> LeaseRecord | None:
        written = await self._leases.write(
            *self._where,
            seen,
            holder=holder,
            duration_s=duration_s,
            transitions=transitions,
            now=self._clock.now(),
            acquired=self._acquired,
        )
        if written is not None:
            self._see(written)
        return written

    def _see(self, record: LeaseRecord | None) -> None:
        if record != self._seen:
            self._seen, self._changed_at = record, self._clock.monotonic()

    def _is_over(self, seen: LeaseRecord) -> bool:
        return self._clock.monotonic() - self._changed_at >= seen.duration_s

    @property
    def _duration(self) -> int:
        return max(1, round(self._times.duration_s))

    async def _pause(self, stop: asyncio.Event) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._times.retry_s * random.uniform(0.9, 1.1)):
                await stop.wait()

    def _complain(self, error: ApiError) -> None:
        if not self._has_complained:
            self._has_complained = True
            logger.warning(
                "the Lease cannot be read or renewed", extra={"reason": error.reason, "detail": error.message}
            )
