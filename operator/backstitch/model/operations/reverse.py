# SPDX-License-Identifier: Apache-2.0
"""How does a thing that was taken away come back exactly as it was? SQL from the catalog's own definitions.

Constraints come back NOT VALID under a short lock and are validated in a unit of their own; NOT NULL is proven by a
validated CHECK first, so that nothing scans the table under an exclusive lock (safety.md 1.1 and 1.2).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from backstitch.model.facts import Constraint, Index, Table
from backstitch.model.sql import quote_ident, quote_literal

_CREATE_INDEX = re.compile(r"^CREATE (UNIQUE )?INDEX (?:CONCURRENTLY )?")


def add_constraint(table: Table, constraint: Constraint) -> tuple[str, ...]:
    """Give the statements that add a check or foreign key again, not validated yet, with its comment."""
    definition = constraint.definition
    if constraint.validated and not definition.endswith("NOT VALID"):
        definition += " NOT VALID"
    add = f"ALTER TABLE {table.qualified.sql} ADD CONSTRAINT {quote_ident(constraint.name)} {definition}"
    return (add, *comment_on_constraint(table, constraint))


def validate_constraint(table: Table, name: str) -> str:
    """Give the statement that validates a constraint: long, but under a lock that reads and writes pass."""
    return f"ALTER TABLE {table.qualified.sql} VALIDATE CONSTRAINT {quote_ident(name)}"


def drop_constraint(table: Table, name: str, *, if_exists: bool = False) -> str:
    """Give the statement that drops a constraint; what depends on it makes it fail."""
    word = "IF EXISTS " if if_exists else ""
    return f"ALTER TABLE {table.qualified.sql} DROP CONSTRAINT {word}{quote_ident(name)}"


def comment_on_constraint(table: Table, constraint: Constraint) -> tuple[str, ...]:
    """Give the statement that puts a constraint's comment back, if it had one."""
    if constraint.comment is None:
        return ()
    on = f"{quote_ident(constraint.name)} ON {table.qualified.sql}"
    return (f"COMMENT ON CONSTRAINT {on} IS {quote_literal(constraint.comment)}",)


def index_flags(table: Table, index: Index) -> tuple[str, ...]:
    """Give the statements that put back what a new index does not have: comment, CLUSTER, replica identity."""
    name = quote_ident(index.name)
    statements = []
    if index.comment is not None:
        statements.append(f"COMMENT ON INDEX {quote_ident(table.schema_name)}.{name} IS {quote_literal(index.comment)}")
    if index.clustered:
        statements.append(f"ALTER TABLE {table.qualified.sql} CLUSTER ON {name}")
    if index.replica_identity:
        statements.append(f"ALTER TABLE {table.qualified.sql} REPLICA IDENTITY USING INDEX {name}")
    return tuple(statements)


def concurrently(definition: str, name: str | None = None) -> str:
    """Give an index definition (pg_get_indexdef) as a concurrent build, under another name if asked."""
    found = _CREATE_INDEX.match(definition)
    if found is None:
        raise ValueError(f"{definition!r} is not an index definition")
    rest = definition[found.end() :]
    if name is not None:
        rest = (
            f"{quote_ident(name)} ON {rest.split(' ON ', 1)[1]}" if not rest.startswith('"') else _renamed(rest, name)
        )
    return f"CREATE {found.group(1) or ''}INDEX CONCURRENTLY {rest}"


def _renamed(rest: str, name: str) -> str:
    end = re.match(r'"(?:[^"]|"")*"', rest)
    assert end is not None
    return quote_ident(name) + rest[end.end() :]


def not_null_name(table: Table, column: str) -> Constraint | None:
    """Give the NOT NULL constraint of a column; PostgreSQL has named ones from 18."""
    return next((c for c in table.constraints if c.kind == "notNull" and c.columns == (column,)), None)


def check_not_null(table: Table, column: str, name: str) -> str:
    """Give the statement that adds the CHECK which later proves NOT NULL without a scan."""
    return (
        f"ALTER TABLE {table.qualified.sql} ADD CONSTRAINT {quote_ident(name)} "
        f"CHECK ({quote_ident(column)} IS NOT NULL) NOT VALID"
    )


def restore_not_null(table: Table, column: str) -> tuple[str, ...]:
    """Give the statements that make a column NOT NULL again as it was, its constraint's name and comment included."""
    named = not_null_name(table, column)
    if named is None:
        return (f"ALTER TABLE {table.qualified.sql} ALTER COLUMN {quote_ident(column)} SET NOT NULL",)
    add = f"ALTER TABLE {table.qualified.sql} ADD CONSTRAINT {quote_ident(named.name)} {named.definition}"
    return (add, *comment_on_constraint(table, named))


def referenced_columns(definition: str) -> tuple[str, ...]:
    """Give the referenced columns of a foreign key's definition as pg_get_constraintdef writes it."""
    names = r'((?:"(?:[^"]|"")*"|[^"()])*)'
    ident = r'(?:"(?:[^"]|"")*"|[^"\s(.]+)'
    found = re.search(rf"^FOREIGN KEY \({names}\) REFERENCES {ident}(?:\.{ident})?\({names}\)", definition)
    if found is None:
        return ()
    pieces = re.findall(r'"((?:[^"]|"")*)"|([^",\s]+)', found.group(2))
    return tuple(quoted.replace('""', '"') if quoted else plain for quoted, plain in pieces)


def relies_on(other: Constraint, table: Table, columns: Sequence[str]) -> bool:
    """Tell whether a foreign key points at exactly these columns of the table."""
    if other.kind != "foreignKey" or other.references != str(table.qualified):
        return False
    return set(referenced_columns(other.definition)) == set(columns)
