# SPDX-License-Identifier: Apache-2.0
"""addColumn: one new column, nullable or with a default that needs no rewrite. The way back drops it."""

from __future__ import annotations

import re
from typing import ClassVar

from pydantic import Field

from backstitch.model.facts import Column, Facts
from backstitch.model.operations.base import Operation, StepContext
from backstitch.model.operations.changed import with_changed
from backstitch.model.operations.refusals import refuse_table, volatile_call
from backstitch.model.operations.words import Expression, Identifier, TableName, TypeName
from backstitch.model.sql import parse_name, quote_ident
from backstitch.model.units import DdlUnit, Unit

_SERIAL = re.compile(r"^\s*(small|big)?serial[248]?\s*$", re.IGNORECASE)


class AddColumn(Operation):
    """Adds one column to a table."""

    kind: ClassVar[str] = "addColumn"

    table: TableName = Field(description="Table, as `table` or `schema.table`.")
    column: Identifier = Field(description="Name of the new column.")
    type: TypeName = Field(description="PostgreSQL type, such as `text` or `numeric(10,2)`.")
    default: Expression | None = Field(
        default=None,
        description="Default as an SQL expression. It must not be volatile: that would rewrite the table.",
    )
    not_null: bool | None = Field(
        default=None,
        description="NOT NULL at once; allowed only with a default. Else use setNotNull after a backfill.",
    )

    def tables(self) -> tuple[str, ...]:
        return (self.table,)

    def refuse(self, context: StepContext) -> tuple[str, ...]:
        reasons = list(refuse_table(context.facts, self.table))
        table = context.facts.table(self.table)
        if table is not None and table.column(self.column) is not None:
            reasons.append(f"Table {table.qualified} already has a column {self.column}; choose another name.")
        if _SERIAL.match(self.type):
            reasons.append(
                f"Column {self.column} as {self.type.strip()} would rewrite the table under an exclusive lock. Add "
                "it as bigint, create a sequence with a `sql` step, then setDefault nextval(…) and backfill."
            )
        if self.not_null and self.default is None:
            reasons.append(
                f"Column {self.column} cannot be NOT NULL without a default: old rows would have no value. "
                "Add it nullable, fill it with backfill, then use setNotNull."
            )
        volatile = volatile_call(self.default or "")
        if volatile is not None:
            reasons.append(
                f"The default of column {self.column} calls {volatile}(), which gives each row its own value and would "
                "rewrite the table under an exclusive lock. Add the column without it, then setDefault for new rows "
                "and backfill for old ones."
            )
        return tuple(reasons)

    def forward(self, context: StepContext) -> tuple[Unit, ...]:
        name = parse_name(self.table)
        column = quote_ident(self.column)
        clauses = f"{column} {self.type}"
        if self.default is not None:
            clauses += f" DEFAULT ({self.default})"
        if self.not_null:
            clauses += " NOT NULL"
        return (
            DdlUnit(
                forward=(f"ALTER TABLE {name.sql} ADD COLUMN {clauses}",),
                backward=(f"ALTER TABLE {name.sql} DROP COLUMN {column}",),
                table=str(name),
                archive_columns=(self.column,),
            ),
        )

    def after(self, context: StepContext) -> Facts:
        table = context.facts.table(self.table)
        if table is None:
            return context.facts
        new = Column(name=self.column, type=self.type, not_null=bool(self.not_null), default=self.default)
        return with_changed(context.facts, table.model_copy(update={"columns": (*table.columns, new)}))

    def done_when(self, facts: Facts) -> bool:
        table = facts.table(self.table)
        return table is not None and table.column(self.column) is not None
