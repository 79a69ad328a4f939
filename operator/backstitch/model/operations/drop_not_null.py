# SPDX-License-Identifier: Apache-2.0
"""dropNotNull: a column may be NULL again. The way back proves NOT NULL with a CHECK before it sets it."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from backstitch.model.facts import Facts, Table
from backstitch.model.operations.base import Operation, StepContext
from backstitch.model.operations.changed import change_column, without_constraints
from backstitch.model.operations.refusals import refuse_columns, refuse_table
from backstitch.model.operations.reverse import (
    check_not_null,
    drop_constraint,
    not_null_name,
    restore_not_null,
    validate_constraint,
)
from backstitch.model.operations.words import Identifier, TableName
from backstitch.model.sql import parse_name, quote_ident
from backstitch.model.units import DdlUnit, Unit


class DropNotNull(Operation):
    """Lets a column be NULL."""

    kind: ClassVar[str] = "dropNotNull"

    table: TableName = Field(description="Table, as `table` or `schema.table`.")
    column: Identifier = Field(description="Column that may be NULL afterwards.")

    def tables(self) -> tuple[str, ...]:
        return (self.table,)

    def refuse(self, context: StepContext) -> tuple[str, ...]:
        table = context.facts.table(self.table)
        reasons = [*refuse_table(context.facts, self.table), *refuse_columns(table, [self.column])]
        column = table.column(self.column) if table is not None else None
        if table is None or column is None or not table.certain:
            return tuple(reasons)
        what = f"Column {self.column} of {table.qualified}"
        if not column.not_null:
            reasons.append(f"{what} may be NULL already; remove this step.")
        if any(i.primary and self.column in i.columns for i in table.indexes):
            reasons.append(f"{what} is in the primary key, which cannot hold NULL.")
        if any(i.replica_identity and self.column in i.columns for i in table.indexes):
            reasons.append(f"{what} is in the replica identity index, which cannot hold NULL; change that first.")
        if column.identity:
            reasons.append(f"{what} is an identity column, which is always NOT NULL.")
        return tuple(reasons)

    def forward(self, context: StepContext) -> tuple[Unit, ...]:
        name = parse_name(self.table)
        table = context.facts.table(self.table) or Table(schema_name=name.schema, name=name.name)
        proof = context.reserved()
        forward = f"ALTER TABLE {name.sql} ALTER COLUMN {quote_ident(self.column)} DROP NOT NULL"
        back = (*restore_not_null(table, self.column), drop_constraint(table, proof))
        return (
            DdlUnit(forward=(), backward=back, table=str(name)),
            DdlUnit(forward=(), backward=(validate_constraint(table, proof),), lock="validate", table=str(name)),
            DdlUnit(forward=(forward,), backward=(check_not_null(table, self.column, proof),), table=str(name)),
        )

    def after(self, context: StepContext) -> Facts:
        facts = change_column(context.facts, self.table, self.column, not_null=False)
        table = facts.table(self.table)
        named = not_null_name(table, self.column) if table is not None else None
        return facts if named is None else without_constraints(facts, self.table, [named.name])

    def done_when(self, facts: Facts) -> bool:
        table = facts.table(self.table)
        column = table.column(self.column) if table is not None else None
        return column is not None and not column.not_null
