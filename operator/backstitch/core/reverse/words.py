# SPDX-License-Identifier: Apache-2.0
"""What does SQL call an object in ALTER, COMMENT, GRANT and DROP? One table for all of them."""

from __future__ import annotations

from backstitch.core.reverse.nodes import Node

_KINDS = {
    "materializedView": "MATERIALIZED VIEW",
    "foreignTable": "FOREIGN TABLE",
}


def kind_sql(node: Node) -> str:
    """Give the keyword of a kind of object."""
    return _KINDS.get(node.kind, node.kind.upper())


def signature(node: Node) -> str:
    """Give the argument types of a routine, in parentheses; '' for anything else."""
    return node.args


def on_sql(node: Node) -> str:
    """Give `ON table` for what is named together with its table; '' for anything else."""
    if node.kind in ("trigger", "policy", "rule"):
        return f"ON {node.table.sql}"
    if node.kind == "constraint":
        return f"ON {'DOMAIN ' if node.table.kind == 'domain' else ''}{node.table.sql}"
    return ""


def object_sql(node: Node) -> str:
    """Give kind and name as COMMENT wants them."""
    if node.kind == "column":
        return f"COLUMN {node.table.sql}.{node.sql}"
    on = on_sql(node)
    return f"{kind_sql(node)} {node.sql}{signature(node)}" + (f" {on}" if on else "")


def alter_table(node: Node) -> str:
    """Give `ALTER TABLE name` (or DOMAIN, VIEW …) of the table a node is, or is on."""
    table = node.table if node.kind in ("column", "constraint", "default", "index") else node
    return f"ALTER {kind_sql(table)} {table.sql}"
