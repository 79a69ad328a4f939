# SPDX-License-Identifier: Apache-2.0
"""Every hazard is found where its bad example shows it, and nothing is found in its good example."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from backstitch.core.hazard import EVERYWHERE, GUARDED, Rule
from backstitch.core.hazards import RULES, find_script_hazards
from backstitch.core.hazards_document import hazards_markdown
from backstitch.model.facts import Facts, Table
from backstitch.model.script import split
from backstitch.model.script_rules import forbidden
from backstitch.model.sql import QualifiedName
from tests.unit.hazard_facts import shop

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "tests" / "data" / "hazards"
# What only facts can show: sizes, indexes and nullability.
NEED_FACTS = {
    *("primary-key-nullable", "foreign-key-without-index", "create-index-on-partitioned", "duplicate-index"),
    *("too-many-indexes", "unbounded-change", "insert-select-large", "alter-column-type-widen"),
}


def _example(rule: Rule, name: str) -> str:
    return (EXAMPLES / rule.id / f"{name}.sql").read_text(encoding="utf-8")


def _ids(text: str, facts: Facts | None = None) -> list[str]:
    return [h.id for h in find_script_hazards(text, facts)]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_the_last_statement_of_the_bad_example_shows_exactly_this(rule: Rule) -> None:
    hazards = find_script_hazards(_example(rule, "bad"), shop())
    last = max(h.line for h in hazards)
    assert [h.id for h in hazards if h.line == last] == [rule.id]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_the_good_example_shows_nothing(rule: Rule) -> None:
    assert _ids(_example(rule, "good"), shop()) == []


@pytest.mark.parametrize("rule", [r for r in RULES if r.id not in NEED_FACTS], ids=lambda rule: rule.id)
def test_it_is_found_without_facts_too(rule: Rule) -> None:
    assert rule.id in _ids(_example(rule, "bad"))


def test_every_rule_has_examples_and_every_example_a_rule() -> None:
    assert {r.id for r in RULES} == {d.name for d in EXAMPLES.iterdir()}
    assert len({r.id for r in RULES}) == len(RULES) >= 60


@pytest.mark.parametrize("rule", [r for r in RULES if r.impossible], ids=lambda rule: rule.id)
def test_what_is_impossible_blocks_everywhere(rule: Rule) -> None:
    assert rule.level == "error"
    assert rule.blocks_in == EVERYWHERE


@pytest.mark.parametrize("rule", [r for r in RULES if not r.impossible], ids=lambda rule: rule.id)
def test_only_errors_block_and_never_in_development(rule: Rule) -> None:
    assert rule.blocks_in == (GUARDED if rule.level == "error" else ())


@pytest.mark.parametrize("rule", [r for r in RULES if r.level != "error"], ids=lambda rule: rule.id)
def test_what_a_step_refuses_is_never_called_a_mere_warning(rule: Rule) -> None:
    """A warning that the step refuses anyway would be bad advice. The last statement decides."""
    assert forbidden(split(_example(rule, "bad"))[-1]) is None


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_what_a_step_refuses_blocks_in_every_environment(rule: Rule) -> None:
    if forbidden(split(_example(rule, "bad"))[-1]) is not None:
        assert rule.impossible


def test_on_a_small_table_what_only_costs_time_is_a_warning() -> None:
    text = "CREATE INDEX countries_name ON countries (name)"
    (small,) = find_script_hazards(text, shop())
    (unknown,) = find_script_hazards(text)
    assert (small.level, small.blocks_in) == ("warning", ())
    assert "small" in small.message
    assert (unknown.level, unknown.blocks_in) == ("error", GUARDED)


def test_a_table_that_was_never_analysed_is_judged_by_its_bytes() -> None:
    facts = shop().with_table(Table(name="countries", estimated_rows=-1, bytes=900_000_000))
    (hazard,) = find_script_hazards("CREATE INDEX countries_name ON countries (name)", facts)
    assert hazard.level == "error"


def test_what_breaks_the_application_is_an_error_on_a_small_table_too() -> None:
    (hazard,) = find_script_hazards("ALTER TABLE countries RENAME TO lands", shop())
    assert (hazard.level, hazard.blocks_in) == ("error", GUARDED)


@pytest.mark.parametrize(
    "text",
    ["CREATE INDEX i ON fresh (a)", "ALTER TABLE fresh ADD CHECK (a > 0)", "DROP TABLE fresh", "DELETE FROM fresh"],
)
def test_a_table_new_in_the_same_migration_has_no_users(text: str) -> None:
    assert _ids("CREATE TABLE fresh (a bigint PRIMARY KEY);" + text) == []
    assert find_script_hazards(text, None, [QualifiedName("public", "fresh")]) == ()
    assert _ids(text) != []


def test_lines_and_tables_are_named() -> None:
    text = "SELECT 1;\n\n-- é\nALTER TABLE orders\n  ADD COLUMN token uuid DEFAULT gen_random_uuid()"
    (hazard,) = find_script_hazards(text, shop())
    assert (hazard.line, hazard.table) == (4, "public.orders")
    assert "token" in hazard.message
    assert "gen_random_uuid()" in hazard.message


def test_facts_that_are_not_certain_prove_nothing() -> None:
    text = "ALTER TABLE orders ALTER COLUMN note SET NOT NULL"
    assert _ids(text, shop()) == []
    assert _ids("ALTER TABLE orders ADD COLUMN x int;" + text, shop()) == ["set-not-null"]


def test_a_check_with_or_does_not_prove_not_null() -> None:
    orders = shop().table("orders")
    assert orders is not None
    weak = orders.constraints[0].model_copy(update={"definition": "CHECK (((note IS NOT NULL) OR (total > 0)))"})
    facts = shop().with_table(orders.model_copy(update={"constraints": (weak,)}))
    assert _ids("ALTER TABLE orders ALTER COLUMN note SET NOT NULL", facts) == ["set-not-null"]


@pytest.mark.parametrize(
    "new, found",
    [
        ("varchar(40)", ["alter-column-type-widen"]),
        ("text", ["alter-column-type-widen"]),
        ("varchar(10)", ["alter-column-type"]),
        ("integer", ["alter-column-type"]),
    ],
)
def test_a_wider_type_is_known_from_a_narrower_one(new: str, found: list[str]) -> None:
    assert _ids(f"ALTER TABLE orders ALTER COLUMN note TYPE {new}", shop()) == found


def test_one_row_by_its_key_is_not_an_unbounded_change() -> None:
    assert _ids("UPDATE orders SET total = 0 WHERE id = 7 AND status = 'x'", shop()) == []
    assert _ids("UPDATE orders SET total = 0 WHERE id = 7 OR status = 'x'", shop()) == ["unbounded-change"]


def test_a_comment_with_a_reason_takes_a_hazard_back_in_a_plan_too() -> None:
    text = "CREATE INDEX i ON orders (placed_at)"
    assert _ids(f"-- backstitch:ignore create-index-blocks-writes at night\n{text}") == []
    assert _ids(f"-- backstitch:ignore create-index-blocks-writes\n{text}") == ["create-index-blocks-writes"]
    assert _ids("-- backstitch:ignore drop-table I know\nDROP TABLE orders") == ["drop-table"]


def test_the_page_of_hazards_is_fresh() -> None:
    examples = {r.id: (_example(r, "bad"), _example(r, "good")) for r in RULES}
    page = (ROOT / "docs" / "hazards.md").read_text(encoding="utf-8")
    assert page == hazards_markdown(examples), "docs/hazards.md is stale: write what hazards_markdown gives"


def test_many_statements_take_seconds_and_not_the_square_of_them() -> None:
    text = ";\n".join(f"UPDATE orders SET note = 'é' WHERE id = {n}" for n in range(3000))
    began = time.perf_counter()
    assert find_script_hazards(text, shop()) == ()
    assert time.perf_counter() - began < 20  # 1 s here; 90 s when each statement looked at all before it
