# SPDX-License-Identifier: Apache-2.0
"""Which commands are there, with which options? Each is a few lines; the work is in cli_run.py and cli_lint.py."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import click

from backstitch import __version__
from backstitch.app.cli_outcome import OK, REFUSED, UNSETTLED, WRONG_USAGE, execute, tell_unexpected
from backstitch.app.cli_rehearse import rehearse
from backstitch.app.cli_report import report
from backstitch.app.cli_roundtrip import roundtrip
from backstitch.app.cli_schema import adopt, close, drift
from backstitch.app.logs import set_up_logs
from backstitch.app.output import give, say
from backstitch.core.errors import BackstitchError

F = TypeVar("F", bound=Callable[..., Any])
A_FILE = click.Path(path_type=Path)
ENVIRONMENTS = ("development", "staging", "production")


def _options(*options: Callable[[F], F]) -> Callable[[F], F]:
    def decorate(command: F) -> F:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


database = click.option(
    "--database",
    metavar="URL",
    required=True,
    envvar="BACKSTITCH_DATABASE",
    help="postgresql://USER@HOST:PORT/NAME; also BACKSTITCH_DATABASE. Better keep the password out of it: "
    "PGPASSWORD or ~/.pgpass.",
)
output = click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", help="Form of the result.")
namespace = click.option("--namespace", "-n", metavar="NAME", help="Namespace in the ledger; default: the file's.")
environment = click.option("--environment", type=click.Choice(ENVIRONMENTS), help="Whose rules hold.")
beside = click.option(
    "--with", "beside", multiple=True, type=A_FILE, metavar="FILE", help="File with ConfigMaps or the MigrationTarget."
)
role = click.option("--role", metavar="NAME", help="SET ROLE to this one; the owner of the tables.")
wait = click.option("--wait", default="10m", metavar="DURATION", help="How long to wait for a turn; default 10m.")
debug = click.option("--debug", is_flag=True, help="Log to stderr, and show the trace of an unexpected error.")


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="backstitch")
def cli() -> None:
    """Migrations of PostgreSQL that end Succeeded, or RolledBack and proven equal.

    Exit codes: 0 Succeeded, 1 wrong usage, 2 Refused, 3 RolledBack, 4 NeedsHelp or Stopped.
    """


def _run(work: Any, *, output: str, debug: bool) -> NoReturn:
    """Run a command's work and leave with its exit code."""
    if debug:
        set_up_logs("debug")
    else:
        logging.getLogger().addHandler(logging.NullHandler())
    sys.exit(execute(work, output=output, debug=debug))


def _given(**values: Any) -> Any:
    from backstitch.app.cli_run import Given  # noqa: PLC0415 - `crd` and --help need no database driver

    return Given(**values)


@cli.command()
@click.argument("file", type=A_FILE)
@_options(database, output, namespace, environment, role, beside, wait, debug)
@click.option(
    "--backup-to", metavar="URL", help="file:///directory or s3://bucket/prefix (keys from AWS_*); `none`: no backup."
)
@click.option("--approve", metavar="DIGEST", help="My yes to the plan with this digest, as `plan` shows it.")
@click.option("--without-rehearsal", metavar="WHY", help="Go without the rehearsal that production asks for.")
@click.option("--retry", is_flag=True, help="Try again what was rolled back or stopped, although nothing changed.")
def run(file: Path, debug: bool, **values: Any) -> None:
    """Run the migration in FILE until it rests."""
    from backstitch.app.cli_run import run_file  # noqa: PLC0415

    _run(run_file(file, _given(**values)), output=values["output"], debug=debug)


@cli.command()
@click.argument("file", type=A_FILE)
@_options(database, output, namespace, environment, role, beside, debug)
def plan(file: Path, debug: bool, **values: Any) -> None:
    """Show every statement the migration in FILE would run; touches nothing."""
    from backstitch.app.cli_run import plan_file  # noqa: PLC0415

    _run(plan_file(file, _given(**values)), output=values["output"], debug=debug)


@cli.command()
@click.argument("name", required=False)
@_options(database, output, namespace, debug)
def status(name: str | None, debug: bool, **values: Any) -> None:
    """Show what the database knows of the migration NAME, or of all."""
    from backstitch.app.cli_ledger import list_migrations, status_of_name  # noqa: PLC0415

    given = _given(**values)
    _run(status_of_name(name, given) if name else list_migrations(given), output=values["output"], debug=debug)


