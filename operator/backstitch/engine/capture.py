# SPDX-License-Identifier: Apache-2.0
"""Row images: what our own statements change, kept by key, old and new, in the transaction of the change.

One statement-level AFTER trigger per kind of change, with transition tables, so that a batch of rows costs one
INSERT … SELECT. The triggers fire only where `backstitch.actor` is set, which only our transactions do. They see
what cascades and the application's own triggers change in their tables too, because those run in our session.
Values are kept as text by column name: exact under the session's pinned settings, whatever the type.
"""

from __future__ import annotations

from dataclasses import dataclass

from backstitch.core.errors import StepFailed
from backstitch.core.ports import Session
from backstitch.model.sql import quote_ident, quote_literal

_EVENTS = (
    ("insert", "AFTER INSERT", "REFERENCING NEW TABLE AS backstitch_new"),
    ("update", "AFTER UPDATE", "REFERENCING OLD TABLE AS backstitch_old NEW TABLE AS backstitch_new"),
    ("delete", "AFTER DELETE", "REFERENCING OLD TABLE AS backstitch_old"),
    ("truncate", "BEFORE TRUNCATE", ""),
)
_ACTOR = "current_setting('backstitch.actor', true)"
# A step may use SET LOCAL for its own statements; images are read back under a Session's settings.
AS_PINNED = (
    "SET timezone = 'UTC' SET datestyle = 'ISO' SET intervalstyle = 'postgres' SET bytea_output = 'hex' "
    "SET extra_float_digits = 1 SET lc_monetary = 'C' SET xmlbinary = 'base64'"
)


@dataclass(frozen=True)
class Captured:
    """A table as far as images need it."""

    oid: int
    schema: str
    name: str
    columns: tuple[str, ...]  # without generated ones: those follow by themselves
    key: tuple[str, ...]
    triggers: int  # how many of ours are there
    inherited: bool = False  # other tables than partitions inherit from it
    always: tuple[str, ...] = ()  # columns GENERATED ALWAYS AS IDENTITY, which UPDATE may not set

    @property
    def rel(self) -> str:
        """Give `schema.name`, as images name it."""
        return f"{self.schema}.{self.name}"

    @property
    def sql(self) -> str:
        """Give the quoted name."""
        return f"{quote_ident(self.schema)}.{quote_ident(self.name)}"


_TABLES_SQL = """
SELECT c.oid::bigint AS oid, n.nspname AS schema, c.relname AS name, c.relkind::text AS kind,
       (SELECT array_agg(a.attname::text ORDER BY a.attnum) FROM pg_attribute a
         WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '') AS columns,
       (SELECT array_agg(a.attname::text ORDER BY k.ord) FROM (
           SELECT i.indkey, i.indnkeyatts FROM pg_index i
            WHERE i.indrelid = c.oid AND i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL
              AND (i.indisprimary OR NOT EXISTS (SELECT 1 FROM unnest(i.indkey[0:i.indnkeyatts-1]) x JOIN pg_attribute a
                   ON a.attrelid = c.oid AND a.attnum = x WHERE NOT a.attnotnull))
            ORDER BY i.indisprimary DESC, i.indnkeyatts, i.indexrelid LIMIT 1) best,
         LATERAL unnest(best.indkey) WITH ORDINALITY k(attnum, ord)
         JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.attnum
         WHERE k.ord <= best.indnkeyatts) AS key,
       (SELECT count(*) FROM pg_trigger t WHERE t.tgrelid = c.oid AND t.tgname LIKE 'backstitch\\_%%'
         AND t.tgname NOT LIKE 'backstitch\\_app\\_%%') AS triggers,
       c.relkind = 'r' AND EXISTS (SELECT FROM pg_inherits h WHERE h.inhparent = c.oid) AS inherited,
       (SELECT array_agg(a.attname::text) FROM pg_attribute a
         WHERE a.attrelid = c.oid AND a.attidentity = 'a' AND NOT a.attisdropped) AS always
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p') AND (n.nspname || '.' || c.relname = ANY(%s) OR c.oid = ANY(%s::bigint[]::oid[]))
 ORDER BY c.oid
"""


async def look_at_tables(session: Session, rels: list[str], oids: list[int] | None = None) -> list[Captured]:
    """Give what images need to know of these tables (`schema.name`, or by oid); missing ones are left out."""
    rows = await session.rows(_TABLES_SQL, (rels, oids or []))
    return [
        Captured(
            oid=r["oid"],
            schema=r["schema"],
            name=r["name"],
            columns=tuple(r["columns"] or ()),
            key=tuple(r["key"] or ()),
            triggers=r["triggers"],
            inherited=r["inherited"],
            always=tuple(r["always"] or ()),
        )
        for r in rows
    ]


