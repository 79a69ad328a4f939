# SPDX-License-Identifier: Apache-2.0
"""Which tools have migrated this database before us, and how far? Read from their own history tables.

Nothing of theirs is changed. The shapes of the tables are those that each tool creates by itself.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from backstitch.core.ordering import version_key
from backstitch.core.ports import Row, Session
from backstitch.model.names import OWN_SCHEMAS
from backstitch.model.sql import quote_ident

MAX_VERSION = 63


@dataclass(frozen=True)
class History:
    """What one history table says."""

    tool: str
    table: str  # schema.name
    version: str | None  # of the newest migration that is applied; None where the table is empty
    applied: int
    unfinished: str | None = None  # what stopped half way, in the tool's own words


_Read = Callable[[Session, str], Awaitable[tuple[str | None, int, str | None]]]
"""Reads a table (quoted) and gives the version, how many are applied, and what is unfinished."""


async def _flyway(session: Session, table: str) -> tuple[str | None, int, str | None]:
    rows = await session.rows(
        f"SELECT version, type, success, script FROM {table} WHERE type <> 'SCHEMA' ORDER BY installed_rank"
    )
    applied: set[str] = set()
    failed = None
    for row in rows:
        if not row["success"]:
            failed = f"script {row['script']} failed"
            continue
        failed = None if failed is not None and row["script"] in failed else failed
        if row["version"] is None:  # repeatable
            continue
        if row["type"].startswith("UNDO") or row["type"] == "DELETE":
            applied.discard(row["version"])
        else:
            applied.add(row["version"])
    return _highest(applied), len(applied), failed


async def _golang_migrate(session: Session, table: str) -> tuple[str | None, int, str | None]:
    rows = await session.rows(f"SELECT version::text AS version, dirty FROM {table}")
    if not rows:
        return None, 0, None
    dirty = f"version {rows[0]['version']} is dirty" if rows[0]["dirty"] else None
    return rows[0]["version"], 1, dirty


async def _plain_versions(session: Session, table: str) -> tuple[str | None, int, str | None]:
    rows = await session.rows(f"SELECT version::text AS version FROM {table}")
    return _highest({r["version"] for r in rows}), len(rows), None


async def _prisma(session: Session, table: str) -> tuple[str | None, int, str | None]:
    rows = await session.rows(
        f"SELECT migration_name AS name, finished_at IS NOT NULL AS done FROM {table} WHERE rolled_back_at IS NULL "
        "ORDER BY started_at"
    )
    done = {r["name"] for r in rows if r["done"]}
    stuck = [r["name"] for r in rows if not r["done"] and r["name"] not in done]
    return max(done, default=None), len(done), f"migration {stuck[-1]} has not finished" if stuck else None


async def _alembic(session: Session, table: str) -> tuple[str | None, int, str | None]:
    rows = await session.rows(f"SELECT version_num FROM {table} ORDER BY 1")
    heads = [r["version_num"] for r in rows]
    several = f"there are {len(heads)} heads ({', '.join(heads)}); merge them" if len(heads) > 1 else None
    return (heads[0] if len(heads) == 1 else None), len(heads), several


async def _sqitch(session: Session, table: str) -> tuple[str | None, int, str | None]:
    rows = await session.rows(f'SELECT "change" AS name FROM {table} ORDER BY committed_at, planned_at')
    return (rows[-1]["name"] if rows else None), len(rows), None


async def _liquibase(session: Session, table: str) -> tuple[str | None, int, str | None]:
    rows = await session.rows(f"SELECT id, exectype, tag FROM {table} ORDER BY orderexecuted")
    done = [r for r in rows if r["exectype"] not in ("FAILED", "SKIPPED")]
    failed = [r["id"] for r in rows if r["exectype"] == "FAILED" and r["id"] not in {d["id"] for d in done}]
    version = (done[-1]["tag"] or done[-1]["id"]) if done else None
    return version, len(done), f"changeset {failed[-1]} failed" if failed else None


async def _goose(session: Session, table: str) -> tuple[str | None, int, str | None]:
    rows = await session.rows(
        f"SELECT DISTINCT ON (version_id) version_id::text AS version, is_applied FROM {table} WHERE version_id <> 0 "
        "ORDER BY version_id, id DESC"
    )
    applied = {r["version"] for r in rows if r["is_applied"]}
    return _highest(applied), len(applied), None


def _highest(versions: set[str]) -> str | None:
    return max(versions, key=version_key, default=None)


_KNOWN: tuple[tuple[str, str, frozenset[str], _Read], ...] = (
    ("flyway", "flyway_schema_history", frozenset({"installed_rank", "version", "success", "script"}), _flyway),
    ("golang-migrate", "schema_migrations", frozenset({"version", "dirty"}), _golang_migrate),
    ("ecto", "schema_migrations", frozenset({"version", "inserted_at"}), _plain_versions),
    ("dbmate", "schema_migrations", frozenset({"version"}), _plain_versions),
    ("prisma", "_prisma_migrations", frozenset({"migration_name", "finished_at", "rolled_back_at"}), _prisma),
    ("alembic", "alembic_version", frozenset({"version_num"}), _alembic),
    ("sqitch", "changes", frozenset({"change_id", "change", "committed_at", "planned_at"}), _sqitch),
    ("liquibase", "databasechangelog", frozenset({"id", "orderexecuted", "exectype", "tag"}), _liquibase),
    ("goose", "goose_db_version", frozenset({"version_id", "is_applied"}), _goose),
)
"""Tool, table, columns it has at least; of two with one table's name the first that fits. Rails writes dbmate's
table, and `ar_internal_metadata` beside it."""

TOOLS = (*(tool for tool, *_ in _KNOWN), "rails")


async def read_histories(session: Session) -> tuple[History, ...]:
    """Give every history table of a known tool in this database. Raises DatabaseError where one may not be read."""
    rows = await session.rows(
        "SELECT n.nspname AS schema, c.relname AS name, array_agg(a.attname::text) AS columns, EXISTS (SELECT FROM "
        "pg_class r WHERE r.relnamespace = n.oid AND r.relname = 'ar_internal_metadata') AS rails "
        "FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
        "JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped "
        "WHERE c.relkind = 'r' AND c.relname = ANY(%s) AND n.nspname <> ALL(%s) AND n.nspname NOT LIKE 'pg\\_%%' "
        "GROUP BY n.oid, n.nspname, c.relname ORDER BY 1, 2",
        ([table for _, table, _, _ in _KNOWN], list(OWN_SCHEMAS)),
    )
    return tuple([found for row in rows if (found := await _history(session, row)) is not None])


async def _history(session: Session, row: Row) -> History | None:
    columns = set(row["columns"])
    for tool, table, needed, read in _KNOWN:
        if table == row["name"] and needed <= columns:
            version, applied, unfinished = await read(session, f"{quote_ident(row['schema'])}.{quote_ident(table)}")
            name = "rails" if tool == "dbmate" and row["rails"] else tool
            short = version[:MAX_VERSION] if version else None
            return History(name, f"{row['schema']}.{table}", short, applied, unfinished)
    return None
