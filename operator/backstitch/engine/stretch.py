# SPDX-License-Identifier: Apache-2.0
"""How does one stretch of images go back? Rows of one table changed in one way, in one statement and one savepoint.

A row goes back only where it still holds what the migration wrote, column by column. Old values that cannot go back,
because the application has taken their place, are kept in an archive table: images end with the revert window.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from backstitch.core.errors import RollbackFailed, StatementFailed
from backstitch.core.ports import Session
from backstitch.engine.capture import Captured, look_at_tables
from backstitch.engine.image_sql import (
    column_types,
    columns_in,
    differs_from_start,
    differs_from_written,
    same_key,
    still,
    value_of,
)
from backstitch.engine.referrers import refuse_cascade
from backstitch.engine.silence import enable_again, silence_triggers
from backstitch.model.names import QUARANTINE_SCHEMA
from backstitch.model.sql import quote_ident, quote_literal

CHUNK = 5000
KEPT_SHOWN = 20


@dataclass
class RowsBack:
    """What undoing images did."""

    restored: int = 0
    kept: int = 0
    examples: list[str] = field(default_factory=list)
    archived: list[str] = field(default_factory=list)

    def add(self, other: RowsBack) -> None:
        """Add what another chunk did; only the first examples are kept."""
        self.restored += other.restored
        self.kept += other.kept
        self.examples += other.examples[: KEPT_SHOWN - len(self.examples)]
        self.archived += [name for name in other.archived if name not in self.archived]


@dataclass(frozen=True)
class Stretch:
    """Images of one table and one kind, the newest that are left of that table."""

    rel: str
    op: str
    low: int
    high: int
    rows: int
    ids: tuple[int, ...] = ()  # some of them only


@dataclass(frozen=True)
class UnitImages:
    """The images of one unit that are left: below a number for each table, or all."""

    session: Session
    migration_id: int
    step: int
    unit: int
    below: dict[str, int | None]

    async def newest(self, rel: str, above: int = 0) -> Stretch | None:
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
        return Stretch(rel=rel, **rows[0]) if rows else None

    def of(self, stretch: Stretch) -> str:
        """Give the SQL of a stretch's images."""
        some = f" AND id = ANY ('{{{','.join(map(str, stretch.ids))}}}')" if stretch.ids else ""
        return (
            f"SELECT * FROM backstitch.images WHERE migration_id = {self.migration_id} AND step = {self.step} "
            f"AND unit = {self.unit} AND id BETWEEN {stretch.low} AND {stretch.high} "
            f"AND rel = {quote_literal(stretch.rel)}{some}"
        )

    async def ids(self, stretch: Stretch) -> list[int]:
        """Give the numbers of a stretch's images, newest first."""
        return [r["id"] for r in await self.session.rows(f"SELECT id FROM ({self.of(stretch)}) i ORDER BY id DESC")]


async def undo_stretch(unit: UnitImages, stretch: Stretch, back: RowsBack) -> None:
    """Undo a stretch. Raises StatementFailed (class 23) where other rows are in the way, RollbackFailed."""
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
    silenced = await silence_triggers(session, table)
    images = unit.of(stretch)
    if stretch.op != "D":
        # Before they are judged: what the application wrote between judging and writing back would be nobody's.
        same = same_key(table, types, "t")
        await session.rows(
            f"SELECT count(*) AS n FROM (SELECT FROM {table.sql} t JOIN ({images}) i ON {same} FOR UPDATE OF t) locked"
        )
    await _mark_later_writes(unit, table, types, images, stretch.op)
    match stretch.op:
        case "I":
            await refuse_cascade(session, table, types, f"({images}) i", _holds_new(table, types))
            restored = await session.execute(_delete_sql(table, types, images))
        case "D":
            restored = await session.execute(_insert_sql(table, types, images))
            lost = f"LEFT JOIN {table.sql} t ON {same_key(table, types, 't')} "
            await archive(unit, f"({images}) i {lost} WHERE {differs_from_start(table, types, 'D')}", back)
        case _:
            restored = await _update(session, table, types, images)
    await _list_kept(session, table, types, images, stretch, back)
    back.restored += restored
    await enable_again(session, silenced)


def _holds_new(table: Captured, types: dict[str, str]) -> str:
    """Give the condition that row `t` still is what image `i` wrote."""
    same = [f"(NOT i.new ? {quote_literal(c)} OR {still(c, 'i.new', types, 't')})" for c in columns_in(table, types)]
    return f"{same_key(table, types, 't')} AND {' AND '.join(same)}"


