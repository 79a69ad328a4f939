# SPDX-License-Identifier: Apache-2.0
"""What must be there before the first change: a proven backup where policy asks for one, and the start taken down."""

from __future__ import annotations

import logging
from typing import Any

from backstitch.core.errors import StorageError
from backstitch.core.workload import queries_of, touched_tables
from backstitch.engine.baseline import take_baselines
from backstitch.engine.context import Run
from backstitch.engine.follow import follow, wanted
from backstitch.engine.proof import take_start
from backstitch.engine.prove_point import StartRows
from backstitch.engine.proven_backup import back_up, database_identity
from backstitch.engine.retention import sweep_backups
from backstitch.engine.verify import CheckContext
from backstitch.model.record import BackupRecord
from backstitch.model.sql import DEFAULT_SCHEMA

log = logging.getLogger("backstitch.engine")


async def prepare(run: Run) -> tuple[dict[str, Any], BackupRecord]:
    """Give the start and the backup. Raises BackupFailed, StorageError, Interrupted; nothing is touched yet."""
    run.heed_requests()
    if wanted(run):
        await follow(run)  # before the backup's snapshot: what comes after it is then known
    record, rows = await back_up(run)
    run.heed_requests()
    if rows is None and run.job.rows_known is not None:
        now = await run.session.rows("SELECT pg_current_snapshot()::text AS snapshot")
        rows = StartRows(dict(run.job.rows_known), now[0]["snapshot"])
    start = await take_start(run.session, rows)
    start["baselines"] = await baselines(run)
    return start, record


async def baselines(run: Run) -> dict[str, object]:
    """Measure what checks compare with afterwards; as late as can be, because the application writes meanwhile."""
    spec = run.entry.spec
    checks = [c for p in spec.phases for c in p.checks or []] + list(spec.checks or [])
    where = CheckContext(
        search_path=tuple(spec.search_path or (DEFAULT_SCHEMA,)),
        queries=queries_of(spec, run.job.policy),
        touched=touched_tables(spec, run.entry.sources),
        workload=run.job.workload,
        whole=run.job.whole_copy,
    )
    return await take_baselines(run.session, checks, where)


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
    for store in (run.world.store, *(copy.store for copy in run.world.copies)):
        try:
            await sweep_backups(store, run.entry.namespace, keep=run.job.backup_keep, protect=needed)
        except StorageError as error:
            # the migration is done; too many backups harm nobody, and the next one sweeps again
            log.warning("old backups were not swept", extra={"reason": error.reason, "error": error.message})
