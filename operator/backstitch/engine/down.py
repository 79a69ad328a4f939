# SPDX-License-Identifier: Apache-2.0
"""SQL that brings its own `down`: tried before it is trusted, and watched when it runs.

Going forward, the `down` is run under a savepoint of the step's own transaction and everything is compared with what
was there: the catalog, and every changed row by its image. What it leaves behind is named, and the step changes
nothing. Going back, images of what the `down` itself changes tell which rows of the application it has overwritten.
A table without a key has no images: there only the digests of the proof speak.
"""

from __future__ import annotations

from collections.abc import Iterable

from backstitch.core.errors import ConnectionLost, DatabaseError, StatementFailed, StepFailed
from backstitch.core.ports import Session
from backstitch.core.reverse import reverse
from backstitch.engine.batches import capture_tables
from backstitch.engine.capture import captured_tables, look_at_tables
from backstitch.engine.catalog import read_catalog
from backstitch.engine.context import Run
from backstitch.engine.fingerprint import compare
from backstitch.engine.image_order import newest_image, straighten
from backstitch.engine.image_sql import column_types, differs_from_start, same_key
from backstitch.engine.ledger import UnitRow, lock_unit, update_unit
from backstitch.engine.names_alike import refuse_alike
from backstitch.engine.sql_unit import ROUNDS, named_tables, only_ddl, table_files, trial_is_too_large
from backstitch.engine.watch import MoreTables, rows_written, with_ancestors, written_since
from backstitch.model.catalog import Catalog
from backstitch.model.sql import quote_literal
from backstitch.model.units import SqlUnit

EVERY_TABLE = "*"
TRIAL_ROWS = 100_000  # a step that changes more is not done twice under its locks; the rollback's proof judges its down
SHOWN, SHOWN_ROWS = 5, 20


class _TrialOver(Exception):  # rolls the savepoint back
    pass


async def run_with_down(run: Run, row: UnitRow, unit: SqlUnit) -> None:
    """Take a unit with a `down` to done. Raises StepFailed (`DownLeavesBehind`, `DownFails`) where that is no way back.

    Where row images are in the way (a column that they know is renamed and written in one step), it goes without.
    """
    title = unit.statements[0].strip()[:60]
    watch = await _with_images(run.session, await named_tables(run, unit))
    for _ in range(ROUNDS):
        await capture_tables(run, row.step, watch)
        try:
            first = watch[0] if watch else None
            await run.patiently(title, first, row.step, lambda: _once(run, row, unit, images=True))
        except MoreTables as more:
            watch = sorted({*watch, *await _with_images(run.session, [], await with_ancestors(run.session, more.oids))})
        except StatementFailed:
            break  # its own error comes again
        else:
            return
    await run.patiently(title, None, row.step, lambda: _once(run, row, unit, images=False))


async def _with_images(session: Session, rels: list[str], oids: list[int] | None = None) -> list[str]:
    """Give those of the tables whose rows can be found again by a key."""
    return [t.rel for t in await look_at_tables(session, rels, oids) if t.key and not t.inherited]


async def _once(run: Run, row: UnitRow, unit: SqlUnit, *, images: bool) -> None:
    session = run.session
    async with run.transaction(actor=f"{run.id}/{row.step}/{row.unit}" if images else ""):
        if (await lock_unit(session, run.id, row.step, row.unit))["state"] == "done":
            return
        before = await read_catalog(session)
        earlier, files = await rows_written(session), await table_files(session)
        since = await newest_image(session, run.id, row)
        for statement in unit.statements:
            await session.execute(statement)
        await refuse_alike(session)
        rows = sum(n - earlier.get(oid, 0) for oid, n in (await rows_written(session)).items())
        unwatched = [EVERY_TABLE]
        if images:
            unwatched = await _see_images(session, unit.statements, earlier, files)
            unwatched = await _in_order(run, row, since) or unwatched
        left = await _try_down(run, row, unit, before, earlier, files, since, images=images, rows=rows)
        back: dict[str, object] = {"uncaptured": unwatched}
        if left:
            back["noWayBack"] = left
        await update_unit(session, run.id, row.step, row.unit, state="done", rows=rows, reverse=back)
    await run.publish_step(row.step, rows_done=rows)


