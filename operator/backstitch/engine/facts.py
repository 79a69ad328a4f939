# SPDX-License-Identifier: Apache-2.0
"""What does the target's catalog say that a plan is computed from? One round trip, whatever the number of tables.

Row numbers are the estimates of the server itself (pg_class.reltuples); nothing is counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from backstitch.core.ports import Row, Session
from backstitch.model.facts import Column, Constraint, ConstraintKind, Facts, Index, Table, TableKind
from backstitch.model.in_step import TRIGGER_PREFIX, InStep
from backstitch.model.names import OWN_SCHEMAS
from backstitch.model.sql import QualifiedName

_OURS = "backstitch\\_%"
_IN_STEP = TRIGGER_PREFIX.replace("_", "\\_") + "%"
_CONSTRAINT_KINDS: dict[str, ConstraintKind] = {
    "c": "check",
    "f": "foreignKey",
    "u": "unique",
    "p": "primaryKey",
    "x": "exclude",
    "n": "notNull",
}
_TABLE_KINDS: dict[str, TableKind] = {
    "r": "table",
    "p": "partitioned",
    "v": "view",
    "m": "materializedView",
    "f": "foreignTable",
}

_FACTS = """
WITH spaces AS MATERIALIZED (
  SELECT oid, nspname FROM pg_catalog.pg_namespace
  WHERE nspname <> ALL (%s) AND nspname NOT LIKE 'pg\\_%%' AND nspname <> 'information_schema'
    AND (%s::text[] IS NULL OR nspname = ANY (%s::text[]))
), extension_members AS MATERIALIZED (
  SELECT objid FROM pg_catalog.pg_depend WHERE deptype = 'e' AND classid = 'pg_catalog.pg_class'::regclass
), wanted AS MATERIALIZED (
  SELECT c.*, n.nspname FROM pg_catalog.pg_class c JOIN spaces n ON n.oid = c.relnamespace
  WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND c.oid NOT IN (SELECT objid FROM extension_members)
    AND (%s::text[] IS NULL OR n.nspname || '.' || c.relname = ANY (%s::text[]))
)
SELECT current_database() AS database,
  (SELECT system_identifier::text FROM pg_catalog.pg_control_system()) AS system_identifier,
  (SELECT coalesce(jsonb_agg(nspname ORDER BY nspname), '[]') FROM spaces) AS schemas,
  (SELECT coalesce(jsonb_agg(name ORDER BY name), '[]') FROM (
     SELECT n.nspname || '.' || c.relname AS name FROM pg_catalog.pg_class c JOIN spaces n ON n.oid = c.relnamespace
     WHERE c.relkind IN ('S', 'i', 'I', 'c')
     UNION SELECT n.nspname || '.' || t.typname FROM pg_catalog.pg_type t JOIN spaces n ON n.oid = t.typnamespace
     WHERE t.typrelid = 0 AND t.typelem = 0) names) AS other_names,
  (SELECT coalesce(jsonb_agg(jsonb_build_object(
     'schema', c.nspname, 'name', c.relname, 'kind', c.relkind, 'partition', c.relispartition,
     'rows', c.reltuples,
     'bytes', CASE WHEN c.relkind IN ('r', 'm') THEN pg_catalog.pg_table_size(c.oid) ELSE 0 END,
     'owner', pg_catalog.pg_get_userbyid(c.relowner),
     'columns', (SELECT coalesce(jsonb_agg(jsonb_build_object(
        'name', a.attname, 'type', pg_catalog.format_type(a.atttypid, a.atttypmod), 'notNull', a.attnotnull,
        'default', pg_catalog.pg_get_expr(d.adbin, d.adrelid), 'identity', a.attidentity, 'generated', a.attgenerated,
        'collation', CASE WHEN a.attcollation <> t.typcollation THEN co.collname END,
        'dependents', (SELECT coalesce(jsonb_agg(DISTINCT pg_catalog.pg_describe_object(
           CASE WHEN w.oid IS NULL THEN d.classid ELSE 'pg_catalog.pg_class'::regclass END,
           coalesce(w.ev_class, d.objid), 0)), '[]')
           FROM pg_catalog.pg_depend d LEFT JOIN pg_catalog.pg_rewrite w
             ON d.classid = 'pg_catalog.pg_rewrite'::regclass AND w.oid = d.objid AND w.rulename = '_RETURN'
           WHERE d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid = c.oid AND d.refobjsubid = a.attnum
             AND (d.classid IN ('pg_catalog.pg_rewrite'::regclass, 'pg_catalog.pg_policy'::regclass,
                                'pg_catalog.pg_trigger'::regclass, 'pg_catalog.pg_proc'::regclass)
               OR d.classid = 'pg_catalog.pg_attrdef'::regclass AND EXISTS (SELECT FROM pg_catalog.pg_attrdef g
                  WHERE g.oid = d.objid AND (g.adrelid, g.adnum) <> (c.oid, a.attnum))))
        ) ORDER BY a.attnum), '[]')
        FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
        LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
        LEFT JOIN pg_catalog.pg_collation co ON co.oid = a.attcollation
        WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attname NOT LIKE %s),
     'constraints', (SELECT coalesce(jsonb_agg(jsonb_build_object(
        'name', k.conname, 'kind', k.contype, 'definition', pg_catalog.pg_get_constraintdef(k.oid),
        'columns', (SELECT jsonb_agg(a.attname ORDER BY u.n) FROM unnest(k.conkey) WITH ORDINALITY u(attnum, n)
           JOIN pg_catalog.pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.attnum),
        'validated', k.convalidated, 'comment', pg_catalog.obj_description(k.oid, 'pg_constraint'),
        'references', (SELECT rn.nspname || '.' || r.relname FROM pg_catalog.pg_class r
           JOIN pg_catalog.pg_namespace rn ON rn.oid = r.relnamespace WHERE r.oid = k.confrelid))
        ORDER BY k.conname), '[]')
        FROM pg_catalog.pg_constraint k
        WHERE k.conrelid = c.oid AND k.contype <> 't' AND k.conname NOT LIKE %s),
     'indexes', (SELECT coalesce(jsonb_agg(jsonb_build_object(
        'name', ic.relname, 'definition', pg_catalog.pg_get_indexdef(i.indexrelid), 'unique', i.indisunique,
        'primary', i.indisprimary, 'valid', i.indisvalid, 'partial', i.indpred IS NOT NULL,
        'clustered', i.indisclustered, 'replicaIdentity', i.indisreplident,
        'constraint', (SELECT k.conname FROM pg_catalog.pg_constraint k
           WHERE k.conindid = i.indexrelid AND k.conrelid = c.oid AND k.contype IN ('p', 'u', 'x') LIMIT 1),
        'comment', pg_catalog.obj_description(i.indexrelid, 'pg_class'),
        'columns', CASE WHEN 0 = ANY (i.indkey::int2[]) THEN '[]' ELSE (SELECT jsonb_agg(a.attname ORDER BY u.n)
           FROM unnest(i.indkey::int2[]) WITH ORDINALITY u(attnum, n)
           JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = u.attnum
           WHERE u.n <= i.indnkeyatts) END) ORDER BY ic.relname), '[]')
        FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class ic ON ic.oid = i.indexrelid
        WHERE i.indrelid = c.oid AND ic.relname NOT LIKE %s),
     'family', (SELECT coalesce(jsonb_agg(n.nspname || '.' || r.relname ORDER BY n.nspname, r.relname), '[]')
        FROM pg_catalog.pg_inherits h
        JOIN pg_catalog.pg_class r ON r.oid = CASE WHEN h.inhparent = c.oid THEN h.inhrelid ELSE h.inhparent END
        JOIN pg_catalog.pg_namespace n ON n.oid = r.relnamespace
        WHERE c.oid IN (h.inhparent, h.inhrelid) AND c.relkind = 'r' AND NOT c.relispartition),
     'inStep', (SELECT coalesce(jsonb_agg(
           pg_catalog.obj_description(t.oid, 'pg_trigger')::jsonb ORDER BY t.tgname), '[]')
        FROM pg_catalog.pg_trigger t WHERE t.tgrelid = c.oid AND t.tgname LIKE %s AND t.tgparentid = 0),
     'sequences', (SELECT coalesce(jsonb_agg(s.relname ORDER BY s.relname), '[]') FROM pg_catalog.pg_depend d
        JOIN pg_catalog.pg_class s ON s.oid = d.objid AND s.relkind = 'S' AND s.relnamespace = c.relnamespace
        WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.refclassid = 'pg_catalog.pg_class'::regclass
          AND d.refobjid = c.oid AND d.deptype IN ('a', 'i')),
     'dependents', (SELECT coalesce(jsonb_agg(DISTINCT what), '[]') FROM (
        SELECT CASE WHEN v.oid IS NULL THEN pg_catalog.pg_describe_object(d.classid, d.objid, 0)
            ELSE CASE v.relkind WHEN 'm' THEN 'materialized view ' ELSE 'view ' END || vn.nspname || '.' || v.relname
          END AS what
        FROM pg_catalog.pg_depend d
        LEFT JOIN pg_catalog.pg_rewrite w
          ON d.classid = 'pg_catalog.pg_rewrite'::regclass AND w.oid = d.objid AND w.rulename = '_RETURN'
        LEFT JOIN pg_catalog.pg_class v ON v.oid = w.ev_class
        LEFT JOIN pg_catalog.pg_namespace vn ON vn.oid = v.relnamespace
        WHERE d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid = c.oid AND d.deptype IN ('n', 'a')
          AND (v.oid IS NULL OR v.oid <> c.oid)
          AND (d.classid IN ('pg_catalog.pg_rewrite'::regclass, 'pg_catalog.pg_proc'::regclass,
               'pg_catalog.pg_policy'::regclass)
            OR d.classid = 'pg_catalog.pg_constraint'::regclass AND EXISTS (SELECT FROM pg_catalog.pg_constraint k
               WHERE k.oid = d.objid AND k.contype = 'f' AND k.confrelid = c.oid AND k.conrelid <> c.oid))) found)
   ) ORDER BY c.nspname, c.relname), '[]') FROM wanted c) AS tables
