# SPDX-License-Identifier: Apache-2.0
"""Following the application: what it writes to a migration's tables, from before the backup until the window ends.

Row triggers write one row per row written, in the application's own transaction: numbered while the row's lock is
held, so for one key the numbers are in the order of the commits (safety.md 3.7). They sit in the database, so it does
not matter through which pooler a write comes; ours are left out by a setting that only our transactions have. Rows
are kept as record text with the numbers of their columns: no statement of the trigger names a column, so no change
of the table, ours or somebody else's, can make a write of the application fail.
"""

from __future__ import annotations

from backstitch.core.errors import BackupFailed, StepFailed
from backstitch.core.ports import Session
from backstitch.core.workload import touched_tables
from backstitch.engine.capture import AS_PINNED, Captured, look_at_tables
from backstitch.engine.context import Run
from backstitch.engine.follow_sql import AFFECTED, FUNCTIONS, TABLES

ROW, EMPTIED = "backstitch_app_row", "backstitch_app_truncate"
_THEIRS = "coalesce(current_setting('backstitch.self', true), '') = ''"


def wanted(run: Run) -> bool:
    """Tell whether this migration's spec asks for it, and there will be a backup to put the writes on."""
    rollback = run.entry.spec.rollback
    return bool(run.rules.backup and rollback and rollback.strategy == "restoreBackup" and rollback.capture)


async def follow(run: Run) -> None:
    """Follow the writers of every table this migration may write. Call it before the backup's snapshot.

    CREATE TRIGGER waits for every transaction that has written the table, so when it is there, nothing is missed.
    Raises BackupFailed where a table has no key, StepFailed where its lock is not to be had.
    """
    async with run.transaction():
        for statement in (*TABLES, *FUNCTIONS):
            await run.session.execute(statement.replace("{pinned}", AS_PINNED))
    for table in await _affected(run):

        async def once(table: Captured = table) -> None:
            async with run.transaction():
                await _follow_one(run.session, run.id, table)

        await run.patiently(f"Following the writers of {table.rel}", table.rel, 0, once)


async def followed(session: Session, migration_id: int) -> list[int]:
    """Give the tables of this migration whose writers are followed, by oid; partitions are part of their table."""
    if not await _there(session):
        return []
    rows = await session.rows(
        "SELECT DISTINCT root::bigint AS oid FROM backstitch.app_tables WHERE migration_id = %s ORDER BY 1",
        (migration_id,),
    )
    return [r["oid"] for r in rows]


async def unfollow(run: Run) -> None:
    """Take the triggers off every table that only this migration follows; a busy one is left for the next purge."""
    if not await _there(run.session):
        return
    async with run.transaction():
        await forget(run.session, run.id)
    for table in await unneeded(run.session):

        async def once(table: Captured = table) -> None:
            async with run.transaction():
                await take_off(run.session, table)

        try:
            await run.patiently(f"Writers of {table.rel}", table.rel, len(run.record.steps) - 1, once)
        except StepFailed:
            continue


async def forget(session: Session, migration_id: int) -> None:
    """Note in the caller's transaction that a migration needs no application writes any more."""
    if not await _there(session):
        return
    await session.execute("DELETE FROM backstitch.app_tables WHERE migration_id = %s", (migration_id,))
    await session.execute("DELETE FROM backstitch.restores WHERE migration_id = %s", (migration_id,))
    if not await session.rows("SELECT FROM backstitch.app_tables LIMIT 1"):
        for table in ("app_changes", "shadow", "todo", "app_tainted"):
            await session.execute(f"DELETE FROM backstitch.{table}")


async def unneeded(session: Session) -> list[Captured]:
    """Give the tables that are followed for no migration any more."""
    if not await _there(session):
        return []
    rows = await session.rows(
        "SELECT DISTINCT t.tgrelid::bigint AS oid FROM pg_trigger t WHERE t.tgname IN (%s, %s) AND t.tgparentid = 0 "
        "AND NOT EXISTS (SELECT FROM backstitch.app_tables a WHERE t.tgrelid IN (a.relid, a.root))",
        (ROW, EMPTIED),
    )
    return await look_at_tables(session, [], [r["oid"] for r in rows])


async def take_off(session: Session, table: Captured) -> None:
    """Drop the triggers of one table in the caller's transaction (ACCESS EXCLUSIVE for a moment)."""
    for name in (ROW, EMPTIED):
        await session.execute(f"DROP TRIGGER IF EXISTS {name} ON {table.sql}")


async def _there(session: Session) -> bool:
    rows = await session.rows(
        "SELECT EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
        "WHERE n.nspname = 'backstitch' AND c.relname = 'app_tables') AS there"
    )
    return bool(rows[0]["there"])


