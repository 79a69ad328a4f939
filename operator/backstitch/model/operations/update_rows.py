# SPDX-License-Identifier: Apache-2.0
"""updateRows: other values for rows that fulfil a condition, in batches by key. Old values are kept as images."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from backstitch.model.operations.base import Operation, StepContext
from backstitch.model.operations.batches import Assignments, BatchRows, refuse_update, update_unit
from backstitch.model.operations.words import Condition, TableName
from backstitch.model.units import Unit


class UpdateRows(Operation):
    """Changes rows."""

    kind: ClassVar[str] = "updateRows"
    data: ClassVar[bool] = True

    table: TableName = Field(description="Table, as `table` or `schema.table`.")
    set: Assignments = Field(description="By column: its new value, as an SQL expression over the row.")
    where: Condition = Field(description="Rows that are changed, as an SQL condition; `true` means all of them.")
    batch_rows: BatchRows | None = Field(
        default=None, description="Rows in the first batch; later ones adapt to the time they take. Default 1000."
    )

    def tables(self) -> tuple[str, ...]:
        return (self.table,)

    def refuse(self, context: StepContext) -> tuple[str, ...]:
        return refuse_update(context.facts, self.table, self.set)

    def forward(self, context: StepContext) -> tuple[Unit, ...]:
        return (update_unit(context.facts, self.table, self.set, self.where, self.batch_rows),)
