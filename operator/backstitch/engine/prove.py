# SPDX-License-Identifier: Apache-2.0
"""Does this backup restore to the same rows? Restored from the store into an empty database, hashed on the way."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, replace
from typing import Any

from backstitch.core.errors import BackupFailed, ConnectionLost, DatabaseError
from backstitch.core.ports import Archiver, Database, ObjectStore
from backstitch.engine.digest import all_digests, differing
from backstitch.engine.scratch import create_like
from backstitch.engine.streams import Hashed, close_stream, together
from backstitch.model.backup import BackupObject, Manifest
from backstitch.model.sql import quote_ident

Timed = Callable[[str, Coroutine[Any, Any, Any]], Awaitable[Any]]
_NAMED = 5  # tables that a message names

# Extensions that only a superuser may create, and event triggers: a plain role restores without them.
_TOO_HIGH = """
SELECT 'EXTENSION ' || e.extname AS what FROM pg_catalog.pg_extension e
  JOIN pg_catalog.pg_available_extension_versions v ON v.name = e.extname AND v.version = e.extversion
 WHERE v.superuser AND NOT v.trusted
UNION ALL SELECT 'EVENT TRIGGER ' || evtname FROM pg_catalog.pg_event_trigger
ORDER BY 1
"""
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
SELECT (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user) AS superuser,
       NOT EXISTS (SELECT FROM grants)
       AND NOT EXISTS (SELECT FROM owners
                        WHERE role <> 'pg_database_owner'::regrole AND NOT pg_has_role(role, %s)) AS may
"""


@dataclass(frozen=True)
class Rights:
    """What our role may restore. `leave_out`: entries of the archive that it may not, such as `EXTENSION postgis`."""

    keep_owners: bool
    leave_out: tuple[str, ...] = ()


async def restore_and_compare(
    manifest: Manifest,
    name: str,
    database: Database,
    archiver: Archiver,
    store: ObjectStore,
    timed: Timed,
    *,
    rights: Rights,
) -> Rights:
    """Restore into the empty database `name` and compare; give what was kept.

    Raises BackupFailed: `BackupDamaged` when the store gives other bytes, `RowsDiffer`, or what the restore said.
    """
    try:
        await timed("restore", restore_into(manifest, name, database, archiver, store, rights=rights))
    except BackupFailed as error:
        if not rights.keep_owners or error.reason == "BackupDamaged":
            raise
        # A refusal over an owner or a grant says nothing about the rows: once more, without them.
        rights = replace(rights, keep_owners=False)
        await _empty(database, name)
        await timed("restoreAgain", restore_into(manifest, name, database, archiver, store, rights=rights))
    await timed("compare", compare_rows(manifest, name, database))
    return rights


async def restore_into(
    manifest: Manifest, name: str, database: Database, archiver: Archiver, store: ObjectStore, *, rights: Rights
) -> None:
    """Restore the full dump into an empty database; both objects are hashed as they are read."""
    if manifest.supporting:
        await _add_supporting(manifest, name, database)
    await together(
        _restore(manifest.full, name, archiver, store, rights=rights),
        check_object(manifest.schema_only, store),
    )


async def check_object(expected: BackupObject, store: ObjectStore) -> None:
    """Read an object and compare its hash. Raises BackupFailed (`BackupDamaged`), StorageError."""
    hashed = Hashed(store.get(expected.key))
    await hashed.drain()
    _same(expected, hashed, store)


async def restore_rights(database: Database) -> Rights:
    """Look up whether our role may give restored objects to the owners that they have, and what it may not create."""
    session = await database.connect(purpose="rights", read_only=True)
    try:
        how = "SET" if session.server_version >= 160000 else "MEMBER"  # 16 split membership's options
        found = (await session.rows(_OWNERS, [how]))[0]
        if found["superuser"]:
            return Rights(keep_owners=True)
        return Rights(bool(found["may"]), tuple(row["what"] for row in await session.rows(_TOO_HIGH)))
    finally:
        await session.close()


async def _restore(full: BackupObject, name: str, archiver: Archiver, store: ObjectStore, *, rights: Rights) -> None:
    source = store.get(full.key)
    hashed = Hashed(source)
    try:
        await archiver.restore(hashed, database=name, keep_owners=rights.keep_owners, leave_out=rights.leave_out)
        await hashed.drain()  # pg_restore may end before it has read the last bytes
    except BackupFailed as error:
        await hashed.drain()
        _same(full, hashed, store)  # damaged bytes explain the failure better than pg_restore does
        if not rights.leave_out:
            raise
        raise BackupFailed(
            f"{error.message} Left out, because our role may not create them in a new database: "
            f"{', '.join(rights.leave_out)}. If that is the cause, a superuser can mark an extension trusted, or use a "
            "role that may create it.",
            reason=error.reason,
        ) from error
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
    except ConnectionLost:
        raise
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
    except ConnectionLost:
        raise
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
