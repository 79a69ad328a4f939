# SPDX-License-Identifier: Apache-2.0
"""Rehearsing as a state of a run: rehearse, keep the report in the ledger, and say whether the target may be touched.

A report that is there already is the answer: a kill after it was kept repeats nothing, one before it begins anew.
"""

from __future__ import annotations

from dataclasses import replace

from backstitch.core.errors import BackupFailed
from backstitch.core.gates import passes, why_not
from backstitch.core.rehearsal_summary import summary_of, waived
from backstitch.engine.backup import BackupPorts, secure_backup
from backstitch.engine.context import Interrupted, Run, Stopping
from backstitch.engine.ledger_schema import upgrade_ledger
from backstitch.engine.proven_backup import request_of
from backstitch.engine.rehearsal_ledger import read_rehearsal, save_rehearsal
from backstitch.engine.rehearse import rehearse
from backstitch.engine.rehearse_story import Abandoned, RunHere
from backstitch.model.rehearsal import Rehearsal
from backstitch.model.rehearsal_record import RehearsalRecord
from backstitch.model.rehearsal_spec import RehearsalSpec


class RehearsalFailed(BackupFailed):
    """The rehearsal says no; nothing was touched."""

    reason = "RehearsalFailed"


async def rehearse_run(run: Run, run_here: RunHere) -> Rehearsal:
    """Rehearse this attempt and keep the report.

    Raises RehearsalFailed with what a person can do, BackupFailed, StorageError, TargetError, Interrupted, Fenced.
    """
    accept = bool((run.job.rehearsal or RehearsalSpec()).accept_unproven)
    report = await read_rehearsal(run.session, run.id)
    if report is None:
        report = await _rehearse(run, run_here)
        await _keep(run, summary_of(report, accept_unproven=accept), report)
    else:
        await run.publish(rehearsal=summary_of(report, accept_unproven=accept))
    if not passes(report, accept_unproven=accept):
        raise RehearsalFailed(why_not(report, accept_unproven=accept))
    return report


async def note_waiver(run: Run) -> None:
    """Write down why this attempt goes without the rehearsal that its environment asks for."""
    if run.rules.rehearsal_waived and run.record.rehearsal is None:
        await _keep(run, waived(run.rules.rehearsal_waived), None)


async def _rehearse(run: Run, run_here: RunHere) -> Rehearsal:
    world, job = run.world, run.job
    if world.store is None or world.archiver is None:
        raise BackupFailed(
            "A rehearsal needs a backup to make its copy from, and no place for it is given. Set spec.backup of the "
            "MigrationTarget (or --backup-to on the command line).",
            reason="NoBackupStorage",
        )

    def heed() -> None:
        try:
            run.heed_requests()
        except (Interrupted, Stopping) as why:  # the copy's own run would take these for its own
            raise Abandoned(why) from why

    run.heed_requests()
    secured = await secure_backup(
        await request_of(run), BackupPorts(world.database, world.archiver, world.store, world.clock, world.copies)
    )
    here = replace(job, spec=run.entry.spec, sources=run.entry.sources)
    try:
        return await rehearse(here, world, secured.manifest, run_here, plan_digest=run.entry.plan_digest, heed=heed)
    except Abandoned as abandoned:
        raise abandoned.why from None


async def _keep(run: Run, summary: RehearsalRecord, report: Rehearsal | None) -> None:
    await upgrade_ledger(run.session)  # the attempt may have begun before rehearsals were known
    async with run.transaction():
        await save_rehearsal(
            run.session, migration_id=run.id, namespace=run.entry.namespace, name=run.entry.name,
            plan_digest=run.entry.plan_digest, summary=summary, report=report,
        )  # fmt: skip
    await run.publish(rehearsal=summary)
