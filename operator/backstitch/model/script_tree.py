# SPDX-License-Identifier: Apache-2.0
"""SQL text to parse trees: the only place that talks to the parser library (postgast, PostgreSQL's own grammar).

The trees come from the library's JSON entry point: the protobuf one refuses trees deeper than 100, which 48 chained
operators reach (safety.md 6.2). Text the parser must not see (NUL bytes, statements deep enough to exhaust the
process's stack) is refused before.
"""

from __future__ import annotations

import ctypes
import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

from postgast.native import lib

MAX_SCRIPT_BYTES = 2 * 1024 * 1024  # a ConfigMap holds 1 MiB
MAX_OPERATORS = 10_000  # per statement; the parser overflows an 8 MiB stack at about 50,000 (measured)
JSON_DEPTH = 60_000

_SQL_STRING = re.compile(r"'(?:[^']|'')*'|\$(\w*)\$.*?\$\1\$", re.DOTALL)
_SIGN = re.compile(r"([(,]\s*)[-+]")
_OPERATOR = re.compile(r"[-+*/|<>=~!@#%^&?:]+|\bjoin\b|\band\b|\bor\b|\bunion\b", re.IGNORECASE)
_META = re.compile(r"\\[a-zA-Z!?.]*")
_COPY_IN = re.compile(r"\bcopy\b[^;]*\bfrom\s+stdin\b[^;]*;", re.IGNORECASE)

# What an unwrapped message is, by the field that holds it (Node fields carry their own kind; a relation has a relname).
_FIELD_KINDS = {
    "larg": "SelectStmt",
    "rarg": "SelectStmt",
    "intoClause": "IntoClause",
    "into": "IntoClause",
    "typeName": "TypeName",
    "returnType": "TypeName",
    "withClause": "WithClause",
    "partbound": "PartitionBoundSpec",
    "bound": "PartitionBoundSpec",
    "partspec": "PartitionSpec",
    "setstmt": "VariableSetStmt",
}


class ScriptError(ValueError):
    """The text cannot be taken as SQL. `line` and `column` start at 1; `reason` is a sentence for people."""

    def __init__(self, reason: str, *, line: int = 1, column: int = 1) -> None:
        super().__init__(f"line {line}: {reason}")
        self.line = line
        self.column = column
        self.reason = reason


@dataclass(frozen=True, eq=False)
class Node:
    """One node of a parse tree. `kind` is the parser's name of it, "" where it has none of its own."""

    kind: str
    fields: dict[str, object] = field(repr=False)

    def text(self, name: str) -> str:
        """Give a text field, "" when it is not set."""
        value = self.fields.get(name)
        return value if isinstance(value, str) else ""

    def flag(self, name: str) -> bool:
        """Give a true-or-false field; not set is False."""
        return self.fields.get(name) is True

    def number(self, name: str) -> int:
        """Give a whole-number field; not set is 0."""
        value = self.fields.get(name)
        return value if isinstance(value, int) else 0

    def node(self, name: str) -> Node | None:
        """Give the node in a field, or None."""
        return _as_node(name, self.fields.get(name))

    def nodes(self, name: str) -> tuple[Node, ...]:
        """Give the nodes of a list field; not set is ()."""
        value = self.fields.get(name)
        if not isinstance(value, list):
            return ()
        return tuple(n for n in (_as_node(name, item) for item in value) if n is not None)

    @cached_property
    def below(self) -> tuple[tuple[str, Node], ...]:
        """Give this node and all below, each with the field that holds it; constants are leaves.

        Kept, because every rule asks; not recursive, because trees are deep.
        """
        found: list[tuple[str, Node]] = []
        waiting: list[tuple[str, Node]] = [("", self)]
        while waiting:
            held = waiting.pop()
            found.append(held)
            node = held[1]
            if node.kind == "A_Const":
                continue
            for key, value in reversed(node.fields.items()):
                if isinstance(value, dict):
                    waiting.append((key, _to_node(key, value)))
                elif isinstance(value, list):
                    waiting.extend((key, _to_node(key, item)) for item in reversed(value) if isinstance(item, dict))
        return tuple(found)

    @cached_property
    def _by_kind(self) -> dict[str, list[Node]]:
        by_kind: dict[str, list[Node]] = {}
        for _, node in self.below:
            by_kind.setdefault(node.kind, []).append(node)
        return by_kind

    def find(self, *kinds: str) -> Iterator[Node]:
        """Give every node of these kinds, this one included, kind after kind in the order of the text."""
        for kind in kinds:
            yield from self._by_kind.get(kind, ())

    def strings(self, name: str) -> tuple[str, ...]:
        """Give the texts of a list of String nodes, such as a dotted name."""
        return tuple(n.text("sval") for n in self.nodes(name) if n.kind == "String")


@dataclass(frozen=True, eq=False)
class RawStatement:
    """One tree and where it stands, in bytes of the UTF-8 text."""

    node: Node
    start: int
    end: int


