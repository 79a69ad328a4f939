# SPDX-License-Identifier: Apache-2.0
"""Are seed rows read as they are meant: NULL against empty, every row the same columns, CSV as COPY reads it?"""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from backstitch.model.facts import Column, Index, Table
from backstitch.model.operations.base import StepContext
from backstitch.model.operations.csv_rows import CsvError, read_csv
from backstitch.model.units import RowsUnit
from tests.unit.operation_facts import an_operation, facts_of

COUNTRIES = Table(
    name="countries",
    columns=(
        Column(name="code", type="text", not_null=True),
        Column(name="name", type="text"),
        Column(name="long", type="text", generated="s"),
    ),
    indexes=(Index(name="countries_pkey", definition="", unique=True, primary=True, columns=("code",)),),
)
CSV_FROM = {"configMap": "seeds", "key": "countries.csv"}


def at(text: str | None = None) -> StepContext:
    sources = {} if text is None else {"seeds/countries.csv": text}
    return StepContext(facts=facts_of(COUNTRIES), step="s", token="0a1b2c3d", sources=sources)


def unit_of(context: StepContext, **upsert: object) -> RowsUnit:
    (unit,) = an_operation(upsert={"table": "countries", **upsert}).forward(context)
    assert isinstance(unit, RowsUnit)
    return unit


def said(context: StepContext, **upsert: object) -> str:
    return " ".join(an_operation(upsert={"table": "countries", **upsert}).refuse(context))


def test_an_empty_value_is_null_and_a_quoted_one_is_empty() -> None:
    assert read_csv('a,b\r\n,""\r\n"x ""y"", z",2\n\n') == (("a", "b"), ((None, ""), ('x "y", z', "2")))


def test_the_last_line_may_end_anywhere() -> None:
    assert read_csv("a,b\n1,").rows == (("1", None),)
    assert read_csv("a,b\n1,\n").rows == (("1", None),)
    assert read_csv("\ufeffa\n1").columns == ("a",)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        ("a,,b\n", "column 2 of the first line has no name"),
        ("a,b\n1\n", "line 2 has 1 values"),
        ('a,b\n"1\n2",3\n4\n', "line 4 has 1 values"),
        ('a\n"1', "line 2 has a quote that is not closed"),
        ('a\n"1"x\n', "after a closing quote"),
        ('a\n1"2\n', "a quote inside a value"),
        ("a\n\0\n", "NUL"),
    ],
)
def test_what_is_not_csv_is_refused_with_its_line(text: str, reason: str) -> None:
    with pytest.raises(CsvError, match=reason):
        read_csv(text)


@given(
    st.lists(
        st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])), min_size=2, max_size=2)
    )
)
def test_what_the_standard_library_writes_is_read_back(rows: list[list[str]]) -> None:
    out = io.StringIO(newline="")
    csv.writer(out, quoting=csv.QUOTE_ALL).writerows([["a", "b"], *rows])
    assert [list(r) for r in read_csv(out.getvalue()).rows] == rows


def test_rows_keep_null_and_text_apart() -> None:
    unit = unit_of(at(), rows=[{"values": {"code": "DE", "name": ""}}, {"values": {"code": "FR"}, "nulls": ["name"]}])
    assert unit.columns == ("code", "name")
    assert unit.rows == (("DE", ""), ("FR", None))
    assert unit.on_conflict == "fail"


def test_csv_columns_can_be_chosen_and_the_conflict_is_passed_on() -> None:
    conflict = {"columns": ["code"], "action": "nothing"}
    unit = unit_of(at("name,extra,code\nNorge,1,NO\n"), csvFrom=CSV_FROM, columns=["code", "name"], conflict=conflict)
    assert (unit.columns, unit.rows) == (("code", "name"), (("NO", "Norge"),))
    assert (unit.conflict, unit.on_conflict) == (("code",), "nothing")


@pytest.mark.parametrize(
    ("upsert", "reason"),
    [
        ({"rows": [{"values": {"code": "a", "nmae": "x"}}]}, "Did you mean name?"),
        ({"rows": [{"values": {"code": "a", "long": "x"}}]}, "long of public.countries is generated"),
        ({"rows": [{"values": {"code": "a"}}, {"values": {"name": "b"}}]}, "row 2 gives no value for column code"),
        ({"rows": [{"values": {"code": "a", "name": "b"}}], "columns": ["code"]}, "the unlisted column name"),
        ({"rows": [{"values": {"code": "a", "name": "b"}}], "conflict": {"columns": ["name"], "action": "update"}},
         "no unique key on (name)"),
        ({"rows": [{"values": {"name": "b"}}], "conflict": {"columns": ["code"], "action": "update"}}, "no value for"),
        ({"rows": [{"values": {"code": "a"}}] * 2, "conflict": {"columns": ["code"], "action": "update"}},
         "Row 2 has the same (code) as an earlier row: a"),
        ({"csvFrom": {"configMap": "other", "key": "k"}}, "other/k (ConfigMap/key) cannot be used: it is not there"),
        ({"csvFrom": CSV_FROM}, "line 2 has 1 values"),
    ],
)  # fmt: skip
def test_rows_that_do_not_fit_are_refused(upsert: dict[str, object], reason: str) -> None:
    assert reason in said(at("code,name\nx\n"), **upsert)


@pytest.mark.parametrize(
    "upsert",
    [
        {},
        {"rows": [{"values": {"code": "a"}}], "csvFrom": CSV_FROM},
        {"rows": [{}]},
        {"rows": [{"values": {"code": "a"}, "nulls": ["code"]}]},
        {"rows": [{"values": {"code": "a\0"}}]},
        {"rows": [{"values": {"code": 1}}]},
    ],
)
def test_rows_that_say_two_things_or_nothing_are_not_read(upsert: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        an_operation(upsert={"table": "countries", **upsert})
