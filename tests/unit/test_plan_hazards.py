# SPDX-License-Identifier: Apache-2.0
"""Do plans refuse for the hazards of SQL, in the environments and on the tables the table of hazards says?"""

from __future__ import annotations

import pytest

from backstitch.core.plan import Plan, make_plan
from backstitch.core.policy import rules_for
from backstitch.model.spec import Environment, MigrationSpec, TargetPolicy
from tests.unit.hazard_facts import shop


def _plan(*scripts: str, environment: Environment = "production") -> Plan:
    steps = [{"name": f"s{n}", "sql": {"up": text}} for n, text in enumerate(scripts)]
    spec = MigrationSpec.model_validate(
        {"targetRef": {"name": "shop"}, "version": "1", "type": "schema", "phases": [{"name": "p", "steps": steps}]}
    )
    return make_plan(spec, shop(), rules_for(environment, TargetPolicy()), sources={}, token="0123abcd")


BLOCKS = "CREATE INDEX orders_placed_at ON orders (placed_at)"


@pytest.mark.parametrize("environment, refused", [("development", False), ("production", True)])
def test_an_error_refuses_in_production_and_is_shown_in_development(environment: Environment, refused: bool) -> None:
    plan = _plan(BLOCKS, environment=environment)
    assert [h.id for h in plan.steps[0].hazards] == ["create-index-blocks-writes"]
    assert bool(plan.refusals) == refused


def test_it_refuses_too_after_another_raw_step_made_the_table_uncertain() -> None:
    plan = _plan("ALTER TABLE orders ADD COLUMN channel text", BLOCKS)
    assert not plan.steps[1].certain
    assert len(plan.refusals) == 1
    assert "create-index-blocks-writes" in plan.refusals[0]


def test_a_table_made_by_an_earlier_step_is_new_for_later_ones() -> None:
    plan = _plan("CREATE TABLE fresh (id bigint PRIMARY KEY, a text)", "CREATE INDEX fresh_a ON fresh (a)")
    assert plan.refusals == ()
    assert plan.steps[1].hazards == ()


def test_a_comment_at_the_end_of_a_statement_does_no_harm() -> None:
    plan = _plan("SELECT 1 -- first\n;\nSELECT 2 -- second")
    assert plan.refusals == ()
    assert plan.steps[0].statements == ("SELECT 1 -- first", "SELECT 2 -- second")


def test_the_line_is_that_of_the_text_as_written() -> None:
    assert _plan(f"-- one\nSELECT 1;\n\n{BLOCKS}").steps[0].hazards[0].line == 4
