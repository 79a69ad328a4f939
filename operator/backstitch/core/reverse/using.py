# SPDX-License-Identifier: Apache-2.0
"""Does SQL compute new values where it changes a column's type? The catalog shows two types, not what was done between.

A USING that only casts to the new type keeps what the cast keeps; any other may give every row another value.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import postgast

from backstitch.model.script import split

_IN_CODE = re.compile(r"\bTYPE\b.*\bUSING\b", re.IGNORECASE | re.DOTALL)


def computes_values(statements: Sequence[str]) -> bool:
    """Tell whether one of these statements changes a type by more than a cast, said or within a string of code.

    What stands in the body of a function that is called is not seen. Raises ScriptError.
    """
    return any(_computes(s.text, s.kind) for text in statements for s in split(text))


def _computes(text: str, kind: str) -> bool:
    if not _IN_CODE.search(text):
        return False
    if kind in ("do", "query"):
        return True
    node = postgast.parse(text).stmts[0].stmt
    if not node.HasField("alter_table_stmt"):
        return False
    commands = [c.alter_table_cmd for c in node.alter_table_stmt.cmds]
    return any(
        getattr(c, "def").column_def.HasField("raw_default") and not _only_casts(getattr(c, "def").column_def)
        for c in commands
        if c.subtype == postgast.pg_query_pb2.AT_AlterColumnType
    )


def _only_casts(column: postgast.pg_query_pb2.ColumnDef) -> bool:
    given = column.raw_default
    if given.HasField("column_ref"):
        return True
    if not given.HasField("type_cast") or _name(given.type_cast.type_name) != _name(column.type_name):
        return False
    inner = given.type_cast.arg
    if inner.HasField("type_cast") and _name(inner.type_cast.type_name) in ("text", "varchar"):
        inner = inner.type_cast.arg  # by way of text, as between two enums
    return bool(inner.HasField("column_ref"))


def _name(type_name: postgast.pg_query_pb2.TypeName) -> str:
    """Give a type as written, without its schema, with its length."""
    mods = [str(m.a_const.ival.ival) for m in type_name.typmods]
    array = "[]" * len(type_name.array_bounds)
    return f"{type_name.names[-1].string.sval}{','.join(mods)}{array}" if type_name.names else ""
