# SPDX-License-Identifier: Apache-2.0
"""How are the rarer objects read: casts, operators, event triggers, collations, and those that are only hashed?

Of the first four the statement that makes them again is their definition: it has no numbers of the catalog in it.
"""

from __future__ import annotations

from backstitch.engine.catalog.sql import role

_CAST = """'CREATE CAST ' || o.identity || CASE x.castmethod WHEN 'f' THEN ' WITH FUNCTION ' || x.castfunc::regprocedure
    WHEN 'i' THEN ' WITH INOUT' ELSE ' WITHOUT FUNCTION' END
    || CASE x.castcontext WHEN 'a' THEN ' AS ASSIGNMENT' WHEN 'i' THEN ' AS IMPLICIT' ELSE '' END"""
_EVENT_TRIGGER = """'CREATE EVENT TRIGGER ' || o.identity || ' ON ' || x.evtevent
    || CASE WHEN x.evttags IS NULL THEN '' ELSE ' WHEN TAG IN (' || (SELECT string_agg(quote_literal(t), ', ')
      FROM unnest(x.evttags) t) || ')' END || ' EXECUTE FUNCTION ' || x.evtfoid::regproc || '()'"""
_COLLATION = """'CREATE COLLATION ' || o.identity || ' (PROVIDER = ' || CASE x.collprovider WHEN 'i' THEN 'icu' WHEN 'b'
    THEN 'builtin' ELSE 'libc' END
    || CASE WHEN x.collprovider = 'c' THEN ', LC_COLLATE = ' || quote_literal(x.collcollate)
      || ', LC_CTYPE = ' || quote_literal(x.collctype) ELSE ', LOCALE = ' || quote_literal(coalesce(
      to_jsonb(x) ->> 'colllocale', to_jsonb(x) ->> 'colliculocale', x.collcollate)) END
    || coalesce(', RULES = ' || quote_literal(to_jsonb(x) ->> 'collicurules'), '')
    || CASE WHEN x.collisdeterministic THEN '' ELSE ', DETERMINISTIC = false' END || ')'"""
_OTHER_OPERATOR = """(SELECT 'OPERATOR(' || quote_ident(n.nspname) || '.' || p.oprname || ')'
    FROM pg_catalog.pg_operator p JOIN pg_catalog.pg_namespace n ON n.oid = p.oprnamespace WHERE p.oid = {oid})"""
_OPERATOR = f"""'CREATE OPERATOR ' || (SELECT quote_ident(n.nspname) FROM pg_catalog.pg_namespace n
      WHERE n.oid = x.oprnamespace) || '.' || x.oprname || ' (FUNCTION = ' || x.oprcode::regproc
    || CASE WHEN x.oprleft = 0 THEN '' ELSE ', LEFTARG = ' || pg_catalog.format_type(x.oprleft, NULL) END
    || ', RIGHTARG = ' || pg_catalog.format_type(x.oprright, NULL)
    || coalesce(', COMMUTATOR = ' || {_OTHER_OPERATOR.format(oid="x.oprcom")}, '')
    || coalesce(', NEGATOR = ' || {_OTHER_OPERATOR.format(oid="x.oprnegate")}, '')
    || CASE WHEN x.oprrest = 0 THEN '' ELSE ', RESTRICT = ' || x.oprrest::regproc END
    || CASE WHEN x.oprjoin = 0 THEN '' ELSE ', JOIN = ' || x.oprjoin::regproc END
    || CASE WHEN x.oprcanhash THEN ', HASHES' ELSE '' END
    || CASE WHEN x.oprcanmerge THEN ', MERGES' ELSE '' END || ')'"""
_HASHED = "(to_jsonb(x) - 'oid')::text"

# Catalog: what the definition is, whether it makes the object again, the column with the owner.
_RARE = {
    "pg_cast": (_CAST, True, ""),
    "pg_collation": (_COLLATION, True, "collowner"),
    "pg_conversion": (_HASHED, False, ""),
    "pg_event_trigger": (_EVENT_TRIGGER, True, "evtowner"),
    "pg_foreign_data_wrapper": (_HASHED, False, ""),
    "pg_foreign_server": (_HASHED, False, ""),
    "pg_language": (_HASHED, False, ""),
    "pg_opclass": (_HASHED, False, ""),
    "pg_operator": (_OPERATOR, True, "oprowner"),
    "pg_opfamily": (_HASHED, False, ""),
    "pg_transform": (_HASHED, False, ""),
    "pg_ts_config": (_HASHED, False, ""),
    "pg_ts_dict": (_HASHED, False, ""),
    "pg_ts_parser": (_HASHED, False, ""),
    "pg_ts_template": (_HASHED, False, ""),
}


def _query(catalog: str, definition: str, made_again: bool, owner: str) -> str:
    fields = ["'definition'", definition]
    fields += ["'owner'", role(f"x.{owner}")] if owner else []
    fields += ["'enabled'", "x.evtenabled"] if catalog == "pg_event_trigger" else []
    return f"""SELECT 'other', '', o.identity, o.type, '{catalog}', x.oid, 0, NULL::text, NULL::oid, NULL::int,
  jsonb_build_object({", ".join(fields)}), '{{}}'::jsonb, jsonb_build_object('madeAgain', {str(made_again).lower()})
FROM pg_catalog.{catalog} x, pg_catalog.pg_identify_object('pg_catalog.{catalog}'::regclass, x.oid, 0) o
WHERE x.oid >= 16384 AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend e
  WHERE e.classid = 'pg_catalog.{catalog}'::regclass AND e.objid = x.oid AND e.deptype IN ('e', 'i'))"""


# The options of a user mapping are shown to few; that it is there is shown to all.
_USER_MAPPINGS = """SELECT 'other', '', quote_ident(x.usename) || ' SERVER ' || quote_ident(x.srvname),
  'user mapping for', 'pg_user_mapping', x.umid, 0, NULL::text, NULL::oid, NULL::int,
  jsonb_build_object('definition', coalesce(x.umoptions::text, '')), '{}'::jsonb, '{}'::jsonb
FROM pg_catalog.pg_user_mappings x"""

OTHERS = " UNION ALL ".join([*(_query(catalog, *what) for catalog, what in _RARE.items()), _USER_MAPPINGS])
