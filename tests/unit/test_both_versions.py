# SPDX-License-Identifier: Apache-2.0
"""What do the operations that keep two shapes in step plan, and what do they refuse?"""

from __future__ import annotations

import pytest

from backstitch.model.facts import Constraint
from backstitch.model.operations.shape_copies import renamed_in
from backstitch.model.units import BatchUnit, ConcurrentUnit, DdlUnit
from tests.unit.operation_facts import WRITTEN, an_operation, context, orders, refusal, users


def test_columns_trigger_and_marker_come_and_go_in_one_transaction() -> None:
    first, fill, *copies = an_operation(renameColumn=WRITTEN["renameColumn"]).forward(context())
    assert isinstance(first, DdlUnit)
    forward = "\n".join(first.forward)
    for piece in ("ADD COLUMN", "CREATE TRIGGER", "ENABLE ALWAYS TRIGGER", "COMMENT ON TRIGGER"):
        assert piece in forward
    assert [s.split(" ")[:2] for s in first.backward] == [["DROP", "TRIGGER"], ["DROP", "FUNCTION"], ["ALTER", "TABLE"]]
    assert isinstance(fill, BatchUnit)
    assert fill.own_columns
    assert [u for u in copies if isinstance(u, ConcurrentUnit)]


def test_the_switch_of_a_type_is_the_last_unit_and_its_way_back_the_same_names() -> None:
    switch = an_operation(changeType=WRITTEN["changeType"]).forward(context())[-1]
    assert isinstance(switch, DdlUnit)
    assert 'RENAME COLUMN "backstitch_0a1b2c3d_3_new" TO "total"' in "\n".join(switch.forward)
    assert 'RENAME COLUMN "total" TO "backstitch_0a1b2c3d_3_new"' in "\n".join(switch.backward)


@pytest.mark.parametrize(
    ("kind", "given", "says"),
    [
        ("renameColumn", {"column": "id", "to": "nr"}, "an identity column"),
        ("renameColumn", {"column": "shout", "to": "loud"}, "is generated"),
        ("renameColumn", {"column": "note", "to": "email"}, "already has a column email"),
        ("renameColumn", {"column": "email", "to": "mail"}, "end that with dropOldShape first"),
        ("changeType", {"column": "note", "type": "text"}, "is text already"),
        ("changeType", {"column": "note", "type": "int", "up": "random()::int"}, "calls random()"),
        ("dropOldShape", {"column": "note"}, "is not kept in step"),
    ],
)
def test_it_refuses(kind: str, given: dict[str, str], says: str) -> None:
    assert says in refusal(an_operation(**{kind: {"table": "users", **given}}))


def test_it_refuses_a_column_that_a_foreign_key_points_at() -> None:
    key = Constraint(
        name="by_note", kind="foreignKey", columns=("id",), references="public.users",
        definition="FOREIGN KEY (id) REFERENCES public.users(note)",
    )  # fmt: skip
    pointing = orders().model_copy(update={"constraints": (key,)})
    said = refusal(an_operation(renameColumn=WRITTEN["renameColumn"]), users(), pointing)
    assert "Foreign key by_note of public.orders points at column note" in said


@pytest.mark.parametrize(
    ("text", "becomes"),
    [
        ("CHECK ((note <> 'note'::text))", "CHECK ((\"new\" <> 'note'::text))"),
        ("btree (lower(note), note(id))", 'btree (lower("new"), note(id))'),
        ("CHECK ((\"note\" > '1'::note))", "CHECK ((\"new\" > '1'::note))"),
        ("CHECK ((notes > 1))", "CHECK ((notes > 1))"),
    ],
)
def test_a_column_is_renamed_in_definitions_and_nothing_else(text: str, becomes: str) -> None:
    assert renamed_in(text, "note", "new") == becomes