def capture_function(table: Captured) -> str:
    """Give the SQL of the trigger function that writes one table's images."""

    def values(alias: str, names: tuple[str, ...]) -> str:
        texts = ", ".join(f"{alias}.{quote_ident(c)}::text" for c in names)
        return f"jsonb_object(ARRAY[{', '.join(quote_literal(c) for c in names)}]::text[], ARRAY[{texts}]::text[])"

    def insert(op: str, source: str, old: str | None, new: str | None) -> str:
        alias = new or old or ""
        old_sql = values(old, table.columns) if old else "NULL"
        new_sql = values(new, table.columns) if new else "NULL"
        return (
            "INSERT INTO backstitch.images (migration_id, step, unit, rel, op, key, old, new) "
            f"SELECT split_part({_ACTOR}, '/', 1)::bigint, split_part({_ACTOR}, '/', 2)::int, "
            f"split_part({_ACTOR}, '/', 3)::int, {quote_literal(table.rel)}, '{op}', {values(alias, table.key)}, "
            f"{old_sql}, {new_sql} FROM {source};"
        )

    same_key = " AND ".join(f"o.{quote_ident(c)} = n.{quote_ident(c)}" for c in table.key)
    order = f"ORDER BY {', '.join('o.' + quote_ident(c) for c in table.key)}"
    body = f"""
BEGIN
  IF TG_OP = 'INSERT' THEN
    {insert("I", "backstitch_new n", None, "n")}
  ELSIF TG_OP = 'DELETE' THEN
    {insert("D", f"backstitch_old o {order}", "o", None)}
  ELSIF TG_OP = 'TRUNCATE' THEN
    {insert("D", f"{table.sql} o {order}", "o", None)}
  ELSE
    -- A row whose key was changed is one that went and one that came. In this order, so that the way back removes
    -- what came first: with it gone, no other unique value is in the way.
    {insert("D", f"backstitch_old o WHERE NOT EXISTS (SELECT 1 FROM backstitch_new n WHERE {same_key})", "o", None)}
    {insert("U", f"backstitch_old o JOIN backstitch_new n ON {same_key}", "o", "n")}
    {insert("I", f"backstitch_new n WHERE NOT EXISTS (SELECT 1 FROM backstitch_old o WHERE {same_key})", None, "n")}
  END IF;
  RETURN NULL;
END"""
    return (
        f"CREATE OR REPLACE FUNCTION backstitch.capture_{table.oid}() RETURNS trigger LANGUAGE plpgsql {AS_PINNED} AS "
        f"{quote_literal(body)}"
    )


async def install_capture(session: Session, table: Captured) -> None:
    """Create or renew a table's function and triggers in the caller's transaction.

    Creating the triggers takes SHARE ROW EXCLUSIVE for a moment; renewing the function takes no lock on the table.
    Raises StepFailed for a table without a key, because a row could not be found again.
    """
    if not table.key:
        raise StepFailed(
            f"Table {table.rel} has neither a primary key nor a unique key without NULLs, so changed rows could not be "
            "put back. Add a key first, or give the step a `down`.",
            reason="NoKey",
        )
    if table.inherited:
        raise StepFailed(
            f"Other tables inherit from {table.rel}. A statement on it changes rows of theirs, whose other columns "
            "could not be put back. Give the step a `down`.",
            reason="Inherited",
        )
    await session.execute(capture_function(table))
    if table.triggers == len(_EVENTS):
        return
    for word, timing, referencing in _EVENTS:
        await session.execute(
            f"CREATE OR REPLACE TRIGGER backstitch_{word} {timing} ON {table.sql} {referencing} FOR EACH STATEMENT "
            f"WHEN (coalesce({_ACTOR}, '') <> '') EXECUTE FUNCTION backstitch.capture_{table.oid}()"
        )
        # also where the SQL itself says SET session_replication_role = replica
        await session.execute(f"ALTER TABLE ONLY {table.sql} ENABLE ALWAYS TRIGGER backstitch_{word}")


async def captured_tables(session: Session) -> list[Captured]:
    """Give the tables that have triggers of ours."""
    rows = await session.rows(
        "SELECT DISTINCT tgrelid::bigint AS oid FROM pg_trigger WHERE tgname LIKE 'backstitch\\_%' "
        "AND tgname NOT LIKE 'backstitch\\_app\\_%' AND NOT tgisinternal AND tgparentid = 0"
    )
    return await look_at_tables(session, [], [r["oid"] for r in rows])


async def remove_capture(session: Session, table: Captured) -> None:
    """Drop a table's triggers and function in the caller's transaction (ACCESS EXCLUSIVE for a moment)."""
    for word, _, _ in _EVENTS:
        await session.execute(f"DROP TRIGGER IF EXISTS backstitch_{word} ON {table.sql}")
    await session.execute(f"DROP FUNCTION IF EXISTS backstitch.capture_{table.oid}()")
