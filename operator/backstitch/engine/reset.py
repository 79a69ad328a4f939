# SPDX-License-Identifier: Apache-2.0
"""Emptying a development database: user schemas step aside under reserved names, so that even this has a way back."""

from __future__ import annotations

from backstitch.core.ports import Session
from backstitch.model.names import RESERVED_PREFIX
from backstitch.model.sql import quote_ident
from backstitch.model.units import DdlUnit

_SCHEMAS = (
    "SELECT n.nspname::text AS name, pg_get_userbyid(n.nspowner)::text AS owner, "
    "pg_has_role(n.nspowner, 'USAGE') AS ours, "
    "(SELECT coalesce(array_agg(e.extname::text), '{}') FROM pg_extension e WHERE e.extnamespace = n.oid "
    "AND e.extrelocatable) AS extensions, "
    "(SELECT coalesce(array_agg(format('GRANT %s ON SCHEMA %I TO %s%s', a.privilege_type, n.nspname, "
    "CASE WHEN a.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END, "
    "CASE WHEN a.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END)), '{}') "
    "FROM aclexplode(n.nspacl) a WHERE a.grantee <> n.nspowner) AS grants "
    "FROM pg_namespace n WHERE n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema' "
    "AND n.nspname NOT LIKE 'backstitch%' ORDER BY 1"
)


async def reset_unit(session: Session, migration_id: int) -> DdlUnit:
    """Give the unit that moves every user schema aside and puts an empty one in its place.

    Backward drops the empty ones and renames back; purge drops what was moved aside.
    """
    forward: list[str] = []
    backward: list[str] = []
    purge: list[str] = []
    for row in await session.rows(_SCHEMAS):
        name = quote_ident(row["name"])
        aside = quote_ident(f"{RESERVED_PREFIX}reset_{migration_id}_{row['name']}"[:63])
        forward += [
            f"ALTER SCHEMA {name} RENAME TO {aside}",
            f"CREATE SCHEMA {name} AUTHORIZATION {quote_ident(row['owner'])}",
            *row["grants"],
            *(f"ALTER EXTENSION {quote_ident(e)} SET SCHEMA {name}" for e in row["extensions"]),
        ]
        backward = [
            *(f"ALTER EXTENSION {quote_ident(e)} SET SCHEMA {aside}" for e in row["extensions"]),
            f"DROP SCHEMA {name} CASCADE",
            f"ALTER SCHEMA {aside} RENAME TO {name}",
            *backward,
        ]
        purge.append(f"DROP SCHEMA IF EXISTS {aside} CASCADE")
    return DdlUnit(forward=tuple(forward), backward=tuple(backward), purge=tuple(purge))
