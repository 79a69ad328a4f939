# SPDX-License-Identifier: Apache-2.0
"""What may be written below each kind of check? One class per kind; model/checks.py puts them together."""

from __future__ import annotations

from typing import Annotated

from pydantic import (
    Field,
    model_validator,
)

from backstitch.model.base import Frozen
from backstitch.model.expectation import MAX_TEXT, Number, cel

MAX_QUERY = 20_000

TableName = Annotated[str, Field(min_length=1, max_length=140)]
ColumnName = Annotated[str, Field(min_length=1, max_length=63)]
Condition = Annotated[str, Field(min_length=1, max_length=MAX_TEXT)]
Query = Annotated[str, Field(min_length=1, max_length=MAX_QUERY)]


class NoNulls(Frozen):
    """No NULL in some columns."""

    table: TableName = Field(description="Table, as `table` or `schema.table`.")
    columns: list[ColumnName] = Field(description="Columns that must have a value.", min_length=1, max_length=32)
    where: Condition | None = Field(default=None, description="Only rows that meet this SQL condition.")


class NoDuplicates(Frozen):
    """No two rows with the same values in some columns."""

    table: TableName = Field(description="Table, as `table` or `schema.table`.")
    columns: list[ColumnName] = Field(
        description="Columns whose values together must differ. Rows with a NULL in one of them are not compared.",
        min_length=1,
        max_length=32,
    )


class NoOrphans(Frozen):
    """Every row finds the row it points at."""

    model_config = cel(
        "!has(self.referencedColumns) || self.referencedColumns.size() == self.columns.size()",
        "referencedColumns must be as many as columns",
    )

    table: TableName = Field(description="Table whose rows point at others.")
    columns: list[ColumnName] = Field(
        description="Columns that hold the reference. Rows with a NULL in one of them point at nothing.",
        min_length=1,
        max_length=32,
    )
    references: TableName = Field(description="Table that is pointed at.")
    referenced_columns: list[ColumnName] | None = Field(
        default=None, description="Columns there; default: its primary key.", min_length=1, max_length=32
    )

    @model_validator(mode="after")
    def _as_many(self) -> NoOrphans:
        if self.referenced_columns is not None and len(self.referenced_columns) != len(self.columns):
            raise ValueError(
                f"referencedColumns must be as many as columns: "
                f"{len(self.referenced_columns)} against {len(self.columns)}"
            )
        return self


class OfTable(Frozen):
    """A check that needs only the table's name."""

    table: TableName = Field(description="Table, as `table` or `schema.table`.")


class RowCount(Frozen):
    """The number of rows in a table."""

    model_config = cel(
        "has(self.equals) ? !(has(self.min) || has(self.max)) : (has(self.min) || has(self.max))",
        "rowCount needs equals, or min and/or max",
    )

    table: TableName = Field(description="Table, as `table` or `schema.table`.")
    where: Condition | None = Field(default=None, description="Count only rows that meet this SQL condition.")
    equals: int | None = Field(default=None, description="Exact number of rows.", ge=0)
    min: int | None = Field(default=None, description="At least so many rows.", ge=0)
    max: int | None = Field(default=None, description="At most so many rows.", ge=0)

    @model_validator(mode="after")
    def _a_bound(self) -> RowCount:
        ranged = self.min is not None or self.max is not None
        if (self.equals is not None) == ranged:
            raise ValueError("rowCount needs equals, or min and/or max")
        return self


class ColumnsEqual(Frozen):
    """An old column or expression against a new one, row by row."""

    table: TableName = Field(description="Table, as `table` or `schema.table`.")
    left: Condition = Field(description="The old column, or an SQL expression over the row.")
    right: Condition = Field(description="The new column, or an SQL expression over the row.")
    where: Condition | None = Field(default=None, description="Only rows that meet this SQL condition.")


class NoInvalidIndexes(Frozen):
    """No index was left half built."""

    table: TableName | None = Field(default=None, description="Only indexes of this table; default: all.")


class SchemaIs(Frozen):
    """The catalog has a known fingerprint."""

    fingerprint: str = Field(
        description="Fingerprint of the catalog, as a plan or a status shows it.", min_length=8, max_length=128
    )


class QueryUsesIndex(Frozen):
    """The planner would use an index for a query."""

    query: Query = Field(description="One SELECT, with values in place of parameters. It is planned, not run.")
    index: str = Field(description="Name of the index, without its schema.", min_length=1, max_length=63)


class NoSequentialScan(Frozen):
    """The planner would not read whole tables for a query."""

    query: Query = Field(description="One SELECT, with values in place of parameters. It is planned, not run.")
    tables: list[TableName] | None = Field(
        default=None,
        description="Tables that must not be read as a whole; default: any. Small tables are best left out: "
        "reading them as a whole is the fastest way.",
        min_length=1,
        max_length=50,
    )


class QueryWithin(Frozen):
    """A query is as fast as it was, or fast enough."""

    model_config = cel("has(self.factor) || has(self.maxMs)", "queryWithin needs factor, maxMs or both")

    query: Query = Field(description="One SELECT. It is run four times; the median of the last three counts.")
    factor: Annotated[Number, Field(ge=1, le=1000)] | None = Field(
        default=None,
        description="How many times the time before the migration it may take, such as 1.5. Up to 5 ms more than "
        "before are always right: shorter times vary by themselves.",
    )
    max_ms: int | None = Field(default=None, description="Most milliseconds it may take.", ge=1, le=86_400_000)

    @model_validator(mode="after")
    def _a_limit(self) -> QueryWithin:
        if self.factor is None and self.max_ms is None:
            raise ValueError("queryWithin needs factor, maxMs or both")
        return self
