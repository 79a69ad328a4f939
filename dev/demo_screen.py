# SPDX-License-Identifier: Apache-2.0
"""How does the demo talk? One `▸` line per thing it does, commands after `$`, and what they print after `│`."""

from __future__ import annotations

import os
import sys
import textwrap
import time
from dataclasses import dataclass

_WIDTH = 118
_BEGUN = time.monotonic()
_COLOURS = {"bold": "1", "dim": "2", "green": "32", "yellow": "33", "red": "31", "cyan": "36"}


def _paint(text: str, colour: str) -> str:
    wanted = sys.stdout.isatty() and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"
    return f"\x1b[{_COLOURS[colour]}m{text}\x1b[0m" if wanted else text


def _print(text: str = "") -> None:
    print(text, flush=True)


def title(text: str) -> None:
    """Begin a part of the demo."""
    _print()
    _print(_paint(f"━━ {text} {'━' * max(4, _WIDTH - len(text) - 4)}", "bold"))


def step(text: str) -> None:
    """Say what is done now."""
    at = f"[{time.monotonic() - _BEGUN:3.0f} s] "
    lines = textwrap.wrap(text, _WIDTH - 2, subsequent_indent="  ")
    _print(_paint("▸ ", "cyan") + _paint(at, "dim") + "\n".join(lines))


def explain(text: str) -> None:
    """Say more about it, wrapped and indented."""
    _print(textwrap.fill(" ".join(text.split()), _WIDTH, initial_indent="  ", subsequent_indent="  "))


def command(text: str) -> None:
    """Show a command as a person would type it."""
    _print(_paint(f"  $ {text}", "bold"))


def output(line: str) -> None:
    """Show one line that a command printed."""
    line = line.rstrip()
    indent = len(line) - len(line.lstrip()) + 4
    parts = textwrap.wrap(line, _WIDTH - 4, subsequent_indent=" " * indent, replace_whitespace=False) or [""]
    for part in parts if len(line) > _WIDTH - 4 else [line]:
        _print(_paint("  │ ", "dim") + part)


def table(text: str) -> None:
    """Show a table that kubectl printed, unwrapped: a terminal may be wide enough."""
    for line in text.splitlines():
        _print(_paint("  │ ", "dim") + line.rstrip())


def document(text: str) -> None:
    """Show a file's content, without its head of comments."""
    lines = text.rstrip().splitlines()
    while lines and lines[0].startswith("#"):
        del lines[0]
    for line in lines:
        _print(_paint(f"  │ {line}", "dim"))


def good(text: str) -> None:
    """Say that something holds."""
    _print(
        textwrap.fill(text, _WIDTH, initial_indent="  ", subsequent_indent="    ").replace(
            "  ", _paint("  ✔ ", "green"), 1
        )
    )


def bad(text: str) -> None:
    """Say that something does not hold."""
    _print(_paint(f"  ✘ {text}", "red"))


@dataclass
class Claims:
    """What a story promised and whether it held; `failed` ends up in the exit code."""

    held: int = 0
    failed: int = 0

    def claim(self, holds: bool, text: str, otherwise: str) -> None:
        """Say that something holds, or what was found instead."""
        if holds:
            self.held += 1
            good(text)
        else:
            self.failed += 1
            bad(otherwise)
