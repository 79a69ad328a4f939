# SPDX-License-Identifier: Apache-2.0
"""`drift`, `adopt` and `close`: what differs from the schema that was left, who accepts it, and who ends the time in
which a migration can be taken back?"""

from __future__ import annotations

import logging
import os
import secrets
import sys
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import click

from backstitch.app.cli_outcome import OK, REFUSED, code_of, execute
from backstitch.app.logs import set_up_logs
from backstitch.app.output import give, give_json, say

if TYPE_CHECKING:
    from backstitch.engine.adopt import Adoption

F = TypeVar("F", bound=Callable[..., Any])


def _common(command: F) -> F:
    options = (
        click.option(
            "--database", metavar="URL", required=True, envvar="BACKSTITCH_DATABASE",
            help="postgresql://USER@HOST:PORT/NAME; also BACKSTITCH_DATABASE.",
        ),
        click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", help="Form of the result."),
        click.option("--role", metavar="NAME", help="SET ROLE to this one; the owner of the tables."),
        click.option("--debug", is_flag=True, help="Log to stderr, and show the trace of an unexpected error."),
    )  # fmt: skip
    for option in reversed(options):
        command = option(command)
    return command


def _run(work: Coroutine[Any, Any, int], output: str, debug: bool) -> NoReturn:
    if debug:
        set_up_logs("debug")
    else:
        logging.getLogger().addHandler(logging.NullHandler())
    sys.exit(execute(work, output=output, debug=debug))


@click.command()
@_common
def drift(database: str, output: str, role: str | None, debug: bool) -> None:
    """Show what somebody else has changed in the schema since the last migration.

    Exit code 0 when nothing has, 2 when something has, or when nothing is known to compare with.
    """
    _run(_drift(database, output, role), output, debug)


async def _drift(url: str, output: str, role: str | None) -> int:
    # imported here, as below: --help needs no database driver
    from backstitch.adapters.conninfo import parse_url  # noqa: PLC0415
    from backstitch.app.wiring import open_database  # noqa: PLC0415
    from backstitch.engine.shape import find_drift  # noqa: PLC0415

    session = await open_database(parse_url(url), role=role).connect(purpose="drift", read_only=True)
    try:
        found = await find_drift(session)
    finally:
        await session.close()
    if output == "json":
        give_json({"known": found is not None, "drifted": bool(found and found.is_there),
                   **(found.to_plain() if found else {})})  # fmt: skip
    elif found is None:
        give("Nobody has taken this schema down yet: no migration of ours has ended here. `backstitch adopt` does it.")
    else:
        give("\n".join([str(found).partition(": ")[0] + ":", *(f"  {line}" for line in found.lines())])
             if found.is_there else str(found))  # fmt: skip
    return OK if found is not None and not found.is_there else REFUSED


@click.command()
@_common
@click.option(
    "--from", "source", metavar="TOOL|TABLE|none", help="Whose history says the version, where there are more."
)
@click.option("--version", metavar="VERSION", help="The version that the schema has, whatever a history says.")
@click.option("--dry-run", is_flag=True, help="Only tell what it would do.")
def adopt(
    database: str, output: str, role: str | None, debug: bool, source: str | None, version: str | None, dry_run: bool
) -> None:
    """Take an existing database in: its schema as it is now is the one that later looks compare with.

    Reads how far Flyway, golang-migrate, Prisma, Alembic, sqitch, Liquibase, dbmate, goose, Rails or Ecto have come.
    Writes to our own ledger only. After a drift it accepts what has changed. Exit code 2 when you must choose.
    """
    _run(_adopt(database, output, role, source, version, dry_run), output, debug)


