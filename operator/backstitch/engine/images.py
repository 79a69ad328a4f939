# SPDX-License-Identifier: Apache-2.0
"""Putting changed rows back, newest first, in bounded transactions, keeping what the application wrote later.

A row goes back only where it still holds what the migration wrote, column by column: what differs was written by
the application since, stays, and is listed. Works set by set: one statement for a stretch of images of one table and
one kind, in parts where rows of the application are in the way.
"""

from __future__ import annotations

from dataclasses import replace

from backstitch.core.errors import StatementFailed
from backstitch.core.ports import Session
from backstitch.engine.capture import look_at_tables
from backstitch.engine.context import Run
from backstitch.engine.ledger import lock_unit, own_savepoint, update_unit
from backstitch.engine.stretch import RowsBack, Stretch, UnitImages, leave, undo_stretch
from backstitch.engine.unchecked import unchecked

_TOGETHER = 50  # stretches in one transaction

__all__ = ["RowsBack", "UnitImages", "make_room", "put_rows_back", "undo_newest"]

_CHECKED = ("23502", "23503", "23514")  # NOT NULL, foreign key, check: the constraints that can be NOT VALID


async def put_rows_back(run: Run, step: int, unit: int, total: RowsBack) -> None:
    """Undo all images of one unit; each chunk is one transaction that also moves the unit's undo cursor down.

    The cursor is one number per table: each table's own images go back in order, newest first.
    """
    rels = await run.session.rows(
        "SELECT DISTINCT rel FROM backstitch.images WHERE migration_id = %s AND step = %s AND unit = %s",
        (run.id, step, unit),
    )
    if rels:
        # A table that has just been filled has no statistics, and every plan below would be made for one row.
        await run.session.execute("ANALYZE backstitch.images")
    done = False
    rooms_left = 2
    while not done:

        async def one_chunk() -> None:
            nonlocal done
            chunk = RowsBack()
            async with run.transaction(lock_timeout_ms=5000):
                cursor = (await lock_unit(run.session, run.id, step, unit))["cursor"] or {}
                reached: dict[str, int] = cursor.get("undoneDownTo", {})
                images = UnitImages(run.session, run.id, step, unit, {r["rel"]: reached.get(r["rel"]) for r in rels})
                undone = await undo_newest(images, chunk)
                if not undone:
                    done = True
                    return
                reached = {**reached, **undone}
                await update_unit(run.session, run.id, step, unit, cursor={**cursor, "undoneDownTo": reached})
            total.add(chunk)

        try:
            await run.patiently("Putting rows back", None, step, one_chunk)
        except StatementFailed as error:
            if error.reason != "DiskFull" or not rooms_left:
                raise
            rooms_left -= 1
            for r in rels:  # the versions that our own changes left behind are room enough to go back
                await make_room(run.session, r["rel"])


async def make_room(session: Session, rel: str) -> None:
    """Let a table's dead row versions be used again, on a disk that is full."""
    for table in await look_at_tables(session, [rel]):
        await session.execute(f"VACUUM (TRUNCATE false) {table.sql}")


async def undo_newest(images: UnitImages, back: RowsBack) -> dict[str, int]:
    """Undo the newest images that can be; give down to which number by table, or nothing when nothing is left.

    The order between tables matters only where a foreign key says so. What cascades has younger images than the row
    that caused it, and must go back after it; what came first may hold what came later.
    """
    found = [s for s in [await images.newest(rel) for rel in images.below] if s is not None]
    if not found:
        return {}
    first = max(found, key=lambda s: s.high)
    others = max((s.high for s in found if s is not first), default=0)
    candidates = [first, await images.newest(first.rel, above=others)]
    parents = await _tables_pointed_at(images.session, first.rel)
    candidates += [s for s in found if s.rel in parents and s.op != "I"]
    for stretch in candidates:
        if stretch is not None and await _goes_back(images, stretch, back):
            return {stretch.rel: stretch.low}
    together = await _together(images, back)
    if not together:
        await _in_parts(images, first, back)
    return together or {first.rel: first.low}


