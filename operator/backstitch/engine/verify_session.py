# SPDX-License-Identifier: Apache-2.0
"""How does a check look at the database without being able to change it, and find the table it names?

Each check has its own transaction: READ ONLY, one snapshot, time limits, and always rolled back. The server holds the
first; the rollback undoes what a read-only transaction lets through (large objects before PostgreSQL 16, NOTIFY,
SET). Functions that act outside the transaction are refused by name, in engine/verify_queries.py.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from backstitch.core.ports import Session
from backstitch.model.checks import CheckOutcome
from backstitch.model.names import OWN_SCHEMAS
from backstitch.model.sql import QualifiedName, parse_name, quote_ident
from backstitch.model.workload import AppQuery, Workload

LOCK_TIMEOUT_MS = 5000
SNAPSHOT = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"


@dataclass(frozen=True)
class CheckContext:
    """What checks may know besides the database."""

    baselines: Mapping[str, object] = field(default_factory=dict)  # by check name, from engine/baseline.py
    own_changes: Mapping[str, tuple[int, int]] = field(default_factory=dict)  # "schema.table" -> inserted, deleted
    uncaptured: frozenset[str] = frozenset()  # tables with changes that own_changes lacks: core/uncaptured.py
    phase: str | None = None
    statement_timeout_ms: int = 300_000
    search_path: Sequence[str] = ("public",)
    queries: tuple[AppQuery, ...] = ()  # statements of the application that people wrote down
    touched: frozenset[str] | None = None  # tables the migration touches; None: it may be any
    workload: Workload | None = None  # read elsewhere: on a copy, pg_stat_statements knows nothing
    whole: bool = True  # False: a copy smaller than production


class CannotTell(Exception):
    """A check has no verdict; `message` says why and what to do."""

    def __init__(self, message: str, outcome: CheckOutcome = "error") -> None:
        super().__init__(message)
        self.message = message
        self.outcome = outcome


class _Leave(Exception):
    pass


@dataclass(frozen=True)
class Seen:
    """A table that is there."""

    oid: int
    name: QualifiedName
    partitioned: bool

    @property
    def sql(self) -> str:
        """Give the quoted name."""
        return self.name.sql

    @property
    def only_sql(self) -> str:
        """Give the quoted name of just this table: constraints do not reach tables that inherit from it."""
        return self.name.sql if self.partitioned else f"ONLY {self.name.sql}"


@asynccontextmanager
async def looking(session: Session, context: CheckContext) -> AsyncIterator[None]:
    """Open one read-only snapshot with the context's limits; leaving it rolls back, whatever happened inside."""
    path = ", ".join(quote_ident(s) for s in context.search_path) or "''"
    try:
        async with session.transaction():
            await session.execute(SNAPSHOT)
            await session.execute(f"SET LOCAL statement_timeout = {int(context.statement_timeout_ms)}")
            await session.execute(f"SET LOCAL lock_timeout = {LOCK_TIMEOUT_MS}")
            await session.execute(f"SET LOCAL search_path = {path}")
            # After the first snapshot the server lets nobody make the transaction writable again (set_config).
            await session.rows("SELECT 1 AS snapshot")
            yield
            raise _Leave
    except _Leave:
        return


async def number(session: Session, sql: str) -> int:
    """Give the one whole number of a query of ours."""
    row = (await session.rows(sql))[0]
    return int(next(iter(row.values())))


async def find_table(session: Session, name: str) -> Seen:
    """Give the table of that name. Raises CannotTell, with names that look alike."""
    try:
        wanted = parse_name(name)
    except ValueError as error:
        raise CannotTell(str(error)) from None
    rows = await session.rows(
        "SELECT c.oid::bigint AS oid, c.relkind = 'p' AS partitioned FROM pg_catalog.pg_class c "
        "JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace "
        "WHERE n.nspname = %s AND c.relname = %s AND c.relkind IN ('r', 'p', 'v', 'm', 'f')",
        (wanted.schema, wanted.name),
    )
    if rows:
        return Seen(int(rows[0]["oid"]), wanted, bool(rows[0]["partitioned"]))
    raise CannotTell(f"Table {wanted} does not exist.{await near_tables(session, wanted.name)}")


async def near_tables(session: Session, name: str) -> str:
    """Give ` Did you mean …?` for a table's name, or nothing."""
    rows = await session.rows(
        "SELECT n.nspname::text AS schema, c.relname::text AS name FROM pg_catalog.pg_class c "
        "JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') "
        "AND n.nspname NOT LIKE 'pg\\_%%' AND n.nspname <> 'information_schema' AND n.nspname <> ALL (%s)",
        (list(OWN_SCHEMAS),),
    )
    known = {r["name"]: f"{r['schema']}.{r['name']}" for r in rows}
    near = get_close_matches(name, list(known), n=2, cutoff=0.5)
    return f" Did you mean {' or '.join(known[n] for n in near)}?" if near else ""


async def find_columns(session: Session, table: Seen, names: Sequence[str]) -> None:
    """Make sure that columns are there. Raises CannotTell, with names that look alike."""
    rows = await session.rows(
        "SELECT attname::text AS name FROM pg_catalog.pg_attribute WHERE attrelid = %s::bigint::oid "
        "AND attnum > 0 AND NOT attisdropped ORDER BY attnum",
        (table.oid,),
    )
    known = [r["name"] for r in rows]
    for name in names:
        if name not in known:
            near = get_close_matches(name, known, n=1, cutoff=0.5)
            hint = f"Did you mean {near[0]}?" if near else f"It has: {', '.join(known[:20])}."
            raise CannotTell(f"Table {table.name} has no column {name}. {hint}")


async def primary_key(session: Session, table: Seen) -> list[dict[str, Any]]:
    """Give `attnum` and `name` of the primary key's columns in order; empty when there is none."""
    return await session.rows(
        "SELECT a.attnum::int AS attnum, a.attname::text AS name FROM pg_catalog.pg_index i, "
        "LATERAL unnest(i.indkey::int2[]) WITH ORDINALITY k(attnum, place) "
        "JOIN pg_catalog.pg_attribute a ON a.attnum = k.attnum "
        "WHERE i.indrelid = %s::bigint::oid AND a.attrelid = i.indrelid AND i.indisprimary "
        "AND k.place <= i.indnkeyatts ORDER BY k.place",
        (table.oid,),
    )
