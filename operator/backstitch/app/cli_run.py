# SPDX-License-Identifier: Apache-2.0
"""How do `run` and `plan` work on one database, without a cluster?

Same engine, same ledger as the operator: what one began the other can go on with.
"""

from __future__ import annotations

import getpass
import os
import secrets
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

from backstitch.adapters.clock import SystemClock
from backstitch.adapters.conninfo import ConnectionSettings, parse_url
from backstitch.app.backup_methods import with_file_backups
from backstitch.app.cli_documents import Documents, read_files
from backstitch.app.cli_outcome import OK, REFUSED, UNSETTLED, code_of
from backstitch.app.output import Display, Lines, document_of, full_text, give, give_json, say
from backstitch.app.wiring import (
    is_on_this_machine,
    open_database,
    open_other_server,
    open_storage,
    open_tools,
    open_world,
    plan_backup,
)
from backstitch.core.approvals import Approval
from backstitch.core.errors import UsageError
from backstitch.core.permission import Permit
from backstitch.core.plan import Plan
from backstitch.core.rehearsal_summary import estimates, summary_of
from backstitch.core.rehearsal_text import estimate_text
from backstitch.engine.job import Job, Requests, World
from backstitch.engine.rehearsal_ledger import rehearsal_of_plan
from backstitch.engine.run import make_plan, run
from backstitch.model.duration import parse_duration
from backstitch.model.record import Record
from backstitch.model.rehearsal import Rehearsal
from backstitch.model.rehearsal_spec import RehearsalSpec
from backstitch.model.spec import DatabaseMigration, Environment, MigrationSpec, MigrationTarget, TargetPolicy
from backstitch.model.states import RESTING, State

SHORTEST_DIGEST = 12


@dataclass(frozen=True)
class Given:
    """What a person gave on the command line."""

    database: str
    output: str = "text"
    namespace: str | None = None
    environment: Environment | None = None
    backup_to: str | None = None
    beside: tuple[Path, ...] = ()  # files with ConfigMaps or the MigrationTarget
    retry: bool = False
    role: str | None = None
    wait: str = "10m"
    without_rehearsal: str | None = None  # why this run goes without one
    approve: str | None = None  # the digest of the plan that was read, or its first characters


@dataclass(frozen=True)
class Asked:
    """A migration from a file and everything around it."""

    migration: DatabaseMigration
    target: MigrationTarget | None
    documents: Documents
    settings: ConnectionSettings
    environment: Environment

    def job(self, given: Given, policy: TargetPolicy | None = None) -> Job:
        """Give the engine's job."""
        spec = self.target.spec if self.target else None
        keep = spec.backup.keep if spec and spec.backup else None
        return Job(
            namespace=given.namespace or self.migration.metadata.namespace,
            name=self.migration.metadata.name,
            spec=self.migration.spec,
            environment=self.environment,
            sources=self.documents.sources(),
            policy=policy or (spec.policy if spec else None),
            backup_keep=keep or 10,
            owner_role=given.role or (spec.owner_role if spec else None),
            rehearsal=_rehearsal(spec.rehearsal if spec else None, given),
        )


def read_asked(file: Path, given: Given) -> Asked:
    """Read the files and decide the environment. Raises UsageError."""
    documents = read_files([file, *given.beside])
    migration = documents.only_migration(str(file))
    target = documents.target_of(migration)
    settings = parse_url(given.database)
    environment = given.environment or documents.environments.get(migration.metadata.name)
    if environment is None and target is not None:
        environment = target.spec.environment
    if environment is None:
        if not is_on_this_machine(settings.host):
            raise UsageError(
                f"{settings.host} is not this machine: say which environment it is with --environment development, "
                "staging or production. It decides what is asked before a change, and what is forbidden."
            )
        environment = "development"
    return Asked(migration, target, documents, settings, environment)


async def run_file(file: Path, given: Given) -> int:
    """Run the migration of a file until it rests. Gives the exit code."""
    asked = read_asked(file, given)
    limit_s = parse_limit(given.wait)
    job, world, notes = await prepared(asked, given)
    if given.approve:
        job = replace(job, permit=await _permit_of(given.approve, job, world))
    requests = Requests(retry=secrets.token_hex(8)) if given.retry else Requests()
    return await show_run(job, world, requests, given, notes, limit_s=limit_s)


async def prepared(
    asked: Asked, given: Given, *, rehearsal: RehearsalSpec | None = None, copy_on: str | None = None
) -> tuple[Job, World, list[str]]:
    """Give the job and the ports with a place for backups, and what to tell. Raises UsageError, TargetError."""
    in_file = asked.target.spec.backup if asked.target else None
    backup = plan_backup(given.backup_to, in_file, asked.environment, os.environ)
    job = asked.job(given) if rehearsal is None else replace(asked.job(given), rehearsal=rehearsal)
    database = open_database(asked.settings, role=job.owner_role)
    world = open_world(database)
    notes = [f"{job.name} {job.spec.version} on {asked.settings.where} ({asked.environment}).", backup.said]
    if backup.storage is not None:
        tools, why_not = await open_tools(database, job.owner_role, required=backup.asked or job.rules.backup)
        if tools is None:
            notes[-1] = f"No backup is taken: {why_not}"
        else:
            world = replace(world, archiver=tools, store=open_storage(backup.storage, os.environ))
            policy = (job.policy or TargetPolicy()).model_copy(update={"backup": "full"})
            job = replace(job, policy=policy)
            if backup.storage is in_file and in_file is not None:  # all that the target says of backups holds
                world = with_file_backups(world, in_file, database, os.environ, role=job.owner_role)
                job = replace(job, proof=in_file.proof or "dump")
    if copy_on is not None:
        world = replace(world, other_server=await open_other_server(open_database(parse_url(copy_on))))
    return job, world, notes


