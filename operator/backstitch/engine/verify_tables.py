# SPDX-License-Identifier: Apache-2.0
"""The named checks over rows: each is one or a few counts of what must not be there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from backstitch.core.judge import Verdict, judge_count, judge_none
from backstitch.core.ports import Session
from backstitch.engine.verify_queries import one_select
from backstitch.engine.verify_session import CannotTell, Seen, find_columns, find_table, number, primary_key
from backstitch.model.check_kinds import (
    ColumnsEqual,
    NoDuplicates,
    NoInvalidIndexes,
    NoNulls,
    NoOrphans,
    OfTable,
    RowCount,
)
from backstitch.model.names import OWN_SCHEMAS
from backstitch.model.sql import QualifiedName, quote_ident


async def _count(session: Session, sql: str) -> int:
    """Count with a user's condition inside: only what still is one SELECT with it is sent."""
    return await number(session, one_select(sql))


def _where(condition: str | None) -> str:
    # The line break ends a comment that the condition may end with.
    return f"({condition}\n)" if condition is not None else "true"


async def run_no_nulls(session: Session, wanted: NoNulls) -> Verdict:
    """Count the NULLs of each column."""
    table = await find_table(session, wanted.table)
    await find_columns(session, table, wanted.columns)
    counts = ", ".join(
        f"count(*) FILTER (WHERE {quote_ident(c)} IS NULL) AS n{i}" for i, c in enumerate(wanted.columns)
    )
    rows = await session.rows(one_select(f"SELECT {counts} FROM {table.sql} WHERE {_where(wanted.where)}"))
    found = {c: int(rows[0][f"n{i}"]) for i, c in enumerate(wanted.columns)}
    where = ", ".join(f"{c}: {n}" for c, n in found.items() if n)
    return judge_none(sum(found.values()), f"NULLs in {table.name}", where)


def _duplicates_sql(source: str, width: int, *, nulls_are_equal: bool) -> str:
    keys = [f"k{i}" for i in range(width)]
    no_nulls = "true" if nulls_are_equal else " AND ".join(f"{k} IS NOT NULL" for k in keys)
    return (
        f"SELECT count(*) FROM (SELECT 1 FROM ({source}) s WHERE {no_nulls} GROUP BY {', '.join(keys)} "
        "HAVING count(*) > 1) d"
    )


async def run_no_duplicates(session: Session, wanted: NoDuplicates) -> Verdict:
    """Count the values that more than one row has."""
    table = await find_table(session, wanted.table)
    await find_columns(session, table, wanted.columns)
    keys = ", ".join(f"{quote_ident(c)} AS k{i}" for i, c in enumerate(wanted.columns))
    sql = _duplicates_sql(f"SELECT {keys} FROM {table.sql}", len(wanted.columns), nulls_are_equal=False)
    return judge_none(
        await number(session, sql),
        f"Values of ({', '.join(wanted.columns)}) in more than one row of {table.name}",
    )


def _orphans_sql(table: str, columns: Sequence[str], referenced: str, theirs: Sequence[str], *, full: bool) -> str:
    mine = [f"a.{quote_ident(c)}" for c in columns]
    same = " AND ".join(f"b.{quote_ident(t)} = {m}" for t, m in zip(theirs, mine, strict=True))
    complete = " AND ".join(f"{m} IS NOT NULL" for m in mine)
    lost = f"({complete}) AND NOT EXISTS (SELECT FROM {referenced} b WHERE {same})"
    if full:  # MATCH FULL: all columns or none
        lost = f"({lost}) OR num_nulls({', '.join(mine)}) BETWEEN 1 AND {len(mine) - 1}"
    return f"SELECT count(*) FROM {table} a WHERE {lost}"


async def run_no_orphans(session: Session, wanted: NoOrphans) -> Verdict:
    """Count the rows that point at nothing."""
    table = await find_table(session, wanted.table)
    await find_columns(session, table, wanted.columns)
    other = await find_table(session, wanted.references)
    theirs = wanted.referenced_columns
    if theirs is None:
        theirs = [str(k["name"]) for k in await primary_key(session, other)]
        if len(theirs) != len(wanted.columns):
            raise CannotTell(
                f"The primary key of {other.name} has {len(theirs)} columns and the check names "
                f"{len(wanted.columns)}; say which are meant with referencedColumns."
            )
    await find_columns(session, other, theirs)
    sql = _orphans_sql(table.sql, wanted.columns, other.sql, theirs, full=False)
    return judge_none(
        await number(session, sql),
        f"Rows of {table.name} whose ({', '.join(wanted.columns)}) points at nothing in {other.name}",
    )


_FOREIGN_KEYS = """
SELECT k.conname::text AS name, k.confmatchtype = 'f' AS full, to_jsonb(k)->>'conperiod' = 'true' AS period,
       a.relkind = 'p' AS partitioned, an.nspname::text AS schema, a.relname::text AS table,
       b.relkind = 'p' AS their_partitioned, bn.nspname::text AS their_schema, b.relname::text AS their_table,
       (SELECT array_agg(t.attname::text ORDER BY u.n) FROM unnest(k.conkey) WITH ORDINALITY u(attnum, n)
          JOIN pg_catalog.pg_attribute t ON t.attrelid = k.conrelid AND t.attnum = u.attnum) AS columns,
       (SELECT array_agg(t.attname::text ORDER BY u.n) FROM unnest(k.confkey) WITH ORDINALITY u(attnum, n)
          JOIN pg_catalog.pg_attribute t ON t.attrelid = k.confrelid AND t.attnum = u.attnum) AS theirs
  FROM pg_catalog.pg_constraint k
  JOIN pg_catalog.pg_class a ON a.oid = k.conrelid JOIN pg_catalog.pg_namespace an ON an.oid = a.relnamespace
  JOIN pg_catalog.pg_class b ON b.oid = k.confrelid JOIN pg_catalog.pg_namespace bn ON bn.oid = b.relnamespace
 WHERE k.contype = 'f' AND k.conparentid = 0 AND %s::bigint::oid IN (k.conrelid, k.confrelid)
 ORDER BY k.conname
"""


