# SPDX-License-Identifier: Apache-2.0
"""User SQL, split into the statements it is made of, each exactly as written and with what it is.

Called by the `sql` step, the hazards and the linter. What may not run is decided there, not here; text that is not
SQL at all (psql commands, COPY data, NUL bytes, nothing but comments) is refused here, with its line.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from backstitch.model.script_shape import (
    StatementKind,
    kind_of,
    read_tables,
    runs_in_transaction,
    tag_of,
    written_tables,
)
from backstitch.model.script_tree import Node, ScriptError, parse_tree
from backstitch.model.sql import DEFAULT_SCHEMA, QualifiedName

__all__ = ["Node", "ScriptError", "Statement", "split"]

_BETWEEN = " \t\r\n\f\v;"  # the parser's idea of white space, and the separator


@dataclass(frozen=True)
class Statement:
    """One statement. `text` is the slice of the input, comments before it (hints) included, without the `;`."""

    text: str
    line: int  # of its first word, from 1
    first_line: int  # of `text`, which may begin with comments
    tag: str  # as the manual heads it, such as ALTER TABLE
    kind: StatementKind
    in_transaction: bool  # False: PostgreSQL refuses it inside a transaction block
    writes: tuple[QualifiedName, ...]
    reads: tuple[QualifiedName, ...]
    start: int  # offset of `text` in the input, in characters
    schema: str  # where names without a schema are taken to be
    node: Node = field(compare=False, repr=False)

    @property
    def excerpt(self) -> str:
        """Give the beginning of the statement on one line, for messages."""
        one_line = " ".join(self.text[skip_comments(self.text, 0) :].split())
        return one_line if len(one_line) <= 80 else one_line[:79] + "…"

    @property
    def missing_ok(self) -> bool:
        """Tell whether it says IF EXISTS."""
        return self.node.flag("missing_ok")


def split(text: str, default_schema: str = DEFAULT_SCHEMA) -> tuple[Statement, ...]:
    """Give the statements of a text, in order; names without a schema are taken to be in `default_schema`.

    Raises ScriptError, with line and column, for text that does not parse, holds no statement, or is psql's language.
    """
    raw = parse_tree(text)
    place = _Places(text)
    statements = []
    start = 0
    for one in raw:
        # Comments before a statement belong to it: they may be hints or suppressions.
        end = place.at_byte(one.end)
        while start < end and text[start] in _BETWEEN:
            start += 1
        piece = text[start:end].rstrip(_BETWEEN)
        first_line, _ = place.at(start)
        line, column = place.at(skip_comments(text, start))
        node = one.node
        if node.kind == "CopyStmt" and node.flag("is_from") and not node.text("filename"):
            raise ScriptError(
                "COPY … FROM STDIN waits for data that a migration cannot send. "
                "Use upsert with rows from the YAML or a ConfigMap CSV, or INSERT statements.",
                line=line,
                column=column,
            )
        if any(True for _ in node.find("ParamRef")) and node.kind not in ("PrepareStmt", "CreateFunctionStmt"):
            raise ScriptError("$1 stands for a parameter, and a script has none. Write the value.", line=line)
        statements.append(
            Statement(
                text=piece,
                line=line,
                first_line=first_line,
                tag=tag_of(node),
                kind=kind_of(node),
                in_transaction=runs_in_transaction(node),
                writes=written_tables(node, default_schema),
                reads=read_tables(node, default_schema),
                start=start,
                schema=default_schema,
                node=node,
            )
        )
        start = end
    return tuple(statements)


def skip_comments(text: str, offset: int) -> int:
    """Give the offset of the first word at or after `offset`; comments nest, as PostgreSQL's do."""
    while offset < len(text):
        if text[offset] in _BETWEEN:
            offset += 1
        elif text.startswith("--", offset):
            newline = text.find("\n", offset)
            offset = newline + 1 if newline >= 0 else len(text)
        elif text.startswith("/*", offset):
            depth = 0
            while offset < len(text):
                two = text[offset : offset + 2]
                depth += {"/*": 1, "*/": -1}.get(two, 0)
                offset += 2 if two in ("/*", "*/") else 1
                if depth == 0:
                    break
        else:
            break
    return offset


class _Places:
    """Turns the parser's byte offsets into characters, and characters into lines, going forward only once."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._encoded = text.encode()
        self._byte = self._char = 0
        self._seen = self._line = self._line_start = 0

    def at_byte(self, byte: int) -> int:
        """Give the character offset of a byte offset that is not before the last one asked for."""
        self._char += len(self._encoded[self._byte : byte].decode())
        self._byte = byte
        return self._char

    def at(self, offset: int) -> tuple[int, int]:
        """Give line and column, from 1, of a character offset that is not before the last one asked for."""
        self._line += self._text.count("\n", self._seen, offset)
        self._line_start = self._text.rfind("\n", 0, offset) + 1
        self._seen = offset
        return self._line + 1, offset - self._line_start + 1
