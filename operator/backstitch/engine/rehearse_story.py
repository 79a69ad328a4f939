# SPDX-License-Identifier: Apache-2.0
"""What happens on the copy: the migration with its checks, the whole rollback, a comparison, and forward again.

The same engine runs, on a Database that can connect to nothing but the copy; the copy has a ledger of its own. What is
left out of the job is what speaks of the target's past: its order among other migrations, and the schema version.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace

from backstitch.core.errors import BackupFailed
from backstitch.core.ports import Session
from backstitch.core.trace import merged, planned_class, planned_classes
from backstitch.engine.catalog import read_catalog
from backstitch.engine.digest import all_digests, differing
from backstitch.engine.fingerprint import compare
from backstitch.engine.job import Job, Requests, World
from backstitch.engine.ledger import latest_entry, read_units
from backstitch.engine.trace import Tracer, TracingDatabase
from backstitch.model.backup import TableDigest
from backstitch.model.catalog import Catalog
from backstitch.model.record import Record
from backstitch.model.rehearsal import Direction, QueryFinding, Rehearsal, StatementTrace
from backstitch.model.spec import RollbackSpec
from backstitch.model.states import State

RunHere = Callable[[Job, World], Awaitable[Record]]
AfterPhase = Callable[[Session, str], Awaitable[tuple[QueryFinding, ...]]]
REVERT_WINDOW = "7d"  # on the copy the way back follows at once
TRACED = (State.MIGRATING, State.VERIFYING, State.ROLLING_BACK)


class Abandoned(Exception):
    """The rehearsal is to stop here: somebody asked for it, or the process ends. The copy goes."""

    def __init__(self, why: Exception) -> None:
        super().__init__(str(why))
        self.why = why


async def no_queries(_: Session, __: str) -> tuple[QueryFinding, ...]:
    """No statement of the application is known."""
    return ()


@dataclass
class Story:
    """One rehearsal on one copy."""

    job: Job
    world: World  # production's, of which only the clock is used here
    database: TracingDatabase
    tracer: Tracer
    run_here: RunHere
    rows: Mapping[str, TableDigest] | None = None  # of the whole copy, as it was restored and compared
    heed: Callable[[], None] = lambda: None  # raises Abandoned
    after_phase: AfterPhase = no_queries
    _classes: dict[str, dict[str, str]] = field(default_factory=dict)
    _seen: set[str] = field(default_factory=set)
    _queries: list[QueryFinding] = field(default_factory=list)
    _asked: Requests = field(default_factory=Requests)

    async def tell(self, report: Rehearsal) -> Rehearsal:
        """Go through the whole story and give the report, filled in as far as it came."""
        start = await self._state(self.rows)
        record, forward_ms = await self._go("forward", Requests())
        await self._read_plan()
        report = report.model_copy(
            update={"forward_ms": forward_ms, "checks": record.checks, "queries": tuple(self._queries)}
        )
        if record.state is State.SUCCEEDED:
            record, back_ms = await self._go("reverse", Requests(rollback="rehearsal"))
            report = await self._compared(report.model_copy(update={"rollback_ms": back_ms}), start, record)
            if report.verdict not in (None, "Different"):
                record, again_ms = await self._go("forward again", Requests(retry="rehearsal"))
                report = report.model_copy(update={"again_ms": again_ms})
                if record.state is not State.SUCCEEDED:
                    report = report.model_copy(
                        update={"failure": f"It went back, but not forward again: {record.message}"}
                    )
        else:
            report = await self._compared(report, start, record)
            if record.reason not in ("CheckFailed", "CheckInconclusive"):  # a gate of its own says those
                report = report.model_copy(update={"failure": record.message})
        return report.model_copy(update={"statements": self._traces(), "looking_ms": self.tracer.aside_s * 1000})

    async def _go(self, direction: Direction, asked: Requests) -> tuple[Record, float]:
        """Run in one direction to rest; give the milliseconds that it took, without those spent looking."""
        self.tracer.place.direction = direction
        self._asked = asked
        clock, aside = self.world.clock, self.tracer.aside_s
        began = clock.monotonic()
        world = World(database=self.database, clock=clock, observe=self._observe, requests=lambda: self._asked)
        record = await self.run_here(self._job(), world)
        self.tracer.place.active = False
        if record.state is State.REFUSED:
            raise BackupFailed(
                f"The copy does not take the migration that the target takes: {record.message}", reason="CopyDiffers"
            )
        return record, max(0.0, (clock.monotonic() - began - (self.tracer.aside_s - aside)) * 1000)

    def _job(self) -> Job:
        spec = self.job.spec
        back = (spec.rollback or RollbackSpec()).model_copy(update={"strategy": "auto", "revert_window": REVERT_WINDOW})
        assume = spec.assume.model_copy(update={"schema_version": None}) if spec.assume else None
        here = spec.model_copy(update={"depends_on": None, "assume": assume, "rollback": back})
        return replace(self.job, spec=here, siblings=(), on_copy=True, rehearsal=None, rows_known=self.rows)

    async def _observe(self, record: Record) -> None:
        self.heed()
        place = self.tracer.place
        place.active = record.state in TRACED and place.direction != "forward again"
        place.phase = record.phase or ""
        going = [s for s in record.steps if s.state in ("running", "failed")]
        if place.direction == "reverse":
            going = [s for s in record.steps if s.state in ("running", "failed", "done")][-1:]
        elif record.state is State.MIGRATING and not going:
            going = [s for s in record.steps if s.state == "pending"][:1]  # what it is about to begin
        place.step = going[-1].name if going else ""
        if place.direction == "reverse" and going:
            place.phase = going[-1].phase
        if place.direction == "forward" and record.state is State.VERIFYING and place.phase not in self._seen:
            self._seen.add(place.phase)
            await self._try_queries(place.phase)

    async def _try_queries(self, phase: str) -> None:
        began = self.world.clock.monotonic()
        session = await self.database.connect(purpose="queries")
        try:
            self._queries += await self.after_phase(session, phase)
        finally:
            await session.close()
            self.tracer.aside_s += self.world.clock.monotonic() - began

    async def _state(self, rows: Mapping[str, TableDigest] | None = None) -> tuple[Catalog, dict[str, TableDigest]]:
        session = await self.database.connect(purpose="state", read_only=True)
        try:
            return await read_catalog(session), dict(rows) if rows is not None else await all_digests(session)
        finally:
            await session.close()

    async def _compared(
        self, report: Rehearsal, start: tuple[Catalog, dict[str, TableDigest]], record: Record
    ) -> Rehearsal:
        """Compare the copy with its start, without asking the ledger; nobody else writes to a copy."""
        if record.state is not State.ROLLED_BACK:
            why = record.message if record.state is not State.SUCCEEDED else "the rollback did not begin"
            return report.model_copy(update={"verdict": None, "differences": (why,)})
        catalog, digests = await self._state()
        found = compare(start[0], catalog)
        rows = differing(start[1], digests)
        verdict = "Different" if rows else found.verdict
        return report.model_copy(
            update={
                "verdict": verdict,
                "exceptions": tuple(found.exceptions),
                "differences": (*found.differences, *rows)[:20] if verdict != "Identical" else (),
            }
        )

    async def _read_plan(self) -> None:
        """Take the plan of each step from the copy's ledger: what its units said they would lock."""
        session = await self.database.connect(purpose="plan", read_only=True)
        try:
            entry = await latest_entry(session, self.job.namespace, self.job.name)
            if entry is None:
                return
            names = [step.name for _, step in entry.spec.steps()]
            for row in await read_units(session, entry.id):
                self._classes.setdefault(names[row.step], {}).update(planned_classes(row.body))
        finally:
            await session.close()

    def _traces(self) -> tuple[StatementTrace, ...]:
        return tuple(
            t
            if t.static_class
            else t.model_copy(update={"static_class": planned_class(t.statement, self._classes.get(t.step, {}))})
            for t in merged(self.tracer.seen)
        )
