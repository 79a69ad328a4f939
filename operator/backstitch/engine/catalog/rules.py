# SPDX-License-Identifier: Apache-2.0
"""How are constraints, indexes, triggers, rules, policies and statistics of tables read?"""

from __future__ import annotations

from backstitch.engine.catalog.sql import USER_SCHEMA, columns_of, comment, head, not_in_extension, not_ours, role

_TABLE = "'pg_class', c.oid, 0"
_USER_TABLE = f"{USER_SCHEMA} AND {not_in_extension('pg_class', 'c.oid')}"

_INDEX_FIELDS = f"""'valid', i.indisvalid, 'clustered', i.indisclustered, 'replicaIdentity', i.indisreplident,
    'options', (SELECT jsonb_agg(o ORDER BY o) FROM unnest(ic.reloptions) o),
    'tablespace', (SELECT spcname FROM pg_catalog.pg_tablespace s WHERE s.oid = ic.reltablespace),
    'statistics', (SELECT jsonb_object_agg(a.attnum, a.attstattarget) FROM pg_catalog.pg_attribute a
      WHERE a.attrelid = i.indexrelid AND a.attstattarget >= 0),
    'indexComment', {comment("pg_class", "i.indexrelid")},
    'indexParent', (SELECT pn.nspname || '.' || p.relname FROM pg_catalog.pg_inherits h
      JOIN pg_catalog.pg_class p ON p.oid = h.inhparent JOIN pg_catalog.pg_namespace pn ON pn.oid = p.relnamespace
      WHERE h.inhrelid = i.indexrelid)"""
_INDEX_PARENT = "(SELECT h.inhparent FROM pg_catalog.pg_inherits h WHERE h.inhrelid = i.indexrelid)"


def constraints(server_version: int) -> str:
    """Give the query for constraints; those of domains have no table. 18 added NOT ENFORCED and named NOT NULL."""
    enforced = "k.conenforced" if server_version >= 180000 else "true"
    return f"""
SELECT 'constraint', n.nspname, coalesce(c.relname, t.typname), k.conname, 'pg_constraint', k.oid, 0,
  CASE WHEN c.oid IS NULL THEN 'pg_type' ELSE 'pg_class' END, coalesce(c.oid, t.oid), 0,
  jsonb_build_object('definition', pg_catalog.pg_get_constraintdef(k.oid), 'validated', k.convalidated,
    'local', k.conislocal, 'inherited', k.coninhcount, 'comment', {comment("pg_constraint", "k.oid")})
  || CASE WHEN i.indexrelid IS NULL THEN '{{}}' ELSE jsonb_build_object({_INDEX_FIELDS}) END,
  jsonb_build_object('definition', jsonb_build_array(k.condeferrable, k.condeferred, k.convalidated, {enforced},
    k.connoinherit), 'indexParent', {_INDEX_PARENT}),
  jsonb_build_object('type', k.contype, 'columns', {columns_of("k.conrelid", "k.conkey")},
    'parent', nullif(k.conparentid, 0), 'indexParent', {_INDEX_PARENT}, 'index', i.indexrelid,
    'relkind', c.relkind, 'references', nullif(k.confrelid, 0), 'enforced', {enforced}, 'numbers', k.conkey)
FROM pg_catalog.pg_constraint k JOIN pg_catalog.pg_namespace n ON n.oid = k.connamespace
LEFT JOIN pg_catalog.pg_class c ON c.oid = k.conrelid
LEFT JOIN pg_catalog.pg_type t ON t.oid = k.contypid
LEFT JOIN pg_catalog.pg_index i ON i.indexrelid = k.conindid AND k.contype IN ('p', 'u', 'x')
LEFT JOIN pg_catalog.pg_class ic ON ic.oid = i.indexrelid
WHERE k.contype IN ('c', 'f', 'p', 'u', 'x', 'n') AND {not_ours("k.conname")} AND {USER_SCHEMA}
  AND (c.oid IS NOT NULL OR t.typtype = 'd') AND {not_in_extension("pg_class", "k.conrelid")}
  AND {not_in_extension("pg_type", "k.contypid")}
"""


