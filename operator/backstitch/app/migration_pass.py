# SPDX-License-Identifier: Apache-2.0
"""What is one pass of one DatabaseMigration? Read everything anew, run the engine if it is its turn, show the result.

Called by the supervisor. Whatever happens here may be cut off after any line: the ledger knows where things stand.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from backstitch.adapters.kube import MIGRATIONS, Cluster, Key
from backstitch.app import events
from backstitch.app.backup_methods import with_backups
from backstitch.app.events import EventPoster
from backstitch.app.job_of import job_of
from backstitch.app.limits import limits_of
from backstitch.app.logs import about
from backstitch.app.metrics import Metrics
from backstitch.app.registry import Registry, Seen, seen_of
from backstitch.app.status_writer import StatusWriter
from backstitch.app.targets import NotThere, Target, Targets, explain_invalid
from backstitch.app.trouble import NO_SPEC, plain_record, status_in_trouble
from backstitch.app.turns import Turns
from backstitch.core.errors import TargetError
from backstitch.core.ordering import why_wait
from backstitch.core.ports import Clock
from backstitch.core.term import Term
from backstitch.core.view import status_of
from backstitch.engine.job import Job, World
from backstitch.model.record import Record
from backstitch.model.spec import MigrationSpec
from backstitch.model.states import RESTING, State

logger = logging.getLogger(__name__)

RunEngine = Callable[[Job, World], Awaitable[Record]]

TURN_S = 30.0  # who waits for a turn is woken; this is for a wake that got lost
PATIENCE_S = 30.0

UNTOUCHED = frozenset(
    {State.PENDING, State.REFUSED, State.AWAITING_APPROVAL, State.WAITING, State.STOPPED, State.BACKING_UP}
)
"""States in which a deleted object may go at once when the database can't be asked: nothing was changed."""


@dataclass(frozen=True)
class Parts:
    """What a pass works with."""

    cluster: Cluster
    registry: Registry
    targets: Targets
    turns: Turns
    events: EventPoster
    metrics: Metrics
    clock: Clock
    run: RunEngine
    wake: Callable[[Key], None]  # another migration
    wake_target: Callable[[Key], None]
    term: Callable[[], Term | None]
    stopping: Callable[[], bool]
    relook_s: float = 60.0  # after trouble that only a person can mend
    look_again_s: float = 15.0  # for what does not exist yet and is not watched: Secrets and ConfigMaps


