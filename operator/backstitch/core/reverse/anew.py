# SPDX-License-Identifier: Apache-2.0
"""What is special about constraints, indexes and sequences whose table is made again?"""

from __future__ import annotations

from backstitch.core.reverse.nodes import Graph, Node
from backstitch.model.catalog import ObjectId


def alone_first(node: Node, graph: Graph) -> bool:
    """Tell whether what a partition or child has from its parent is made by itself, because the table is new.

    Attaching joins the two. A foreign key of a parent that is made again too comes down from there.
    """
    if node.table.after is not None or node.table.kind != "table":
        return False
    above = node.any.soft.get("parent")
    parent = graph.of_before.get(ObjectId("pg_constraint", int(above))) if above else None
    return parent is None or node.any.soft.get("type") != "f" or parent.table.after is not None


def owner_column(node: Node, graph: Graph) -> Node | None:
    """Give the column that owned a sequence; None for none."""
    soft = node.before.soft if node.before else {}
    if not soft.get("ownedBy"):
        return None
    return graph.of_before.get(ObjectId("pg_class", int(soft["ownedBy"]), int(soft["ownedByColumn"])))


def owner_is_new(node: Node, graph: Graph) -> bool:
    """Tell whether the column that owned a sequence is made again, after the sequence."""
    column = owner_column(node, graph)
    return column is not None and (column.after is None or column.table.after is None)


def owned_by(node: Node, graph: Graph) -> list[str]:
    """Give OWNED BY as it was; the table must have the sequence's owner by then."""
    column = owner_column(node, graph)
    return [] if column is None else [f"ALTER SEQUENCE {node.sql} OWNED BY {column.table.sql}.{column.sql}"]


def late_owner(node: Node, graph: Graph) -> list[str]:
    """Give OWNED BY for a sequence whose column is made again after it."""
    return owned_by(node, graph) if node.kind == "sequence" and owner_is_new(node, graph) else []
