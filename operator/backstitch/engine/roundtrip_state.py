# SPDX-License-Identifier: Apache-2.0
"""What does a scratch database hold? Its schema and a digest of all rows, those that row security hides included."""

from __future__ import annotations

from backstitch.core.ports import Session
from backstitch.engine.catalog import read_catalog
from backstitch.engine.digest import all_digests
from backstitch.engine.roundtrip_judge import State
from backstitch.model.backup import TableDigest

_HIDDEN = """
SELECT format('%I.%I', n.nspname, c.relname) AS sql, n.nspname || '.' || c.relname AS name
  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p') AND pg_catalog.row_security_active(c.oid) ORDER BY 1
"""


class _Read(Exception):  # rolls back what was changed in order to read
    pass


async def read_state(session: Session) -> State:
    """Give the state. Raises DatabaseError where rows are hidden and the role does not own their table."""
    hidden = await session.rows(_HIDDEN)
    catalog = await read_catalog(session)
    rows: dict[str, TableDigest] = {}
    if not hidden:
        return State(catalog, await all_digests(session))
    try:
        async with session.transaction():
            for table in hidden:
                await session.execute(f"ALTER TABLE {table['sql']} NO FORCE ROW LEVEL SECURITY")
            rows = await all_digests(session)
            raise _Read
    except _Read:
        pass
    return State(catalog, rows, tuple(table["name"] for table in hidden))