def _rehearsal(spec: RehearsalSpec | None, given: Given) -> RehearsalSpec | None:
    if given.without_rehearsal is None:
        return spec
    return (spec or RehearsalSpec()).model_copy(update={"no_room": given.without_rehearsal})


async def _permit_of(digest: str, job: Job, world: World) -> Permit:
    """Give this person's yes to the plan whose digest they name. Raises UsageError: the plan is another one now."""
    plan = await make_plan(job, world)
    if len(digest) < SHORTEST_DIGEST or not plan.digest.startswith(digest):
        raise UsageError(
            f"--approve {digest}: the plan has digest {plan.digest} now. Read it with `backstitch plan`, and give at "
            f"least {SHORTEST_DIGEST} characters of that."
        )
    who = getpass.getuser()
    yes = Approval(name="--approve", approver=who, plan_digest=plan.digest, created=world.clock.now())
    return Permit(approvals=(yes,))


async def plan_file(file: Path, given: Given) -> int:
    """Show what a migration would do; touches nothing."""
    asked = read_asked(file, given)
    job = asked.job(given)
    world = open_world(open_database(asked.settings, role=job.owner_role))
    plan = await make_plan(job, world)
    report = await rehearsal_of_plan(world.database, job.namespace, job.name, plan.digest)
    if given.output == "json":
        more = {"rehearsal": summary_of(report, accept_unproven=False).to_plain()} if report else {}
        head = {"name": job.name, "version": job.spec.version, "environment": asked.environment}
        give_json({**plan.to_plain(), **head, **more})
    else:
        give(plan_text(plan, job, report))
    return REFUSED if plan.refusals else OK


def parse_limit(text: str) -> float:
    """Read --wait as seconds. Raises UsageError."""
    try:
        return parse_duration(text).total_seconds()
    except ValueError as error:
        raise UsageError(f"--wait: {error}") from None


async def show_run(
    job: Job, world: World, requests: Requests, given: Given, notes: list[str], *, limit_s: float
) -> int:
    """Run until rest, showing it; give the exit code. Waits for its turn no longer than the limit."""
    display = _display(job.spec)
    last: list[Record] = []

    async def observe(record: Record) -> None:
        last.append(record)
        del last[:-2]
        display.show(record)

    world = replace(world, observe=observe, requests=lambda: requests)
    began = world.clock.monotonic()
    try:
        for note in notes:
            display.note(note)
        record = await run(job, world)
        while record.state not in RESTING and record.state is not State.AWAITING_APPROVAL:
            if record.state is State.WAITING and world.clock.monotonic() - began > limit_s:
                display.note(f"Waited {given.wait} (--wait); nothing was touched. Run it again later.")
                break
            await world.clock.sleep(record.again_after_s or 5.0)
            record = await run(job, world)
    except BaseException:
        display.close()
        if last:
            say(_how_to_go_on(last[-1], job))
        raise
    if len(last) == 1 and record.finished_at is not None:
        display.note("This was run before with the same content; nothing was done now.")
    display.close()
    give_record(record, job.spec, given, shown=True)
    return code_of(record.state) if record.state in RESTING else UNSETTLED


def _how_to_go_on(record: Record, job: Job) -> str:
    if record.state in RESTING or record.state in (State.PENDING, State.WAITING, State.AWAITING_APPROVAL):
        return ""
    return (
        f"{job.name} is {record.state}; its ledger in the database knows how far it is. Run the same command again to "
        f"continue, or `backstitch rollback {job.name} --namespace {job.namespace} --database …` to undo it."
    )


def _display(spec: MigrationSpec) -> Display:
    if sys.stderr.isatty() and os.environ.get("TERM", "dumb") != "dumb":
        from backstitch.app.progress import Screen  # noqa: PLC0415 - rich takes 60 ms, only a terminal needs it

        return Screen(spec, time.monotonic)
    return Lines(spec)


def give_record(record: Record, spec: MigrationSpec, given: Given, *, shown: bool = False) -> None:
    """Give the result on stdout: JSON where asked, text where it was not shown already."""
    if given.output == "json":
        give_json(document_of(record, spec, SystemClock().now()))
    elif not shown:
        give(full_text(record, spec))


def plan_text(plan: Plan, job: Job, report: Rehearsal | None = None) -> str:
    """Give a plan for people; with times where it was rehearsed."""
    times = estimates(report) if report is not None else {}
    lines = [f"Plan of {job.name} {job.spec.version} for {job.environment} (digest {plan.digest}):"]
    phase = ""
    for step in plan.steps:
        if step.phase != phase:
            phase = step.phase
            lines.append(f"phase {phase}")
        took = f": {estimate_text(times[step.name])}" if step.name in times else ""
        lines.append(f"  step {step.name} ({step.operation}){took}")
        lines += [f"    {statement}" for statement in step.statements]
        if not step.certain:
            lines.append("    (planned when its turn comes: an earlier sql step may change what it stands on)")
        lines += [f"    NO WAY BACK, which the spec accepts: {reason}" for reason in step.no_way_back]
        lines += [f"    {hazard.level}: {hazard.message} [{hazard.id}]" for hazard in step.hazards]
    lines += [f"WARNING: {warning}" for warning in plan.warnings]
    lines += [f"REFUSED: {reason}" for reason in plan.refusals]
    return "\n".join(lines)
