# SPDX-License-Identifier: Apache-2.0
"""Running one unit forward, exactly once: with its ledger row in its transaction, or by intent, statement and probe."""

from __future__ import annotations

import json
from typing import assert_never

from backstitch.core.errors import (
    ConnectionLost,
    DatabaseError,
    LockNotAvailable,
    StatementFailed,
    StepFailed,
    Transient,
)
from backstitch.core.ports import Session
from backstitch.engine.batches import capture_tables, run_batches, watch_too
from backstitch.engine.building import told
from backstitch.engine.capture import Captured, look_at_tables
from backstitch.engine.context import Run
from backstitch.engine.down import run_with_down
from backstitch.engine.image_order import newest_image, straighten
from backstitch.engine.image_sql import column_types
from backstitch.engine.irreversible import run_accepting
from backstitch.engine.ledger import UnitRow, lock_unit, update_unit
from backstitch.engine.preflight import wait_until_clear
from backstitch.engine.sql_unit import run_sql
from backstitch.engine.watch import MoreTables, rows_written, see_that_all_is_watched, written_since
from backstitch.model.sql import columns_sql, quote_ident
from backstitch.model.units import BatchUnit, ConcurrentUnit, DdlUnit, IndexProbe, RowsUnit, SqlUnit

CONCURRENT_TRIES = 5


async def run_unit(run: Run, row: UnitRow) -> None:
    """Take one unit to done; nothing happens when it is. Raises StepFailed when it cannot be done for good."""
    if row.state == "done":
        return
    unit = row.body
    try:
        match unit:
            case DdlUnit():
                await run_ddl(run, row, unit)
            case ConcurrentUnit():
                await run_concurrent(run, row, unit.forward, unit.probe, "done", ())
            case BatchUnit():
                await run_batches(run, row, unit)
            case RowsUnit():
                await _run_rows(run, row, unit)
            case SqlUnit() if unit.accepts is not None:
                await run_accepting(run, row, unit)
            case SqlUnit() if unit.down is not None:
                await run_with_down(run, row, unit)
            case SqlUnit():
                await run_sql(run, row, unit)
            case _ as never:
                assert_never(never)
    except ConnectionLost:
        raise
    except StatementFailed as error:
        raise StepFailed(error.message, reason=error.reason) from error


async def run_ddl(run: Run, row: UnitRow, unit: DdlUnit) -> None:
    """Run a DDL unit's forward statements, waiting patiently for its lock."""

    async def once() -> None:
        await run_statements(run, row, unit.forward, "done", patient=unit.lock == "validate")

    title = (unit.forward or ("Nothing to do",))[0][:60]
    if unit.lock != "none":
        await wait_until_clear(run, unit.table)
    if unit.lock != "validate":
        await run.patiently(title, unit.table, row.step, once)
        return
    async with told(run, row.step, "Validating"):
        await run.patiently(title, unit.table, row.step, once, watch=False)


async def run_statements(
    run: Run, row: UnitRow, statements: tuple[str, ...], becomes: str, *, patient: bool = False
) -> None:
    """Run statements and the unit's new state in one transaction; nothing happens when it has that state already.

    `patient` is for VALIDATE: it reads the whole table under a lock that disturbs nobody, and may take its time.
    """
    async with run.transaction(lock_timeout_ms=0 if patient else None):
        if (await lock_unit(run.session, run.id, row.step, row.unit))["state"] == becomes:
            return
        for statement in statements:
            await run.session.execute(statement)
        await update_unit(run.session, run.id, row.step, row.unit, state=becomes)


async def probe_index(session: Session, probe: IndexProbe) -> str:
    """Look an index up: `absent`, `valid` or `broken` (left behind by a concurrent build that did not end)."""
    rows = await session.rows(
        "SELECT i.indisvalid AND i.indisready AS valid FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid "
        "JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = %s AND c.relname = %s",
        (probe.schema_name, probe.index),
    )
    if not rows:
        return "absent"
    return "valid" if rows[0]["valid"] else "broken"


