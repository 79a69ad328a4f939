# SPDX-License-Identifier: Apache-2.0
"""One step of a migration: a name, exactly one operation, and what people should expect of it."""

from __future__ import annotations

from pydantic import Field, model_validator

from backstitch.model.base import Frozen
from backstitch.model.operations import OPERATIONS, Operation
from backstitch.model.operations.add_column import AddColumn
from backstitch.model.operations.run_sql import RunSql

STEP_NAME = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"


class Step(Frozen):
    """One step; exactly one operation is set."""

    name: str = Field(description="Name, unique within the migration.", min_length=1, max_length=63, pattern=STEP_NAME)
    description: str | None = Field(default=None, description="One line for people.", max_length=500)
    estimated_time: str | None = Field(default=None, description="What the author expects, such as 5m.", max_length=50)
    sql: RunSql | None = Field(default=None, description="Run SQL as written.")
    add_column: AddColumn | None = Field(default=None, description="Add a column.")

    @model_validator(mode="after")
    def _exactly_one_operation(self) -> Step:
        given = self.given()
        if len(given) != 1:
            found = " and ".join(given) if given else "none"
            raise ValueError(
                f"step {self.name!r} must have exactly one operation, found {found}; "
                f"choose one of: {', '.join(OPERATIONS)}"
            )
        return self

    def given(self) -> list[str]:
        """Give the words of the operations that are set."""
        return [kind for kind, field in _FIELDS.items() if getattr(self, field) is not None]

    @property
    def operation(self) -> Operation:
        """Give the step's one operation."""
        value = getattr(self, _FIELDS[self.given()[0]])
        assert isinstance(value, Operation)
        return value


_FIELDS = {str(field.alias): name for name, field in Step.model_fields.items() if field.alias in OPERATIONS}
