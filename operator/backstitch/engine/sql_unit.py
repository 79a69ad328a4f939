# SPDX-License-Identifier: Apache-2.0
"""A user's own SQL in one transaction, with a reverse that is computed and tried before the commit.

Without a `down`: the catalog is read before and after, the difference gives the reverse statements, and these are run
under a savepoint and compared with the start. What has no reverse is rolled back here and now, so production never
holds a change that cannot be taken back. Changed rows are kept as images; which tables change is found by doing:
the server counts what this transaction wrote, and a table that was not watched is watched and the step done again.
"""

from __future__ import annotations

from backstitch.core.errors import ConnectionLost, DatabaseError, StepFailed
from backstitch.core.ports import Session
from backstitch.core.reverse import reverse
from backstitch.engine.batches import capture_tables
from backstitch.engine.capture import captured_tables, look_at_tables
from backstitch.engine.catalog import read_catalog
from backstitch.engine.context import Run
from backstitch.engine.fingerprint import compare
from backstitch.engine.ledger import UnitRow, lock_unit, note_write, update_unit
from backstitch.model.catalog import Catalog
from backstitch.model.script import split
from backstitch.model.units import SqlUnit

ROUNDS = 6  # each round watches the tables that the one before was found to write
TRIAL_LIMIT_BYTES = 64 * 1024 * 1024  # a reverse that rewrites more than this is not tried under the step's locks


class _MoreTables(Exception):  # a signal between two functions of this file: roll back, watch these, again
    def __init__(self, oids: list[int]) -> None:
        super().__init__()
        self.oids = oids


class _TrialOver(Exception):  # rolls the savepoint back
    pass


async def run_sql(run: Run, row: UnitRow, unit: SqlUnit) -> None:
    """Take a raw SQL unit to done. Raises StepFailed with reason NoReverse where there is no way back."""
    watch = [] if unit.down is not None else await _named_tables(run, unit)
    for _ in range(ROUNDS):
        await capture_tables(run, row.step, watch)

        async def once() -> None:
            await _once(run, row, unit)

        try:
            await run.patiently(unit.statements[0].strip()[:60], watch[0] if watch else None, row.step, once)
        except _MoreTables as more:
            found = await look_at_tables(run.session, [], await _with_ancestors(run.session, more.oids))
            watch = sorted({*watch, *(t.rel for t in found)})
        else:
            return
    raise StepFailed("The statements write to other tables each time they run.", reason="NoReverse")


async def _named_tables(run: Run, unit: SqlUnit) -> list[str]:
    """Give the tables that the text says it writes, resolved by the search_path."""
    names = sorted({name for text in unit.statements for s in split(text) for name in s.writes})
    if not names:
        return []
    rows = await run.session.rows(
        "SELECT n.nspname || '.' || c.relname AS rel FROM unnest(%s::text[]) AS w(name) CROSS JOIN LATERAL "
        "(SELECT CASE WHEN strpos(w.name, '.') > 0 THEN w.name END AS full) f "
        "JOIN pg_namespace n ON true JOIN pg_class c ON c.relnamespace = n.oid AND c.relkind IN ('r', 'p') "
        "AND CASE WHEN f.full IS NOT NULL THEN n.nspname || '.' || c.relname = f.full "
        "ELSE c.relname = w.name AND n.nspname = ANY(%s) END",
        (names, run.entry.spec.search_path or ["public"]),
    )
    return sorted({r["rel"] for r in rows})


async def _with_ancestors(session: Session, oids: list[int]) -> list[int]:
    # A statement on a partitioned parent fires the parent's triggers, one on the partition the partition's.
    rows = await session.rows(
        "WITH RECURSIVE up AS (SELECT unnest(%s::bigint[])::oid AS oid UNION "
        "SELECT i.inhparent FROM pg_inherits i JOIN up ON i.inhrelid = up.oid) SELECT oid::bigint AS oid FROM up",
        (oids,),
    )
    return [r["oid"] for r in rows]


async def _written(session: Session) -> dict[int, int]:
    """Count the rows written per table; counts of earlier transactions may be in it too, so take differences."""
    rows = await session.rows(
        "SELECT s.relid::bigint AS oid, n_tup_ins + n_tup_upd + n_tup_del AS n FROM pg_stat_xact_user_tables s "
        "WHERE s.schemaname <> 'backstitch' AND n_tup_ins + n_tup_upd + n_tup_del > 0"
    )
    return {r["oid"]: r["n"] for r in rows}


async def _once(run: Run, row: UnitRow, unit: SqlUnit) -> None:
    session = run.session
    async with run.transaction(actor="" if unit.down is not None else f"{run.id}/{row.step}/{row.unit}"):
        if (await lock_unit(session, run.id, row.step, row.unit))["state"] == "done":
            return
        before = await read_catalog(session) if unit.down is None else None
        earlier = await _written(session)
        for statement in unit.statements:
            await session.execute(statement)
        rows = sum(n - earlier.get(oid, 0) for oid, n in (await _written(session)).items())
        back: dict[str, object] = {}
        if before is not None:
            back = await _way_back(session, before, earlier)
        await update_unit(session, run.id, row.step, row.unit, state="done", rows=rows, reverse=back)
        await note_write(session, run.id)
    await run.publish_step(row.step, rows_done=rows)


async def _way_back(session: Session, before: Catalog, earlier: dict[int, int]) -> dict[str, object]:
    """Give the reverse of what this transaction did, tried; raises _MoreTables or StepFailed."""
    await session.execute("SET CONSTRAINTS ALL IMMEDIATE")  # else ALTER TABLE meets pending trigger events
    after = await read_catalog(session)
    known = {o.id.oid for o in before.objects if o.id.classid == "pg_class"}
    watched = {t.oid for t in await captured_tables(session)}
    unwatched = [
        oid
        for oid, n in (await _written(session)).items()
        if n > earlier.get(oid, 0) and oid in known and oid not in watched
    ]
    if unwatched:
        raise _MoreTables(unwatched)
    if before == after:
        return {"statements": [], "tables": [], "columns": []}
    computed = reverse(before, after)
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


async def _try_reverse(session: Session, before: Catalog, after: Catalog, statements: tuple[str, ...]) -> None:
    size = await session.rows(
        "SELECT coalesce(sum(pg_total_relation_size(l.relation)), 0)::bigint AS bytes FROM (SELECT DISTINCT relation "
        "FROM pg_locks WHERE pid = pg_backend_pid() AND mode = 'AccessExclusiveLock' AND locktype = 'relation') l "
        "JOIN pg_class c ON c.oid = l.relation WHERE c.relkind IN ('r', 'm')"
    )
    if size[0]["bytes"] > TRIAL_LIMIT_BYTES:
        return  # the undo and its proof come later; holding this lock twice as long would be felt
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
