# SPDX-License-Identifier: Apache-2.0
"""`backstitch roundtrip`: which files are looked at, how are the verdicts shown? engine/roundtrip.py does the work."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from backstitch.app.cli_outcome import OK, UNSETTLED, execute
from backstitch.app.logs import set_up_logs
from backstitch.app.output import give, give_json, say
from backstitch.core.errors import UsageError

if TYPE_CHECKING:
    from backstitch.core.migration_dirs import Order
    from backstitch.engine.roundtrip_result import Judgement, MigrationResult, Totals

_SUFFIXES = (".sql", ".toml", ".conf", ".plan")
_SHOWN = 5


@click.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option(
    "--database",
    metavar="URL",
    required=True,
    envvar="BACKSTITCH_DATABASE",
    help="Any database of a server to try on; scratch databases are made beside it. Also BACKSTITCH_DATABASE.",
)
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", help="Form of the result.")
@click.option("--order", type=click.Choice(["name", "number"]), help="Order of the migrations; default: the tool's.")
@click.option("--debug", is_flag=True, help="Log to stderr, and show the trace of an unexpected error.")
def roundtrip(folder: Path, database: str, output: str, order: Order | None, debug: bool) -> None:
    """Run the migrations of other tools in DIR forward, back and forward again, and tell what comes back.

    Works in scratch databases beside the given one. Exit code 0 when nothing is different, 4 when something is.
    """
    if debug:
        set_up_logs("debug")
    else:
        logging.getLogger().addHandler(logging.NullHandler())
    sys.exit(execute(_roundtrip(folder, database, output, order), output=output, debug=debug))


async def _roundtrip(folder: Path, url: str, output: str, order: Order | None) -> int:
    # imported here: --help needs no database driver
    from backstitch.adapters.clock import SystemClock  # noqa: PLC0415
    from backstitch.adapters.conninfo import parse_url  # noqa: PLC0415
    from backstitch.app.wiring import open_database  # noqa: PLC0415
    from backstitch.core.migration_dirs import read_migrations  # noqa: PLC0415
    from backstitch.engine.roundtrip import roundtrip as judge_all  # noqa: PLC0415
    from backstitch.engine.roundtrip_result import count  # noqa: PLC0415

    directory = read_migrations(read_files(folder), order)
    say(f"{len(directory.migrations)} migrations, as {directory.tool} keeps them.")
    for note in directory.notes:
        say(f"  {note}")
    results = await judge_all(
        open_database(parse_url(url)),
        directory.migrations,
        SystemClock(),
        (lambda r: say(lines_of(r)[0])) if output == "json" else (lambda r: give("\n".join(lines_of(r)))),
        directory.own_table,
    )
    totals = count(results)
    if output == "json":
        migrations = [r.to_plain() for r in results]
        give_json({"totals": totals.to_plain(), "tool": directory.tool, "migrations": migrations})
    else:
        give(totals_line(totals))
    return UNSETTLED if totals.different else OK


def read_files(folder: Path) -> dict[str, str]:
    """Give the texts of a folder and of those in it, by path with `/`. Raises UsageError when it is not there."""
    if not folder.is_dir():
        raise UsageError(f"{folder} is not a directory; give the one that holds the migrations.")
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.suffix in _SUFFIXES and path.is_file():
            # what is not UTF-8 is said of its migration, not of the whole directory
            found[path.relative_to(folder).as_posix()] = path.read_bytes().decode("utf-8-sig", "surrogateescape")
    return found


def lines_of(result: MigrationResult) -> list[str]:
    """Give one line for a migration, and below it what differs, why it is refused, and what was noted."""
    column = f"  down: {_word(result.down)}" if result.down is not None else ""
    lines = [f"{_word(result.computed):<16} {result.name}{column}"]
    lines += [f"    {line}" for line in _details(result.computed)]
    if result.down is not None:
        lines += [f"    down: {line}" for line in _details(result.down)]
    return lines + [f"    note: {note}" for note in result.notes]


def totals_line(totals: Totals) -> str:
    """Give the totals in one line."""
    return (
        f"{totals.identical} identical, {totals.identical_except} identical except, {totals.different} different, "
        f"{totals.refused} refused, {totals.failed} failed"
    )


def _word(judgement: Judgement) -> str:
    exceptions = f"[{', '.join(judgement.exceptions)}]" if judgement.exceptions else ""
    return f"{judgement.verdict}{exceptions}"


def _details(judgement: Judgement) -> list[str]:
    lines = [judgement.reason] if judgement.reason else []
    if judgement.verdict == "Different":
        lines += judgement.differences[:_SHOWN]
        more = len(judgement.differences) - _SHOWN
        lines += [f"and {more} more; -o json shows all"] if more > 0 else []
    return lines
