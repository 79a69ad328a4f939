# SPDX-License-Identifier: Apache-2.0
"""A user's own SQL in one transaction, with a reverse that is computed and tried before the commit.

A step that brings its own `down` is down.py's. Here the catalog is read before and after, the difference gives the
reverse statements, and these are run under a savepoint and compared with the start. What has no reverse is rolled back
here and now, so production never holds a change that cannot be taken back. Changed rows are kept as images; which
tables change is found by doing: the server counts what this transaction wrote, and a table that was not watched is
watched and the step done again.
"""

from __future__ import annotations

from collections.abc import Iterable

from backstitch.core.errors import ConnectionLost, DatabaseError, StepFailed
from backstitch.core.ports import Session
from backstitch.core.reverse import reverse
from backstitch.core.reverse.using import computes_values
from backstitch.engine.batches import capture_tables
from backstitch.engine.capture import look_at_tables
from backstitch.engine.catalog import read_catalog
from backstitch.engine.context import Run
from backstitch.engine.fingerprint import compare
from backstitch.engine.image_order import newest_image, straighten
from backstitch.engine.ledger import UnitRow, lock_unit, update_unit
from backstitch.engine.names_alike import refuse_alike
from backstitch.engine.watch import (
    MoreTables,
    rows_written,
    see_that_all_is_watched,
    tables_to_watch,
    with_ancestors,
    written_since,
)
from backstitch.model.catalog import Catalog
from backstitch.model.script import split
from backstitch.model.sql import DEFAULT_SCHEMA
from backstitch.model.units import SqlUnit

__all__ = ["rows_written", "run_sql", "table_files", "with_ancestors"]

ROUNDS = 6  # each round watches the tables that the one before was found to write
TRIAL_LIMIT_BYTES = 64 * 1024 * 1024  # a reverse that rewrites more than this is not tried under the step's locks


class _TrialOver(Exception):  # rolls the savepoint back
    pass


async def run_sql(run: Run, row: UnitRow, unit: SqlUnit) -> None:
    """Take a raw SQL unit to done. Raises StepFailed with reason NoReverse where there is no way back."""
    watch = await named_tables(run, unit)
    for _ in range(ROUNDS):
        await capture_tables(run, row.step, watch)

        async def once() -> None:
            await _once(run, row, unit)

        try:
            await run.patiently(unit.statements[0].strip()[:60], watch[0] if watch else None, row.step, once)
        except MoreTables as more:
            watch = sorted({*watch, *await tables_to_watch(run.session, more.oids)})
        else:
            return
    raise StepFailed("The statements write to other tables each time they run.", reason="NoReverse")


async def named_tables(run: Run, unit: SqlUnit) -> list[str]:
    """Give the tables that the text says it writes; what it does not say is found by doing."""
    schema = (run.entry.spec.search_path or [DEFAULT_SCHEMA])[0]
    data = [s for text in unit.statements for s in split(text, schema) if s.kind != "ddl"]
    names = sorted({str(name) for s in data for name in s.writes})
    return [t.rel for t in await look_at_tables(run.session, names)]


def only_ddl(statements: Iterable[str]) -> bool:
    """Tell whether a table's new file can only be a rewrite: plain DDL empties no table, and needs no row images."""
    return all(s.kind == "ddl" for text in statements for s in split(text))


async def table_files(session: Session) -> dict[int, int]:
    """Give each table's file: TRUNCATE counts no rows, but it changes the file, as a rewrite does."""
    rows = await session.rows(
        "SELECT c.oid::bigint AS oid, c.relfilenode::bigint AS file FROM pg_class c JOIN pg_namespace n "
        "ON n.oid = c.relnamespace WHERE c.relkind = 'r' AND n.nspname NOT LIKE 'pg\\_%' "
        "AND n.nspname NOT IN ('information_schema', 'backstitch')"
    )
    return {r["oid"]: r["file"] for r in rows}


