# SPDX-License-Identifier: Apache-2.0
"""Taking back what was done, newest unit first, each exactly once; never forward again.

Every unit names its own way back: reverse statements, a probe, row images, or a user's `down`. What the application
put into things that go (new columns, new tables) is kept in archive tables first.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import assert_never

from backstitch.core.errors import ConnectionLost, DatabaseError, RollbackFailed, StepFailed
from backstitch.engine.capture import look_at_tables
from backstitch.engine.context import Run
from backstitch.engine.down import undo_by_down
from backstitch.engine.images import RowsBack, put_rows_back
from backstitch.engine.irreversible import see_that_it_goes_back
from backstitch.engine.ledger import UnitRow, lock_unit, read_units, update_step, update_unit
from backstitch.engine.units import run_concurrent
from backstitch.model.names import QUARANTINE_SCHEMA
from backstitch.model.sql import columns_sql, parse_name, quote_ident
from backstitch.model.units import BatchUnit, ConcurrentUnit, DdlUnit, RowsUnit, SqlUnit


@dataclass
class Undone:
    """What a rollback did so far in this run."""

    steps: int = 0
    rows: RowsBack = field(default_factory=RowsBack)
    archived: list[str] = field(default_factory=list)


async def undo_all(run: Run) -> Undone:
    """Undo every unit that did anything. Raises RollbackFailed; calling it again goes on where it stopped."""
    undone = Undone()
    units = await read_units(run.session, run.id)
    for step in sorted({u.step for u in units}, reverse=True):
        for row in sorted((u for u in units if u.step == step), key=lambda u: u.unit, reverse=True):
            run.heed_stop()
            try:
                await _undo_unit(run, row, undone)
            except ConnectionLost:
                raise
            except (StepFailed, DatabaseError) as error:
                raise RollbackFailed(
                    f"Undoing step {run.record.steps[step].name} stopped: {error.message} What was undone before it "
                    "stays undone; the rest is as the ledger says. Mend the cause, then ask for a rollback again.",
                    reason=error.reason,
                ) from error
        async with run.transaction():
            await update_step(run.session, run.id, step, "undone")
        undone.steps += 1
        await run.publish_step(step, state="undone")
    return undone


async def _undo_unit(run: Run, row: UnitRow, undone: Undone) -> None:
    unit = row.body
    if row.state == "undone" or (row.state == "planned" and row.cursor is None):
        return  # nothing happened, or it is back already
    match unit:
        case DdlUnit():
            await _undo_ddl(run, row, unit, undone)
        case ConcurrentUnit():
            probe = unit.probe.model_copy(update={"present": not unit.probe.present})
            await run_concurrent(run, row, unit.backward, probe, "undone", unit.backward_after)
        case BatchUnit() | RowsUnit():
            await put_rows_back(run, row.step, row.unit, undone.rows)
            await _mark_undone(run, row)
        case SqlUnit():
            await _undo_sql(run, row, unit, undone)
        case _ as never:
            assert_never(never)


async def _mark_undone(run: Run, row: UnitRow) -> None:
    async with run.transaction():
        await update_unit(run.session, run.id, row.step, row.unit, state="undone")


async def _undo_ddl(run: Run, row: UnitRow, unit: DdlUnit, undone: Undone) -> None:
    async def once() -> None:
        async with run.transaction(lock_timeout_ms=0 if unit.lock == "validate" else None):
            if (await lock_unit(run.session, run.id, row.step, row.unit))["state"] == "undone":
                return
            await ddl_back(run, row, unit, undone)
            await update_unit(run.session, run.id, row.step, row.unit, state="undone")

    for statement in unit.carry_back:

        async def carry(statement: str = statement) -> None:
            async with run.transaction(lock_timeout_ms=0):
                await run.session.execute(statement)

        await run.patiently(statement[:60], unit.table, row.step, carry)
    await run.patiently((unit.backward or ("Undo",))[0][:60], unit.table, row.step, once)


async def ddl_back(run: Run, row: UnitRow, unit: DdlUnit, undone: Undone) -> None:
    """Take a DDL unit back in the caller's transaction; what goes is archived first."""
    statements = unit.backward
    if unit.archive_table and await _keep_table(run, row, unit.archive_table, undone):
        statements = ()
    if unit.archive_columns and unit.table:
        await _archive_columns(run, row, unit.table, unit.archive_columns, undone, unit.archive_where or "TRUE")
    for statement in statements:
        await run.session.execute(statement)


async def _undo_sql(run: Run, row: UnitRow, unit: SqlUnit, undone: Undone) -> None:
    see_that_it_goes_back(row)
    if unit.down is not None:
        await undo_by_down(run, row, unit)
        return
    if not (row.cursor or {}).get("schemaBack"):

        async def schema_back() -> None:
            # Before the rows: a constraint or column type of this step may refuse the old rows.
            async with run.transaction():
                state = await lock_unit(run.session, run.id, row.step, row.unit)
                if (state["cursor"] or {}).get("schemaBack"):
                    return
                await sql_schema_back(run, row, undone)
                await update_unit(run.session, run.id, row.step, row.unit, cursor={"schemaBack": True})

        await run.patiently("The computed reverse", None, row.step, schema_back)
    await put_rows_back(run, row.step, row.unit, undone.rows)
    await _mark_undone(run, row)