async def _adopt(
    url: str, output: str, role: str | None, source: str | None, version: str | None, dry_run: bool
) -> int:
    from backstitch.adapters.conninfo import parse_url  # noqa: PLC0415
    from backstitch.app.wiring import open_database, open_world  # noqa: PLC0415
    from backstitch.engine.adopt import adopt as take_in  # noqa: PLC0415

    world = open_world(open_database(parse_url(url), role=role))
    done = await take_in(world, source=source, version=version, dry_run=dry_run)
    if output == "json":
        give_json({
            "version": done.version, "from": done.history.table if done.history else None,
            "tool": done.history.tool if done.history else None, "objects": done.objects, "changed": done.changed,
            "dryRun": dry_run, "drift": done.drift.to_plain() if done.drift else None,
        })  # fmt: skip
    else:
        give(adoption_text(done, dry_run=dry_run))
    return OK


def adoption_text(done: Adoption, *, dry_run: bool) -> str:
    """Say what taking a database in has meant, or would mean."""
    lines = []
    if done.history is not None:
        lines.append(
            f"{done.history.tool} has come to {done.history.version or 'no version'} ({done.history.table}, "
            f"{done.history.applied} applied)."
        )
    if done.drift is not None and done.drift.is_there:
        lines += [str(done.drift).partition(": ")[0] + ":", *(f"  {line}" for line in done.drift.lines())]
    verb = "Would know" if dry_run else "Knows"
    if done.changed:
        lines.append(
            f"{verb} the schema as it is from now on: {done.objects} objects, version {done.version or 'none'}."
        )
    else:
        lines.append(f"Nothing to do: this schema is known, version {done.version or 'none'}.")
    return "\n".join(lines)


@click.command()
@click.argument("name")
@_common
@click.option("--namespace", "-n", metavar="NAME", help="Namespace in the ledger; default: default.")
@click.option("--wait", default="10m", metavar="DURATION", help="How long to wait for a turn; default 10m.")
@click.option("--backup-to", metavar="URL", help="Where contract phases put their backup; see `backstitch run`.")
def close(name: str, debug: bool, **values: Any) -> None:
    """End the revert window of the migration NAME now, and run its contract phases.

    What was kept for its rollback goes. Exit code 0 when the window is closed and all is done.
    """
    _run(_close(name, values), values["output"], debug)


async def _close(name: str, values: dict[str, Any]) -> int:
    from backstitch.adapters.conninfo import parse_url  # noqa: PLC0415
    from backstitch.app.cli_ledger import environment_of, read_ledger  # noqa: PLC0415
    from backstitch.app.cli_run import Given, give_record, parse_limit, show_run  # noqa: PLC0415
    from backstitch.app.wiring import (  # noqa: PLC0415
        open_database,
        open_storage,
        open_tools,
        open_world,
        plan_backup,
    )
    from backstitch.engine.job import Job, Requests  # noqa: PLC0415
    from backstitch.model.revert import contract_of  # noqa: PLC0415
    from backstitch.model.states import State  # noqa: PLC0415

    given = Given(**values)
    settings = parse_url(given.database)
    database = open_database(settings, role=given.role)
    world = open_world(database)
    entry, before = await read_ledger(world, name, given.namespace)
    if before.state is not State.SUCCEEDED:
        say(f"{name} is {before.state}; only one that succeeded has a revert window.")
        give_record(before, entry.whole, given)
        return REFUSED
    notes = [f"Closing the revert window of {name} {entry.version} on {settings.where}."]
    if contract_of(entry.whole) is not None:
        plan = plan_backup(given.backup_to, None, environment_of(entry), os.environ)
        notes.append(plan.said)
        if plan.storage is not None:
            tools, why_not = await open_tools(database, given.role, required=environment_of(entry) != "development")
            if tools is None:
                notes[-1] = f"No backup is taken: {why_not}"
            else:
                world = replace(world, archiver=tools, store=open_storage(plan.storage, os.environ))
    job = Job(
        namespace=entry.namespace,
        name=entry.name,
        spec=entry.whole,
        environment=environment_of(entry),
        sources=entry.sources,
        owner_role=given.role,
    )
    code = await show_run(
        job, world, Requests(close=secrets.token_hex(8)), given, notes, limit_s=parse_limit(given.wait)
    )
    _, after = await read_ledger(world, name, entry.namespace)
    inner = after.contract.state if after.contract else None
    return code if inner is None else code_of(inner)
