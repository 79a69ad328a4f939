# SPDX-License-Identifier: Apache-2.0
"""A person's word against a hazard: `-- backstitch:ignore <id> <reason>` before or in the statement it is about.

The reason is required, because somebody will ask. What cannot be run at all cannot be ignored either.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from backstitch.core.hazard import EVERYWHERE, Hazard
from backstitch.model.script import Statement

_IGNORE = re.compile(r"--\s*backstitch:ignore\b[ \t]*([\w-]*)[ \t]*([^\n]*)")


@dataclass(frozen=True)
class Remark:
    """What is to be said about an ignore comment itself."""

    id: str
    line: int
    message: str


@dataclass(frozen=True)
class Taken:
    """The hazards that are left, those that were taken back, and remarks about the comments."""

    kept: tuple[Hazard, ...]
    ignored: tuple[Hazard, ...] = ()
    remarks: tuple[Remark, ...] = ()


def take_back(hazards: Sequence[Hazard], statements: Sequence[Statement]) -> Taken:
    """Take back what the ignore comments of the statements name."""
    kept = list(hazards)
    ignored: list[Hazard] = []
    remarks: list[Remark] = []
    for statement in statements:
        for match in _IGNORE.finditer(statement.text):
            rule, reason = match.group(1), match.group(2).strip()
            line = statement.first_line + statement.text.count("\n", 0, match.start())
            if not rule or not reason:
                said = "Write the id of a rule and the reason: -- backstitch:ignore <id> <reason>."
                remarks.append(Remark("ignore-without-reason", line, said))
                continue
            of_it = [h for h in kept if h.id == rule and h.line == statement.line and h.statement == statement.excerpt]
            hits = [h for h in of_it if h.blocks_in != EVERYWHERE]
            if not hits:
                said = (
                    f"{rule} {'cannot be ignored' if of_it else 'is not found in this statement'}. Remove the comment."
                )
                remarks.append(Remark("unused-ignore", line, said))
            ignored += hits
            kept = [h for h in kept if h not in hits]
    return Taken(tuple(kept), tuple(ignored), tuple(remarks))
