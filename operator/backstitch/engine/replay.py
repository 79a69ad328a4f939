# SPDX-License-Identifier: Apache-2.0
"""How do the application's captured writes come onto the shadow? In the order of their numbers, each exactly once.

How far it has come is a snapshot: what was committed in it is in the shadow. A round goes to the snapshot of its
beginning, in parts by number. For one key a higher number was committed later, so whatever is seen in one round may be
replayed before what the next round sees, though numbers of other keys may come late. What a long transaction wrote is
not in the snapshot; it comes in the round after its end.

Numbers at or below `floor` need not be looked at: whoever could still commit one began after all of them were drawn.
"""

from __future__ import annotations

from dataclasses import dataclass

from backstitch.core.errors import StatementFailed
from backstitch.core.ports import Row, Session
from backstitch.engine.capture import look_at_tables
from backstitch.engine.follow import remember
from backstitch.model.sql import quote_literal

MOST = 10_000  # changes that one part takes

_WHERE = """
SELECT seen::text AS seen, coalesce(goal, pg_current_snapshot())::text AS goal, goal IS NULL AS new,
       CASE WHEN goal IS NULL THEN floor ELSE reached END AS reached
  FROM backstitch.restores WHERE migration_id = %s
"""
_END = """
SELECT max(id) AS id, count(*) AS many FROM (
  SELECT id FROM backstitch.app_changes WHERE id > %s AND pg_visible_in_snapshot(xid, %s::pg_snapshot)
     AND NOT pg_visible_in_snapshot(xid, %s::pg_snapshot) ORDER BY id LIMIT %s) c
"""
_SHAPES = """
SELECT c.relid, c.atts, a.root, a.key, a.names,
       to_regtype('backstitch.fields_' || cardinality(c.atts)) IS NOT NULL AS known
  FROM (SELECT DISTINCT relid::bigint AS relid, atts FROM backstitch.app_changes WHERE id > %s AND id <= %s) c
  LEFT JOIN backstitch.app_tables a ON a.migration_id = %s AND a.relid = c.relid
"""
_ROOT = """
SELECT r.root FROM pg_partition_ancestors(%s::bigint::oid::regclass) up
  JOIN backstitch.app_tables r ON r.relid = up.relid::oid::bigint AND r.relid = r.root AND r.migration_id = %s
"""
# The next round begins at the highest number of an earlier one, as soon as nobody is left who was there then.
_REACHED = """
UPDATE backstitch.restores SET replayed = replayed + %s, seen = goal, goal = NULL,
       floor = CASE WHEN pg_snapshot_xmin(goal) >= coalesce(pg_snapshot_xmax(mark), '0') THEN mark_id ELSE floor END,
       mark = CASE WHEN pg_snapshot_xmin(goal) >= coalesce(pg_snapshot_xmax(mark), '0') THEN goal ELSE mark END,
       mark_id = CASE WHEN pg_snapshot_xmin(goal) >= coalesce(pg_snapshot_xmax(mark), '0') THEN (
         SELECT coalesce(max(id), mark_id) FROM backstitch.app_changes WHERE id >= mark_id
            AND pg_visible_in_snapshot(xid, goal)) ELSE mark_id END
 WHERE migration_id = %s
"""


@dataclass(frozen=True)
class Part:
    """What one part of a round has done."""

    changes: int
    round_ended: bool


async def replay_all(session: Session, migration_id: int) -> int:
    """Replay all that is committed now, in the caller's transaction; give how many changes that were."""
    done, rounds = 0, 0
    begun = await session.rows("SELECT goal IS NOT NULL AS open FROM backstitch.restores WHERE migration_id = %s",
                               (migration_id,))  # fmt: skip
    wanted = 2 if begun and begun[0]["open"] else 1  # a round that was begun earlier ends earlier than now
    while rounds < wanted:
        part = await replay(session, migration_id)
        done += part.changes
        rounds += part.round_ended
    return done


