# SPDX-License-Identifier: Apache-2.0
"""Data changes in key-set batches: one transaction a batch, its cursor in the same transaction, never OFFSET.

The last key is fixed when the unit starts, so that an application that keeps inserting cannot make it endless.
Batches grow and shrink towards a target time, starting at the size the step asks for (default 1,000 rows).
"""

from __future__ import annotations

from typing import Any

from backstitch.core.errors import StatementFailed, StepFailed
from backstitch.core.ports import Session
from backstitch.engine.capture import Captured, install_capture, look_at_tables
from backstitch.engine.context import Run
from backstitch.engine.image_order import newest_image, straighten
from backstitch.engine.ledger import UnitRow, lock_unit, update_unit
from backstitch.engine.patience import HeldUp
from backstitch.engine.throttle import Pace
from backstitch.engine.watch import MoreTables, rows_written, see_that_all_is_watched, tables_to_watch, written_since
from backstitch.engine.waves import WAVES, Stretch, can_stay
from backstitch.model.sql import quote_ident, quote_literal
from backstitch.model.units import BatchUnit

TARGET_S = 0.25
LARGEST_BATCH = 20_000
LARGEST_WAVE = 5_000
LEAST_WAVE = 1_000
FIRST_ANALYZE = 5_000
BATCH_TIMEOUT_MS = 30_000


async def run_batches(run: Run, row: UnitRow, unit: BatchUnit) -> None:
    """Run a batch unit from its cursor to its end. Raises StepFailed, Interrupted, Fenced."""
    table = await _driving_table(run, unit)
    if not await _needs_no_images(run.session, unit, table):
        await capture_tables(run, row.step, list(unit.captures))
    if row.cursor is None:
        await _fix_the_end(run, row, unit, table)
    try:
        await _to_the_end(run, row, unit, table)
    finally:
        if run.lock_watch is not None:
            await run.lock_watch.close()


