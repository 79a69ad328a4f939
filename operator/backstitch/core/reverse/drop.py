# SPDX-License-Identifier: Apache-2.0
"""How is what a migration made dropped again? Never with CASCADE; what goes with something else is left out."""

from __future__ import annotations

from backstitch.core.reverse.nodes import Graph, Node
from backstitch.core.reverse.words import alter_table, object_sql
from backstitch.model.catalog import ObjectId
from backstitch.model.sql import quote_ident


def goes_with_another(node: Node, graph: Graph, dropped: set[Node]) -> bool:
    """Tell whether an object disappears when another one is dropped."""
    home = node.home
    if node.kind == "default" and home is not None:
        return home in dropped or home.home in dropped
    if home in dropped and home is not None and home.kind != "schema":
        return not (node.kind == "constraint" and node.any.soft.get("type") == "f" and _ring(node, graph, dropped))
    soft = node.any.soft
    if node.kind == "sequence" and soft.get("ownedBy"):
        return _owner(node, graph, dropped)
    if node.kind in ("index", "constraint") and soft.get("indexParent"):
        parent = int(soft["indexParent"])
        return any(n.after is not None and (n.after.id == ObjectId("pg_class", parent)
                   or str(n.after.soft.get("index")) == str(parent)) for n in dropped)  # fmt: skip
    if node.kind == "constraint" and soft.get("parent"):
        return graph.of_after.get(ObjectId("pg_constraint", int(soft["parent"]))) in dropped
    if node.kind == "trigger" and soft.get("parent"):
        return True
    if node.kind == "constraint" and soft.get("type") == "n" and _column(node, graph) in dropped:
        return True  # an identity would not let go of it
    if node.kind in ("column", "constraint"):
        freed = any(n.kind == "inheritance" and n.home is home for n in dropped)
        return (node.now.get("inherited") or 0) > 0 and not node.now.get("local") and not freed
    if node.kind == "publicationTable":
        return graph.of_after.get(ObjectId("pg_class", int(soft["table"]))) in dropped
    return False


def _ring(node: Node, graph: Graph, dropped: set[Node]) -> bool:
    """Foreign keys between tables that are both dropped go first: two tables may refer to each other."""
    other = node.any.soft.get("references")
    target = graph.of_after.get(ObjectId("pg_class", int(other))) if other else None
    return target is not None and target is not node.home and target in dropped


def _column(node: Node, graph: Graph) -> Node | None:
    parent, numbers = node.any.parent, node.any.soft.get("numbers") or [0]
    return graph.of_after.get(ObjectId("pg_class", parent.oid, int(numbers[0]))) if parent else None


def _owner(node: Node, graph: Graph, dropped: set[Node]) -> bool:
    oid, number = int(node.any.soft["ownedBy"]), int(node.any.soft["ownedByColumn"])
    column = graph.of_after.get(ObjectId("pg_class", oid, number))
    return column in dropped or graph.of_after.get(ObjectId("pg_class", oid)) in dropped


def drop_sql(node: Node, graph: Graph) -> str | None:
    """Give the statement that drops an object, or None when there is none for it."""
    match node.kind:
        case "column" if node.table.kind in ("view", "materializedView"):
            return None
        case "column":
            return f"{alter_table(node)} DROP COLUMN {node.sql}"
        case "default":
            only = "ONLY " if node.table.kind == "table" else ""
            kind = "VIEW" if node.table.kind == "view" else "TABLE"
            return f"ALTER {kind} {only}{node.table.sql} ALTER COLUMN {column_of(node).sql} DROP DEFAULT"
        case "constraint":
            return f"{alter_table(node)} DROP CONSTRAINT {node.sql}"
        case "inheritance":
            parent = graph.of_after[ObjectId("pg_class", int(node.any.soft["parent"]))]
            if node.now.get("bound") is not None:
                return f"ALTER TABLE {parent.sql} DETACH PARTITION {node.table.sql}"
            return f"ALTER TABLE {node.table.sql} NO INHERIT {parent.sql}"
        case "publicationTable":
            table = graph.of_after[ObjectId("pg_class", int(node.any.soft["table"]))]
            return f"ALTER PUBLICATION {quote_ident(node.table.name)} DROP TABLE ONLY {table.sql}"
        case "publicationSchema":
            return f"ALTER PUBLICATION {quote_ident(node.table.name)} DROP TABLES IN SCHEMA {quote_ident(node.name)}"
        case "other":
            return f"DROP {node.any.key.sub.upper().replace('-', ' ')} {node.any.key.name}"
        case "defaultPrivileges":
            return None
        case _:
            return f"DROP {object_sql(node)}"


def column_of(default: Node) -> Node:
    """Give the column a default belongs to."""
    assert default.home is not None
    return default.home
