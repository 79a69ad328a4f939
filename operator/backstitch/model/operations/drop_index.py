# SPDX-License-Identifier: Apache-2.0
"""dropIndex: dropped concurrently; the way back builds it again from its definition, with comment and flags."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from backstitch.model.facts import Facts, Index, Table
from backstitch.model.operations.base import Operation, StepContext
from backstitch.model.operations.refusals import refuse_table
from backstitch.model.operations.reverse import concurrently, index_flags, relies_on
from backstitch.model.operations.words import Identifier, TableName
from backstitch.model.sql import QualifiedName, parse_name
from backstitch.model.units import ConcurrentUnit, IndexProbe, Unit


class DropIndex(Operation):
    """Drops an index without blocking reads or writes."""

    kind: ClassVar[str] = "dropIndex"

    table: TableName = Field(description="Table the index is on, as `table` or `schema.table`.")
    name: Identifier = Field(description="Name of the index, without a schema.")

    def tables(self) -> tuple[str, ...]:
        return (self.table,)

    def refuse(self, context: StepContext) -> tuple[str, ...]:
        table = context.facts.table(self.table)
        reasons = refuse_table(context.facts, self.table, ("table", "partitioned", "partition", "materializedView"))
        if reasons or table is None or not table.certain:
            return reasons
        if table.kind == "partitioned":
            return (
                f"{table.qualified} is partitioned, and PostgreSQL cannot drop its indexes concurrently. Use a `sql` "
                "step with DROP INDEX, at a quiet time: it blocks reads and writes of every partition.",
            )
        index = table.index(self.name)
        if index is None:
            known = ", ".join(i.name for i in table.indexes) or "none"
            return (f"Table {table.qualified} has no index {self.name}. It has: {known}.",)
        if index.constraint is not None:
            return (
                f"Index {self.name} stands behind constraint {index.constraint} of {table.qualified}; use "
                "dropConstraint.",
            )
        if not index.valid:
            return (
                f"Index {self.name} of {table.qualified} is invalid: an earlier build of it failed, and nothing uses "
                "it. Remove it by hand with DROP INDEX CONCURRENTLY; it could not be brought back as it is.",
            )
        leaning = [
            f"{c.name} of {other.qualified}"
            for other in context.facts.tables.values()
            for c in other.constraints
            if index.unique and relies_on(c, table, index.columns)
        ]
        if leaning and not any(i.constraint and set(i.columns) == set(index.columns) for i in table.indexes):
            return (f"Index {self.name} is what foreign key {' and '.join(leaning)} points at; drop that first.",)
        return ()

    def forward(self, context: StepContext) -> tuple[Unit, ...]:
        name = parse_name(self.table)
        table, index = self._find(context.facts)
        return (
            ConcurrentUnit(
                forward=f"DROP INDEX CONCURRENTLY {QualifiedName(name.schema, self.name).sql}",
                probe=IndexProbe(schema_name=name.schema, index=self.name, present=False),
                backward=concurrently(index.definition) if index is not None else "",
                backward_after=index_flags(table, index) if table is not None and index is not None else (),
                table=str(name),
            ),
        )

    def _find(self, facts: Facts) -> tuple[Table | None, Index | None]:
        table = facts.table(self.table)
        return table, table.index(self.name) if table is not None else None

    def after(self, context: StepContext) -> Facts:
        table = context.facts.table(self.table)
        if table is None:
            return context.facts
        kept = tuple(i for i in table.indexes if i.name != self.name)
        return context.facts.with_table(table.model_copy(update={"indexes": kept}))

    def done_when(self, facts: Facts) -> bool:
        table = facts.table(self.table)
        return table is not None and table.index(self.name) is None