async def _see_images(
    session: Session, statements: Iterable[str], earlier: dict[int, int], files: dict[int, int]
) -> list[str]:
    """Give the tables that were written and can have no images. Raises MoreTables for those that could have."""
    touched = await written_since(session, earlier)
    if not only_ddl(statements):  # then a new file may mean TRUNCATE, not only a rewrite
        now = await table_files(session)
        touched |= {oid for oid, file in files.items() if now.get(oid, file) != file}
    unwatched = (touched & files.keys()) - {t.oid for t in await captured_tables(session)}
    found = await look_at_tables(session, [], sorted(unwatched))
    able = [t.oid for t in found if t.key and not t.inherited]
    if able:
        raise MoreTables(sorted(able))
    return sorted(t.rel for t in found)


async def _in_order(run: Run, row: UnitRow, since: int) -> list[str]:
    """Bring the images into order; where that cannot be, drop them and give [EVERY_TABLE]."""
    try:
        await straighten(run.session, run.id, row, since)
    except StepFailed:
        await run.session.execute(
            "DELETE FROM backstitch.images WHERE migration_id = %s AND step = %s AND unit = %s AND id > %s",
            (run.id, row.step, row.unit, since),
        )
        return [EVERY_TABLE]
    return []


async def _try_down(
    run: Run,
    row: UnitRow,
    unit: SqlUnit,
    before: Catalog,
    earlier: dict[int, int],
    files: dict[int, int],
    since: int,
    *,
    images: bool,
    rows: int,
) -> str:
    """Run the `down` under a savepoint; give what it leaves behind where the spec accepts that, "" for nothing."""
    session = run.session
    if rows > TRIAL_ROWS or await trial_is_too_large(session):
        return ""
    after = await read_catalog(session)
    try:
        async with session.transaction():
            for statement in unit.down or ():
                await session.execute(statement)
            await session.execute("SET CONSTRAINTS ALL IMMEDIATE")
            if images:
                await _see_images(session, (*unit.statements, *(unit.down or ())), earlier, files)
            result = compare(before, await read_catalog(session))
            left = list(result.differences) if result.verdict == "Different" else []
            left += await _rows_left(run, row, since) if images else []
            raise _TrialOver
    except _TrialOver:
        pass
    except ConnectionLost:
        raise
    except DatabaseError as error:
        raise StepFailed(
            f"The step's `down` does not run ({error.message}), so nothing was changed. {_offer(before, after)}",
            reason="DownFails",
        ) from error
    if not left:
        return ""
    more = f"; and {len(left) - SHOWN} more" if len(left) > SHOWN else ""
    said = f"The step's `down` does not bring back what was there. It leaves behind: {'; '.join(left[:SHOWN])}{more}."
    if unit.accepts is None:
        raise StepFailed(f"{said} Nothing was changed. {_offer(before, after)}", reason="DownLeavesBehind")
    return said


def _offer(before: Catalog, after: Catalog) -> str:
    """Say what a person can do: leave the `down` out where a way back can be computed."""
    computed = reverse(before, after)
    if computed.problems:
        return "Mend the `down`, or accept a lower rung for this step with `irreversible`."
    statements = "; ".join(s.strip().rstrip(";") for s in computed.statements[:SHOWN])
    schema = f" For the schema it is: {statements}." if statements else ""
    return f"Mend it, or leave `down` out: the way back is computed then, rows included.{schema}"


async def _rows_left(run: Run, row: UnitRow, since: int) -> list[str]:
    """Give, table by table, how many rows do not hold what their first image of this step says they held."""
    found = []
    which = f"migration_id = {run.id} AND step = {row.step} AND unit = {row.unit} AND id > {since}"
    rels = await run.session.rows(f"SELECT DISTINCT rel FROM backstitch.images WHERE {which} ORDER BY rel")
    for table in await look_at_tables(run.session, [r["rel"] for r in rels]):
        if not table.key:
            continue
        types = await column_types(run.session, table)
        first = (
            f"SELECT DISTINCT ON (key) op::text AS op, key, old FROM backstitch.images WHERE {which} "
            f"AND rel = {quote_literal(table.rel)} ORDER BY key, id"
        )
        wrong = (
            f"CASE WHEN i.op = 'I' THEN {differs_from_start(table, types, 'I')} "
            f"ELSE {differs_from_start(table, types, 'U')} END"
        )
        counted = await run.session.rows(
            f"SELECT count(*) AS n FROM ({first}) i LEFT JOIN {table.sql} t ON {same_key(table, types, 't')} "
            f"WHERE {wrong}"
        )
        if counted[0]["n"]:
            found.append(f"{counted[0]['n']} rows of {table.rel} that are not what they were")
    return found


