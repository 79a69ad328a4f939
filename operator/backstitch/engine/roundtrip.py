# SPDX-License-Identifier: Apache-2.0
"""Does every migration of a directory have a way back? Each is run forward, back and forward again on a copy.

One scratch database beside the target's is taken through the whole history as the authors' tool would. Before each
migration it is copied; on the copy the migration runs as this software would run it, is taken back, compared with
the start (catalog and digests of all rows), and run again. The target's own database is never written to.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from backstitch.core.errors import BackstitchError, ConnectionLost, DatabaseError, StepFailed
from backstitch.core.migration_dirs import Migration
from backstitch.core.ports import Clock, Database
from backstitch.engine.fingerprint import compare
from backstitch.engine.ledger_schema import ensure_ledger
from backstitch.engine.roundtrip_copy import Copies
from backstitch.engine.roundtrip_judge import State, judge_computed, judge_down, run_plain
from backstitch.engine.roundtrip_result import Judgement, MigrationResult
from backstitch.engine.roundtrip_script import Part, Script, has_drops, parts_of, read_script
from backstitch.engine.roundtrip_server import SharedObjects
from backstitch.engine.roundtrip_state import read_state
from backstitch.engine.scratch import scratch_database
from backstitch.model.catalog import Catalog
from backstitch.model.script import ScriptError

GOOD = ("Identical", "IdenticalExcept")
DROPS_KEPT = "What it drops was kept in quarantine, as the steps dropTable and dropColumn do."
ROWS_KEPT = "Rows that it drops, or whose type it narrows, were copied into quarantine first."
IN_PIECES = "Taken back piece by piece: as one `sql` step it would be refused, as several steps it goes."
_TIME = re.compile(r"'\d{4}-\d\d-\d\d \d\d:\d\d:\d\d[^']*'")
_PREPARE = re.compile(r"\bPREPARE\s+TRANSACTION\b", re.IGNORECASE)  # would be there when the session is gone
_BEST_FIRST = ("Identical", "IdenticalExcept", "Refused", "Different", "Failed")


@dataclass
class _History:
    """The scratch database that goes through the history, and what it holds now."""

    database: Database
    name: str
    copies: Copies
    shared: SharedObjects
    state: State


async def roundtrip(
    database: Database,
    migrations: Sequence[Migration],
    clock: Clock,
    observe: Callable[[MigrationResult], None] = lambda _: None,
    own_table: str = "",
) -> list[MigrationResult]:
    """Judge each migration in order; `observe` is told of each. Raises TargetError, BackupFailed (no CREATEDB).

    What fails is left out and the next one is tried on what is there, so one mistake does not hide the others.
    `own_table` makes the table that the authors' tool keeps, which it has made before the first migration.
    """
    owner = f"roundtrip/{database.name}/{secrets.token_hex(4)}"
    results: list[MigrationResult] = []
    outside = await database.connect(purpose="roundtrip")
    try:
        shared = SharedObjects(outside)
        try:
            async with scratch_database(database, purpose="history", owner=owner) as name:
                history = await _begin(database, name, Copies(database, outside, owner, name), shared, own_table)
                for migration in migrations:
                    began = clock.monotonic()
                    result = await _judge(history, migration)
                    result = result.model_copy(update={"seconds": round(clock.monotonic() - began, 3)})
                    observe(result)
                    results.append(result)
        finally:
            await shared.drop_roles()
    finally:
        await outside.close()
    return results


async def _begin(database: Database, name: str, copies: Copies, shared: SharedObjects, own_table: str) -> _History:
    session = await database.connect(purpose="roundtrip-history", database=name)
    try:
        await ensure_ledger(session, "roundtrip")
        if own_table:
            await session.execute(own_table)
        state = await read_state(session)
    finally:
        await session.close()
    return _History(database, name, copies, shared, state)


async def _judge(history: _History, migration: Migration) -> MigrationResult:
    try:
        script = read_script(migration)
    except ScriptError as error:
        return await _unreadable(history, migration, error)
    notes = list(script.notes)
    if script.outside:
        computed = Judgement(verdict="Refused", reason="; ".join(script.outside) + ".")
        failed = await _go_on(history, script)
        return MigrationResult(name=migration.name, computed=failed or computed, notes=tuple(notes))
    if history.state.hidden:
        return await _unseen(history, migration, script)
    tried: list[Judgement] = []
    again = None
    for note, parts in _ways(script):
        async with history.copies.copy("try") as copy:
            judged, again, kept = await judge_computed(copy, history.state, script, parts, history.shared)
        tried.append(judged)
        if judged.verdict in GOOD:
            notes += [note] if note else []
            notes += [ROWS_KEPT] if kept else []
            break
    best = min(tried, key=lambda j: _BEST_FIRST.index(j.verdict))
    down = None
    if migration.down is not None:
        async with history.copies.copy("down") as copy:
            down = await judge_down(copy, history.state, script, migration, history.shared)
    failed = await _go_on(history, script)
    if failed is not None:
        return MigrationResult(name=migration.name, computed=failed, notes=tuple(notes))
    if best.verdict == "Failed":
        reason = f"It runs without us, but not with row images and quarantine: {best.reason}"
        best = Judgement(verdict="Refused", reason=reason)
    if again is not None and best.verdict in GOOD:
        same = compare(_repeatable(history.state.catalog), _repeatable(again))
        if same.verdict == "Different":
            differences = tuple(f"forward again: {d}" for d in same.differences)
            best = Judgement(verdict="Different", differences=differences)
    return MigrationResult(name=migration.name, computed=best, down=down, notes=tuple(notes))


def _repeatable(catalog: Catalog) -> Catalog:
    """Leave out what is another each time a migration runs: numbers of the catalog, and the time, as in `'now'`."""
    return replace(
        catalog, objects=tuple(replace(o, fields=_timeless(o.fields)) for o in catalog.objects if o.key.kind != "other")
    )


def _timeless(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {n: _TIME.sub("'a time'", v) if isinstance(v, str) else v for n, v in fields.items()}


def _ways(script: Script) -> list[tuple[str, list[Part]]]:
    """Give what to try, and what to note of it: first as a `sql` step does it, in one piece; then in smaller ones."""
    whole, pieces = [Part(script.statements)], parts_of(script)
    single = [part for each in parts_of(script) for part in each.singly()]
    ways = [(DROPS_KEPT, pieces)] if has_drops(script) else []
    ways.append(("", whole))
    if len(pieces) > 1:
        ways.append((IN_PIECES, [replace(p, drops=False) for p in pieces]))
    if len(single) > len(pieces):
        ways.append((IN_PIECES, single))
    return ways


async def _go_on(history: _History, script: Script) -> Judgement | None:
    """Run the migration for good, as its tool would; give Failed when that cannot be."""
    session = await history.database.connect(purpose="roundtrip-history", database=history.name)
    try:
        try:
            await run_plain(session, script, history.shared)
        except ConnectionLost:
            raise
        except DatabaseError as error:
            return Judgement(verdict="Failed", reason=error.message)
        except StepFailed as error:
            return Judgement(verdict="Refused", reason=error.message)
        finally:
            if not script.transactional:
                history.state = await read_state(session)
        history.state = await read_state(session)
    finally:
        await session.close()
    return None


async def _unseen(history: _History, migration: Migration, script: Script) -> MigrationResult:
    reason = (
        f"Row security hides rows of {', '.join(history.state.hidden)} from this role, so nothing can be said of them. "
        "Run this with a role that has BYPASSRLS, or as a superuser."
    )
    refused = Judgement(verdict="Refused", reason=reason)
    computed = await _go_on(history, script) or refused
    return MigrationResult(name=migration.name, computed=computed, down=refused if migration.down is not None else None)


async def _unreadable(history: _History, migration: Migration, error: ScriptError) -> MigrationResult:
    """What our parser does not take may still run: then it is refused, and the history goes on with it."""
    if _PREPARE.search(migration.up):
        return MigrationResult(name=migration.name, computed=Judgement(verdict="Failed", reason=str(error)))
    session = await history.database.connect(purpose="roundtrip-history", database=history.name)
    try:
        try:
            async with session.transaction():
                await session.execute(migration.up)
                await history.shared.see_that_nothing_changed(session)
        except (ConnectionLost, UnicodeError):
            raise
        except BackstitchError:
            return MigrationResult(name=migration.name, computed=Judgement(verdict="Failed", reason=str(error)))
        history.state = await read_state(session)
    finally:
        await session.close()
    return MigrationResult(name=migration.name, computed=Judgement(verdict="Refused", reason=str(error)))
