# SPDX-License-Identifier: Apache-2.0
"""What would the followed tables hold, had the migration never run? The backup's rows with the application's writes
on top, kept beside the tables (safety.md 3.7): filled once from the proven backup, then caught up again and again.

`todo` has the keys of rows that may differ from it: those that a comparison found, and each key that is replayed.
"""

from __future__ import annotations

from dataclasses import dataclass

from backstitch.core.ports import Session
from backstitch.engine.backup import BackupPorts, Stages, scratch_owner
from backstitch.engine.capture import Captured, look_at_tables
from backstitch.engine.context import Run
from backstitch.engine.follow import followed
from backstitch.engine.image_sql import column_types, differs_from_start, same_key
from backstitch.engine.prove import restore_and_compare, restore_rights
from backstitch.engine.replay import replay
from backstitch.engine.scratch import scratch_database
from backstitch.model.backup import Manifest
from backstitch.model.sql import quote_ident, quote_literal

SMALL = 50  # so few are left that the switch can take them along


@dataclass(frozen=True)
class Place:
    """A followed table as it is now."""

    table: Captured
    types: dict[str, str]
    start: frozenset[str]  # the columns it had at the start
    as_before: bool  # it has all of those, with the same types, and its key is the one of the start

    @property
    def shadow(self) -> str:
        """Give the SQL of its rows in the shadow, with columns `key` and `old`."""
        return f"(SELECT key, old FROM backstitch.shadow WHERE root = {self.table.oid})"


async def stage_of(session: Session, migration_id: int) -> str | None:
    """Give how far a restore is: None, begun, filled, compared or switched."""
    rows = await session.rows("SELECT stage FROM backstitch.restores WHERE migration_id = %s", (migration_id,))
    return str(rows[0]["stage"]) if rows else None


async def set_stage(session: Session, migration_id: int, stage: str) -> None:
    """Note in the caller's transaction how far it is."""
    await session.execute("UPDATE backstitch.restores SET stage = %s WHERE migration_id = %s", (stage, migration_id))


async def begin(run: Run, snapshot: str) -> None:
    """Note that a restore has begun: from here on, each change that the backup has not is to be replayed once."""
    async with run.transaction():
        if await stage_of(run.session, run.id) is not None:
            return
        for table in ("shadow", "todo", "app_tainted"):
            await run.session.execute(f"DELETE FROM backstitch.{table}")
        await run.session.execute(
            "INSERT INTO backstitch.restores (migration_id, stage, seen) VALUES (%s, 'begun', %s::pg_snapshot)",
            (run.id, snapshot),
        )


async def fill(run: Run, manifest: Manifest, ports: BackupPorts) -> None:
    """Restore the backup into a scratch database, compare it with its manifest, and copy the followed tables over.

    One transaction per table, noted in it. Raises BackupFailed, StorageError.
    """
    owner = scratch_owner(manifest.request, ports.database)
    async with scratch_database(ports.database, purpose="shadow", owner=owner) as name:
        rights = await restore_rights(ports.database)
        timed = Stages(ports.clock).timed
        await restore_and_compare(manifest, name, ports.database, ports.archiver, ports.store, timed, rights=rights)
        source = await ports.database.connect(purpose="shadow", database=name, read_only=True)
        try:
            for oid in await followed(run.session, run.id):
                run.heed_stop()
                await _fill_one(run, source, oid)
        finally:
            await source.close()
    await run.session.execute("ANALYZE backstitch.shadow")
    async with run.transaction():
        await set_stage(run.session, run.id, "filled")


async def _fill_one(run: Run, source: Session, oid: int) -> None:
    rows = await run.session.rows(
        "SELECT a.rel, a.key, r.filled @> to_jsonb(a.root) AS done FROM backstitch.app_tables a "
        "JOIN backstitch.restores r USING (migration_id) WHERE migration_id = %s AND a.relid = a.root AND a.root = %s",
        (run.id, oid),
    )
    if rows[0]["done"]:
        return
    table = (await look_at_tables(source, [rows[0]["rel"]]))[0]
    key, old = (_texts(names) for names in (rows[0]["key"], table.columns))
    stream = source.copy_out(f"COPY (SELECT {oid}, {key}, {old} FROM {table.sql} t) TO STDOUT")
    async with run.transaction():
        await run.session.copy_in("COPY backstitch.shadow (root, key, old) FROM STDIN", stream)
        await run.session.execute(
            "UPDATE backstitch.restores SET filled = filled || to_jsonb(%s::bigint) WHERE migration_id = %s",
            (oid, run.id),
        )


