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
from backstitch.engine.ledger import note_write
from backstitch.model.sql import quote_ident, quote_literal

CHUNK = 5000
KEPT_SHOWN = 20


@dataclass
class RowsBack:
    """What undoing images did."""

    restored: int = 0
    kept: int = 0
    examples: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Stretch:
    rel: str
    op: str
    low: int
    high: int
    rows: int


async def put_rows_back(run: Run, step: int, unit: int, total: RowsBack) -> None:
    """Undo all images of one unit; each chunk is one transaction that also marks its images as undone."""
    while True:
        done = False

        async def one_chunk() -> None:
            nonlocal done
            chunk = RowsBack()
            async with run.transaction(lock_timeout_ms=5000):
                stretch = await _next_stretch(run.session, run.id, step, unit)
                if stretch is None:
                    done = True
                    return
                await _undo_parents_first(run.session, run.id, step, unit, stretch, chunk)
                await note_write(run.session, run.id)
            total.restored += chunk.restored
            total.kept += chunk.kept
            total.examples += chunk.examples[: KEPT_SHOWN - len(total.examples)]

        await run.patiently("Putting rows back", None, step, one_chunk)
        if done:
            return


_POINTED_AT = (
    " AND id <= (SELECT max(id) FROM backstitch.images WHERE migration_id = {0} AND step = {1} AND unit = {2} "
    "AND NOT undone AND rel IN (SELECT pn.nspname || '.' || p.relname FROM pg_constraint k "
    "JOIN pg_class p ON p.oid = k.confrelid JOIN pg_namespace pn ON pn.oid = p.relnamespace "
    "JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace "
    "WHERE k.contype = 'f' AND k.confrelid <> k.conrelid AND n.nspname || '.' || c.relname = {3})) "
)


async def _next_stretch(
    session: Session, migration_id: int, step: int, unit: int, *, pointed_at_by: str | None = None
) -> _Stretch | None:
    only = " "
    if pointed_at_by is not None:
        only = _POINTED_AT.format(migration_id, step, unit, quote_literal(pointed_at_by).replace("%", "%%"))
    rows = await session.rows(
        "WITH newest AS (SELECT id, rel, op::text AS op FROM backstitch.images WHERE migration_id = %s AND step = %s "
        f"AND unit = %s AND NOT undone{only}ORDER BY id DESC LIMIT %s), "
        "first AS (SELECT rel, op FROM newest ORDER BY id DESC LIMIT 1), "
        "cut AS (SELECT max(n.id) AS id FROM newest n, first f WHERE (n.rel, n.op) IS DISTINCT FROM (f.rel, f.op)) "
        "SELECT f.rel, f.op, min(n.id) AS low, max(n.id) AS high, count(*) AS rows FROM newest n, first f, cut "
        "WHERE n.id > coalesce(cut.id, 0) GROUP BY f.rel, f.op",
        (migration_id, step, unit, CHUNK),
    )
    return _Stretch(**rows[0]) if rows else None


async def _undo_parents_first(
    session: Session, migration_id: int, step: int, unit: int, stretch: _Stretch, back: RowsBack
) -> None:
    """Undo a stretch, or, where a foreign key refuses that, the newest stretch of a table it points at.

    What cascades has younger images than the row that caused it, and must go back after it. Only the order between
    tables changes by this; each table's own images stay in order.
    """
    try:
        async with session.transaction():
            await _undo_stretch(session, migration_id, step, unit, stretch, back)
            await session.execute("SET CONSTRAINTS ALL IMMEDIATE")
    except StatementFailed as error:
        parent = None
        if error.sqlstate == "23503":
            parent = await _next_stretch(session, migration_id, step, unit, pointed_at_by=stretch.rel)
        if parent is None or parent.op == "I":
            raise
        await _undo_parents_first(session, migration_id, step, unit, parent, back)


