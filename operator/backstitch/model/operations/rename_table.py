# SPDX-License-Identifier: Apache-2.0
"""renameTable: another name in the same schema. The application must know both names, or be told at that moment."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from backstitch.model.facts import Facts
from backstitch.model.operations.base import Operation, StepContext
from backstitch.model.operations.refusals import refuse_table, refuse_taken
from backstitch.model.operations.words import Identifier, TableName
from backstitch.model.sql import QualifiedName, parse_name, quote_ident
from backstitch.model.units import DdlUnit, Unit


class RenameTable(Operation):
    """Renames a table within its schema. Indexes, sequences and constraints keep their names."""

    kind: ClassVar[str] = "renameTable"

    table: TableName = Field(description="Table, as `table` or `schema.table`.")
    to: Identifier = Field(description="New name, without a schema.")

    def tables(self) -> tuple[str, ...]:
        return (self.table, self._new.sql)

    @property
    def _new(self) -> QualifiedName:
        return QualifiedName(parse_name(self.table).schema, self.to)

    def refuse(self, context: StepContext) -> tuple[str, ...]:
        return (*refuse_table(context.facts, self.table), *refuse_taken(context.facts, self._new))

    def forward(self, context: StepContext) -> tuple[Unit, ...]:
        old = parse_name(self.table)
        return (
            DdlUnit(
                forward=(f"ALTER TABLE {old.sql} RENAME TO {quote_ident(self.to)}",),
                backward=(f"ALTER TABLE {self._new.sql} RENAME TO {quote_ident(old.name)}",),
                table=str(old),
            ),
        )

    def after(self, context: StepContext) -> Facts:
        old = parse_name(self.table)
        table = context.facts.table(self.table)
        if table is None:
            return context.facts
        facts = context.facts.without_table(old).with_table(table.model_copy(update={"name": self.to}))
        for other in facts.tables.values():
            if any(c.references == str(old) for c in other.constraints):
                moved = tuple(
                    c.model_copy(update={"references": str(self._new)}) if c.references == str(old) else c
                    for c in other.constraints
                )
                facts = facts.with_table(other.model_copy(update={"constraints": moved}))
        return facts

    def done_when(self, facts: Facts) -> bool:
        return facts.table(self.table) is None and str(self._new) in facts.tables
