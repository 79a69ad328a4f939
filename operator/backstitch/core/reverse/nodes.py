# SPDX-License-Identifier: Apache-2.0
"""Which object of the one catalog is which of the other? Nodes: what was, what is, and what it is called now.

Objects are the same when the server gave them the same number; those left over are the same when they have the same
name in the same place (dropped and made again). Names move while statements are built: a node knows its present one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from backstitch.model.catalog import Catalog, CatalogObject, ObjectId
from backstitch.model.sql import quote_ident

RELATIONS = ("table", "view", "materializedView", "foreignTable")
ROUTINES = ("function", "procedure", "aggregate")
TOP = ("schema", "extension", "publication", "defaultPrivileges", "other")
# Consequences of something else, or of the order in which things were made; never acted on.
_IGNORED = {"position", "columns", "local", "inherited", "order", "indexParent"}
_MATCHING_ORDER = ("schema", *RELATIONS, "sequence", "type", "domain", *ROUTINES, "column")


@dataclass(eq=False)
class Node:
    """One object: `before` and `after` are None where it was not there. `name` and `home` are its present place."""

    kind: str
    before: CatalogObject | None
    after: CatalogObject | None
    name: str = ""
    home: Node | None = None  # schema of a relation, table of a column …
    schema: str = ""  # only when `home` is not known (a schema that is not the user's)
    args: str = ""  # argument types of a routine, as they are called now
    space: Node | None = None  # schema of statistics, which need not be their table's
    changed: set[str] = field(default_factory=set)
    retype: bool = False  # a column whose type must be set again
    lossy: bool = False  # and whose values come from a copy, because the type could not hold them
    named_by_server: bool = False  # a partition's key that was made again with its parent's: named again at the end
    late: bool = False  # dropped only after columns have left it

    @property
    def any(self) -> CatalogObject:
        """Give what is known of it, rather what it is now."""
        found = self.after or self.before
        assert found is not None
        return found

    @property
    def was(self) -> Mapping[str, Any]:
        """Give the fields it had before; {} when it was not there."""
        return self.before.fields if self.before else {}

    @property
    def now(self) -> Mapping[str, Any]:
        """Give the fields it has now; {} when it is not there."""
        return self.after.fields if self.after else {}

    @property
    def same(self) -> bool:
        """Tell whether it is one and the same object, not one dropped and made again."""
        return self.before is not None and self.after is not None and self.before.id == self.after.id

    @property
    def sql(self) -> str:
        """Give its present name for SQL text: qualified for what lives in a schema, else plain."""
        own = quote_ident(self.name)
        if self.kind in TOP or self.kind in ("column", "trigger", "rule", "policy", "constraint"):
            return own
        return f"{quote_ident(self.schema_name)}.{own}"

    @property
    def made_again(self) -> bool:
        """Tell whether a rarer object can be made again from its definition."""
        return self.kind == "other" and bool(self.before and self.before.soft.get("madeAgain"))

    @property
    def schema_name(self) -> str:
        """Give the name of the schema it is in now."""
        at = self.space or self.home
        while at is not None and at.kind != "schema":
            if at.home is None:
                return at.schema
            at = at.home
        return at.name if at else self.schema

    @property
    def table(self) -> Node:
        """Give the table, view or domain a column, constraint, trigger … is on."""
        at = self.home
        while at is not None and at.kind in ("column", "index"):
            at = at.home
        assert at is not None, self.any.key
        return at

    def __repr__(self) -> str:
        return f"<{self.any.key}>"


@dataclass(frozen=True)
class Kept:
    """Where a table's rows are, copied before the migration: see kept.py."""

    copy: str  # qualified and quoted
    key: tuple[str, ...] = ()  # its columns, named as before; () when there were no rows, or none is needed


@dataclass
class Graph:
    """All nodes, and by the server's number in each catalog; `kept` by a table's number before."""

    before: Catalog
    after: Catalog
    kept: Mapping[int, Kept] = field(default_factory=dict)
    nodes: list[Node] = field(default_factory=list)
    of_before: dict[ObjectId, Node] = field(default_factory=dict)
    of_after: dict[ObjectId, Node] = field(default_factory=dict)
    needs_before: dict[Node, set[Node]] = field(default_factory=lambda: defaultdict(set))
    needs_after: dict[Node, set[Node]] = field(default_factory=lambda: defaultdict(set))

    def kept_of(self, table: Node) -> Kept | None:
        """Give where a table's rows are; None when they were not copied."""
        return self.kept.get(table.before.id.oid) if table.before is not None else None

    def split(self, node: Node) -> Node:
        """Make two of a node that must be dropped and made again; gives the one to drop."""
        assert node.after is not None
        assert node.before is not None
        ghost = Node(node.kind, None, node.after, node.name, node.home, node.schema, late=node.late)
        ghost.args, ghost.space = node.args, node.space
        node.name, node.args = local_name(node.before), args_of(node.before)
        self.of_after[node.after.id] = ghost
        self.nodes.append(ghost)
        node.after = None
        return ghost

    def rewire(self) -> None:
        """Compute who needs whom again, after splits."""
        self.needs_before.clear()
        self.needs_after.clear()
        for catalog, index, needs in (
            (self.before, self.of_before, self.needs_before),
            (self.after, self.of_after, self.needs_after),
        ):
            for one, other in catalog.dependencies:
                if one in index and other in index and index[one] is not index[other]:
                    needs[index[one]].add(index[other])
            for thing in catalog.objects:
                if thing.parent is not None and thing.parent in index:
                    needs[index[thing.id]].add(index[thing.parent])
            _drop_false_needs(needs)


