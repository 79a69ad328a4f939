# SPDX-License-Identifier: Apache-2.0
"""splitColumn: several new columns for one old one, made and kept in step by expressions, until dropOldShape."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from backstitch.model.base import Frozen
from backstitch.model.facts import Facts
from backstitch.model.operations.base import Operation, StepContext
from backstitch.model.operations.reshape import Reshaped, after_reshape, forward_reshape, refuse_reshape
from backstitch.model.operations.words import Expression, Identifier, TableName, TypeName
from backstitch.model.units import Unit


class Part(Frozen):
    """One of the columns that an old one becomes."""

    column: Identifier = Field(description="Name of the new column.")
    type: TypeName = Field(description="PostgreSQL type.")
    up: Expression = Field(description="Its value from the old column, such as `split_part(full_name, ' ', 1)`.")


class SplitColumn(Operation):
    """Gives a column a second shape of several: both can be read and written, and a row trigger keeps them in step.

    The new columns may be NULL and have no default, index or constraint: give them theirs with steps of their own.
    """

    kind: ClassVar[str] = "splitColumn"
    data: ClassVar[bool] = True

    table: TableName = Field(description="Table, as `table` or `schema.table`.")
    column: Identifier = Field(description="Column to split.")
    into: list[Part] = Field(description="The new columns.", min_length=1, max_length=20)
    down: Expression = Field(description="The old column's value from the new ones, such as `concat_ws(' ', a, b)`.")
    dry_pass: bool | None = Field(
        default=None, description="Read all rows first and name those that do not convert. Default true."
    )

    def tables(self) -> tuple[str, ...]:
        return (self.table,)

    @property
    def _reshaped(self) -> Reshaped:
        return Reshaped(
            table=self.table,
            old=(self.column,),
            new=tuple(p.column for p in self.into),
            types=tuple(p.type for p in self.into),
            up=tuple(p.up for p in self.into),
            down=(self.down,),
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
        return table is not None and any(k.new == self._reshaped.new for k in table.in_step)
