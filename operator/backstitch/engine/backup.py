# SPDX-License-Identifier: Apache-2.0
"""Is there a backup that can be relied on? Take it in one snapshot, prove it by restoring, find it after a restart.

A backup is a folder of the store: full.pgc, schema.pgc, then manifest.json, which makes it one, then proof.json.
"""

from __future__ import annotations

import hashlib
from contextlib import suppress
from dataclasses import dataclass
from typing import NamedTuple

from pydantic import ValidationError

from backstitch.core.errors import BackupFailed, ConnectionLost, DatabaseError, StorageError
from backstitch.core.ports import Archiver, Clock, Database, ObjectStore, Session
from backstitch.engine.copies import StoreCopy, copy_everywhere
from backstitch.engine.digest import all_digests
from backstitch.engine.prove import Rights, check_object, restore_and_compare, restore_rights
from backstitch.engine.scratch import PreparedScratch, scratch_database
from backstitch.engine.stages import Stages
from backstitch.engine.streams import close_stream, once, read_object, together
from backstitch.model.backup import (
    FULL,
    MANIFEST,
    PROOF,
    SCHEMA,
    BackupObject,
    BackupRequest,
    Manifest,
    Proof,
    TableDigest,
)

__all__ = [
    "BackupPorts", "Secured", "Stages", "find_backup", "prove_backup", "scratch_owner", "secure_backup", "take_backup",
]  # fmt: skip

_MAY_IDENTIFY = "has_function_privilege('pg_catalog.pg_control_system()', 'execute') AS may_identify"
_FACTS = f"""
SELECT pg_export_snapshot() AS exported, pg_current_snapshot()::text AS snapshot, pg_current_wal_lsn()::text AS lsn,
       ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int AS timeline,
       {_MAY_IDENTIFY}
"""
# A trigger of ours that is still on a table calls a function of the ledger's schema, which no dump holds.
_SUPPORTING = """
SELECT DISTINCT pg_catalog.pg_get_functiondef(p.oid) AS definition
  FROM pg_catalog.pg_trigger t
  JOIN pg_catalog.pg_proc p ON p.oid = t.tgfoid
  JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace AND n.nspname = 'backstitch'
  JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid
 WHERE NOT t.tgisinternal AND c.relnamespace <> n.oid ORDER BY 1
"""


@dataclass(frozen=True)
class BackupPorts:
    """What a backup needs of the outside world."""

    database: Database
    archiver: Archiver
    store: ObjectStore
    clock: Clock
    copies: tuple[StoreCopy, ...] = ()

    @property
    def places(self) -> tuple[ObjectStore, ...]:
        """Give every place where a backup may be, the first one first."""
        return (self.store, *(copy.store for copy in self.copies))


class Secured(NamedTuple):
    """A proven backup."""

    manifest: Manifest
    proof: Proof

    @property
    def manifest_sha256(self) -> str:
        """Give the digest of the manifest as it is stored."""
        return _sha256(_json(self.manifest))


async def secure_backup(request: BackupRequest, ports: BackupPorts) -> Secured:
    """Give a proven backup: the one of this attempt when it is there, else a new one, proven.

    The scratch database is made while the dump runs. Raises BackupFailed, StorageError, TargetError, ConnectionLost.
    """
    try:
        return await _secure(request, ports)
    except ConnectionLost:
        raise
    except DatabaseError as error:  # nothing was touched yet: to the migration it is all one
        raise BackupFailed(f"The backup could not be taken and proven: {error.message}", reason=error.reason) from error


async def _secure(request: BackupRequest, ports: BackupPorts) -> Secured:
    found = await find_backup(request, ports.store)
    if found is not None:
        manifest, proof = found
        await _refuse_another(manifest, ports)
        if proof is None:
            proof = await prove_backup(manifest, ports)
        else:  # proven before this process came: what was read then may have been changed since
            await together(check_object(manifest.full, ports.store), check_object(manifest.schema_only, ports.store))
        return Secured(manifest, await _with_copies(manifest, proof, ports))
    stages = Stages(ports.clock)
    async with PreparedScratch(
        ports.database, purpose="proof", owner=scratch_owner(request, ports.database)
    ) as prepared:
        manifest, rights = await together(take_backup(request, ports, stages), restore_rights(ports.database))
        name = await stages.timed("waitForScratch", prepared.name())
        proof = await _prove_in(name, manifest, ports, stages, rights=rights)
    return Secured(manifest, await _with_copies(manifest, proof, ports))


