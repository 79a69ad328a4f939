# SPDX-License-Identifier: Apache-2.0
"""How is a lock waited for without anybody noticing? Short tries, watched, with random pauses, within an allowance.

Never a last try without a limit. While somebody's long transaction is in the way nothing queues at all: what blocked
the last try is looked at from outside until it is gone, with a short try now and then, because a lock may go earlier.
"""

from __future__ import annotations

import contextlib
import logging
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from backstitch.core.errors import BackstitchError, LockNotAvailable, StatementFailed, StepFailed, Transient
from backstitch.engine.blockers import Blocker, end_blockers, holders_of, still_there
from backstitch.engine.lock_watch import Seen, was_cancelled
from backstitch.model.states import State

if TYPE_CHECKING:
    from backstitch.engine.context import Run

log = logging.getLogger("backstitch.engine")

LOOK_AWAY_S = 5.0
"""After so long a short try is made although a blocker's transaction goes on."""
LOOK_S = 0.2

_REASONS = (("autovacuum worker", "WaitsForVacuum"), ("prepared transaction", "WaitsForPrepared"))


class HeldUp(Exception):
    """A signal of a data change in batches: the application waited for its rows; take fewer at once."""


async def be_patient(
    run: Run, what: str, table: str | None, ordinal: int, act: Callable[[], Awaitable[None]], *, rows: bool, watch: bool
) -> None:
    """Run a short transaction until its lock is had. Raises StepFailed when the allowance is used up, and HeldUp.

    `rows`: it changes rows in batches, so waits for its rows count too, and HeldUp asks for a smaller one.
    """
    clock = run.world.clock
    began, pause, held = clock.monotonic(), 0.1, 0
    while True:
        try:
            async with _watched(run, rows=rows, held_before=held, watch=watch) as seen:
                await act()
        except (LockNotAvailable, Transient, StatementFailed, StepFailed) as error:
            if not isinstance(error, LockNotAvailable | Transient) and not (seen.cancelled and was_cancelled(error)):
                raise
            held += seen.held
            if rows and seen.held:
                raise HeldUp(seen.said()) from error
            said = seen.said() if seen.cancelled else error.message.rstrip(".")
            waiting = _Waiting(run, what, table, ordinal, began, said)
            await waiting.note(seen.blockers or await holders_of(run.session, table))
            await clock.sleep(pause * (0.5 + random.random()))
            await waiting.stand_aside(seen.blockers)
            pause = min(pause * 1.7, 3.0)
        else:
            if run.record.blockers:
                await _show(run, (), "")
            return


@asynccontextmanager
async def _watched(run: Run, *, rows: bool, held_before: int, watch: bool) -> AsyncIterator[Seen]:
    if run.lock_watch is None or not watch:
        yield Seen()
        return
    try:
        async with run.lock_watch.over(rows=rows, held_before=held_before) as seen:
            yield seen
    finally:
        if not rows:  # batches come one after the other: who runs them closes it
            await run.lock_watch.close()


async def _show(run: Run, blockers: tuple[Blocker, ...], reason: str) -> None:
    shown: dict[str, object] = {"blockers": tuple(b.text for b in blockers)}
    if run.record.state is State.MIGRATING:  # a rollback's reason is why it rolls back
        shown["reason"] = reason
    await run.publish(**shown)


def reason_for(blockers: tuple[Blocker, ...]) -> str:
    """Give the word for what is waited for."""
    kinds = {b.kind for b in blockers}
    return next((reason for kind, reason in _REASONS if kind in kinds), "WaitsForLock")


class _Waiting:
    """Between two tries."""

    def __init__(self, run: Run, what: str, table: str | None, ordinal: int, began: float, said: str) -> None:
        self.run, self.what, self.table, self.ordinal = run, what, table, ordinal
        self.began, self.said = began, said

    async def note(self, blockers: tuple[Blocker, ...]) -> None:
        """Show who is in the way. Raises StepFailed when the allowance is used up, Interrupted and Stopping."""
        run = self.run
        waited = run.world.clock.monotonic() - self.began
        await _show(run, blockers, reason_for(blockers))
        await run.publish_step(self.ordinal, lock_waited_ms=int(waited * 1000))
        if waited >= run.rules.lock_allowance_s:
            held = "; ".join(b.text for b in blockers) or "nobody holds it any more"
            raise StepFailed(
                f"{self.what}: the lock was not to be had within {run.rules.lock_allowance_s:.0f} s "
                f"({self.said}). Held by: {held}. End or wait for those sessions, then retry.",
                reason="LockNotAvailable",
            )
        run.heed_stop()
        if run.record.state is State.MIGRATING:  # a way back is not turned round
            run.heed_requests()

    async def stand_aside(self, blockers: tuple[Blocker, ...]) -> None:
        """Wait, without queueing, while the transactions go on that blocked the last try."""
        clock = self.run.world.clock
        until = clock.monotonic() + LOOK_AWAY_S
        while blockers and clock.monotonic() < until:
            blockers = await still_there(self.run.session, blockers)
            if not blockers:
                return
            await self.note(blockers)
            await self._end(blockers)
            await clock.sleep(LOOK_S * (0.5 + random.random()))

    async def _end(self, blockers: tuple[Blocker, ...]) -> None:
        rule = self.run.rules.end_blockers
        if rule.idle_in_transaction_after is None and rule.active_after is None:
            return
        with contextlib.suppress(BackstitchError):  # tried again at the next look; without it we only wait longer
            for name in await end_blockers(self.run.session, blockers, rule):
                log.warning("ended a session that held a lock", extra={"session": name, "what": self.what})
                await self.run.publish_step(
                    self.ordinal, message=f"Ended {name}: it held a lock longer than policy.endBlockers allows."
                )
