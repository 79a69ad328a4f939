# SPDX-License-Identifier: Apache-2.0
"""Where do a copy's sequences stand, and how do they get back there before a migration runs on it again?

Numbers that a rolled back attempt took are gone in production; but rows that name them ("customer 1") would make a
migration fail that runs well once. A copy is ours alone, so there they can be given again.
"""

from __future__ import annotations

from dataclasses import dataclass

from backstitch.core.ports import Session
from backstitch.model.names import LEDGER_SCHEMA
from backstitch.model.sql import quote_ident, quote_literal


@dataclass(frozen=True)
class Position:
    """One sequence (a quoted name), where it stands, and whether that number was given."""

    name: str
    last: int
    called: bool


async def positions(session: Session) -> list[Position]:
    """Give where each sequence of the application stands."""
    found = await session.rows(
        "SELECT n.nspname::text AS schema, c.relname::text AS name FROM pg_catalog.pg_class c "
        "JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace "
        "WHERE c.relkind = 'S' AND c.relpersistence <> 't' AND n.nspname <> %s ORDER BY 1, 2",
        (LEDGER_SCHEMA,),
    )
    names = [f"{quote_ident(r['schema'])}.{quote_ident(r['name'])}" for r in found]
    if not names:
        return []
    each = (f"SELECT {quote_literal(n)} AS name, last_value AS last, is_called AS called FROM {n}" for n in names)
    return [Position(**row) for row in await session.rows(" UNION ALL ".join(each))]


async def put_back(session: Session, start: list[Position]) -> None:
    """Let the sequences that are still there give the numbers from `start` on again."""
    now = {p.name: p for p in await positions(session)}
    for position in start:
        if position.name in now and now[position.name] != position:
            await session.rows(
                "SELECT pg_catalog.setval(%s::regclass, %s, %s)", (position.name, position.last, position.called)
            )
