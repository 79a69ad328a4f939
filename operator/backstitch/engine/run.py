# SPDX-License-Identifier: Apache-2.0
"""Running a migration: what the operator and the command line call. Everything it knows is in the ledger, so calling
it again after a kill at any point is right, and calling it for a finished migration does nothing."""

from __future__ import annotations

import asyncio
import os
import platform

from backstitch.core.approvals import Approved
from backstitch.core.decide import Course, Past, decide
from backstitch.core.errors import CommitUnknown, ConnectionLost, Fenced, StatementFailed, TargetError
from backstitch.core.ordering import why_wait
from backstitch.core.plan import Plan, content_digest
from backstitch.core.plan_short import short_plan
from backstitch.core.ports import Session
from backstitch.engine.context import Paused, Run, Stopping
from backstitch.engine.contract import is_contract_due, run_contract, speaks_of_contract, with_contract
from backstitch.engine.drive import drive, move
from backstitch.engine.fence import Fence, take_fence, who_holds
from backstitch.engine.history import refused_by_history, siblings_of, version_now
from backstitch.engine.job import Job, World
from backstitch.engine.ledger import Entry, entry_by_id, insert_migration, latest_entries, latest_entry
from backstitch.engine.ledger_schema import ensure_ledger, ledger_exists, upgrade_ledger
from backstitch.engine.permit import ask_to_begin
from backstitch.engine.planning import make_plan, plan_now
from backstitch.engine.purge import purge_ended
from backstitch.engine.recall import read_record, recall
from backstitch.engine.restore import reopen_interrupted
from backstitch.engine.revert import close_window, note_request, who_is_active, why_no_rollback
from backstitch.engine.stopping import forget_stop, note_pause, note_stop
from backstitch.engine.take_back import take_back
from backstitch.model.record import Record, StepRecord
from backstitch.model.states import Event, State

__all__ = ["Job", "World", "make_plan", "purge", "read_record", "run"]

LOST_TRIES = 40
LOCK_WAIT_S = 10.0
AGAIN_S = 5.0


async def run(job: Job, world: World) -> Record:
    """Take a migration to a resting state, or as far as it can go now (state Waiting, with `again_after_s`).

    Survives lost connections and server restarts on the way. Raises TargetError where the database cannot be
    worked with, Fenced where another operator took over.
    """
    lost = 0
    while True:
        try:
            return await _once(job, world)
        except (ConnectionLost, CommitUnknown) as error:
            lost += 1
            if lost > LOST_TRIES:
                raise TargetError(f"The connection is lost again and again: {error.message}") from error
        except TargetError as error:
            if not lost or not error.retry:
                raise  # never got through: the caller says when to look again
            lost += 1
            if lost > LOST_TRIES:
                raise
        if world.stopping():
            raise TargetError("The connection was lost while the operator stops; the next one goes on.")
        await world.clock.sleep(min(5.0, 0.1 * 2 ** min(lost, 6)))


async def purge(world: World) -> list[str]:
    """Give up what ended revert windows keep; give the names of the migrations. Raises TargetError."""
    session = await world.database.connect(purpose="purge")
    try:
        if not await ledger_exists(session):
            return []
        await upgrade_ledger(session)
        fence = await take_fence(session, world.clock, holder=_holder(), wait_s=LOCK_WAIT_S, term=world.term)
        return await purge_ended(session, fence) if fence else []
    finally:
        await session.close()


def _holder() -> str:
    return f"{platform.node()}/{os.getpid()}"


async def _once(job: Job, world: World) -> Record:
    purpose = f"{job.namespace}/{job.name}"
    try:
        session = await world.database.connect(purpose=purpose)
    except TargetError as error:
        # a restore of ours that was killed between closing the database and renaming it
        if error.reason != "DatabaseClosed" or not await reopen_interrupted(world.database):
            raise
        session = await world.database.connect(purpose=purpose)
    try:
        return await _Pass(job, world, session).go()
    finally:
        await session.close()


