# SPDX-License-Identifier: Apache-2.0
"""What of `kubectl describe` does somebody read first? The long text of a migration, cut down to that."""

from __future__ import annotations

import re
from collections.abc import Iterator

_SHOWN = ("Backup", "Checks", "Conditions", "Message", "Rollback", "State")
_HIDDEN = ("Attempts", "Bytes", "Digest", "Duration Ms", "Observed Generation", "sha256", "Last Transition Time")
_CONDITIONS = ("BackedUp", "Verified", "RolledBack", "Ready")


def shorten(text: str) -> list[str]:
    """Give the lines about the status and the events: no spec, no steps, four of the conditions."""
    status = text[text.index("\nStatus:") + 1 :]
    body, _, events = status.partition("\nEvents:")
    lines = ["Status:"]
    for key, block in _blocks(body.splitlines()[1:]):
        if key == "Conditions":
            lines += [block[0], *_conditions(block[1:])]
        elif key in _SHOWN:
            lines += [line for line in block if _key(line) not in _HIDDEN]
    return [*lines, "Events:", *events.splitlines()[1:]]


def _blocks(lines: list[str]) -> Iterator[tuple[str, list[str]]]:
    """Split at the keys that are indented by two."""
    block: list[str] = []
    for line in lines:
        if re.match(r"  \S", line) and block:
            yield _key(block[0]), block
            block = []
        block.append(line)
    if block:
        yield _key(block[0]), block


def _key(line: str) -> str:
    return line.strip().partition(":")[0]


def _conditions(lines: list[str]) -> list[str]:
    """Give one line per condition; kubectl prints their fields below each other, with Type as the last."""
    shown, fields = [], {}
    for line in lines:
        key, _, value = line.strip().partition(":")
        fields[key] = value.strip()
        if key == "Type":
            if fields["Type"] in _CONDITIONS:
                head = f"{fields['Type']}={fields['Status']}"
                shown.append(f"    {head:<16}  {fields['Reason']}: {fields['Message']}")
            fields = {}
    return shown
