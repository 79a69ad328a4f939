# SPDX-License-Identifier: Apache-2.0
"""Is a change of type let through only when it can be taken back without loss?"""

import pytest

from backstitch.core.reverse.types import Known, Type, keeps_values, needs_using, parse, rounds, type_name

_BEFORE = Known(labels={"public.state": ("new", "old")}, bases={"public.code": "character varying(5)"})
_AFTER = Known(labels={"public.state": ("new", "mid", "old")}, bases={"public.code": "character varying(9)"})


@pytest.mark.parametrize(
    "text, expected",
    [
        ("integer", Type("integer", (), False)),
        ("numeric(10,2)[]", Type("numeric", (10, 2), True)),
        ("timestamp(3) without time zone", Type("timestamp without time zone", (3,), False)),
        ("timestamp with time zone", Type("timestamp with time zone", (), False)),
        ("ext.citext", Type("citext", (), False)),
        ("character varying(20)", Type("character varying", (20,), False)),
    ],
)
def test_a_type_is_taken_apart(text: str, expected: Type) -> None:
    assert parse(text) == expected


@pytest.mark.parametrize(
    "old, new",
    [
        ("integer", "bigint"),
        ("integer", "numeric"),
        ("integer", "text"),
        ("integer[]", "bigint[]"),
        ("character varying(10)", "character varying(20)"),
        ("character varying(10)", "text"),
        ("character(10)", "text"),
        ("text", "citext"),
        ("numeric(6,2)", "numeric(12,4)"),
        ("numeric(6,2)", "numeric"),
        ("timestamp without time zone", "timestamp with time zone"),
        ("timestamp(3) with time zone", "timestamp with time zone"),
        ("text", "public.state"),
        ("public.state", "text"),
        ("public.state", "public.state"),
        ("public.code", "public.code"),
        ("public.code", "text"),
        ("cidr", "inet"),
        ("uuid", "text"),
        ("jsonb", "json"),
    ],
)
def test_these_keep_every_value(old: str, new: str) -> None:
    assert keeps_values(parse(old), parse(new), _BEFORE, _AFTER)


@pytest.mark.parametrize(
    "old, new",
    [
        ("bigint", "integer"),
        ("bigint", "double precision"),
        ("text", "character varying(10)"),
        ("text", "integer"),
        ("text", "uuid"),
        ("character varying(20)", "character varying(10)"),
        ("numeric(12,4)", "numeric(12,2)"),
        ("numeric(12,2)", "numeric(12,4)"),
        ("numeric", "integer"),
        ("json", "jsonb"),
        ("timestamp with time zone", "date"),
        ("timestamp with time zone", "timestamp(0) with time zone"),
        ("integer", "bigint[]"),
        ("bytea", "integer"),
    ],
)
def test_these_may_lose_something(old: str, new: str) -> None:
    assert not keeps_values(parse(old), parse(new), _BEFORE, _AFTER)


def test_an_enum_that_lost_a_value_does_not_keep_values() -> None:
    state = parse("public.state")

    assert not keeps_values(state, state, _AFTER, _BEFORE)


def test_the_way_back_goes_through_text_only_where_no_assignment_cast_is() -> None:
    assert needs_using(parse("text"), parse("uuid"))
    assert not needs_using(parse("bigint"), parse("integer"))
    assert not needs_using(parse("text"), parse("character varying(5)"))


def test_a_cast_back_that_rounds_is_known() -> None:
    assert rounds(parse("numeric(12,4)"), parse("numeric(6,2)"))
    assert rounds(parse("double precision"), parse("real"))
    assert not rounds(parse("bigint"), parse("integer"))
    assert not rounds(parse("text"), parse("character varying(5)"))


def test_names_of_types_are_quoted_as_the_server_does() -> None:
    assert type_name("public", "state") == "public.state"
    assert type_name("Odd", 'a"b') == '"Odd"."a""b"'