async def _once(run: Run, row: UnitRow, unit: SqlUnit) -> None:
    session = run.session
    async with run.transaction(actor=f"{run.id}/{row.step}/{row.unit}"):
        if (await lock_unit(session, run.id, row.step, row.unit))["state"] == "done":
            return
        before = await read_catalog(session)
        earlier = await rows_written(session)
        files = await table_files(session)
        since = await newest_image(session, run.id, row)
        for statement in unit.statements:
            await session.execute(statement)
        await refuse_alike(session)
        rows = sum(n - earlier.get(oid, 0) for oid, n in (await rows_written(session)).items())
        await _see_that_all_is_watched(session, unit, earlier, files)
        await straighten(session, run.id, row, since)
        back = await _way_back(session, before, unit)
        await update_unit(session, run.id, row.step, row.unit, state="done", rows=rows, reverse=back)
    await run.publish_step(row.step, rows_done=rows)


async def _see_that_all_is_watched(
    session: Session, unit: SqlUnit, earlier: dict[int, int], files: dict[int, int]
) -> None:
    """Raise MoreTables when a table that was there before was written or truncated without row images."""
    touched = await written_since(session, earlier)
    if not only_ddl(unit.statements):
        now = await table_files(session)
        touched |= {oid for oid, file in files.items() if now.get(oid, file) != file}
    await see_that_all_is_watched(session, touched & files.keys())


async def _way_back(session: Session, before: Catalog, unit: SqlUnit) -> dict[str, object]:
    """Give the reverse of what this transaction did to the schema, tried. Raises StepFailed."""
    after = await read_catalog(session)
    if before == after:
        return {"statements": [], "tables": [], "columns": []}
    computed = reverse(before, after, recast=computes_values(unit.statements))
    if computed.problems:
        raise StepFailed(
            "This SQL has no way back: "
            + " ".join(computed.problems)
            + " Give the step a `down`, or use the operation.",
            reason="NoReverse",
        )
    await _try_reverse(session, before, after, computed.statements)
    new = [o for o in after.objects if o.key not in before.by_key]
    tables = [[o.key.schema, o.key.name] for o in new if o.key.kind == "table" and not _renamed(o.id, before)]
    made = {tuple(t) for t in tables}
    columns = [
        [o.key.schema, o.key.name, o.key.sub]
        for o in new
        if o.key.kind == "column" and (o.key.schema, o.key.name) not in made and not _renamed(o.id, before)
    ]
    return {"statements": list(computed.statements), "tables": tables, "columns": columns}


def _renamed(oid: object, before: Catalog) -> bool:
    return oid in before.by_id


async def trial_is_too_large(session: Session) -> bool:
    """Tell whether trying the way back now would hold exclusive locks on large tables twice as long.

    Then the undo and its proof come later, if they come.
    """
    size = await session.rows(
        "SELECT coalesce(sum(pg_total_relation_size(l.relation)), 0)::bigint AS bytes FROM (SELECT DISTINCT relation "
        "FROM pg_locks WHERE pid = pg_backend_pid() AND mode = 'AccessExclusiveLock' AND locktype = 'relation') l "
        "JOIN pg_class c ON c.oid = l.relation WHERE c.relkind IN ('r', 'm')"
    )
    return bool(size[0]["bytes"] > TRIAL_LIMIT_BYTES)


async def _try_reverse(session: Session, before: Catalog, after: Catalog, statements: tuple[str, ...]) -> None:
    if await trial_is_too_large(session):
        return
    try:
        async with session.transaction():
            for statement in statements:
                await session.execute(statement)
            result = compare(before, await read_catalog(session))
            raise _TrialOver
    except _TrialOver:
        pass
    except ConnectionLost:
        raise
    except DatabaseError as error:
        raise StepFailed(
            f"The computed reverse of this SQL does not run ({error.message}), so nothing was changed. "
            "Give the step a `down`.",
            reason="NoReverse",
        ) from error
    if result.verdict == "Different":
        raise StepFailed(
            "The computed reverse of this SQL does not give back the schema, so nothing was changed: "
            + "; ".join(result.differences[:5])
            + ". Give the step a `down`.",
            reason="NoReverse",
        )