async def replay(session: Session, migration_id: int) -> Part:
    """Replay the next part of a round, in the caller's transaction; begin a round where none is open."""
    at = (await session.rows(_WHERE, (migration_id,)))[0]
    end = (await session.rows(_END, (at["reached"], at["goal"], at["seen"], MOST)))[0]
    many, last = int(end["many"]), end["id"]
    if many:
        parts = []
        for shape in await session.rows(_SHAPES, (at["reached"], last, migration_id)):
            known = shape if shape["root"] else await _partition_since(session, migration_id, shape)
            if known is not None:  # else of a table that another migration follows
                parts.append(await _rows_of(session, known, at, last))
        if parts:
            await session.rows("SELECT backstitch.replay(%s)", (" UNION ALL ".join(parts),))
    if at["new"]:
        await session.execute(
            "UPDATE backstitch.restores SET goal = %s::pg_snapshot WHERE migration_id = %s", (at["goal"], migration_id)
        )
    if many < MOST:
        await session.execute(_REACHED, (many, migration_id))
    else:
        await session.execute(
            "UPDATE backstitch.restores SET replayed = replayed + %s, reached = %s WHERE migration_id = %s",
            (many, last, migration_id),
        )
    return Part(many, many < MOST)


async def _partition_since(session: Session, migration_id: int, shape: Row) -> Row | None:
    """Remember a partition that was made meanwhile, and give its shape; None where the table is not followed."""
    for row in await session.rows(_ROOT, (shape["relid"], migration_id)):
        root = (await look_at_tables(session, [], [row["root"]]))[0]
        await remember(session, migration_id, shape["relid"], root)
        found = await session.rows(
            "SELECT root, key, names FROM backstitch.app_tables WHERE migration_id = %s AND relid = %s",
            (migration_id, shape["relid"]),
        )
        return {**shape, **found[0]}
    return None


async def _rows_of(session: Session, shape: Row, at: Row, last: int) -> str:
    """Give the changes of one table that were written while it had one set of columns, with rows as jsonb of texts.

    A record's text becomes columns by a cast to a row type of as many texts. Columns that the start had not are left
    out here; when they go, their values are archived.
    """
    atts: list[int] | None = shape["atts"]
    where = (
        f"id > {at['reached']} AND id <= {last} AND relid = {shape['relid']} "
        f"AND pg_visible_in_snapshot(xid, '{at['goal']}') AND NOT pg_visible_in_snapshot(xid, '{at['seen']}') "
        "AND atts IS NOT DISTINCT FROM " + ("NULL" if atts is None else f"'{{{','.join(map(str, atts))}}}'::int2[]")
    )
    root = f"{shape['root']}::bigint AS root"
    if atts is None:
        nothing = "NULL::jsonb AS was, NULL::jsonb AS now, NULL::jsonb AS k, NULL::jsonb AS k2"
        return f"SELECT id, op, {root}, {nothing} FROM backstitch.app_changes WHERE {where}"
    fields = f"backstitch.fields_{len(atts)}"
    if not shape["known"] and not (await session.rows("SELECT to_regtype(%s) IS NOT NULL AS yes", (fields,)))[0]["yes"]:
        columns = ", ".join(f"c{n} text" for n in range(1, len(atts) + 1))
        await session.execute(f"CREATE TYPE {fields} AS ({columns})")
    names = {shape["names"][str(att)]: f"c{n}" for n, att in enumerate(atts, 1) if str(att) in shape["names"]}
    missing = [name for name in shape["key"] if name not in names]
    if missing:
        raise StatementFailed(f"Column {missing[0]}, by which rows are told apart, is gone from a followed table.")
    values = []
    for record in ("o", "n"):
        for wanted in (list(names), shape["key"]):
            keys = ", ".join(quote_literal(name) for name in wanted)
            texts = ", ".join(f"({record}).{names[name]}" for name in wanted)
            values.append(f"CASE WHEN {record} IS NULL AND {record}_text IS NULL THEN NULL ELSE "
                          f"jsonb_object(ARRAY[{keys}]::text[], ARRAY[{texts}]::text[]) END")  # fmt: skip
    was, k, now, k2 = values
    return (
        f"SELECT id, op, {root}, {was} AS was, {now} AS now, {k} AS k, {k2} AS k2 FROM (SELECT id, op, old AS o_text, "
        f"new AS n_text, old::{fields} AS o, new::{fields} AS n FROM backstitch.app_changes WHERE {where} OFFSET 0) r"
    )