async def take_backup(request: BackupRequest, ports: BackupPorts, stages: Stages | None = None) -> Manifest:
    """Dump the target and digest all its tables in one snapshot; write the manifest last.

    When anything fails, nothing that looks complete is left. Raises BackupFailed, StorageError, TargetError,
    ConnectionLost.
    """
    stages = stages or Stages(ports.clock)
    await _remove_incomplete(request, ports.store)
    session = await ports.database.connect(purpose="backup", read_only=True)
    try:
        async with session.transaction():
            await session.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            await session.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
            manifest = await _take_in(session, request, ports, stages)
        await ports.store.put(request.folder + MANIFEST, once(_json(manifest)))
    except DatabaseError as error:
        await _remove(request, ports.store)
        if isinstance(error, ConnectionLost):
            raise
        raise BackupFailed(f"The backup could not be taken: {error.message}", reason=error.reason) from error
    except BaseException:
        await _remove(request, ports.store)
        raise
    finally:
        await session.close()
    return manifest


async def prove_backup(manifest: Manifest, ports: BackupPorts) -> Proof:
    """Read the backup back, hash it, restore it beside the target and compare every table's digest.

    Raises BackupFailed (`BackupDamaged`, `CreatedbMissing`, what the restore said), StorageError, TargetError.
    """
    stages = Stages(ports.clock)
    async with scratch_database(
        ports.database, purpose="proof", owner=scratch_owner(manifest.request, ports.database)
    ) as name:
        rights = await restore_rights(ports.database)
        return await _prove_in(name, manifest, ports, stages, rights=rights)


async def find_backup(request: BackupRequest, store: ObjectStore) -> tuple[Manifest, Proof | None] | None:
    """Give the complete backup of this attempt, with its proof if it has one, or None."""
    keys = set(await store.list(request.folder))
    if request.folder + MANIFEST not in keys:
        return None
    try:
        manifest = Manifest.model_validate_json(await read_object(store, request.folder + MANIFEST))
        proof = None
        if request.folder + PROOF in keys:
            proof = Proof.model_validate_json(await read_object(store, request.folder + PROOF))
    except (ValidationError, StorageError):
        return None  # what cannot be read is no backup: a new one is taken in its place
    if not {manifest.full.key, manifest.schema_only.key} <= keys or manifest.request.folder != request.folder:
        return None
    if proof is not None and proof.manifest_sha256 != _sha256(_json(manifest)):
        proof = None
    return manifest, proof


def scratch_owner(request: BackupRequest, database: Database) -> str:
    """Give the name under which scratch databases of a migration are known: one server may hold many targets."""
    return f"{request.namespace}/{request.name}@{database.name}"


async def _take_in(session: Session, request: BackupRequest, ports: BackupPorts, stages: Stages) -> Manifest:
    facts = (await session.rows(_FACTS))[0]
    identifier = await _identifier(session) if facts["may_identify"] else ""
    supporting = tuple(row["definition"] for row in await session.rows(_SUPPORTING))

    async def put(name: str, *, schema_only: bool) -> BackupObject:
        chunks = ports.archiver.dump(snapshot=facts["exported"], schema_only=schema_only)
        try:
            stored = await ports.store.put(request.folder + name, chunks)
        finally:
            await close_stream(chunks)  # ends pg_dump now, not when the garbage collector comes by
        return BackupObject(key=stored.key, size=stored.size, sha256=stored.sha256)

    full: BackupObject
    schema: BackupObject
    tables: dict[str, TableDigest]
    full, schema, tables = await together(
        stages.timed("dump", put(FULL, schema_only=False)),
        stages.timed("dumpSchema", put(SCHEMA, schema_only=True)),
        stages.timed("digest", all_digests(session)),
    )
    return Manifest(
        request=request,
        taken_at=ports.clock.now(),
        database=ports.database.name,
        system_identifier=identifier,
        timeline=facts["timeline"],
        server_version=session.server_version,
        tool_version=ports.archiver.tool_version,
        compression=ports.archiver.compression,
        lsn=facts["lsn"],
        snapshot=facts["snapshot"],
        full=full,
        schema_only=schema,
        tables=tables,
        supporting=supporting,
    )


