# SPDX-License-Identifier: Apache-2.0
"""How do rows go back that a constraint would refuse, because it was never validated over them?

A NOT VALID constraint holds for what is written now, not for what was there. To write such a row again the constraint
is dropped and added NOT VALID in one transaction, which gives the same constraint (safety.md, row 44).
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from backstitch.core.ports import Session
from backstitch.model.sql import quote_ident, quote_literal

# Those of tables above count too: a partition's constraint goes and comes with its parent's.
_UNCHECKED = """
WITH RECURSIVE up AS (
  SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname || '.' || c.relname = %s
  UNION SELECT i.inhparent FROM pg_inherits i JOIN up ON i.inhrelid = up.oid)
SELECT format('%%I.%%I', n.nspname, c.relname) AS table, k.conname::text AS name,
       pg_get_constraintdef(k.oid) AS definition, obj_description(k.oid, 'pg_constraint') AS comment
  FROM pg_constraint k JOIN up ON up.oid = k.conrelid JOIN pg_class c ON c.oid = k.conrelid
  JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE k.contype IN ('c', 'f', 'n') AND NOT k.convalidated AND k.coninhcount = 0
   AND pg_get_constraintdef(k.oid) LIKE '%% NOT VALID' ORDER BY 1, 2
"""


@asynccontextmanager
async def unchecked(session: Session, rel: str) -> AsyncIterator[bool]:
    """Lift the constraints of a table (`schema.name`) that were never validated; gives whether there are any.

    In the caller's transaction, which holds ACCESS EXCLUSIVE on the table from then on. When the block raises,
    nothing is put back: the caller's savepoint does it.
    """
    found = await session.rows(_UNCHECKED, (rel,))
    for row in found:
        await session.execute(f"ALTER TABLE {row['table']} DROP CONSTRAINT {quote_ident(row['name'])}")
    yield bool(found)
    for row in found:
        name = quote_ident(row["name"])
        await session.execute(f"ALTER TABLE {row['table']} ADD CONSTRAINT {name} {row['definition']}")
        if row["comment"] is not None:
            await session.execute(f"COMMENT ON CONSTRAINT {name} ON {row['table']} IS {quote_literal(row['comment'])}")