def _texts(names: list[str] | tuple[str, ...]) -> str:
    values = ", ".join(f"t.{quote_ident(c)}::text" for c in names)
    return f"jsonb_object(ARRAY[{', '.join(quote_literal(c) for c in names)}]::text[], ARRAY[{values}]::text[])"


async def places(session: Session, migration_id: int) -> list[Place]:
    """Give the followed tables as they are now, in the order of their oids."""
    rows = await session.rows(
        "SELECT a.root AS oid, a.key, ARRAY(SELECT jsonb_object_keys(a.types)) AS start, "
        "NOT EXISTS (SELECT FROM jsonb_each_text(a.types) s WHERE NOT EXISTS ("
        "SELECT FROM pg_attribute n WHERE n.attrelid = a.root::oid AND n.attname = s.key AND NOT n.attisdropped "
        "AND format_type(n.atttypid, n.atttypmod) = s.value)) AS same "
        "FROM backstitch.app_tables a WHERE migration_id = %s AND a.relid = a.root",
        (migration_id,),
    )
    known = {r["oid"]: r for r in rows}
    return [
        Place(
            t,
            await column_types(session, t),
            frozenset(known[t.oid]["start"]),
            known[t.oid]["same"] and list(t.key) == known[t.oid]["key"],
        )
        for t in await look_at_tables(session, [], list(known))
    ]


async def catch_up(run: Run) -> None:
    """Replay in rounds, each of a few transactions, while the application goes on, until a round brings no less than
    the one before it: then what is left is what is written during a round."""
    before, now = None, 0
    await run.session.execute("ANALYZE backstitch.app_changes")
    while True:
        run.heed_stop()
        async with run.transaction(lock_timeout_ms=5000):
            part = await replay(run.session, run.id)
        now += part.changes
        if not part.round_ended:
            continue
        if now < SMALL or (before is not None and now >= before):
            return
        before, now = now, 0


async def leave_out_equal(run: Run, place: Place) -> int:
    """Take keys out of `todo` whose rows are what the shadow says, and give how many are left.

    No lock is needed: if the application writes such a row later, or has just done so, the replay brings its key again.
    """
    table, types = place.table, place.types
    first = quote_ident(table.key[0])
    await run.session.execute("VACUUM (ANALYZE, TRUNCATE false, SKIP_LOCKED) backstitch.todo")
    async with run.transaction(lock_timeout_ms=5000):
        await run.session.execute(
            f"DELETE FROM backstitch.todo d USING (SELECT k.key, s.old FROM backstitch.todo k "
            f"LEFT JOIN backstitch.shadow s USING (root, key) WHERE k.root = {table.oid}) i "
            f"LEFT JOIN {table.sql} t ON {same_key(table, types, 't')} "
            f"WHERE d.root = {table.oid} AND d.key = i.key AND CASE WHEN i.old IS NULL THEN t.{first} IS NULL "
            f"ELSE NOT {differs_from_start(table, types, 'U')} END"
        )
        rows = await run.session.rows("SELECT count(*) AS n FROM backstitch.todo WHERE root = %s", (table.oid,))
    return int(rows[0]["n"])


async def compare(session: Session, place: Place) -> None:
    """Put the keys of all rows that differ from the shadow into `todo`, in the caller's transaction."""
    table, first = place.table, quote_ident(place.table.key[0])
    key = _texts(table.key)
    await session.execute(
        f"INSERT INTO backstitch.todo (root, key) SELECT {table.oid}, coalesce(i.key, {key}) FROM {place.shadow} i "
        f"FULL JOIN {table.sql} t ON {same_key(table, place.types, 't')} "
        f"WHERE i.key IS NULL OR t.{first} IS NULL OR {differs_from_start(table, place.types, 'U')} "
        "ON CONFLICT DO NOTHING"
    )


async def rows_that_differ(session: Session, place: Place) -> int:
    """Count the rows that are not what the shadow says."""
    table, first = place.table, quote_ident(place.table.key[0])
    rows = await session.rows(
        f"SELECT count(*) AS n FROM {place.shadow} i FULL JOIN {table.sql} t ON {same_key(table, place.types, 't')} "
        f"WHERE i.key IS NULL OR t.{first} IS NULL OR {differs_from_start(table, place.types, 'U')}"
    )
    return int(rows[0]["n"])
