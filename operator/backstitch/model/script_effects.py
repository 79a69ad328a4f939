# SPDX-License-Identifier: Apache-2.0
"""What a user's SQL does to the known facts: tables it makes, names it misses, and what is no longer sure after it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from difflib import get_close_matches

from backstitch.model.facts import Facts, Table
from backstitch.model.script import Node, Statement
from backstitch.model.script_shape import name_of
from backstitch.model.script_types import keeps_values, type_changes
from backstitch.model.sql import DEFAULT_SCHEMA, QualifiedName, quote_ident

_SYSTEM_SCHEMAS = ("pg_catalog", "information_schema", "pg_toast", "pg_temp")

# Plain DDL that changes only the tables it names; everything else in DDL makes names appear or go.
_ONLY_ITS_TABLE = frozenset(
    (
        *("CREATE INDEX", "CREATE TRIGGER", "CREATE POLICY", "CREATE STATISTICS", "CREATE RULE", "ALTER POLICY"),
        *("ALTER TRIGGER", "DROP POLICY", "DROP TRIGGER", "DROP RULE", "COMMENT", "GRANT", "REVOKE"),
        *("REFRESH MATERIALIZED VIEW", "TRUNCATE", "SECURITY LABEL"),
    )
)
_NO_TABLE = frozenset(
    (
        *("CREATE FUNCTION", "CREATE TYPE", "CREATE DOMAIN", "CREATE SEQUENCE", "CREATE PUBLICATION"),
        *("ALTER FUNCTION", "ALTER TYPE", "ALTER SEQUENCE", "ALTER DEFAULT PRIVILEGES", "ALTER PUBLICATION"),
        *("DROP FUNCTION", "DROP PROCEDURE", "DROP SEQUENCE", "DROP PUBLICATION"),
    )
)
_ENDS_A_USE = frozenset(("DROP VIEW", "DROP MATERIALIZED VIEW", "DROP FUNCTION", "CREATE VIEW", "ALTER VIEW"))


def created_relations(statement: Statement) -> tuple[QualifiedName, ...]:
    """Give the relations this one statement makes."""
    return tuple(_created(statement.node, statement.schema))


def created_tables(statements: Sequence[Statement]) -> frozenset[QualifiedName]:
    """Give the relations the script makes; their rows are its own."""
    return frozenset(name for statement in statements for name in created_relations(statement))


def missing_names(statements: Sequence[Statement], facts: Facts) -> tuple[str, ...]:
    """Give one reason per table or column that plain statements name and that is not there, with near names."""
    reasons: list[str] = []
    made: set[QualifiedName] = set()
    known = {*facts.tables, *facts.other_names}
    known.update(f"{t.schema_name}.{i.name}" for t in facts.tables.values() for i in t.indexes)
    for statement in statements:
        if not facts.certain:
            break
        if statement.kind == "do":
            break  # it may make anything
        made.update(created_relations(statement))
        if statement.kind in ("ddl", "dml", "query") and not statement.missing_ok:
            for name in (*statement.writes, *statement.reads):
                if name not in made and not _is_known(known, name):
                    reasons.append(f"line {statement.line}: {_no_table(facts, name)} ({statement.excerpt})")
            reasons.extend(f"line {statement.line}: {r}" for r in _missing_columns(statement, facts))
        facts = facts_after((statement,), facts)
    return tuple(dict.fromkeys(reasons))


def unkeyed_tables(statements: Sequence[Statement], facts: Facts) -> tuple[str, ...]:
    """Give one reason per table whose rows change and that has no key to find them again by."""
    made = created_tables(statements)
    reasons = []
    for statement in statements:
        if statement.kind != "dml":
            continue
        for name in statement.writes:
            table = facts.tables.get(str(name))
            if table is None or name in made or not table.certain or table.kind not in ("table", "partitioned"):
                continue
            if not table.key:
                reasons.append(
                    f"line {statement.line}: table {name} has neither a primary key nor a unique key without NULLs, so "
                    "changed rows could not be found again. Add a key first, or write down."
                )
    return tuple(dict.fromkeys(reasons))


def early_enum_values(statements: Sequence[Statement]) -> tuple[str, ...]:
    """Give one reason per use of an enum value in the transaction that adds it: PostgreSQL refuses it until commit."""
    added: dict[str, Statement] = {}
    reasons = []
    for statement in statements:
        if statement.node.kind == "AlterEnumStmt" and not statement.node.text("oldVal"):
            added[statement.node.text("newVal")] = statement
            continue
        words = {value.text("sval") for c in statement.node.find("A_Const") if (value := c.node("sval"))}
        reasons += [
            f"line {statement.line}: the enum value {value!r} cannot be used in the transaction that adds it. "
            f"Put {added[value].excerpt} into an earlier step of its own."
            for value in sorted(words & added.keys())
        ]
    return tuple(reasons)


def lossy_types(statements: Sequence[Statement], facts: Facts) -> tuple[str, ...]:
    """Give one reason per column whose values would not all come back when its new type is turned back."""
    made = created_tables(statements)
    reasons = []
    for statement in statements:
        for name in statement.writes:
            table = facts.tables.get(str(name))
            for change in type_changes(statement) if table is not None and name not in made else ():
                column = table.column(change.column) if table is not None and table.certain else None
                if column is not None and not keeps_values(column.type, change.type, change.using):
                    reasons.append(
                        f"line {statement.line}: values of {name}.{change.column} may not survive the way from "
                        f"{column.type} to {change.type or 'that type'} and back. Add a column with addColumn, fill it "
                        "with backfill and rename, or write down."
                    )
    return tuple(reasons)


def facts_after(statements: Sequence[Statement], facts: Facts) -> Facts:
    """Give the facts once these ran: what they may have changed is marked as not certain."""
    for statement in statements:
        created = created_relations(statement)
        if statement.kind == "do" or _calls_a_function(statement):
            unsure = {key: t.model_copy(update={"certain": False}) for key, t in facts.tables.items()}
            facts = facts.model_copy(update={"certain": False, "tables": unsure})
        elif statement.kind != "ddl":
            pass
        elif created:
            for name in created:
                facts = facts.with_table(Table(schema_name=name.schema, name=name.name, certain=False))
        elif statement.tag in _NO_TABLE:
            pass
        elif statement.tag == "CREATE SCHEMA":
            facts = facts.model_copy(update={"schemas": (*facts.schemas, statement.node.text("schemaname"))})
        elif statement.tag in _ONLY_ITS_TABLE or statement.node.kind == "AlterTableStmt":
            for name in statement.writes:
                table = facts.tables.get(str(name))
                if table is not None:
                    facts = facts.with_table(table.model_copy(update={"certain": False}))
        else:
            facts = facts.model_copy(update={"certain": False})
        if statement.tag in _ENDS_A_USE:
            facts = _unsure_of_uses(facts)
    return facts


def _unsure_of_uses(facts: Facts) -> Facts:
    """What used a table or column, such as a view, may use it no more; only the catalog will know."""
    used = [t for t in facts.tables.values() if t.dependents or any(c.dependents for c in t.columns)]
    for table in used:
        facts = facts.with_table(table.model_copy(update={"certain": False}))
    return facts


def _created(node: Node, schema: str) -> Iterator[QualifiedName]:
    fields = {"CreateStmt": "relation", "IntoClause": "rel", "ViewStmt": "view", "CreateSeqStmt": "sequence"}
    fields |= {"CompositeTypeStmt": "typevar", "CreateForeignTableStmt": "base"}
    for part in node.find(*fields):
        relation = part.node(fields[part.kind])
        if relation is not None and part.kind == "CreateForeignTableStmt":
            relation = relation.node("relation")
        if relation is not None:
            yield name_of(relation, schema)


def _is_known(known: set[str], name: QualifiedName) -> bool:
    """Tell whether a relation may be there; one in the default schema may be found elsewhere by search_path."""
    if name.schema in _SYSTEM_SCHEMAS or name.name.startswith("pg_"):
        return True
    if str(name) in known:
        return True
    return name.schema == DEFAULT_SCHEMA and any(other.endswith(f".{name.name}") for other in known)


def _no_table(facts: Facts, name: QualifiedName) -> str:
    near = facts.near_tables(f"{quote_ident(name.schema)}.{quote_ident(name.name)}")
    if name.schema != DEFAULT_SCHEMA and name.schema not in facts.schemas:
        close = get_close_matches(name.schema, list(facts.schemas), n=1, cutoff=0.5)
        hint = f" Did you mean {close[0]}?" if close else ""
        return f"schema {name.schema} does not exist in database {facts.database}.{hint}"
    hint = f" Did you mean {' or '.join(near)}?" if near else ""
    return f"table {name} does not exist in database {facts.database}.{hint}"


def _missing_columns(statement: Statement, facts: Facts) -> tuple[str, ...]:
    """Look at the target columns of a plain INSERT, UPDATE or ALTER COLUMN; nothing deeper is safe to judge."""
    node = statement.node
    relation = node.node("relation")
    table = facts.tables.get(str(name_of(relation, statement.schema))) if relation is not None else None
    if table is None or table.kind not in ("table", "partitioned", "partition"):
        return ()
    names: list[str] = []
    if node.kind == "InsertStmt":
        names = [c.text("name") for c in node.nodes("cols")]
    elif node.kind == "UpdateStmt":
        names = [c.text("name") for c in node.nodes("targetList")]
    elif node.kind == "RenameStmt" and node.text("renameType") == "OBJECT_COLUMN":
        names = [node.text("subname")]
    elif node.kind == "AlterTableStmt":
        added = {c.text("colname") for c in node.find("ColumnDef")}
        wanted = ("AT_AlterColumnType", "AT_SetNotNull", "AT_DropNotNull", "AT_ColumnDefault")
        names = [c.text("name") for c in node.nodes("cmds") if c.text("subtype") in wanted]
        names = [name for name in names if name not in added]
    known = [c.name for c in table.columns]
    reasons = []
    for name in names if table.certain else []:
        if name not in known:
            near = get_close_matches(name, known, n=1, cutoff=0.5)
            hint = f"Did you mean {near[0]}?" if near else f"It has: {', '.join(known[:20])}."
            reasons.append(f"table {table.qualified} has no column {name}. {hint} ({statement.excerpt})")
    return tuple(reasons)


def _calls_a_function(statement: Statement) -> bool:
    """Tell whether this is `SELECT some_function(…)` with no FROM: called for what it does, and it may do anything."""
    node = statement.node
    if node.kind != "SelectStmt" or node.nodes("fromClause"):
        return False
    for target in node.nodes("targetList"):
        value = target.node("val")
        if value is not None and value.kind == "FuncCall" and value.strings("funcname")[:1] != ("pg_catalog",):
            return True
    return False
