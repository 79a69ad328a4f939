# SPDX-License-Identifier: Apache-2.0
"""Which statements turn a schema back into what it was? Computed from two catalogs, never from SQL text.

The order: early drops with present names, renames back, then everything made and altered with former names, late
drops (types that columns had to leave first, schemas), and at the end owners, grants and comments.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from backstitch.core.reverse.alter import added_labels, alter_sql, problem, unclustered
from backstitch.core.reverse.anew import alone_first, late_owner
from backstitch.core.reverse.attributes import comment_sql, default_privileges_sql, grants_sql, owner_sql
from backstitch.core.reverse.closure import Closure
from backstitch.core.reverse.columns import add_identity, drop_identity, remember_sql
from backstitch.core.reverse.create import create_sql
from backstitch.core.reverse.drop import drop_sql, goes_with_another
from backstitch.core.reverse.kept import add_column, create_table
from backstitch.core.reverse.nodes import ROUTINES, Graph, Kept, Node, build
from backstitch.core.reverse.order import needs_first
from backstitch.core.reverse.rename import Renames, name_again, rename_labels
from backstitch.model.catalog import Catalog, ObjectId, Reverse


def reverse(
    before: Catalog, after: Catalog, kept: Mapping[int, Kept] | None = None, *, recast: bool = False
) -> Reverse:
    """Give the statements that turn `after` into `before`, or the reasons why there are none.

    The statements are for one transaction and work with search_path = ''. Nothing is dropped with CASCADE: an
    object made by somebody else in the meantime stops the rollback instead of disappearing. Changes of values
    (a USING expression, an UPDATE) are not seen in catalogs; row images and row digests are for those.

    `kept`: copies of rows, by the table's number before. What was dropped of those tables is made again from them.
    `recast`: values were computed where a type changed, so that no cast can be trusted to give them back.
    """
    graph = build(before, after, kept)
    closure = Closure(graph, recast=recast)
    drops, creates = closure.run()
    problems = [*closure.problems, *(p for n in graph.nodes if n.before and n.after and (p := problem(n)))]
    exceptions = set(closure.exceptions)
    if any(added_labels(n) for n in graph.nodes):
        exceptions.add("enumValueAdded")
    if problems:
        lost = () if closure.hard or len(problems) > len(closure.problems) else tuple(sorted(closure.lost))
        return Reverse(problems=tuple(dict.fromkeys(problems)), exceptions=tuple(sorted(exceptions)), lost=lost)
    remember = tuple(s for n in graph.nodes if n.kind == "column" for s in remember_sql(n, graph))  # names of now
    statements = _statements(graph, drops, creates)
    return Reverse(statements=tuple(statements), exceptions=tuple(sorted(exceptions)), remember=remember)


def _statements(graph: Graph, drops: list[Node], creates: list[Node]) -> list[str]:
    for node in drops:
        node.late = node.late or node.kind == "schema"
    kept = [n for n in graph.nodes if n.before is not None and n.after is not None]
    statements: list[str] = []
    for node in kept:
        if node.kind == "sequence" and "ownedBy" in node.changed and node.now["ownedBy"]:
            statements.append(f"ALTER SEQUENCE {node.sql} OWNED BY NONE")
        if node.kind == "column" and node.table.kind == "table":
            statements += drop_identity(node)
    ordered = _drop_order(graph, drops)
    statements += [s for n in ordered if not n.late and (s := drop_sql(n, graph))]
    statements += _renames(graph, kept, [n for n in ordered if n.late], creates)
    made = needs_first([*kept, *creates], _make_needs(graph))
    work: list[str] = []
    for node in made:
        if node.after is None and node.kind != "schema":
            work += _made(node, graph)
        elif node.after is not None:
            work += alter_sql(node, graph)
    if any(n.kind in ROUTINES for n in made if n.after is None or "definition" in n.changed):
        statements.append("SET LOCAL check_function_bodies = off")  # bodies may name what is made after them
    statements += work + unclustered(graph) + [s for n in kept for s in name_again(n)]
    for node in made:
        if node.kind == "column" and node.table.kind == "table":
            statements += add_identity(node)
    statements += [s for n in ordered if n.late and (s := drop_sql(n, graph))]
    return [*statements, *_attributes(graph, made), *(s for n in made if n.after is None for s in late_owner(n, graph))]


def _made(node: Node, graph: Graph) -> list[str]:
    if node.kind == "table":
        return create_table(node, graph)
    if node.kind == "column" and (_is_view_column(node) or node.table.after is None):
        return []  # comes with its view or table
    if node.kind == "column" and node.was.get("generated") is None:
        return [] if node.was.get("inherited") and not node.was.get("local") else add_column(node, graph)
    return create_sql(node, graph)


def _is_view_column(node: Node) -> bool:
    return node.kind == "column" and node.home is not None and node.home.kind in ("view", "materializedView")


def _drop_order(graph: Graph, drops: list[Node]) -> list[Node]:
    """Dependents first. What goes with its table hands its needs to the table."""
    dropped = set(drops)
    needs = {n: set(o) for n, o in graph.needs_after.items()}
    explicit = {n for n in drops if not goes_with_another(n, graph, dropped)}
    for node in drops:
        if node not in explicit and node.home in dropped and node.home is not None:
            holder = node.home
            while holder not in explicit and holder.home is not None and holder.home in dropped:
                holder = holder.home
            extra = {o for o in needs.get(node, set()) if o is not holder and o.home is not holder}
            needs.setdefault(holder, set()).update(extra - {node})
    links = {n.home: n for n in drops if n.kind == "inheritance"}
    for node in sorted(explicit, key=lambda n: n.any.key):
        soft = node.any.soft
        if (soft.get("indexParent") or soft.get("parent")) and node.home in links:
            needs.setdefault(links[node.home], set()).add(node)  # detached first, then dropped
    for key, not_nulls in _not_nulls(drops).items():
        needs.setdefault(key, set()).update(not_nulls)
    return list(reversed(needs_first(explicit, needs)))


def _not_nulls(nodes: Iterable[Node]) -> dict[Node, set[Node]]:
    """A primary key stands on NOT NULL constraints, but pg_depend does not say so: give them by key."""
    keys: list[Node] = []
    there: dict[Node | None, list[Node]] = defaultdict(list)
    for node in nodes:
        if node.kind == "constraint" and node.any.soft.get("type") == "p":
            keys.append(node)
        elif node.kind == "constraint" and node.any.soft.get("type") == "n":
            there[node.home].append(node)
    return {k: {n for n in there[k.home] if _columns(n) & _columns(k)} for k in keys}


def _columns(constraint: Node) -> set[int]:
    return set(constraint.any.soft.get("numbers") or [])


def _make_needs(graph: Graph) -> dict[Node, set[Node]]:
    needs = {n: set(o) for n, o in graph.needs_before.items()}
    nodes = [n for n in graph.nodes if n.before is not None]
    for key, not_nulls in _not_nulls(nodes).items():
        needs.setdefault(key, set()).update(not_nulls)
    new = {n for n in nodes if n.kind == "table" and n.after is None}
    for node in nodes:
        table = node.home
        if table in new and node.kind == "column":
            needs.setdefault(table, set()).update(
                n for n in needs.get(node, ()) if n is not table and n.home is not table
            )
        elif table in new and node.kind == "inheritance":  # attaching joins what both have; foreign keys come down
            above = graph.of_before.get(ObjectId("pg_class", int(node.any.soft["parent"])))
            needs[node].update(
                n
                for n in nodes
                if n.kind in ("constraint", "index")
                and (n.home is table or (n.home is above and n.after is None))
                and (alone_first(n, graph) if n.any.soft.get("type") == "f" else True)
            )
    return needs


def _renames(graph: Graph, kept: list[Node], late: list[Node], creates: list[Node]) -> list[str]:
    schemas = [n for n in creates if n.kind == "schema"]
    for node in creates:  # their places are those they had
        if node.before is not None and node.before.parent is not None:
            node.home = graph.of_before.get(node.before.parent)
    renames = Renames(graph, [*kept, *late])
    aside = list(renames.vacate(schemas))
    made = [f"CREATE SCHEMA {n.sql}" for n in schemas]
    moved = list(renames.run())
    for node in kept:
        moved += rename_labels(node)
    return [*aside, *made, *moved[len(aside) :], *renames.vacate([n for n in creates if n.kind != "schema"])]


def _attributes(graph: Graph, made: list[Node]) -> list[str]:
    owners, grants, comments = [], [], []
    for node in made:
        owners += owner_sql(node) if node.kind not in ("index", "constraint") else []
        grants += grants_sql(node, graph)
        comments += comment_sql(node)
    for node in graph.nodes:
        if node.kind == "defaultPrivileges" and node.changed | {""} and node.before != node.after:
            grants += default_privileges_sql(node)
    return [*owners, *grants, *comments]
