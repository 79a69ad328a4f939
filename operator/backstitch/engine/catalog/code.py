# SPDX-License-Identifier: Apache-2.0
"""How are functions, types, publications, extensions, default privileges and the rarer objects read?"""

from __future__ import annotations

from backstitch.engine.catalog.sql import (
    USER_SCHEMA,
    acl,
    columns_of,
    comment,
    grants,
    head,
    not_in_extension,
    role,
)

_IDENTITY = "'(' || pg_catalog.pg_get_function_identity_arguments(p.oid) || ')'"
_FUNCTION_KIND = "CASE p.prokind WHEN 'p' THEN 'procedure' WHEN 'a' THEN 'aggregate' ELSE 'function' END"
_OPERATOR = """(SELECT 'OPERATOR(' || quote_ident(os.nspname) || '.' || o.oprname || ')' FROM pg_catalog.pg_operator o
    JOIN pg_catalog.pg_namespace os ON os.oid = o.oprnamespace WHERE o.oid = g.aggsortop)"""
_OPTION = "CASE WHEN {value} THEN {text} ELSE '' END"


def _option(value: str, text: str) -> str:
    return _OPTION.format(value=value, text=text)


_AGGREGATE = f"""(SELECT 'CREATE AGGREGATE ' || quote_ident(n.nspname) || '.' || quote_ident(p.proname) || '('
    || pg_catalog.pg_get_function_arguments(p.oid) || ') (SFUNC = ' || g.aggtransfn::regproc || ', STYPE = '
    || pg_catalog.format_type(g.aggtranstype, NULL)
    || {_option("g.aggtransspace <> 0", "', SSPACE = ' || g.aggtransspace")}
    || {_option("g.aggfinalfn <> 0", "', FINALFUNC = ' || g.aggfinalfn::regproc")}
    || {_option("g.aggfinalextra", "', FINALFUNC_EXTRA'")}
    || {_option("g.aggcombinefn <> 0", "', COMBINEFUNC = ' || g.aggcombinefn::regproc")}
    || {_option("g.aggserialfn <> 0", "', SERIALFUNC = ' || g.aggserialfn::regproc")}
    || {_option("g.aggdeserialfn <> 0", "', DESERIALFUNC = ' || g.aggdeserialfn::regproc")}
    || {_option("g.agginitval IS NOT NULL", "', INITCOND = ' || quote_literal(g.agginitval)")}
    || {_option("g.aggmtransfn <> 0", "', MSFUNC = ' || g.aggmtransfn::regproc")}
    || {_option("g.aggminvtransfn <> 0", "', MINVFUNC = ' || g.aggminvtransfn::regproc")}
    || {_option("g.aggmtranstype <> 0", "', MSTYPE = ' || pg_catalog.format_type(g.aggmtranstype, NULL)")}
    || {_option("g.aggmfinalfn <> 0", "', MFINALFUNC = ' || g.aggmfinalfn::regproc")}
    || {_option("g.aggminitval IS NOT NULL", "', MINITCOND = ' || quote_literal(g.aggminitval)")}
    || {_option("g.aggsortop <> 0", "', SORTOP = ' || " + _OPERATOR)}
    || CASE p.proparallel WHEN 's' THEN ', PARALLEL = SAFE' WHEN 'r' THEN ', PARALLEL = RESTRICTED' ELSE '' END
    || {_option("g.aggkind = 'h'", "', HYPOTHETICAL'")} || ')'
    FROM pg_catalog.pg_aggregate g WHERE g.aggfnoid = p.oid)"""

# The functions a range type brings along depend on it internally; they come and go with it.
FUNCTIONS = f"""
{
    head(
        _FUNCTION_KIND,
        "pg_proc",
        "p.oid",
        schema="n.nspname",
        name="p.proname",
        sub=_IDENTITY,
        parent="'pg_namespace', n.oid, 0",
    )
},
  jsonb_build_object('definition', CASE p.prokind WHEN 'a' THEN {_AGGREGATE}
      ELSE pg_catalog.pg_get_functiondef(p.oid) END,
    'owner', {role("p.proowner")}, 'acl', {acl("f", "p.proacl", "p.proowner")}, 'comment', {
    comment("pg_proc", "p.oid")
},
    'extensions', (SELECT jsonb_agg(x.extname ORDER BY x.extname) FROM pg_catalog.pg_depend d
      JOIN pg_catalog.pg_extension x ON x.oid = d.refobjid WHERE d.classid = 'pg_catalog.pg_proc'::regclass
      AND d.objid = p.oid AND d.deptype = 'x')),
  jsonb_build_object('definition',
    md5((to_jsonb(p) - '{{oid,proname,pronamespace,proowner,proacl}}'::text[])::text)),
  jsonb_build_object('aclDefault', p.proacl IS NULL, 'defaultAcl', {grants("acldefault('f', p.proowner)")},
    'defaults', p.pronargdefaults, 'shape', md5(concat_ws('|', p.proretset, p.prorettype, p.proargtypes::text,
      p.proallargtypes::text, p.proargmodes::text, p.proargnames::text)))
FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
WHERE {USER_SCHEMA} AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend e
  WHERE e.classid = 'pg_catalog.pg_proc'::regclass AND e.objid = p.oid AND e.deptype IN ('e', 'i'))
"""

