# SPDX-License-Identifier: Apache-2.0
"""Which tables may a migration have written without row images of it? rowsUnchanged must not call that the application.

Images are taken of every data operation and of `sql` without a `down`. A step that brings its own `down` has none.
"""

from __future__ import annotations

from collections.abc import Mapping

from backstitch.model.operations.run_sql import RunSql
from backstitch.model.script import ScriptError, Statement, split
from backstitch.model.spec import MigrationSpec
from backstitch.model.sql import DEFAULT_SCHEMA

EVERY_TABLE = "*"

# A delete may cascade into any table; code may write anywhere. What an UPDATE's own triggers do is left out.
_ANYWHERE = ("DeleteStmt", "MergeStmt", "TruncateStmt", "DoStmt", "CallStmt", "ExecuteStmt")


def uncaptured_tables(spec: MigrationSpec, sources: Mapping[str, str]) -> frozenset[str]:
    """Give the tables as `schema.name`; EVERY_TABLE among them when it cannot be said which.

    `sources` holds the texts of ConfigMaps by "configmap/key"; one that is missing counts as able to do anything.
    """
    found: set[str] = set()
    for _, step in spec.steps():
        operation = step.operation
        if isinstance(operation, RunSql) and (operation.down is not None or operation.down_from is not None):
            text = operation.up if operation.up_from is None else sources.get(operation.up_from.source)
            found |= _written(text, (spec.search_path or [DEFAULT_SCHEMA])[0])
    return frozenset(found)


def _written(text: str | None, schema: str) -> set[str]:
    try:
        statements = split(text or "", schema)
    except ScriptError:
        return {EVERY_TABLE}
    return {name for statement in statements for name in _of(statement)}


def _of(statement: Statement) -> set[str]:
    calls = statement.kind == "query" and any(True for _ in statement.node.find("FuncCall"))
    if calls or any(True for _ in statement.node.find(*_ANYWHERE)):
        return {EVERY_TABLE}
    return {str(name) for name in statement.writes}
