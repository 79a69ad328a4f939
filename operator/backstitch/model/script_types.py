# SPDX-License-Identifier: Apache-2.0
"""Column types in user SQL: which ALTER COLUMN TYPE keeps every value there and back, and which rewrites the table."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from backstitch.model.script import Statement
from backstitch.model.script_tree import Node

# The grammar's internal names, as format_type writes them.
_WORDS = {
    "int2": "smallint",
    "int4": "integer",
    "int8": "bigint",
    "float4": "real",
    "float8": "double precision",
    "bool": "boolean",
    "varchar": "character varying",
    "bpchar": "character",
    "timestamptz": "timestamp with time zone",
    "timestamp": "timestamp without time zone",
    "timetz": "time with time zone",
    "time": "time without time zone",
    "varbit": "bit varying",
}
_WHOLE = ("smallint", "integer", "bigint")
_SAME_TEXT = {"character varying", "text", "citext"}  # text output and input are each other's opposite
_TEXT_BACK = {*_WHOLE, "boolean", "uuid", "date", "oid", "inet", "name"}


@dataclass(frozen=True)
class TypeChange:
    """One ALTER COLUMN TYPE."""

    column: str
    type: str  # as format_type would write it
    using: bool
    collation: bool


def type_changes(statement: Statement) -> Iterator[TypeChange]:
    """Give the type changes of an ALTER TABLE."""
    for command in statement.node.nodes("cmds"):
        definition = command.node("def")
        if command.text("subtype") == "AT_AlterColumnType" and definition is not None:
            yield TypeChange(
                column=command.text("name"),
                type=type_text(definition.node("typeName")),
                using=definition.node("raw_default") is not None,
                collation=definition.node("collClause") is not None,
            )


def type_text(type_name: Node | None) -> str:
    """Give a type as format_type writes it, such as numeric(10,2)."""
    if type_name is None:
        return ""
    names = type_name.strings("names")
    word = names[-1] if names else ""
    word = _WORDS.get(word, word) if names[:1] == ("pg_catalog",) or len(names) == 1 else ".".join(names)
    numbers = []
    for modifier in type_name.nodes("typmods"):
        value = modifier.node("ival")
        numbers.append(str(value.number("ival")) if value else "?")
    text = word
    if numbers:
        base, space, zone = word.partition(" with")
        text = (
            f"{base}({','.join(numbers)}){space}{zone}"
            if base in ("timestamp", "time")
            else f"{word}({','.join(numbers)})"
        )
    return text + "[]" * len(type_name.nodes("arrayBounds"))


def keeps_table(old: str, new: str) -> bool:
    """Tell whether the change is metadata only (safety.md 1.1, rows 25, 27, 32, 34)."""
    before, after = _parts(old), _parts(new)
    if old == new:
        return True
    if before[0] in ("character varying", "text") and after[0] in ("character varying", "text"):
        return _wider(before[1], after[1])
    if before[0] == after[0] == "numeric":
        return _numeric_wider(before[1], after[1])
    if before[0] == after[0] and before[0].startswith("timestamp"):
        return _wider(before[1], after[1])
    return (old, new) in {("cidr", "inet"), ("xml", "text"), ("integer", "oid")}


def keeps_values(old: str, new: str, using: bool) -> bool:
    """Tell whether every value comes back when the old type is set again; a USING expression may do anything."""
    if using:
        return False
    if keeps_table(old, new):
        return True
    if old in _WHOLE and new in _WHOLE:
        return _WHOLE.index(old) <= _WHOLE.index(new)
    if old in _WHOLE and new == "numeric":
        return True
    before, after = _parts(old), _parts(new)
    if before[0] in _SAME_TEXT and after[0] in _SAME_TEXT:
        return not after[1]  # a shorter limit raises an error rather than cut, but a cast in a way back may
    return old in _TEXT_BACK and new in _SAME_TEXT


def _parts(text: str) -> tuple[str, tuple[int, ...]]:
    match = re.fullmatch(r"([^()]+?)\(([\d,\s]+)\)(.*)", text)
    if match is None:
        return text, ()
    return match.group(1) + match.group(3), tuple(int(n) for n in match.group(2).split(","))


def _wider(before: tuple[int, ...], after: tuple[int, ...]) -> bool:
    return not after or (bool(before) and after[0] >= before[0])


def _numeric_wider(before: tuple[int, ...], after: tuple[int, ...]) -> bool:
    if not after:
        return True
    if not before:
        return False
    scale = before[1] if len(before) > 1 else 0
    return after[0] >= before[0] and (after[1] if len(after) > 1 else 0) == scale
