# SPDX-License-Identifier: Apache-2.0
"""setNotNull: a column must have a value, proven by a validated CHECK so that no lock is held for a scan."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from backstitch.model.facts import Facts
from backstitch.model.operations.base import Operation, StepContext
from backstitch.model.operations.changed import change_column
from backstitch.model.operations.refusals import refuse_columns, refuse_table
from backstitch.model.operations.words import Identifier, TableName
from backstitch.model.sql import parse_name, quote_ident
from backstitch.model.units import DdlUnit, Unit


class SetNotNull(Operation):
    """Makes a column NOT NULL; every row must have a value by then."""

    kind: ClassVar[str] = "setNotNull"

    table: TableName = Field(description="Table, as `table` or `schema.table`.")
    column: Identifier = Field(description="Column that must have a value in every row.")

    def tables(self) -> tuple[str, ...]:
        return (self.table,)

    def refuse(self, context: StepContext) -> tuple[str, ...]:
        table = context.facts.table(self.table)
        reasons = [*refuse_table(context.facts, self.table), *refuse_columns(table, [self.column])]
        column = table.column(self.column) if table is not None else None
        if table is not None and column is not None and column.not_null and table.certain:
            reasons.append(f"Column {self.column} of {table.qualified} is NOT NULL already; remove this step.")
        return tuple(reasons)

    def forward(self, context: StepContext) -> tuple[Unit, ...]:
        name = parse_name(self.table)
        alter, column = f"ALTER TABLE {name.sql}", quote_ident(self.column)
        proof = quote_ident(context.reserved())
        return (
            DdlUnit(
                forward=(f"{alter} ADD CONSTRAINT {proof} CHECK ({column} IS NOT NULL) NOT VALID",),
                backward=(f"{alter} DROP CONSTRAINT IF EXISTS {proof}",),
                table=str(name),
            ),
            DdlUnit(forward=(f"{alter} VALIDATE CONSTRAINT {proof}",), backward=(), lock="validate", table=str(name)),
            DdlUnit(
                forward=(f"{alter} ALTER COLUMN {column} SET NOT NULL", f"{alter} DROP CONSTRAINT {proof}"),
                backward=(f"{alter} ALTER COLUMN {column} DROP NOT NULL",),
                table=str(name),
            ),
        )

    def after(self, context: StepContext) -> Facts:
        return change_column(context.facts, self.table, self.column, not_null=True)

    def done_when(self, facts: Facts) -> bool:
        table = facts.table(self.table)
        column = table.column(self.column) if table is not None else None
        return column is not None and column.not_null
