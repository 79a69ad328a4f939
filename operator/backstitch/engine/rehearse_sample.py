# SPDX-License-Identifier: Apache-2.0
"""How is a copy made where the whole is too large? The backup's schema, and some rows of each table with their parents.

Rows come from the target in one read-only snapshot. For each foreign key the rows that the sample points to are
fetched too, until none is missing, so that constraints hold on the copy as they do in production.
"""

from __future__ import annotations

import json
from typing import Any

from backstitch.core.errors import BackupFailed, DatabaseError
from backstitch.core.ports import Session
from backstitch.engine.backup import BackupPorts
from backstitch.engine.prove import Rights, restore_into
from backstitch.model.backup import Manifest
from backstitch.model.sql import quote_ident, quote_literal

ROUNDS = 20  # a chain of foreign keys longer than this is cut, and the copy is refused
CHUNK = 2000

_TABLES = """
SELECT n.nspname || '.' || c.relname AS rel, quote_ident(n.nspname) || '.' || quote_ident(c.relname) AS sql,
       (SELECT array_agg(a.attname::text ORDER BY a.attnum) FROM pg_attribute a
         WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '') AS columns
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind = 'r' AND n.nspname NOT LIKE 'pg\\_%'
   AND n.nspname NOT IN ('information_schema', 'backstitch', 'backstitch_quarantine')
   AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid
                    AND d.deptype = 'e')
 ORDER BY 1
"""
_FOREIGN_KEYS = """
SELECT k.conrelid::regclass::text AS child, k.confrelid::regclass::text AS parent,
       (SELECT array_agg(a.attname::text ORDER BY o) FROM unnest(k.conkey) WITH ORDINALITY u(n, o)
          JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.n) AS child_columns,
       (SELECT array_agg(a.attname::text ORDER BY o) FROM unnest(k.confkey) WITH ORDINALITY u(n, o)
          JOIN pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = u.n) AS parent_columns,
       (SELECT array_agg(format_type(a.atttypid, a.atttypmod) ORDER BY o) FROM unnest(k.confkey) WITH ORDINALITY u(n, o)
          JOIN pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = u.n) AS types
  FROM pg_constraint k WHERE k.contype = 'f' AND k.conparentid = 0 ORDER BY 1, 2, k.conname
"""


async def fill_sample(manifest: Manifest, ports: BackupPorts, name: str, limit: int, rights: Rights) -> None:
    """Restore the backup's schema into the empty database `name` and put a sample of the target's rows into it.

    Raises BackupFailed, StorageError, TargetError, ConnectionLost.
    """
    only_schema = manifest.model_copy(update={"full": manifest.schema_only})
    await restore_into(only_schema, name, ports.database, ports.archiver, ports.store, rights=rights)
    source = await ports.database.connect(purpose="rehearsal-sample", read_only=True)
    try:
        copy = await ports.database.connect(purpose="rehearsal-fill", database=name)
        try:
            async with source.transaction():
                await source.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
                async with copy.transaction():
                    await _fill(source, copy, limit)
        except DatabaseError as error:
            raise BackupFailed(
                f"A sample of the rows could not be taken: {error.message} Filling the copy needs a superuser, or "
                "GRANT SET ON PARAMETER session_replication_role.",
                reason=error.reason,
            ) from error
        finally:
            await copy.close()
    finally:
        await source.close()


async def _fill(source: Session, copy: Session, limit: int) -> None:
    await copy.execute("SET LOCAL session_replication_role = replica")  # no triggers, no foreign keys while it fills
    await source.execute("SET LOCAL search_path = pg_catalog")  # regclass then names the schema always
    tables = {t["sql"]: list(t["columns"] or []) for t in await source.rows(_TABLES)}
    for table, columns in tables.items():
        names = ", ".join(map(quote_ident, columns))
        if names:
            out = source.copy_out(f"COPY (SELECT {names} FROM ONLY {table} LIMIT {int(limit)}) TO STDOUT")
            await copy.copy_in(f"COPY {table} ({names}) FROM STDIN", out)
    keys = [k for k in await source.rows(_FOREIGN_KEYS) if k["child"] in tables]
    for _ in range(ROUNDS):
        added = 0
        for key in keys:
            added += await _fetch_parents(source, copy, key, tables)
        if not added:
            return
    raise BackupFailed(
        f"The sample does not close: after {ROUNDS} rounds rows still point to rows that are not in it. Rehearse on "
        "the whole copy instead (rehearsal.place: sameServer)."
    )


async def _fetch_parents(source: Session, copy: Session, key: dict[str, Any], tables: dict[str, list[str]]) -> int:
    """Fetch the rows that a foreign key of the sample points to and that are not in it; give how many."""
    child, parent = key["child"], key["parent"]
    wanted = ", ".join(f"c.{quote_ident(c)}" for c in key["child_columns"])
    not_null = " AND ".join(f"c.{quote_ident(c)} IS NOT NULL" for c in key["child_columns"])
    same = " AND ".join(
        f"p.{quote_ident(p)} = c.{quote_ident(c)}"
        for p, c in zip(key["parent_columns"], key["child_columns"], strict=True)
    )
    missing = await copy.rows(
        f"SELECT DISTINCT jsonb_build_array({wanted}) AS key FROM {child} c WHERE {not_null} "
        f"AND NOT EXISTS (SELECT FROM {parent} p WHERE {same}) LIMIT {CHUNK}"
    )
    if not missing:
        return 0
    match = " AND ".join(
        f"p.{quote_ident(column)} = (k.value->>{n})::{kind}"
        for n, (column, kind) in enumerate(zip(key["parent_columns"], key["types"], strict=True))
    )
    rows = await source.rows(
        f"SELECT p.tableoid::regclass::text AS rel, to_jsonb(p)::text AS row FROM jsonb_array_elements("
        f"{quote_literal(json.dumps([m['key'] for m in missing]))}::jsonb) k JOIN {parent} p ON {match}"
    )
    by_table: dict[str, list[str]] = {}
    for row in rows:  # of a partitioned parent: into the partition that holds it
        by_table.setdefault(row["rel"], []).append(row["row"])
    for table, found in by_table.items():
        await _insert(copy, table, tables[table], found)
    return len(rows)


async def _insert(copy: Session, table: str, columns: list[str], rows: list[str]) -> None:
    """Insert rows that are given as JSON text, which keeps every digit of a number."""
    names = ", ".join(map(quote_ident, columns))
    statement = f"INSERT INTO {table} ({names}) OVERRIDING SYSTEM VALUE SELECT {names} FROM jsonb_populate_recordset("
    for start in range(0, len(rows) if columns else 0, CHUNK):
        chunk = quote_literal(f"[{','.join(rows[start : start + CHUNK])}]")
        await copy.execute(f"{statement}NULL::{table}, {chunk}::jsonb)")
