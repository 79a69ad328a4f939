# SPDX-License-Identifier: Apache-2.0
"""What must be there before the first change: a proven backup where policy asks for one, and the start taken down."""

from __future__ import annotations

import logging
from typing import Any

from backstitch.core.errors import BackupFailed, StorageError
from backstitch.core.ports import Session
from backstitch.core.workload import queries_of, touched_tables
from backstitch.engine.backup import BackupPorts, secure_backup
from backstitch.engine.baseline import take_baselines
from backstitch.engine.catalog import read_catalog
from backstitch.engine.context import Run
from backstitch.engine.fingerprint import fingerprint
from backstitch.engine.proof import take_start
from backstitch.engine.retention import sweep_backups
from backstitch.engine.verify import CheckContext
from backstitch.model.backup import BackupRequest, Manifest
from backstitch.model.record import BackupRecord
from backstitch.model.sql import DEFAULT_SCHEMA

log = logging.getLogger("backstitch.engine")


async def prepare(run: Run) -> tuple[dict[str, Any], BackupRecord]:
    """Give the start and the backup. Raises BackupFailed, StorageError, Interrupted; nothing is touched yet."""
    run.heed_requests()
    record, manifest = await _back_up(run)
    run.heed_requests()
    start = await take_start(run.session, manifest)
    spec = run.entry.spec
    checks = [c for p in spec.phases for c in p.checks or []] + list(spec.checks or [])
    where = CheckContext(
        search_path=tuple(spec.search_path or (DEFAULT_SCHEMA,)),
        queries=queries_of(spec, run.job.policy),
        touched=touched_tables(spec, run.entry.sources),
    )
    start["baselines"] = await take_baselines(run.session, checks, where)
    return start, record


async def _back_up(run: Run) -> tuple[BackupRecord, Manifest | None]:
    world = run.world
    if not run.rules.backup:
        return BackupRecord(place="", waived=f"{run.rules.environment} does not ask for a backup"), None
    if world.store is None or world.archiver is None:
        raise BackupFailed(
            f"{run.rules.environment} asks for a backup before every change, but no place for it is given. "
            "Set spec.backup of the MigrationTarget (or --backup-to on the command line).",
            reason="NoBackupStorage",
        )
    began = world.clock.monotonic()
    request = (await request_of(run)).model_copy(
        update={
            "schema_version": await schema_version(run),
            "fingerprint": fingerprint(await read_catalog(run.session)).total,
        }
    )
    ports = BackupPorts(world.database, world.archiver, world.store, world.clock)
    manifest, _ = await secure_backup(request, ports)
    return (
        BackupRecord(
            place=f"{world.store.url.rstrip('/')}/{request.folder}manifest.json",
            bytes=manifest.size,
            sha256=manifest.full.sha256,
            taken_at=manifest.taken_at,
            proven=True,
            schema_version=request.schema_version,
            duration_ms=int((world.clock.monotonic() - began) * 1000),
        ),
        manifest,
    )


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


async def sweep(run: Run) -> None:
    """Delete backups beyond the number the target keeps; those that an open revert window needs stay."""
    if run.world.store is None or not run.rules.backup:
        return
    rows = await run.session.rows(
        "SELECT id, digest, name FROM backstitch.migrations WHERE namespace = %s AND backup IS NOT NULL "
        "AND (state = 'NeedsHelp' OR (purged_at IS NULL AND revert_until > clock_timestamp()))",
        (run.entry.namespace,),
    )
    identity = await database_identity(run.session)
    needed = [f"{run.entry.namespace}/{r['name']}/{identity}-{r['id']}-{r['digest'][:12]}/" for r in rows]
    try:
        await sweep_backups(run.world.store, run.entry.namespace, keep=run.job.backup_keep, protect=needed)
    except StorageError as error:
        # the migration is done; too many backups harm nobody, and the next one sweeps again
        log.warning("old backups were not swept", extra={"reason": error.reason, "error": error.message})


async def schema_version(run: Run) -> str | None:
    """Give the version of the last migration that succeeded here."""
    rows = await run.session.rows(
        "SELECT version FROM backstitch.migrations WHERE state = 'Succeeded' "
        "AND right(name, 9) <> '.contract' ORDER BY finished_at DESC LIMIT 1"
    )
    return str(rows[0]["version"]) if rows else None
