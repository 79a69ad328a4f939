# SPDX-License-Identifier: Apache-2.0
"""Does the application queue behind us? A second session looks, and cancels our own statement before it does so long.

A statement that waits for an exclusive lock makes every later reader queue behind it (safety.md 1.0, fact 1), and
lock_timeout knows nothing of them: it counts from our own wait. The watch counts from theirs. It cancels in the same
statement that found the queue, so that no other statement of ours is hit. A watch that cannot connect or is cut off is
done without: lock_timeout still holds.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from backstitch.core.errors import BackstitchError, StatementFailed
from backstitch.core.ports import Database, Session
from backstitch.engine.blockers import Blocker, blockers_of

log = logging.getLogger("backstitch.engine")

LOOKS = 6  # in the time that is allowed
HOLDING = 10
"""A statement that has its lock and works may go up to so many times the allowance, twice as far with each try: that is
what lets it end at all."""
GO_ON_S = 2.0

# What waits behind us in the application: rows wait for a transaction or a tuple, statements for a relation. A commit
# that waits for its standby is never cancelled: the server would say it is done although no standby has it.
_LOOK = """
WITH waiting AS MATERIALIZED (
  SELECT l.pid, extract(epoch FROM clock_timestamp() - l.waitstart) * 1000 AS ms
    FROM pg_locks l LEFT JOIN pg_stat_activity a USING (pid)
   WHERE NOT l.granted AND l.waitstart IS NOT NULL AND l.pid <> %s AND (l.locktype = 'relation' OR %s)
     AND coalesce(a.application_name, '') NOT LIKE 'backstitch/%%'
     AND coalesce(a.backend_type, 'client backend') = 'client backend'),
queue AS MATERIALIZED (SELECT count(*) AS queued, coalesce(max(ms), 0)::int AS ms FROM waiting
                        WHERE %s = ANY(pg_blocking_pids(pid))),
ours AS (SELECT coalesce(bool_or(NOT granted), false) AS waits FROM pg_locks WHERE pid = %s)
SELECT queued, ms, waits, CASE WHEN ms >= CASE WHEN waits THEN %s ELSE %s END THEN
       (SELECT pg_cancel_backend(pid) FROM pg_stat_activity
         WHERE pid = %s AND state = 'active' AND wait_event IS DISTINCT FROM 'SyncRep') END AS cancelled
  FROM queue, ours
"""


@dataclass
class Seen:
    """What the watch saw during one try of a statement."""

    queued: int = 0
    queued_ms: int = 0
    cancelled: bool = False
    held: bool = False  # we had our lock when we were cancelled
    blockers: tuple[Blocker, ...] = ()  # whom we waited for when it looked last

    def said(self) -> str:
        """Say in words why the statement was given up."""
        return f"{self.queued} sessions had queued behind it for {self.queued_ms} ms"


class LockWatch:
    """A second session beside a run's own, opened when it is needed for the first time."""

    def __init__(self, database: Database, pid: int, *, allowance_ms: int) -> None:
        self._database = database
        self._pid = pid
        self._allowance_ms = allowance_ms
        self._session: Session | None = None
        self._broken = False

    async def close(self) -> None:
        """Close the session, if there is one."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def session(self) -> Session | None:
        """Give the watching session, or None where there can be none."""
        if self._session is None and not self._broken:
            try:
                self._session = await self._database.connect(purpose="lock-watch")
                # As who logged in: another role of the migration's may not be allowed to cancel its statements.
                await self._session.execute("SET ROLE NONE")
                await self._session.execute("SET statement_timeout = '2s'")
            except BackstitchError as error:
                self._give_up(error)
        return self._session

    def _give_up(self, error: BackstitchError) -> None:
        self._broken = True
        log.warning("the lock queue is not watched", extra={"reason": error.reason, "error": error.message})

    @asynccontextmanager
    async def over(self, *, rows: bool = False, held_before: int = 0) -> AsyncIterator[Seen]:
        """Watch what runs in the block; give what was seen.

        `rows`: waits for rows count too, not only those for tables. `held_before`: how often this statement was
        cancelled while it held its lock.
        """
        holding_ms = min(self._allowance_ms * 2**held_before, self._allowance_ms * HOLDING)
        seen = Seen()

        async def look(session: Session) -> None:
            found = (
                await session.rows(_LOOK, (self._pid, rows, self._pid, self._pid, *self._limits(holding_ms), self._pid))
            )[0]
            if found["waits"]:
                seen.blockers = await blockers_of(session, self._pid) or seen.blockers
            if found["cancelled"]:
                seen.cancelled, seen.held = True, not found["waits"]
            if found["queued"]:
                seen.queued, seen.queued_ms = found["queued"], max(seen.queued_ms, found["ms"])

        async with self._beside(look, self._allowance_ms / 1000 / LOOKS):
            yield seen

    def _limits(self, holding_ms: int) -> tuple[int, int]:
        early = self._allowance_ms // LOOKS  # the next look would be too late
        return self._allowance_ms - early, holding_ms - early

    @asynccontextmanager
    async def telling(self, tell: Callable[[Session], Awaitable[None]], every_s: float) -> AsyncIterator[None]:
        """Look again and again while the block runs, to tell how far it is."""
        async with self._beside(tell, every_s):
            yield

    @asynccontextmanager
    async def _beside(self, look: Callable[[Session], Awaitable[None]], every_s: float) -> AsyncIterator[None]:
        over = asyncio.Event()
        task = asyncio.create_task(self._look_until(over, look, every_s))
        try:
            yield
        finally:
            over.set()
            done, _ = await asyncio.wait({task}, timeout=GO_ON_S)
            if not done:
                task.cancel()
                await asyncio.wait({task}, timeout=GO_ON_S)

    async def _look_until(
        self, over: asyncio.Event, look: Callable[[Session], Awaitable[None]], every_s: float
    ) -> None:
        while not over.is_set():
            try:
                async with asyncio.timeout(every_s):
                    await over.wait()
                return
            except TimeoutError:
                pass
            session = await self.session()
            if session is None or over.is_set():
                return
            try:
                await look(session)
            except StatementFailed as error:
                log.warning("the lock queue was not looked at", extra={"reason": error.reason, "error": error.message})
            except BackstitchError as error:
                self._give_up(error)
                await self.close()
                return


def was_cancelled(error: BaseException | None) -> bool:
    """Tell whether an error comes from a cancelled statement."""
    while error is not None:
        if isinstance(error, StatementFailed) and error.sqlstate == "57014":
            return True
        error = error.__cause__
    return False
