# SPDX-License-Identifier: Apache-2.0
"""Taking an existing database in: its schema as it is now becomes the one that is known, at the version it has.

The same after a person has looked at a drift and says that it is right. Nothing but our own ledger is written.
"""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass

from backstitch.core.errors import Refused, TargetError
from backstitch.core.ports import Session
from backstitch.engine.catalog import read_catalog
from backstitch.engine.fence import take_fence, who_holds
from backstitch.engine.fingerprint import fingerprint
from backstitch.engine.histories import History, read_histories
from backstitch.engine.history import schema_version
from backstitch.engine.job import World
from backstitch.engine.ledger import latest_entries
from backstitch.engine.ledger_schema import ensure_ledger, ledger_exists
from backstitch.engine.revert import ACTIVE_STATES
from backstitch.engine.shape import Shape, adopted, drift_from, keep_shape, latest_shape
from backstitch.model.catalog import Fingerprint
from backstitch.model.drift import Drift

LOCK_WAIT_S = 10.0
NOTHING = "none"


@dataclass(frozen=True)
class Adoption:
    """What taking a database in means, or has meant."""

    version: str | None  # the schema version from now on; None: none is known
    takes: str | None  # the version that is new with it
    history: History | None  # where the version came from
    objects: int  # of the schema that is known from now on
    drift: Drift | None  # what differs from the schema that was known before; None: none was
    changed: bool  # False: it was taken in exactly like this before


async def adopt(
    world: World, *, source: str | None = None, version: str | None = None, dry_run: bool = False
) -> Adoption:
    """Take a database in, or only tell what that would mean (`dry_run`).

    `source` chooses a history by its tool or its table (`schema.name`), or `none`; `version` overrules it. Doing it
    again changes nothing. Raises TargetError, and Refused: `HistoriesFound` (choose), `HistoryNotFound`,
    `HistoryUnfinished`, `DatabaseBusy`.
    """
    session = await world.database.connect(purpose="adopt", read_only=dry_run)
    try:
        chosen = _choose(await read_histories(session), source, version)
        now = fingerprint(await read_catalog(session))
        before = await latest_shape(session)
        planned = await _plan(session, before, now, chosen, version)
        if dry_run or not planned.changed:
            return planned
        await _write(world, session, planned, now)
        return planned
    finally:
        await session.close()


def _choose(found: tuple[History, ...], source: str | None, version: str | None) -> History | None:
    if source == NOTHING:
        return None
    named = [h for h in found if source is None or source in (h.tool, h.table)]
    if source is not None and not named:
        there = ", ".join(f"{h.tool} ({h.table})" for h in found) or "none"
        raise Refused(f"There is no history of {source} in this database. Found: {there}.", reason="HistoryNotFound")
    if len(named) > 1:
        there = "; ".join(f"{h.tool} in {h.table}, at {h.version or 'no version'}" for h in named)
        raise Refused(
            f"More than one history is in this database: {there}. Choose one with --from (spec.adopt.from), by its "
            "tool or its table, or none.",
            reason="HistoriesFound",
        )
    history = named[0] if named else None
    if history is not None and history.unfinished and version is None:
        raise Refused(
            f"The history of {history.tool} in {history.table} is not at rest: {history.unfinished}. Repair that with "
            f"{history.tool} first, or say which version the database has with --version (spec.adopt.version).",
            reason="HistoryUnfinished",
        )
    return history


async def _plan(
    session: Session, before: Shape | None, now: Fingerprint, history: History | None, version: str | None
) -> Adoption:
    wanted = version or (history.version if history else None)
    known = await adopted(session)
    entries = await latest_entries(session) if await ledger_exists(session) else []
    same_version = wanted is None or (known is not None and known[1] == wanted)
    drift = drift_from(before, now) if before is not None else None
    return Adoption(
        version=schema_version(entries, known) if same_version else wanted,
        takes=None if same_version else wanted,
        history=history,
        objects=len(now.objects),
        drift=drift,
        changed=drift is None or drift.is_there or not same_version,
    )


async def _write(world: World, session: Session, planned: Adoption, now: Fingerprint) -> None:
    ids = await session.rows("SELECT system_identifier::text AS id FROM pg_control_system()")
    await ensure_ledger(session, ids[0]["id"])
    fence = await take_fence(
        session, world.clock, holder=f"{platform.node()}/{os.getpid()}", wait_s=LOCK_WAIT_S, term=world.term
    )
    busy = f"Waits for {await who_holds(session)}." if fence is None else None
    active = await session.rows(
        "SELECT name, state FROM backstitch.migrations WHERE state = ANY(%s) LIMIT 1", (ACTIVE_STATES,)
    )
    if active:
        busy = f"Migration {active[0]['name']} is {active[0]['state']} and holds the database."
    if busy is not None or fence is None:
        raise TargetError(f"It cannot be taken in now. {busy}", reason="DatabaseBusy")
    history = planned.history
    source = history.table if history is not None and planned.takes else None
    async with session.transaction():
        await fence.check()
        await keep_shape(session, "a person who accepted it", version=planned.takes, source=source, now=now)