# Each row that the `down` has changed, beside the image before it: where that one's end is not this one's beginning,
# the application has written in between.
_BETWEEN = """
SELECT i.rel, i.key, i.op::text AS op, i.old, i.new, was.new AS left_as FROM backstitch.images i
  LEFT JOIN LATERAL (SELECT p.new FROM backstitch.images p WHERE p.migration_id = i.migration_id AND p.rel = i.rel
    AND p.key = i.key AND p.id < i.id ORDER BY p.id DESC LIMIT 1) was ON true
 WHERE i.migration_id = %s AND i.step = %s AND i.unit = %s AND i.id > %s AND i.op IN ('U', 'D')
"""
_THEIRS = "i.old ? w.key AND i.old->>w.key IS DISTINCT FROM w.value"
_LATER = f"""
UPDATE backstitch.images p SET later = true FROM ({_BETWEEN}) i WHERE p.migration_id = %s AND p.rel = i.rel
   AND p.key = i.key AND EXISTS (SELECT FROM jsonb_each_text(i.left_as) w WHERE {_THEIRS})
"""
_OVERWRITTEN = f"""
SELECT i.rel, i.key::text AS key FROM ({_BETWEEN}) i WHERE i.left_as IS NULL OR EXISTS (
  SELECT FROM jsonb_each_text(i.left_as) w
   WHERE {_THEIRS} AND (i.op = 'D' OR i.new->>w.key IS DISTINCT FROM i.old->>w.key))
 ORDER BY 1, 2
"""


async def undo_by_down(run: Run, row: UnitRow, unit: SqlUnit) -> None:
    """Run the `down`, and write down which rows it has changed that hold something of the application."""
    rels = await run.session.rows(
        "SELECT DISTINCT rel FROM backstitch.images WHERE migration_id = %s AND step = %s AND unit = %s",
        (run.id, row.step, row.unit),
    )
    images = (row.reverse or {}).get("uncaptured", [EVERY_TABLE]) != [EVERY_TABLE]
    if images and row.state != "undone":  # taken off when the migration succeeded
        await capture_tables(run, row.step, await _with_images(run.session, [r["rel"] for r in rels]))
    try:
        await run.patiently("The step's `down`", None, row.step, lambda: _down_once(run, row, unit, images=images))
    except StatementFailed:
        if not images:
            raise
        await run.patiently("The step's `down`", None, row.step, lambda: _down_once(run, row, unit, images=False))


async def _down_once(run: Run, row: UnitRow, unit: SqlUnit, *, images: bool) -> None:
    session = run.session
    async with run.transaction(actor=f"{run.id}/{row.step}/{row.unit}" if images else ""):
        state = await lock_unit(session, run.id, row.step, row.unit)
        if state["state"] == "undone":
            return
        since = await newest_image(session, run.id, row)
        earlier, files = await rows_written(session), await table_files(session)
        for statement in unit.down or ():
            await session.execute(statement)
        back = {**(state["reverse"] or {}), "overwritten": []}
        if images:
            which = (run.id, row.step, row.unit, since)
            await session.execute(_LATER, (*which, run.id))
            lost = await session.rows(_OVERWRITTEN, which)
            back["overwritten"] = [f"{r['rel']} {r['key']}" for r in lost][:SHOWN_ROWS]
            unwatched = await _unwatched(session, earlier, files) or await _in_order(run, row, since)
            back["uncaptured"] = sorted({*back.get("uncaptured", ()), *unwatched})
        else:
            back["uncaptured"] = [EVERY_TABLE]
        await update_unit(session, run.id, row.step, row.unit, state="undone", reverse=back)


async def _unwatched(session: Session, earlier: dict[int, int], files: dict[int, int]) -> list[str]:
    """Give the tables that were written without images; on the way back nothing is done twice for them."""
    touched = await written_since(session, earlier) & files.keys()
    watched = {t.oid for t in await captured_tables(session)}
    return sorted(t.rel for t in await look_at_tables(session, [], sorted(touched - watched)))
