# SPDX-License-Identifier: Apache-2.0
"""What one parse tree is: its command tag, its kind, whether it may run in a transaction, the tables it touches."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from backstitch.model.script_tree import Node
from backstitch.model.sql import DEFAULT_SCHEMA, QualifiedName

StatementKind = Literal["ddl", "dml", "query", "do", "transaction", "session", "maintenance", "server", "copy"]

_NO_TARGET = ("SelectStmt", "ExplainStmt", "GrantStmt", "CreateFunctionStmt", "DropStmt", "PrepareStmt")
_NO_TARGET_TAGS = ("ALTER INDEX", "ALTER SEQUENCE", "ALTER TYPE")
DML_NODES = ("InsertStmt", "UpdateStmt", "DeleteStmt", "MergeStmt")

_OBJECTS = {
    "OBJECT_TABLE": "TABLE",
    "OBJECT_INDEX": "INDEX",
    "OBJECT_VIEW": "VIEW",
    "OBJECT_MATVIEW": "MATERIALIZED VIEW",
    "OBJECT_FOREIGN_TABLE": "FOREIGN TABLE",
    "OBJECT_SEQUENCE": "SEQUENCE",
    "OBJECT_TYPE": "TYPE",
    "OBJECT_DOMAIN": "DOMAIN",
    "OBJECT_SCHEMA": "SCHEMA",
    "OBJECT_FUNCTION": "FUNCTION",
    "OBJECT_PROCEDURE": "PROCEDURE",
    "OBJECT_TRIGGER": "TRIGGER",
    "OBJECT_POLICY": "POLICY",
    "OBJECT_RULE": "RULE",
    "OBJECT_EXTENSION": "EXTENSION",
    "OBJECT_COLUMN": "TABLE",
    "OBJECT_TABCONSTRAINT": "TABLE",
    "OBJECT_ATTRIBUTE": "TYPE",
    "OBJECT_STATISTIC_EXT": "STATISTICS",
    "OBJECT_ROLE": "ROLE",
    "OBJECT_DATABASE": "DATABASE",
    "OBJECT_PUBLICATION": "PUBLICATION",
    "OBJECT_SUBSCRIPTION": "SUBSCRIPTION",
    "OBJECT_EVENT_TRIGGER": "EVENT TRIGGER",
}

# (kind, tag) by node; {} takes the object's word. A node that is not here is DDL, tagged by its own name.
_SHAPES: dict[str, tuple[StatementKind, str]] = {
    "SelectStmt": ("query", "SELECT"),
    "InsertStmt": ("dml", "INSERT"),
    "UpdateStmt": ("dml", "UPDATE"),
    "DeleteStmt": ("dml", "DELETE"),
    "MergeStmt": ("dml", "MERGE"),
    "CopyStmt": ("copy", "COPY"),
    "DoStmt": ("do", "DO"),
    "CallStmt": ("do", "CALL"),
    "ExecuteStmt": ("do", "EXECUTE"),
    "PrepareStmt": ("session", "PREPARE"),
    "DeallocateStmt": ("session", "DEALLOCATE"),
    "TransactionStmt": ("transaction", "TRANSACTION"),
    "VariableSetStmt": ("session", "SET"),
    "VariableShowStmt": ("query", "SHOW"),
    "ConstraintsSetStmt": ("session", "SET CONSTRAINTS"),
    "DiscardStmt": ("session", "DISCARD"),
    "ListenStmt": ("session", "LISTEN"),
    "UnlistenStmt": ("session", "UNLISTEN"),
    "NotifyStmt": ("session", "NOTIFY"),
    "LoadStmt": ("session", "LOAD"),
    "DeclareCursorStmt": ("session", "DECLARE CURSOR"),
    "FetchStmt": ("session", "FETCH"),
    "ClosePortalStmt": ("session", "CLOSE"),
    "LockStmt": ("session", "LOCK TABLE"),
    "ExplainStmt": ("query", "EXPLAIN"),
    "VacuumStmt": ("maintenance", "VACUUM"),
    "ReindexStmt": ("maintenance", "REINDEX"),
    "ClusterStmt": ("maintenance", "CLUSTER"),
    "CheckPointStmt": ("server", "CHECKPOINT"),
    "AlterSystemStmt": ("server", "ALTER SYSTEM"),
    "CreatedbStmt": ("server", "CREATE DATABASE"),
    "DropdbStmt": ("server", "DROP DATABASE"),
    "AlterDatabaseStmt": ("server", "ALTER DATABASE"),
    "AlterDatabaseSetStmt": ("server", "ALTER DATABASE"),
    "AlterDatabaseRefreshCollStmt": ("server", "ALTER DATABASE"),
    "CreateTableSpaceStmt": ("server", "CREATE TABLESPACE"),
    "DropTableSpaceStmt": ("server", "DROP TABLESPACE"),
    "AlterTableSpaceOptionsStmt": ("server", "ALTER TABLESPACE"),
    "CreateSubscriptionStmt": ("server", "CREATE SUBSCRIPTION"),
    "AlterSubscriptionStmt": ("server", "ALTER SUBSCRIPTION"),
    "DropSubscriptionStmt": ("server", "DROP SUBSCRIPTION"),
    "CreateRoleStmt": ("server", "CREATE ROLE"),
    "AlterRoleStmt": ("server", "ALTER ROLE"),
    "AlterRoleSetStmt": ("server", "ALTER ROLE"),
    "DropRoleStmt": ("server", "DROP ROLE"),
    "GrantRoleStmt": ("server", "GRANT ROLE"),
    "CreateStmt": ("ddl", "CREATE TABLE"),
    "CreateTableAsStmt": ("ddl", "CREATE {} AS"),
    "CreateForeignTableStmt": ("ddl", "CREATE FOREIGN TABLE"),
    "AlterTableStmt": ("ddl", "ALTER {}"),
    "RenameStmt": ("ddl", "ALTER {}"),
    "AlterObjectSchemaStmt": ("ddl", "ALTER {}"),
    "AlterOwnerStmt": ("ddl", "ALTER {}"),
    "DropStmt": ("ddl", "DROP {}"),
    "TruncateStmt": ("ddl", "TRUNCATE"),
    "IndexStmt": ("ddl", "CREATE INDEX"),
    "ViewStmt": ("ddl", "CREATE VIEW"),
    "RuleStmt": ("ddl", "CREATE RULE"),
    "CreateTrigStmt": ("ddl", "CREATE TRIGGER"),
    "CreateEventTrigStmt": ("ddl", "CREATE EVENT TRIGGER"),
    "CreatePolicyStmt": ("ddl", "CREATE POLICY"),
    "AlterPolicyStmt": ("ddl", "ALTER POLICY"),
    "CreateFunctionStmt": ("ddl", "CREATE FUNCTION"),
    "AlterFunctionStmt": ("ddl", "ALTER FUNCTION"),
    "CreateSchemaStmt": ("ddl", "CREATE SCHEMA"),
    "CreateSeqStmt": ("ddl", "CREATE SEQUENCE"),
    "AlterSeqStmt": ("ddl", "ALTER SEQUENCE"),
    "CreateEnumStmt": ("ddl", "CREATE TYPE"),
    "CompositeTypeStmt": ("ddl", "CREATE TYPE"),
    "CreateRangeStmt": ("ddl", "CREATE TYPE"),
    "AlterEnumStmt": ("ddl", "ALTER TYPE"),
    "CreateDomainStmt": ("ddl", "CREATE DOMAIN"),
    "AlterDomainStmt": ("ddl", "ALTER DOMAIN"),
    "CreateExtensionStmt": ("ddl", "CREATE EXTENSION"),
    "AlterExtensionStmt": ("ddl", "ALTER EXTENSION"),
    "CreateStatsStmt": ("ddl", "CREATE STATISTICS"),
    "CreatePublicationStmt": ("ddl", "CREATE PUBLICATION"),
    "AlterPublicationStmt": ("ddl", "ALTER PUBLICATION"),
    "RefreshMatViewStmt": ("ddl", "REFRESH MATERIALIZED VIEW"),
    "GrantStmt": ("ddl", "GRANT"),
    "AlterDefaultPrivilegesStmt": ("ddl", "ALTER DEFAULT PRIVILEGES"),
    "CommentStmt": ("ddl", "COMMENT"),
    "SecLabelStmt": ("ddl", "SECURITY LABEL"),
    "DropOwnedStmt": ("ddl", "DROP OWNED"),
    "ReassignOwnedStmt": ("ddl", "REASSIGN OWNED"),
    "DefineStmt": ("ddl", "CREATE {}"),
}


def tag_of(node: Node) -> str:
    """Give the command as PostgreSQL's manual heads it, such as ALTER TABLE."""
    tag = _SHAPES.get(node.kind, ("ddl", node.kind.removesuffix("Stmt").upper()))[1]
    if node.kind == "TransactionStmt":
        return node.text("kind").removeprefix("TRANS_STMT_").replace("_", " ")
    if node.kind == "VacuumStmt" and not node.flag("is_vacuumcmd"):
        return "ANALYZE"
    if node.kind == "GrantStmt" and not node.flag("is_grant"):
        return "REVOKE"
    for name in ("relationType", "renameType", "objtype", "objectType", "removeType", "kind"):
        word = _OBJECTS.get(node.text(name))
        if word:
            return tag.format(word)
    return tag.format("OBJECT") if "{}" in tag else tag


