# SPDX-License-Identifier: Apache-2.0
"""What holds for every operation: refusals where facts do not fit, one clause per field, quoting, facts afterwards?"""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from backstitch.model.facts import Column, Facts, Index, Table
from backstitch.model.operations import OPERATIONS, Operation, StepContext
from backstitch.model.units import BatchUnit, ConcurrentUnit, DdlUnit
from tests.unit.operation_facts import WRITTEN, an_operation, context, facts_of, orders, refusal, users

HOSTILE = ('a"b', "Robert'); DROP TABLE users; --", "select", "名前 ü", "a.b", " ", "%s", "$$", "\\")


def test_the_examples_cover_every_operation_but_raw_sql() -> None:
    assert set(WRITTEN) == set(OPERATIONS) - {"sql"}


@pytest.mark.parametrize("kind", WRITTEN)
class TestEveryOperation:
    def test_runs_on_facts_that_fit(self, kind: str) -> None:
        operation = an_operation(**{kind: WRITTEN[kind]})
        assert refusal(operation) == ""
        assert operation.forward(context())

    def test_names_a_missing_table_and_a_near_one(self, kind: str) -> None:
        operation = an_operation(**{kind: WRITTEN[kind]})
        if kind == "createTable":
            return
        said = refusal(operation, users(name="user"), orders().model_copy(update={"name": "order"}))
        assert "does not exist in database shop" in said
        assert "Did you mean public.user?" in said or "Did you mean public.order?" in said

    def test_waits_with_its_refusal_while_the_facts_are_not_certain(self, kind: str) -> None:
        operation = an_operation(**{kind: WRITTEN[kind]})
        assert operation.refuse(StepContext(facts=Facts(certain=False), step="s", token="0a1b2c3d")) == ()
        assert operation.forward(StepContext(facts=Facts(certain=False), step="s", token="0a1b2c3d"))

    def test_refuses_views_and_foreign_tables(self, kind: str) -> None:
        if kind == "createTable":
            return
        operation = an_operation(**{kind: WRITTEN[kind]})
        for view in ("view", "foreignTable"):
            said = refusal(operation, users(kind=view), orders().model_copy(update={"kind": view}))
            assert "this operation works on" in said

    def test_does_not_take_names_of_ours(self, kind: str) -> None:
        word = "from" if kind == "moveRows" else "table"
        for name in ("backstitch.units", "backstitch_quarantine.x", "backstitch_0a1b2c3d_1"):
            with pytest.raises(ValidationError, match="reserved"):
                an_operation(**{kind: {**WRITTEN[kind], word: name}})


@pytest.mark.parametrize("name", HOSTILE)
class TestHostileNames:
    def test_are_quoted_wherever_they_stand(self, name: str) -> None:
        quoted = '"' + name.replace('"', '""') + '"'
        table = f"{quoted}.{quoted}"
        here = Table(
            schema_name=name,
            name=name,
            columns=(Column(name=name, type="text", not_null=True), Column(name="other", type="text")),
            indexes=(Index(name=name, definition=f"CREATE UNIQUE INDEX {quoted} ON {table} USING btree ({quoted})",
                           unique=True, columns=(name,)),),
        )  # fmt: skip
        for given in (
            {
                "createTable": {
                    "table": f"{quoted}.new",
                    "columns": [{"name": name, "type": "int"}],
                    "primaryKey": [name],
                }
            },
            {"dropTable": {"table": table}},
            {"renameTable": {"table": table, "to": name + "2"}},
            {"addColumn": {"table": table, "column": name + "2", "type": "int"}},
            {"dropColumn": {"table": table, "column": name}},
            {"dropNotNull": {"table": table, "column": name}},
            {"setNotNull": {"table": table, "column": "other"}},
            {"setDefault": {"table": table, "column": name, "drop": True}},
            {"addConstraint": {"table": table, "name": name + "2", "unique": {"columns": [name]}}},
            {"createIndex": {"table": table, "name": name + "2", "columns": [name]}},
            {"dropIndex": {"table": table, "name": name}},
            {"backfill": {"table": table, "set": {"other": "'1'"}}},
            {"deleteRows": {"table": table, "where": "true"}},
        ):
            operation = an_operation(**given)
            at = StepContext(facts=facts_of(here, schemas=(name,)), step="s", token="0a1b2c3d")
            assert operation.refuse(at) == ()
            for text in _all_sql(operation, at):
                left = text.replace(quoted, "").replace('"' + name.replace('"', '""') + '2"', "")
                assert name.strip() == "" or name in ("select", "%s") or name not in left, text


