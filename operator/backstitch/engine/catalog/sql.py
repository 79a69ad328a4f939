# SPDX-License-Identifier: Apache-2.0
"""How is each object asked for? Pieces that the queries share: which objects are the user's, and how grants look.

Every query gives the same columns: kind, schema, name, sub (together the key), classid, oid, subid (the identity),
pclass, poid, psub (the parent's identity, NULL without one), fields, raw, soft (jsonb, see model.catalog).
They run with search_path = '', so that every deparsed name is qualified, and without parameters.
"""

from __future__ import annotations

from backstitch.model.names import OWN_SCHEMAS, RESERVED_PREFIX
from backstitch.model.sql import quote_literal

_OWN = ", ".join(quote_literal(s) for s in OWN_SCHEMAS)
_LIKE_OURS = quote_literal(RESERVED_PREFIX.replace("_", "\\_") + "%")

# A schema of the user: not the server's, not a temporary one, not ours.
USER_SCHEMA = f"n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema' AND n.nspname NOT IN ({_OWN})"


def not_ours(column: str) -> str:
    """Give the condition that a name is not one of our reserved names."""
    return f"{column} NOT LIKE {_LIKE_OURS}"


def not_in_extension(catalog: str, oid: str) -> str:
    """Give the condition that an object does not belong to an extension; those come and go with it."""
    return (
        f"NOT EXISTS (SELECT FROM pg_catalog.pg_depend e WHERE e.classid = 'pg_catalog.{catalog}'::regclass"
        f" AND e.objid = {oid} AND e.deptype = 'e')"
    )


def comment(catalog: str, oid: str, sub: str = "0") -> str:
    """Give the expression for the comment on an object. obj_description() takes ten times as long."""
    return (
        f"(SELECT dd.description FROM pg_catalog.pg_description dd WHERE dd.objoid = {oid}"
        f" AND dd.classoid = 'pg_catalog.{catalog}'::regclass AND dd.objsubid = {sub})"
    )


def role(oid: str) -> str:
    """Give the expression for a role's name."""
    return f"pg_catalog.pg_get_userbyid({oid})"


def grants(acl: str) -> str:
    """Give the expression for an ACL as sorted [grantee, privilege, grantable, grantor]; '' is PUBLIC."""
    return (
        "(SELECT coalesce(jsonb_agg(g ORDER BY g), '[]') FROM (SELECT jsonb_build_array("
        f"CASE WHEN grantee = 0 THEN '' ELSE {role('grantee')} END, privilege_type, is_grantable, {role('grantor')}) g"
        f" FROM pg_catalog.aclexplode({acl})) x)"
    )


def acl(kind: str, column: str, owner: str) -> str:
    """Give the expression for an object's ACL, an unset one spelled out, so that GRANT and REVOKE end equal.

    `kind` is the letter of acldefault().
    """
    return grants(f"coalesce({column}, pg_catalog.acldefault('{kind}', {owner}))")


def columns_of(relation: str, numbers: str) -> str:
    """Give the expression for column names, as a jsonb array in the order of an array of attribute numbers."""
    return (
        f"(SELECT jsonb_agg(ca.attname ORDER BY cu.o) FROM unnest({numbers}) WITH ORDINALITY cu(n, o)"
        f" JOIN pg_catalog.pg_attribute ca ON ca.attrelid = {relation} AND ca.attnum = cu.n)"
    )


def head(kind: str, classid: str, oid: str, *, schema: str = "''", name: str, sub: str = "''", parent: str = "") -> str:
    """Give the first columns of a query. `kind` is an SQL expression; `parent` is `class, oid, subid` or ''."""
    above = parent or "NULL::text, NULL::oid, NULL::int"
    return (
        f"SELECT {kind} AS kind, {schema}::text AS schema, {name}::text AS name, {sub}::text AS sub, "
        f"'{classid}' AS classid, {oid} AS oid, 0 AS subid, {above}"
    )