_COLLATION = """(SELECT quote_ident(cn.nspname) || '.' || quote_ident(co.collname) FROM pg_catalog.pg_collation co
    JOIN pg_catalog.pg_namespace cn ON cn.oid = co.collnamespace WHERE co.oid = {oid})"""

TYPES = f"""
{
    head(
        "CASE t.typtype WHEN 'd' THEN 'domain' ELSE 'type' END",
        "pg_type",
        "t.oid",
        schema="n.nspname",
        name="t.typname",
        parent="'pg_namespace', n.oid, 0",
    )
},
  jsonb_build_object('owner', {role("t.typowner")}, 'acl', {acl("T", "t.typacl", "t.typowner")},
    'comment', {comment("pg_type", "t.oid")})
  || CASE t.typtype
    WHEN 'e' THEN jsonb_build_object('labels', (SELECT coalesce(jsonb_agg(e.enumlabel ORDER BY e.enumsortorder), '[]')
      FROM pg_catalog.pg_enum e WHERE e.enumtypid = t.oid))
    WHEN 'd' THEN jsonb_build_object('base', pg_catalog.format_type(t.typbasetype, t.typtypmod),
      'notNull', t.typnotnull, 'default', t.typdefault, 'collation', CASE WHEN t.typcollation <> b.typcollation
      THEN {_COLLATION.format(oid="t.typcollation")} END)
    WHEN 'c' THEN jsonb_build_object('attributes', (SELECT coalesce(jsonb_agg(jsonb_build_array(a.attname,
      pg_catalog.format_type(a.atttypid, a.atttypmod), CASE WHEN a.attcollation <> y.typcollation
      THEN {_COLLATION.format(oid="a.attcollation")} END) ORDER BY a.attnum), '[]') FROM pg_catalog.pg_attribute a
      JOIN pg_catalog.pg_type y ON y.oid = a.atttypid
      WHERE a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped))
    ELSE (SELECT jsonb_build_object('subtype', pg_catalog.format_type(r.rngsubtype, NULL),
      'multirange', (SELECT mn.nspname || '.' || m.typname FROM pg_catalog.pg_type m JOIN pg_catalog.pg_namespace mn
        ON mn.oid = m.typnamespace WHERE m.oid = r.rngmultitypid),
      'opclass', (SELECT oc.opcname FROM pg_catalog.pg_opclass oc WHERE oc.oid = r.rngsubopc),
      'canonical', CASE WHEN r.rngcanonical <> 0 THEN r.rngcanonical::text END,
      'subdiff', CASE WHEN r.rngsubdiff <> 0 THEN r.rngsubdiff::text END,
      'collation', CASE WHEN r.rngcollation <> 0 THEN {_COLLATION.format(oid="r.rngcollation")} END)
      FROM pg_catalog.pg_range r WHERE r.rngtypid = t.oid) END,
  CASE t.typtype WHEN 'd' THEN jsonb_build_object('base', jsonb_build_array(t.typbasetype, t.typtypmod),
      'default', md5(t.typdefaultbin::text))
    WHEN 'c' THEN jsonb_build_object('attributes', (SELECT jsonb_agg(jsonb_build_array(a.attnum, a.attname, a.atttypid,
      a.atttypmod) ORDER BY a.attnum) FROM pg_catalog.pg_attribute a WHERE a.attrelid = t.typrelid AND a.attnum > 0
      AND NOT a.attisdropped)) ELSE '{{}}' END,
  jsonb_build_object('aclDefault', t.typacl IS NULL, 'defaultAcl', {grants("acldefault('T', t.typowner)")},
    'typtype', t.typtype, 'labels', (SELECT jsonb_agg(jsonb_build_array(e.oid, e.enumlabel) ORDER BY e.enumsortorder)
      FROM pg_catalog.pg_enum e WHERE e.enumtypid = t.oid),
    'numbers', (SELECT jsonb_agg(a.attnum ORDER BY a.attnum) FROM pg_catalog.pg_attribute a
      WHERE t.typtype = 'c' AND a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped))
FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
LEFT JOIN pg_catalog.pg_type b ON b.oid = t.typbasetype
WHERE t.typtype IN ('e', 'd', 'c', 'r') AND {USER_SCHEMA} AND {not_in_extension("pg_type", "t.oid")}
  AND (t.typrelid = 0 OR EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.oid = t.typrelid AND c.relkind = 'c'))
"""

