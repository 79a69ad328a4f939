# SPDX-License-Identifier: Apache-2.0
"""May a backfill go on now? It rests while standbys, slots or the archive are behind what the target allows.

Looked at between batches, at most once a second; the limits are read anew each time, so that they can be changed while
a backfill runs. While a vacuum works on the table the backfill takes only half of the time.
"""

from __future__ import annotations

from backstitch.core.ports import Row
from backstitch.engine.context import Run
from backstitch.model.duration import parse_duration
from backstitch.model.lock_policy import Throttle, bytes_of
from backstitch.model.sql import RELATIONS_NAMED
from backstitch.model.states import State

LOOK_S = 1.0
REST_S = 0.5

# pg_stat_replication shows lags to members of pg_monitor only; the others can be read by everybody. What waits to be
# archived is counted from positions, because the list of files is for pg_monitor too.
_LOOK = f"""
SELECT (SELECT max(extract(epoch FROM replay_lag))::float FROM pg_stat_replication) AS lag_s,
       (SELECT max(pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn))::bigint FROM pg_replication_slots) AS slot_bytes,
       (SELECT floor(greatest(0, pg_wal_lsn_diff(pg_current_wal_lsn(), (substr(last_archived_wal, 9, 8) || '/' ||
                 to_hex((('x' || substr(last_archived_wal, 17, 8))::bit(32)::bigint * size)))::pg_lsn)) / size)::int - 1
          FROM pg_stat_archiver, LATERAL (SELECT pg_size_bytes(current_setting('wal_segment_size')) AS size) s
         WHERE current_setting('archive_mode') <> 'off' AND last_archived_wal ~ '^[0-9A-F]{{24}}$') AS files,
       EXISTS (SELECT FROM pg_stat_progress_vacuum WHERE relid IN {RELATIONS_NAMED}) AS vacuum
"""


def why_rest(limits: Throttle, found: Row) -> str | None:
    """Say which limit is passed, or None. Pure: `found` is a row of what was looked at."""
    lag, slot, files = found["lag_s"], found["slot_bytes"], found["files"]
    if limits.max_replication_lag is not None and lag is not None:
        limit = parse_duration(limits.max_replication_lag).total_seconds()
        if lag > limit:
            return f"a standby replays {lag:.0f} s late (limit {limits.max_replication_lag})"
    if limits.max_slot_retained is not None and slot is not None and slot > bytes_of(limits.max_slot_retained):
        return f"a replication slot keeps {slot // 2**20} MB of WAL (limit {limits.max_slot_retained})"
    if limits.max_archive_backlog is not None and files is not None and files > limits.max_archive_backlog:
        return f"{files} WAL files wait to be archived (limit {limits.max_archive_backlog})"
    return None


class Pace:
    """Between the batches of one unit."""

    def __init__(self, run: Run, table: str, ordinal: int) -> None:
        self._run, self._table, self._ordinal = run, table, ordinal
        self._looked = 0.0
        self._vacuum = False
        self._resting = False

    async def keep(self, took_s: float) -> None:
        """Wait as long as the limits ask, after a batch that took `took_s`. Raises Interrupted, Stopping."""
        clock = self._run.world.clock
        if self._vacuum:
            await clock.sleep(took_s)
        limits = await self._limits()
        if limits.pause_ms:
            await clock.sleep(limits.pause_ms / 1000)
        if clock.monotonic() - self._looked < LOOK_S:
            return
        while True:
            found = (await self._run.session.rows(_LOOK, (self._table,)))[0]
            self._vacuum = found["vacuum"]
            why = why_rest(await self._limits(), found)
            await self._tell(why)
            if why is None:
                break
            self._run.heed_requests()
            await self._run.heed_deadline()
            await clock.sleep(REST_S)
        self._looked = clock.monotonic()

    async def _limits(self) -> Throttle:
        read = self._run.world.throttle
        return self._run.rules.throttle if read is None else await read() or Throttle()

    async def _tell(self, why: str | None) -> None:
        if why is None and not self._resting:
            return
        self._resting = why is not None
        await self._run.publish_step(self._ordinal, message=f"Rests: {why}." if why else "")
        if self._run.record.state is State.MIGRATING:
            await self._run.publish(reason="Throttled" if why else "")