async def run_foreign_keys_hold(session: Session, wanted: OfTable) -> Verdict:
    """Count the rows that break a foreign key from or to the table, trusting no `convalidated`."""
    table = await find_table(session, wanted.table)
    keys = await session.rows(_FOREIGN_KEYS, (table.oid,))
    if not keys:
        raise CannotTell(f"No foreign key leads from or to {table.name}, so there is nothing to hold.", "inconclusive")
    if any(k["period"] for k in keys):
        raise CannotTell(f"{table.name} has a foreign key with PERIOD, which this check cannot read.", "inconclusive")
    broken = {}
    for key in keys:
        mine = Seen(0, QualifiedName(key["schema"], key["table"]), key["partitioned"])
        other = Seen(0, QualifiedName(key["their_schema"], key["their_table"]), key["their_partitioned"])
        sql = _orphans_sql(mine.only_sql, key["columns"], other.only_sql, key["theirs"], full=key["full"])
        broken[f"{key['name']} of {mine.name}"] = await number(session, sql)
    where = ", ".join(f"{name}: {n}" for name, n in broken.items() if n)
    return judge_none(sum(broken.values()), "Rows that break a foreign key", where)


_UNIQUE_INDEXES = """
SELECT c.relname::text AS name, i.indisvalid AND i.indisready AS valid, i.indnullsnotdistinct AS nulls_are_equal,
       pg_catalog.pg_get_expr(i.indpred, i.indrelid) AS predicate,
       (SELECT array_agg(pg_catalog.pg_get_indexdef(i.indexrelid, n, false) ORDER BY n)
          FROM generate_series(1, i.indnkeyatts) n) AS keys
  FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
 WHERE i.indrelid = %s::bigint::oid AND i.indisunique AND NOT i.indisexclusion
 ORDER BY c.relname
"""


async def run_unique_holds(session: Session, wanted: OfTable) -> Verdict:
    """Count the values that break a unique index, from the rows themselves: the index may be the broken thing."""
    table = await find_table(session, wanted.table)
    indexes = await session.rows(_UNIQUE_INDEXES, (table.oid,))
    if not indexes:
        raise CannotTell(
            f"{table.name} has no unique constraint or index, so there is nothing to hold.", "inconclusive"
        )
    for way in ("enable_indexscan", "enable_indexonlyscan", "enable_bitmapscan"):
        await session.execute(f"SET LOCAL {way} = off")
    wrong: dict[str, int] = {}
    for index in indexes:
        keys = ", ".join(f"{key} AS k{i}" for i, key in enumerate(index["keys"]))
        source = f"SELECT {keys} FROM {table.only_sql} WHERE {index['predicate'] or 'true'}"
        sql = _duplicates_sql(source, len(index["keys"]), nulls_are_equal=index["nulls_are_equal"])
        wrong[index["name"]] = await number(session, sql)
    where = ", ".join(f"{name}: {n}" for name, n in wrong.items() if n)
    if not where:
        broken = [str(i["name"]) for i in indexes if not i["valid"]]
        return judge_none(
            len(broken), f"Unique indexes of {table.name} that are invalid and hold nothing", _names(broken)
        )
    return judge_none(sum(wrong.values()), f"Values in more than one row of {table.name}", where)


async def run_row_count(session: Session, wanted: RowCount) -> Verdict:
    """Count the rows of a table."""
    table = await find_table(session, wanted.table)
    return judge_count(wanted, await _count(session, f"SELECT count(*) FROM {table.sql} WHERE {_where(wanted.where)}"))


async def run_columns_equal(session: Session, wanted: ColumnsEqual) -> Verdict:
    """Count the rows in which two columns or expressions differ; NULL equals NULL here."""
    table = await find_table(session, wanted.table)
    sql = (
        f"SELECT count(*) FROM {table.sql} WHERE {_where(wanted.where)} "
        f"AND ({wanted.left}\n) IS DISTINCT FROM ({wanted.right}\n)"
    )
    return judge_none(await _count(session, sql), f"Rows of {table.name} in which the two differ")


async def run_no_invalid_indexes(session: Session, wanted: NoInvalidIndexes) -> Verdict:
    """Name the indexes that were left half built."""
    oid: Any = (await find_table(session, wanted.table)).oid if wanted.table is not None else None
    rows = await session.rows(
        "SELECT n.nspname || '.' || c.relname AS name FROM pg_catalog.pg_index i "
        "JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace "
        "WHERE NOT (i.indisvalid AND i.indisready AND i.indislive) AND n.nspname NOT LIKE 'pg\\_%%' "
        "AND n.nspname <> ALL (%s) AND (%s::bigint IS NULL OR i.indrelid = %s::bigint::oid) ORDER BY 1",
        (list(OWN_SCHEMAS), oid, oid),
    )
    return judge_none(len(rows), "Invalid indexes, to be dropped and built again", _names([r["name"] for r in rows]))


def _names(names: Sequence[str]) -> str:
    return ", ".join(names[:10]) + (" …" if len(names) > 10 else "")