def _drop_false_needs(needs: dict[Node, set[Node]]) -> None:
    """A table does not need its parent table here, nor a sequence its column: links of their own stand for that."""
    for node, others in needs.items():
        if node.kind in ("table", "foreignTable"):
            others.difference_update({o for o in others if o.kind in ("table", "foreignTable")})


def local_name(thing: CatalogObject) -> str:
    """Give the name of an object within its home."""
    return thing.key.name if thing.key.kind in ROUTINES else thing.key.sub or thing.key.name


def args_of(thing: CatalogObject) -> str:
    """Give the argument types of a routine in parentheses; '' for anything else."""
    return thing.key.sub if thing.key.kind in ROUTINES else ""


def build(before: Catalog, after: Catalog, kept: Mapping[int, Kept] | None = None) -> Graph:
    """Pair the objects of two catalogs. Of tables whose rows are kept, nothing is paired by name: it comes anew."""
    graph = Graph(before, after, kept or {})
    after_ids = after.by_id
    for thing in before.objects:
        twin = after_ids.get(thing.id)
        if twin is not None and twin.key.kind != thing.key.kind:
            twin = None  # such as an index that became a constraint's
        node = Node(thing.key.kind, thing, twin)
        graph.nodes.append(node)
        graph.of_before[thing.id] = node
        if twin is not None:
            graph.of_after[twin.id] = node
    for thing in after.objects:
        if thing.id not in graph.of_after:
            node = Node(thing.key.kind, None, thing)
            graph.nodes.append(node)
            graph.of_after[thing.id] = node
    _match_by_name(graph)
    for node in graph.nodes:
        thing = node.any
        index = graph.of_after if node.after else graph.of_before
        node.name, node.schema, node.args = local_name(thing), thing.key.schema, args_of(thing)
        if thing.parent is not None:
            node.home = index.get(thing.parent)
        if node.kind == "statistics":
            node.space = next((n for n in index.values() if n.kind == "schema" and _called(n, thing.key.schema)), None)
        node.changed = _changes(node)
    graph.rewire()
    return graph


def _called(node: Node, name: str) -> bool:
    return local_name(node.any) == name


def _match_by_name(graph: Graph) -> None:
    """Pair what was dropped and made again, from the outside in, so that places are known."""
    kinds = {n.kind for n in graph.nodes}
    for kind in [*(k for k in _MATCHING_ORDER if k in kinds), *sorted(kinds - set(_MATCHING_ORDER))]:
        gone: dict[tuple[object, ...], Node] = {}
        for node in graph.nodes:
            if node.kind == kind and node.after is None and node.before is not None and not _apart(node.before, graph):
                gone[_place(node.before, graph.of_before)] = node
        if not gone:
            continue
        for node in [n for n in graph.nodes if n.kind == kind and n.before is None]:
            assert node.after is not None
            old = gone.pop(_place(node.after, graph.of_after), None)
            if old is None and (old := _same_descent(gone, node.after, graph)) is not None:
                old.named_by_server = True
            if old is not None:
                old.after = node.after
                graph.of_after[node.after.id] = old
                graph.nodes.remove(node)


def _same_descent(gone: dict[tuple[object, ...], Node], thing: CatalogObject, graph: Graph) -> Node | None:
    """Take the key of a partition that is made again with its parent's, for which the server makes up a name."""
    if thing.key.kind != "constraint" or not thing.soft.get("parent") or thing.parent is None:
        return None
    home, above = graph.of_after.get(thing.parent), graph.of_after.get(_above(thing))
    for place, node in gone.items():
        was = node.before
        if was is not None and was.parent is not None and was.soft.get("parent") and above is not None:
            same = graph.of_before.get(was.parent) is home and graph.of_before.get(_above(was)) is above
            if same and was.soft.get("type") == thing.soft.get("type"):
                return gone.pop(place)
    return None


def _above(constraint: CatalogObject) -> ObjectId:
    return ObjectId("pg_constraint", int(constraint.soft["parent"]))


def _apart(thing: CatalogObject, graph: Graph) -> bool:
    owner = {"table": thing.id.oid, "column": thing.id.oid, "sequence": int(thing.soft.get("ownedBy") or 0)}
    return owner.get(thing.key.kind) in graph.kept


def _place(thing: CatalogObject, index: dict[ObjectId, Node]) -> tuple[object, ...]:
    parent = index.get(thing.parent) if thing.parent else None
    if thing.key.kind == "other":
        return tuple(thing.key)
    if thing.key.kind in ("default", "inheritance"):
        other = thing.soft.get("parent")
        return (id(parent), id(index.get(ObjectId("pg_class", int(other)))) if other else "")
    sub = thing.key.sub if thing.key.kind in ROUTINES else ""
    return (id(parent) if parent else thing.key.schema, local_name(thing), sub)


def _changes(node: Node) -> set[str]:
    if node.before is None or node.after is None:
        return set()
    was, now, found = node.before, node.after, set()
    for name in was.fields.keys() | now.fields.keys():
        if name in _IGNORED or was.fields.get(name) == now.fields.get(name):
            continue
        if node.same and name in was.raw and name in now.raw and was.raw[name] == now.raw[name]:
            continue  # only names inside its text have changed
        found.add(name)
    return found
