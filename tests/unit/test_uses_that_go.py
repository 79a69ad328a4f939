# SPDX-License-Identifier: Apache-2.0
"""May a column or table be dropped when an earlier sql step of the same migration drops what uses it?"""

from __future__ import annotations

import pytest

from backstitch.model.facts import Column, Facts, Table
from backstitch.model.operations import OPERATIONS
from backstitch.model.operations.base import StepContext
from backstitch.model.operations.run_sql import RunSql

USED_BY = "view public.v"
DROPS = {
    "dropColumn": OPERATIONS["dropColumn"].model_validate({"table": "t", "column": "c"}),
    "dropTable": OPERATIONS["dropTable"].model_validate({"table": "t"}),
}


def a_context(*sql: str) -> StepContext:
    column = Column(name="c", type="text", dependents=(USED_BY,))
    facts = Facts(
        database="shop",
        server_version=180000,
        system_identifier="1",
        schemas=("public",),
        tables={"public.t": Table(schema_name="public", name="t", columns=(column,), dependents=(USED_BY,))},
    )
    context = StepContext(facts=facts, step="drop", token="00000000")
    for up in sql:
        after = RunSql(up=up).after(context)
        context = context.model_copy(update={"facts": after})
    return context


@pytest.mark.parametrize("kind", DROPS)
def test_what_is_used_is_not_dropped(kind: str) -> None:
    assert USED_BY in " ".join(DROPS[kind].refuse(a_context()))


@pytest.mark.parametrize("kind", DROPS)
@pytest.mark.parametrize("up", ["DROP VIEW v", "DROP TRIGGER g ON t", "DROP FUNCTION f", "DROP POLICY p ON t"])
def test_a_step_before_it_may_end_the_use(kind: str, up: str) -> None:
    assert DROPS[kind].refuse(a_context(up)) == ()


@pytest.mark.parametrize("kind", DROPS)
def test_a_step_about_something_else_ends_no_use(kind: str) -> None:
    assert USED_BY in " ".join(DROPS[kind].refuse(a_context("INSERT INTO t VALUES ('x')")))