def _all_sql(operation: Operation, at: StepContext) -> list[str]:
    found: list[str] = []
    for unit in operation.forward(at):
        if isinstance(unit, DdlUnit):
            found += [*unit.forward, *unit.backward, *unit.purge]
        elif isinstance(unit, ConcurrentUnit):
            found += [unit.forward, unit.backward, *unit.backward_after]
        elif isinstance(unit, BatchUnit):
            found += [s.before + "TRUE" + s.after for s in unit.statements]
    return found


@pytest.mark.parametrize(
    "given",
    [
        {"addColumn": {"table": "users", "column": "x", "type": "int, DROP COLUMN email"}},
        {"addColumn": {"table": "users", "column": "x", "type": "int DEFAULT random()"}},
        {"addColumn": {"table": "users", "column": "x", "type": "int REFERENCES orders"}},
        {"addColumn": {"table": "users", "column": "x", "type": "int", "default": "1, DROP COLUMN email"}},
        {"addColumn": {"table": "users", "column": "x", "type": "int", "default": "1); DROP TABLE users; --"}},
        {"setDefault": {"table": "users", "column": "note", "default": "1) -- "}},
        {"backfill": {"table": "users", "set": {"note": "'a', email = 'b'"}}},
        {"backfill": {"table": "users", "set": {"note": "'a"}}},
        {"updateRows": {"table": "users", "set": {"note": "1"}, "where": "true) OR (true"}},
        {"deleteRows": {"table": "users", "where": "id = 1; DELETE FROM orders"}},
        {"deleteRows": {"table": "users", "where": "id = 1 /* never closed"}},
        {"deleteRows": {"table": "users", "where": "id = 1) OR (1 = 1"}},
        {"addConstraint": {"table": "users", "name": "c", "check": "true), ADD CHECK (true"}},
        {"createIndex": {"table": "users", "name": "i", "expressions": ["id), (email"]}},
    ],
)
def test_a_field_takes_one_type_or_expression_and_nothing_after_it(given: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        an_operation(**given)


@pytest.mark.parametrize(
    "text",
    [
        "note <> 'it''s; -- fine'",
        "note = E'\\'; --'",
        "note = $q$;'$q$",
        "coalesce(note, 'a,b') || (id)::text",
        '"a;b" > 1',
    ],
)
def test_quotes_hide_what_would_end_an_expression(text: str) -> None:
    an_operation(deleteRows={"table": "users", "where": text})


@pytest.mark.parametrize(
    "type_",
    ["text", "numeric(10, 2)", "timestamp(3) with time zone", "double precision", "int[]", "bit varying (5)[3][]",
     '"Odd"."Type"', "public.citext", "character varying(40)", '"char"'],
)  # fmt: skip
def test_types_as_people_write_them_are_taken(type_: str) -> None:
    an_operation(addColumn={"table": "users", "column": "x", "type": type_})


class TestAfter:
    def test_later_steps_are_planned_on_what_earlier_ones_leave(self) -> None:
        """A whole chain: rename, add, require, index, drop; each on the facts of the one before."""
        facts = facts_of(users(), orders())
        for given in (
            {"renameTable": {"table": "users", "to": "people"}},
            {"addColumn": {"table": "people", "column": "age", "type": "int"}},
            {"setNotNull": {"table": "people", "column": "age"}},
            {"addConstraint": {"table": "people", "name": "aged", "unique": {"columns": ["age"]}}},
            {"createTable": {"table": "homes", "columns": [{"name": "age", "type": "int"}], "foreignKeys": [
                {"name": "k", "columns": ["age"], "references": "people", "referencedColumns": ["age"]}]}},
            {"dropTable": {"table": "homes"}},
            {"dropConstraint": {"table": "people", "name": "aged"}},
            {"dropNotNull": {"table": "people", "column": "age"}},
            {"dropColumn": {"table": "people", "column": "age"}},
        ):  # fmt: skip
            operation = an_operation(**given)
            at = StepContext(facts=facts, step="s", token="0a1b2c3d")
            assert operation.refuse(at) == (), given
            facts = operation.after(at)
            assert operation.done_when(facts), given
        assert facts.table("people") is not None
        assert facts.tables["public.orders"].constraints[0].references == "public.people"


def test_operations_that_take_away_say_so() -> None:
    assert {k for k, op in OPERATIONS.items() if op.destructive} == {
        "dropTable",
        "dropColumn",
        "dropOldShape",
        "deleteRows",
    }
