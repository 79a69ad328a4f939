# SPDX-License-Identifier: Apache-2.0
"""Does every table that a transaction writes keep row images? Found by doing: the server counts what was written.

What cascades, rules and the application's own triggers write is in no statement's text; the counts have it.
"""

from __future__ import annotations

from collections.abc import Iterable

from backstitch.core.ports import Session
from backstitch.engine.capture import captured_tables, look_at_tables


class MoreTables(Exception):
    """A signal: roll back, watch these tables, do it again."""

    def __init__(self, oids: list[int]) -> None:
        super().__init__()
        self.oids = oids


async def rows_written(session: Session) -> dict[int, int]:
    """Count the rows written per table; counts of earlier transactions may be in it too, so take differences."""
    rows = await session.rows(
        "SELECT s.relid::bigint AS oid, n_tup_ins + n_tup_upd + n_tup_del AS n FROM pg_stat_xact_user_tables s "
        "WHERE s.schemaname <> 'backstitch' AND n_tup_ins + n_tup_upd + n_tup_del > 0"
    )
    return {r["oid"]: r["n"] for r in rows}


async def written_since(session: Session, earlier: dict[int, int]) -> set[int]:
    """Give the tables written since a count, with what deferred constraints and triggers write at the end."""
    await session.execute("SET CONSTRAINTS ALL IMMEDIATE")  # they write now; ALTER TABLE needs it too
    return {oid for oid, n in (await rows_written(session)).items() if n > earlier.get(oid, 0)}


async def see_that_all_is_watched(session: Session, touched: Iterable[int]) -> None:
    """Raise MoreTables when one of these tables keeps no row images."""
    unwatched = set(touched) - {t.oid for t in await captured_tables(session)}
    if unwatched:
        raise MoreTables(sorted(unwatched))


async def with_ancestors(session: Session, oids: list[int]) -> list[int]:
    """Give these tables and those they are partitions of, and so on."""
    rows = await session.rows(
        "WITH RECURSIVE up AS (SELECT unnest(%s::bigint[])::oid AS oid UNION "
        "SELECT i.inhparent FROM pg_inherits i JOIN up ON i.inhrelid = up.oid) SELECT oid::bigint AS oid FROM up",
        (oids,),
    )
    return [r["oid"] for r in rows]


async def tables_to_watch(session: Session, oids: list[int]) -> list[str]:
    """Give the tables (`schema.name`) whose triggers see changes of these.

    A statement on a partitioned parent fires the parent's triggers, one on the partition the partition's.
    """
    return [t.rel for t in await look_at_tables(session, [], await with_ancestors(session, oids))]
