# SPDX-License-Identifier: Apache-2.0
"""What must be measured before the first change, so that a check can compare with it afterwards.

Reads the whole of each table that rowsUnchanged names, and runs the queries of queryWithin; all read-only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from backstitch.core.errors import ConnectionLost, DatabaseError
from backstitch.core.judge import RowsSeen, Verdict, judge_rows_unchanged
from backstitch.core.ports import Session
from backstitch.core.uncaptured import EVERY_TABLE
from backstitch.engine.verify_queries import median_ms
from backstitch.engine.verify_session import CannotTell, CheckContext, Seen, find_table, looking, primary_key
from backstitch.engine.verify_workload import see_baseline
from backstitch.model.check_kinds import OfTable
from backstitch.model.checks import Check
from backstitch.model.sql import quote_ident


async def take_baselines(
    session: Session, checks: Sequence[Check], context: CheckContext | None = None
) -> dict[str, object]:
    """Give JSON-ready measurements by check name; checks that compare with nothing have none.

    `session` is read-only. What cannot be measured (the table comes only with the migration) gives {"missing": why},
    and its check is inconclusive later. Raises ConnectionLost.
    """
    context = context or CheckContext()
    taken: dict[str, object] = {}
    for check in checks:
        try:
            async with looking(session, context):
                found = await _measure(session, check, context)
        except ConnectionLost:
            raise
        except (DatabaseError, CannotTell) as error:
            found = {"missing": error.message}
        if found is not None:
            taken[check.name] = found
    return taken


async def _measure(session: Session, check: Check, context: CheckContext) -> dict[str, object] | None:
    if check.rows_unchanged is not None:
        table = await find_table(session, check.rows_unchanged.table)
        return await count_rows(session, table, [int(k["attnum"]) for k in await primary_key(session, table)])
    if check.query_within is not None and check.query_within.factor is not None:
        return {"medianMs": await median_ms(session, check.query_within.query)}
    if check.workload_still_works is not None:
        return await see_baseline(session, check.workload_still_works, context)
    return None


# One number for the files of a table and of all its partitions and children.
_FILES = (
    "WITH RECURSIVE parts(oid) AS (SELECT {oid}::oid UNION SELECT h.inhrelid FROM parts p "
    "JOIN pg_catalog.pg_inherits h ON h.inhparent = p.oid) "
    "SELECT hashtextextended(string_agg(c.oid || ':' || c.relfilenode, ',' ORDER BY c.oid), 0) "
    "FROM parts p JOIN pg_catalog.pg_class c ON c.oid = p.oid"
)


async def count_rows(session: Session, table: Seen, key: Sequence[int]) -> dict[str, object]:
    """Count a table's rows, with a digest of the keys that does not depend on their order.

    `key` holds column numbers: those stay when columns are renamed. A column of it that is gone: no digest.
    """
    names = await session.rows(
        "SELECT a.attname::text AS name FROM unnest(%s::int[]) WITH ORDINALITY k(attnum, place) "
        "JOIN pg_catalog.pg_attribute a ON a.attnum = k.attnum AND a.attrelid = %s::bigint::oid "
        "AND NOT a.attisdropped ORDER BY k.place",
        (list(key), table.oid),
    )
    digest = "NULL"
    if key and len(names) == len(key):
        row = ", ".join(f"{quote_ident(n['name'])}::text" for n in names)
        # A sum of 64-bit hashes: the same for the same set of keys, whatever the order the rows are read in.
        digest = f"coalesce(sum(hashtextextended(ROW({row})::text, 0)::numeric), 0)::text"
    rows = await session.rows(
        f"SELECT count(*) AS rows, {digest} AS digest, ({_FILES.format(oid=table.oid)}) AS file FROM {table.sql}"
    )
    found = rows[0]
    return {
        "rows": int(found["rows"]),
        "digest": found["digest"],
        "key": list(key),
        "tableId": table.oid,
        "fileId": int(found["file"]),
    }


async def run_rows_unchanged(
    session: Session, wanted: OfTable, baseline: Mapping[str, Any], context: CheckContext
) -> Verdict:
    """Compare a table's rows with those of the start."""
    start = _seen(baseline)
    table = await find_table(session, wanted.table)
    found = _seen(await count_rows(session, table, baseline["key"] if start.table_id == table.oid else []))
    if found.digest is None or start.digest is None:
        start = RowsSeen(start.rows, None, start.table_id, start.file_id)
        found = RowsSeen(found.rows, None, found.table_id, found.file_id)
    own = context.own_changes.get(str(table.name), (0, 0))
    captured = not context.uncaptured & {str(table.name), EVERY_TABLE}
    return judge_rows_unchanged(str(table.name), start, found, (own[0], own[1]), all_captured=captured)


def _seen(measured: Mapping[str, Any]) -> RowsSeen:
    return RowsSeen(measured["rows"], measured["digest"], measured["tableId"], measured["fileId"])
