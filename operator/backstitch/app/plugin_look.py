# SPDX-License-Identifier: Apache-2.0
"""What does a person see of migrations in a cluster, and how do they say yes to a plan?"""

from __future__ import annotations

import asyncio
import json
import sys
from datetime import UTC, datetime
from typing import Any

import click
import yaml

from backstitch.adapters.kube import TARGETS
from backstitch.adapters.kube_person import Person
from backstitch.app.cli_outcome import OK, UNSETTLED
from backstitch.app.output import give, say
from backstitch.app.plugin_group import console, do, form, give_value, plugin
from backstitch.app.plugin_group import name as name_argument
from backstitch.app.plugin_group import watch as watch_migration
from backstitch.app.plugin_view import history_table, plan_text, state_of
from backstitch.core.errors import UsageError


@plugin.command()
@name_argument
@click.option("-w", "--watch", is_flag=True, help="Live, until it rests; the exit code is its end's.")
@form
@click.pass_context
def status(ctx: click.Context, name: str, watch: bool, output: str) -> None:
    """Show the migration NAME: phases, steps, rows, locks, checks, time left."""

    async def work(person: Person) -> int:
        if output == "text":
            code = await watch_migration(person, name, live=watch)
            return code if watch else OK
        give_value(await person.read(name), output)
        return OK

    do(ctx, work, output=output)


@plugin.command()
@click.option("--target", metavar="NAME", help="Only of this MigrationTarget.")
@form
@click.pass_context
def history(ctx: click.Context, target: str | None, output: str) -> None:
    """List the migrations of the namespace in the order of their versions."""

    async def work(person: Person) -> int:
        found = [b for b in await person.all() if target in (None, b["spec"]["targetRef"]["name"])]
        if output == "text":
            console().print(history_table(found))
        else:
            give_value(found, output)
        return OK

    do(ctx, work, output=output)


@plugin.command()
@name_argument
@form
@click.pass_context
def plan(ctx: click.Context, name: str, output: str) -> None:
    """Show the plan of NAME while it waits for a yes or its window."""

    async def work(person: Person) -> int:
        body = await _with_plan(person, name)
        if output == "text":
            console().print(plan_text(body))
        else:
            give_value({"planDigest": body["status"]["planDigest"], **body["status"]["plan"]}, output)
        return OK

    do(ctx, work, output=output)


async def _with_plan(person: Person, name: str) -> dict[str, Any]:
    body = await person.read(name)
    if not (body.get("status") or {}).get("plan"):
        raise UsageError(
            f"{name} is {state_of(body)}: its status holds a plan only while it waits for a yes or its window. "
            "`backstitch plan FILE --database URL` makes one at any time."
        )
    return body


@plugin.command()
@name_argument
@click.option("--digest", metavar="DIGEST", help="The plan I have read; without it I am asked on the terminal.")
@click.option("--valid-for", metavar="DURATION", help="How long my yes holds; default 24h.")
@click.option("--comment", metavar="TEXT", help="What others should know.")
@click.pass_context
def approve(ctx: click.Context, name: str, digest: str | None, valid_for: str | None, comment: str | None) -> None:
    """Say yes to the plan of NAME, in my own name."""

    async def work(person: Person) -> int:
        body = await _with_plan(person, name)
        current = body["status"]["planDigest"]
        if digest is None:
            console().print(plan_text(body))
            if not sys.stdin.isatty():
                raise UsageError(f"Nobody is there to ask. Read the plan, then give --digest {current}")
            click.confirm("Approve this plan?", abort=True, err=True)
        elif digest != current:
            raise UsageError(
                f"The plan has digest {current} now, not {digest}. Read it: kubectl dbmigrations plan {name}"
            )
        who = await person.name()
        optional = {"validFor": valid_for, "comment": comment}
        spec = {"migrationRef": {"name": name}, "planDigest": current, "approver": who}
        stamp = f"{datetime.now(UTC):%Y%m%d%H%M%S}"
        await person.approve(f"{name}-{stamp}", spec | {key: text for key, text in optional.items() if text})
        say(f"{who} approves plan {current[:12]} of {name}.")
        return OK

    do(ctx, work)


@plugin.command()
@name_argument
@form
@click.pass_context
def diff(ctx: click.Context, name: str, output: str) -> None:
    """Show what differs: after a rollback of NAME from its start, and on its target from what was last left."""

    async def work(person: Person) -> int:
        body = await person.read(name)
        target = await person.read(body["spec"]["targetRef"]["name"], TARGETS)
        rollback = (body.get("status") or {}).get("rollback") or {}
        found = {
            "rollback": {key: rollback[key] for key in ("verdict", "exceptions", "differences") if key in rollback},
            "drift": (target.get("status") or {}).get("drift"),
        }
        if output == "text":
            give(yaml.safe_dump(found, sort_keys=False).rstrip())
        else:
            give_value(found, output)
        return OK

    do(ctx, work, output=output)


@plugin.command()
@name_argument
@click.option("--operator-namespace", default="backstitch", show_default=True, help="Where the operator's pods are.")
@click.option("--since", default="1h", show_default=True, help="How far back.")
@click.pass_context
def logs(ctx: click.Context, name: str, operator_namespace: str, since: str) -> None:
    """Show what the operator's pods logged about NAME. Needs the right to read their logs."""

    async def work(person: Person) -> int:
        argv = ["kubectl", "logs", "-n", operator_namespace, "-l", "app.kubernetes.io/name=backstitch"]
        argv += ["--tail=-1", f"--since={since}", "--prefix=false"]
        context = ctx.find_root().obj["context"]
        argv += [f"--context={context}"] if context else []
        child = await asyncio.create_subprocess_exec(*argv, stdout=asyncio.subprocess.PIPE)
        out, _ = await child.communicate()
        for line in out.decode(errors="replace").splitlines():
            if _is_about(line, person.namespace, name):
                give(line)
        return OK if child.returncode == 0 else UNSETTLED

    do(ctx, work)


def _is_about(line: str, namespace: str, name: str) -> bool:
    try:
        entry = json.loads(line)
    except ValueError:
        return False
    return bool(entry.get("object") == name and entry.get("namespace") == namespace)
