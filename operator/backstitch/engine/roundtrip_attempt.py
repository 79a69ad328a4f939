# SPDX-License-Identifier: Apache-2.0
"""Forward and back again, once, on a copy: parts run with row images, then are taken back from the last to the first.

The same means as for a `sql` step of a real migration: the catalog before and after gives the statements, statement
triggers give the row images, and what drops tables and columns goes to quarantine (roundtrip_drops.py).
"""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, field

from backstitch.core.errors import StepFailed
from backstitch.core.ports import Session
from backstitch.core.reverse import reverse
from backstitch.engine.capture import Captured, capture_function, captured_tables, install_capture, look_at_tables
from backstitch.engine.catalog import read_catalog
from backstitch.engine.images import RowsBack, UnitImages, undo_newest
from backstitch.engine.roundtrip_drops import drop_for_a_while
from backstitch.engine.roundtrip_script import Part, may_truncate
from backstitch.engine.roundtrip_server import SharedObjects
from backstitch.engine.sql_unit import rows_written, table_files, with_ancestors
from backstitch.model.catalog import Catalog

ROUNDS = 8
_MIGRATION, _STEP = 1, 0  # images are kept by migration, step and unit; a copy holds one migration


@dataclass
class Done:
    """What forward left: the way back of each part, in forward order."""

    after: Catalog
    backs: list[tuple[str, ...]] = field(default_factory=list)


class _MoreTables(Exception):  # roll back, watch these, again
    def __init__(self, oids: list[int]) -> None:
        super().__init__()
        self.oids = oids


async def run_parts(
    session: Session, before: Catalog, parts: list[Part], shared: SharedObjects, *, transactional: bool
) -> Done:
    """Run forward and commit. Raises StepFailed where there is no way back, DatabaseError where a statement fails."""
    if not transactional:
        await _watch(session, [t.oid for t in await _all_tables(session)], needed=False)
        return await _forward(session, before, parts, shared, transactional=False)
    for _ in range(ROUNDS):
        try:
            return await _forward(session, before, parts, shared, transactional=True)
        except _MoreTables as more:
            await _watch(session, await with_ancestors(session, more.oids), needed=True)
    raise StepFailed("The statements write to other tables each time they run.", reason="NoReverse")


async def _all_tables(session: Session) -> list[Captured]:
    rows = await session.rows(
        "SELECT n.nspname || '.' || c.relname AS rel FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
        "WHERE c.relkind IN ('r', 'p') AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname NOT LIKE 'backstitch%' "
        "AND n.nspname <> 'information_schema'"
    )
    return await look_at_tables(session, [r["rel"] for r in rows])


async def _watch(session: Session, oids: list[int], *, needed: bool) -> None:
    for table in await look_at_tables(session, [], oids):
        if table.key or needed:
            await install_capture(session, table)


async def _forward(
    session: Session, before: Catalog, parts: list[Part], shared: SharedObjects, *, transactional: bool
) -> Done:
    done = Done(before)
    scope: AbstractAsyncContextManager[None] = session.transaction() if transactional else nullcontext()
    async with scope:
        earlier = await rows_written(session)
        there = {r["oid"] for r in await session.rows("SELECT oid::bigint AS oid FROM pg_class WHERE relkind = 'r'")}
        files = await table_files(session)
        truncates = False
        for number, part in enumerate(parts):
            await _act_as(session, f"{_MIGRATION}/{_STEP}/{number}", local=transactional)
            truncates = truncates or may_truncate(part.statements)
            if part.drops:
                back = await drop_for_a_while(session, done.after, part.statements[0], f"{number:04x}")
                done.after, statements = back.after, back.statements
            else:
                for statement in part.statements:
                    await session.execute(statement.text)
                if transactional:
                    await session.execute("SET CONSTRAINTS ALL IMMEDIATE")
                now = await read_catalog(session)
                statements = _way_back(done.after, now)
                done.after = now
            done.backs.append(statements)
            if transactional and len(parts) > 1:
                await _refresh(session)
        await _act_as(session, "", local=transactional)
        if transactional:
            await _see_that_all_is_watched(session, earlier, files if truncates else {}, there)
            await shared.see_that_nothing_changed(session)
    return done


async def _act_as(session: Session, actor: str, *, local: bool) -> None:
    await session.rows("SELECT pg_catalog.set_config('backstitch.actor', %s, %s)", (actor, local))


async def _refresh(session: Session) -> None:
    """Let the triggers' functions know the columns and the name that their tables have now."""
    for table in await captured_tables(session):
        if table.key:
            await session.execute(capture_function(table))


async def _see_that_all_is_watched(
    session: Session, earlier: dict[int, int], files: dict[int, int], there: set[int]
) -> None:
    touched = {oid for oid, n in (await rows_written(session)).items() if n > earlier.get(oid, 0) and oid in there}
    now = await table_files(session)
    touched |= {oid for oid, file in files.items() if now.get(oid, file) != file}
    unwatched = sorted(touched - {t.oid for t in await captured_tables(session)})
    if unwatched:
        raise _MoreTables(unwatched)


def _way_back(before: Catalog, after: Catalog) -> tuple[str, ...]:
    if before == after:
        return ()
    computed = reverse(before, after)
    if computed.problems:
        raise StepFailed(" ".join(computed.problems), reason="NoReverse")
    return computed.statements


async def undo_parts(session: Session, done: Done) -> None:
    """Take everything back in one transaction. Raises DatabaseError or RollbackFailed when it does not go."""
    async with session.transaction():
        await session.rows("SELECT set_config('search_path', '', true), set_config('row_security', 'off', true)")
        for number, statements in reversed(list(enumerate(done.backs))):
            for statement in statements:
                await session.execute(statement)
            await _rows_back(session, number)


async def _rows_back(session: Session, unit: int) -> None:
    rels = await session.rows(
        "SELECT DISTINCT rel FROM backstitch.images WHERE migration_id = %s AND step = %s AND unit = %s",
        (_MIGRATION, _STEP, unit),
    )
    below: dict[str, int | None] = {r["rel"]: None for r in rels}
    while below:
        undone = await undo_newest(UnitImages(session, _MIGRATION, _STEP, unit, below), RowsBack())
        if undone is None:
            break
        below = {**below, undone.rel: undone.low}
        await session.execute("SET CONSTRAINTS ALL IMMEDIATE")
