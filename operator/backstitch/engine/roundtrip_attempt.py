# SPDX-License-Identifier: Apache-2.0
"""Forward and back again, once, on a copy: parts run with row images, then are taken back from the last to the first.

The same means as for a `sql` step of a real migration: the catalog before and after gives the statements, statement
triggers give the row images, and what drops tables and columns goes to quarantine (roundtrip_drops.py).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from backstitch.core.errors import StepFailed
from backstitch.core.ports import Session
from backstitch.core.reverse import reverse
from backstitch.engine.capture import captured_tables, install_capture, look_at_tables
from backstitch.engine.catalog import read_catalog
from backstitch.engine.digest import all_digests
from backstitch.engine.image_order import straighten
from backstitch.engine.images import RowsBack, UnitImages, undo_newest
from backstitch.engine.keep import forget_images, run_keeping
from backstitch.engine.ledger import UnitRow
from backstitch.engine.roundtrip_drops import drop_for_a_while
from backstitch.engine.roundtrip_script import Part, may_truncate
from backstitch.engine.roundtrip_sequences import positions, put_back
from backstitch.engine.roundtrip_server import SharedObjects
from backstitch.engine.sql_unit import table_files
from backstitch.engine.watch import MoreTables, rows_written, tables_to_watch, written_since
from backstitch.model.backup import TableDigest
from backstitch.model.catalog import Catalog
from backstitch.model.names import LEDGER_SCHEMA, RESERVED_PREFIX
from backstitch.model.units import SqlUnit

ROUNDS = 8
_MIGRATION, _STEP = 1, 0  # images are kept by migration, step and unit; a copy holds one migration


@dataclass
class Done:
    """What forward left: the way back of each part, in forward order."""

    after: Catalog
    backs: list[tuple[str, ...]] = field(default_factory=list)
    kept: bool = False  # rows were copied first


async def run_parts(
    session: Session, before: Catalog, parts: list[Part], shared: SharedObjects, *, transactional: bool
) -> Done:
    """Run forward and commit. Raises StepFailed where there is no way back, DatabaseError where a statement fails."""
    if not transactional:
        return await _one_by_one(session, before, parts)
    watch: set[int] = set()
    start = await positions(session)
    for _ in range(ROUNDS):
        try:
            return await _at_once(session, before, parts, shared, watch)
        except MoreTables as more:
            watch |= {t.oid for t in await look_at_tables(session, await tables_to_watch(session, more.oids))}
            await put_back(session, start)
    raise StepFailed("The statements write to other tables each time they run.", reason="NoReverse")


async def _at_once(
    session: Session, before: Catalog, parts: list[Part], shared: SharedObjects, watch: set[int]
) -> Done:
    """One transaction. Raises MoreTables when tables that were there before are written without row images."""
    done = Done(before)
    async with session.transaction():
        there = (await table_files(session)).keys()
        for number, part in enumerate(parts):
            await _watch(session, watch)
            written = await rows_written(session)
            files = await table_files(session) if may_truncate(part.statements) else {}
            row = UnitRow(_STEP, number, SqlUnit(statements=()), "intent", None, 0, None)
            await _act_as(session, f"{_MIGRATION}/{_STEP}/{number}", local=True)
            await _run_part(session, done, part, number)
            missed = await written_since(session, written)
            await _act_as(session, "", local=True)
            now = await table_files(session) if files else {}
            missed |= {oid for oid, file in files.items() if now.get(oid, file) != file}
            missed &= there
            missed -= {t.oid for t in await captured_tables(session)}
            for table in await look_at_tables(session, [], sorted(missed & watch)):
                await install_capture(session, table)  # says why it cannot be
            if missed:
                raise MoreTables(sorted(missed))
            await straighten(session, _MIGRATION, row, 0)
        await shared.see_that_nothing_changed(session)
    return done


async def _one_by_one(session: Session, before: Catalog, parts: list[Part]) -> Done:
    """Each statement commits by itself, so every table is watched before; one that cannot be shows in its rows."""
    done = Done(before)
    for number, part in enumerate(parts):
        rows = await session.rows(
            "SELECT oid::bigint AS oid FROM pg_class WHERE relkind IN ('r', 'p') AND oid >= 16384"
        )
        tables = await look_at_tables(session, [], [r["oid"] for r in rows])
        await _watch(session, {t.oid for t in tables if not t.inherited})
        unkeyed = await _unkeyed_rows(session)
        schema = done.after
        await _act_as(session, f"{_MIGRATION}/{_STEP}/{number}", local=False)
        await _run_part(session, done, part, number)
        await _act_as(session, "", local=False)
        now = await _unkeyed_rows(session)
        changed = [rel for rel, old in unkeyed.items() if _written(old, now.get(rel, old), same=done.after == schema)]
        for table in await look_at_tables(session, changed):
            if not table.triggers:
                await install_capture(session, table)  # says why it cannot be
    return done


def _written(old: TableDigest, now: TableDigest, *, same: bool) -> bool:
    """Tell whether rows were written. Where the schema is another now, values read otherwise: then by their count."""
    return old != now if same else old.rows != now.rows


async def _unkeyed_rows(session: Session) -> dict[str, TableDigest]:
    rows = await all_digests(session)
    return {t.rel: rows[t.rel] for t in await look_at_tables(session, list(rows)) if not t.triggers}


async def _watch(session: Session, oids: set[int]) -> None:
    """Switch row images on for those of these tables that have a key by now, with the columns and names of now."""
    for table in await look_at_tables(session, [], sorted(oids)):
        if table.key and not table.schema.startswith(RESERVED_PREFIX) and table.schema != LEDGER_SCHEMA:
            await install_capture(session, table)


async def _run_part(session: Session, done: Done, part: Part, number: int) -> None:
    if part.drops:
        back = await drop_for_a_while(session, done.after, part.statements[0], f"{number:04x}")
        done.after, statements = back.after, back.statements
        done.backs.append(statements)
        return
    if all(s.in_transaction for s in part.statements):
        ran = await run_keeping(session, done.after, [s.text for s in part.statements], f"{number:04x}")
        await forget_images(session, _MIGRATION, _STEP, number, ran)
        done.kept = done.kept or bool(ran.kept)
        done.after = ran.after
        done.backs.append(ran.statements)
        return
    for statement in part.statements:
        await session.execute(statement.text)
    now = await read_catalog(session)
    done.backs.append(_way_back(done.after, now))
    done.after = now


async def _act_as(session: Session, actor: str, *, local: bool) -> None:
    await session.rows("SELECT pg_catalog.set_config('backstitch.actor', %s, %s)", (actor, local))


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
        if not undone:
            break
        below = {**below, **undone}
        await session.execute("SET CONSTRAINTS ALL IMMEDIATE")
