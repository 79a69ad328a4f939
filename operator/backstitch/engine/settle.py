# SPDX-License-Identifier: Apache-2.0
"""How do rows become what the shadow says? By their keys, in place: the table keeps its oid, indexes, keys and grants.

Early, in batches of a quarter of a second while the application writes: only rows whose lock is free, each caught up
after it is locked. What is left is settled in the switch, where nobody else can write.
"""

from __future__ import annotations

from backstitch.core.errors import ConnectionLost, DatabaseError, LockNotAvailable, StatementFailed, Transient
from backstitch.core.ports import Session
from backstitch.engine.context import Run
from backstitch.engine.image_sql import columns_in, differs_from_start, same_key, value_of
from backstitch.engine.referrers import refuse_cascade
from backstitch.engine.replay import replay_all
from backstitch.engine.shadow import Place
from backstitch.engine.silence import enable_again, silence_triggers
from backstitch.model.sql import columns_sql, quote_ident, quote_literal

LEAST, FIRST, LARGEST = 500, 1000, 20_000  # keys of a batch
TARGET_S = 0.25  # of a batch: so long a write to one of its rows may wait
REFUSALS = 20  # batches of a pass that may wait in vain for a lock
EARLY_LOCK_TIMEOUT_MS = 200  # below deadlock_timeout (1 s): if two wait for each other, it is we who give up
_ORDERS = (("delete", "update", "insert"), ("insert", "update", "delete"), ("delete", "insert", "update"))


