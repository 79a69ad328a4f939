# SPDX-License-Identifier: Apache-2.0
"""In which order can objects be made or dropped? Needs first; deterministic; a ring is broken at its last edge."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from backstitch.core.reverse.nodes import Node

_RANK = (
    "schema", "extension", "type", "domain", "sequence", "function", "procedure", "aggregate", "table",
    "foreignTable", "column", "default", "inheritance", "constraint", "index", "view", "materializedView", "rule",
    "trigger", "policy", "statistics", "publication", "publicationTable", "publicationSchema",
)  # fmt: skip


def needs_first(wanted: Iterable[Node], needs: Mapping[Node, set[Node]]) -> list[Node]:
    """Give the wanted nodes so that each comes after everything it needs, also through nodes that are not wanted."""
    chosen = set(wanted)
    done: list[Node] = []
    state: dict[Node, int] = {}
    for root in sorted(chosen, key=_rank):
        stack: list[tuple[Node, bool]] = [(root, False)]
        while stack:
            node, leaving = stack.pop()
            if leaving:
                state[node] = 2
                if node in chosen:
                    done.append(node)
            elif state.get(node) is None:
                state[node] = 1
                stack.append((node, True))
                later = sorted((n for n in needs.get(node, ()) if n not in state), key=_rank, reverse=True)
                stack.extend((n, False) for n in later)
    return done


def _rank(node: Node) -> tuple[int, tuple[str, ...]]:
    rank = _RANK.index(node.kind) if node.kind in _RANK else len(_RANK)
    foreign = node.kind == "constraint" and node.any.soft.get("type") == "f"
    key = tuple(node.any.key)
    if node.kind == "column" and node.was.get("position"):
        key = (*key[:3], f"{node.was['position']:05}")  # what is added again is added in order
    if node.kind == "inheritance" and node.was.get("order"):
        key = (*key[:3], f"{node.was['order']:05}")
    return (len(_RANK) - 1 if foreign else rank, key)