async def _undo_stretch(
    session: Session, migration_id: int, step: int, unit: int, stretch: _Stretch, back: RowsBack
) -> None:
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
        f"SELECT * FROM backstitch.images WHERE migration_id = {migration_id} AND step = {step} AND unit = {unit} "
        f"AND id BETWEEN {stretch.low} AND {stretch.high} AND rel = {quote_literal(stretch.rel)} AND NOT undone"
    )
    match stretch.op:
        case "I":
            restored = await session.execute(_delete_sql(table, types, images))
        case "D":
            restored = await session.execute(_insert_sql(table, types, images))
        case _:
            restored = await session.execute(_update_sql(table, types, images))
    await _list_kept(session, table, types, images, stretch, back)
    back.restored += restored
    for trigger, word in silenced:
        await session.execute(f"ALTER TABLE {table.sql} ENABLE {word}TRIGGER {quote_ident(trigger)}")
    await session.execute(
        "UPDATE backstitch.images SET undone = true WHERE migration_id = %s AND step = %s AND unit = %s "
        "AND id BETWEEN %s AND %s AND rel = %s",
        (migration_id, step, unit, stretch.low, stretch.high, stretch.rel),
    )


async def column_types(session: Session, table: Captured) -> dict[str, str]:
    """Give the type of every column, as SQL."""
    rows = await session.rows(
        "SELECT attname::text AS name, format_type(atttypid, atttypmod) AS type FROM pg_attribute "
        "WHERE attrelid = %s::bigint::oid AND attnum > 0 AND NOT attisdropped",
        (table.oid,),
    )
    return {r["name"]: r["type"] for r in rows}


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


def value_of(image: str, column: str, types: dict[str, str]) -> str:
    """Give the SQL of one column's value in an image, in the column's type of today."""
    return f"({image}->>{quote_literal(column)})::{types[column]}"


def same_key(table: Captured, types: dict[str, str], alias: str) -> str:
    """Give the condition that a table row (by alias) is the one an image `i` speaks of."""
    return " AND ".join(f"{alias}.{quote_ident(c)} = {value_of('i.key', c, types)}" for c in table.key)


def still(column: str, image: str, types: dict[str, str], alias: str) -> str:
    """Give the condition that a column holds what an image says, compared as text: json and point have no equality."""
    wanted = f"{image}->>{quote_literal(column)}"
    return f"{alias}.{quote_ident(column)}::text IS NOT DISTINCT FROM ({wanted})"


def _columns(table: Captured, types: dict[str, str], image: str) -> list[str]:
    # Columns that came or went since are skipped in SQL by asking the image itself.
    return [c for c in table.columns if c in types]


def _delete_sql(table: Captured, types: dict[str, str], images: str) -> str:
    same = " AND ".join(
        f"(NOT i.new ? {quote_literal(c)} OR {still(c, 'i.new', types, 't')})" for c in _columns(table, types, "new")
    )
    return f"DELETE FROM {table.sql} t USING ({images}) i WHERE {same_key(table, types, 't')} AND {same}"


def _insert_sql(table: Captured, types: dict[str, str], images: str) -> str:
    columns = _columns(table, types, "old")
    names = ", ".join(quote_ident(c) for c in columns)
    values = ", ".join(value_of("i.old", c, types) for c in columns)
    return (
        f"INSERT INTO {table.sql} ({names}) OVERRIDING SYSTEM VALUE SELECT {values} FROM ({images}) i ORDER BY i.id "
        "ON CONFLICT DO NOTHING"
    )


def _update_sql(table: Captured, types: dict[str, str], images: str) -> str:
    sets, wanted = [], []
    for c in _columns(table, types, "old"):
        if c in table.key:
            continue
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


def differs_from_start(table: Captured, types: dict[str, str], op: str) -> str:
    """Give the condition that row `t` (LEFT JOINed, may be NULL) is not what image `i` of kind `op` says it was."""
    gone = f"t.{quote_ident(table.key[0])} IS NULL"
    if op == "I":
        return f"NOT ({gone})"
    columns = [
        f"(i.old ? {quote_literal(c)} AND NOT {still(c, 'i.old', types, 't')})" for c in _columns(table, types, "old")
    ]
    return f"({gone} OR {' OR '.join(columns)})"


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
