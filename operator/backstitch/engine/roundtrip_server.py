# SPDX-License-Identifier: Apache-2.0
"""Did a transaction touch what the whole server shares: roles, memberships, databases, their settings?

Others may change those at the same time, so only what this session sees and a second one does not is its own.
"""

from __future__ import annotations

from contextlib import suppress

from backstitch.core.errors import DatabaseError, StepFailed
from backstitch.core.ports import Session
from backstitch.model.sql import quote_ident

_SHARED = """
SELECT 'role' AS kind, to_jsonb(r)::text AS what, rolname::text AS name FROM pg_catalog.pg_roles r
UNION ALL SELECT 'database', to_jsonb(d)::text, datname::text FROM (
  SELECT datname, datdba, datconnlimit, dattablespace, datacl FROM pg_catalog.pg_database
   WHERE NOT starts_with(datname::text, 'backstitch_scratch_')) d
UNION ALL SELECT 'membership', to_jsonb(m)::text, m.roleid::regrole::text FROM pg_catalog.pg_auth_members m
UNION ALL SELECT 'setting', to_jsonb(s)::text, array_to_string(s.setconfig, ', ') FROM pg_catalog.pg_db_role_setting s
  LEFT JOIN pg_catalog.pg_database d ON d.oid = s.setdatabase
 WHERE d.oid IS NULL OR d.datname = current_database() OR NOT starts_with(d.datname::text, 'backstitch_scratch_')
"""


class SharedObjects:
    """Watches what the server's databases share, through a session of its own."""

    def __init__(self, outside: Session) -> None:
        self._outside = outside
        self.made_roles: list[str] = []  # to be dropped when the scratch database is gone

    async def see_that_nothing_changed(self, session: Session) -> None:
        """Raise StepFailed when the open transaction of `session` changed something shared."""
        changed = await self._changed(session)
        if changed:
            what = ", ".join(sorted({f"{kind} {name}" for kind, name, _ in changed}))
            raise StepFailed(
                f"It changes {what}, which belongs to the whole server and not to this database: no way back here.",
                reason="NoReverse",
            )

    async def allow_new_roles(self, session: Session) -> list[str]:
        """Give the roles that the open transaction made, and note them. Raises StepFailed for anything else shared."""
        changed = await self._changed(session)
        made = sorted({name for kind, name, old in changed if kind == "role" and not old})
        if any((kind != "role" and name not in made) or old for kind, name, old in changed):
            await self.see_that_nothing_changed(session)
        self.made_roles += made
        return made

    async def drop_roles(self) -> None:
        """Drop the roles that were made; a role that somebody uses meanwhile stays."""
        for role in reversed(self.made_roles):
            with suppress(DatabaseError):
                await self._outside.execute(f"DROP ROLE IF EXISTS {quote_ident(role)}")
        self.made_roles = []

    async def _changed(self, session: Session) -> set[tuple[str, str, bool]]:
        """Give kind, name, and whether it was there before, of what only this transaction sees."""
        first = {(r["kind"], r["name"], r["what"]) for r in await self._outside.rows(_SHARED)}
        inside = {(r["kind"], r["name"], r["what"]) for r in await session.rows(_SHARED)}
        last = {(r["kind"], r["name"], r["what"]) for r in await self._outside.rows(_SHARED)}
        mine = (inside - first - last) | ((first & last) - inside)
        names = {(kind, name) for kind, name, _ in first | last}
        return {(kind, name, (kind, name) in names) for kind, name, _ in mine}