async def settle_early(run: Run, place: Place) -> bool:
    """Settle what can be while the application writes; give whether all batches went through.

    A batch that constraints or locks refuse is left, with all after it, to the switch.
    """
    clock, last, size, refused = run.world.clock, "null", FIRST, 0  # null is below every other jsonb
    while True:
        run.heed_stop()
        began = clock.monotonic()
        try:
            async with run.transaction(lock_timeout_ms=EARLY_LOCK_TIMEOUT_MS):
                reached = await _early_batch(run, place, last, size)
        except ConnectionLost:
            raise
        except (LockNotAvailable, Transient):
            refused += 1
            if refused > REFUSALS:
                return False
            size = max(LEAST, size // 2)
            continue
        except DatabaseError:
            return False
        if reached is None:
            return True
        last = reached
        took = clock.monotonic() - began
        size = min(LARGEST, size * 2) if took < TARGET_S / 2 else max(LEAST, size // 2) if took > TARGET_S else size


async def _early_batch(run: Run, place: Place, last: str, size: int) -> str | None:
    session, table = run.session, place.table
    keys = await session.rows(
        "SELECT d.key::text AS key FROM backstitch.todo d WHERE d.root = %s AND d.key > %s::jsonb ORDER BY d.key "
        "LIMIT %s",
        (table.oid, last, size),
    )
    if not keys:
        return None
    silenced = await silence_triggers(session, table)
    reached = str(keys[-1]["key"])
    batch = f"SELECT key FROM backstitch.todo WHERE root = {table.oid} AND key > %s::jsonb AND key <= %s::jsonb"
    same, name = (text.replace("%", "%%") for text in (same_key(table, place.types, "t"), table.sql))
    await session.execute(
        f"WITH mine AS (SELECT i.key FROM {name} t JOIN ({batch}) i ON {same} FOR UPDATE OF t SKIP LOCKED) "
        f"UPDATE backstitch.todo d SET held = 'locked' FROM mine WHERE d.root = {table.oid} AND d.key = mine.key",
        (last, reached),
    )
    await session.execute(
        f"UPDATE backstitch.todo d SET held = 'absent' FROM ({batch}) i WHERE d.root = {table.oid} AND d.key = i.key "
        f"AND d.held IS NULL AND NOT EXISTS (SELECT FROM {name} t WHERE {same})",
        (last, reached),
    )
    await replay_all(session, run.id)  # what was written to the rows we now hold is committed, so it is in it
    # by the range of their keys, which has an index: there may be many more that wait for their turn
    here = f"key > {quote_literal(last)}::jsonb AND key <= {quote_literal(reached)}::jsonb"
    locked, free = f"{here} AND held = 'locked'", f"{here} AND held = 'absent'"
    await settle(run, [place], gone=locked, there=locked, absent=free)
    await session.execute(f"DELETE FROM backstitch.todo WHERE root = {table.oid} AND {here} AND held IS NOT NULL")
    await enable_again(session, silenced)
    return reached


async def settle_silently(run: Run, places: list[Place]) -> int:
    """Settle every key of `todo`, without the application's own triggers and rules, in the caller's transaction."""
    silenced = [await silence_triggers(run.session, p.table) for p in places]
    changed = await settle(run, places)
    for what in silenced:
        await enable_again(run.session, what)
    return changed


async def settle(
    run: Run, places: list[Place], *, gone: str = "true", there: str = "true", absent: str = "true"
) -> int:
    """Make the rows of the keys in `todo` what the shadow says, in the caller's transaction; give how many changed.

    `gone`, `there`, `absent` say of which keys rows may be deleted, updated, inserted. Foreign and unique keys decide
    the order, so several are tried. Raises StatementFailed (class 23) where none goes.
    """
    which = {"delete": gone, "update": there, "insert": absent}
    refused: StatementFailed | None = None
    ordered = await _parents_first(run.session, places)
    for order in _ORDERS:
        changed = 0
        try:
            async with run.session.transaction():
                await run.session.execute("SET CONSTRAINTS ALL DEFERRED")
                for kind in order:
                    for place in reversed(ordered) if kind == "delete" else ordered:
                        changed += await _one_kind(run.session, place, kind, which[kind])
                await run.session.execute("SET CONSTRAINTS ALL IMMEDIATE")
        except StatementFailed as error:
            if not error.sqlstate.startswith("23"):
                raise
            refused = error
            continue
        await run.session.execute(
            "UPDATE backstitch.restores SET rows = rows + %s WHERE migration_id = %s", (changed, run.id)
        )
        return changed
    assert refused is not None
    raise refused


async def _one_kind(session: Session, place: Place, kind: str, which: str) -> int:
    table, types = place.table, place.types
    same = same_key(table, types, "t")
    keys = f"(SELECT key FROM backstitch.todo WHERE root = {table.oid} AND {which})"
    rows = f"(SELECT d.key, s.old FROM {keys} d JOIN backstitch.shadow s ON s.root = {table.oid} AND s.key = d.key)"
    if kind == "delete":
        left = f"NOT EXISTS (SELECT FROM backstitch.shadow s WHERE s.root = {table.oid} AND s.key = i.key)"
        await refuse_cascade(session, table, types, f"{keys} i", f"{same} AND {left}")
        return await session.execute(f"DELETE FROM {table.sql} t USING {keys} i WHERE {same} AND {left}")
    columns = [c for c in columns_in(table, types) if c in place.start]
    if kind == "update":
        sets = ", ".join(f"{quote_ident(c)} = {value_of('i.old', c, types)}" for c in columns if c not in table.always)
        if not sets:
            return 0
        differs = differs_from_start(table, types, "U")
        return await session.execute(f"UPDATE {table.sql} t SET {sets} FROM {rows} i WHERE {same} AND {differs}")
    values = ", ".join(value_of("i.old", c, types) for c in columns)
    return await session.execute(
        f"INSERT INTO {table.sql} ({columns_sql(columns)}) OVERRIDING SYSTEM VALUE SELECT {values} FROM {rows} i "
        f"WHERE NOT EXISTS (SELECT FROM {table.sql} t WHERE {same}) ON CONFLICT DO NOTHING"
    )


async def _parents_first(session: Session, places: list[Place]) -> list[Place]:
    """Order tables so that what a foreign key points at comes before; in a ring, by oid."""
    oids = [p.table.oid for p in places]
    rows = await session.rows(
        "SELECT conrelid::bigint AS child, confrelid::bigint AS parent FROM pg_constraint WHERE contype = 'f' "
        "AND conrelid <> confrelid AND conrelid = ANY(%s::bigint[]::oid[]) AND confrelid = ANY(%s::bigint[]::oid[])",
        (oids, oids),
    )
    ordered: list[Place] = []
    left = list(places)
    while left:
        waiting = {p.table.oid for p in left}
        held = {r["child"] for r in rows if r["parent"] in waiting}
        free = [p for p in left if p.table.oid not in held] or left[:1]
        ordered += free
        left = [p for p in left if p not in free]
    return ordered