async def _to_the_end(run: Run, row: UnitRow, unit: BatchUnit, table: Captured) -> None:
    size = unit.batch_rows
    clock = run.world.clock
    pace = Pace(run, unit.table, row.step)
    waves = await can_stay(run.session, unit, table)
    largest = LARGEST_WAVE if waves else LARGEST_BATCH
    analyze_at = FIRST_ANALYZE
    while True:
        run.heed_requests()
        await run.heed_deadline()
        began = clock.monotonic()
        more = True

        async def one_batch(size: int = size) -> None:
            nonlocal more
            more = await _one_batch(run, row, unit, table, size, waves=waves)

        try:
            await run.patiently(f"A batch of {unit.table}", unit.table, row.step, one_batch, rows=True)
        except MoreTables as found:
            await watch_too(run, row.step, found)
            continue
        except HeldUp:
            size = max(1, size // 2)  # the application waited for rows of ours
            continue
        except StatementFailed as error:
            if error.sqlstate != "57014" or size <= 1:
                raise StepFailed(f"A batch of {unit.table} failed: {error.message}", reason=error.reason) from error
            size = max(1, size // 2)  # statement_timeout: smaller bites
            continue
        if not more:
            return
        took = clock.monotonic() - began
        if run.record.steps[row.step].rows_done >= analyze_at:
            # Without statistics every look at the newest images reads all of them, and the next batch costs more.
            await run.session.execute("ANALYZE backstitch.images")
            analyze_at *= 4
        if took < TARGET_S / 2:
            size = min(largest, size * 2)
        elif took > TARGET_S * 2:
            size = max(100, size // 2)
        await pace.keep(took)


async def capture_tables(run: Run, ordinal: int, rels: list[str]) -> None:
    """See that row images are on for these tables, each in a short transaction of its own."""
    for table in await look_at_tables(run.session, rels):

        async def install(table: Captured = table) -> None:
            async with run.transaction():
                # look again under the fence: columns may have been added by the step before
                await install_capture(run.session, (await look_at_tables(run.session, [table.rel]))[0])

        await run.patiently(f"Row images of {table.rel}", table.rel, ordinal, install)


async def watch_too(run: Run, ordinal: int, found: MoreTables) -> None:
    """See that row images are on for tables that a batch was found to write, through triggers of the application."""
    await capture_tables(run, ordinal, await tables_to_watch(run.session, found.oids))


async def _driving_table(run: Run, unit: BatchUnit) -> Captured:
    found = await look_at_tables(run.session, [unit.table])
    if not found:
        raise StepFailed(f"Table {unit.table} is not there any more.", reason="MissingTable")
    if not found[0].key:
        raise StepFailed(f"Table {unit.table} has no key to go through it in batches.", reason="NoKey")
    return found[0]


async def _needs_no_images(session: Session, unit: BatchUnit, table: Captured) -> bool:
    """Tell whether a batch can only write columns that go on the way back: no trigger or rule of the application."""
    if not unit.own_columns:
        return False
    found = await session.rows(
        "SELECT 1 AS there FROM pg_trigger WHERE tgrelid = %s::bigint::oid AND NOT tgisinternal "
        "AND tgenabled <> 'D' AND ltrim(tgname, '~') NOT LIKE 'backstitch\\_%%' "
        "UNION ALL SELECT 1 FROM pg_rewrite WHERE ev_class = %s::bigint::oid LIMIT 1",
        (table.oid, table.oid),
    )
    return not found


def _key(table: Captured) -> str:
    return ", ".join(f"{quote_ident(table.name)}.{quote_ident(c)}" for c in table.key)


def _tuple(values: list[str], types: list[str]) -> str:
    return "(" + ", ".join(f"{quote_literal(v)}::{t}" for v, t in zip(values, types, strict=True)) + ")"


def _texts(table: Captured) -> str:
    return ", ".join(f"{quote_ident(table.name)}.{quote_ident(c)}::text AS k{n}" for n, c in enumerate(table.key))


async def _key_types(run: Run, table: Captured) -> list[str]:
    rows = await run.session.rows(
        "SELECT attname::text AS name, format_type(atttypid, -1) AS type FROM pg_attribute "
        "WHERE attrelid = %s::bigint::oid AND attname = ANY(%s)",
        (table.oid, list(table.key)),
    )
    types = {r["name"]: r["type"] for r in rows}
    return [types[c] for c in table.key]


async def _fix_the_end(run: Run, row: UnitRow, unit: BatchUnit, table: Captured) -> None:
    async with run.transaction():
        last = await run.session.rows(
            f"SELECT {_texts(table)} FROM {table.sql} "
            f"ORDER BY {', '.join(f'{quote_ident(table.name)}.{quote_ident(c)} DESC' for c in table.key)} LIMIT 1"
        )
        end = list(last[0].values()) if last else None
        rows = await run.session.rows(f"SELECT count(*) AS n FROM {table.sql} WHERE ({unit.where})")
        await update_unit(run.session, run.id, row.step, row.unit, cursor={"last": None, "end": end})
        await run.session.execute(
            "UPDATE backstitch.steps SET rows_estimated = coalesce(rows_estimated, 0) + %s "
            "WHERE migration_id = %s AND ordinal = %s",
            (rows[0]["n"], run.id, row.step),
        )
    await run.publish_step(row.step, rows_estimated=rows[0]["n"])


async def _next_stretch(
    run: Run, unit: BatchUnit, table: Captured, conditions: list[str], size: int, end: list[str], *, waves: bool
) -> Stretch:
    """Give the next keys to take: enough rows for a round of waves where they help, else one batch."""
    # Near the end of the table smaller waves, so that few rows are left to be taken as they are.
    smaller = [(WAVES, least) for least in (LEAST_WAVE,) if least < size]
    for of, rows in [(WAVES, size), *smaller, (1, size)] if waves else [(1, size)]:
        picked = await run.session.rows(
            f"SELECT {_texts(table)} FROM {table.sql} WHERE {' AND '.join(conditions)} "
            f"ORDER BY {_key(table)} OFFSET {rows * of - 1} LIMIT 1"
        )
        if picked:
            return Stretch(list(picked[0].values()), of, tuple(range(of)), rows)
    return Stretch(end, 1, (0,), size)


async def _one_batch(run: Run, row: UnitRow, unit: BatchUnit, table: Captured, size: int, *, waves: bool) -> bool:
    """Do one batch in one transaction; give False when there was none left."""
    session = run.session
    async with run.transaction(
        lock_timeout_ms=5000, statement_timeout_ms=BATCH_TIMEOUT_MS, actor=f"{run.id}/{row.step}/{row.unit}"
    ):
        state = await lock_unit(session, run.id, row.step, row.unit)
        if state["state"] == "done":
            return False
        cursor: dict[str, Any] = state["cursor"]
        end = cursor["end"]
        if end is None:
            await update_unit(session, run.id, row.step, row.unit, state="done")
            return False
        types = await _key_types(run, table)
        bounds = [f"ROW({_key(table)}) > ROW{_tuple(cursor['last'], types)}"] if cursor["last"] else []
        if cursor.get("stretch"):
            stretch = Stretch.read(cursor["stretch"]).in_bites_of(size)
        else:
            limit = [*bounds, f"ROW({_key(table)}) <= ROW{_tuple(end, types)}", f"({unit.where})"]
            stretch = await _next_stretch(run, unit, table, limit, size, end, waves=waves)
        within = [*bounds, f"ROW({_key(table)}) <= ROW{_tuple(stretch.upper, types)}"]
        condition = " AND ".join([*within, *stretch.condition(table, types)])
        touched = 0
        quiet = await _needs_no_images(session, unit, table)  # asked in each batch: a trigger may have come
        if quiet:
            await session.rows("SELECT set_config('backstitch.actor', '', true)")
        since, earlier = await newest_image(session, run.id, row), await rows_written(session)
        for number, statement in enumerate(unit.statements):
            count = await session.execute(statement.before + condition + statement.after)
            touched = count if number == 0 else touched
        await see_that_all_is_watched(
            session, await written_since(session, earlier) - ({table.oid} if quiet else set())
        )
        await straighten(session, run.id, row, since)
        left = stretch.after_one()
        last_one = left is None and stretch.upper == end
        rows = state["rows"] + touched
        await update_unit(
            session, run.id, row.step, row.unit, rows=rows, state="done" if last_one else "planned",
            cursor={**cursor, "last": cursor["last"] if left else stretch.upper,
                    "stretch": left.to_plain() if left else None},
        )  # fmt: skip
    await run.publish_step(row.step, rows_done=rows)
    return not last_one