@cli.command()
@click.argument("name")
@_options(database, output, namespace, role, wait, debug)
def rollback(name: str, debug: bool, **values: Any) -> None:
    """Undo the migration NAME: one that is unfinished, or one that succeeded, within its revert window.

    Exit code 0 when it is undone and proven, 2 when it cannot be.
    """
    from backstitch.app.cli_ledger import rollback_name  # noqa: PLC0415

    _run(rollback_name(name, _given(**values)), output=values["output"], debug=debug)


@cli.command()
@click.argument("what", metavar="FILE|NAME")
@click.option("--database", metavar="URL", default="", envvar="BACKSTITCH_DATABASE", help="Fills in what was measured.")
@_options(output, namespace, environment, beside, debug)
def export(what: str, debug: bool, **values: Any) -> None:
    """Write a migration as a migration_orchestration document; with --database, with what was measured."""
    from backstitch.app.cli_ledger import export as work  # noqa: PLC0415

    file = Path(what) if Path(what).is_file() or what == "-" else None
    _run(work(what, file, _given(**values)), output=values["output"], debug=debug)


@cli.command()
@_options(database, output, debug)
def purge(debug: bool, **values: Any) -> None:
    """Give up what is kept for rollbacks whose revert window has ended."""
    from backstitch.app.cli_ledger import purge_database  # noqa: PLC0415

    _run(purge_database(_given(**values)), output=values["output"], debug=debug)


@cli.command()
@click.argument("paths", nargs=-1, required=True, type=A_FILE)
@click.option("-o", "--output", type=click.Choice(["text", "json", "sarif"]), default="text", help="Form of the result")
@click.option("--environment", type=click.Choice(ENVIRONMENTS), default="production", help="Whose rules hold.")
def lint(paths: tuple[Path, ...], output: str, environment: Any) -> None:
    """Look for what is wrong in migrations and SQL files, without a database. Exit code 2 on errors."""
    from backstitch.app.cli_lint import blocks, lint_paths  # noqa: PLC0415
    from backstitch.core.lint import to_json, to_sarif, to_text  # noqa: PLC0415

    found = lint_paths(paths, environment)
    match output:
        case "text":
            give(to_text(found).rstrip("\n"))
        case "json":
            give(to_json(found).rstrip("\n"))
        case _:
            give(to_sarif(found, __version__).rstrip("\n"))
    sys.exit(REFUSED if blocks(found, environment) else OK)


@cli.command()
@click.option("--write", "folder", type=A_FILE, metavar="FOLDER", help="Write one file per CRD there.")
def crd(folder: Path | None) -> None:
    """Print the CustomResourceDefinitions, for `kubectl apply --server-side -f -`."""
    from backstitch.model.crd import crd_files  # noqa: PLC0415

    if folder is None:
        give("".join(crd_files().values()))
        return
    for name, text in crd_files().items():
        (folder / name).write_text(text, encoding="utf-8")
        say(f"{folder / name} written")


@cli.command()
def operator() -> None:
    """Run the operator in a cluster; its settings are BACKSTITCH_* of the environment."""
    from backstitch.app.operator import serve  # noqa: PLC0415
    from backstitch.app.settings import read_settings  # noqa: PLC0415

    try:
        asyncio.run(serve(read_settings(os.environ)))
    except BackstitchError:
        raise
    except Exception:
        # a pod has no terminal and perhaps no place for a file: the trace goes where its log goes, as JSON
        logging.getLogger("backstitch").exception("the operator ended by a fault of its own")
        sys.exit(UNSETTLED)


cli.add_command(report)
cli.add_command(rehearse)
cli.add_command(roundtrip)
for command in (drift, adopt, close):
    cli.add_command(command)


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run the command line and leave with its exit code; wrong usage is 1, whatever click would say."""
    try:
        cli.main(args=arguments, prog_name="backstitch", standalone_mode=False)
    except click.ClickException as error:
        usage = f"{error.ctx.get_usage()}\n" if isinstance(error, click.UsageError) and error.ctx else ""
        say(f"{usage}Error: {error.format_message()}")
        sys.exit(WRONG_USAGE)
    except click.Abort:
        sys.exit(130)
    except BackstitchError as error:
        say(f"Error ({error.reason}): {error.message}")
        sys.exit(WRONG_USAGE)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else Python complains again at exit
        sys.exit(WRONG_USAGE)
    except Exception as error:
        tell_unexpected(error, output="text", debug="--debug" in sys.argv)
        sys.exit(UNSETTLED)
    sys.exit(OK)
