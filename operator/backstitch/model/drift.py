# SPDX-License-Identifier: Apache-2.0
"""How does a database's schema differ from the one that its last migration left, or that a person accepted?"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from backstitch.model.base import Frozen

SHOWN = 20


class Drift(Frozen):
    """What is not as it was left. Names are as `column nick of public.users`; a new table stands for its parts."""

    left_by: str  # for people: who left the schema that this is compared with
    left_at: datetime
    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()

    @property
    def is_there(self) -> bool:
        """Tell whether anything differs."""
        return bool(self.added or self.changed or self.removed)

    def lines(self) -> tuple[str, ...]:
        """Give one line per object, at most 20, saying how many more there are."""
        found = [
            *(f"added: {name}" for name in self.added),
            *(f"changed: {name}" for name in self.changed),
            *(f"removed: {name}" for name in self.removed),
        ]
        more = len(found) - SHOWN
        return tuple(found) if more <= 0 else (*found[:SHOWN], f"… and {more} more")

    def __str__(self) -> str:
        if not self.is_there:
            return f"The schema is as {self.left_by} left it."
        return (
            f"The schema is not as {self.left_by} left it at {self.left_at:%Y-%m-%d %H:%M}: "
            + "; ".join(self.lines())
            + "."
        )


def without_parts(names: Iterable[str]) -> tuple[str, ...]:
    """Leave out what belongs to a table that is named itself; sorted."""
    found = set(names)
    whole = {name.partition(" ")[2] for name in found if name.startswith(("table ", "view ", "materialized view "))}
    return tuple(sorted(n for n in found if n.rpartition(" of ")[2] not in whole or " of " not in n))
