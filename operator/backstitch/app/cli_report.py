# SPDX-License-Identifier: Apache-2.0
"""How does `report` make a page, or its data, from what a database's ledger knows of a migration?"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from backstitch.app.cli_outcome import OK, execute
from backstitch.app.logs import redact
from backstitch.app.output import give_json, say
from backstitch.core.errors import UsageError
from backstitch.core.report import render_report
from backstitch.core.report_data import Report


@click.command()
@click.argument("name")
@click.option(
    "--database",
    metavar="URL",
    required=True,
    envvar="BACKSTITCH_DATABASE",
    help="postgresql://USER@HOST:PORT/NAME; also BACKSTITCH_DATABASE. Better keep the password out of it: "
    "PGPASSWORD or ~/.pgpass.",
)
@click.option("--namespace", "-n", metavar="NAME", help="Namespace in the ledger.")
@click.option("--rehearsal", is_flag=True, help="Only the rehearsal: would it be safe?")
@click.option(
    "-o", "--output", metavar="FILE|json", default="-", help="Where the page goes; default stdout. json: its data."
)
@click.option("--debug", is_flag=True, help="Log to stderr, and show the trace of an unexpected error.")
def report(name: str, output: str, debug: bool, **values: Any) -> None:
    """Make one HTML page about the migration NAME: what happened, is my data safe, what to do next, and the proof.

    The page loads nothing from anywhere; it can be mailed, archived and printed.
    """
    sys.exit(execute(_report(name, output, **values), output="json" if output == "json" else "text", debug=debug))


def _write(page: str, output: str) -> None:
    """Put the page where it was asked to be. Raises UsageError."""
    if output == "-":
        click.echo(page, nl=False)
        return
    try:
        Path(output).write_text(page, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{output} cannot be written: {error.strerror}.") from error
    say(f"{output} written")


async def _report(name: str, output: str, *, database: str, namespace: str | None, rehearsal: bool) -> int:
    found = _redacted(await _read(name, database, namespace))
    if rehearsal and found.rehearsal is None:
        raise UsageError(f"{name} was not rehearsed in its latest attempt; leave out --rehearsal for what there is.")
    if output == "json":
        data = found.rehearsal.to_plain() if rehearsal and found.rehearsal is not None else found.to_plain()
        give_json(data)
        return OK
    _write(render_report(found, rehearsal_only=rehearsal), output)
    return OK


def _redacted(found: Report) -> Report:
    """Give the report without what looks like a password; before it is a page, whose marks must stay whole."""

    def clean(value: Any) -> Any:
        match value:
            case str():
                return redact(value)
            case list():
                return [clean(item) for item in value]
            case dict():
                return {key: clean(item) for key, item in value.items()}
        return value

    return Report.model_validate(clean(found.model_dump(mode="json")))


async def _read(name: str, database: str, namespace: str | None) -> Report:
    from backstitch.adapters.clock import SystemClock  # noqa: PLC0415 - --help needs no database driver
    from backstitch.adapters.conninfo import parse_url  # noqa: PLC0415
    from backstitch.app.cli_ledger import unknown  # noqa: PLC0415
    from backstitch.app.wiring import open_database  # noqa: PLC0415
    from backstitch.engine.ledger import latest_entry  # noqa: PLC0415
    from backstitch.engine.ledger_schema import ledger_exists  # noqa: PLC0415
    from backstitch.engine.report import read_rehearsal_alone, read_report  # noqa: PLC0415

    target = open_database(parse_url(database))
    session = await target.connect(purpose="report", read_only=True)
    try:
        now = SystemClock().now()
        if await ledger_exists(session):
            entry = await latest_entry(session, namespace or "default", name)
            if entry is not None:
                return await read_report(session, entry, database=target.name, now=now)
            alone = await read_rehearsal_alone(session, namespace or "default", name, database=target.name, now=now)
            if alone is not None:
                return alone
        raise unknown(name, namespace)
    finally:
        await session.close()
