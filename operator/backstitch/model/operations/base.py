# SPDX-License-Identifier: Apache-2.0
"""What every operation answers: may it run, what does it do, what is the way back, is it done?

All answers are functions of plain values. `forward` gives units that carry their own `backward`, so that the two
directions cannot drift apart. Plans call these on facts that earlier steps of the same migration would have
changed (`after`); the engine calls `forward` again on the real catalog when the step starts, and stores the result.
"""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from backstitch.model.base import Frozen
from backstitch.model.facts import Facts, Table
from backstitch.model.sql import parse_name
from backstitch.model.units import Unit


class StepContext(Frozen):
    """What an operation may know when it answers."""

    facts: Facts
    step: str  # the step's name
    token: str  # eight hex digits, the same for every attempt of one migration: for reserved names
    ordinal: int = 0  # position of the step in the migration
    sources: dict[str, str] = Field(default_factory=dict)  # "configmap/key" -> text, already read


class Operation(Frozen):
    """Base of the operations; subclasses are what a person writes below `steps[].<kind>`."""

    kind: ClassVar[str]
    destructive: ClassVar[bool] = False  # takes something away that the application may still use
    data: ClassVar[bool] = False  # changes rows

    def tables(self) -> tuple[str, ...]:
        """Give the tables this operation names, as written."""
        return ()

    def refuse(self, context: StepContext) -> tuple[str, ...]:
        """Give the reasons why this cannot run on these facts; () when it can. Each names object and way out."""
        raise NotImplementedError  # pragma: no cover

    def forward(self, context: StepContext) -> tuple[Unit, ...]:
        """Give the units to run, in order; each carries its own way back."""
        raise NotImplementedError  # pragma: no cover

    def after(self, context: StepContext) -> Facts:
        """Give the facts as they will be once this is done."""
        return context.facts

    def done_when(self, facts: Facts) -> bool:
        """Tell from the real catalog whether the goal of this operation is there."""
        return True


def missing_table(facts: Facts, name: str) -> str | None:
    """Give the refusal for a table that is not there, or None when it is (or may be: facts not certain)."""
    if facts.table(name) is not None or not facts.certain:
        return None
    near = facts.near_tables(name)
    hint = f" Did you mean {' or '.join(near)}?" if near else ""
    return f"Table {parse_name(name)} does not exist in database {facts.database}.{hint}"


def missing_columns(table: Table, names: tuple[str, ...] | list[str]) -> tuple[str, ...]:
    """Give one refusal for each column that is not in the table."""
    from difflib import get_close_matches  # noqa: PLC0415 - only refusals need it

    if not table.certain:
        return ()
    known = [c.name for c in table.columns]
    reasons = []
    for name in names:
        if name not in known:
            near = get_close_matches(name, known, n=1, cutoff=0.5)
            hint = f" Did you mean {near[0]}?" if near else f" It has: {', '.join(known[:20])}."
            reasons.append(f"Table {table.qualified} has no column {name}.{hint}")
    return tuple(reasons)
