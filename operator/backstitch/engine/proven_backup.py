# SPDX-License-Identifier: Apache-2.0
"""May the first change be made? Only with the backup that the target asks for, proven as its method can be proven.

dump      dump restored beside the target and every table compared; with a physical method a restore point besides
restore   physical backup restored to the restore point on a second server and every table compared there
archived  physical backup complete and the point's WAL in the archive; nothing restored, so it is not called proven
"""

from __future__ import annotations

from backstitch.core.errors import BackupFailed
from backstitch.core.point_in_time import PhysicalBackups
from backstitch.core.ports import Session
from backstitch.engine.backup import BackupPorts, secure_backup
from backstitch.engine.catalog import read_catalog
from backstitch.engine.context import Run
from backstitch.engine.fingerprint import fingerprint
from backstitch.engine.history import version_now
from backstitch.engine.ledger import latest_entries
from backstitch.engine.prove_point import StartRows, prove_point
from backstitch.engine.restore_point import make_restore_point, refuse_without_archive
from backstitch.model.backup import BackupRequest, Manifest
from backstitch.model.record import BackupRecord


async def back_up(run: Run) -> tuple[BackupRecord, Manifest | StartRows | None]:
    """Give the proven backup and the rows it holds. Raises BackupFailed, StorageError; nothing is touched yet."""
    world, proof = run.world, run.job.proof
    rollback = run.entry.spec.rollback
    if rollback and rollback.strategy == "pointInTime" and (world.physical is None or not run.rules.backup):
        raise BackupFailed(
            "rollback.strategy is pointInTime, and no restore point can be made: that needs backup.method pgBackRest "
            "or cloudNativePG in the MigrationTarget, and backups before each change (policy.backup full in "
            "development). Nothing was touched.",
            reason="PointMissing",
        )
    if not run.rules.backup:
        return BackupRecord(place="", waived=f"{run.rules.environment} does not ask for a backup"), None
    if proof == "archived" and run.rules.environment == "production":
        raise BackupFailed(
            "backup.proof is archived, which restores nothing, and this target is production. Use dump or restore.",
            reason="ProofTooWeak",
        )
    began = world.clock.monotonic()
    rows: Manifest | StartRows | None = None
    if proof == "dump":
        record, rows = await _dumped(run)
    elif world.physical is None:
        raise BackupFailed(
            f"backup.proof {proof} needs method pgBackRest or cloudNativePG, and this run was given no way to it.",
            reason="MethodMissing",
        )
    else:
        record = BackupRecord(place=world.physical.place, schema_version=await schema_version(run))
    if world.physical is not None:
        record, rows = await _with_point(run, world.physical, record, rows)
    return record.model_copy(update={"duration_ms": int((world.clock.monotonic() - began) * 1000)}), rows


async def _dumped(run: Run) -> tuple[BackupRecord, Manifest]:
    world = run.world
    if world.store is None or world.archiver is None:
        raise BackupFailed(
            f"{run.rules.environment} asks for a backup before every change, but no place for it is given. "
            "Set spec.backup of the MigrationTarget (or --backup-to on the command line).",
            reason="NoBackupStorage",
        )
    request = (await request_of(run)).model_copy(
        update={
            "schema_version": await schema_version(run),
            "fingerprint": fingerprint(await read_catalog(run.session)).total,
        }
    )
    secured = await secure_backup(
        request, BackupPorts(world.database, world.archiver, world.store, world.clock, world.copies)
    )
    manifest = secured.manifest
    return (
        BackupRecord(
            place=f"{world.store.url.rstrip('/')}/{request.folder}manifest.json",
            bytes=manifest.size,
            sha256=manifest.full.sha256,
            taken_at=manifest.taken_at,
            proven=True,
            proof="dump",
            schema_version=request.schema_version,
            manifest_sha256=secured.manifest_sha256,
            copies=secured.proof.copies,
        ),
        manifest,
    )


async def _with_point(
    run: Run, physical: PhysicalBackups, record: BackupRecord, rows: Manifest | StartRows | None
) -> tuple[BackupRecord, Manifest | StartRows | None]:
    """Add a physical backup and a restore point; after a kill the backup is found by its mark, the point made anew."""
    await refuse_without_archive(run.world.database)
    mark = (await request_of(run)).attempt
    backup = await physical.back_up("incremental", mark)
    changes: dict[str, object] = {"method": physical.method}
    if run.job.proof == "dump":
        point = await make_restore_point(run.world.database, physical, run.world.clock, mark=mark, backup=backup)
    else:
        changes.update(bytes=backup.bytes, taken_at=backup.taken_at, proof=run.job.proof)
        if run.job.proof == "restore":
            point, rows, proven = await prove_point(run, physical, mark=mark, backup=backup)
            changes.update(proven=True, side=proven)
        else:
            point = await make_restore_point(run.world.database, physical, run.world.clock, mark=mark, backup=backup)
    return record.model_copy(update={**changes, "restore_point": point}), rows


async def request_of(run: Run) -> BackupRequest:
    """Name the one backup of this attempt: the same after every restart, and no other database's in a shared store."""
    entry = run.entry
    return BackupRequest(
        namespace=entry.namespace,
        name=entry.name,
        attempt=f"{await database_identity(run.session)}-{entry.id}-{entry.digest[:12]}",
        version=entry.version,
    )


async def database_identity(session: Session) -> str:
    """Give eight hex digits that tell this database from any other: of which cluster, and its name there."""
    rows = await session.rows(
        "SELECT left(md5(system_identifier::text || '/' || current_database()), 8) AS id FROM pg_control_system()"
    )
    return str(rows[0]["id"])


async def schema_version(run: Run) -> str | None:
    """Give the version that the schema has."""
    return await version_now(run.session, await latest_entries(run.session))
