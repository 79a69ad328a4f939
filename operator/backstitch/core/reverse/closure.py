# SPDX-License-Identifier: Apache-2.0
"""What must be dropped, made again or retyped, and what can simply be altered? And what cannot be had at all?"""

from __future__ import annotations

from backstitch.core.reverse.nodes import ROUTINES, Graph, Node
from backstitch.core.reverse.remake import must_remake
from backstitch.core.reverse.types import Known, keeps_values, parse
from backstitch.model.catalog import ExceptionName

_DERIVED = {"default", "view", "materializedView", "constraint", "index", "statistics", "publicationTable",
            "trigger", "rule", "policy", "inheritance", *ROUTINES}  # fmt: skip
_ON_COLUMN = {"view", "materializedView", "rule", "policy", "trigger", "default", "publicationTable", *ROUTINES}


class Closure:
    """Marks the nodes of a graph: `drops` and `creates` are filled, columns get `retype`, types get `late`."""

    def __init__(self, graph: Graph, *, recast: bool = False) -> None:
        self.graph = graph
        self.recast = recast  # a type was changed by more than a cast
        self.version = graph.after.server_version
        self.problems: list[str] = []
        self.lost: set[int] = set()  # tables whose rows, kept, would solve a problem
        self.hard = False  # a problem that kept rows do not solve
        self.exceptions: set[ExceptionName] = set()
        self.rebuilt: set[Node] = set()
        self._work: list[Node] = []
        self._known_before, self._known_after = Known.of(graph.before), Known.of(graph.after)
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
            if self._is_attribute(node):
                self._refuse(
                    f"{node.any.key} follows an attribute of {node.table.was['ofType']}, of which the table is a typed "
                    "table. The way back for such attributes is not known. Write a down."
                )
            if node.before is None:
                self._work.append(node)
            elif node.after is None:
                self._gone(node)
            elif node.kind in ("table", "column") and not node.same:
                self._made_again(node)
            elif must_remake(node, graph):
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

    @staticmethod
    def _is_attribute(node: Node) -> bool:
        """Tell whether a column of a typed table has come, gone or got another type with an attribute of its type."""
        if node.kind != "column" or node.home is None or node.home.before is None or node.home.after is None:
            return False
        typed = node.home.was.get("ofType") and node.home.now.get("ofType")
        return bool(typed) and (node.before is None or node.after is None or bool(node.changed & {"type", "collation"}))

    def _loses(self, table: Node, problem: str) -> bool:
        """Tell whether rows are lost; False when they were copied before."""
        assert table.before is not None
        if table.before.id.oid in self.graph.kept:
            return False
        self.lost.add(table.before.id.oid)
        self.problems.append(problem)
        return True

    def _refuse(self, problem: str) -> None:
        self.hard = True
        self.problems.append(problem)

    def _gone(self, node: Node) -> None:
        key = node.any.key
        if node.kind == "table":
            self._loses(
                node,
                f"Table {key.schema}.{key.name} was dropped and its rows with it. Use a dropTable step, which "
                "keeps the table in quarantine.",
            )
        elif node.kind == "column" and node.was.get("generated") is None and self._on_kept_table(node):
            if node.was.get("inherited") and not node.was.get("local"):
                return  # comes back with the parent table's
            assert node.before is not None
            assert node.before.parent is not None
            self._loses(
                self.graph.of_before[node.before.parent],
                f"Column {key.sub} of {key.schema}.{key.name} was dropped and its values with it. Use a dropColumn "
                "step, which parks the column.",
            )
            self._moves_last(node)
        elif node.kind == "column" and self._on_kept_table(node):
            self._moves_last(node)
        elif node.kind == "inheritance" and node.was.get("bound") is None:
            for other in self.graph.nodes:  # a table has its parents in an order: those after this one are set again
                if (
                    other.kind == "inheritance"
                    and other.home is self._home_before(node)
                    and other.was.get("order", 0) > (node.was["order"])
                ):
                    self._rebuild(other)
        elif node.kind in ("foreignTable", "other") and not node.made_again:
            self._refuse(f"{key} was dropped; this kind of object is not made again. Write a down for the step.")

    def _made_again(self, node: Node) -> None:
        key = node.any.key
        if node.kind == "table":
            self._loses(
                node,
                f"Table {key.schema}.{key.name} was dropped and made again: its rows are gone. Use a dropTable step.",
            )
        elif node.home is not None and node.home.kind in ("view", "materializedView"):
            return  # comes with the view
        elif node.home is not None and not node.home.same:
            return  # said for its table
        elif node.was.get("generated") is None and node.home is not None:
            self._loses(
                node.home,
                f"Column {key.sub} of {key.schema}.{key.name} was dropped and added again: its values are gone. "
                "Use a dropColumn step.",
            )
        else:
            self._moves_last(node)
            if node.changed - {"comment", "acl"}:
                self._rebuild(node)

    def _rebuild(self, node: Node) -> None:
        if node in self.rebuilt or node.after is None or node.before is None:
            return
        if node.kind == "column":
            key = node.any.key
            if node.was.get("generated") is None:
                self._refuse(
                    f"Column {key.sub} of {key.schema}.{key.name} cannot be made again without losing its values. "
                    "Write a down for the step, or add a new column instead."
                )
                return
            if node.now.get("generated") is None and self._loses(
                node.table,
                f"Column {key.sub} of {key.schema}.{key.name} is no longer generated; it cannot become generated "
                "again in place. Add a new column instead.",
            ):
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
            elif (
                user.kind in _DERIVED
                or user.made_again
                or (user.kind in ("type", "domain") and node.kind in ("type", "domain"))
            ):
                self._rebuild(user)
            elif user.kind == "domain" and node.kind in ROUTINES:
                self._refuse(f"{user.any.key} uses {node.any.key}, which must be dropped. Write a down.")

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
        if was is None or now is None:
            return
        if column.now.get("inherited") and not column.now.get("local"):
            return  # changes together with the parent table's column
        if self.recast or not keeps_values(parse(was), parse(now), self._known_before, self._known_after):
            column.lossy = True
            self._loses(
                column.table,
                f"Column {key.sub} of {key.schema}.{key.name} was changed from {was} to {now}, which may lose part of "
                f"a value. Add a new column of type {now}, fill it with backfill, and drop the old one later.",
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

    def _home_before(self, node: Node) -> Node | None:
        parent = node.before.parent if node.before else None
        return self.graph.of_before.get(parent) if parent else None

    def _on_kept_table(self, column: Node) -> bool:
        parent = column.before.parent if column.before else None
        home = self.graph.of_before.get(parent) if parent else None
        return home is not None and home.kind in ("table", "foreignTable") and home.after is not None and home.same
