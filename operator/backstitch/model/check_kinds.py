# SPDX-License-Identifier: Apache-2.0
"""What may be written below each kind of check? One class per kind; model/checks.py puts them together.

For the CRD: `Expect.equals` may be a number, a boolean or a string. A structural schema has no word for that, so its
JSON schema is `x-kubernetes-preserve-unknown-fields: true` without a `type`; the generator must pass that through. Such
a field is invisible to CEL, so no rule here names it. All `x-kubernetes-validations` stand in `json_schema_extra`.
"""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    WithJsonSchema,
    model_validator,
)

from backstitch.model.base import Frozen

MAX_QUERY = 20_000
MAX_TEXT = 1000


def cel(rule: str, message: str) -> ConfigDict:
    """Give the model config that makes the API server hold one rule."""
    return ConfigDict(json_schema_extra={"x-kubernetes-validations": [{"rule": rule, "message": message}]})


def _scalar_text(given: object) -> object:
    """Write a YAML scalar as text: booleans as true and false, numbers without a rounding."""
    if isinstance(given, bool):
        return "true" if given else "false"
    if isinstance(given, int | float | Decimal):
        return str(given)
    return given


def _number(given: object) -> object:
    """Keep 0.1 what a person wrote, instead of its nearest binary fraction."""
    if isinstance(given, bool) or not isinstance(given, int | float | Decimal):
        raise ValueError(f"expected a number, found {given!r}")
    return Decimal(repr(given)) if isinstance(given, float) else given


def _fits_json(value: Decimal) -> Decimal:
    """Refuse what a JSON reader would change: the API server keeps fractions as 64-bit floats."""
    if value != value.to_integral_value() and Decimal(repr(float(value))) != value:
        raise ValueError(f"{value} has more digits than a JSON number keeps (about 16)")
    return value


def _plain_number(value: Decimal) -> int | float:
    return int(value) if value == value.to_integral_value() else float(value)


Scalar = Annotated[
    str,
    BeforeValidator(_scalar_text),
    Field(max_length=MAX_TEXT),
    WithJsonSchema({"x-kubernetes-preserve-unknown-fields": True}),
]
Number = Annotated[
    Decimal,
    BeforeValidator(_number),
    Field(allow_inf_nan=False),
    AfterValidator(_fits_json),
    PlainSerializer(_plain_number, return_type=float | int, when_used="json"),
    WithJsonSchema({"type": "number"}),
]
TableName = Annotated[str, Field(min_length=1, max_length=140)]
ColumnName = Annotated[str, Field(min_length=1, max_length=63)]
Condition = Annotated[str, Field(min_length=1, max_length=MAX_TEXT)]
Query = Annotated[str, Field(min_length=1, max_length=MAX_QUERY)]


class Expect(Frozen):
    """What a query must give: one typed value, or a number of rows."""

    model_config = ConfigDict(
        json_schema_extra={
            "x-kubernetes-validations": [
                {
                    "rule": "[has(self.type), has(self.rows), has(self.empty)].filter(x, x).size() == 1",
                    "message": "expect needs exactly one of type, rows, empty",
                },
                {
                    "rule": "!(has(self.min) || has(self.max) || has(self.threshold)) "
                    "|| (has(self.type) && self.type == 'number')",
                    "message": "min, max and threshold need type: number",
                },
                {"rule": "!has(self.min) || !has(self.max) || self.min <= self.max", "message": "min is above max"},
            ]
        }
    )

    type: Literal["number", "boolean", "string"] | None = Field(
        default=None,
        description="Type of the one value that the query must give (one row, one column). Without equals, min or "
        "max, any value of this type is right; NULL never is.",
    )
    equals: Scalar | None = Field(
        default=None, description="The value wanted, of the type given: 0, true or text. Text must be a string."
    )
    min: Number | None = Field(default=None, description="Smallest number that is right.")
    max: Number | None = Field(default=None, description="Largest number that is right.")
    threshold: Annotated[Number, Field(ge=0)] | None = Field(
        default=None, description="How far the number may be from equals, up or down. Needs equals."
    )
    rows: int | None = Field(default=None, description="Exact number of rows the query must give.", ge=0)
    empty: bool | None = Field(default=None, description="true: the query must give no row; false: at least one.")

    @model_validator(mode="before")
    @classmethod
    def _text_is_written_as_text(cls, given: Any) -> Any:
        if isinstance(given, dict) and given.get("type") == "string":
            equals = given.get("equals")
            if isinstance(equals, bool | int | float):
                raise ValueError(
                    f'equals must be a string for type: string; YAML read {equals!r}. Put it in quotes: equals: "…"'
                )
        return given

    @model_validator(mode="after")
    def _fields_fit_together(self) -> Expect:
        ways = [n for n in ("type", "rows", "empty") if getattr(self, n) is not None]
        if len(ways) != 1:
            raise ValueError(
                f"expect needs exactly one of type, rows, empty; found {' and '.join(ways) or 'none'}. "
                "For example {type: number, equals: 0} or {empty: true}"
            )
        bounds = [n for n in ("min", "max", "threshold") if getattr(self, n) is not None]
        if bounds and self.type != "number":
            raise ValueError(f"{bounds[0]} needs type: number")
        if self.equals is not None:
            self._check_equals(self.equals)
        if self.threshold is not None and self.equals is None:
            raise ValueError("threshold needs equals: it says how far the number may be from it")
        if self.equals is not None and (self.min is not None or self.max is not None):
            raise ValueError("equals excludes min and max; for a range around equals use threshold")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"min ({self.min}) is above max ({self.max}): no number fits")
        return self

    def _check_equals(self, equals: str) -> None:
        if self.type is None:
            raise ValueError("equals needs type: number, boolean or string")
        if self.type == "boolean" and equals not in ("true", "false"):
            raise ValueError(f"equals must be true or false for type: boolean, found {equals!r}")
        if self.type == "number" and finite_number(equals) is None:
            raise ValueError(f"equals must be a number for type: number, found {equals!r}")


def finite_number(text: str) -> Decimal | None:
    """Read a number from text; None when it is none, NaN or infinite."""
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


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