async def sql_schema_back(run: Run, row: UnitRow, undone: Undone) -> None:
    """Run the computed reverse of a step's own SQL in the caller's transaction; what goes is archived first."""
    back = row.reverse or {}
    kept = [
        f"{schema}.{name}"
        for schema, name in back.get("tables", [])
        if await _keep_table(run, row, f"{schema}.{name}", undone)
    ]
    for schema, name, column in back.get("columns", []):
        await _archive_columns(run, row, f"{schema}.{name}", (column,), undone)
    for statement in back.get("statements", []):
        if _dropped_table(statement) not in kept:
            await run.session.execute(statement)


def _dropped_table(statement: str) -> str | None:
    """Give the table that a statement drops, as `schema.name`, or None."""
    words = statement.strip().rstrip(";").split(None, 2)
    return str(parse_name(words[2].strip())) if len(words) == 3 and words[:2] == ["DROP", "TABLE"] else None


async def archived(run: Run) -> list[str]:
    """Give the archive tables of this migration, also those that an earlier run of its rollback made."""
    rows = await run.session.rows(
        "SELECT n.nspname || '.' || c.relname AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
        "WHERE n.nspname = %s AND c.relkind = 'r' AND (c.relname ~ %s OR c.relname = %s) ORDER BY c.oid",
        (QUARANTINE_SCHEMA, f"^archive_.*_{run.id}_[0-9]+_[0-9]+$", f"archive_rows_{run.id}"),
    )
    return [r["name"] for r in rows]


def _archive_name(run: Run, row: UnitRow, what: str) -> str:
    tail = f"_{run.id}_{row.step}_{row.unit}"
    return "archive_" + what.encode()[: 63 - 8 - len(tail)].decode(errors="ignore") + tail


async def _keep_table(run: Run, row: UnitRow, table: str, undone: Undone) -> bool:
    """Move a new table to quarantine when somebody else has put rows into it; tell whether that was so."""
    found = await look_at_tables(run.session, [table])
    if not found:
        return False
    name = found[0]
    rows = await run.session.rows(
        f"SELECT 1 AS theirs FROM {name.sql} WHERE xmin::text::bigint NOT IN (SELECT (w.xid::text::numeric "
        f"% 4294967296)::bigint FROM backstitch.writes w WHERE w.migration_id = {run.id}) LIMIT 1"
    )
    if not rows:
        return False
    archive = _archive_name(run, row, name.name)
    await run.session.execute(f"ALTER TABLE {name.sql} SET SCHEMA {QUARANTINE_SCHEMA}")
    await run.session.execute(
        f"ALTER TABLE {QUARANTINE_SCHEMA}.{quote_ident(name.name)} RENAME TO {quote_ident(archive)}"
    )
    undone.archived.append(f"{QUARANTINE_SCHEMA}.{archive}")
    return True


async def _archive_columns(
    run: Run, row: UnitRow, table: str, columns: tuple[str, ...], undone: Undone, where: str = "TRUE"
) -> None:
    """Copy values of columns that are about to go, where they are neither NULL nor just the default."""
    found = await look_at_tables(run.session, [table])
    if not found:
        return
    name = found[0]
    defaults = await run.session.rows(
        "SELECT a.attname::text AS name, pg_get_expr(d.adbin, d.adrelid) AS expr FROM pg_attribute a "
        "JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum WHERE a.attrelid = %s::bigint::oid "
        "AND a.attgenerated = '' AND a.attname = ANY(%s)",
        (found[0].oid, list(columns)),
    )
    usual = {r["name"]: r["expr"] for r in defaults}
    wanted = []
    for column in columns:
        if column not in found[0].columns:
            continue  # a generated column has nothing of its own to keep
        c = quote_ident(column)
        same = f" AND {c}::text IS DISTINCT FROM ({usual[column]})::text" if column in usual else ""
        wanted.append(f"({c} IS NOT NULL{same})")
    if not wanted:
        return
    condition = f"({' OR '.join(wanted)}) AND ({where})"
    if not await run.session.rows(f"SELECT 1 AS there FROM {name.sql} WHERE {condition} LIMIT 1"):
        return
    archive = _archive_name(run, row, f"{name.name}_{columns[0]}")
    keep = columns_sql([*found[0].key, *(c for c in columns if c not in found[0].key)])
    await run.session.execute(
        f"CREATE TABLE {QUARANTINE_SCHEMA}.{quote_ident(archive)} AS SELECT {keep} FROM {name.sql} WHERE {condition}"
    )
    undone.archived.append(f"{QUARANTINE_SCHEMA}.{archive}")
