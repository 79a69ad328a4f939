# SPDX-License-Identifier: Apache-2.0
"""What every part of a run shares: the session, the fence, one way to open a transaction, one way to report."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from backstitch.core.ports import Session
from backstitch.engine.fence import Fence
from backstitch.engine.job import Job, World
from backstitch.engine.ledger import Entry, entry_by_id
from backstitch.engine.lock_watch import LockWatch
from backstitch.engine.patience import be_patient
from backstitch.model.record import Record
from backstitch.model.states import Event


class Interrupted(Exception):
    """Stop between two units: an event that changes the course."""

    def __init__(self, event: Event, cause: str) -> None:
        super().__init__(cause)
        self.event = event
        self.cause = cause


class Stopping(Exception):
    """This process was told to end: stop between two units, whatever the direction. No event of the migration."""


class Paused(Stopping):
    """A person paused the migration: the same, until they take that back. Ways back are not paused."""


class Run:
    """One run of one attempt, holding the database."""

    def __init__(self, job: Job, world: World, session: Session, fence: Fence, entry: Entry, record: Record) -> None:
        self.job = job
        self.world = world
        self.session = session
        self.fence = fence
        self.entry = entry  # as it was when the run began; `record` is what is true now
        self.record = record
        self.rules = job.rules
        # a copy has no application
        self.lock_watch = (
            None if job.on_copy else LockWatch(world.database, session.pid, allowance_ms=self.rules.queue_allowance_ms)
        )

    @property
    def id(self) -> int:
        """Give the number of this attempt in the ledger."""
        return self.entry.id

    @asynccontextmanager
    async def transaction(
        self, *, lock_timeout_ms: int | None = None, statement_timeout_ms: int = 0, actor: str = ""
    ) -> AsyncIterator[None]:
        """Open a transaction that nobody can take over, with its limits set for it alone.

        `actor` (`migration/step/unit`) switches row images on. Raises Fenced when another operator took over.
        """
        if lock_timeout_ms is None:
            lock_timeout_ms = self.rules.lock_timeout_ms
        async with self.session.transaction():
            # One message: the limits are set only where the lease row still has our epoch, and that row is held.
            await self.fence.check(
                "set_config('lock_timeout', %s, true), set_config('statement_timeout', %s, true), "
                "set_config('search_path', %s, true), set_config('backstitch.actor', %s, true), "
                "set_config('backstitch.self', 'on', true)",  # no write of ours is taken for the application's
                (str(lock_timeout_ms), str(statement_timeout_ms), self.search_path, actor),
            )
            yield

    async def reread(self) -> Entry:
        """Give this attempt's ledger row as it is now."""
        return await entry_by_id(self.session, self.id)

    def tokens(self) -> tuple[str, ...]:
        """Give what people ask now, in the form in which the ledger remembers it."""
        return self.world.requests().tokens()

    @property
    def search_path(self) -> str:
        """Give the search_path that SQL of this migration runs with."""
        return ", ".join('"' + s.replace('"', '""') + '"' for s in self.entry.spec.search_path or ["public"])

    async def publish(self, **changes: Any) -> None:
        """Change the record and show it to whoever looks."""
        self.record = self.record.model_copy(update=changes)
        await self.world.observe(self.record)

    async def publish_step(self, ordinal: int, **changes: Any) -> None:
        """Change one step of the record."""
        steps = list(self.record.steps)
        steps[ordinal] = steps[ordinal].model_copy(update=changes)
        await self.publish(steps=tuple(steps))

    def heed_stop(self) -> None:
        """Raise Stopping when the process was told to end; called between units, in both directions."""
        if self.world.stopping():
            raise Stopping

    def heed_requests(self) -> None:
        """Raise Interrupted when somebody asked to stop; called between units and batches, going forward only.

        Raises Stopping too, see `heed_stop`, and Paused.
        """
        self.heed_stop()
        asked = self.world.requests()
        if asked.cancel and f"cancel:{asked.cancel}" not in self.record.handled_requests:
            raise Interrupted(Event.STOP_REQUESTED, "A person asked to cancel this migration.")
        if asked.rollback and f"rollback:{asked.rollback}" not in self.record.handled_requests:
            raise Interrupted(Event.ROLLBACK_REQUESTED, "A person asked for a rollback.")
        if asked.deleted and self.rules.rollback_on_delete:
            raise Interrupted(Event.STOP_REQUESTED, "The DatabaseMigration was deleted while it was running.")
        if asked.pause is not None and not self.job.on_copy:
            raise Paused

    async def heed_deadline(self) -> None:
        """Raise Interrupted when the deadline has passed, by the server's clock."""
        rows = await self.session.rows(
            "SELECT coalesce(clock_timestamp() > deadline_at, false) AS late FROM backstitch.migrations WHERE id = %s",
            (self.id,),
        )
        if rows[0]["late"]:
            raise Interrupted(
                Event.DEADLINE_PASSED, f"The deadline of {self.entry.spec.deadline or '1h'} has passed; it rolls back."
            )

    async def patiently(
        self,
        what: str,
        table: str | None,
        ordinal: int,
        act: Callable[[], Awaitable[None]],
        *,
        rows: bool = False,
        watch: bool = True,
    ) -> None:
        """Run a short transaction until its lock is had, within the target's allowance; see engine/patience.py."""
        await be_patient(self, what, table, ordinal, act, rows=rows, watch=watch)
