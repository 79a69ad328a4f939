# SPDX-License-Identifier: Apache-2.0
"""How does `kubectl dbmigrations` start, and what does it complete? Commands: plugin_look, plugin_requests."""

from __future__ import annotations

import sys
from typing import NoReturn

import click
from click.shell_completion import ShellComplete

from backstitch.app import plugin_look, plugin_requests
from backstitch.app.cli import lint
from backstitch.app.cli_outcome import OK, UNSETTLED, WRONG_USAGE
from backstitch.app.output import say
from backstitch.app.plugin_group import plugin
from backstitch.core.errors import BackstitchError

COMMANDS = (plugin_look, plugin_requests)  # imported for the commands they add
NO_FILES = 4  # kubectl's directive: complete nothing but what is given

plugin.add_command(lint)


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run the plugin and leave with its exit code: 0 done, 1 wrong usage, else as `backstitch run`."""
    try:
        plugin.main(args=arguments, prog_name="kubectl dbmigrations", standalone_mode=False)
    except click.ClickException as error:
        usage = f"{error.ctx.get_usage()}\n" if isinstance(error, click.UsageError) and error.ctx else ""
        say(f"{usage}Error: {error.format_message()}")
        sys.exit(WRONG_USAGE)
    except click.Abort:
        say("Nothing was done.")
        sys.exit(WRONG_USAGE)
    except BackstitchError as error:
        say(f"Error ({error.reason}): {error.message}")
        sys.exit(UNSETTLED)
    sys.exit(OK)


def complete(arguments: list[str] | None = None) -> None:
    """Answer as kubectl_complete-dbmigrations: one completion a line, then what kubectl may add itself."""
    words = list(sys.argv[1:] if arguments is None else arguments) or [""]
    found = ShellComplete(plugin, {}, "kubectl dbmigrations", "_UNUSED").get_completions(words[:-1], words[-1])
    for item in found:
        click.echo(f"{item.value}\t{item.help}" if item.help else item.value)
    click.echo(f":{NO_FILES}")
