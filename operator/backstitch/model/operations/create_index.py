# SPDX-License-Identifier: Apache-2.0
"""createIndex: built concurrently under a reserved name, then renamed, so that the name always means a whole index."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field, model_validator

from backstitch.model.facts import Facts, Index
from backstitch.model.operations.base import Operation, StepContext
from backstitch.model.operations.changed import with_index
from backstitch.model.operations.refusals import refuse_columns, refuse_table, refuse_taken
from backstitch.model.operations.words import Condition, Expression, Identifier, TableName, cel
from backstitch.model.sql import QualifiedName, columns_sql, parse_name, quote_ident
from backstitch.model.units import ConcurrentUnit, DdlUnit, IndexProbe, Unit


class CreateIndex(Operation):
    """Creates an index without blocking reads or writes."""

    model_config = cel(
        ("has(self.columns) != has(self.expressions)", "give either columns or expressions"),
    )
    kind: ClassVar[str] = "createIndex"

    table: TableName = Field(description="Table or materialized view, as `table` or `schema.table`.")
    name: Identifier = Field(description="Name of the index; it lives in the table's schema.")
    columns: list[Identifier] | None = Field(
        default=None, description="Plain columns, in order.", min_length=1, max_length=32
    )
    expressions: list[Expression] | None = Field(
        default=None,
        description="Instead of columns: SQL expressions, such as `lower(email)`; a plain column is one too.",
        min_length=1,
        max_length=32,
    )
    unique: bool | None = Field(default=None, description="No two rows may have the same values. Default false.")
    method: Literal["btree", "hash", "gin", "gist", "spgist", "brin"] | None = Field(
        default=None, description="Access method. Default btree."
    )
    where: Condition | None = Field(default=None, description="Only rows that fulfil this SQL condition are indexed.")
    operator_class: Identifier | None = Field(
        default=None,
        description="Operator class of every key, such as `gin_trgm_ops` or `text_pattern_ops`, found by search_path.",
    )
    include: list[Identifier] | None = Field(
        default=None, description="Columns stored besides the key.", min_length=1, max_length=32
    )

    @model_validator(mode="after")
    def _either_or(self) -> CreateIndex:
        if (self.columns is None) == (self.expressions is None):
            raise ValueError("give either `columns` or `expressions`")
        if self.unique and self.method not in (None, "btree"):
            raise ValueError("only btree indexes can be unique")
        return self

    def tables(self) -> tuple[str, ...]:
        return (self.table,)

    def refuse(self, context: StepContext) -> tuple[str, ...]:
        name = parse_name(self.table)
        table = context.facts.table(self.table)
        if table is not None and table.kind == "partitioned":
            return (
                f"{name} is partitioned, and PostgreSQL cannot build an index on it concurrently. Use createIndex on "
                f"each partition, then a `sql` step with CREATE INDEX … ON {name}: it adopts the ones that match.",
            )
        return (
            *refuse_table(context.facts, self.table, ("table", "partition", "materializedView")),
            *refuse_columns(table, [*(self.columns or []), *(self.include or [])]),
            *refuse_taken(context.facts, QualifiedName(name.schema, self.name)),
        )

    def _definition(self, index: str) -> str:
        name = parse_name(self.table)
        parts = [quote_ident(c) for c in self.columns or []] or [f"({e})" for e in self.expressions or []]
        keys = ", ".join(p if self.operator_class is None else f"{p} {quote_ident(self.operator_class)}" for p in parts)
        text = f"{'UNIQUE ' if self.unique else ''}INDEX CONCURRENTLY {quote_ident(index)} ON {name.sql}"
        text += f" USING {self.method or 'btree'} ({keys})"
        if self.include:
            text += f" INCLUDE ({columns_sql(self.include)})"
        if self.where is not None:
            text += f" WHERE ({self.where})"
        return f"CREATE {text}"

    def forward(self, context: StepContext) -> tuple[Unit, ...]:
        name = parse_name(self.table)
        half = QualifiedName(name.schema, context.reserved())
        whole = QualifiedName(name.schema, self.name)
        return (
            ConcurrentUnit(
                forward=self._definition(half.name),
                probe=IndexProbe(schema_name=half.schema, index=half.name, present=True),
                backward=f"DROP INDEX CONCURRENTLY IF EXISTS {half.sql}",
                table=str(name),
            ),
            DdlUnit(
                forward=(f"ALTER INDEX {half.sql} RENAME TO {quote_ident(whole.name)}",),
                backward=(f"ALTER INDEX {whole.sql} RENAME TO {quote_ident(half.name)}",),
                table=str(name),
            ),
        )

    def after(self, context: StepContext) -> Facts:
        new = Index(
            name=self.name,
            definition=self._definition(self.name).replace("INDEX CONCURRENTLY ", "INDEX ", 1),
            unique=bool(self.unique),
            columns=tuple(self.columns or ()),
            partial=self.where is not None,
        )
        return with_index(context.facts, self.table, new)

    def done_when(self, facts: Facts) -> bool:
        table = facts.table(self.table)
        index = table.index(self.name) if table is not None else None
        return index is not None and index.valid
