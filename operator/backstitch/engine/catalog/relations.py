# SPDX-License-Identifier: Apache-2.0
"""How are schemas, tables, views, sequences, their columns, defaults and inheritance read?"""

from __future__ import annotations

from backstitch.engine.catalog.sql import USER_SCHEMA, acl, comment, grants, head, not_in_extension, not_ours, role

SCHEMAS = f"""
{head("'schema'", "pg_namespace", "n.oid", name="n.nspname")},
  jsonb_build_object('owner', {role("n.nspowner")}, 'acl', {acl("n", "n.nspacl", "n.nspowner")},
    'comment', {comment("pg_namespace", "n.oid")}),
  '{{}}'::jsonb,
  jsonb_build_object('aclDefault', n.nspacl IS NULL, 'defaultAcl', {grants("acldefault('n', n.nspowner)")})
FROM pg_catalog.pg_namespace n
WHERE {USER_SCHEMA} AND {not_in_extension("pg_namespace", "n.oid")}
"""

_KIND = (
    "CASE c.relkind WHEN 'v' THEN 'view' WHEN 'm' THEN 'materializedView' WHEN 'f' THEN 'foreignTable' ELSE 'table' END"
)
_OPTIONS = "(SELECT jsonb_agg(o ORDER BY o) FROM unnest(c.reloptions) o)"
_TABLESPACE = "(SELECT spcname FROM pg_catalog.pg_tablespace s WHERE s.oid = c.reltablespace)"

RELATIONS = f"""
{head(_KIND, "pg_class", "c.oid", schema="n.nspname", name="c.relname", parent="'pg_namespace', n.oid, 0")},
  jsonb_build_object('owner', {role("c.relowner")}, 'acl', {acl("r", "c.relacl", "c.relowner")},
    'comment', {comment("pg_class", "c.oid")}, 'options', {_OPTIONS})
  || CASE WHEN c.relkind IN ('v', 'm') THEN jsonb_build_object('definition', pg_catalog.pg_get_viewdef(c.oid),
    'columns', (SELECT jsonb_agg(jsonb_build_array(a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod))
      ORDER BY a.attnum) FROM pg_catalog.pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0)) ELSE '{{}}' END
  || CASE WHEN c.relkind = 'm' THEN jsonb_build_object('populated', c.relispopulated) ELSE '{{}}' END
  || CASE WHEN c.relkind = 'f' THEN (SELECT jsonb_build_object('server', s.srvname, 'serverOptions', f.ftoptions)
    FROM pg_catalog.pg_foreign_table f JOIN pg_catalog.pg_foreign_server s ON s.oid = f.ftserver
    WHERE f.ftrelid = c.oid) ELSE '{{}}' END
  || CASE WHEN c.relkind IN ('r', 'p') THEN jsonb_build_object('rowSecurity', c.relrowsecurity,
    'forceRowSecurity', c.relforcerowsecurity, 'replicaIdentity', c.relreplident, 'persistence', c.relpersistence,
    'partitionKey', pg_catalog.pg_get_partkeydef(c.oid),
    'ofType', CASE WHEN c.reloftype <> 0 THEN pg_catalog.format_type(c.reloftype, NULL) END,
    'toastOptions', (SELECT jsonb_agg(o ORDER BY o) FROM pg_catalog.pg_class t, unnest(t.reloptions) o
      WHERE t.oid = c.reltoastrelid)) ELSE '{{}}' END
  || CASE WHEN c.relkind IN ('r', 'p', 'm') THEN jsonb_build_object('tablespace', {_TABLESPACE}, 'accessMethod',
    (SELECT amname FROM pg_catalog.pg_am am WHERE am.oid = c.relam)) ELSE '{{}}' END,
  CASE WHEN c.relkind = 'm' THEN jsonb_build_object('definition', '', 'columns', '')
    WHEN c.relkind = 'v' THEN (SELECT jsonb_build_object('definition', md5(w.ev_action::text))
      FROM pg_catalog.pg_rewrite w WHERE w.ev_class = c.oid AND w.rulename = '_RETURN')
    WHEN c.relkind = 'p' THEN jsonb_build_object('partitionKey', '') ELSE '{{}}' END,
  jsonb_build_object('aclDefault', c.relacl IS NULL, 'relkind', c.relkind, 'partition', c.relispartition,
    'defaultAcl', {grants("acldefault('r', c.relowner)")})
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND {USER_SCHEMA} AND {not_in_extension("pg_class", "c.oid")}
"""