def kind_of(node: Node) -> StatementKind:
    """Give what the statement does; a SELECT or EXPLAIN with a data-modifying part is DML, SELECT INTO is DDL."""
    kind: StatementKind = _SHAPES.get(node.kind, ("ddl", ""))[0]
    if kind == "query":
        if node.node("intoClause") is not None:
            return "ddl"
        if node.kind != "ExplainStmt" or has_option(node, "options", "analyze"):
            return "dml" if any(True for _ in node.find(*DML_NODES)) else "query"
    return kind


def runs_in_transaction(node: Node) -> bool:
    """Tell whether PostgreSQL takes it inside a transaction block (safety.md 1.7, the complete list)."""
    match node.kind:
        case "IndexStmt":
            return not node.flag("concurrent")
        case "DropStmt":
            return not node.flag("concurrent")
        case "ReindexStmt":
            whole = node.text("kind") in ("REINDEX_OBJECT_SCHEMA", "REINDEX_OBJECT_SYSTEM", "REINDEX_OBJECT_DATABASE")
            return not whole and not has_option(node, "params", "concurrently")
        case "AlterTableStmt":
            return not any(part.flag("concurrent") for part in node.find("PartitionCmd"))
        case "VacuumStmt":
            return not node.flag("is_vacuumcmd")
        case "ClusterStmt":
            return node.node("relation") is not None
        case "AlterSystemStmt" | "CreatedbStmt" | "DropdbStmt" | "CreateTableSpaceStmt" | "DropTableSpaceStmt":
            return False
        case "CreateSubscriptionStmt" | "DropSubscriptionStmt" | "AlterSubscriptionStmt":
            return False
    return True


