# SPDX-License-Identifier: Apache-2.0
"""What every operation answers: may it run, what does it do, what is the way back, is it done?

All answers are functions of plain values. `forward` gives units that carry their own `backward`, so that the two
directions cannot drift apart. Plans call these on facts that earlier steps of the same migration would have
changed (`after`); the engine calls `forward` again on the real catalog when the step starts, and stores the result.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar, Literal

from pydantic import Field

from backstitch.model.base import Frozen
from backstitch.model.facts import Facts
from backstitch.model.names import RESERVED_PREFIX
from backstitch.model.sql import DEFAULT_SCHEMA
from backstitch.model.units import Unit


class StepContext(Frozen):
    """What an operation may know when it answers."""

    facts: Facts
    step: str  # the step's name
    token: str  # eight hex digits, the same for every attempt of one migration: for reserved names
    ordinal: int = 0  # position of the step in the migration
    sources: dict[str, str] = Field(default_factory=dict)  # "configmap/key" -> text, already read
    accepts: Literal["restoreBackup", "none"] | None = None  # the rung that stands in where there is no way back
    default_schema: str = DEFAULT_SCHEMA  # first of spec.searchPath: where raw SQL makes what it names without schema

    def reserved(self, suffix: str = "") -> str:
        """Give this step's reserved name: for half-built indexes, parked columns, quarantined tables."""
        return f"{RESERVED_PREFIX}{self.token}_{self.ordinal}{suffix}"


class Operation(Frozen):
    """Base of the operations; subclasses are what a person writes below `steps[].<kind>`."""

    kind: ClassVar[str]
    destructive: ClassVar[bool] = False  # takes something away that the application may still use
    data: ClassVar[bool] = False  # changes rows

    def tables(self) -> tuple[str, ...]:
        """Give the tables this operation names, as written."""
        return ()

    @abstractmethod
    def refuse(self, context: StepContext) -> tuple[str, ...]:
        """Give the reasons why this cannot run on these facts; () when it can. Each names object and way out."""

    @abstractmethod
    def forward(self, context: StepContext) -> tuple[Unit, ...]:
        """Give the units to run, in order; each carries its own way back.

        Going back, units are undone last to first. A unit with an empty `forward` exists only for its `backward`:
        it stands before the unit whose undoing it completes (such as VALIDATE after ADD … NOT VALID).
        """

    def after(self, context: StepContext) -> Facts:
        """Give the facts as they will be once this is done."""
        return context.facts

    def done_when(self, facts: Facts) -> bool:
        """Tell from the real catalog whether the goal of this operation is there."""
        return True