INDEXES = f"""
{head("'index'", "pg_class", "ic.oid", schema="n.nspname", name="ic.relname", parent=_TABLE)},
  jsonb_build_object('definition', pg_catalog.pg_get_indexdef(i.indexrelid), {_INDEX_FIELDS}),
  jsonb_build_object('definition', '', 'indexParent', {_INDEX_PARENT}),
  jsonb_build_object('indexParent', {_INDEX_PARENT}, 'relkind', c.relkind)
FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class ic ON ic.oid = i.indexrelid
JOIN pg_catalog.pg_class c ON c.oid = i.indrelid AND c.relkind IN ('r', 'p', 'm')
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE {not_ours("ic.relname")} AND {_USER_TABLE} AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint k
  WHERE k.conindid = i.indexrelid AND k.contype IN ('p', 'u', 'x'))
"""

# A trigger that a partition has from its parent (tgparentid) comes and goes with that one.
TRIGGERS = f"""
{head("'trigger'", "pg_trigger", "g.oid", schema="n.nspname", name="c.relname", sub="g.tgname", parent=_TABLE)},
  jsonb_build_object('definition', pg_catalog.pg_get_triggerdef(g.oid), 'enabled', g.tgenabled,
    'comment', {comment("pg_trigger", "g.oid")}, 'local', g.tgparentid = 0),
  jsonb_build_object('definition', md5((to_jsonb(g) - '{{oid,tgname,tgrelid,tgenabled,tgparentid}}'::text[])::text)),
  jsonb_build_object('parent', nullif(g.tgparentid, 0), 'constraint', g.tgconstraint <> 0)
FROM pg_catalog.pg_trigger g JOIN pg_catalog.pg_class c ON c.oid = g.tgrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE NOT g.tgisinternal AND {not_ours("pg_catalog.ltrim(g.tgname, '~')")} AND {_USER_TABLE}
"""

RULES = f"""
{head("'rule'", "pg_rewrite", "w.oid", schema="n.nspname", name="c.relname", sub="w.rulename", parent=_TABLE)},
  jsonb_build_object('definition', pg_catalog.pg_get_ruledef(w.oid), 'enabled', w.ev_enabled,
    'comment', {comment("pg_rewrite", "w.oid")}),
  jsonb_build_object('definition', md5(w.ev_action::text || w.ev_qual::text)), '{{}}'::jsonb
FROM pg_catalog.pg_rewrite w JOIN pg_catalog.pg_class c ON c.oid = w.ev_class
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE w.rulename <> '_RETURN' AND {_USER_TABLE}
"""

POLICIES = f"""
{head("'policy'", "pg_policy", "p.oid", schema="n.nspname", name="c.relname", sub="p.polname", parent=_TABLE)},
  jsonb_build_object('command', p.polcmd, 'permissive', p.polpermissive,
    'roles', (SELECT jsonb_agg(r ORDER BY r) FROM (SELECT CASE WHEN o = 0 THEN '' ELSE {role("o")} END r
      FROM unnest(p.polroles) o) x),
    'using', pg_catalog.pg_get_expr(p.polqual, p.polrelid), 'check', pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid),
    'comment', {comment("pg_policy", "p.oid")}),
  jsonb_build_object('using', md5(p.polqual::text), 'check', md5(p.polwithcheck::text)), '{{}}'::jsonb
FROM pg_catalog.pg_policy p JOIN pg_catalog.pg_class c ON c.oid = p.polrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE {_USER_TABLE}
"""

STATISTICS = f"""
{head("'statistics'", "pg_statistic_ext", "s.oid", schema="n.nspname", name="s.stxname", parent=_TABLE)},
  jsonb_build_object('definition', pg_catalog.pg_get_statisticsobjdef(s.oid), 'owner', {role("s.stxowner")},
    'target', nullif(s.stxstattarget, -1), 'comment', {comment("pg_statistic_ext", "s.oid")}),
  jsonb_build_object('definition', ''), '{{}}'::jsonb
FROM pg_catalog.pg_statistic_ext s JOIN pg_catalog.pg_class c ON c.oid = s.stxrelid
JOIN pg_catalog.pg_namespace n ON n.oid = s.stxnamespace
WHERE {USER_SCHEMA} AND {not_in_extension("pg_statistic_ext", "s.oid")} AND {not_in_extension("pg_class", "c.oid")}
"""
