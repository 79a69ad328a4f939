# SPDX-License-Identifier: Apache-2.0
"""How does SQL compare a row with its image? Conditions over a table row `t` and an image `i`, to undo and to prove."""

from __future__ import annotations

from backstitch.core.ports import Session
from backstitch.engine.capture import Captured
from backstitch.model.sql import quote_ident, quote_literal


async def column_types(session: Session, table: Captured) -> dict[str, str]:
    """Give the type of every column, as SQL that takes a value as it is.

    Without its length: a cast to varchar(3) would cut a longer value silently, where assigning it is an error; and
    with -1, because without any typmod `character` and `bit` mean one letter and one bit.
    """
    rows = await session.rows(
        "SELECT attname::text AS name, format_type(atttypid, -1) AS type FROM pg_attribute "
        "WHERE attrelid = %s::bigint::oid AND attnum > 0 AND NOT attisdropped",
        (table.oid,),
    )
    return {r["name"]: r["type"] for r in rows}


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


def columns_in(table: Captured, types: dict[str, str]) -> list[str]:
    """Give the columns to compare. Those that came or went since are skipped in SQL by asking the image itself."""
    return [c for c in table.columns if c in types]


def differs_from_start(table: Captured, types: dict[str, str], op: str) -> str:
    """Give the condition that row `t` (LEFT JOINed, may be NULL) is not what image `i` of kind `op` says it was."""
    gone = f"t.{quote_ident(table.key[0])} IS NULL"
    if op == "I":
        return f"NOT ({gone})"
    columns = [
        f"(i.old ? {quote_literal(c)} AND NOT {still(c, 'i.old', types, 't')})" for c in columns_in(table, types)
    ]
    return f"({gone} OR {' OR '.join(columns)})"


def differs_from_written(table: Captured, types: dict[str, str], op: str) -> str:
    """Give the condition that row `t` (LEFT JOINed, may be NULL) is not as image `i` of kind `op` left it."""
    gone = f"t.{quote_ident(table.key[0])} IS NULL"
    if op == "D":
        return f"NOT ({gone})"
    columns = [
        f"(i.new ? {quote_literal(c)} AND NOT {still(c, 'i.new', types, 't')})" for c in columns_in(table, types)
    ]
    return f"({gone} OR {' OR '.join(columns)})"
