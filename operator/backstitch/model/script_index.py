# SPDX-License-Identifier: Apache-2.0
"""CREATE and DROP INDEX CONCURRENTLY in a user's SQL: may it run, and the unit with its probe and its way back."""

from __future__ import annotations

import re

from backstitch.model.facts import Facts, Index, Table
from backstitch.model.script import Statement
from backstitch.model.script_shape import dropped_names, name_of
from backstitch.model.sql import QualifiedName, quote_ident, quote_literal
from backstitch.model.units import ConcurrentUnit, IndexProbe


def refuse_concurrent(statement: Statement, facts: Facts) -> tuple[str, ...]:
    """Give the reasons why this statement outside transactions cannot be a step with a way back."""
    node = statement.node
    if node.kind == "IndexStmt":
        return _refuse_create(statement, facts)
    if node.kind != "DropStmt":
        return (f"{statement.tag} cannot run inside a transaction, so it cannot be made certain. Leave it out.",)
    names = dropped_names(node, statement.schema)
    if statement.missing_ok:
        return ("IF EXISTS hides whether there is something to bring back. Leave it out.",)
    if len(names) != 1:
        return ("DROP INDEX CONCURRENTLY takes one index; write one statement for each.",)
    found = find_index(facts, names[0])
    if found is None:
        return (f"index {names[0]} does not exist in database {facts.database}.",) if facts.certain else ()
    table, index = found
    if index.constraint is not None:
        return (f"index {names[0]} stands behind constraint {index.constraint}. Use dropConstraint.",)
    if table.kind == "partitioned":
        return (f"table {table.qualified} is partitioned; its indexes cannot be dropped concurrently.",)
    return ()


def concurrent_unit(statement: Statement, facts: Facts) -> ConcurrentUnit:
    """Give the unit. A dropped index that facts do not show (they are not certain) has an empty way back for now:
    the engine asks again on the real catalog when the step starts.
    """
    node = statement.node
    if node.kind == "IndexStmt":
        table = statement.writes[0]
        name = QualifiedName(table.schema, node.text("idxname"))
        return ConcurrentUnit(
            forward=statement.text,
            probe=IndexProbe(schema_name=name.schema, index=name.name, present=True),
            backward=f"DROP INDEX CONCURRENTLY {name.sql}",
            table=str(table),
        )
    name = dropped_names(node, statement.schema)[0]
    found = find_index(facts, name)
    return ConcurrentUnit(
        forward=statement.text,
        probe=IndexProbe(schema_name=name.schema, index=name.name, present=False),
        backward=concurrent_definition(found[1]) if found else "",
        backward_after=index_flags(found[0], found[1]) if found else (),
        table=str(found[0].qualified) if found else None,
    )


def find_index(facts: Facts, name: QualifiedName) -> tuple[Table, Index] | None:
    """Give the index of that name with its table; an index lives in its table's schema."""
    for table in facts.tables.values():
        index = table.index(name.name)
        if index is not None and table.schema_name == name.schema:
            return table, index
    return None


def concurrent_definition(index: Index) -> str:
    """Give pg_get_indexdef's text with CONCURRENTLY put in; it writes no other form of these first words."""
    return re.sub(r"^(CREATE (?:UNIQUE )?INDEX) ", r"\1 CONCURRENTLY ", index.definition)


def index_flags(table: Table, index: Index) -> tuple[str, ...]:
    """Give the statements that bring back what an index definition does not hold (safety.md 1.4, row 84)."""
    name = QualifiedName(table.schema_name, index.name)
    statements = []
    if index.comment is not None:
        statements.append(f"COMMENT ON INDEX {name.sql} IS {quote_literal(index.comment)}")
    if index.clustered:
        statements.append(f"ALTER TABLE {table.qualified.sql} CLUSTER ON {quote_ident(index.name)}")
    if index.replica_identity:
        statements.append(f"ALTER TABLE {table.qualified.sql} REPLICA IDENTITY USING INDEX {quote_ident(index.name)}")
    return tuple(statements)


def _refuse_create(statement: Statement, facts: Facts) -> tuple[str, ...]:
    node = statement.node
    name = node.text("idxname")
    if not name:
        return (
            "the index needs a name, so that it can be found and dropped. Write CREATE INDEX CONCURRENTLY name ON …",
        )
    if node.flag("if_not_exists"):
        return ("IF NOT EXISTS reports success over an invalid index. Leave it out; a leftover is found and rebuilt.",)
    relation = node.node("relation")
    table = facts.table(_lookup(name_of(relation, statement.schema))) if relation is not None else None
    if table is not None and table.kind == "partitioned":
        return (
            f"table {table.qualified} is partitioned, and its indexes cannot be built concurrently. Use createIndex.",
        )
    if table is not None and table.index(name) is not None and table.certain:
        return (f"table {table.qualified} already has an index {name}; choose another name.",)
    return ()


def _lookup(name: QualifiedName) -> str:
    return f"{quote_ident(name.schema)}.{quote_ident(name.name)}"