async def _together(images: UnitImages, back: RowsBack) -> dict[str, int]:
    """Undo all that is left at once where deferred foreign keys hold tables together; nothing where that does not go.

    Rows that point at each other can only go back as they came: with the keys looked at in the end.
    """
    deferred = await images.session.rows(
        "SELECT FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid "
        "JOIN pg_namespace n ON n.oid = c.relnamespace "
        "WHERE k.condeferrable AND k.contype = 'f' AND n.nspname || '.' || c.relname = ANY(%s) LIMIT 1",
        (list(images.below),),
    )
    if not deferred:
        return {}
    tried, below = RowsBack(), dict(images.below)
    try:
        async with images.session.transaction():
            await own_savepoint(images.session, images.migration_id, images.step, images.unit)
            await images.session.execute("SET CONSTRAINTS ALL DEFERRED")
            for _ in range(_TOGETHER):
                left = replace(images, below=below)
                found = [s for s in [await left.newest(rel) for rel in below] if s is not None]
                if not found:
                    break
                first = max(found, key=lambda s: s.high)
                others = max((s.high for s in found if s is not first), default=0)
                stretch = await left.newest(first.rel, above=others) or first
                await undo_stretch(left, stretch, tried)
                below[stretch.rel] = stretch.low
            await images.session.execute("SET CONSTRAINTS ALL IMMEDIATE")
    except StatementFailed as error:
        if not error.sqlstate.startswith("23"):
            raise
        return {}
    back.add(tried)
    return {rel: low for rel, low in below.items() if low is not None and low != images.below[rel]}


async def _goes_back(images: UnitImages, stretch: Stretch, back: RowsBack) -> bool:
    """Undo a stretch, or give False where other rows are in the way; then nothing was changed."""
    tried = RowsBack()
    try:
        async with images.session.transaction():
            await own_savepoint(images.session, images.migration_id, images.step, images.unit)
            await _undo_now(images, stretch, tried)
    except StatementFailed as error:
        if not error.sqlstate.startswith("23"):
            raise
        if error.sqlstate not in _CHECKED or not await _goes_back_unchecked(images, stretch, tried := RowsBack()):
            return False
    back.add(tried)
    return True


async def _undo_now(images: UnitImages, stretch: Stretch, back: RowsBack) -> None:
    await undo_stretch(images, stretch, back)
    await images.session.execute("SET CONSTRAINTS ALL IMMEDIATE")


async def _goes_back_unchecked(images: UnitImages, stretch: Stretch, back: RowsBack) -> bool:
    """Undo a stretch whose old rows are older than a constraint that was never validated."""
    try:
        async with images.session.transaction():
            await own_savepoint(images.session, images.migration_id, images.step, images.unit)
            async with unchecked(images.session, stretch.rel) as some:
                if not some:
                    return False
                await _undo_now(images, stretch, back)
    except StatementFailed as error:
        if not error.sqlstate.startswith("23"):
            raise
        return False
    return True


async def _in_parts(images: UnitImages, stretch: Stretch, back: RowsBack) -> None:
    """Undo a stretch that does not go back as a whole: what can go does, newest first.

    What frees a unique value may have to go before what needs it, so it is tried again while that helps. What is left
    then has rows of the application in its way, and stays.
    """
    ids = await images.ids(stretch)
    while ids:
        refused = await _halves(images, stretch, ids, back)
        if len(refused) == len(ids):
            break
        ids = refused
    if ids:
        await leave(images, replace(stretch, ids=tuple(ids)), back)


async def _halves(images: UnitImages, stretch: Stretch, ids: list[int], back: RowsBack) -> list[int]:
    """Undo some images, by halves where they refuse; give those that do not go back."""
    if await _goes_back(images, replace(stretch, ids=tuple(ids)), back):
        return []
    if len(ids) == 1:
        return ids
    middle = len(ids) // 2
    newer = await _halves(images, stretch, ids[:middle], back)
    return newer + await _halves(images, stretch, ids[middle:], back)


async def _tables_pointed_at(session: Session, rel: str) -> set[str]:
    """Give the tables that a table's foreign keys point at, and those that these point at, and so on."""
    rows = await session.rows(
        "WITH RECURSIVE up AS (SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
        "WHERE n.nspname || '.' || c.relname = %s "
        "UNION SELECT k.confrelid FROM pg_constraint k JOIN up ON k.conrelid = up.oid WHERE k.contype = 'f') "
        "SELECT n.nspname || '.' || c.relname AS rel FROM up JOIN pg_class c USING (oid) "
        "JOIN pg_namespace n ON n.oid = c.relnamespace",
        (rel,),
    )
    return {r["rel"] for r in rows} - {rel}
