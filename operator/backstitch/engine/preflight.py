# SPDX-License-Identifier: Apache-2.0
"""What stands in the way of a statement before it is begun at all? Looked at from outside, so that nothing queues.

Waits for it, at most the target's lock allowance, and says for what. It ends nobody, and it never fails a step: what is
still there then is met by the statement's own limits.
"""

from __future__ import annotations

from backstitch.core.ports import Session
from backstitch.engine.context import Run
from backstitch.model.sql import RELATIONS_NAMED
from backstitch.model.states import State

LOOK_S = 0.3
OLD_S = 2.0

# Each row: a word for the status, and who. In the order in which they are told.
# A vacuum against wraparound is not cancelled by those who wait for it, so every strong lock would wait to its end.
_VACUUM = f"""
SELECT 'WaitsForVacuum' AS reason, format('pid %%s (autovacuum to prevent wraparound of %%s)', a.pid, p.relid::regclass)
       AS who FROM pg_stat_activity a JOIN pg_stat_progress_vacuum p USING (pid)
 WHERE p.datname = current_database() AND p.relid IN {RELATIONS_NAMED} AND a.backend_type = 'autovacuum worker'
   AND a.query LIKE '%%(to prevent wraparound)%%'
"""
# A prepared transaction that has written the table keeps every lock that writers exclude, for as long as it is there.
_PREPARED = f"""
SELECT 'WaitsForPrepared', format('prepared transaction %%s of %%s, %%s s old', p.gid, p.owner,
       extract(epoch FROM clock_timestamp() - p.prepared)::int)
  FROM pg_prepared_xacts p WHERE p.database = current_database() AND EXISTS (
       SELECT FROM pg_locks h JOIN pg_locks t ON t.virtualtransaction = h.virtualtransaction AND t.pid IS NULL
        WHERE h.pid IS NULL AND h.granted AND h.relation IN {RELATIONS_NAMED} AND h.mode <> 'AccessShareLock'
          AND t.locktype = 'transactionid' AND t.transactionid = p.transaction)
"""
_WRITER = f"""
SELECT 'WaitsForLock', format('pid %%s (%%s, %%s, in its transaction for %%s s)', a.pid,
       coalesce(nullif(a.application_name, ''), 'no application_name'), coalesce(a.state, 'state unknown'),
       extract(epoch FROM clock_timestamp() - a.xact_start)::int)
  FROM pg_stat_activity a
 WHERE a.pid <> pg_backend_pid() AND a.xact_start < clock_timestamp() - make_interval(secs => %s)
   AND EXISTS (SELECT FROM pg_locks l WHERE l.pid = a.pid AND l.granted AND l.relation IN {RELATIONS_NAMED}
               AND l.mode NOT IN ('AccessShareLock', 'RowShareLock', 'ShareUpdateExclusiveLock'))
"""
# A concurrent build waits for every transaction of the database that has an older snapshot, and holds back vacuum
# everywhere while it does. pg_dump is one of them, and so is our own copy's.
_SNAPSHOT = """
SELECT CASE WHEN a.application_name LIKE 'pg_dump%%' OR a.application_name LIKE 'backstitch/dump%%' THEN 'WaitsForDump'
            ELSE 'WaitsForSnapshot' END,
       format('pid %%s (%%s, %%s, with a snapshot, in its transaction for %%s s)', a.pid,
              coalesce(nullif(a.application_name, ''), 'no application_name'), coalesce(a.state, 'state unknown'),
              extract(epoch FROM clock_timestamp() - a.xact_start)::int)
  FROM pg_stat_activity a WHERE a.datname = current_database() AND a.pid <> pg_backend_pid()
   AND a.backend_xmin IS NOT NULL AND a.xact_start < clock_timestamp() - make_interval(secs => %s)
   AND a.backend_type = 'client backend'
"""


async def in_the_way(session: Session, table: str, *, concurrent: bool) -> list[tuple[str, str]]:
    """Give what would hold up a statement on a table (`schema.name`) now, each with a word for the status.

    `concurrent`: an index build, which waits for old snapshots too. Readers are not in it: whether they matter
    depends on the lock, and a short try tells.
    """
    parts = [(_VACUUM, (table,)), (_PREPARED, (table,)), (_WRITER, (OLD_S, table))]
    if concurrent:
        parts.append((_SNAPSHOT, (OLD_S,)))
    rows = await session.rows(" UNION ALL ".join(sql for sql, _ in parts), [v for _, values in parts for v in values])
    return [(r["reason"], r["who"]) for r in rows]


async def wait_until_clear(run: Run, table: str | None, *, concurrent: bool = False) -> None:
    """Wait while something stands in the way, as long as the lock allowance lets. Raises Interrupted, Stopping."""
    if table is None or run.job.on_copy:
        return
    clock = run.world.clock
    until = clock.monotonic() + run.rules.lock_allowance_s
    shown = False
    while found := await in_the_way(run.session, table, concurrent=concurrent):
        reason = {"reason": found[0][0]} if run.record.state is State.MIGRATING else {}
        await run.publish(blockers=tuple(who for _, who in found), **reason)
        shown = True
        if clock.monotonic() >= until:
            break
        run.heed_stop()
        if run.record.state is State.MIGRATING:
            run.heed_requests()
        await clock.sleep(LOOK_S)
    if shown:
        await run.publish(blockers=(), **({"reason": ""} if run.record.state is State.MIGRATING else {}))