class _Pass:
    """One connection's worth of a run."""

    def __init__(self, job: Job, world: World, session: Session) -> None:
        self.job = job
        self.world = world
        self.session = session
        self.digest = content_digest(job.spec, job.sources)
        self.heard: tuple[
            str, ...
        ] = ()  # what people asked when the course was chosen; later ones are still to be heeded

    async def go(self) -> Record:
        entry = await self._latest()
        asked = self.world.requests()
        self.heard = asked.tokens()
        match decide(_past(entry), self.digest, asked):
            case Course.REST:
                assert entry is not None
                return await self._rest(entry, await recall(self.session, entry))
            case Course.REFUSE_CHANGED:
                assert entry is not None
                return await self._show(
                    (await recall(self.session, entry)).model_copy(
                        update={
                            "state": State.REFUSED,
                            "reason": "ContentChanged",
                            "message": f"A migration named {entry.name} with other content is {entry.state} in this "
                            "database. Give the new content a new name and version.",
                        }
                    )
                )
            case Course.BEGIN | Course.STOP_BEFORE if self.job.spec.rollback_of is not None:
                blank = self._blank(State.PENDING, "", "")
                return await self._show(
                    await take_back(self.job, self.world, self.session, blank, self._run_here, self._take_fence)
                )
            case Course.STOP_BEFORE:
                return await self._show(self._blank(State.STOPPED, "Cancelled", "Stopped before anything was begun."))
            case Course.BEGIN:
                return await self._begin(entry)
            case course:
                assert entry is not None
                return await self._continue(entry, course)

    async def _take_fence(self) -> Fence | None:
        world = self.world
        await upgrade_ledger(self.session)
        return await take_fence(self.session, world.clock, holder=_holder(), wait_s=LOCK_WAIT_S, term=world.term)

    async def _run_here(self, job: Job, world: World) -> Record:
        return await _Pass(job, world, self.session).go()

    async def _rest(self, entry: Entry, record: Record) -> Record:
        """Show a migration that rests; run what waited for the end of its revert window."""
        shown = await self._show(await with_contract(self.session, entry, record))
        if not is_contract_due(entry):
            return shown
        return await run_contract(self.job, self.world, entry, record, self._run_here)

    async def _latest(self) -> Entry | None:
        if not await ledger_exists(self.session):
            return None
        return await latest_entry(self.session, self.job.namespace, self.job.name)

    async def _show(self, record: Record) -> Record:
        await self.world.observe(record)
        return record

    def _blank(self, state: State, reason: str, message: str, **more: object) -> Record:
        job = self.job
        return Record(
            namespace=job.namespace,
            name=job.name,
            version=job.spec.version,
            digest=self.digest,
            state=state,
            reason=reason,
            message=message,
            steps=tuple(StepRecord(name=s.name, phase=p, operation=s.operation.kind) for p, s in job.spec.steps()),
        ).model_copy(update=more)

    def _wait(self, reason: str, message: str) -> Record:
        return self._blank(State.WAITING, reason, message, again_after_s=AGAIN_S)

    async def _begin(self, earlier: Entry | None) -> Record:
        entries = await latest_entries(self.session) if await ledger_exists(self.session) else []
        refused = refused_by_history(self.job, entries)
        if refused:
            return await self._show(self._blank(State.REFUSED, *refused))
        waiting = why_wait(self.job.name, self.job.spec, siblings_of(self.job, entries))
        if waiting:
            return await self._show(self._wait(*waiting))
        plan = await plan_now(self.session, self.job, await version_now(self.session, entries))
        if plan.refusals:
            return await self._show(
                self._blank(State.REFUSED, "PlanRefused", " ".join(plan.refusals), plan_digest=plan.digest)
            )
        if plan.drifted and self.job.rules.drift_waits and not (self.job.spec.assume and self.job.spec.assume.drift):
            return await self._show(self._wait("Drifted", " ".join(plan.warnings)))
        approved, not_yet = ask_to_begin(self.job, self.world, plan.digest)
        if not_yet is not None:
            blank = self._blank(not_yet.state, not_yet.reason, not_yet.message)
            more = {"plan_digest": plan.digest, "plan": short_plan(plan), "approved_by": approved.by}
            return await self._show(blank.model_copy(update={**more, "again_after_s": not_yet.again_after_s}))
        facts_id = (await self.session.rows("SELECT system_identifier::text AS id FROM pg_control_system()"))[0]["id"]
        await ensure_ledger(self.session, facts_id)
        fence = await self._take_fence()
        if fence is None:
            return await self._show(self._wait("DatabaseBusy", f"Waits for {await who_holds(self.session)}."))
        await purge_ended(self.session, fence)
        entry = await self._insert(fence, plan, earlier, approved)
        if entry is None:
            return await self._show(self._wait("DatabaseBusy", await who_is_active(self.session)))
        return await self._drive(fence, entry)

    async def _insert(self, fence: Fence, plan: Plan, earlier: Entry | None, approved: Approved) -> Entry | None:
        """Write the attempt's row; None where another migration is active or another process was first."""
        job = self.job
        latest = await self._latest()
        if (latest.id if latest else None) != (earlier.id if earlier else None):
            return None
        try:
            async with self.session.transaction():
                await fence.check()
                number = await insert_migration(
                    self.session,
                    namespace=job.namespace,
                    name=job.name,
                    spec=job.spec,
                    attempt=(earlier.attempt if earlier else 0) + 1,
                    digest=self.digest,
                    plan_digest=plan.digest,
                    sources=job.sources,
                    environment=job.environment,
                    handled=self.heard,
                    approved_by=approved.by,
                )
        except StatementFailed as error:
            if error.sqlstate == "23505":
                return None
            raise
        return await entry_by_id(self.session, number)

    async def _continue(self, entry: Entry, course: Course) -> Record:
        fence = await self._take_fence()
        if fence is None:
            waiting = await recall(self.session, entry)
            return await self._show(waiting.model_copy(update={"again_after_s": AGAIN_S}))
        entry = await entry_by_id(self.session, entry.id)
        return await self._drive(fence, entry, course)

    async def _drive(self, fence: Fence, entry: Entry, course: Course = Course.GO_ON) -> Record:
        running = Run(self.job, self.world, self.session, fence, entry, await recall(self.session, entry))
        await forget_stop(running)
        await running.publish()
        try:
            if course is Course.ROLL_BACK:
                refusal = await why_no_rollback(self.session, entry)
                if refusal and await speaks_of_contract(self.session, entry):
                    await note_request(running, entry.message)
                    return await self._rest(await running.reread(), running.record)
                if refusal:
                    return await note_request(running, refusal[1])
                await move(running, Event.ROLLBACK_REQUESTED, reason="RollbackRequested",
                           message="A person asked for a rollback.")  # fmt: skip
                running.entry = await running.reread()
            elif course is Course.CLOSE:
                await close_window(running, fence)
                return await self._rest(await running.reread(), running.record)
            elif course is Course.VERIFY_AGAIN:
                handled = sorted({*running.record.handled_requests, *running.tokens()})
                await move(running, Event.RETRY_REQUESTED, reason="RetryRequested",
                           message="A person asked to check again.", handled=handled)  # fmt: skip
                await running.publish(handled_requests=tuple(handled))
            record = await drive(running, run)
            if record.state is State.SUCCEEDED and running.entry.whole != running.entry.spec:
                return await self._rest(await running.reread(), record)
            return record
        except Fenced:
            await running.publish(again_after_s=AGAIN_S)
            return running.record
        except Paused:
            return await note_pause(running)
        except Stopping:
            return await note_stop(running)
        except asyncio.CancelledError:  # the time to stop in is up; the statement is cancelled, its transaction gone
            await note_stop(running)
            raise


def _past(entry: Entry | None) -> Past | None:
    if entry is None:
        return None
    return Past(entry.state, entry.digest, tuple(entry.handled), entry.rollback_cause is not None)
