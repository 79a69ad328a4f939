# SPDX-License-Identifier: Apache-2.0
"""One operator at a time on a database: a session advisory lock for liveness, an epoch for safety.

The lock is held by the connection that executes, so "the lock is free" means "its statement is not running"
(safety.md 4.4). The epoch is read FOR KEY SHARE by every transaction; a takeover changes it, which waits until those
transactions have ended, and whoever comes with the older epoch afterwards finds no row and stops.

A process that is frozen keeps its sessions, its lock with them. The holder of the operators' Lease ends the sessions of
earlier holders, which their names tell (core/term.py); without a Lease they are waited for.
"""

from __future__ import annotations

import logging
from typing import LiteralString

from backstitch.core.errors import Fenced, StatementFailed
from backstitch.core.ports import Clock, Session
from backstitch.core.term import Term

log = logging.getLogger("backstitch.engine")

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


_END_EARLIER = r"""
SELECT pid, application_name, pg_terminate_backend(pid, 5000) AS ended FROM pg_stat_activity
 WHERE pid <> pg_backend_pid() AND substring(application_name FROM '#' || %s || '\.([0-9]{1,18})$')::bigint < %s
"""


async def take_fence(
    session: Session, clock: Clock, *, holder: str, wait_s: float, term: Term | None = None
) -> Fence | None:
    """Take the database, or give None when another live session keeps it for `wait_s` seconds.

    A dead operator's backend goes within client_connection_check_interval (2 s), so a short wait is enough after
    a crash. With a `term`, sessions of earlier terms are ended first; all others are left alone. Raises Fenced when
    a later term has had the database: then we are the one who was replaced.
    """
    if term is not None:
        await _end_earlier(session, term)
    until = clock.monotonic() + wait_s
    while True:
        rows = await session.rows("SELECT pg_try_advisory_lock(%s, 1) AS ours", (LOCK_CLASS,))
        if rows[0]["ours"]:
            break
        if clock.monotonic() >= until:
            return None
        await clock.sleep(POLL_S)
    if term is not None:
        before = Term.read((await session.rows("SELECT holder FROM backstitch.fence"))[0]["holder"])
        if before is not None and before.is_after(term):
            await session.rows("SELECT pg_advisory_unlock(%s, 1)", (LOCK_CLASS,))
            raise Fenced(f"A later leader ({before.mark}, ours is {term.mark}) has had this database; this one stops.")
    rows = await session.rows(
        "UPDATE backstitch.fence SET epoch = epoch + 1, holder = %s, taken_at = clock_timestamp() RETURNING epoch",
        (holder if term is None else f"{holder} {term.mark}",),
    )
    return Fence(session, int(rows[0]["epoch"]))


async def _end_earlier(session: Session, term: Term) -> None:
    """End what an earlier holder of our Lease has left open on this server, and wait until it is gone.

    As the role that logged in, which may end its own sessions; the owner's role, where one is set, may not.
    """
    try:
        async with session.transaction():
            await session.execute("SET LOCAL ROLE NONE")
            ended = await session.rows(_END_EARLIER, (term.lease, term.number))
    except StatementFailed as error:
        log.warning("sessions of an earlier leader cannot be ended; waiting for them", extra={"error": error.message})
        return
    for row in ended:
        log.warning("ended a session of an earlier leader", extra={"session": row["application_name"]})


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