class MigrationPasses:
    """The work of the migrations' supervisor."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def __call__(self, key: Key) -> float | None:
        """Do one pass. Raises ApiError, TargetError (may come back), and whatever the engine lets out."""
        body = await self._parts.cluster.read(MIGRATIONS, key)
        if body is None:
            self._parts.registry.forget(key)
            return None
        seen = seen_of(body)
        self._parts.registry.see(seen)
        if seen.asked.deleted and not seen.held:
            return None  # somebody else's finalizer keeps it
        recheck = self._parts.registry.take_recheck(key)
        if seen.is_finished and not recheck:
            return None
        if seen.held and seen.is_settled and not recheck:
            await self._parts.cluster.remove_finalizer(MIGRATIONS, seen.key, seen.uid)
            return None
        return await _Pass(self._parts, seen, body).go()


class _Pass:
    """One pass of an object that has work left."""

    def __init__(self, parts: Parts, seen: Seen, body: dict[str, Any]) -> None:
        self._parts = parts
        self._seen = seen
        self._key = seen.key
        self._body = body
        self._held = seen.held  # our finalizer is on it, so the database may have been touched
        self._cannot_hold = False
        self._spec = NO_SPEC
        self._state = seen.state
        self._state_since = parts.clock.monotonic()
        self._noted = (seen.state, (body.get("status") or {}).get("reason"))
        status, version = dict(body.get("status") or {}), body["metadata"]["resourceVersion"]
        self._writer = StatusWriter(parts.cluster, seen.key, seen.uid, status, self._render_record, version=version)

    async def go(self) -> float | None:
        """Do the pass."""
        try:
            return await self._go()
        finally:
            if self._writer.is_gone:  # also when the watch told of the end before this pass began
                self._parts.registry.forget(self._key, self._seen.uid)

    async def _go(self) -> float | None:
        try:
            self._spec = MigrationSpec.model_validate(self._body["spec"])
            return await self._prepare()
        except ValidationError as error:
            return await self._refuse_invalid(explain_invalid(error))
        except NotThere as error:
            await self._show_trouble(error)
            return self._parts.look_again_s
        except TargetError as error:
            await self._show_trouble(error)
            if error.retry:
                raise
            return self._parts.relook_s

    async def _refuse_invalid(self, explained: str) -> float | None:
        if not self._held:
            await self._rest(self._plain(State.REFUSED, events.SPEC_INVALID, explained))
            return None
        # Begun by a version of ours that could read it, so it must not be let go.
        await self._show_trouble(TargetError(explained, reason=events.SPEC_INVALID, retry=False))
        return self._parts.relook_s

    async def _prepare(self) -> float | None:
        parts = self._parts
        rival = parts.registry.version_taken_by(self._seen)
        if rival is not None and not self._held:
            message = (
                f"Migration {rival.key.name} has version {self._spec.version} on target {self._seen.target} already. "
                "Give this one another version."
            )
            await self._rest(self._plain(State.REFUSED, "VersionTaken", message))
            return None
        target = await parts.targets.open(Key(self._key.namespace, self._spec.target_ref.name))
        sources, missing = await parts.targets.read_sources(self._key.namespace, self._spec)
        if missing and not self._held:
            return await self._wait("ConfigMapMissing", f"Waits for {', '.join(missing)}.", parts.look_again_s)
        store = await parts.targets.store(target)
        archiver = await parts.targets.archiver(target)
        job = await job_of(parts.cluster, parts.registry, self._seen, self._body, self._spec, target, sources)
        world = World(
            database=target.database,
            clock=parts.clock,
            archiver=archiver,
            store=store,
            observe=self._observe,
            requests=lambda: parts.registry.asked(self._key, self._seen.uid),
            other_server=await parts.targets.other_server(target),
            term=parts.term(),
            stopping=parts.stopping,
            throttle=limits_of(parts.targets, target.key, target.spec.policy, parts.clock),
        )
        world = await with_backups(world, parts.targets, target)
        busy = parts.turns.why_wait(self._key, target.identity)
        if busy is not None:
            # the cluster's own order says more than that somebody runs, where it applies
            waits = why_wait(job.name, job.spec, job.siblings) or (busy.reason, busy.message)
            return await self._wait(*waits, TURN_S)
        return await self._run(job, world, target)

    async def _run(self, job: Job, world: World, target: Target) -> float | None:
        parts = self._parts
        try:
            with parts.turns.take(self._key, target.identity):
                parts.metrics.running.set(parts.turns.running)
                async with self._writer:
                    record = await parts.run(job, world)
        finally:
            parts.metrics.running.set(parts.turns.running)
        if record.state in RESTING:
            await self._rest(record)
            parts.wake_target(target.key)
            return None
        await self._writer.write_record(record, patience_s=PATIENCE_S)
        if parts.registry.asked(self._key, self._seen.uid).deleted and record.state in UNTOUCHED and self._held:
            await self._let_go()
            return None
        return record.again_after_s or self._parts.look_again_s

    async def _rest(self, record: Record) -> None:
        """Show a resting record, let the object go, and wake who waited for it."""
        # What was asked when this pass began was answered by it, also where the answer is that nothing changes.
        handled = tuple(sorted({*record.handled_requests, *self._seen.asked.tokens()}))
        record = record.model_copy(update={"handled_requests": handled})
        self._note(record)
        await self._writer.write_record(record, patience_s=PATIENCE_S)
        if self._held:
            await self._let_go()
        if self._seen.state is record.state and self._seen.observed_generation == self._seen.generation:
            return
        parts = self._parts
        at = record.finished_at or parts.clock.now()
        parts.metrics.came_to_rest(self._key.namespace, self._seen.target, record, at.timestamp())
        for other in parts.registry.of_target(self._key.namespace, self._seen.target):
            if other.key != self._key and not other.is_settled:
                parts.wake(other.key)

    async def _wait(self, reason: str, message: str, again_after_s: float) -> float:
        record = self._plain(State.WAITING, reason, message)
        now = self._parts.clock.now()
        previous = self._writer.written
        if self._held:  # what is under way keeps its state; the message says what it waits for
            status = status_in_trouble(previous, record, self._spec, self._seen.generation, now, comes_back=True)
        else:
            self._note(record)
            status = self._render_record(record, previous)
        await self._writer.write(status, patience_s=PATIENCE_S)
        return again_after_s

    async def _show_trouble(self, error: TargetError) -> None:
        asked = self._parts.registry.asked(self._key, self._seen.uid)
        if asked.deleted and self._held and self._state in UNTOUCHED:
            await self._let_go()
            return
        record = self._plain(State.WAITING, error.reason, error.message)
        if self._held and asked.deleted:
            why_here = (
                "The object was deleted while its migration had the database in hand; it goes when that is settled."
            )
            record = record.model_copy(update={"message": f"{error.message} {why_here}"})
        status = status_in_trouble(
            self._writer.written,
            record,
            self._spec,
            self._seen.generation,
            self._parts.clock.now(),
            comes_back=error.retry,
        )
        self._parts.events.post(
            MIGRATIONS, self._key, self._seen.uid, record.reason, record.message, type_=events.WARNING
        )
        logger.warning("cannot work now", extra={"reason": error.reason, "detail": error.message})
        await self._writer.write(status, patience_s=PATIENCE_S)

    async def _observe(self, record: Record) -> None:
        """Take a record from the engine. Before the first change the object gets our finalizer, or this raises."""
        begun = record.state not in RESTING and record.state not in (State.WAITING, State.AWAITING_APPROVAL)
        if begun and not self._held and not self._cannot_hold:
            held = await self._parts.cluster.add_finalizer(MIGRATIONS, self._key, self._seen.uid)
            self._held = held == "held"
            # On its way out or gone: `requests` tells the engine, which decides by policy.
            self._cannot_hold = not self._held
        self._note(record)
        self._writer.observe(record)

    def _note(self, record: Record) -> None:
        """Tell log, events and metrics of a transition, once."""
        if self._noted == (record.state, record.reason):
            return
        self._noted = (record.state, record.reason)
        if record.state is not self._state:
            now = self._parts.clock.monotonic()
            self._parts.metrics.stage(self._key.namespace, self._seen.target, self._state, now - self._state_since)
            self._state, self._state_since = record.state, now
        with about(attempt=record.attempt, phase=record.phase):
            logger.info("state", extra={"state": record.state.value, "reason": record.reason, "detail": record.message})
        self._parts.events.post(
            MIGRATIONS,
            self._key,
            self._seen.uid,
            record.state.value,
            record.message or record.state.value,
            type_=events.TYPES.get(record.state, events.NORMAL),
        )

    async def _let_go(self) -> None:
        await self._parts.cluster.remove_finalizer(MIGRATIONS, self._key, self._seen.uid)
        self._held = False

    def _render_record(self, record: Record, previous: dict[str, Any]) -> dict[str, Any]:
        return status_of(record, self._spec, self._seen.generation, previous, self._parts.clock.now())

    def _plain(self, state: State, reason: str, message: str) -> Record:
        return plain_record(self._key.namespace, self._key.name, self._seen.version, state, reason, message)
