# SPDX-License-Identifier: Apache-2.0
"""Which words does a `migration_orchestration` document have for operations, and what do steps make of tables?"""

from __future__ import annotations

import json

from backstitch.model.names import GROUP
from backstitch.model.operations import OPERATIONS
from backstitch.model.orchestration import Action, TargetTable
from backstitch.model.spec import MigrationSpec, Step

TARGET_TABLES = f"{GROUP}/target-tables"
"""Annotation that keeps the target state's tables where a person wrote other ones than the steps say."""

WORDS = {name: str(field.alias) for name, field in Step.model_fields.items() if field.alias in OPERATIONS}
"""The operations in this document's words: add_column -> addColumn."""

WORDS_OF_KIND = {kind: word for word, kind in WORDS.items()}

_ACTIONS: dict[str, Action] = {"createTable": "create", "dropTable": "drop", "renameTable": "rename"}


def tables_after(spec: MigrationSpec) -> list[TargetTable] | None:
    """Give what becomes of each table, as the steps say; None when none of them changes a table's shape."""
    found: dict[str, TargetTable] = {}
    for _, step in spec.steps():
        operation = step.operation
        if operation.data:
            continue
        for table in operation.tables()[:1]:
            action = _ACTIONS.get(operation.kind, "alter")
            known = found.get(table)
            words = [*(known.details if known is not None else []), f"{step.name}: {WORDS_OF_KIND[operation.kind]}"]
            first = known.action if known is not None and action == "alter" else action
            found[table] = TargetTable(name=table, action=first, new_name=getattr(operation, "to", None), details=words)
    return list(found.values()) or None


def kept_tables(annotation: str | None, spec: MigrationSpec) -> list[TargetTable] | None:
    """Give the tables in the annotation, if it is exactly what an import writes."""
    if annotation is None:
        return None
    try:
        tables = [TargetTable.model_validate(t) for t in json.loads(annotation)]
    except (ValueError, TypeError):
        return None
    again = json.dumps([t.model_dump(mode="json", exclude_none=True) for t in tables])
    return tables if again == annotation and tables != tables_after(spec) else None
