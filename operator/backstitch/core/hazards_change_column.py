# SPDX-License-Identifier: Apache-2.0
"""Hazards of changing and dropping columns (safety.md 1.1)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from backstitch.core.hazard import Found, Look, Rule
from backstitch.model.script_types import keeps_table, type_changes

_UNBOUNDED = ("text", "character varying", "numeric")


def _drop_column(look: Look) -> Iterator[Found]:
    return (Found(f"column {c.text('name')} goes", look.table) for c in look.commands("AT_DropColumn"))


def _rewriting_type(look: Look) -> Iterator[Found]:
    yield from (Found(what, look.table) for safe, what in _type_changes(look) if not safe)


def _safe_type(look: Look) -> Iterator[Found]:
    yield from (Found(what, look.table) for safe, what in _type_changes(look) if safe)


def _type_changes(look: Look) -> Iterator[tuple[bool, str]]:
    if not any(True for _ in look.commands("AT_AlterColumnType")):
        return
    table = look.known()
    for change in type_changes(look.statement):
        column = table.column(change.column) if table is not None else None
        if change.collation or change.using:
            continue
        old = column.type if column is not None else None
        safe = keeps_table(old, change.type) if old is not None else change.type in _UNBOUNDED
        yield safe, f"column {change.column} turns {f'from {old} ' if old else ''}into {change.type}"


def _type_using(look: Look) -> Iterator[Found]:
    if any(True for _ in look.commands("AT_AlterColumnType")):
        for change in type_changes(look.statement):
            if change.using:
                yield Found(f"values of column {change.column} are computed anew", look.table)


def _collation(look: Look) -> Iterator[Found]:
    if any(True for _ in look.commands("AT_AlterColumnType")):
        for change in type_changes(look.statement):
            if change.collation:
                yield Found(f"column {change.column} gets another collation", look.table)


def _set_not_null(look: Look) -> Iterator[Found]:
    table = look.known()
    for command in look.commands("AT_SetNotNull"):
        column = command.text("name")
        proof = re.compile(rf'\(*"?{re.escape(column)}"? IS NOT NULL', re.IGNORECASE)
        checks = [c for c in (table.constraints if table is not None else ()) if c.kind == "check" and c.validated]
        proven = any(proof.search(c.definition) and " OR " not in c.definition.upper() for c in checks)
        if not proven:
            yield Found(f"nothing proves that column {column} has no NULL", look.table)


def _clause(subtype: str, what: str, look: Look) -> Iterator[Found]:
    return (Found(what.format(c.text("name")), look.table) for c in look.commands(subtype))


RULES: tuple[Rule, ...] = (
    Rule(
        "drop-column",
        "error",
        "DROP COLUMN in SQL",
        "ACCESS EXCLUSIVE",
        "metadata only",
        "the values are gone, and no rollback can bring them back; running applications that name the column fail",
        "dropColumn: it parks the column until the revert window has ended",
        _drop_column,
        impossible=True,
    ),
    Rule(
        "alter-column-type",
        "error",
        "ALTER COLUMN TYPE that is not a mere widening",
        "ACCESS EXCLUSIVE",
        "rewrites the table and every index; checks foreign keys again",
        "reads and writes wait for the whole rewrite, and prepared statements fail once",
        "changeType: both types in step until dropOldShape",
        _rewriting_type,
        by_size=True,
    ),
    Rule(
        "alter-column-type-using",
        "error",
        "ALTER COLUMN TYPE … USING",
        "ACCESS EXCLUSIVE",
        "rewrites the table and every index",
        "reads and writes wait; the old values are gone and the way back can only convert the new ones",
        "changeType with `up` and `down`, until dropOldShape",
        _type_using,
    ),
    Rule(
        "alter-column-type-widen",
        "warning",
        "ALTER COLUMN TYPE to a wider varchar, text or numeric",
        "ACCESS EXCLUSIVE",
        "metadata only; indexes on expressions of it are built again",
        "prepared statements that select it fail once with 'cached plan must not change result type'",
        "make sure the application repeats that error; nothing else",
        _safe_type,
    ),
    Rule(
        "change-collation",
        "error",
        "ALTER COLUMN TYPE … COLLATE",
        "ACCESS EXCLUSIVE",
        "builds every index on the column again",
        "reads and writes wait for the builds; sort order changes",
        "a new index with the other collation, built with createIndex",
        _collation,
        by_size=True,
    ),
    Rule(
        "set-not-null",
        "error",
        "SET NOT NULL without a validated CHECK that proves it",
        "ACCESS EXCLUSIVE",
        "scans the table",
        "reads and writes wait for the scan",
        "setNotNull: it proves it first under a lock that lets the application work",
        _set_not_null,
        by_size=True,
    ),
    Rule(
        "drop-not-null",
        "warning",
        "DROP NOT NULL",
        "ACCESS EXCLUSIVE",
        "metadata only",
        "readers that rely on a value may meet NULL; going back must deal with the NULLs written since",
        "dropNotNull, after readers can deal with NULL",
        lambda look: _clause("AT_DropNotNull", "column {} may be NULL from now on", look),
    ),
    Rule(
        "drop-expression",
        "warning",
        "ALTER COLUMN … DROP EXPRESSION",
        "ACCESS EXCLUSIVE",
        "metadata only",
        "there is no statement that puts the expression back on the same column",
        "a new plain column with a trigger, and dropColumn later",
        lambda look: _clause("AT_DropExpression", "column {} stops being generated", look),
    ),
    Rule(
        "set-expression",
        "error",
        "ALTER COLUMN … SET EXPRESSION",
        "ACCESS EXCLUSIVE",
        "rewrites the table when the column is stored",
        "reads and writes wait for the whole rewrite",
        "a new column, backfill, switch",
        lambda look: _clause("AT_SetExpression", "column {} is computed anew", look),
        by_size=True,
    ),
)
