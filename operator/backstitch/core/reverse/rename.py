# SPDX-License-Identifier: Apache-2.0
"""How does everything get its old name and schema back, also when two objects have swapped names?"""

from __future__ import annotations

from backstitch.core.reverse.nodes import RELATIONS, ROUTINES, Graph, Node, args_of, local_name
from backstitch.core.reverse.words import kind_sql, on_sql, signature
from backstitch.model.names import RESERVED_PREFIX
from backstitch.model.sql import quote_ident, quote_literal

_ORDER = ("schema", "extension", "publication", *RELATIONS, "sequence", "type", "domain", *ROUTINES, "statistics",
          "column", "constraint", "index", "trigger", "policy", "rule")  # fmt: skip
_MOVABLE = {*RELATIONS, "sequence", "type", "domain", "statistics", *ROUTINES}
_CLASS_KINDS = {*RELATIONS, "sequence", "index"}


class Renames:
    """Renames back, one at a time, each only when its name is free; what blocks a name steps aside."""

    def __init__(self, graph: Graph, alive: list[Node]) -> None:
        self.graph = graph
        self.alive = alive
        self.statements: list[str] = []
        self._aside = 0

    def run(self) -> list[str]:
        """Give the statements; the nodes' names are as before afterwards."""
        pending = [n for n in self.alive if n.before is not None and n.kind in _ORDER]
        for node in self.alive:
            if node.before is not None:
                node.args = args_of(node.before)  # types come first
        pending.sort(key=lambda n: (_ORDER.index(n.kind), n.any.key))
        pending = [n for n in pending if self._off(n) and not n.named_by_server and not self._follows(n)]
        while pending:
            ready = [n for n in pending if self._blocker(n) is None]
            if ready:
                self._move(ready[0])
            else:
                blocker = self._blocker(pending[0])
                assert blocker is not None
                self._rename(blocker, self._free_name())
            pending = [n for n in pending if self._off(n)]
        return self.statements

    def vacate(self, created: list[Node]) -> list[str]:
        """Move aside what is dropped later but holds a name that is made again now."""
        self.statements = []
        for node in created:
            for other in self.alive:
                if other.late and self._spaces(node) & self._spaces(other):
                    self._rename(other, self._free_name())
        return self.statements

    def _free_name(self) -> str:
        self._aside += 1
        return f"{RESERVED_PREFIX}aside_{self._aside}"

    def _home(self, node: Node) -> Node | None:
        assert node.before is not None
        if node.before.parent is not None:
            return self.graph.of_before.get(node.before.parent)
        return node.home

    def _off(self, node: Node) -> bool:
        assert node.before is not None
        moved = node.kind in _MOVABLE and node.kind != "statistics" and self._home(node) is not node.home
        return node.name != local_name(node.before) or moved

    def _follows(self, node: Node) -> bool:
        """What belongs to another object gets its name from that one: inherited columns, clones on partitions."""
        after = node.after
        assert after is not None
        own = node.kind == "constraint" and after.soft.get("type") in ("p", "u", "x", "f")  # may be called otherwise
        if node.kind in ("column", "constraint") and not own and (after.fields.get("inherited") or 0) > 0:
            assert node.before is not None
            node.name = local_name(node.before)
            return True
        if node.kind == "trigger" and after.soft.get("parent"):
            assert node.before is not None
            node.name = local_name(node.before)
            return True
        return False

    def _spaces(self, node: Node, *, name: str | None = None, home: Node | None = None) -> set[tuple[object, ...]]:
        name, home = name or node.name, home or node.home
        if node.kind in ("column", "trigger", "rule", "policy", "constraint"):
            found: set[tuple[object, ...]] = {(node.kind, id(home), name)}
            if node.kind == "constraint" and node.any.soft.get("type") in ("p", "u", "x"):
                found.add(("class", node.schema_name, name))
            return found
        schema = home.name if home is not None and home.kind == "schema" else node.schema_name
        if node.kind in ROUTINES:
            return {("routine", schema, name, node.any.key.sub)}
        found = set()
        if node.kind in _CLASS_KINDS or node.any.soft.get("typtype") == "c":
            found.add(("class", schema, name))
        if node.kind in RELATIONS or node.kind in ("type", "domain"):
            found.add(("type", schema, name))
        return found or {(node.kind, schema if node.kind == "statistics" else "", name)}

    def _occupant(self, node: Node, name: str, home: Node | None) -> Node | None:
        wanted = self._spaces(node, name=name, home=home)
        return next((n for n in self.alive if n is not node and self._spaces(n) & wanted), None)

    def _blocker(self, node: Node) -> Node | None:
        assert node.before is not None
        return self._occupant(node, local_name(node.before), self._home(node))

    def _move(self, node: Node) -> None:
        assert node.before is not None
        home, name = self._home(node), local_name(node.before)
        if node.kind in _MOVABLE and home is not None and home is not node.home:
            if self._occupant(node, node.name, home) is not None:
                free = self._occupant(node, name, node.home) is None
                self._rename(node, name if free else self._free_name())
            self._set_schema(node, home)
        if node.name != name:
            self._rename(node, name)

    def _set_schema(self, node: Node, home: Node) -> None:
        args = signature(node) if node.kind in ROUTINES else ""
        self.statements.append(f"ALTER {kind_sql(node)} {node.sql}{args} SET SCHEMA {quote_ident(home.name)}")
        node.home = home
        for other in self.alive:  # sequences of its columns have moved along
            owner = other.any.soft.get("ownedBy") if other.kind == "sequence" else None
            if owner is not None and node.after is not None and int(owner) == node.after.id.oid:
                other.home = home

    def _rename(self, node: Node, name: str) -> None:
        new = quote_ident(name)
        match node.kind:
            case "column":
                verb = f"ALTER {kind_sql(node.table)} {node.table.sql} RENAME COLUMN {node.sql} TO {new}"
            case "constraint":
                verb = f"ALTER {kind_sql(node.table)} {node.table.sql} RENAME CONSTRAINT {node.sql} TO {new}"
            case "trigger" | "policy" | "rule":
                verb = f"ALTER {kind_sql(node)} {node.sql} {on_sql(node)} RENAME TO {new}"
            case kind if kind in ROUTINES:
                verb = f"ALTER {kind_sql(node)} {node.sql}{signature(node)} RENAME TO {new}"
            case _:
                verb = f"ALTER {kind_sql(node)} {node.sql} RENAME TO {new}"
        self.statements.append(verb)
        node.name = name


