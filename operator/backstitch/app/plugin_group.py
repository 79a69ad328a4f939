# SPDX-License-Identifier: Apache-2.0
"""What do the commands of `kubectl dbmigrations` share: the group, the way to the cluster, the view that follows?"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from typing import Any, NoReturn

import click
import yaml
from rich.console import Console
from rich.live import Live

from backstitch import __version__
from backstitch.adapters.kube_person import Person
from backstitch.app.cli_outcome import OK, code_of, execute
from backstitch.app.output import give
from backstitch.app.plugin_view import is_resting, migration_text, state_of
from backstitch.core.errors import BackstitchError

POLL_S = 0.5

form = click.option("-o", "--output", type=click.Choice(["text", "json", "yaml"]), default="text", help="Form.")
wait = click.option("--wait", is_flag=True, help="Watch until it rests; the exit code is its end's.")


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="kubectl dbmigrations")
@click.option("-n", "--namespace", metavar="NAME", help="Namespace; default: that of the kubeconfig's context.")
@click.option("--context", metavar="NAME", help="Context of the kubeconfig.")
@click.pass_context
def plugin(ctx: click.Context, namespace: str | None, context: str | None) -> None:
    """Look after DatabaseMigrations in a cluster. What needs no cluster: `backstitch --help`."""
    ctx.obj = {"namespace": namespace, "context": context}


def do(ctx: click.Context, work: Callable[[Person], Awaitable[int]], *, output: str = "text") -> NoReturn:
    """Do a command's work at the cluster and leave with its exit code."""

    async def connected() -> int:
        person = await Person.connect(**ctx.find_root().obj)
        try:
            return await work(person)
        finally:
            await person.close()

    sys.exit(execute(connected(), output="json" if output == "json" else "text", debug=False))


def give_value(value: Any, output: str) -> None:
    """Give a value on stdout as JSON or YAML."""
    give(json.dumps(value, indent=2) if output == "json" else yaml.safe_dump(value, sort_keys=False).rstrip())


def console() -> Console:
    """Give the terminal; without colours where stdout is none."""
    wide = None if sys.stdout.isatty() else 500  # a pipe cuts nothing off
    return Console(soft_wrap=True, highlight=False, width=wide)


def complete_names(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    """Give the names of migrations that begin so; none where the cluster does not answer."""

    async def names() -> list[str]:
        person = await Person.connect(**ctx.find_root().params)
        try:
            return [body["metadata"]["name"] for body in await person.all()]
        finally:
            await person.close()

    try:
        return [name for name in asyncio.run(names()) if name.startswith(incomplete)]
    except BackstitchError:
        return []


name = click.argument("name", shell_complete=complete_names)


async def watch(person: Person, name: str, *, live: bool) -> int:
    """Show a migration until it rests, or once; give the exit code of its end, 0 while it is under way."""
    body = await person.read(name)
    if live and not is_resting(body):
        with Live(migration_text(body), console=console(), refresh_per_second=4) as screen:
            while not is_resting(body):
                await asyncio.sleep(POLL_S)
                body = await person.read(name)
                screen.update(migration_text(body))
    else:
        console().print(migration_text(body))
    return code_of(state_of(body)) if is_resting(body) else OK
