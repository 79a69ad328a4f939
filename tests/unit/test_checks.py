# SPDX-License-Identifier: Apache-2.0
"""Is a check read as people write it, and refused with a helpful word where it says nothing or two things?"""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from backstitch.model.checks import KINDS, Check
from backstitch.model.expectation import Expect

EVERY_KIND = """
- {name: query, query: "SELECT count(*) FROM t", expect: {type: number, equals: 0}}
- {name: noNulls, noNulls: {table: users, columns: [full_name], where: "id > 3"}}
- {name: noDuplicates, noDuplicates: {table: users, columns: [email]}}
- {name: noOrphans, noOrphans: {table: orders, columns: [user_id], references: users, referencedColumns: [id]}}
- {name: foreignKeysHold, foreignKeysHold: {table: orders}}
- {name: uniqueHolds, uniqueHolds: {table: users}}
- {name: rowsUnchanged, rowsUnchanged: {table: users}}
- {name: rowCount, rowCount: {table: users, min: 1}}
- {name: columnsEqual, columnsEqual: {table: users, left: "first || last", right: full_name}}
- {name: noInvalidIndexes, noInvalidIndexes: {}}
- {name: schemaIs, schemaIs: {fingerprint: 0123456789abcdef}}
- {name: queryUsesIndex, queryUsesIndex: {query: "SELECT 1", index: users_email}}
- {name: noSequentialScan, noSequentialScan: {query: "SELECT 1", tables: [users]}}
- {name: queryWithin, queryWithin: {query: "SELECT 1", factor: 1.5, maxMs: 200}, attempts: 2, reportOnly: true}
- {name: workloadStillWorks, workloadStillWorks: {tables: [users], queries: [login], allow: [indexLost]}}
"""


def read(text: str) -> Check:
    return Check.model_validate(yaml.safe_load(text))


def test_every_kind_is_read_and_written_back_the_same() -> None:
    written = yaml.safe_load(EVERY_KIND)
    assert [w["name"] for w in written] == list(KINDS)
    for one in written:
        check = Check.model_validate(one)
        assert check.kind == one["name"]
        assert Check.model_validate(json.loads(json.dumps(check.to_plain()))) == check


@pytest.mark.parametrize(
    "text, says",
    [
        ("{name: a}", "found none; choose one of: query, noNulls"),
        ("{name: a, uniqueHolds: {table: t}, rowsUnchanged: {table: t}}", "uniqueHolds and rowsUnchanged"),
        ("{name: a, query: SELECT 1}", "query without expect"),
        ("{name: a, uniqueHolds: {table: t}, expect: {rows: 1}}", "expect without query"),
        ("{name: a, query: q, expect: {}}", "exactly one of type, rows, empty; found none"),
        ("{name: a, query: q, expect: {rows: 1, empty: true}}", "found rows and empty"),
        ("{name: a, query: q, expect: {equals: 1, rows: 3}}", "equals needs type"),
        ("{name: a, query: q, expect: {type: number, equals: many}}", "must be a number"),
        ("{name: a, query: q, expect: {type: number, equals: .nan}}", "must be a number"),
        ("{name: a, query: q, expect: {type: boolean, equals: 1}}", "must be true or false"),
        ("{name: a, query: q, expect: {type: string, equals: 1.10}}", "Put it in quotes"),
        ("{name: a, query: q, expect: {type: string, equals: no}}", "Put it in quotes"),
        ("{name: a, query: q, expect: {type: string, min: 1}}", "min needs type: number"),
        ("{name: a, query: q, expect: {type: number, threshold: 1}}", "threshold needs equals"),
        ("{name: a, query: q, expect: {type: number, equals: 1, threshold: -1}}", "greater than or equal to 0"),
        ("{name: a, query: q, expect: {type: number, equals: 1, max: 3}}", "equals excludes min and max"),
        ("{name: a, query: q, expect: {type: number, min: 3, max: 1}}", "no number fits"),
        ("{name: a, query: q, expect: {type: number, min: true}}", "found True"),
        ("{name: a, query: q, expect: {type: number, min: '3'}}", "expected a number, found '3'"),
        ("{name: a, query: q, expect: {type: number, min: .inf}}", "finite"),
        ("{name: a, rowCount: {table: t}}", "equals, or min and/or max"),
        ("{name: a, rowCount: {table: t, equals: 1, min: 1}}", "equals, or min and/or max"),
        ("{name: a, queryWithin: {query: q}}", "factor, maxMs or both"),
        (
            "{name: a, noOrphans: {table: t, columns: [a], references: r, referencedColumns: [a, b]}}",
            "as many as columns: 2 against 1",
        ),
        ("{name: a, noNulls: {table: t, columns: []}}", "at least 1 item"),
        ("{name: a, noNulls: {table: t, columns: [x], oops: 1}}", "Extra inputs are not permitted"),
        ("{name: a, uniqueHolds: {table: t}, attempts: 0}", "greater than or equal to 1"),
    ],
)
def test_what_says_nothing_or_two_things_is_refused(text: str, says: str) -> None:
    with pytest.raises(ValidationError) as refused:
        read(text)
    assert says in str(refused.value)


@given(st.one_of(st.integers(), st.floats(allow_nan=False, allow_infinity=False)))
def test_a_number_survives_json_exactly(number: float) -> None:
    first = Expect.model_validate({"type": "number", "min": number})
    again = Expect.model_validate(json.loads(json.dumps(first.to_plain())))
    assert again == first
    assert float(again.min or 0) == float(number)


def every_schema(schema: Any) -> list[dict[str, Any]]:
    if isinstance(schema, list):
        return [s for one in schema for s in every_schema(one)]
    if not isinstance(schema, dict):
        return []
    return [schema, *(s for one in schema.values() for s in every_schema(one))]


def test_the_schema_is_fit_for_a_crd() -> None:
    """Every field has a description, strings and lists have limits, and no default but null."""
    schema = Check.model_json_schema(by_alias=True)
    for one in [schema, *schema["$defs"].values()]:
        for name, field in one["properties"].items():
            assert field.get("description"), name
            assert field.get("default") is None, name
    for part in every_schema(schema):
        if part.get("type") == "string":
            assert "maxLength" in part or "enum" in part, part
        if part.get("type") == "array":
            assert "maxItems" in part, part


def test_every_kind_is_in_the_rule_that_the_api_server_holds() -> None:
    rules = Check.model_json_schema(by_alias=True)["x-kubernetes-validations"]
    for kind in KINDS:
        assert f"has(self.{kind})" in rules[0]["rule"]
