# SPDX-License-Identifier: Apache-2.0
"""What did each statement on the copy lock, rewrite, build, read and write? A Session that looks while it works.

In a transaction it looks before and after each statement, from inside, so it sees the transaction's own catalog and
every lock that is held till the end. Outside one (a concurrent index build) a second session looks at its locks while
it runs, every few milliseconds. The time that looking takes is not counted. A lock counts from the beginning of
the statement that took it: nobody else is on a copy, so it waited for nothing.
"""

from __future__ import annotations

import asyncio
import re
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field

from backstitch.core.ports import Clock, Database, Prepared, Row, Session
from backstitch.core.trace import blocks, measured_class, without_literals
from backstitch.engine.trace_look import Look, locks_of, look, sizes, wal_at
from backstitch.model.rehearsal import Direction, LockSeen, StatementTrace

POLL_S = 0.01
LOOKS = 10  # a statement that runs once more than so often in a step is only timed
ROW_IMAGES = "row images"
"""In place of a plan's class: the engine's own triggers, which no plan speaks of."""
# The engine's own bookkeeping: it commits with the statement, but locks nothing of the application's.
_BOOKKEEPING = re.compile(
    r"\s*(BEGIN|COMMIT|SET |WITH (unit|mark) |(INSERT INTO|UPDATE|DELETE FROM|TRUNCATE|SELECT .* FROM) backstitch\.|"
    r"(CREATE( OR REPLACE)?|DROP) FUNCTION (IF EXISTS )?backstitch\.|LOCK )",
    re.I | re.S,
)


Key = tuple[str, str, str]  # direction, step, statement


@dataclass
class Place:
    """Where in the migration the run is; the observer keeps it up to date."""

    direction: Direction = "forward"
    phase: str = ""
    step: str = ""
    active: bool = False  # between two steps of the life cycle only the ledger is written


@dataclass
class Tracer:
    """Collects what the sessions of one rehearsal saw."""

    clock: Clock
    place: Place = field(default_factory=Place)
    seen: list[StatementTrace] = field(default_factory=list)
    usual: dict[Key, list[tuple[tuple[str, str], ...]]] = field(default_factory=lambda: defaultdict(list))
    rewritten_bytes: Counter[str] = field(default_factory=Counter)  # by direction
    began: float | None = None
    aside_s: float = 0.0  # spent looking

    def since(self, moment: float) -> float:
        """Give the milliseconds from the first statement to a moment of the clock."""
        if self.began is None:
            self.began = moment
        return (moment - self.began) * 1000


@dataclass
class _Done:
    """One statement of an open transaction."""

    text: str
    started: float
    took: float
    before: Look
    after: Look
    aside: float  # seconds spent looking before it
    rows: int | None = None  # where nobody looked: what the statement said
    usual: tuple[tuple[str, str], ...] | None = None  # where nobody looked: the relations and modes of other runs


class TracingDatabase:
    """The copy as a Database: without a name it connects to the copy, and only to scratch databases with one."""

    def __init__(self, inner: Database, copy: str, tracer: Tracer, traced: str) -> None:
        self._inner = inner
        self._copy = copy
        self._tracer = tracer
        self._traced = traced

    @property
    def name(self) -> str:
        """Give the copy's name."""
        return self._copy

    async def connect(self, *, purpose: str, database: str | None = None, read_only: bool = False) -> Session:
        """Give a session on the copy; the migration's own one is traced."""
        if database not in (None, self._copy):
            raise AssertionError(f"a rehearsal may not connect to {database}")
        session = await self._inner.connect(purpose=f"rehearsal/{purpose}", database=self._copy, read_only=read_only)
        if purpose != self._traced:
            return session
        try:
            second = await self._inner.connect(purpose="rehearsal-look", database=self._copy, read_only=True)
        except BaseException:
            await session.close()
            raise
        return TracingSession(session, second, self._tracer)