"""


async def read_facts(
    session: Session, schemas: Sequence[str] | None = None, tables: Sequence[QualifiedName] | None = None
) -> Facts:
    """Give the tables and views of the database as facts, ours left out.

    `schemas` keeps only these schemas, `tables` only these tables (names in `other_names` stay complete, so that
    a taken name is seen). Definitions name everything with its schema, so that they mean the same under any
    search_path. Row numbers are the server's estimates (-1 before the first ANALYZE is given as 0); bytes are heap and
    TOAST, without indexes. Raises DatabaseError.
    """
    names = [str(t) for t in tables] if tables is not None else None
    spaces = list(schemas) if schemas is not None else None
    async with session.transaction():
        before = await session.rows("SELECT current_setting('search_path') AS path")
        await session.rows("SELECT set_config('search_path', '', true)")
        ours = [_OURS, _OURS, _OURS, _IN_STEP]
        found = await session.rows(_FACTS, [list(OWN_SCHEMAS), spaces, spaces, names, names, *ours])
        await session.rows("SELECT set_config('search_path', %s, true)", [before[0]["path"]])
    return _facts(found[0], session.server_version)


def _facts(row: Row, server_version: int) -> Facts:
    read = [_table(t) for t in row["tables"]]
    return Facts(
        server_version=server_version,
        database=row["database"],
        system_identifier=row["system_identifier"],
        tables={str(t.qualified): t for t in read},
        schemas=tuple(row["schemas"]),
        other_names=tuple(row["other_names"]),
    )


def _table(data: dict[str, Any]) -> Table:
    return Table(
        schema_name=data["schema"],
        name=data["name"],
        kind="partition" if data["partition"] and data["kind"] == "r" else _TABLE_KINDS[data["kind"]],
        columns=tuple(
            Column(
                name=c["name"],
                type=c["type"],
                not_null=c["notNull"],
                default=c["default"],
                identity=c["identity"],
                generated=c["generated"],
                collation=c["collation"],
                dependents=tuple(c["dependents"]),
            )
            for c in data["columns"]
        ),
        constraints=tuple(
            Constraint(
                name=k["name"],
                kind=_CONSTRAINT_KINDS[k["kind"]],
                definition=k["definition"],
                columns=tuple(k["columns"] or ()),
                validated=k["validated"],
                references=k["references"],
                comment=k["comment"],
            )
            for k in data["constraints"]
        ),
        indexes=tuple(
            Index(
                name=i["name"],
                definition=i["definition"],
                unique=i["unique"],
                primary=i["primary"],
                valid=i["valid"],
                columns=tuple(i["columns"] or ()),
                constraint=i["constraint"],
                partial=i["partial"],
                clustered=i["clustered"],
                replica_identity=i["replicaIdentity"],
                comment=i["comment"],
            )
            for i in data["indexes"]
        ),
        estimated_rows=max(float(data["rows"]), 0.0),
        bytes=data["bytes"],
        owner=data["owner"],
        dependents=tuple(data["dependents"]),
        sequences=tuple(data["sequences"]),
        family=tuple(data["family"]),
        in_step=tuple(InStep.model_validate(i) for i in data["inStep"]),
    )
