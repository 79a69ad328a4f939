# SPDX-License-Identifier: Apache-2.0
"""renameColumn: the column under a second name beside the first, both written and in step until dropOldShape."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from backstitch.model.facts import Column, Facts
from backstitch.model.in_step import InStep
from backstitch.model.operations.base import Operation, StepContext
from backstitch.model.operations.shape_copies import carried, constraints_of, copy_facts, refuse_copies
from backstitch.model.operations.shapes import beside, refuse_shapes, rights_and_comment, safe_default, table_of
from backstitch.model.operations.words import Identifier, TableName
from backstitch.model.sql import parse_name, quote_ident
from backstitch.model.units import DdlUnit, Unit


class RenameColumn(Operation):
    """Gives a column a second name: both can be read and written, and a row trigger keeps them in step.

    Indexes, checks, foreign keys, NOT NULL, default, grants and comment are on both. dropOldShape ends the old name.
    """

    kind: ClassVar[str] = "renameColumn"
    data: ClassVar[bool] = True

    table: TableName = Field(description="Table, as `table` or `schema.table`.")
    column: Identifier = Field(description="Column, by its old name.")
    to: Identifier = Field(description="New name.")

    def tables(self) -> tuple[str, ...]:
        return (self.table,)

    def refuse(self, context: StepContext) -> tuple[str, ...]:
        return (
            *refuse_shapes(context.facts, self.table, [self.column], [self.to]),
            *refuse_copies(context.facts, self.table, self.column, self._name),
        )

    def _kept(self, context: StepContext) -> InStep:
        table = table_of(context.facts, parse_name(self.table))
        column = table.column(self.column) or Column(name=self.column, type="text")
        return InStep(
            name=context.reserved("_step"),
            step=context.step,
            column=self.column,
            table=parse_name(self.table).name,
            old=(self.column,),
            new=(self.to,),
            old_as=(self.column,),
            new_as=(self.to,),
            new_types=(column.type,),
            new_defaults=(safe_default(table, self.column),),
            up=(quote_ident(self.column),),
            down=(quote_ident(self.to),),
            seen=(),
        )

    def _name(self, name: str) -> str:
        """Give the name of an index or constraint's copy: with the new column's name where the old one's was."""
        new = name.replace(self.column, self.to) if self.column in name else f"{name}_{self.to}"
        return new.encode()[:63].decode(errors="ignore")

    def forward(self, context: StepContext) -> tuple[Unit, ...]:
        name = parse_name(self.table)
        table = table_of(context.facts, name)
        first, *others = beside(table, self._kept(context), collation=table.column(self.column))
        assert isinstance(first, DdlUnit)
        also = rights_and_comment(name, self.column, self.to)
        first = first.model_copy(update={"forward": (*first.forward, *also)})
        return (first, *others, *carried(table, self.column, self.to, self._name, context.reserved("_n")))

    def after(self, context: StepContext) -> Facts:
        return copy_facts(context.facts, self.table, self._kept(context), self._name)

    def done_when(self, facts: Facts) -> bool:
        table = facts.table(self.table)
        if table is None or table.column(self.to) is None:
            return False
        copies = {self._name(c.name) for c in constraints_of(table, self.column)}
        return copies <= {c.name for c in table.constraints} and any(k.new == (self.to,) for k in table.in_step)