def _delete_sql(table: Captured, types: dict[str, str], images: str) -> str:
    return f"DELETE FROM {table.sql} t USING ({images}) i WHERE {_holds_new(table, types)}"


def _insert_sql(table: Captured, types: dict[str, str], images: str) -> str:
    columns = columns_in(table, types)
    names = ", ".join(quote_ident(c) for c in columns)
    values = ", ".join(value_of("i.old", c, types) for c in columns)
    return (
        f"INSERT INTO {table.sql} ({names}) OVERRIDING SYSTEM VALUE SELECT {values} FROM ({images}) i "
        f"WHERE NOT EXISTS (SELECT FROM {table.sql} t WHERE {same_key(table, types, 't')}) ORDER BY i.id"
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
    session: Session, table: Captured, types: dict[str, str], images: str, stretch: Stretch, back: RowsBack
) -> None:
    rows = await session.rows(
        f"SELECT i.key::text AS key, count(*) OVER () AS many FROM ({images}) i "
        f"LEFT JOIN {table.sql} t ON {same_key(table, types, 't')} "
        f"WHERE {differs_from_start(table, types, stretch.op)} ORDER BY i.id LIMIT {KEPT_SHOWN}"
    )
    if rows:
        back.kept += rows[0]["many"]
        back.examples += [f"{stretch.rel} {row['key']}" for row in rows]


async def leave(unit: UnitImages, stretch: Stretch, back: RowsBack) -> None:
    """Leave rows as they are for good, because rows of the application are in the way; keep their old values.

    Raises StatementFailed when nobody else wrote anything near: then the way back itself is at fault.
    """
    if stretch.op != "D" and not await _others_wrote_near(unit, stretch.rel):  # a row that was deleted leaves no trace
        raise StatementFailed(
            f"{len(stretch.ids)} rows of {stretch.rel} cannot be put back because of unique or foreign keys, and no "
            "row of the application is in the way. Their images are in backstitch.images.",
            sqlstate="23000",
        )
    images = unit.of(stretch)
    rows = await unit.session.rows(f"SELECT key::text AS key FROM ({images}) i ORDER BY id")
    back.kept += len(rows)
    back.examples += [f"{stretch.rel} {row['key']}" for row in rows[: KEPT_SHOWN - len(back.examples)]]
    await unit.session.execute(
        "UPDATE backstitch.images SET later = true WHERE migration_id = %s AND step = %s AND unit = %s "
        "AND id = ANY (%s)",
        (unit.migration_id, unit.step, unit.unit, list(stretch.ids)),
    )
    await archive(unit, f"({images}) i WHERE i.old IS NOT NULL", back)


async def _others_wrote_near(unit: UnitImages, rel: str) -> bool:
    """Tell whether somebody else wrote rows of a table, or of one with a foreign key between, since we first did."""
    near = await unit.session.rows(
        "WITH this AS (SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
        "WHERE n.nspname || '.' || c.relname = %s), near AS (SELECT oid FROM this "
        "UNION SELECT k.confrelid FROM pg_constraint k JOIN this ON k.conrelid = this.oid WHERE k.contype = 'f' "
        "UNION SELECT k.conrelid FROM pg_constraint k JOIN this ON k.confrelid = this.oid WHERE k.contype = 'f') "
        "SELECT oid::bigint AS oid FROM near",
        (rel,),
    )
    ours = f"SELECT xid FROM backstitch.writes WHERE migration_id = {unit.migration_id}"
    for table in await look_at_tables(unit.session, [], [r["oid"] for r in near]):
        if await unit.session.rows(
            f"SELECT FROM {table.sql} t WHERE age(t.xmin) <= (SELECT max(age(xid::xid)) FROM ({ours}) w) "
            f"AND t.xmin NOT IN (SELECT xid::xid FROM ({ours}) w) LIMIT 1"
        ):
            return True
    return False


async def archive(unit: UnitImages, of: str, back: RowsBack) -> None:
    """Keep old values that did not go back, `FROM` what is given with images as `i`."""
    if not await unit.session.rows(f"SELECT FROM {of} LIMIT 1"):
        return
    name = f"{QUARANTINE_SCHEMA}.archive_rows_{unit.migration_id}"
    await unit.session.execute(
        f'CREATE TABLE IF NOT EXISTS {name} (rel text, op "char", key jsonb, old jsonb, new jsonb)'
    )
    await unit.session.execute(f"INSERT INTO {name} SELECT i.rel, i.op, i.key, i.old, i.new FROM {of}")
    if name not in back.archived:
        back.archived.append(name)
