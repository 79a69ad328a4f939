# SPDX-License-Identifier: Apache-2.0
"""What does a person read of a plan before saying yes: each step with its statements, locks and hazards, in short?"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from backstitch.model.base import Frozen

MAX_STATEMENTS = 20  # of one step
MAX_STATEMENT = 500
MAX_STEPS = 100

_Statement = Annotated[str, Field(max_length=MAX_STATEMENT)]
_Line = Annotated[str, Field(max_length=1000)]


class PlannedStepShort(Frozen):
    """One step of a plan."""

    name: str = Field(description="Name of the step.", max_length=63)
    statements: Annotated[list[_Statement], Field(max_length=MAX_STATEMENTS)] = Field(
        description="What it runs, the first statements, cut where they are long."
    )
    more: int | None = Field(default=None, description="How many further statements it has.", ge=0)
    hazards: Annotated[list[_Line], Field(max_length=20)] | None = Field(
        default=None, description="What is dangerous about it."
    )
    later: bool | None = Field(
        default=None, description="true: planned when its turn comes, on what an earlier sql step left."
    )


class PlanShort(Frozen):
    """A plan that waits for a yes. The whole of it: `backstitch plan`."""

    steps: Annotated[list[PlannedStepShort], Field(max_length=MAX_STEPS)] = Field(description="The steps, in order.")
    more: int | None = Field(default=None, description="How many further steps there are.", ge=0)