PUBLICATIONS = f"""
{head("'publication'", "pg_publication", "p.oid", name="p.pubname")},
  jsonb_build_object('owner', {role("p.pubowner")}, 'comment', {comment("pg_publication", "p.oid")},
    'allTables', p.puballtables, 'viaRoot', p.pubviaroot, 'publish', array_to_string(array_remove(ARRAY[
    CASE WHEN p.pubinsert THEN 'insert' END, CASE WHEN p.pubupdate THEN 'update' END,
    CASE WHEN p.pubdelete THEN 'delete' END, CASE WHEN p.pubtruncate THEN 'truncate' END], NULL), ', '),
    'generatedColumns', to_jsonb(p) -> 'pubgencols'),
  '{{}}'::jsonb, '{{}}'::jsonb
FROM pg_catalog.pg_publication p
UNION ALL
SELECT 'publicationTable', '', p.pubname, n.nspname || '.' || c.relname, 'pg_publication_rel', r.oid, 0,
  'pg_publication', p.oid, 0,
  jsonb_build_object('columns', {columns_of("c.oid", "r.prattrs")}, 'where', pg_catalog.pg_get_expr(r.prqual, c.oid)),
  jsonb_build_object('columns', r.prattrs::text, 'where', md5(r.prqual::text)),
  jsonb_build_object('table', c.oid)
FROM pg_catalog.pg_publication_rel r JOIN pg_catalog.pg_publication p ON p.oid = r.prpubid
JOIN pg_catalog.pg_class c ON c.oid = r.prrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
UNION ALL
SELECT 'publicationSchema', '', p.pubname, n.nspname, 'pg_publication_namespace', r.oid, 0,
  'pg_publication', p.oid, 0, '{{}}'::jsonb, '{{}}'::jsonb, jsonb_build_object('schema', n.oid)
FROM pg_catalog.pg_publication_namespace r JOIN pg_catalog.pg_publication p ON p.oid = r.pnpubid
JOIN pg_catalog.pg_namespace n ON n.oid = r.pnnspid
"""

EXTENSIONS = f"""
{head("'extension'", "pg_extension", "x.oid", name="x.extname")},
  jsonb_build_object('owner', {role("x.extowner")}, 'version', x.extversion, 'schema', n.nspname,
    'comment', {comment("pg_extension", "x.oid")}),
  jsonb_build_object('schema', n.oid), jsonb_build_object('schema', n.oid, 'relocatable', x.extrelocatable)
FROM pg_catalog.pg_extension x JOIN pg_catalog.pg_namespace n ON n.oid = x.extnamespace
"""

# pg_default_acl writes S for sequences, acldefault() wants s.
_DEFAULT_GRANTS = grants(
    "acldefault((CASE d.defaclobjtype WHEN 'S' THEN 's' ELSE d.defaclobjtype::text END)::\"char\", d.defaclrole)"
)

DEFAULT_PRIVILEGES = f"""
{
    head(
        "'defaultPrivileges'",
        "pg_default_acl",
        "d.oid",
        schema="coalesce(n.nspname, '')",
        name=role("d.defaclrole"),
        sub="d.defaclobjtype",
    )
},
  jsonb_build_object('acl', {grants("d.defaclacl")}), '{{}}'::jsonb,
  jsonb_build_object('schema', n.oid, 'defaultAcl',
    CASE WHEN n.oid IS NULL THEN {_DEFAULT_GRANTS} ELSE '[]' END)
FROM pg_catalog.pg_default_acl d LEFT JOIN pg_catalog.pg_namespace n ON n.oid = d.defaclnamespace
WHERE n.oid IS NULL OR {USER_SCHEMA}
"""

# 16384 is FirstNormalObjectId: what initdb made has smaller numbers and never goes away.
DEPENDENCIES = """
SELECT classid::regclass::text AS class, objid::bigint AS oid, objsubid AS sub, refclassid::regclass::text AS refclass,
  refobjid::bigint AS refoid, refobjsubid AS refsub, deptype::text AS how
FROM pg_catalog.pg_depend WHERE objid >= 16384 AND refobjid >= 16384
"""