def parse_tree(text: str) -> tuple[RawStatement, ...]:
    """Parse a whole text. Raises ScriptError with the place; () is never given."""
    encoded = _check_bytes(text)
    _check_depth(encoded, text)
    result = lib.pg_query_parse(encoded)
    try:
        if result.error:
            error = result.error.contents
            raise _syntax_error(text, error.message.decode(errors="replace"), error.cursorpos)
        tree = _load(ctypes.string_at(result.parse_tree))
    finally:
        lib.pg_query_free_parse_result(result)
    found = []
    for raw in Node("ParseResult", tree).nodes("stmts"):
        statement = raw.node("stmt")
        start = raw.number("stmt_location")
        length = raw.number("stmt_len")  # 0: up to the end of the text
        if statement is not None:
            found.append(RawStatement(statement, start, start + length if length else len(encoded)))
    if not found:
        raise ScriptError("there is no statement in this text, only comments or nothing. Write SQL or remove the step.")
    return tuple(found)


def position(text: str, offset: int) -> tuple[int, int]:
    """Give line and column, both from 1, of a character offset."""
    line = text.count("\n", 0, offset) + 1
    return line, offset - (text.rfind("\n", 0, offset) + 1) + 1


def _as_node(name: str, value: object) -> Node | None:
    return _to_node(name, value) if isinstance(value, dict) else None


def _to_node(name: str, value: dict[str, object]) -> Node:
    if len(value) == 1:
        kind, inner = next(iter(value.items()))
        if kind[:1].isupper() and isinstance(inner, dict):
            return Node(kind, inner)
    return Node("RangeVar" if "relname" in value else _FIELD_KINDS.get(name, ""), value)


def _check_bytes(text: str) -> bytes:
    nul = text.find("\0")
    if nul >= 0:
        line, column = position(text, nul)
        raise ScriptError(
            "there is a NUL byte in the text; everything after it would be invisible to the parser. Remove it.",
            line=line,
            column=column,
        )
    try:
        encoded = text.encode()
    except UnicodeEncodeError as error:
        line, column = position(text, error.start)
        raise ScriptError("the text is not valid Unicode here; save it as UTF-8.", line=line, column=column) from error
    if len(encoded) > MAX_SCRIPT_BYTES:
        raise ScriptError(
            f"the text has {len(encoded)} bytes, more than {MAX_SCRIPT_BYTES}. Split it into several steps, "
            "or load rows with upsert from a ConfigMap."
        )
    return encoded


def _check_depth(encoded: bytes, text: str) -> None:
    """Refuse a statement so deep that the parser would take the whole process down with it."""
    if len(encoded) < MAX_OPERATORS:
        return
    result = lib.pg_query_split_with_scanner(encoded)
    try:
        if result.error:
            return  # the parser gives the better message
        pieces = [result.stmts[i].contents for i in range(result.n_stmts)]
        spans = [(p.stmt_location, p.stmt_location + p.stmt_len) for p in pieces]
    finally:
        lib.pg_query_free_split_result(result)
    for start, end in spans:
        piece = encoded[start:end].decode(errors="replace")
        bare = _SIGN.sub(r"\1", _SQL_STRING.sub("''", piece))
        if sum(1 for _ in _OPERATOR.finditer(bare)) > MAX_OPERATORS:
            first_word = len(encoded[:start].decode(errors="replace")) + len(piece) - len(piece.lstrip())
            line, _ = position(text, first_word)
            raise ScriptError(
                f"the statement chains more than {MAX_OPERATORS} operators or joins, too many to analyse. "
                "Split it into several statements.",
                line=line,
            )


def _load(tree: bytes) -> dict[str, object]:
    try:
        loaded = json.loads(tree)
    except RecursionError:
        before = sys.getrecursionlimit()
        sys.setrecursionlimit(JSON_DEPTH)
        try:
            loaded = json.loads(tree)
        except RecursionError as error:
            raise ScriptError("a statement is nested too deeply to be analysed. Split it up.") from error
        finally:
            sys.setrecursionlimit(before)
    assert isinstance(loaded, dict)
    return loaded


def _syntax_error(text: str, message: str, cursor: int) -> ScriptError:
    """Give the error for what the parser said, or the better one when this is psql's language and not SQL."""
    offset = max(cursor - 1, 0)  # counted in characters, unlike every other position of the parser (measured)
    line, column = position(text, offset)
    meta = _META.match(text, offset)
    data = [m for m in _COPY_IN.finditer(text) if m.end() <= offset]
    if data:
        line, column = position(text, data[-1].start())
        reason = (
            "COPY … FROM STDIN with data belongs to psql; a migration has no data stream. "
            "Use upsert with rows from the YAML or a ConfigMap CSV, or INSERT statements."
        )
    elif meta:
        reason = f"{meta.group()} is a command of psql, not SQL. Write the SQL statement it stands for."
    elif text.startswith(":", offset):
        reason = "psql variables (:name) are not SQL. Write the value."
    elif "memory exhausted" in message:
        reason = "a statement is nested too deeply for PostgreSQL's parser. Split it up."
    else:
        reason = f"{message} (column {column}): {_excerpt(text, offset)}"
    return ScriptError(reason, line=line, column=column)


def _excerpt(text: str, offset: int) -> str:
    """Give the line with the error, marked, at most 80 characters of it."""
    start = text.rfind("\n", 0, offset) + 1
    end = text.find("\n", offset)
    full = text[start : end if end >= 0 else len(text)]
    left = max(0, offset - start - 50)
    return f"{'…' if left else ''}{full[left : offset - start]}⟪here⟫{full[offset - start : left + 80]}"
