# SPDX-License-Identifier: Apache-2.0
"""What is one look at a MigrationTarget? Connect, read versions and ledger, show them; purge what is due.

Also finds what a vanished object has left behind: a migration that is under way in the ledger while its
DatabaseMigration was removed by force goes on to one of its two ends as a deleted one.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

from backstitch.adapters.kube import MIGRATIONS, TARGETS, Cluster, Key
from backstitch.app.at_rest import out_of_step, owner_of
from backstitch.app.backup_methods import with_backups
from backstitch.app.migration_pass import Parts
from backstitch.app.scheduled_backups import ScheduledBackups
from backstitch.app.target_schema import SchemaSeen, TargetSchemas
from backstitch.app.targets import Target
from backstitch.core.decide import Asked
from backstitch.core.errors import TargetError
from backstitch.core.ports import Session
from backstitch.core.view import previous_conditions
from backstitch.engine.history import version_now
from backstitch.engine.job import Job, World
from backstitch.engine.ledger import Entry, latest_entries
from backstitch.engine.ledger_schema import ACTIVE, ledger_exists
from backstitch.model.conditions import Condition, ConditionStatus, ConditionType, Reason, set_conditions, shorten
from backstitch.model.revert import CONTRACT_SUFFIX
from backstitch.model.states import RESTING, State
from backstitch.model.status import LastMigration, TargetStatus

logger = logging.getLogger(__name__)

Purge = Callable[[World], Awaitable[list[str]]]


class TargetPasses:
    """The work of the targets' supervisor."""

    def __init__(self, parts: Parts, purge: Purge, every_s: float) -> None:
        self._parts = parts
        self._purge = purge
        self._every_s = every_s
        self._schemas = TargetSchemas(parts)
        self._scheduled = ScheduledBackups(parts)

    async def __call__(self, key: Key) -> float | None:
        """Look once. Raises ApiError."""
        body = await self._parts.cluster.read(TARGETS, key)
        if body is None or "deletionTimestamp" in body["metadata"]:
            return None
        try:
            handled = await self._adopt(key, body)
            status, entries, target = await self._look(key, body, handled)
        except TargetError as error:
            await self._write(self._parts.cluster, key, body, _unreachable(body, error, self._parts.clock.now()))
            return self._every_s
        await self._write(self._parts.cluster, key, body, status)
        for other in out_of_step(self._parts.registry, key, entries):
            self._parts.registry.recheck(other)
            self._parts.wake(other)
        await self._tidy(target, entries)
        await self._scheduled.run(target)
        return self._every_s

    async def _adopt(self, key: Key, body: dict[str, Any]) -> list[str]:
        """Take an existing database in where a person asks for it; give the requests that were acted on."""
        if not self._schemas.is_asked(body):
            return self._schemas.handled(body)
        target = await self._parts.targets.open_body(key, body)
        if self._parts.turns.why_wait(key, target.identity) is not None:
            return self._schemas.handled(body)
        with self._parts.turns.take(key, target.identity):
            return await self._schemas.adopt(body, target)

    async def _look(
        self, key: Key, body: dict[str, Any], handled: list[str]
    ) -> tuple[TargetStatus, list[Entry], Target]:
        target = await self._parts.targets.open_body(key, body)
        session = await target.database.connect(purpose="look", read_only=True)
        try:
            entries = await latest_entries(session) if await ledger_exists(session) else []
            version = await version_now(session, entries)
            schema = await self._schemas.look(session, target, entries)
            if schema is not None:
                self._schemas.tell(body, target, schema)
            status = _reachable(body, target, session, entries, self._parts.clock.now(), schema, version)
            backups = await self._scheduled.look(session, target)
            changes = {"handled_requests": handled or None, "scheduled_backups": backups}
            return status.model_copy(update=changes), entries, target
        finally:
            await session.close()

    async def _write(self, cluster: Cluster, key: Key, body: dict[str, Any], status: TargetStatus) -> None:
        await cluster.apply_status(TARGETS, key, body["metadata"]["uid"], status.to_plain())

    async def _tidy(self, target: Target, entries: list[Entry]) -> None:
        """Purge and adopt, when nobody runs on this database."""
        turns = self._parts.turns
        due = any(e.state is State.SUCCEEDED and e.purged_at is None and not e.revertible for e in entries)
        lost = next(
            (e for e in entries if e.state in ACTIVE and e.state not in RESTING and self._is_lost(target, e)), None
        )
        if not (due or lost) or turns.why_wait(target.key, target.identity) is not None:
            return
        try:
            with turns.take(target.key, target.identity):
                if lost is not None:
                    await self._finish(target, lost)
                else:
                    purged = await self._purge(
                        World(database=target.database, clock=self._parts.clock, term=self._parts.term())
                    )
                    if purged:
                        logger.info("revert windows ended", extra={"purged": purged})
                        self._tell_purged(purged)
        except TargetError as error:
            logger.warning("cannot tidy up now", extra={"reason": error.reason, "detail": error.message})

    def _tell_purged(self, names: list[str]) -> None:
        """Tell people of each migration, given as namespace/name, what is not kept for it any more."""
        for namespace, _, name in (full.partition("/") for full in names):
            seen = self._parts.registry.get(Key(namespace, name.removesuffix(CONTRACT_SUFFIX)))
            if seen is not None and seen.state is State.SUCCEEDED:
                message = "The revert window has ended: what was quarantined and the row images are gone."
                self._parts.events.post(MIGRATIONS, seen.key, seen.uid, "RevertWindowEnded", message)

    def _is_lost(self, target: Target, entry: Entry) -> bool:
        return entry.namespace == target.key.namespace and self._parts.registry.get(owner_of(entry)) is None

    async def _finish(self, target: Target, entry: Entry) -> None:
        logger.warning("a migration's object is gone while it was under way", extra={"migration": entry.name})
        job = Job(
            namespace=entry.namespace,
            name=entry.name,
            spec=entry.spec,
            sources=entry.sources,
            environment=target.spec.environment,
            policy=target.spec.policy,
            backup_keep=target.keep,
            proof=target.proof,
            owner_role=target.spec.owner_role,
            rehearsal=target.spec.rehearsal,
            follows=owner_of(entry).name if owner_of(entry).name != entry.name else None,
        )
        world = World(
            database=target.database,
            clock=self._parts.clock,
            archiver=await self._parts.targets.archiver(target),
            store=await self._parts.targets.store(target),
            other_server=await self._parts.targets.other_server(target),
            term=self._parts.term(),
            stopping=self._parts.stopping,
        )
        world = await with_backups(world, self._parts.targets, target)
        record = await self._parts.run(job, replace(world, requests=lambda: Asked(deleted=True)))
        logger.warning("settled it", extra={"migration": entry.name, "state": record.state.value})