_SEQUENCE = """jsonb_build_object('type', pg_catalog.format_type(q.seqtypid, NULL), 'start', q.seqstart,
    'increment', q.seqincrement, 'min', q.seqmin, 'max', q.seqmax, 'cache', q.seqcache, 'cycle', q.seqcycle)"""
# Without the right to read it, a sequence's position is not known: NULL.
_POSITION = """CASE WHEN pg_catalog.has_sequence_privilege(q.seqrelid, 'SELECT,USAGE')
    THEN pg_catalog.pg_sequence_last_value(q.seqrelid) END"""

SEQUENCES = f"""
{head("'sequence'", "pg_class", "c.oid", schema="n.nspname", name="c.relname", parent="'pg_namespace', n.oid, 0")},
  jsonb_build_object('owner', {role("c.relowner")}, 'acl', {acl("s", "c.relacl", "c.relowner")},
    'comment', {comment("pg_class", "c.oid")}, 'persistence', c.relpersistence, 'ownedBy',
    (SELECT jsonb_build_array(tn.nspname, t.relname, a.attname) FROM pg_catalog.pg_class t
      JOIN pg_catalog.pg_namespace tn ON tn.oid = t.relnamespace
      JOIN pg_catalog.pg_attribute a ON a.attrelid = t.oid AND a.attnum = d.refobjsubid WHERE t.oid = d.refobjid))
  || {_SEQUENCE},
  jsonb_build_object('ownedBy', jsonb_build_array(d.refobjid, d.refobjsubid)),
  jsonb_build_object('aclDefault', c.relacl IS NULL, 'position', {_POSITION}, 'ownedBy', d.refobjid,
    'ownedByColumn', d.refobjsubid, 'defaultAcl', {grants("acldefault('s', c.relowner)")})
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_sequence q ON q.seqrelid = c.oid
LEFT JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = c.oid
  AND d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjsubid > 0 AND d.deptype IN ('a', 'i')
WHERE {USER_SCHEMA} AND {not_in_extension("pg_class", "c.oid")} AND d.deptype IS DISTINCT FROM 'i'
"""