async def _refuse_another(manifest: Manifest, ports: BackupPorts) -> None:
    """A copy of a database has the ledger of the original, so in one store both would claim the same backup."""
    session = await ports.database.connect(purpose="identity", read_only=True)
    try:
        may = (await session.rows("SELECT has_function_privilege('pg_catalog.pg_control_system()', 'execute') AS may"))[
            0
        ]
        identifier = await _identifier(session) if may["may"] else ""
    finally:
        await session.close()
    if (manifest.database, manifest.system_identifier) != (ports.database.name, identifier):
        raise BackupFailed(
            f"{ports.store.url}/{manifest.request.folder} holds a backup of another database ({manifest.database} of "
            f"server {manifest.system_identifier or 'unknown'}). Give each target a place of its own for backups.",
            reason="BackupOfAnother",
        )


async def _identifier(session: Session) -> str:
    return str((await session.rows("SELECT system_identifier::text AS it FROM pg_control_system()"))[0]["it"])


async def _prove_in(name: str, manifest: Manifest, ports: BackupPorts, stages: Stages, *, rights: Rights) -> Proof:
    folder = manifest.request.folder
    written = await read_object(ports.store, folder + MANIFEST)
    if written != _json(manifest):
        raise BackupFailed(
            f"{ports.store.url}/{folder}{MANIFEST} reads back differently from what was written.",
            reason="BackupDamaged",
        )
    rights = await restore_and_compare(
        manifest, name, ports.database, ports.archiver, ports.store, stages.timed, rights=rights
    )
    proof = Proof(
        proven_at=ports.clock.now(),
        manifest_sha256=_sha256(written),
        tables=len(manifest.tables),
        rows=manifest.rows,
        owners_kept=rights.keep_owners,
        left_out=rights.leave_out,
        milliseconds=dict(stages.spent),
    )
    await ports.store.put(folder + PROOF, once(_json(proof)))
    return proof


async def _with_copies(manifest: Manifest, proof: Proof, ports: BackupPorts) -> Proof:
    """Bring the backup to its second places; the proof says so, here and there."""
    if not ports.copies:
        return proof
    proof = proof.model_copy(update={"copies": await copy_everywhere(manifest, ports.store, ports.copies, ports.clock)})
    held = {record.url for record in proof.copies if record.verified_at is not None}
    for store in (ports.store, *(copy.store for copy in ports.copies if copy.store.url in held)):
        await store.put(manifest.request.folder + PROOF, once(_json(proof)))
    return proof


async def _remove_incomplete(request: BackupRequest, store: ObjectStore) -> None:
    """Remove what dead attempts of this migration left without a manifest; one attempt runs at a time."""
    keys = await store.list(request.migration_folder)
    complete = {key.removesuffix(MANIFEST) for key in keys if key.endswith("/" + MANIFEST)} - {request.folder}
    for key in keys:
        if not any(key.startswith(folder) for folder in complete):
            await store.delete(key)


async def _remove(request: BackupRequest, store: ObjectStore) -> None:
    for name in (MANIFEST, PROOF, SCHEMA, FULL):
        with suppress(StorageError):  # without its manifest the rest is no backup; the next attempt tries again
            await store.delete(request.folder + name)


def _json(value: Manifest | Proof) -> bytes:
    return value.model_dump_json(by_alias=True, indent=1).encode()


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
