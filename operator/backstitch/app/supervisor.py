# SPDX-License-Identifier: Apache-2.0
"""When is an object looked at, and never twice at once? Level-based: a wake says "look", not what happened.

One pass of one object is one asyncio task; between passes an object that waits costs a timer, a finished one nothing.
Built by app/operator.py, once for migrations and once for targets; what a pass does is the caller's `work`.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from backstitch.adapters.kube import Key
from backstitch.app.logs import about
from backstitch.core.errors import BackstitchError

logger = logging.getLogger(__name__)

Work = Callable[[Key], Awaitable[float | None]]
"""One pass. Gives the seconds after which to look again, or None when only a new wake is a reason to."""

_AGAIN_S = 0.1  # between a pass and the next one that was asked for meanwhile: no loop can get hot
_FIRST_BACKOFF_S, _LONGEST_BACKOFF_S = 5.0, 60.0


@dataclass
class _Watched:
    """One object between passes."""

    task: asyncio.Task[None] | None = None
    timer: asyncio.TimerHandle | None = None
    woken: bool = False  # during the pass that runs
    failures: int = 0


def backoff_s(failures: int, jitter: float) -> float:
    """Give how long to wait after so many failures in a row: 5 s doubling to 60 s, times `jitter` (0.8 to 1.2)."""
    return float(min(_FIRST_BACKOFF_S * 2 ** min(failures - 1, 10), _LONGEST_BACKOFF_S)) * jitter


class Supervisor:
    """Runs passes: at most one per object at a time, at most `at_once` in all."""

    def __init__(
        self,
        work: Work,
        *,
        at_once: int,
        on_error: Callable[[str], None] = lambda _: None,
        backoff: Callable[[int, float], float] = backoff_s,
    ) -> None:
        self._work = work
        self._slots = asyncio.Semaphore(at_once)
        self._on_error = on_error
        self._backoff = backoff
        self._watched: dict[Key, _Watched] = {}
        self._stopping = False

    @property
    def busy(self) -> int:
        """Give how many objects have a pass running or queued now."""
        return sum(1 for watched in self._watched.values() if watched.task is not None)

    @property
    def waiting(self) -> int:
        """Give how many objects have only a timer."""
        return sum(1 for watched in self._watched.values() if watched.task is None)

    def wake(self, key: Key) -> None:
        """Look at this object now; during a pass, once more after it. Costs nothing when called often."""
        if self._stopping:
            return
        watched = self._watched.setdefault(key, _Watched())
        if watched.task is not None:
            watched.woken = True
            return
        if watched.timer is not None:
            watched.timer.cancel()
            watched.timer = None
        watched.task = asyncio.create_task(self._pass(key, watched), name=f"pass {key}")

    def wake_after(self, key: Key, seconds: float) -> None:
        """Look at this object later, unless something wakes it before; replaces an earlier timer."""
        if self._stopping:
            return
        watched = self._watched.setdefault(key, _Watched())
        if watched.task is not None:
            return  # the pass that runs decides when to look again
        if watched.timer is not None:
            watched.timer.cancel()
        watched.timer = asyncio.get_running_loop().call_later(max(seconds, _AGAIN_S), self._ring, key)

    async def stop(self, within_s: float, *, patience_s: float = 0.0) -> None:
        """Start no new pass and wait until those that run have ended.

        By themselves within `patience_s`; then they are cancelled and have `within_s` to tidy up.
        """
        self._stopping = True
        tasks = [watched.task for watched in self._watched.values() if watched.task is not None]
        for watched in self._watched.values():
            if watched.timer is not None:
                watched.timer.cancel()
        if tasks and patience_s:
            _, unfinished = await asyncio.wait(tasks, timeout=patience_s)
            tasks = list(unfinished)
        for task in tasks:
            task.cancel()
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=within_s)
            if late:
                logger.warning("passes did not stop in time; the ledger settles them", extra={"late": len(late)})
        self._watched.clear()

    def _ring(self, key: Key) -> None:
        watched = self._watched.get(key)
        if watched is not None:
            watched.timer = None
            self.wake(key)

    async def _pass(self, key: Key, watched: _Watched) -> None:
        again: float | None = None
        try:
            with about(namespace=key.namespace, object=key.name):
                async with self._slots:
                    if self._stopping:
                        return
                    watched.woken = False
                    again = await self._one(key, watched)
        finally:
            watched.task = None
            if not self._stopping:
                self._after(key, watched, again)

    async def _one(self, key: Key, watched: _Watched) -> float | None:
        try:
            again = await self._work(key)
        except BackstitchError as error:
            watched.failures += 1
            self._on_error(error.reason)
            wait = self._backoff(watched.failures, random.uniform(0.8, 1.2))
            logger.warning(
                "pass failed",
                extra={"reason": error.reason, "error": error.message, "again_after_s": round(wait, 1)},
            )
            return wait
        except Exception as error:  # a bug of ours must not end the supervision of this object
            watched.failures += 1
            self._on_error("Bug")
            wait = self._backoff(watched.failures, random.uniform(0.8, 1.2))
            logger.exception(
                "pass failed unexpectedly; please report this",
                extra={"reason": type(error).__name__, "again_after_s": round(wait, 1)},
            )
            return wait
        watched.failures = 0
        return again

    def _after(self, key: Key, watched: _Watched, again: float | None) -> None:
        if watched.woken and not watched.failures:
            again = _AGAIN_S
        elif watched.woken and again is not None:
            # A wake may mean that a person has mended what failed: look sooner, but never in a hot loop.
            again = min(again, 1.0 + watched.failures)
        if again is None:
            self._watched.pop(key, None)
        else:
            self.wake_after(key, again)
