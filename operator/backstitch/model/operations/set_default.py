# SPDX-License-Identifier: Apache-2.0
"""setDefault: what new rows get where nothing is given. Old rows stay as they are; the way back is the old default."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field, model_validator

from backstitch.model.facts import Facts
from backstitch.model.operations.base import Operation, StepContext
from backstitch.model.operations.changed import change_column
from backstitch.model.operations.refusals import refuse_columns, refuse_table
from backstitch.model.operations.words import Expression, Identifier, TableName, cel
from backstitch.model.sql import parse_name, quote_ident
from backstitch.model.units import DdlUnit, Unit


class SetDefault(Operation):
    """Sets or drops the default of a column. Rows that are there already do not change."""

    model_config = cel(
        ("has(self.default) != (has(self.drop) && self.drop)", "give either default, or drop: true"),
    )
    kind: ClassVar[str] = "setDefault"

    table: TableName = Field(description="Table, as `table` or `schema.table`.")
    column: Identifier = Field(description="Column whose default changes.")
    default: Expression | None = Field(default=None, description="New default as an SQL expression; may be volatile.")
    drop: bool | None = Field(default=None, description="true: the column has no default afterwards.")

    @model_validator(mode="after")
    def _either_or(self) -> SetDefault:
        if (self.default is not None) == bool(self.drop):
            raise ValueError("give either `default`, or `drop: true`")
        return self

    def tables(self) -> tuple[str, ...]:
        return (self.table,)

    def refuse(self, context: StepContext) -> tuple[str, ...]:
        table = context.facts.table(self.table)
        reasons = [*refuse_table(context.facts, self.table), *refuse_columns(table, [self.column])]
        column = table.column(self.column) if table is not None else None
        if table is not None and column is not None and (column.generated or column.identity):
            what = "a generated column" if column.generated else "an identity column"
            reasons.append(f"Column {self.column} of {table.qualified} is {what} and cannot have a default.")
        return tuple(reasons)

    def forward(self, context: StepContext) -> tuple[Unit, ...]:
        name = parse_name(self.table)
        table = context.facts.table(self.table)
        column = table.column(self.column) if table is not None else None
        before = column.default if column is not None else None
        return (
            DdlUnit(
                forward=(self._statement(self.default),),
                backward=(self._statement(before),),
                table=str(name),
            ),
        )

    def _statement(self, default: str | None) -> str:
        change = "DROP DEFAULT" if default is None else f"SET DEFAULT ({default})"
        return f"ALTER TABLE {parse_name(self.table).sql} ALTER COLUMN {quote_ident(self.column)} {change}"

    def after(self, context: StepContext) -> Facts:
        return change_column(context.facts, self.table, self.column, default=self.default)

    def done_when(self, facts: Facts) -> bool:
        table = facts.table(self.table)
        column = table.column(self.column) if table is not None else None
        return column is not None and (column.default is None) == bool(self.drop)
