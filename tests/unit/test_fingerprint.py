# SPDX-License-Identifier: Apache-2.0
"""Do fingerprint and comparison see what differs, allow what the closed list allows, and nothing more?"""

import json
from dataclasses import replace

from backstitch.core.reverse import reverse
from backstitch.engine.fingerprint import compare, fingerprint
from backstitch.model.catalog import Catalog, CatalogObject, Key, ObjectId

_TABLE = CatalogObject(Key("table", "public", "t"), ObjectId("pg_class", 1), None, {"owner": "me", "comment": None})
_COLUMN = CatalogObject(
    Key("column", "public", "t", "a"), ObjectId("pg_class", 1, 1), _TABLE.id, {"type": "integer", "position": 1}
)
_ENUM = CatalogObject(Key("type", "public", "e"), ObjectId("pg_type", 2), None, {"labels": ["a", "b"]})
_SEQUENCE = CatalogObject(
    Key("sequence", "public", "q"), ObjectId("pg_class", 3), None, {"increment": 1}, soft={"position": 5}
)


def _catalog(*objects: CatalogObject) -> Catalog:
    return Catalog(150018, objects, ((_COLUMN.id, _TABLE.id),))


def _with(thing: CatalogObject, **fields: object) -> CatalogObject:
    return replace(thing, fields={**thing.fields, **fields})


def test_equal_catalogs_are_identical_whatever_the_oids() -> None:
    again = replace(_TABLE, id=ObjectId("pg_class", 99))

    assert compare(_catalog(_TABLE), _catalog(again)).verdict == "Identical"
    assert fingerprint(_catalog(_TABLE)) == fingerprint(_catalog(again))


def test_a_changed_field_is_named_with_both_values() -> None:
    result = compare(_catalog(_TABLE), _catalog(_with(_TABLE, owner="you")))

    assert result.verdict == "Different"
    assert result.differences == ("table public.t: owner was me, is you",)


def test_what_is_gone_or_new_is_different() -> None:
    result = compare(_catalog(_TABLE), _catalog(_ENUM))

    assert result.verdict == "Different"
    assert result.differences == ("table public.t: is gone", "type public.e: is new")


def test_a_moved_column_is_allowed_and_named() -> None:
    result = compare(_catalog(_TABLE, _COLUMN), _catalog(_TABLE, _with(_COLUMN, position=2)))

    assert (result.verdict, result.exceptions) == ("IdenticalExcept", ("columnOrder",))
    assert result.differences == ("column a of public.t: position was 1, is 2",)


def test_a_moved_column_of_another_type_is_not_allowed() -> None:
    result = compare(_catalog(_COLUMN), _catalog(_with(_COLUMN, position=2, type="text")))

    assert result.verdict == "Different"


def test_an_added_enum_value_is_allowed_but_not_another_order() -> None:
    more = compare(_catalog(_ENUM), _catalog(_with(_ENUM, labels=["a", "x", "b"])))
    other = compare(_catalog(_ENUM), _catalog(_with(_ENUM, labels=["b", "a"])))

    assert (more.verdict, more.exceptions) == ("IdenticalExcept", ("enumValueAdded",))
    assert other.verdict == "Different"


def test_a_sequence_may_go_on_but_not_back() -> None:
    on = compare(_catalog(_SEQUENCE), _catalog(replace(_SEQUENCE, soft={"position": 9})))
    back = compare(_catalog(_SEQUENCE), _catalog(replace(_SEQUENCE, soft={"position": 2})))

    assert (on.verdict, on.notes) == ("Identical", ("sequence public.q: last number was 5, is 9",))
    assert back.verdict == "Different"


def test_the_fingerprint_names_the_object_that_changed() -> None:
    before, after = fingerprint(_catalog(_TABLE, _ENUM)), fingerprint(_catalog(_TABLE, _with(_ENUM, labels=["a"])))

    assert before.total != after.total
    assert before.changed(after) == ("type public.e",)


def test_a_catalog_survives_the_ledger() -> None:
    catalog = _catalog(_TABLE, _COLUMN, _SEQUENCE)

    assert Catalog.from_plain(json.loads(json.dumps(catalog.to_plain()))) == catalog


def test_equal_catalogs_need_no_statement() -> None:
    catalog = _catalog(_TABLE, _COLUMN)

    assert reverse(catalog, catalog).statements == ()
    assert reverse(catalog, catalog).problems == ()


def test_with_a_problem_there_are_no_statements_to_run_by_mistake() -> None:
    computed = reverse(_catalog(_TABLE, _COLUMN), _catalog(_ENUM))

    assert computed.statements == ()
    assert len(computed.problems) == 1
    assert "public.t" in computed.problems[0]
    assert "dropTable" in computed.problems[0]
