# SPDX-License-Identifier: Apache-2.0
"""One operator at a time on a database: a session advisory lock for liveness, an epoch for safety.

The lock is held by the connection that executes, so "the lock is free" means "its statement is not running"
(safety.md 4.4). The epoch is read FOR KEY SHARE by every transaction; a takeover changes it, which waits until those
transactions have ended, and whoever comes with the older epoch afterwards finds no row and stops.
"""

from __future__ import annotations

from typing import LiteralString

from backstitch.core.errors import Fenced
from backstitch.core.ports import Clock, Session

LOCK_CLASS = 0x6273_7463  # "bstc"
POLL_S = 0.2


class Fence:
    """Our right to change this database, from `take` until the session ends or somebody takes over."""

    def __init__(self, session: Session, epoch: int) -> None:
        self._session = session
        self.epoch = epoch

    async def check(self, also: LiteralString = "1 AS ours", params: tuple[str, ...] = ()) -> None:
        """Hold off a takeover until this transaction ends. Call it first in every transaction. Raises Fenced.

        `also` is what the same message selects, evaluated only when the database is still ours.
        """
        rows = await self._session.rows(
            f"SELECT {also} FROM backstitch.fence WHERE epoch = %s FOR KEY SHARE", (*params, self.epoch)
        )
        if not rows:
            raise Fenced(
                f"Another operator has taken over this database (our epoch {self.epoch} is past); this one stops."
            )


async def take_fence(session: Session, clock: Clock, *, holder: str, wait_s: float) -> Fence | None:
    """Take the database, or give None when another live session keeps it for `wait_s` seconds.

    A dead operator's backend goes within client_connection_check_interval (2 s), so a short wait is enough after
    a crash; a live one is left alone.
    """
    until = clock.monotonic() + wait_s
    while True:
        rows = await session.rows("SELECT pg_try_advisory_lock(%s, 1) AS ours", (LOCK_CLASS,))
        if rows[0]["ours"]:
            break
        if clock.monotonic() >= until:
            return None
        await clock.sleep(POLL_S)
    rows = await session.rows(
        "UPDATE backstitch.fence SET epoch = epoch + 1, holder = %s, taken_at = clock_timestamp() RETURNING epoch",
        (holder,),
    )
    return Fence(session, int(rows[0]["epoch"]))


async def who_holds(session: Session) -> str:
    """Say which session holds the database's lock, for people."""
    rows = await session.rows(
        "SELECT a.pid, a.application_name, a.client_addr::text AS address FROM pg_locks l JOIN pg_stat_activity a "
        "USING (pid) WHERE l.locktype = 'advisory' AND l.classid = %s AND l.objid = 1 AND l.granted "
        "AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())",
        (LOCK_CLASS,),
    )
    if not rows:
        return "a session that has just ended"
    row = rows[0]
    return f"{row['application_name'] or 'a session'} (pid {row['pid']}, from {row['address'] or 'a local socket'})"
