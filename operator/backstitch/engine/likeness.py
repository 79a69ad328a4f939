# SPDX-License-Identifier: Apache-2.0
"""How is a new database made like the one it replaces, in all that a dump does not hold?

Owner, rights, settings, connection limit, comment; and sequences, which must never go back.
"""

from __future__ import annotations

from contextlib import suppress

from backstitch.core.errors import RollbackFailed, StatementFailed
from backstitch.core.ports import Session
from backstitch.model.sql import quote_ident, quote_literal

# The value of these is a list whose parts are quoted one by one (pg_dump's variable_is_guc_list_quote).
_LISTS = frozenset(
    {
        "local_preload_libraries",
        "search_path",
        "session_preload_libraries",
        "shared_preload_libraries",
        "temp_tablespaces",
        "unix_socket_directories",
    }
)
_DATABASE = """
SELECT pg_catalog.pg_get_userbyid(datdba)::text AS owner, datconnlimit AS connections,
       pg_catalog.shobj_description(oid, 'pg_database') AS comment, datacl IS NOT NULL AS has_rights,
       pg_catalog.pg_has_role(datdba, 'MEMBER') AS ours
  FROM pg_catalog.pg_database WHERE datname = %s
"""
_RIGHTS = """
SELECT a.privilege_type::text AS privilege, a.is_grantable AS grantable,
       CASE WHEN a.grantee = 0 THEN NULL ELSE pg_catalog.pg_get_userbyid(a.grantee)::text END AS grantee
  FROM pg_catalog.pg_database d, LATERAL pg_catalog.aclexplode(d.datacl) a WHERE d.datname = %s ORDER BY 3, 1
"""
_SETTINGS = """
SELECT CASE WHEN s.setrole = 0 THEN NULL ELSE pg_catalog.pg_get_userbyid(s.setrole)::text END AS role,
       unnest(s.setconfig) AS setting
  FROM pg_catalog.pg_db_role_setting s JOIN pg_catalog.pg_database d ON d.oid = s.setdatabase
 WHERE d.datname = %s ORDER BY 1 NULLS FIRST, 2
"""
_LEFT_OUT = """
SELECT 'publication ' || pubname AS what FROM pg_catalog.pg_publication
UNION ALL SELECT 'replication slot ' || slot_name FROM pg_catalog.pg_replication_slots
           WHERE database = pg_catalog.current_database()
UNION ALL SELECT 'subscription ' || subname FROM pg_catalog.pg_subscription
           WHERE subdbid = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())
ORDER BY 1
"""
_SEQUENCES = """
SELECT schemaname::text AS schema, sequencename::text AS name, last_value AS value, increment_by > 0 AS ascending
  FROM pg_catalog.pg_sequences WHERE schemaname NOT IN ('backstitch', 'backstitch_quarantine')
"""


async def refuse_foreign(session: Session, name: str) -> None:
    """Raise RollbackFailed when our role may not rename that database."""
    found = (await session.rows(_DATABASE, [name]))[0]
    if not found["ours"]:
        raise RollbackFailed(
            f"Database {name} belongs to role {found['owner']}, which our role is no member of, so it cannot be "
            f"replaced. Grant {found['owner']} to our role, or restore by hand.",
            reason="PermissionLost",
        )


async def make_alike(session: Session, new: str, *, like: str) -> None:
    """Give `new` the owner, rights, settings, limit and comment of `like`, as far as our role may; see `unlike`."""
    found = (await session.rows(_DATABASE, [like]))[0]
    statements = await _settings(session, new, like)
    database = f"DATABASE {quote_ident(new)}"
    if found["connections"] >= 0:
        statements.append(f"ALTER {database} CONNECTION LIMIT {found['connections']}")
    if found["comment"] is not None:
        statements.append(f"COMMENT ON {database} IS {quote_literal(found['comment'])}")
    if found["has_rights"]:
        statements.append(f"REVOKE ALL ON {database} FROM PUBLIC")
        for right in await session.rows(_RIGHTS, [like]):
            grantee = "PUBLIC" if right["grantee"] is None else quote_ident(right["grantee"])
            option = " WITH GRANT OPTION" if right["grantable"] else ""
            statements.append(f"GRANT {right['privilege']} ON {database} TO {grantee}{option}")
    statements.append(f"ALTER {database} OWNER TO {quote_ident(found['owner'])}")  # the last: it may end our rights
    for statement in statements:
        with suppress(StatementFailed):
            await session.execute(statement)


async def unlike(session: Session, new: str, *, like: str) -> list[str]:
    """Say what `like` has that `new` has not, of what `make_alike` gives."""
    old_one, new_one = [(await session.rows(_DATABASE, [name]))[0] for name in (like, new)]
    found = [
        f"{what} {old_one[what]}" for what in ("owner", "connections", "comment") if old_one[what] != new_one[what]
    ]
    rights = [await session.rows(_RIGHTS, [name]) for name in (like, new)]
    found += [f"{r['privilege']} for {r['grantee'] or 'PUBLIC'}" for r in rights[0] if r not in rights[1]]
    settings = [await session.rows(_SETTINGS, [name]) for name in (like, new)]
    for row in settings[0]:
        if row not in settings[1]:
            found.append(f"setting {row['setting'].partition('=')[0]}" + (f" of {row['role']}" if row["role"] else ""))
    return found


async def left_out(session: Session) -> list[str]:
    """Give what belongs to this database and is in no backup of ours."""
    return [row["what"] for row in await session.rows(_LEFT_OUT)]


async def carry_sequences(old: Session, new: Session) -> int:
    """Move the new database's sequences to where the old ones are, when those are further; give how many moved."""
    reached = {(row["schema"], row["name"]): row for row in await old.rows(_SEQUENCES)}
    moved = 0
    for row in await new.rows(_SEQUENCES):
        was = reached.get((row["schema"], row["name"]))
        if was is None or was["value"] is None or was["ascending"] != row["ascending"]:
            continue
        now = row["value"]
        if now is None or (was["value"] > now if row["ascending"] else was["value"] < now):
            name = f"{quote_ident(row['schema'])}.{quote_ident(row['name'])}"
            await new.rows("SELECT pg_catalog.setval(%s::regclass, %s)", [name, was["value"]])
            moved += 1
    return moved


async def _settings(session: Session, new: str, like: str) -> list[str]:
    statements = []
    for row in await session.rows(_SETTINGS, [like]):
        name, _, value = row["setting"].partition("=")
        written = quote_literal(value)
        if name in _LISTS:
            written = value if value not in ("", '""') else "''"
        whose = f"ALTER DATABASE {quote_ident(new)}"
        if row["role"] is not None:
            whose = f"ALTER ROLE {quote_ident(row['role'])} IN DATABASE {quote_ident(new)}"
        known = ".".join(quote_ident(part) for part in name.split("."))
        statements.append(f"{whose} SET {known} TO {written}")
    return statements