# Position is the rank among the columns that are not ours: attnum has holes where columns were dropped.
COLUMNS = f"""
SELECT 'column', n.nspname, c.relname, a.attname, 'pg_class', c.oid, a.attnum, 'pg_class', c.oid, 0,
  jsonb_build_object('position', row_number() OVER (PARTITION BY c.oid ORDER BY a.attnum),
    'type', pg_catalog.format_type(a.atttypid, a.atttypmod),
    'acl', CASE WHEN a.attacl IS NULL THEN '[]' ELSE {grants("a.attacl")} END,
    'comment', {comment("pg_class", "c.oid", "a.attnum")})
  || CASE WHEN c.relkind IN ('r', 'p', 'f') THEN jsonb_build_object('notNull', a.attnotnull,
    'generated', CASE WHEN a.attgenerated = '' THEN NULL ELSE jsonb_build_array(a.attgenerated,
      pg_catalog.pg_get_expr(d.adbin, d.adrelid)) END,
    'identity', CASE WHEN a.attidentity = '' THEN NULL ELSE (SELECT {_SEQUENCE} || jsonb_build_object(
        'kind', a.attidentity, 'sequence', qn.nspname || '.' || qc.relname)
      FROM pg_catalog.pg_depend i JOIN pg_catalog.pg_sequence q ON q.seqrelid = i.objid
      JOIN pg_catalog.pg_class qc ON qc.oid = i.objid JOIN pg_catalog.pg_namespace qn ON qn.oid = qc.relnamespace
      WHERE i.refclassid = 'pg_catalog.pg_class'::regclass AND i.refobjid = c.oid AND i.refobjsubid = a.attnum
        AND i.classid = 'pg_catalog.pg_class'::regclass AND i.deptype = 'i') END,
    'collation', CASE WHEN a.attcollation <> t.typcollation THEN (SELECT quote_ident(cn.nspname) || '.' ||
      quote_ident(co.collname) FROM pg_catalog.pg_collation co JOIN pg_catalog.pg_namespace cn
      ON cn.oid = co.collnamespace WHERE co.oid = a.attcollation) END,
    'storage', a.attstorage, 'compression', nullif(a.attcompression, ''),
    'statistics', nullif(a.attstattarget, -1),
    'options', CASE WHEN a.attoptions IS NOT NULL THEN (SELECT jsonb_agg(o ORDER BY o) FROM unnest(a.attoptions) o) END,
    'local', a.attislocal, 'inherited', a.attinhcount) ELSE '{{}}' END,
  jsonb_build_object('type', jsonb_build_array(a.atttypid, a.atttypmod), 'generated', md5(d.adbin::text)),
  jsonb_build_object('relkind', c.relkind, 'typeStorage', t.typstorage, 'partition', c.relispartition,
    'position', CASE WHEN a.attidentity <> '' THEN (SELECT {_POSITION} FROM pg_catalog.pg_depend i
      JOIN pg_catalog.pg_sequence q ON q.seqrelid = i.objid
      WHERE i.refclassid = 'pg_catalog.pg_class'::regclass AND i.refobjid = c.oid
        AND i.refobjsubid = a.attnum AND i.classid = 'pg_catalog.pg_class'::regclass AND i.deptype = 'i') END)
FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum AND a.attgenerated <> ''
WHERE c.relkind IN ('r', 'p', 'f', 'v', 'm') AND a.attnum > 0 AND NOT a.attisdropped AND {not_ours("a.attname")}
  AND {USER_SCHEMA} AND {not_in_extension("pg_class", "c.oid")}
"""

DEFAULTS = f"""
SELECT 'default', n.nspname, c.relname, a.attname, 'pg_attrdef', d.oid, 0, 'pg_class', c.oid, a.attnum::int,
  jsonb_build_object('expression', pg_catalog.pg_get_expr(d.adbin, d.adrelid)),
  jsonb_build_object('expression', md5(d.adbin::text)), jsonb_build_object('relkind', c.relkind)
FROM pg_catalog.pg_attrdef d JOIN pg_catalog.pg_class c ON c.oid = d.adrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum
WHERE a.attgenerated = '' AND {not_ours("a.attname")} AND {USER_SCHEMA} AND {not_in_extension("pg_class", "c.oid")}
"""

INHERITANCE = f"""
SELECT 'inheritance', n.nspname, c.relname, pn.nspname || '.' || p.relname, 'pg_inherits', c.oid, p.oid::bigint,
  'pg_class', c.oid, 0,
  jsonb_build_object('bound', pg_catalog.pg_get_expr(c.relpartbound, c.oid), 'order', i.inhseqno,
    'detachPending', i.inhdetachpending),
  jsonb_build_object('bound', md5(c.relpartbound::text)), jsonb_build_object('parent', p.oid)
FROM pg_catalog.pg_inherits i JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid AND c.relkind IN ('r', 'p', 'f')
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_class p ON p.oid = i.inhparent JOIN pg_catalog.pg_namespace pn ON pn.oid = p.relnamespace
WHERE {USER_SCHEMA} AND {not_in_extension("pg_class", "c.oid")}
"""