async def run_concurrent(
    run: Run, row: UnitRow, statement: str, probe: IndexProbe, becomes: str, after: tuple[str, ...]
) -> None:
    """Run a statement that cannot be in a transaction until the catalog says it is done (safety.md 4.3).

    A broken index is dropped and built again. `after` commits together with the ledger row.
    """
    session = run.session
    await wait_until_clear(run, row.body.table if isinstance(row.body, ConcurrentUnit) else None, concurrent=True)
    async with run.transaction():
        if (await lock_unit(session, run.id, row.step, row.unit))["state"] == becomes:
            return
        await update_unit(session, run.id, row.step, row.unit, state="intent")
    # Session settings, because there is no transaction to set them in: a build waits as long as it must.
    await session.rows(
        "SELECT set_config('lock_timeout', '0', false), set_config('search_path', %s, false)", (run.search_path,)
    )
    name = f"{quote_ident(probe.schema_name)}.{quote_ident(probe.index)}"
    wanted = "valid" if probe.present else "absent"
    for attempt in range(1, CONCURRENT_TRIES + 1):
        found = await probe_index(session, probe)
        if found == wanted:
            break
        try:
            if found == "broken":
                await session.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
                if not probe.present:
                    continue
            async with told(run, row.step, "Building" if probe.present else "Dropping"):
                await session.execute(statement)
        except (LockNotAvailable, Transient):
            if attempt == CONCURRENT_TRIES:
                raise
            await run.world.clock.sleep(0.5 * attempt)
        except ConnectionLost:
            raise
        except DatabaseError as error:
            await _clear_broken(run, probe, name)
            raise StepFailed(error.message, reason=error.reason) from error
    else:
        raise StepFailed(f"Index {name} was still not {wanted} after {CONCURRENT_TRIES} tries.", reason="IndexNotBuilt")
    async with run.transaction():
        for extra in after:
            await session.execute(extra)
        await update_unit(session, run.id, row.step, row.unit, state=becomes)


async def _clear_broken(run: Run, probe: IndexProbe, name: str) -> None:
    # An invalid index still costs every write and still refuses duplicates: never leave one behind.
    if await probe_index(run.session, probe) == "broken":
        await run.session.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")


async def _run_rows(run: Run, row: UnitRow, unit: RowsUnit) -> None:
    """Insert the user's rows in batches; the cursor is how many of them are done."""
    await capture_tables(run, row.step, [unit.table])
    await run.publish_step(row.step, rows_estimated=len(unit.rows))
    statement = await _insert_sql(run.session, unit)
    more = True
    while more:
        run.heed_requests()

        async def one_batch() -> None:
            nonlocal more
            async with run.transaction(lock_timeout_ms=5000, actor=f"{run.id}/{row.step}/{row.unit}"):
                state = await lock_unit(run.session, run.id, row.step, row.unit)
                begin = int((state["cursor"] or {}).get("rows", 0))
                batch = unit.rows[begin : begin + unit.batch_rows]
                more = begin + len(batch) < len(unit.rows)
                if state["state"] == "done":
                    more = False
                    return
                touched = 0
                if batch:
                    since, earlier = await newest_image(run.session, run.id, row), await rows_written(run.session)
                    touched = await run.session.execute(statement, (json.dumps(batch),))
                    await see_that_all_is_watched(run.session, await written_since(run.session, earlier))
                    await straighten(run.session, run.id, row, since)
                await update_unit(
                    run.session, run.id, row.step, row.unit,
                    cursor={"rows": begin + len(batch)}, rows=state["rows"] + touched,
                    state="planned" if more else "done",
                )  # fmt: skip
            await run.publish_step(row.step, rows_done=begin + len(batch))

        try:
            await run.patiently(f"Rows for {unit.table}", unit.table, row.step, one_batch)
        except MoreTables as found:
            await watch_too(run, row.step, found)
            more = True


async def _insert_sql(session: Session, unit: RowsUnit) -> str:
    found = await look_at_tables(session, [unit.table])
    if not found:
        raise StepFailed(f"Table {unit.table} is not there any more.", reason="MissingTable")
    name = found[0]
    types = await column_types(session, name)
    gone = [c for c in unit.columns if c not in types]
    if gone:
        raise StepFailed(f"Table {name.rel} has no column {gone[0]}.", reason="MissingColumn")
    values = ", ".join(f"(r.value->>{n})::{types[c]}" for n, c in enumerate(unit.columns))
    return _insert_text(name, unit, values).replace("%", "%%").replace("{rows}", "%s")


def _insert_text(name: Captured, unit: RowsUnit, values: str) -> str:
    sql = (
        f"INSERT INTO {name.sql} ({columns_sql(unit.columns)}) OVERRIDING SYSTEM VALUE SELECT {values} "
        "FROM jsonb_array_elements({rows}::jsonb) WITH ORDINALITY AS r(value, n) ORDER BY r.n"
    )
    if not unit.conflict or unit.on_conflict == "fail":
        return sql
    others = [c for c in unit.columns if c not in unit.conflict]
    if unit.on_conflict == "nothing" or not others:
        return f"{sql} ON CONFLICT ({columns_sql(unit.conflict)}) DO NOTHING"
    sets = ", ".join(f"{quote_ident(c)} = EXCLUDED.{quote_ident(c)}" for c in others)
    mine = ", ".join(f"{quote_ident(name.name)}.{quote_ident(c)}::text" for c in others)
    theirs = ", ".join(f"EXCLUDED.{quote_ident(c)}::text" for c in others)
    # A row that is already right is not written again: no image, no bloat, no trigger.
    return (
        f"{sql} ON CONFLICT ({columns_sql(unit.conflict)}) DO UPDATE SET {sets} "
        f"WHERE ROW({mine}) IS DISTINCT FROM ROW({theirs})"
    )