def has_option(node: Node, field: str, name: str) -> bool:
    """Tell whether an option of a list such as (CONCURRENTLY, VERBOSE) is given and not switched off."""
    for option in node.nodes(field):
        if option.text("defname") == name:
            value = option.node("arg")
            return value is None or (value.text("sval").lower() not in ("false", "off") and value.fields != {})
    return False


def name_of(relation: Node, default_schema: str = DEFAULT_SCHEMA) -> QualifiedName:
    """Give the name a RangeVar stands for."""
    return QualifiedName(relation.text("schemaname") or default_schema, relation.text("relname"))


def dropped_names(node: Node, default_schema: str = DEFAULT_SCHEMA) -> tuple[QualifiedName, ...]:
    """Give the relations (or types) a DROP names."""
    found = []
    for item in node.nodes("objects"):
        parts = item.strings("items") or item.strings("names")
        if parts:
            found.append(QualifiedName(parts[-2] if len(parts) > 1 else default_schema, parts[-1]))
    return tuple(found)


def written_tables(node: Node, default_schema: str = DEFAULT_SCHEMA) -> tuple[QualifiedName, ...]:
    """Give the tables whose rows or definition the statement names as its target, in order, each once."""
    return tuple(dict.fromkeys(_written(node, default_schema)))


def read_tables(node: Node, default_schema: str = DEFAULT_SCHEMA) -> tuple[QualifiedName, ...]:
    """Give the relations the statement only reads or refers to; names of its own CTEs are not among them."""
    own = {cte.text("ctename") for cte in node.find("CommonTableExpr")}
    written = set(written_tables(node, default_schema))
    found = dict.fromkeys(
        name_of(relation, default_schema)
        for relation in node.find("RangeVar")
        if relation.text("relname") and not (relation.text("relname") in own and not relation.text("schemaname"))
    )
    return tuple(name for name in found if name not in written)


def _written(node: Node, default_schema: str) -> Iterator[QualifiedName]:
    for part in node.find(*DML_NODES, "IntoClause"):
        relation = part.node("rel") if part.kind == "IntoClause" else part.node("relation")
        if relation is not None:
            yield name_of(relation, default_schema)
    if node.kind == "DropStmt":
        yield from _dropped_from(node, default_schema)
    if node.kind in _NO_TARGET or tag_of(node) in _NO_TARGET_TAGS:
        return
    if (node.kind == "CopyStmt" and not node.flag("is_from")) or node.text("kind") == "REINDEX_OBJECT_INDEX":
        return
    targets = [node.node(field) for field in ("relation", "view", "table")]
    for relation in (*targets, *node.nodes("relations")):
        if relation is not None and relation.kind == "RangeVar":
            yield name_of(relation, default_schema)


def _dropped_from(node: Node, default_schema: str) -> Iterator[QualifiedName]:
    """Give the tables a DROP changes or removes; a trigger, policy or rule is named after its table."""
    if node.text("removeType") in ("OBJECT_TRIGGER", "OBJECT_POLICY", "OBJECT_RULE"):
        for item in node.nodes("objects"):
            parts = item.strings("items")
            yield QualifiedName(parts[-3] if len(parts) > 2 else default_schema, parts[-2])
    elif node.text("removeType") in ("OBJECT_TABLE", "OBJECT_VIEW", "OBJECT_MATVIEW", "OBJECT_FOREIGN_TABLE"):
        yield from dropped_names(node, default_schema)
