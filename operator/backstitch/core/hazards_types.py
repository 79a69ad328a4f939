# SPDX-License-Identifier: Apache-2.0
"""House rules about column types: what is cheap today and a rewrite tomorrow (safety.md 2.1)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from backstitch.core.hazard import Found, Look, Rule, columns_of, constraints_of
from backstitch.model.script_tree import Node
from backstitch.model.script_types import type_text


def _of_type(matches: Callable[[str], bool]) -> Callable[[Look], Iterable[Found]]:
    def find(look: Look) -> Iterator[Found]:
        for column in columns_of(look.node):
            written = type_text(column.node("typeName"))
            if matches(written):
                yield Found(f"column {column.text('colname')} is {written}", look.table)

    return find


def _serial(look: Look) -> Iterator[Found]:
    if look.node.kind == "CreateStmt":
        yield from _of_type(lambda t: t in ("serial", "bigserial", "smallserial"))(look)


def _small_key(look: Look) -> Iterator[Found]:
    if look.node.kind != "CreateStmt":
        return
    keys = {name for c in constraints_of(look.node, "CONSTR_PRIMARY") for name in c.strings("keys")}
    for column in columns_of(look.node):
        own = any(True for _ in constraints_of(column, "CONSTR_PRIMARY"))
        single = own or keys == {column.text("colname")}
        if single and type_text(column.node("typeName")) in ("integer", "smallint"):
            yield Found(f"key {column.text('colname')} ends at {_limit(column)}", look.table)


def _limit(column: Node) -> str:
    return "32,767" if type_text(column.node("typeName")) == "smallint" else "2,147,483,647"


RULES: tuple[Rule, ...] = (
    Rule("char-type", "policy", "a column of type char(n)", "none", "none",
         "values are padded with blanks; changing it rewrites",
         "text with a CHECK on its length", _of_type(lambda t: t.startswith("character("))),
    Rule("varchar-type", "policy", "a column of type varchar(n)", "none", "none",
         "making it shorter rewrites the table", "text with a CHECK on its length",
         _of_type(lambda t: t.startswith("character varying("))),
    Rule("json-type", "policy", "a column of type json", "none", "none",
         "json has no equality: DISTINCT, GROUP BY and row digests fail", "jsonb", _of_type(lambda t: t == "json")),
    Rule("timestamp-without-zone", "policy", "a column of type timestamp without time zone", "none", "none",
         "its meaning depends on who reads it; changing it later rewrites", "timestamptz",
         _of_type(lambda t: t.startswith("timestamp") and t.endswith("without time zone"))),
    Rule("money-type", "policy", "a column of type money", "none", "none", "its meaning depends on lc_monetary",
         "numeric with a scale", _of_type(lambda t: t == "money")),
    Rule("serial-type", "policy", "a new table with a serial column", "none", "none",
         "the sequence has an owner and grants of its own that are easily forgotten", "GENERATED ALWAYS AS IDENTITY",
         _serial),
    Rule("small-key", "policy", "a primary key of type integer or smallint", "none", "none",
         "when the numbers run out, every insert fails, and widening rewrites", "bigint", _small_key),
)  # fmt: skip
