# SPDX-License-Identifier: Apache-2.0
"""Putting changed rows back, newest first, in bounded transactions, keeping what the application wrote later.

A row goes back only where it still holds what the migration wrote, column by column: what differs was written by
the application since, stays, and is listed. Works set by set: one statement for a stretch of images of one table and
one kind.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from backstitch.core.errors import RollbackFailed, StatementFailed
from backstitch.core.ports import Session
from backstitch.engine.capture import Captured, look_at_tables
from backstitch.engine.context import Run
from backstitch.engine.image_sql import (
    column_types,
    columns_in,
    differs_from_start,
    differs_from_written,
    same_key,
    still,
    value_of,
)
from backstitch.engine.ledger import lock_unit, own_savepoint, update_unit
from backstitch.model.sql import quote_ident, quote_literal

CHUNK = 5000
KEPT_SHOWN = 20


@dataclass
class RowsBack:
    """What undoing images did."""

    restored: int = 0
    kept: int = 0
    examples: list[str] = field(default_factory=list)

    def add(self, other: RowsBack) -> None:
        """Add what another chunk did; only the first examples are kept."""
        self.restored += other.restored
        self.kept += other.kept
        self.examples += other.examples[: KEPT_SHOWN - len(self.examples)]


@dataclass(frozen=True)
class _Stretch:
    """Images of one table and one kind, the newest that are left of that table."""

    rel: str
    op: str
    low: int
    high: int
    rows: int


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
                if undone is None:
                    done = True
                    return
                reached = {**reached, undone.rel: undone.low}
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


@dataclass(frozen=True)
class UnitImages:
    """The images of one unit that are left: below a number for each table, or all."""

    session: Session
    migration_id: int
    step: int
    unit: int
    below: dict[str, int | None]

    async def newest(self, rel: str, above: int = 0) -> _Stretch | None:
        """Give the newest images of a table that are of one kind, at most CHUNK, none older than `above`.

        No row is in it twice: one statement goes back by one image per row.
        """
        below = self.below[rel]
        rows = await self.session.rows(
            "SELECT op, min(id) AS low, max(id) AS high, count(*) AS rows FROM ("
            "SELECT id, op, count(*) FILTER (WHERE op <> newest OR nth > 1) OVER (ORDER BY id DESC) AS others FROM ("
            "SELECT id, op::text AS op, first_value(op::text) OVER (ORDER BY id DESC) AS newest, "
            "row_number() OVER (PARTITION BY key ORDER BY id DESC) AS nth FROM (SELECT id, op, key "
            "FROM backstitch.images WHERE migration_id = %s AND step = %s AND unit = %s AND rel = %s "
            "AND id < %s AND id > %s ORDER BY id DESC LIMIT %s) h) i) j WHERE others = 0 GROUP BY op",
            (self.migration_id, self.step, self.unit, rel, 2**63 - 1 if below is None else below, above, CHUNK),
        )
        return _Stretch(rel=rel, **rows[0]) if rows else None


async def undo_newest(images: UnitImages, back: RowsBack) -> _Stretch | None:
    """Undo the newest images that can be; give what was undone, or None when nothing is left.

    The order between tables matters only where a foreign key says so. What cascades has younger images than the row
    that caused it, and must go back after it; what came first may hold what came later.
    """
    found = [s for s in [await images.newest(rel) for rel in images.below] if s is not None]
    if not found:
        return None
    first = max(found, key=lambda s: s.high)
    others = max((s.high for s in found if s is not first), default=0)
    candidates = [first, await images.newest(first.rel, above=others)]
    parents = await _tables_pointed_at(images.session, first.rel)
    candidates += [s for s in found if s.rel in parents and s.op != "I"]
    refusal: StatementFailed | None = None
    for stretch in candidates:
        if stretch is None:
            continue
        tried = RowsBack()
        try:
            async with images.session.transaction():
                await own_savepoint(images.session, images.migration_id, images.step, images.unit)
                await _undo_stretch(images, stretch, tried)
                await images.session.execute("SET CONSTRAINTS ALL IMMEDIATE")
        except StatementFailed as error:
            if error.sqlstate != "23503":
                raise
            refusal = error
        else:
            back.add(tried)
            return stretch
    assert refusal is not None
    raise refusal


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


async def _undo_stretch(unit: UnitImages, stretch: _Stretch, back: RowsBack) -> None:
    session = unit.session
    tables = await look_at_tables(session, [stretch.rel])
    if not tables:
        raise RollbackFailed(
            f"Table {stretch.rel} is gone, and with it the place of {stretch.rows} changed rows. Their images are in "
            "backstitch.images. Somebody outside this migration removed or renamed the table.",
            reason="TableGone",
        )
    table = tables[0]
    types = await column_types(session, table)
    silenced = await _silence_triggers(session, table)
    images = (
        f"SELECT * FROM backstitch.images WHERE migration_id = {unit.migration_id} AND step = {unit.step} "
        f"AND unit = {unit.unit} AND id BETWEEN {stretch.low} AND {stretch.high} "
        f"AND rel = {quote_literal(stretch.rel)}"
    )
    await _mark_later_writes(unit, table, types, images, stretch.op)
    match stretch.op:
        case "I":
            restored = await session.execute(_delete_sql(table, types, images))
        case "D":
            restored = await session.execute(_insert_sql(table, types, images))
        case _:
            restored = await _update(session, table, types, images)
    await _list_kept(session, table, types, images, stretch, back)
    back.restored += restored
    for trigger, word in silenced:
        await session.execute(f"ALTER TABLE {table.sql} ENABLE {word}TRIGGER {quote_ident(trigger)}")


async def _silence_triggers(session: Session, table: Captured) -> list[tuple[str, str]]:
    """Disable the application's triggers until this transaction ends: a restored row must not be changed by them."""
    rows = await session.rows(
        "SELECT tgname::text AS name, tgenabled::text AS enabled FROM pg_trigger WHERE tgrelid = %s::bigint::oid "
        "AND NOT tgisinternal AND tgenabled <> 'D' AND tgname NOT LIKE 'backstitch\\_%%' ORDER BY tgname",
        (table.oid,),
    )
    for row in rows:
        await session.execute(f"ALTER TABLE {table.sql} DISABLE TRIGGER {quote_ident(row['name'])}")
    words = {"O": "", "R": "REPLICA ", "A": "ALWAYS "}
    return [(row["name"], words[row["enabled"]]) for row in rows]


