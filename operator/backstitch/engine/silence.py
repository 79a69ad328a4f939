# SPDX-License-Identifier: Apache-2.0
"""How are the application's triggers and rules kept from firing while rows go back, and left as they were?"""

from __future__ import annotations

from backstitch.core.ports import Session
from backstitch.engine.capture import Captured
from backstitch.model.sql import quote_ident


async def silence_triggers(session: Session, table: Captured) -> list[str]:
    """Disable triggers and rules of the application until this transaction ends: a restored row must not set them off.

    Those of partitions too, each by itself: enabling them on the parent would enable those that were off on one.
    Gives the statements for `enable_again`.
    """
    rows = await session.rows(
        "WITH RECURSIVE tree AS (SELECT %s::bigint::oid AS oid UNION ALL SELECT i.inhrelid FROM pg_inherits i "
        "JOIN tree ON i.inhparent = tree.oid), "
        "found AS (SELECT tgrelid AS of, 'TRIGGER ' AS kind, tgname::text AS name, tgenabled::text AS enabled "
        "FROM pg_trigger WHERE NOT tgisinternal AND tgname NOT LIKE 'backstitch\\_%%' "
        "UNION ALL SELECT ev_class, 'RULE ', rulename::text, ev_enabled::text FROM pg_rewrite WHERE ev_type <> '1') "
        "SELECT format('ALTER TABLE ONLY %%I.%%I ', n.nspname, c.relname) AS alter, kind, name, enabled "
        "FROM found JOIN tree ON tree.oid = found.of JOIN pg_class c ON c.oid = found.of "
        "JOIN pg_namespace n ON n.oid = c.relnamespace WHERE enabled <> 'D' ORDER BY 1, 2, 3",
        (table.oid,),
    )
    for row in rows:
        await session.execute(f"{row['alter']}DISABLE {row['kind']}{quote_ident(row['name'])}")
    words = {"O": "", "R": "REPLICA ", "A": "ALWAYS "}
    return [f"{row['alter']}ENABLE {words[row['enabled']]}{row['kind']}{quote_ident(row['name'])}" for row in rows]


async def enable_again(session: Session, silenced: list[str]) -> None:
    """Enable what `silence_triggers` disabled."""
    for statement in silenced:
        await session.execute(statement)
