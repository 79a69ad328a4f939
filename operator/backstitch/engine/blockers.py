# SPDX-License-Identifier: Apache-2.0
"""Whom does a session wait for, and who holds a table: named for people, without the values in their queries."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from backstitch.core.ports import Session
from backstitch.core.trace import without_literals
from backstitch.model.duration import parse_duration
from backstitch.model.lock_policy import EndBlockers
from backstitch.model.sql import RELATIONS_NAMED

HEAD = 80
MOST = 20


@dataclass(frozen=True)
class Blocker:
    """A session, or a prepared transaction, that holds what we wait for."""

    pid: int | None  # None: a prepared transaction
    began: datetime | None  # of its transaction
    text: str
    kind: str = ""  # backend type as PostgreSQL calls it, such as `autovacuum worker`


_ACTIVITY = """
SELECT a.pid, a.application_name AS app, a.state, a.backend_type AS kind, a.xact_start,
       extract(epoch FROM clock_timestamp() - a.xact_start)::int AS age, a.query
  FROM pg_stat_activity a
"""
# Its locks have no pid; what they have in common with the one on its own id is where it ran.
_OF_PREPARED = (
    "h.granted AND h.pid IS NULL AND h.virtualtransaction IN (SELECT t.virtualtransaction FROM pg_locks t "
    "WHERE t.pid IS NULL AND t.locktype = 'transactionid' AND t.transactionid = p.transaction)"
)
_PREPARED = """
SELECT p.gid, p.owner::text AS owner, p.prepared, extract(epoch FROM clock_timestamp() - p.prepared)::int AS age
  FROM pg_prepared_xacts p
"""


async def blockers_of(session: Session, pid: int) -> tuple[Blocker, ...]:
    """Give what the session `pid` waits for now, the oldest transaction first; () when it does not wait."""
    waits = "(SELECT unnest(pg_blocking_pids(%s)))"
    rows = await session.rows(
        f"{_ACTIVITY} WHERE a.pid IN {waits} AND a.pid <> %s ORDER BY a.xact_start LIMIT {MOST}", (pid, pid)
    )
    # a prepared transaction has no pid: the server says 0 for it
    prepared = await session.rows(
        f"{_PREPARED} WHERE p.database = current_database() AND 0 IN {waits} AND EXISTS (SELECT FROM pg_locks w "
        "JOIN pg_locks h ON h.relation = w.relation AND h.database = w.database "
        f"WHERE w.pid = %s AND NOT w.granted AND {_OF_PREPARED}) ORDER BY p.prepared LIMIT {MOST}",
        (pid, pid),
    )
    return (*(_session(r) for r in rows), *(_prepared(r) for r in prepared))


async def holders_of(session: Session, table: str | None) -> tuple[Blocker, ...]:
    """Give who holds a lock on a table (`schema.name`), but for ourselves, the oldest transaction first."""
    if table is None:
        return ()
    rows = await session.rows(
        f"{_ACTIVITY} WHERE a.pid <> pg_backend_pid() AND EXISTS (SELECT FROM pg_locks l WHERE l.pid = a.pid "
        f"AND l.granted AND l.locktype = 'relation' AND l.relation IN {RELATIONS_NAMED}) "
        f"ORDER BY a.xact_start LIMIT {MOST}",
        (table,),
    )
    prepared = await session.rows(
        f"{_PREPARED} WHERE p.database = current_database() AND EXISTS (SELECT FROM pg_locks h WHERE "
        f"h.relation IN {RELATIONS_NAMED} AND {_OF_PREPARED}) ORDER BY p.prepared LIMIT {MOST}",
        (table,),
    )
    return (*(_session(r) for r in rows), *(_prepared(r) for r in prepared))


async def still_there(session: Session, blockers: Iterable[Blocker]) -> tuple[Blocker, ...]:
    """Give those of these that are in the same transaction still, as they are now."""
    pids = {b.pid: b.began for b in blockers if b.pid is not None}
    gids = {b.began for b in blockers if b.pid is None}
    found: list[Blocker] = []
    if pids:
        rows = await session.rows(f"{_ACTIVITY} WHERE a.pid = ANY(%s) ORDER BY a.xact_start", (list(pids),))
        found += [_session(r) for r in rows if r["xact_start"] is not None and r["xact_start"] == pids[r["pid"]]]
    if gids:
        rows = await session.rows(f"{_PREPARED} WHERE p.database = current_database()")
        found += [_prepared(r) for r in rows if r["prepared"] in gids]
    return tuple(found)


def _session(row: dict[str, object]) -> Blocker:
    kind = str(row["kind"] or "")
    name = row["app"] or (kind if kind and kind != "client backend" else "no application_name")
    age = row["age"] if row["age"] is not None else "?"
    head = without_literals(str(row["query"] or ""))
    head = f": {head if len(head) <= HEAD else head[: HEAD - 1] + '…'}" if head else ""
    began = row["xact_start"]
    return Blocker(
        pid=int(str(row["pid"])),
        began=began if isinstance(began, datetime) else None,
        text=f"pid {row['pid']} ({name}, {row['state'] or 'state unknown'}, in its transaction for {age} s){head}",
        kind=kind,
    )


def _prepared(row: dict[str, object]) -> Blocker:
    began = row["prepared"]
    return Blocker(
        pid=None,
        began=began if isinstance(began, datetime) else None,
        text=f"prepared transaction {row['gid']} of {row['owner']}, {row['age']} s old",
        kind="prepared transaction",
    )


_END = """
SELECT a.pid, a.application_name AS app, pg_terminate_backend(a.pid) AS ended FROM pg_stat_activity a
 WHERE a.pid = ANY(%s) AND a.backend_type = 'client backend' AND a.application_name NOT LIKE 'backstitch/%%'
   AND ((a.state LIKE 'idle in transaction%%' AND a.xact_start < clock_timestamp() - make_interval(secs => %s))
     OR a.xact_start < clock_timestamp() - make_interval(secs => %s))
"""
NEVER_S = 1e9


async def end_blockers(session: Session, blockers: Iterable[Blocker], rule: EndBlockers) -> tuple[str, ...]:
    """End the sessions among these that the target's policy lets be ended; give their names. Nobody without a rule.

    Age and state are looked at again in the statement that ends them. Raises StatementFailed where our role may not.
    """
    pids = [b.pid for b in blockers if b.pid is not None]
    limits = (rule.idle_in_transaction_after, rule.active_after)
    if not pids or limits == (None, None):
        return ()
    seconds = [parse_duration(limit).total_seconds() if limit else NEVER_S for limit in limits]
    ended = await session.rows(_END, (pids, *seconds))
    return tuple(f"pid {r['pid']} ({r['app'] or 'no application_name'})" for r in ended if r["ended"])
