# SPDX-License-Identifier: Apache-2.0
"""What must be dropped, made again or retyped, and what can simply be altered? And what cannot be had at all?"""

from __future__ import annotations

from backstitch.core.reverse.nodes import RELATIONS, ROUTINES, Graph, Node
from backstitch.core.reverse.types import keeps_values, parse
from backstitch.model.catalog import ExceptionName, ObjectId

# Whatever changes in these, they are dropped and made again: no rows, and nothing of worth in their numbers.
_REMADE = {"trigger", "rule", "policy", "inheritance", "publicationTable", "publicationSchema"}
_DERIVED = {"default", "view", "materializedView", "constraint", "index", "statistics", "publicationTable",
            "trigger", "rule", "policy", "inheritance", *ROUTINES}  # fmt: skip
_ON_COLUMN = {"view", "materializedView", "rule", "policy", "trigger", "default", "publicationTable", *ROUTINES}


class Closure:
    """Marks the nodes of a graph: `drops` and `creates` are filled, columns get `retype`, types get `late`."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.version = graph.after.server_version
        self.problems: list[str] = []
        self.exceptions: set[ExceptionName] = set()
        self.rebuilt: set[Node] = set()
        self._work: list[Node] = []
        self._users: dict[Node, set[Node]] = {}
        for node, needed in graph.needs_after.items():
            for other in needed:
                self._users.setdefault(other, set()).add(node)
        # Types that columns must leave before they can be dropped:
        self._left_by_columns: set[Node] = set()

    def run(self) -> tuple[list[Node], list[Node]]:
        """Give the nodes to drop and the nodes to create."""
        graph = self.graph
        for node in graph.nodes:
            if node.before is None:
                self._work.append(node)
            elif node.after is None:
                self._gone(node)
            elif node.kind in ("table", "column") and not node.same:
                self._made_again(node)
            elif self._must_remake(node):
                self._rebuild(node)
            elif node.kind == "column" and node.changed & {"type", "collation"}:
                self._retype(node)
        while self._work:
            self._dropped(self._work.pop())
        self._mark_late()
        for node in sorted(self.rebuilt, key=lambda n: n.any.key):
            graph.split(node)
        graph.rewire()
        drops = [n for n in graph.nodes if n.before is None]
        if any(n.kind == "inheritance" and n.after is None and n.was.get("bound") is None for n in graph.nodes):
            self.exceptions.add("inheritedLocally")
        creates = [n for n in graph.nodes if n.after is None]
        return drops, creates

    def _gone(self, node: Node) -> None:
        key = node.any.key
        if node.kind == "table":
            if not self._in_extension(node):
                self.problems.append(
                    f"Table {key.schema}.{key.name} was dropped and its rows with it. Use a dropTable step, which "
                    "keeps the table in quarantine."
                )
        elif node.kind == "column" and node.was.get("generated") is None and self._on_kept_table(node):
            self.problems.append(
                f"Column {key.sub} of {key.schema}.{key.name} was dropped and its values with it. Use a dropColumn "
                "step, which parks the column."
            )
        elif node.kind == "column" and self._on_kept_table(node):
            self._moves_last(node)
        elif node.kind in ("foreignTable", "other"):
            self.problems.append(
                f"{key} was dropped; this kind of object is not made again. Write a down for the step."
            )

    def _made_again(self, node: Node) -> None:
        key = node.any.key
        if node.kind == "table":
            self.problems.append(
                f"Table {key.schema}.{key.name} was dropped and made again: its rows are gone. Use a dropTable step."
            )
        elif node.home is not None and node.home.kind in ("view", "materializedView"):
            return  # comes with the view
        elif node.home is not None and not node.home.same:
            return  # said for its table
        elif node.was.get("generated") is None:
            self.problems.append(
                f"Column {key.sub} of {key.schema}.{key.name} was dropped and added again: its values are gone. "
                "Use a dropColumn step."
            )
        else:
            self._moves_last(node)
            if node.changed - {"comment", "acl"}:
                self._rebuild(node)

    def _must_remake(self, node: Node) -> bool:
        changed, was, now = node.changed, node.was, node.now
        match node.kind:
            case "view":
                columns = now.get("columns") or []
                if "definition" not in changed or not node.changed:
                    return False
                return not self._named_as_before(node, was.get("columns") or [], columns)
            case "materializedView":
                return "definition" in changed
            case "function" | "procedure":
                before, after = node.before, node.after
                assert before is not None
                assert after is not None
                return (
                    "definition" in changed
                    and not node.same
                    and (
                        before.soft["arguments"] != after.soft["arguments"]
                        or before.soft["result"] != after.soft["result"]
                    )
                )
            case "aggregate" | "index" | "statistics":
                return "definition" in changed
            case "constraint":
                return self._constraint_remade(node)
            case "type":
                labels = "labels" in changed and not node.same
                subtype = bool(changed & {"subtype", "opclass", "canonical", "subdiff", "multirange"})
                return labels or subtype or self._attributes_changed(node)
            case "domain":
                return bool(changed & {"base", "collation"})
            case "publication":
                return "allTables" in changed
            case "column":
                return "generated" in changed and not self._can_set_expression(node)
            case kind:
                return kind in _REMADE and bool(changed - {"comment", "enabled"})

    def _named_as_before(self, node: Node, was: list[list[str]], now: list[list[str]]) -> bool:
        """CREATE OR REPLACE VIEW can only add columns at the end; renamed ones are renamed back first."""
        names = {n.now_name: n.was_name for n in _column_names(self.graph, node)} if node.same else {}
        renamed = [[names.get(c[0], c[0]), c[1]] for c in now]
        return len(was) >= len(now) and was[: len(now)] == renamed

    def _constraint_remade(self, node: Node) -> bool:
        if "definition" not in node.changed and "validated" not in node.changed:
            return False
        assert node.before is not None
        assert node.after is not None
        if node.same and node.before.raw.get("definition", [])[:2] == node.after.raw.get("definition", [])[:2]:
            # Only validation can have changed (or NOT ENFORCED): validating needs nothing new, the other way does.
            return bool(node.now.get("validated")) or node.before.soft["enforced"] != node.after.soft["enforced"]
        return True

    def _attributes_changed(self, node: Node) -> bool:
        if "attributes" not in node.changed:
            return False
        if not node.same or node.before is None or node.after is None:
            return True
        return [[a[0], *a[2:]] for a in node.before.raw["attributes"] or []] != [
            [a[0], *a[2:]] for a in node.after.raw["attributes"] or []
        ]

    def _can_set_expression(self, node: Node) -> bool:
        was, now = node.was.get("generated"), node.now.get("generated")
        return bool(was and now and was[0] == now[0] and self.version >= 170000)

    def _rebuild(self, node: Node) -> None:
        if node in self.rebuilt or node.after is None or node.before is None:
            return
        if node.kind == "column":
            key = node.any.key
            if node.was.get("generated") is None:
                self.problems.append(
                    f"Column {key.sub} of {key.schema}.{key.name} cannot be made again without losing its values. "
                    "Write a down for the step, or add a new column instead."
                )
                return
            if node.now.get("generated") is None:
                self.problems.append(
                    f"Column {key.sub} of {key.schema}.{key.name} is no longer generated; it cannot become generated "
                    "again in place. Add a new column instead."
                )
                return
            self._moves_last(node)
        self.rebuilt.add(node)
        self._work.append(node)

    def _dropped(self, node: Node) -> None:
        """Whatever needs this now must go too, or let go of it."""
        for user in sorted(self._users.get(node, ()), key=lambda n: n.any.key):
            if user.before is None or user in self.rebuilt:
                continue
            if user.kind == "column" and user.home is not None and user.home.kind in ("view", "materializedView"):
                self.rebuilt.add(user)  # grants and comments on a view's columns come back with the view
                self._work.append(user)
            elif user.kind == "column":
                if user.now.get("generated") is not None and node.kind not in ("type", "domain", "extension"):
                    self._rebuild(user)
                elif node.kind in ("type", "domain", "extension", "other") and user.home is not node:
                    self._retype(user)
                    self._left_by_columns.add(node)
            elif user.kind in _DERIVED or (user.kind in ("type", "domain") and node.kind in ("type", "domain")):
                self._rebuild(user)
            elif user.kind == "domain" and node.kind in ROUTINES:
                self.problems.append(f"{user.any.key} uses {node.any.key}, which must be dropped. Write a down.")

    def _retype(self, column: Node) -> None:
        if column.retype:
            return
        column.retype = True
        self._check_type(column)
        for user in sorted(self._users.get(column, ()), key=lambda n: n.any.key):
            generated = user.kind == "column" and user.now.get("generated") is not None
            if user.before is not None and (user.kind in _ON_COLUMN or generated):
                self._rebuild(user)

    def _check_type(self, column: Node) -> None:
        was, now, key = column.was.get("type"), column.now.get("type"), column.any.key
        if was is None or now is None or ("type" not in column.changed and column.same):
            return
        labels, bases = enum_labels(self.graph), domain_bases(self.graph)
        if not keeps_values(parse(was), parse(now), labels, bases):
            self.problems.append(
                f"Column {key.sub} of {key.schema}.{key.name} was changed from {was} to {now}, which may lose part of "
                f"a value. Add a new column of type {now}, fill it with backfill, and drop the old one later."
            )

    def _mark_late(self) -> None:
        todo = [n for n in self._left_by_columns if n.before is None or n in self.rebuilt]
        while todo:
            node = todo.pop()
            if node.late:
                continue
            node.late = True
            needed = self.graph.needs_after.get(node, set())
            todo.extend(n for n in needed if (n.before is None or n in self.rebuilt) and n.kind != "schema")

    def _moves_last(self, column: Node) -> None:
        """A column made again is the last one; that is no exception when it was the last one anyway."""
        was = column.was.get("position")
        home = self.graph.of_before.get(column.before.parent) if column.before and column.before.parent else None
        others = [
            n.was["position"]
            for n in self.graph.nodes
            if n.kind == "column" and n.before is not None and n.after is not None and n is not column
            and n.before.parent is not None and self.graph.of_before.get(n.before.parent) is home
        ]  # fmt: skip
        if was is not None and any(p > was for p in others):
            self.exceptions.add("columnOrder")

    def _on_kept_table(self, column: Node) -> bool:
        parent = column.before.parent if column.before else None
        home = self.graph.of_before.get(parent) if parent else None
        return home is not None and home.kind in ("table", "foreignTable") and home.after is not None and home.same

    def _in_extension(self, node: Node) -> bool:
        return False


class _Named:
    def __init__(self, was_name: str, now_name: str) -> None:
        self.was_name, self.now_name = was_name, now_name


def _column_names(graph: Graph, relation: Node) -> list[_Named]:
    return [
        _Named(n.before.key.sub, n.after.key.sub)
        for n in graph.nodes
        if n.kind == "column" and n.before and n.after and n.home is relation
    ]


def enum_labels(graph: Graph) -> dict[str, tuple[str, ...]]:
    """Give the labels of every enum by the name that format_type() gives it, the present ones last."""
    found: dict[str, tuple[str, ...]] = {}
    for catalog in (graph.before, graph.after):
        for thing in catalog.objects:
            if thing.key.kind == "type" and "labels" in thing.fields:
                found.setdefault(type_name(thing.key.schema, thing.key.name), tuple(thing.fields["labels"]))
    return found


def domain_bases(graph: Graph) -> dict[str, str]:
    """Give the base type of every domain by name."""
    return {
        type_name(t.key.schema, t.key.name): t.fields["base"]
        for catalog in (graph.after, graph.before)
        for t in catalog.objects
        if t.key.kind == "domain"
    }


def type_name(schema: str, name: str) -> str:
    """Give a type's name as format_type() writes it with an empty search_path."""
    plain = all(p.replace("_", "a").isalnum() and p == p.lower() and not p[0].isdigit() for p in (schema, name))
    return f"{schema}.{name}" if plain else f'"{schema}"."{name}"'


__all__ = ["RELATIONS", "Closure", "ObjectId", "domain_bases", "enum_labels", "type_name"]
