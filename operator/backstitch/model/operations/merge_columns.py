# SPDX-License-Identifier: Apache-2.0
"""mergeColumns: one new column for several old ones, made and kept in step by expressions, until dropOldShape."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field, model_validator

from backstitch.model.base import Frozen
from backstitch.model.facts import Facts
from backstitch.model.operations.base import Operation, StepContext
from backstitch.model.operations.reshape import Reshaped, after_reshape, forward_reshape, refuse_reshape
from backstitch.model.operations.words import Expression, Identifier, TableName, TypeName, unique_names
from backstitch.model.units import Unit


class Source(Frozen):
    """One of the old columns."""

    column: Identifier = Field(description="Old column.")
    down: Expression = Field(description="Its value from the new column, such as `split_part(full_name, ' ', 1)`.")


class MergeColumns(Operation):
    """Gives several columns a second shape of one: both can be read and written, and a row trigger keeps them in step.

    The new column may be NULL and has no default, index or constraint: give it its own with steps of their own.
    """

    kind: ClassVar[str] = "mergeColumns"
    data: ClassVar[bool] = True

    table: TableName = Field(description="Table, as `table` or `schema.table`.")
    columns: list[Source] = Field(
        description="The old columns; dropOldShape names the first.", min_length=1, max_length=20
    )
    into: Identifier = Field(description="Name of the new column.")
    type: TypeName = Field(description="PostgreSQL type of the new column.")
    up: Expression = Field(description="Its value from the old ones, such as `concat_ws(' ', first, last)`.")
    dry_pass: bool | None = Field(
        default=None, description="Read all rows first and name those that do not convert. Default true."
    )

    @model_validator(mode="after")
    def _once(self) -> MergeColumns:
        unique_names([c.column for c in self.columns], "column")
        return self

    def tables(self) -> tuple[str, ...]:
        return (self.table,)

    @property
    def _reshaped(self) -> Reshaped:
        return Reshaped(
            table=self.table,
            old=tuple(c.column for c in self.columns),
            new=(self.into,),
            types=(self.type,),
            up=(self.up,),
            down=tuple(c.down for c in self.columns),
            dry_pass=self.dry_pass is not False,
        )

    def refuse(self, context: StepContext) -> tuple[str, ...]:
        return refuse_reshape(context, self._reshaped)

    def forward(self, context: StepContext) -> tuple[Unit, ...]:
        return forward_reshape(context, self._reshaped)

    def after(self, context: StepContext) -> Facts:
        return after_reshape(context, self._reshaped)

    def done_when(self, facts: Facts) -> bool:
        table = facts.table(self.table)
        return table is not None and any(k.new == (self.into,) for k in table.in_step)
