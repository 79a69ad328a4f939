# SPDX-License-Identifier: Apache-2.0
"""What must a query give for a check to pass? A typed value, or a number of rows.

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