class TracingSession:
    """A Session whose statements are traced."""

    def __init__(self, inner: Session, second: Session, tracer: Tracer) -> None:
        self._inner = inner
        self._second = second
        self._tracer = tracer
        self._clock = tracer.clock
        self._depth = 0
        self._aside = 0.0
        self._done: list[_Done] = []

    @property
    def pid(self) -> int:
        """Give the server process id."""
        return self._inner.pid

    @property
    def server_version(self) -> int:
        """Give server_version_num."""
        return self._inner.server_version

    async def rows(self, sql: str, params: Sequence[object] | None = None) -> list[Row]:
        """Run one statement that is the engine's own question; never traced."""
        return await self._inner.rows(sql, params)

    async def prepare(self, name: str, sql: str) -> Prepared:
        """Prepare a statement; never traced."""
        return await self._inner.prepare(name, sql)

    def copy_out(self, sql: str) -> AsyncIterator[bytes]:
        """Stream a COPY out; never traced."""
        return self._inner.copy_out(sql)

    async def copy_in(self, sql: str, chunks: AsyncIterator[bytes]) -> int:
        """Stream a COPY in; never traced."""
        return await self._inner.copy_in(sql, chunks)

    async def execute(self, sql: str, params: Sequence[object] | None = None) -> int:
        """Run one statement and look at what it did."""
        if not self._tracer.place.active or _BOOKKEEPING.match(sql):
            return await self._inner.execute(sql, params)
        if not self._depth:
            return await self._alone(sql, params)
        key = (self._tracer.place.direction, self._tracer.place.step, without_literals(sql))
        if len(self._tracer.usual[key]) >= LOOKS:
            return await self._again(key, sql, params)
        before = await self._look()
        aside, started = self._aside, self._clock.monotonic()
        count = await self._inner.execute(sql, params)
        took = self._clock.monotonic() - started
        after = await self._look()
        await self._weigh(before, after)
        self._done.append(_Done(sql, started, took, before, after, aside))
        return count

    async def _again(self, key: Key, sql: str, params: Sequence[object] | None) -> int:
        """Run what has run often before, as batches do: it locks what it locked; only time, rows and WAL are new."""
        before = await self._look(quickly=True)
        aside, started = self._aside, self._clock.monotonic()
        count = await self._inner.execute(sql, params)
        took = self._clock.monotonic() - started
        after = await self._look(quickly=True)
        usual = tuple(dict.fromkeys(lock for locks in self._tracer.usual[key] for lock in locks))
        self._done.append(_Done(sql, started, took, before, after, aside, max(0, count), usual))
        return count

    def transaction(self) -> AbstractAsyncContextManager[None]:
        """Open a transaction or a savepoint; what an outermost one did is noted once it is committed."""
        return self._transaction()

    async def cancel(self) -> None:
        """Cancel what runs."""
        await self._inner.cancel()

    async def close(self) -> None:
        """Close both sessions."""
        await self._second.close()
        await self._inner.close()

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[None]:
        if self._depth:
            kept = len(self._done)
            self._depth += 1
            try:
                async with self._inner.transaction():
                    yield
            except BaseException:
                del self._done[kept:]  # rolled back: a trial of the reverse, not the step
                raise
            finally:
                self._depth -= 1
            return
        self._done, self._aside, self._depth = [], 0.0, 1
        try:
            async with self._inner.transaction():
                yield
        finally:
            self._depth = 0
        self._note(self._clock.monotonic())

    async def _look(self, *, quickly: bool = False) -> Look:
        started = self._clock.monotonic()
        try:
            return Look(wal=await wal_at(self._inner)) if quickly else await look(self._inner)
        finally:
            self._count_aside(started)

    async def _weigh(self, before: Look, after: Look) -> None:
        started = self._clock.monotonic()
        anew = (*after.rewritten(before), *after.built(before))
        self._tracer.rewritten_bytes[self._tracer.place.direction] += await sizes(self._inner, anew)
        self._count_aside(started)

    def _count_aside(self, started: float) -> None:
        spent = self._clock.monotonic() - started
        self._aside += spent
        self._tracer.aside_s += spent

    def _note(self, ended: float) -> None:
        """Write down what a committed transaction did. A lock counts for the statement that took it first."""
        if not self._done:
            return
        start = next((d.before for d in self._done if d.usual is None), Look())
        had = set[tuple[int, str]]()
        for done in self._done:
            held_ms = max(0.0, (ended - done.started - (self._aside - done.aside)) * 1000)
            fresh = done.after.locks - done.before.locks - had
            had |= fresh
            locks = start.told(dict.fromkeys(fresh, held_ms))
            if done.usual is not None:
                locks = tuple(
                    LockSeen(relation=r, mode=m, held_ms=round(held_ms, 1), blocks=blocks(m)) for r, m in done.usual
                )
            self._add(done, locks)

    def _add(self, done: _Done, locks: tuple[LockSeen, ...], measured: str | None = None) -> None:
        place, before, after = self._tracer.place, done.before, done.after
        text = without_literals(done.text)
        if done.usual is None:
            known = self._tracer.usual[place.direction, place.step, text]
            known.append(tuple((lock.relation, lock.mode) for lock in locks))
        self._tracer.seen.append(
            StatementTrace(
                direction=place.direction,
                phase=place.phase,
                step=place.step,
                statement=text,
                started_ms=round(self._tracer.since(done.started), 1),
                duration_ms=round(done.took * 1000, 2),
                locks=locks,
                rewrote=tuple(r.name for r in after.rewritten(before)),
                built=tuple(r.name for r in after.built(before)),
                scanned=tuple(r.name for r in after.scanned(before)),
                rows=max(0, after.rows - before.rows) if done.rows is None else done.rows,
                wal_bytes=max(0, after.wal - before.wal),
                static_class=ROW_IMAGES if "backstitch_" in text and "TRIGGER" in text else "",
                measured_class=measured_class(locks) if measured is None else measured,
            )
        )

    async def _alone(self, sql: str, params: Sequence[object] | None) -> int:
        """Run a statement outside a transaction while the second session looks at its locks."""
        before = await look(self._inner)
        first: dict[tuple[int, str], float] = {}
        held: dict[tuple[int, str], float] = {}
        started = self._clock.monotonic()
        running = asyncio.ensure_future(self._inner.execute(sql, params))
        try:
            while not running.done():
                for lock in await locks_of(self._second, self._inner.pid):
                    now = self._clock.monotonic()
                    held[lock] = (now - first.setdefault(lock, now)) * 1000
                await asyncio.wait([running], timeout=POLL_S)
            count = await running
        except BaseException:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            raise
        took = self._clock.monotonic() - started
        after = await look(self._inner)
        await self._weigh(before, after)
        locks = before.told(held)  # none: it was over before the second session could look
        self._add(_Done(sql, started, took, before, after, 0.0), locks, measured_class(locks) if locks else "")
        return count