def _condition(
    type_: ConditionType, status: ConditionStatus, reason: Reason, message: str, generation: int, now: datetime
) -> Condition:
    return Condition(
        type=type_,
        status=status,
        reason=reason,
        message=shorten(message),
        observed_generation=generation,
        last_transition_time=now,
    )


def _reachable(
    body: dict[str, Any],
    target: Target,
    session: Session,
    entries: list[Entry],
    now: datetime,
    schema: SchemaSeen | None,
    version: str | None,
) -> TargetStatus:
    generation = body["metadata"]["generation"]
    major, minor = divmod(session.server_version, 10000)
    active = next((e for e in entries if e.state in ACTIVE), None)
    ended = [e for e in entries if e.finished_at is not None and e.state in RESTING]
    last = max(ended, key=lambda e: e.finished_at or now, default=None)
    message = f"PostgreSQL {major}.{minor}, database {target.database.name}."
    before = previous_conditions(body.get("status"))
    drifted = [c for c in before if c.type is ConditionType.DRIFTED]  # stays while a migration is at work
    if schema is not None:
        drifted = [_condition(ConditionType.DRIFTED, *schema.said, generation, now)]
    conditions = (
        _condition(ConditionType.READY, "True", Reason.CONNECTED, message, generation, now),
        _condition(ConditionType.REACHABLE, "True", Reason.CONNECTED, message, generation, now),
        *drifted,
    )
    return TargetStatus(
        observed_generation=generation,
        reachable=True,
        message=message,
        database=target.database.name,
        server_version=f"{major}.{minor}",
        schema_version=version,
        active_migration=active.name if active else None,
        last_migration=LastMigration(
            name=last.name, version=last.version, state=last.state, finished_at=last.finished_at
        )
        if last
        else None,
        drift=schema.lines if schema is not None else (body.get("status") or {}).get("drift"),
        checked_at=now,
        conditions=list(set_conditions(before, conditions)),
    )


def _unreachable(body: dict[str, Any], error: TargetError, now: datetime) -> TargetStatus:
    """Give the status of a database that does not answer; what was known of it stays."""
    generation = body["metadata"]["generation"]
    known = TargetStatus.model_validate({**(body.get("status") or {}), "conditions": None})
    reason = Reason.UNREACHABLE if error.retry else Reason.UNFIT
    conditions = [
        _condition(ConditionType.READY, "False", reason, error.message, generation, now),
        _condition(ConditionType.REACHABLE, "False", reason, error.message, generation, now),
        *(c for c in previous_conditions(body.get("status")) if c.type is ConditionType.DRIFTED),
    ]
    if not error.retry:
        conditions.append(_condition(ConditionType.STALLED, "True", reason, error.message, generation, now))
    return known.model_copy(
        update={
            "observed_generation": generation,
            "reachable": False,
            "message": shorten(f"{error.reason}: {error.message}"),
            "checked_at": now,
            "conditions": list(set_conditions(previous_conditions(body.get("status")), conditions)),
        }
    )
