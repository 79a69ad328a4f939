# SPDX-License-Identifier: Apache-2.0
"""Does this backup restore to the same rows? Restored from the store into an empty database, hashed on the way."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from backstitch.core.errors import BackupFailed, DatabaseError
from backstitch.core.ports import Archiver, Database, ObjectStore
from backstitch.engine.digest import all_digests, differing
from backstitch.engine.scratch import create_like
from backstitch.engine.streams import Hashed, close_stream, together
from backstitch.model.backup import BackupObject, Manifest
from backstitch.model.sql import quote_ident

Timed = Callable[[str, Coroutine[Any, Any, Any]], Awaitable[Any]]
_NAMED = 5  # tables that a message names

# Owners that this role may not give things to, and grants it may not repeat (pg_restore would have to become
# the grantor). What belongs to an extension is not in a dump; pg_database_owner is whoever owns the copy.
_OWNERS = """
WITH members AS (SELECT classid, objid FROM pg_catalog.pg_depend WHERE deptype = 'e'),
owners AS (
    SELECT relowner AS role FROM pg_catalog.pg_class c WHERE oid >= 16384
       AND relnamespace NOT IN ('pg_toast'::regnamespace, coalesce(to_regnamespace('backstitch'), 0))
       AND (SELECT nspname FROM pg_catalog.pg_namespace n WHERE n.oid = relnamespace) NOT LIKE 'pg\\_%%'
       AND ('pg_class'::regclass, oid) NOT IN (SELECT * FROM members)
    UNION SELECT proowner FROM pg_catalog.pg_proc WHERE oid >= 16384
       AND pronamespace <> coalesce(to_regnamespace('backstitch'), 0)
       AND ('pg_proc'::regclass, oid) NOT IN (SELECT * FROM members)
    UNION SELECT typowner FROM pg_catalog.pg_type WHERE oid >= 16384 AND typrelid = 0 AND typelem = 0
       AND ('pg_type'::regclass, oid) NOT IN (SELECT * FROM members)
    UNION SELECT nspowner FROM pg_catalog.pg_namespace
     WHERE (oid >= 16384 OR nspname = 'public') AND nspname NOT LIKE 'pg\\_%%' AND nspname <> 'backstitch'
       AND ('pg_namespace'::regclass, oid) NOT IN (SELECT * FROM members)
    UNION SELECT defaclrole FROM pg_catalog.pg_default_acl
), grants AS (
    SELECT FROM pg_catalog.pg_class c, LATERAL aclexplode(relacl) a
     WHERE c.oid >= 16384 AND a.grantor <> relowner AND ('pg_class'::regclass, c.oid) NOT IN (SELECT * FROM members)
)
SELECT (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user)
       OR (NOT EXISTS (SELECT FROM grants)
           AND NOT EXISTS (SELECT FROM owners
                            WHERE role <> 'pg_database_owner'::regrole AND NOT pg_has_role(role, %s))) AS may
"""


async def restore_and_compare(
    manifest: Manifest, name: str, database: Database, archiver: Archiver, store: ObjectStore, timed: Timed
) -> bool:
    """Restore into the empty database `name` and compare; give whether owners were kept.

    Raises BackupFailed: `BackupDamaged` when the store gives other bytes, `RowsDiffer`, or what the restore said.
    """
    keep_owners = await may_keep_owners(database)
    try:
        await timed("restore", restore_into(manifest, name, database, archiver, store, keep_owners=keep_owners))
    except BackupFailed as error:
        if not keep_owners or error.reason == "BackupDamaged":
            raise
        # A refusal over an owner or a grant says nothing about the rows: once more, without them.
        keep_owners = False
        await _empty(database, name)
        await timed("restoreAgain", restore_into(manifest, name, database, archiver, store, keep_owners=False))
    await timed("compare", compare_rows(manifest, name, database))
    return keep_owners


async def restore_into(
    manifest: Manifest, name: str, database: Database, archiver: Archiver, store: ObjectStore, *, keep_owners: bool
) -> None:
    """Restore the full dump into an empty database; both objects are hashed as they are read."""
    if manifest.supporting:
        await _add_supporting(manifest, name, database)
    await together(
        _restore(manifest.full, name, archiver, store, keep_owners=keep_owners),
        check_object(manifest.schema_only, store),
    )


async def check_object(expected: BackupObject, store: ObjectStore) -> None:
    """Read an object and compare its hash. Raises BackupFailed (`BackupDamaged`), StorageError."""
    hashed = Hashed(store.get(expected.key))
    await hashed.drain()
    _same(expected, hashed, store)


async def may_keep_owners(database: Database) -> bool:
    """Whether our role may give restored objects to the owners, and repeat the grants, that the target has."""
    session = await database.connect(purpose="owners", read_only=True)
    try:
        how = "SET" if session.server_version >= 160000 else "MEMBER"  # 16 split membership's options
        return bool((await session.rows(_OWNERS, [how]))[0]["may"])
    finally:
        await session.close()


async def _restore(full: BackupObject, name: str, archiver: Archiver, store: ObjectStore, *, keep_owners: bool) -> None:
    source = store.get(full.key)
    hashed = Hashed(source)
    try:
        await archiver.restore(hashed, database=name, keep_owners=keep_owners)
        await hashed.drain()  # pg_restore may end before it has read the last bytes
    except BackupFailed:
        await hashed.drain()
        _same(full, hashed, store)  # damaged bytes explain the failure better than pg_restore does
        raise
    finally:
        await close_stream(source)
    _same(full, hashed, store)


def _same(expected: BackupObject, found: Hashed, store: ObjectStore) -> None:
    if (found.size, found.sha256) != (expected.size, expected.sha256):
        raise BackupFailed(
            f"{store.url}/{expected.key} reads back as {found.size} bytes with SHA-256 {found.sha256}, but "
            f"{expected.size} bytes with {expected.sha256} were written. Do not rely on this store; look at its disk.",
            reason="BackupDamaged",
        )


async def compare_rows(manifest: Manifest, name: str, database: Database) -> None:
    """Digest the restored database and compare. Raises BackupFailed (`RowsDiffer`)."""
    session = await database.connect(purpose="compare", database=name, read_only=True)
    try:
        found = differing(manifest.tables, await all_digests(session))
    except DatabaseError as error:
        raise BackupFailed(f"The restored backup could not be read: {error.message}", reason=error.reason) from error
    finally:
        await session.close()
    if found:
        more = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
        raise BackupFailed(
            f"The restored backup has other rows than the dump's snapshot: {'; '.join(found[:_NAMED])}{more}.",
            reason="RowsDiffer",
        )


async def _add_supporting(manifest: Manifest, name: str, database: Database) -> None:
    session = await database.connect(purpose="restore-support", database=name)
    try:
        await session.execute("SET check_function_bodies = off")
        async with session.transaction():
            await session.execute("CREATE SCHEMA backstitch")
            for definition in manifest.supporting:
                await session.execute(definition)
    except DatabaseError as error:
        raise BackupFailed(f"The backup's own functions could not be made: {error.message}") from error
    finally:
        await session.close()


async def _empty(database: Database, name: str) -> None:
    session = await database.connect(purpose="scratch-again")
    try:
        await session.execute(f"DROP DATABASE IF EXISTS {quote_ident(name)} WITH (FORCE)")
        await create_like(session, name, like=database.name)
    finally:
        await session.close()
