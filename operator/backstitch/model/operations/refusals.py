# SPDX-License-Identifier: Apache-2.0
"""Why can an operation not run on these facts? The refusals that several operations share.

Each gives sentences that name the object, what was expected and the way out; () when there is nothing to say, and
also where the facts are not certain, because an earlier raw SQL step may still make what is missing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import get_close_matches

from backstitch.model.facts import Facts, Table, TableKind
from backstitch.model.operations.words import code_only
from backstitch.model.sql import QualifiedName, parse_name

ROW_TABLES: tuple[TableKind, ...] = ("table", "partitioned", "partition")
_KIND_WORDS: dict[TableKind, str] = {
    "table": "a table",
    "partitioned": "a partitioned table",
    "partition": "a partition",
    "view": "a view",
    "materializedView": "a materialized view",
    "foreignTable": "a foreign table",
}
_VOLATILE = re.compile(
    r"\b(nextval|setval|random|random_normal|gen_random_uuid|gen_random_bytes|clock_timestamp|timeofday"
    r"|uuid_generate_\w+|uuidv4|uuidv7|txid_current|pg_current_xact_id|currval|lastval)\s*\(",
    re.IGNORECASE,
)


def refuse_table(facts: Facts, written: str, kinds: Sequence[TableKind] = ROW_TABLES) -> tuple[str, ...]:
    """Refuse a table that is not there (naming near ones), or that is of a kind this operation cannot work on."""
    table = facts.table(written)
    if table is not None:
        if table.kind in kinds or not table.certain:
            return ()
        wanted = " or ".join(_KIND_WORDS[k] for k in kinds)
        return (f"{table.qualified} is {_KIND_WORDS[table.kind]}; this operation works on {wanted}.",)
    if not facts.certain:
        return ()
    near = facts.near_tables(written)
    hint = f" Did you mean {' or '.join(near)}?" if near else ""
    return (f"Table {parse_name(written)} does not exist in database {facts.database}.{hint}",)


def refuse_columns(table: Table | None, names: Sequence[str]) -> tuple[str, ...]:
    """Refuse columns that are not in the table, naming the near ones."""
    if table is None or not table.certain:
        return ()
    known = [c.name for c in table.columns]
    reasons = []
    for name in names:
        if name not in known:
            near = get_close_matches(name, known, n=1, cutoff=0.5)
            hint = f" Did you mean {near[0]}?" if near else f" It has: {', '.join(known[:20])}."
            reasons.append(f"Table {table.qualified} has no column {name}.{hint}")
    return tuple(reasons)


def refuse_taken(facts: Facts, name: QualifiedName) -> tuple[str, ...]:
    """Refuse a name that a relation, index, sequence or type of that schema has already."""
    if str(name) in facts.tables or str(name) in facts.other_names:
        return (f"There is already something called {name} in database {facts.database}; choose another name.",)
    if any(t.schema_name == name.schema and t.index(name.name) is not None for t in facts.tables.values()):
        return (f"There is already an index called {name}; choose another name.",)
    return ()


def refuse_schema(facts: Facts, name: QualifiedName) -> tuple[str, ...]:
    """Refuse a schema that is not there."""
    if not facts.certain or name.schema in facts.schemas:
        return ()
    return (
        f"Schema {name.schema} does not exist in database {facts.database}; it has: {', '.join(facts.schemas)}. "
        "Create it with a `sql` step first, or write another schema.",
    )


def refuse_constraint_name(table: Table | None, name: str) -> tuple[str, ...]:
    """Refuse a constraint name that the table has already."""
    if table is None or table.constraint(name) is None:
        return ()
    return (f"Table {table.qualified} already has a constraint {name}; choose another name.",)


def refuse_keyless(table: Table | None) -> tuple[str, ...]:
    """Refuse a table whose rows cannot be told apart: batches and row images go by its key."""
    if table is None or not table.certain or table.key:
        return ()
    return (
        f"Table {table.qualified} has neither a primary key nor a unique key without NULLs, so its rows can be neither "
        "changed in batches nor put back. Add a key first (createIndex unique, or addConstraint unique, on columns "
        "that are NOT NULL), or use a `sql` step with a `down`.",
    )


def refuse_written_columns(table: Table | None, names: Sequence[str]) -> tuple[str, ...]:
    """Refuse columns that are missing, or that PostgreSQL computes itself and nobody may write."""
    if table is None:
        return ()
    reasons = list(refuse_columns(table, names))
    for name in names:
        column = table.column(name)
        if column is not None and column.generated:
            reasons.append(f"Column {name} of {table.qualified} is generated; its value cannot be written.")
    return tuple(reasons)


def volatile_call(expression: str) -> str | None:
    """Give the first function of an expression that is known to give another value for each row; None if none is.

    now(), current_timestamp and their like are stable: one value for the whole statement.
    """
    found = _VOLATILE.search(code_only(expression))
    return found.group(1) if found else None


def column_set(table: Table, columns: Sequence[str]) -> bool:
    """Tell whether these columns, in any order, are a unique key that rows can be matched by."""
    wanted = set(columns)
    return any(
        i.unique and i.valid and not i.partial and bool(i.columns) and set(i.columns) == wanted for i in table.indexes
    )