def name_again(node: Node) -> list[str]:
    """Give the old name to a partition's key that gets a name of the server's each time its parent's is made again."""
    if not node.named_by_server or node.before is None or node.after is None:
        return []
    now, was = quote_ident(local_name(node.after)), quote_ident(local_name(node.before))
    return [f"ALTER {kind_sql(node.table)} {node.table.sql} RENAME CONSTRAINT {now} TO {was}"]


def rename_labels(node: Node) -> list[str]:
    """Give the statements that give enum values and attributes of composite types their old names back."""
    if not node.same or node.before is None or node.after is None or node.kind != "type":
        return []
    statements = []
    old = dict(node.before.soft.get("labels") or [])
    for oid, label in node.after.soft.get("labels") or []:
        if oid in old and old[oid] != label:
            statements.append(f"ALTER TYPE {node.sql} RENAME VALUE {quote_literal(label)} TO {quote_literal(old[oid])}")
    names = {a[0]: a[1] for a in node.before.raw.get("attributes") or []}
    for number, name, *_ in node.after.raw.get("attributes") or []:
        if number in names and names[number] != name:
            statements.append(
                f"ALTER TYPE {node.sql} RENAME ATTRIBUTE {quote_ident(name)} TO {quote_ident(names[number])}"
            )
    return statements
