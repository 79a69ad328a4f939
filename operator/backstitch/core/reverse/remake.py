# SPDX-License-Identifier: Apache-2.0
"""Can a changed object be altered back in place, or must it be dropped and made again?"""

from __future__ import annotations

from backstitch.core.reverse.nodes import Graph, Node

# Whatever changes in these, they are dropped and made again: no rows, and nothing of worth in their numbers.
_REMADE = {"trigger", "rule", "policy", "inheritance", "publicationTable", "publicationSchema"}


def must_remake(node: Node, graph: Graph) -> bool:
    """Tell whether an object that is in both catalogs must be made again."""
    changed = node.changed
    match node.kind:
        case "view":
            return "definition" in changed and not _only_wider(node, graph)
        case "function" | "procedure":
            return "definition" in changed and not _replaceable(node)
        case "materializedView" | "aggregate" | "index" | "statistics":
            return "definition" in changed
        case "constraint":
            return _constraint_remade(node)
        case "type":
            labels = "labels" in changed and not node.same
            subtype = bool(changed & {"subtype", "opclass", "canonical", "subdiff", "multirange"})
            return labels or subtype or _attributes_changed(node)
        case "domain":
            return bool(changed & {"base", "collation"})
        case "publication":
            return "allTables" in changed
        case "column":
            return "generated" in changed and not _can_set_expression(node, graph)
        case "other":
            return "definition" in changed and node.made_again
        case kind:
            return kind in _REMADE and bool(changed - {"comment", "enabled"})


def _only_wider(node: Node, graph: Graph) -> bool:
    """CREATE OR REPLACE VIEW can only add columns at the end; renamed ones are renamed back first."""
    was, now = node.was["columns"] or [], node.now["columns"] or []
    names = {}
    if node.same:
        columns = [n for n in graph.nodes if n.kind == "column" and n.home is node]
        names = {n.after.key.sub: n.before.key.sub for n in columns if n.before and n.after}
    renamed = [[names.get(name, name), of] for name, of in now]
    return bool(was[: len(now)] == renamed)


def _replaceable(node: Node) -> bool:
    """CREATE OR REPLACE FUNCTION changes neither names and types of parameters nor the result, and it cannot take
    the default of a parameter away."""
    assert node.before is not None
    assert node.after is not None
    was, now = node.before.soft, node.after.soft
    return bool(was["shape"] == now["shape"] and was["defaults"] >= now["defaults"])


def _constraint_remade(node: Node) -> bool:
    if "definition" not in node.changed and "validated" not in node.changed:
        return False
    assert node.before is not None
    assert node.after is not None
    if node.same and node.before.raw["definition"][:2] == node.after.raw["definition"][:2]:
        # Only validation can have changed (or NOT ENFORCED): validating needs nothing new, the other way does.
        return bool(node.now["validated"]) or node.before.soft["enforced"] != node.after.soft["enforced"]
    return True


def _attributes_changed(node: Node) -> bool:
    if "attributes" not in node.changed:
        return False
    if not node.same or node.before is None or node.after is None:
        return True
    return _unnamed(node.before.raw["attributes"]) != _unnamed(node.after.raw["attributes"])


def _unnamed(attributes: list[list[object]] | None) -> list[list[object]]:
    return [[number, *rest] for number, _, *rest in attributes or []]


def _can_set_expression(node: Node, graph: Graph) -> bool:
    was, now = node.was.get("generated"), node.now.get("generated")
    return bool(was and now and was[0] == now[0] and graph.after.server_version >= 170000)
