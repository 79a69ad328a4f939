# SPDX-License-Identifier: Apache-2.0
"""How does `rehearse` try a migration on a copy, from the command line, and show what it saw?

The database is read and dumped, never written, unless --save asks to keep the report in its ledger.
"""

from __future__ import annotations

import secrets
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from backstitch.app.cli_outcome import OK, REFUSED, UNSETTLED, execute
from backstitch.app.output import give, give_json, say

if TYPE_CHECKING:
    from backstitch.app.cli_run import Given
    from backstitch.engine.job import Job, World
    from backstitch.model.rehearsal import Rehearsal

A_FILE = click.Path(path_type=Path)


@click.command()
@click.argument("file", type=A_FILE)
@click.option("--database", metavar="URL", required=True, envvar="BACKSTITCH_DATABASE", help="As for `run`.")
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", help="Form of the result.")
@click.option("--namespace", "-n", metavar="NAME", help="Namespace in the ledger; default: the file's.")
@click.option("--environment", type=click.Choice(("development", "staging", "production")), help="Whose rules hold.")
@click.option("--role", metavar="NAME", help="SET ROLE to this one; the owner of the tables.")
@click.option("--with", "beside", multiple=True, type=A_FILE, metavar="FILE", help="ConfigMaps or the MigrationTarget.")
@click.option("--backup-to", metavar="URL", help="Where the backup goes meanwhile; it is deleted at the end.")
@click.option("--copy-on", metavar="URL", help="Make the copy on this server instead of beside the database.")
@click.option("--accept-unproven", is_flag=True, help="My yes to statements that lock more than their plan says.")
@click.option("--save", is_flag=True, help="Keep the report in the database's ledger, for `plan` and `export`.")
@click.option("--debug", is_flag=True, help="Show the trace of an unexpected error.")
def rehearse(file: Path, debug: bool, copy_on: str | None, accept_unproven: bool, save: bool, **values: Any) -> None:
    """Run the migration in FILE and its rollback on a copy; the database itself is not touched.

    Exit code 0 when every gate held, 2 when the plan is refused, 4 when a gate is broken or unproven.
    """
    from backstitch.app.cli_run import Given  # noqa: PLC0415 - `crd` and --help need no database driver

    given = Given(**values)
    work = rehearse_file(file, given, copy_on=copy_on, accept_unproven=accept_unproven, save=save)
    sys.exit(execute(work, output=values["output"], debug=debug))


async def rehearse_file(file: Path, given: Given, *, copy_on: str | None, accept_unproven: bool, save: bool) -> int:
    """Rehearse the migration of a file; give the exit code."""
    from backstitch.app.cli_run import prepared, read_asked  # noqa: PLC0415
    from backstitch.core.gates import passes  # noqa: PLC0415
    from backstitch.engine.planning import make_plan  # noqa: PLC0415
    from backstitch.model.rehearsal_spec import RehearsalSpec  # noqa: PLC0415

    asked = read_asked(file, given)
    spec = (asked.job(given).rehearsal or RehearsalSpec()).model_copy(update={"no_room": None})
    if copy_on is not None:
        spec = spec.model_copy(update={"place": "otherServer"})
    if accept_unproven:
        spec = spec.model_copy(update={"accept_unproven": True})
    job, world, notes = await prepared(asked, given, rehearsal=spec, copy_on=copy_on)
    for note in notes:
        say(note)
    plan = await make_plan(job, world)
    if plan.refusals:
        for reason in plan.refusals:
            say(f"REFUSED: {reason}")
        return REFUSED
    report = await rehearsed(job, world, plan.digest)
    if save:
        await _save(job, world, plan.digest, report)
    accept = bool(spec.accept_unproven)
    if given.output == "json":
        give_json(report.to_plain())
    else:
        give(report_text(report, accept_unproven=accept))
    return OK if passes(report, accept_unproven=accept) else UNSETTLED


async def rehearsed(job: Job, world: World, plan_digest: str) -> Rehearsal:
    """Take a backup for this rehearsal alone, rehearse, and delete it."""
    from backstitch.core.errors import StorageError, UsageError  # noqa: PLC0415
    from backstitch.engine.backup import BackupPorts, secure_backup  # noqa: PLC0415
    from backstitch.engine.rehearse import rehearse as on_a_copy  # noqa: PLC0415
    from backstitch.engine.run import run  # noqa: PLC0415
    from backstitch.model.backup import BackupRequest  # noqa: PLC0415

    if world.archiver is None or world.store is None:
        raise UsageError("A rehearsal is made from a backup: give --backup-to a place, such as file:///directory.")
    # A name of its own: what a run of the same migration keeps there meanwhile is not ours.
    request = BackupRequest(
        namespace=job.namespace, name=f"{job.name}.rehearsal", attempt=secrets.token_hex(8), version=job.spec.version
    )
    try:
        secured = await secure_backup(request, BackupPorts(world.database, world.archiver, world.store, world.clock))
        return await on_a_copy(job, world, secured.manifest, run, plan_digest=plan_digest)
    finally:
        try:
            for key in await world.store.list(request.folder):
                await world.store.delete(key)
        except StorageError as error:
            say(f"The rehearsal's backup in {request.folder} could not be deleted: {error.message}")


async def _save(job: Job, world: World, plan_digest: str, report: Rehearsal) -> None:
    from backstitch.core.rehearsal_summary import summary_of  # noqa: PLC0415
    from backstitch.engine.ledger_schema import ensure_ledger  # noqa: PLC0415
    from backstitch.engine.rehearsal_ledger import save_rehearsal  # noqa: PLC0415

    session = await world.database.connect(purpose="rehearsal-save")
    try:
        found = await session.rows("SELECT system_identifier::text AS id FROM pg_control_system()")
        await ensure_ledger(session, found[0]["id"])
        accept = bool(job.rehearsal and job.rehearsal.accept_unproven)
        async with session.transaction():
            await save_rehearsal(
                session, migration_id=None, namespace=job.namespace, name=job.name, plan_digest=plan_digest,
                summary=summary_of(report, accept_unproven=accept), report=report,
            )  # fmt: skip
    finally:
        await session.close()


def report_text(report: Rehearsal, *, accept_unproven: bool) -> str:
    """Give a report for people: a line for each statement, each query that changed, each gate, and the verdict."""
    from backstitch.core.gates import passes, why_not  # noqa: PLC0415
    from backstitch.core.rehearsal_text import rehearsal_lines  # noqa: PLC0415

    lines = rehearsal_lines(report)
    if passes(report, accept_unproven=accept_unproven):
        lines.append("Every gate held: it may touch the database.")
    else:
        lines.append(why_not(report, accept_unproven=accept_unproven))
    return "\n".join(lines)
