# SPDX-License-Identifier: Apache-2.0
"""upsert: rows from the YAML or from a ConfigMap's CSV, inserted in batches; what is there already is not doubled."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import AfterValidator, Field, model_validator

from backstitch.model.base import Frozen
from backstitch.model.facts import Table
from backstitch.model.operations.base import Operation, StepContext
from backstitch.model.operations.batches import DEFAULT_BATCH_ROWS, BatchRows, Conflict, refuse_reached, sequence_units
from backstitch.model.operations.csv_rows import CsvError, CsvTable, read_csv
from backstitch.model.operations.refusals import column_set, refuse_table, refuse_written_columns
from backstitch.model.operations.words import Identifier, TableName, cel
from backstitch.model.sql import parse_name
from backstitch.model.units import RowsUnit, Unit


def _no_nul(text: str) -> str:
    if "\0" in text:
        raise ValueError("PostgreSQL text cannot hold a NUL byte")
    return text


Value = Annotated[str, Field(max_length=10_000), AfterValidator(_no_nul)]


class SeedRow(Frozen):
    """One row."""

    values: Annotated[dict[Identifier, Value], Field(max_length=200)] | None = Field(
        default=None, description='By column: its value as text in PostgreSQL\'s input form, such as "1" or "true".'
    )
    nulls: list[Identifier] | None = Field(default=None, description="Columns that are NULL.", max_length=200)

    def cells(self) -> dict[str, str | None]:
        """Give the values by column, NULL as None."""
        return {**(self.values or {}), **dict.fromkeys(self.nulls or [])}

    @model_validator(mode="after")
    def _one_value_each(self) -> SeedRow:
        both = sorted(set(self.values or {}) & set(self.nulls or []))
        if both:
            raise ValueError(f"column {both[0]!r} has a value and is in `nulls`")
        if not self.cells():
            raise ValueError("a row needs at least one column")
        return self


class ConfigMapKey(Frozen):
    """A key of a ConfigMap in the same namespace."""

    config_map: str = Field(description="Name of the ConfigMap.", min_length=1, max_length=253)
    key: str = Field(description="Key in it.", min_length=1, max_length=253)

    @property
    def source(self) -> str:
        """Give the name under which its text is found."""
        return f"{self.config_map}/{self.key}"


class Upsert(Operation):
    """Writes given rows: new ones are inserted, and what happens to those that are there is said by `conflict`."""

    model_config = cel(("has(self.rows) != has(self.csvFrom)", "give either rows or csvFrom"))
    kind: ClassVar[str] = "upsert"
    data: ClassVar[bool] = True

    table: TableName = Field(description="Table, as `table` or `schema.table`.")
    columns: list[Identifier] | None = Field(
        default=None,
        description="Columns that are written. Default: those of the first row, or of the CSV's first line.",
        min_length=1,
        max_length=200,
    )
    rows: list[SeedRow] | None = Field(
        default=None, description="Rows; each gives the same columns.", min_length=1, max_length=1000
    )
    csv_from: ConfigMapKey | None = Field(
        default=None,
        description='CSV text with the column names in its first line; an empty value is NULL, "" an empty text.',
    )
    conflict: Conflict | None = Field(
        default=None, description="What happens when a row with that key is there already. Default: the step fails."
    )
    batch_rows: BatchRows | None = Field(default=None, description="Rows in one batch. Default 1000.")

    @model_validator(mode="after")
    def _either_or(self) -> Upsert:
        if (self.rows is None) == (self.csv_from is None):
            raise ValueError("give either `rows` or `csvFrom`")
        return self

    def tables(self) -> tuple[str, ...]:
        return (self.table,)

    def _given(self, context: StepContext) -> CsvTable:
        """Give the columns and rows. Raises CsvError."""
        if self.csv_from is not None:
            text = context.sources.get(self.csv_from.source)
            if text is None:
                raise CsvError("it is not there")
            given = read_csv(text)
            cells = [dict(zip(given.columns, row, strict=True)) for row in given.rows]
            columns = tuple(self.columns or given.columns)
        else:
            cells = [row.cells() for row in self.rows or []]
            columns = tuple(self.columns or cells[0])
        rows = []
        for number, row in enumerate(cells, start=1):
            lacking = [c for c in columns if c not in row] + [c for c in row if c not in columns]
            if lacking and (self.csv_from is None or lacking[0] not in row):
                state = "gives no value for" if lacking[0] not in row else "gives a value for the unlisted"
                raise CsvError(f"row {number} {state} column {lacking[0]}; every row must give the same columns")
            rows.append(tuple(row[c] for c in columns))
        return CsvTable(columns, tuple(rows))

    def refuse(self, context: StepContext) -> tuple[str, ...]:
        facts = context.facts
        table = facts.table(self.table)
        reasons = [*refuse_table(facts, self.table), *refuse_reached(facts, self.table, "UPDATE")]
        try:
            given = self._given(context)
        except CsvError as error:
            what = f"Key {self.csv_from.source} (ConfigMap/key)" if self.csv_from is not None else "rows"
            return (*reasons, f"{what} cannot be used: {error}.")
        reasons += refuse_written_columns(table, given.columns)
        if self.conflict is not None:
            reasons += self._refuse_conflict(table, given, self.conflict)
        return tuple(reasons)

    def _refuse_conflict(self, table: Table | None, given: CsvTable, conflict: Conflict) -> list[str]:
        names = ", ".join(conflict.columns)
        missing = [c for c in conflict.columns if c not in given.columns]
        if missing:
            return [f"conflict names column {missing[0]}, which the rows give no value for."]
        reasons = []
        if table is not None and table.certain and not column_set(table, conflict.columns):
            reasons.append(
                f"{table.qualified} has no unique key on ({names}), so conflicts on it cannot be seen. Name the "
                "columns of one, or add it with addConstraint unique."
            )
        places = [given.columns.index(c) for c in conflict.columns]
        seen: set[tuple[str | None, ...]] = set()
        for number, row in enumerate(given.rows, start=1):
            key = tuple(row[p] for p in places)
            if key in seen and None not in key:
                reasons.append(f"Row {number} has the same ({names}) as an earlier row: {', '.join(map(str, key))}.")
                break
            seen.add(key)
        return reasons

    def forward(self, context: StepContext) -> tuple[Unit, ...]:
        given = self._given(context)
        name = parse_name(self.table)
        return (
            RowsUnit(
                table=str(name),
                columns=given.columns,
                rows=given.rows,
                conflict=tuple(self.conflict.columns) if self.conflict is not None else (),
                on_conflict=self.conflict.action if self.conflict is not None else "fail",
                batch_rows=self.batch_rows or DEFAULT_BATCH_ROWS,
            ),
            *sequence_units(context.facts, self.table, given.columns),
        )
