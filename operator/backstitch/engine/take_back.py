# SPDX-License-Identifier: Apache-2.0
"""A migration of type rollback that names another: takes that one back, and ends Succeeded with its proof.

The work is the named migration's own rollback, under a request that bears this one's name. The named one's row has
the request from the moment it begins, so whoever comes after a kill goes on with it; this one's row is written at the
end, once the named one is RolledBack, and a second look finds it there.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace

from backstitch.core.decide import Asked
from backstitch.core.ordering import why_wait
from backstitch.core.ports import Session
from backstitch.engine.fence import Fence
from backstitch.engine.history import refused_by_history, siblings_of
from backstitch.engine.job import Job, World
from backstitch.engine.ledger import (
    Entry,
    entry_by_id,
    insert_migration,
    latest_entries,
    latest_entry,
    update_migration,
)
from backstitch.engine.ledger_schema import ledger_exists
from backstitch.engine.recall import recall
from backstitch.engine.revert import HELD, why_no_rollback
from backstitch.model.record import Record
from backstitch.model.states import RESTING, State

AGAIN_S = 5.0
NOTHING = "NothingToRollBack"

RunHere = Callable[[Job, World], Awaitable[Record]]
"""Runs a job to rest on the session at hand."""
TakeFence = Callable[[], Awaitable[Fence | None]]


async def take_back(
    job: Job, world: World, session: Session, blank: Record, run_here: RunHere, fence: TakeFence
) -> Record:
    """Take the named migration back. `blank` is this one's record before anything happened; gives its record now."""

    def say(state: State, reason: str, message: str, **more: object) -> Record:
        return blank.model_copy(update={"state": state, "reason": reason, "message": message, **more})

    assert job.spec.rollback_of is not None
    named = job.spec.rollback_of.name
    asked = world.requests()
    begun = await _begun(session, job, named)
    if begun is None:
        if asked.deleted or asked.cancel:
            return say(State.STOPPED, "Cancelled", "Stopped before anything was begun.")
        found = await _may_begin(session, job, named)
        if not isinstance(found, Entry):
            state, reason, message = found
            return say(state, reason, message, again_after_s=AGAIN_S if state is State.WAITING else None)
        if not await _forget_refusal(session, job, found, fence):
            return say(State.WAITING, HELD, "Waits for its turn at the database.", again_after_s=AGAIN_S)
        begun = found

    async def observe(record: Record) -> None:
        if record.state not in RESTING:
            await world.observe(_under_way(blank, begun, record))

    retry = asked.retry if begun.state is State.NEEDS_HELP else None
    record = await run_here(
        replace(job, name=named, spec=begun.whole, sources=begun.sources, siblings=()),
        replace(world, observe=observe, requests=lambda: Asked(rollback=_request(job), retry=retry)),
    )
    match record.state:
        case State.ROLLED_BACK:
            return await _finish(session, job, blank, begun, record, fence)
        case State.NEEDS_HELP:
            return say(
                State.NEEDS_HELP,
                record.reason,
                f"Taking {named} back stopped: {record.message} Settle that, then ask for a retry of this one.",
                rollback=record.rollback,
                backup=record.backup,
            )
        case State.SUCCEEDED:  # something came between our look and the beginning
            return say(State.WAITING, HELD, record.message, again_after_s=AGAIN_S)
        case _:
            return _under_way(blank, begun, record).model_copy(
                update={"again_after_s": record.again_after_s or AGAIN_S}
            )


def _request(job: Job) -> str:
    return f"migration/{job.name}"


def _under_way(blank: Record, named: Entry, record: Record) -> Record:
    return blank.model_copy(
        update={
            "state": State.MIGRATING,
            "reason": "TakingBack",
            "message": f"Takes {named.name} (version {named.version}) back; it is {record.state}.",
            "backup": record.backup,
            "rollback": record.rollback,
            "blockers": record.blockers,
            "started_at": None,
        }
    )


async def _begun(session: Session, job: Job, named: str) -> Entry | None:
    """Give the attempt of the named migration that this one has begun to take back, however it ended."""
    if not await ledger_exists(session):
        return None
    rows = await session.rows(
        "SELECT id FROM backstitch.migrations WHERE namespace = %s AND name = %s AND handled ? %s "
        "AND state <> 'Succeeded' ORDER BY attempt DESC LIMIT 1",
        (job.namespace, named, f"rollback:{_request(job)}"),
    )
    return await entry_by_id(session, rows[0]["id"]) if rows else None


async def _forget_refusal(session: Session, job: Job, named: Entry, take_fence: TakeFence) -> bool:
    """Take back the word that the named one has acted on our request, where it had only refused it at that time."""
    token = f"rollback:{_request(job)}"
    if token not in named.handled:
        return True
    fence = await take_fence()
    if fence is None:
        return False
    async with session.transaction():
        await fence.check()
        await update_migration(session, named.id, handled=[t for t in named.handled if t != token])
    return True


async def _may_begin(session: Session, job: Job, named: str) -> Entry | tuple[State, str, str]:
    entries = await latest_entries(session) if await ledger_exists(session) else []
    refused = refused_by_history(job, entries)
    if refused:
        return State.REFUSED, *refused
    waiting = why_wait(job.name, job.spec, siblings_of(job, entries))
    if waiting:
        return State.WAITING, *waiting
    entry = next((e for e in entries if e.name == named and e.namespace == job.namespace), None)
    if entry is None or entry.state not in (State.SUCCEEDED, State.NEEDS_HELP):
        known = f"is {entry.state}" if entry else "is not in this database's ledger"
        return State.REFUSED, NOTHING, f"There is nothing to take back: {named} {known}. Only what Succeeded can be."
    no = await why_no_rollback(session, entry)
    if no is None:
        return entry
    reason, message = no
    return (State.WAITING if reason == HELD else State.REFUSED), reason, f"{named} cannot be taken back. {message}"


async def _finish(
    session: Session, job: Job, blank: Record, named: Entry, record: Record, take_fence: TakeFence
) -> Record:
    """Write this migration's own row, once, already Succeeded: its work is in the named one's rows."""
    fence = await take_fence()
    if fence is None:
        return _under_way(blank, named, record).model_copy(update={"again_after_s": AGAIN_S})
    async with session.transaction():
        await fence.check()
        there = await latest_entry(session, job.namespace, job.name)
        if there is None:
            verdict = record.rollback.verdict if record.rollback else "Identical"
            number = await insert_migration(
                session,
                namespace=job.namespace,
                name=job.name,
                spec=job.spec,
                attempt=1,
                digest=blank.digest,
                plan_digest="",
                sources=job.sources,
                environment=job.environment,
                handled=(),
                state=State.SUCCEEDED,
            )
            await update_migration(
                session,
                number,
                reason="Succeeded",
                message=f"Took {named.name} (version {named.version}) back; proven {verdict}.",
                rollback=record.rollback.to_plain() if record.rollback else None,
                backup=record.backup.to_plain() if record.backup else None,
                started_at="now",
                finished_at="now",
                purged_at="now",  # it keeps nothing
            )
        else:
            number = there.id
    return await recall(session, await entry_by_id(session, number))