def _delete_sql(table: Captured, types: dict[str, str], images: str) -> str:
    same = " AND ".join(
        f"(NOT i.new ? {quote_literal(c)} OR {still(c, 'i.new', types, 't')})" for c in columns_in(table, types)
    )
    return f"DELETE FROM {table.sql} t USING ({images}) i WHERE {same_key(table, types, 't')} AND {same}"


def _insert_sql(table: Captured, types: dict[str, str], images: str) -> str:
    columns = columns_in(table, types)
    names = ", ".join(quote_ident(c) for c in columns)
    values = ", ".join(value_of("i.old", c, types) for c in columns)
    return (
        f"INSERT INTO {table.sql} ({names}) OVERRIDING SYSTEM VALUE SELECT {values} FROM ({images}) i ORDER BY i.id "
        "ON CONFLICT DO NOTHING"
    )


async def _update(session: Session, table: Captured, types: dict[str, str], images: str) -> int:
    moved = [
        c
        for c in table.always
        if await session.rows(
            f"SELECT FROM ({images}) i WHERE i.old->>{quote_literal(c)} <> i.new->>{quote_literal(c)} LIMIT 1"
        )
    ]
    column = f"ALTER TABLE {table.sql} ALTER COLUMN "
    for c in moved:
        await session.execute(f"{column}{quote_ident(c)} SET GENERATED BY DEFAULT")
    restored = await session.execute(_update_sql(table, types, images, set(table.always) - set(moved)))
    for c in moved:
        await session.execute(f"{column}{quote_ident(c)} SET GENERATED ALWAYS")
    return restored


def _update_sql(table: Captured, types: dict[str, str], images: str, but: set[str]) -> str:
    sets, wanted = [], []
    for c in columns_in(table, types):
        if c in but:
            continue
        # Key columns too: 1.0 and 1.00 are the same key, but not the same value.
        literal = quote_literal(c)
        changed = (
            f"(i.old ? {literal} AND i.old->>{literal} IS DISTINCT FROM i.new->>{literal} "
            f"AND {still(c, 'i.new', types, 't')})"
        )
        sets.append(
            f"{quote_ident(c)} = CASE WHEN {changed} THEN {value_of('i.old', c, types)} ELSE t.{quote_ident(c)} END"
        )
        wanted.append(changed)
    if not sets:
        return "SELECT 1 WHERE false"
    return (
        f"UPDATE {table.sql} t SET {', '.join(sets)} FROM ({images}) i "
        f"WHERE {same_key(table, types, 't')} AND ({' OR '.join(wanted)})"
    )


async def _mark_later_writes(unit: UnitImages, table: Captured, types: dict[str, str], images: str, op: str) -> None:
    """Mark the images of rows that somebody else has written since, before anything is put back.

    Afterwards such a row is partly theirs, though we wrote it last; the proof must know.
    """
    # The array is made once; as a join the planner took these two sides of one table for a nested loop (15 s a chunk).
    theirs = (
        f"SELECT i.id FROM ({images}) i LEFT JOIN {table.sql} t ON {same_key(table, types, 't')} "
        f"WHERE {differs_from_written(table, types, op)}"
    )
    await unit.session.execute(
        "UPDATE backstitch.images SET later = true WHERE migration_id = %s AND step = %s AND unit = %s "
        f"AND id = ANY (ARRAY({theirs.replace('%', '%%')}))",
        (unit.migration_id, unit.step, unit.unit),
    )


async def _list_kept(
    session: Session, table: Captured, types: dict[str, str], images: str, stretch: _Stretch, back: RowsBack
) -> None:
    rows = await session.rows(
        f"SELECT i.key::text AS key, count(*) OVER () AS many FROM ({images}) i "
        f"LEFT JOIN {table.sql} t ON {same_key(table, types, 't')} "
        f"WHERE {differs_from_start(table, types, stretch.op)} ORDER BY i.id LIMIT {KEPT_SHOWN}"
    )
    if rows:
        back.kept += rows[0]["many"]
        back.examples += [f"{stretch.rel} {row['key']}" for row in rows]
