# SPDX-License-Identifier: Apache-2.0
"""How far is a long statement that nobody should be able to see: a concurrent index build, a validation?

Neither has a short limit, so they are watched from a second session: the server's own progress view where it has one,
else how long it has run; and whom it waits for.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from backstitch.core.ports import Session
from backstitch.engine.blockers import blockers_of
from backstitch.engine.context import Run
from backstitch.engine.patience import reason_for
from backstitch.model.states import State

LOOK_S = 0.5

_PROGRESS = """
SELECT p.phase, CASE WHEN p.lockers_total > 0 THEN NULL WHEN p.tuples_total > 0 THEN p.tuples_total
            WHEN p.blocks_total > 0 THEN p.blocks_total END AS total,
       CASE WHEN p.tuples_total > 0 THEN p.tuples_done ELSE p.blocks_done END AS done,
       p.lockers_done, p.lockers_total
  FROM pg_stat_progress_create_index p WHERE p.pid = %s
"""
_SINCE = "SELECT extract(epoch FROM clock_timestamp() - query_start)::int AS s FROM pg_stat_activity WHERE pid = %s"


@asynccontextmanager
async def told(run: Run, ordinal: int, what: str) -> AsyncIterator[None]:
    """Tell in the step's message how far the block's statement is; take the message away when it ends."""
    watch = run.lock_watch
    if watch is None:
        yield
        return

    async def look(session: Session) -> None:
        pid = run.session.pid
        waits_for = await blockers_of(session, pid)
        found = await session.rows(_PROGRESS, (pid,))
        if found:
            row = found[0]
            said = f"{what}: {row['phase']}"
            if row["lockers_total"]:
                said += f", {row['lockers_done']} of {row['lockers_total']} transactions"
            elif row["total"]:
                said += f", {min(100, 100 * row['done'] // row['total'])}%"
        else:
            since = await session.rows(_SINCE, (pid,))
            said = f"{what}: for {since[0]['s'] if since else 0} s"
        shown: dict[str, object] = {"blockers": tuple(b.text for b in waits_for)}
        if run.record.state is State.MIGRATING:
            shown["reason"] = reason_for(waits_for) if waits_for else ""
        await run.publish_step(ordinal, message=said)
        if waits_for or run.record.blockers:
            await run.publish(**shown)

    try:
        async with watch.telling(look, LOOK_S):
            yield
    finally:
        await watch.close()
        if run.record.steps[ordinal].message.startswith(what):
            with contextlib.suppress(IndexError):
                await run.publish_step(ordinal, message="")
        if run.record.blockers:
            reason = {"reason": ""} if run.record.state is State.MIGRATING else {}
            await run.publish(blockers=(), **reason)
