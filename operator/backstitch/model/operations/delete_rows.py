# SPDX-License-Identifier: Apache-2.0
"""deleteRows: rows that fulfil a condition are deleted in batches by key. They are kept as images."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from backstitch.model.operations.base import Operation, StepContext
from backstitch.model.operations.batches import DEFAULT_BATCH_ROWS, BatchRows, reached, refuse_reached, where_sql
from backstitch.model.operations.refusals import refuse_table
from backstitch.model.operations.words import Condition, TableName
from backstitch.model.sql import parse_name
from backstitch.model.units import BatchStatement, BatchUnit, Unit


class DeleteRows(Operation):
    """Deletes rows; they are kept for the way back until the revert window ends."""

    kind: ClassVar[str] = "deleteRows"
    destructive: ClassVar[bool] = True
    data: ClassVar[bool] = True

    table: TableName = Field(description="Table, as `table` or `schema.table`.")
    where: Condition = Field(description="Rows that are deleted, as an SQL condition; `true` means all of them.")
    batch_rows: BatchRows | None = Field(
        default=None, description="Rows in the first batch; later ones adapt to the time they take. Default 1000."
    )

    def tables(self) -> tuple[str, ...]:
        return (self.table,)

    def refuse(self, context: StepContext) -> tuple[str, ...]:
        return (
            *refuse_table(context.facts, self.table),
            *refuse_reached(context.facts, self.table, "DELETE"),
        )

    def forward(self, context: StepContext) -> tuple[Unit, ...]:
        name = parse_name(self.table)
        table = context.facts.table(self.table)
        where = where_sql(self.where)
        return (
            BatchUnit(
                table=str(name),
                key=table.key if table is not None else (),
                where=where,
                statements=(BatchStatement(before=f"DELETE FROM {name.sql} WHERE {where} AND "),),
                captures=reached(context.facts, self.table, "DELETE"),
                batch_rows=self.batch_rows or DEFAULT_BATCH_ROWS,
            ),
        )