async def _affected(run: Run) -> list[Captured]:
    """Give the tables to follow: those of the steps, those that cascades reach, and all where nobody can tell."""
    named = touched_tables(run.entry.spec, run.entry.sources)
    rows = await run.session.rows(AFFECTED, (named is None, sorted(named or ()), sorted(named or ())))
    tables = await look_at_tables(run.session, [], [r["oid"] for r in rows])
    unfit = await _unfit(run.session, tables)
    keyless = [t.rel for t in tables if t.oid in unfit and t.rel in (named or ())]
    unlogged = [r["rel"] for r in rows if r["unlogged"] and r["rel"] in (named or ())]
    if keyless or unlogged:
        raise BackupFailed(
            "rollback.capture needs a primary key (or a unique key without NULLs), not a deferrable one, and a logged "
            f"table, and {(keyless or unlogged)[0]} has not. Add a key, or leave capture out.",
            reason="NoKey",
        )
    skipped = {r["rel"] for r in rows if r["unlogged"]}
    return [t for t in tables if t.oid not in unfit and t.rel not in skipped]


async def _unfit(session: Session, tables: list[Captured]) -> set[int]:
    """Give the tables whose writes cannot be told apart by their keys: two rows may have one key for a moment, where
    the key is deferrable, and then the order of the changes does not say which of them is meant."""
    rows = await session.rows(
        "SELECT i.indrelid::bigint AS oid, ARRAY(SELECT a.attname::text FROM unnest(i.indkey) WITH ORDINALITY k(num, "
        "ord) JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.num WHERE k.ord <= i.indnkeyatts "
        "ORDER BY k.ord) AS key FROM pg_index i WHERE i.indrelid = ANY(%s::bigint[]::oid[]) AND i.indisunique "
        "AND NOT i.indimmediate",
        ([t.oid for t in tables],),
    )
    late = {(r["oid"], tuple(r["key"])) for r in rows}
    return {t.oid for t in tables if not t.key or (t.oid, t.key) in late}


async def _follow_one(session: Session, migration_id: int, table: Captured) -> None:
    members = await session.rows(
        "SELECT m.relid::oid::bigint AS oid, m.relid::regclass::text AS sql, m.isleaf AS leaf, c.relkind::text AS kind "
        "FROM pg_partition_tree(%s::bigint::oid::regclass) m JOIN pg_class c ON c.oid = m.relid "
        "UNION SELECT %s, %s, true, 'r' WHERE NOT EXISTS (SELECT FROM pg_partition_tree(%s::bigint::oid::regclass))",
        (table.oid, table.oid, table.sql, table.oid),
    )
    if any(m["kind"] == "f" for m in members):
        raise StepFailed(
            f"Table {table.rel} has foreign tables among its partitions, whose writers cannot be followed.",
            reason="NoKey",
        )
    await session.execute(
        f"CREATE OR REPLACE TRIGGER {ROW} AFTER INSERT OR UPDATE OR DELETE ON {table.sql} FOR EACH ROW "
        f"WHEN ({_THEIRS}) EXECUTE FUNCTION backstitch.app_change()"
    )
    await session.execute(f"ALTER TABLE {table.sql} ENABLE ALWAYS TRIGGER {ROW}")
    for member in members:
        # a statement trigger of the parent does not see TRUNCATE of a partition (safety.md 3.7)
        await session.execute(
            f"CREATE OR REPLACE TRIGGER {EMPTIED} BEFORE TRUNCATE ON {member['sql']} FOR EACH STATEMENT "
            f"WHEN ({_THEIRS}) EXECUTE FUNCTION backstitch.app_change()"
        )
        await session.execute(f"ALTER TABLE {member['sql']} ENABLE ALWAYS TRIGGER {EMPTIED}")
        await remember(session, migration_id, member["oid"], table)


async def remember(session: Session, migration_id: int, oid: int, root: Captured) -> None:
    """Note the columns of a table or partition by number, as they are now: names may change, numbers do not."""
    await session.execute(
        "INSERT INTO backstitch.app_tables (migration_id, relid, root, rel, key, names, types) "
        "SELECT %s, %s, %s, %s, %s, jsonb_object_agg(attnum, attname), "
        "jsonb_object_agg(attname, format_type(atttypid, atttypmod)) "
        "FROM pg_attribute WHERE attrelid = %s::bigint::oid AND attnum > 0 AND NOT attisdropped AND attgenerated = '' "
        "ON CONFLICT DO NOTHING",
        (migration_id, oid, root.oid, root.rel, list(root.key), oid),
    )
