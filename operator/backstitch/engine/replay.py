# SPDX-License-Identifier: Apache-2.0
"""How do the application's captured writes come onto the shadow? In the order of their numbers, each exactly once.

Only changes that are committed are seen. For one key a higher number was committed later, so whatever is seen in one
round may be replayed before what the next round sees, though numbers of other keys may come late.
"""

from __future__ import annotations

from backstitch.core.errors import StatementFailed
from backstitch.core.ports import Row, Session
from backstitch.engine.capture import look_at_tables
from backstitch.engine.follow import remember
from backstitch.model.sql import quote_literal

EVERYTHING = 2**31 - 1

_UNKNOWN = """
SELECT DISTINCT c.relid::bigint AS oid, r.root FROM backstitch.app_changes c,
       LATERAL pg_partition_ancestors(c.relid::regclass) up
       JOIN backstitch.app_tables r ON r.relid = up.relid::oid::bigint AND r.relid = r.root AND r.migration_id = %s
 WHERE NOT c.applied
   AND NOT EXISTS (SELECT FROM backstitch.app_tables a WHERE a.migration_id = %s AND a.relid = c.relid::bigint)
"""
_SHAPES = """
SELECT DISTINCT c.relid::bigint AS relid, a.root, c.atts, a.key, a.names,
       to_regtype('backstitch.fields_' || cardinality(c.atts)) IS NOT NULL AS known
  FROM backstitch.app_changes c LEFT JOIN backstitch.app_tables a ON a.migration_id = %s AND a.relid = c.relid::bigint
 WHERE NOT c.applied AND c.id <= %s
"""


async def replay(session: Session, migration_id: int, most: int) -> int:
    """Replay the oldest changes that are committed and not in the shadow yet, in the caller's transaction.

    `most` bounds how many, before anything is read of them. Gives how many were done; changes of tables that this
    migration does not follow are among them.
    """
    for row in await session.rows(_UNKNOWN, (migration_id, migration_id)):  # partitions that were made meanwhile
        root = (await look_at_tables(session, [], [row["root"]]))[0]
        await remember(session, migration_id, row["oid"], root)
    last = await session.rows(
        "SELECT coalesce(max(id), 0) AS id FROM (SELECT id FROM backstitch.app_changes WHERE NOT applied "
        "ORDER BY id LIMIT %s) c",
        (most,),
    )
    parts = []
    for shape in await session.rows(_SHAPES, (migration_id, last[0]["id"])):
        width = len(shape["atts"] or ())
        if shape["known"] is False and width and not await _type_is_there(session, width):
            fields = ", ".join(f"c{n} text" for n in range(1, width + 1))
            await session.execute(f"CREATE TYPE backstitch.fields_{width} AS ({fields})")
        parts.append(_rows_of(shape, last[0]["id"]))
    if not parts:
        return 0
    query = f"SELECT * FROM ({' UNION ALL '.join(parts)}) c ORDER BY id"
    return int((await session.rows("SELECT backstitch.replay(%s) AS n", (query,)))[0]["n"])


async def _type_is_there(session: Session, width: int) -> bool:
    rows = await session.rows("SELECT to_regtype(%s) IS NOT NULL AS there", (f"backstitch.fields_{width}",))
    return bool(rows[0]["there"])


def _rows_of(shape: Row, last: int) -> str:
    """Give the changes of one table that were written while it had one set of columns, with rows as jsonb of texts.

    A record's text becomes columns by a cast to a row type of as many texts. Columns that the start had not are left
    out here; when they go, their values are archived.
    """
    atts: list[int] | None = shape["atts"]
    where = f"NOT applied AND id <= {last} AND relid = {shape['relid']} AND atts IS NOT DISTINCT FROM "
    where += "NULL" if atts is None else f"'{{{','.join(map(str, atts))}}}'::int2[]"
    nothing = "NULL::jsonb AS was, NULL::jsonb AS now, NULL::jsonb AS k, NULL::jsonb AS k2"
    if shape["root"] is None:  # of a table that another migration follows: done, without an effect
        return f"SELECT id, 'D'::\"char\" AS op, 0::bigint AS root, {nothing} FROM backstitch.app_changes WHERE {where}"
    root = f"{shape['root']}::bigint AS root"
    if atts is None:
        return f"SELECT id, op, {root}, {nothing} FROM backstitch.app_changes WHERE {where}"
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
    fields = f"backstitch.fields_{len(atts)}"
    return (
        f"SELECT id, op, {root}, {was} AS was, {now} AS now, {k} AS k, {k2} AS k2 FROM (SELECT id, op, old AS o_text, "
        f"new AS n_text, old::{fields} AS o, new::{fields} AS n FROM backstitch.app_changes WHERE {where} OFFSET 0) r"
    )
