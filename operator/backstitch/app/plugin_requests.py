# SPDX-License-Identifier: Apache-2.0
"""How does a person ask something of a migration in a cluster: retry, rollback, cancel, close, pause, resume?"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import click

from backstitch.adapters.kube_person import Person
from backstitch.app.cli_outcome import OK
from backstitch.app.output import say
from backstitch.app.plugin_group import POLL_S, do, plugin
from backstitch.app.plugin_group import name as name_argument
from backstitch.app.plugin_group import wait as wait_option
from backstitch.app.plugin_group import watch as watch_migration
from backstitch.model.names import CANCEL, CLOSE, PAUSE, RETRY, ROLLBACK


def _request(command: str, annotation: str, help_: str, said: str) -> None:
    @plugin.command(command, help=help_)
    @name_argument
    @wait_option
    @click.pass_context
    def request(ctx: click.Context, name: str, wait: bool) -> None:
        async def work(person: Person) -> int:
            token = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%fZ}"  # each new value is one request
            await person.annotate(name, annotation, token)
            say(f"{name}: {said}.")
            if not wait:
                return OK
            await _until_answered(person, name, f"{command}:{token}")
            return await watch_migration(person, name, live=True)

        do(ctx, work)


async def _until_answered(person: Person, name: str, request: str) -> None:
    """The operator writes down each request it has acted on."""
    while True:
        if request in ((await person.read(name)).get("status") or {}).get("handledRequests", []):
            return
        await asyncio.sleep(POLL_S)


_request("retry", RETRY, "Try NAME again as it is.", "asked to try again")
_request("rollback", ROLLBACK, "Undo NAME, finished or not, within its revert window.", "asked to roll back")
_request("cancel", CANCEL, "Stop NAME; what it has changed is undone.", "asked to stop")
_request("close", CLOSE, "End the revert window of NAME now.", "asked to end the revert window")


@plugin.command()
@name_argument
@click.pass_context
def pause(ctx: click.Context, name: str) -> None:
    """Hold NAME between two steps or batches. Its deadline goes on."""
    do(ctx, lambda person: _set_pause(person, name, f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}", "paused"))


@plugin.command()
@name_argument
@click.pass_context
def resume(ctx: click.Context, name: str) -> None:
    """Let a paused NAME go on where it was."""
    do(ctx, lambda person: _set_pause(person, name, None, "resumed"))


async def _set_pause(person: Person, name: str, value: str | None, said: str) -> int:
    await person.annotate(name, PAUSE, value)
    say(f"{name}: {said}.")
    return OK
