# SPDX-License-Identifier: Apache-2.0
"""Are the rows the same? A count and an order-independent 128-bit digest per table (safety.md 5.3).

The digest is over the rows' text, so it sees 1.0 against 1.00 and works for json, xml and point; it depends on the
pinned settings of a Session and, as PostgreSQL's hash functions do, on the server's major version.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

from backstitch.core.errors import BackstitchError, StatementFailed
from backstitch.core.ports import Session
from backstitch.engine.names_alike import why_alike
from backstitch.model.backup import TableDigest
from backstitch.model.sql import QualifiedName, quote_ident, quote_literal

OUR_SCHEMAS = ("backstitch", "backstitch_quarantine")
_SEEDS = (0, 7640891576956012809)  # only that they differ matters
_MASK = 2**64 - 1
_TABLES_PER_QUERY = 40

# Extension members are left out: a dump does not hold their rows. Foreign tables: their rows are elsewhere.
_TABLES = """
SELECT n.nspname AS schema, c.relname AS name, c.relkind::text AS kind,
       coalesce(array_agg(a.attname::text ORDER BY a.attname COLLATE "C") FILTER (WHERE a.attnum IS NOT NULL),
                ARRAY[]::text[]) AS columns
  FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
                                     AND NOT starts_with(a.attname::text, 'backstitch_')
 WHERE {condition}
 GROUP BY 1, 2, 3 ORDER BY 1, 2
"""
_USER_TABLES = """
    c.relkind = 'r' AND c.relpersistence <> 't'
    AND NOT starts_with(n.nspname::text, 'pg_') AND n.nspname <> 'information_schema' AND NOT n.nspname = ANY(%s)
    AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                     WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
"""
_ONE_TABLE = "n.nspname = %s AND c.relname = %s AND c.relkind IN ('r', 'p', 'm', 'v', 'f')"


async def table_digest(session: Session, schema: str, table: str, columns: Sequence[str] | None = None) -> TableDigest:
    """Digest one table (a partitioned one with its partitions), over `columns` or all of them.

    Raises StatementFailed (`TableMissing`) when it is not there, or what the server answers.
    """
    found = await session.rows(_TABLES.format(condition=_ONE_TABLE), [schema, table])
    if not found:
        raise StatementFailed(
            f"Table {schema}.{table} is not there, so its rows cannot be digested.", reason="TableMissing"
        )
    names = sorted(columns, key=str.encode) if columns is not None else found[0]["columns"]
    only = found[0]["kind"] == "r"
    async with _all_rows_visible(session):
        rows = await session.rows(_digest_sql(QualifiedName(schema, table), names, only=only))
    return _digest(rows[0])


async def ordinary_tables(session: Session) -> list[str]:
    """Give every user table that holds rows itself, as `schema.table`."""
    tables = await session.rows(_TABLES.format(condition=_USER_TABLES), [list(OUR_SCHEMAS)])
    return [f"{t['schema']}.{t['name']}" for t in tables]


async def all_digests(session: Session) -> dict[str, TableDigest]:
    """Digest every user table; a partition's rows count in the partition. Keys: `schema.table`.

    Raises StatementFailed (`NamesAlike`) where one such key would mean two tables.
    """
    alike = await why_alike(session)
    if alike:
        raise StatementFailed(alike, reason="NamesAlike")
    tables = await session.rows(_TABLES.format(condition=_USER_TABLES), [list(OUR_SCHEMAS)])
    digests: dict[str, TableDigest] = {}
    async with _all_rows_visible(session):
        for start in range(0, len(tables), _TABLES_PER_QUERY):
            parts = [
                _digest_sql(QualifiedName(t["schema"], t["name"]), t["columns"], only=True)
                for t in tables[start : start + _TABLES_PER_QUERY]
            ]
            for row in await session.rows("\nUNION ALL\n".join(parts)):
                digests[row["name"]] = _digest(row)
    return dict(sorted(digests.items()))


def differing(before: dict[str, TableDigest], after: dict[str, TableDigest]) -> list[str]:
    """Give the tables whose rows differ, with what differs, in words; empty when all are equal."""
    found = []
    for name in sorted(before.keys() | after.keys()):
        old, new = before.get(name), after.get(name)
        if old is None or new is None:
            found.append(f"{name} is {'new' if old is None else 'missing'}")
        elif old.rows != new.rows:
            found.append(f"{name} has {new.rows} rows instead of {old.rows}")
        elif old != new:
            found.append(f"{name} has other values in its {new.rows} rows")
    return found


def _digest_sql(table: QualifiedName, columns: Sequence[str], *, only: bool) -> str:
    row = ", ".join(f"t.{quote_ident(name)}" for name in columns)
    sums = ", ".join(
        f"coalesce(sum(pg_catalog.hashtextextended(r, {seed})::numeric), 0)::text AS h{n}"
        for n, seed in enumerate(_SEEDS)
    )
    return (
        f"SELECT {quote_literal(str(table))} AS name, count(*) AS rows, {sums} FROM "
        f'(SELECT ROW({row})::text COLLATE "C" AS r FROM {"ONLY " if only else ""}{table.sql} t OFFSET 0) x'
    )


def _digest(row: dict[str, object]) -> TableDigest:
    halves = [int(str(row[f"h{n}"])) & _MASK for n in range(len(_SEEDS))]
    return TableDigest(rows=int(str(row["rows"])), digest="".join(f"{half:016x}" for half in halves))


@asynccontextmanager
async def _all_rows_visible(session: Session) -> AsyncIterator[None]:
    """Row security would hide rows silently; `off` turns that into an error. What was set before comes back."""
    found = await session.rows(
        "SELECT current_setting('row_security') AS was, set_config('row_security', 'off', false) AS is_now"
    )
    try:
        yield
    except BaseException:
        with suppress(BackstitchError):  # in an aborted transaction nothing can be set: its rollback does it
            await _set_row_security(session, found[0]["was"])
        raise
    await _set_row_security(session, found[0]["was"])


async def _set_row_security(session: Session, value: str) -> None:
    await session.rows("SELECT set_config('row_security', %s, false)", [value])
