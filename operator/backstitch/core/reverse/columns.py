# SPDX-License-Identifier: Apache-2.0
"""How is a column that is still there brought back to what it was?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from backstitch.core.reverse.create import options_sql, sequence_options
from backstitch.core.reverse.kept import remember, retype
from backstitch.core.reverse.nodes import Graph, Node
from backstitch.core.reverse.types import needs_using, parse, rounds
from backstitch.core.reverse.words import alter_table
from backstitch.model.catalog import ObjectId
from backstitch.model.sql import quote_ident, quote_literal

_STORAGE = {"p": "PLAIN", "e": "EXTERNAL", "m": "MAIN", "x": "EXTENDED"}
_COMPRESSION = {"p": "pglz", "l": "lz4"}


def alter_column(node: Node, graph: Graph) -> list[str]:
    """Give the statements for one column, but for its identity when that must be added (see add_identity)."""
    if node.table.kind in ("view", "materializedView"):
        return []
    was, changed = node.was, node.changed
    alter = f"{alter_table(node)} ALTER COLUMN {node.sql}"
    kept = graph.kept_of(node.table) if node.lossy else None
    if kept is not None:
        statements = retype(node, kept, after_name(node))
    else:
        statements = _retype(node, graph) if node.retype else []
    if "generated" in changed and was["generated"] and not node.retype:
        statements.append(f"{alter} SET EXPRESSION AS ({was['generated'][1]})")
    if "notNull" in changed and graph.after.server_version < 180000 and not _with_parent(node, graph, "notNull"):
        statements.append(f"{alter} {'SET' if was['notNull'] else 'DROP'} NOT NULL")
    if "identity" in changed and was["identity"] and node.now["identity"]:
        statements += _identity(node, alter)
    if "storage" in changed or (node.retype and was["storage"] != node.any.soft["typeStorage"]):
        statements.append(f"{alter} SET STORAGE {_STORAGE[was['storage']]}")
    if "compression" in changed:
        statements.append(f"{alter} SET COMPRESSION {_COMPRESSION.get(was['compression'] or '', 'default')}")
    if "statistics" in changed:
        target = was["statistics"]
        statements.append(f"{alter} SET STATISTICS {-1 if target is None else target}")
    if "options" in changed:
        statements += _options(node, alter)
    return statements


def after_name(node: Node) -> str:
    """Give the column of a table's copy in which is kept what a migration left in this one."""
    return f"backstitch_after_{node.any.id.subid}"


def remember_sql(node: Node, graph: Graph) -> list[str]:
    """Give what must run right after the migration for a column of whose values there is a copy."""
    kept = graph.kept_of(node.table)
    if not node.lossy or kept is None or not kept.key or node.before is None or node.before.parent is None:
        return []
    oid = node.before.parent.oid
    names = {
        n.before.key.sub: n.after.key.sub
        for n in graph.nodes
        if n.kind == "column" and n.before is not None and n.after is not None and n.before.id.oid == oid
    }
    return remember(node, kept, after_name(node), [quote_ident(names[k]) for k in kept.key])


def _with_parent(node: Node, graph: Graph, field: str) -> bool:
    """Tell whether the same change of the parent table's column takes this one along."""
    if not node.now.get("inherited"):
        return False
    links = [n for n in graph.nodes if n.kind == "inheritance" and n.home is node.home]
    parents = [graph.of_after.get(ObjectId("pg_class", int(n.any.soft["parent"]))) for n in links]
    return any(
        n.kind == "column" and n.home in parents and n.name == node.name and field in n.changed for n in graph.nodes
    )


def _retype(node: Node, graph: Graph) -> list[str]:
    if node.now.get("inherited") and not node.now.get("local"):
        return []  # changes together with the parent table's column
    was, now = node.was, node.now
    collation = f" COLLATE {was['collation']}" if was["collation"] else ""
    own = was["type"] == now["type"] and "type" not in node.changed
    before, after = parse(was["type"]), parse(now["type"])
    # A type that was dropped and made again has no cast from its former self, whatever its name.
    remade = own and "collation" not in node.changed
    through_text = remade or needs_using(after, before) or "." in was["type"] + now["type"]
    array = "::text" if not after.array else "::text[]"
    using = f" USING {node.sql}{array}::{was['type']}" if through_text and was["generated"] is None else ""
    guard = [_guard(node)] if not using and rounds(after, before) and was["generated"] is None else []
    return [*guard, f"{alter_table(node)} ALTER COLUMN {node.sql} TYPE {was['type']}{collation}{using}"]


def _guard(node: Node) -> str:
    """An assignment cast rounds without a word; better to stop than to lose digits that were written since."""
    was, now, table = node.was["type"], node.now["type"], node.table.sql
    message = (
        f"Column {node.name} of {node.table.schema_name}.{node.table.name} holds values that {was} cannot hold exactly."
    )
    body = (
        f"BEGIN IF EXISTS (SELECT FROM {table} WHERE CAST(CAST({node.sql} AS {was}) AS {now}) IS DISTINCT FROM"
        f" {node.sql}) THEN RAISE EXCEPTION USING MESSAGE = {quote_literal(message)}, ERRCODE = '22003'; END IF; END"
    )
    return f"DO {quote_literal(body)}"


def drop_identity(node: Node) -> list[str]:
    """Give what must happen first of all: an identity takes its NOT NULL constraint hostage."""
    if "identity" in node.changed and node.now.get("identity") and not node.was.get("identity"):
        return [f"{alter_table(node)} ALTER COLUMN {node.sql} DROP IDENTITY"]
    return []


def add_identity(node: Node) -> list[str]:
    """Give what must happen last: an identity needs NOT NULL and no default. Numbers given out stay given out."""
    identity = node.was.get("identity")
    if (node.after is not None and "identity" not in node.changed) or not identity or node.now.get("identity"):
        return []
    schema, _, sequence = identity["sequence"].partition(".")
    name = f"{quote_ident(schema)}.{quote_ident(sequence)}"
    statements = [
        f"{alter_table(node)} ALTER COLUMN {node.sql} ADD GENERATED {_always(identity)} AS IDENTITY"
        f" (SEQUENCE NAME {name} {sequence_options(identity)})"
    ]
    position = node.before.soft.get("position") if node.before else None
    if position is not None:
        best = f"(SELECT {'max' if identity['increment'] > 0 else 'min'}({node.sql}) FROM {node.table.sql})"
        choose = "greatest" if identity["increment"] > 0 else "least"
        statements.append(f"SELECT pg_catalog.setval({quote_literal(name)}, {choose}({position}, {best}), true)")
    return statements


def _always(identity: Mapping[str, Any]) -> str:
    return "ALWAYS" if identity["kind"] == "a" else "BY DEFAULT"


def _identity(node: Node, alter: str) -> list[str]:
    was, now = node.was["identity"], node.now["identity"]
    statements = []
    names = ("increment", "min", "max", "start", "cache", "cycle")
    if was["kind"] != now["kind"]:
        statements.append(f"{alter} SET GENERATED {_always(was)}")
    sequence = now["sequence"].partition(".")[2]
    wanted = was["sequence"].partition(".")[2]
    at = quote_ident(node.table.schema_name)
    if sequence != wanted:
        statements.append(f"ALTER SEQUENCE {at}.{quote_ident(sequence)} RENAME TO {quote_ident(wanted)}")
    if was["type"] != now["type"]:
        statements.append(f"ALTER SEQUENCE {at}.{quote_ident(wanted)} AS {was['type']} {sequence_options(was)}")
    elif any(was[n] != now[n] for n in names):
        parts = [f"SET {p}" for p in _each(was)]
        statements.append(f"{alter} {' '.join(parts)}")
    return statements


def _each(values: Mapping[str, Any]) -> list[str]:
    return [
        f"INCREMENT BY {values['increment']}",
        f"MINVALUE {values['min']}",
        f"MAXVALUE {values['max']}",
        f"START WITH {values['start']}",
        f"CACHE {values['cache']}",
        f"{'' if values['cycle'] else 'NO '}CYCLE",
    ]


def _options(node: Node, alter: str) -> list[str]:
    was, now = node.was["options"] or [], node.now["options"] or []
    gone = sorted({o.partition("=")[0] for o in now} - {o.partition("=")[0] for o in was})
    statements = [f"{alter} RESET ({', '.join(gone)})"] if gone else []
    back = [o for o in was if o not in now]
    return [*statements, f"{alter} SET ({options_sql(back)})"] if back else statements


def went_back(node: Node) -> list[str]:
    """Give what sets a sequence forward again that was set back: numbers given out must not be given out twice.

    The statement looks itself whether the sequence has moved on since.
    """
    if node.before is None or node.after is None:
        return []
    was, now = node.before.soft.get("position"), node.after.soft.get("position")
    values = node.was.get("identity") if node.kind == "column" else node.was
    if was is None or now == was or not values or (node.kind == "column" and not node.now.get("identity")):
        return []
    up = values["increment"] > 0
    if now is not None and (now > was) is up:
        return []
    sequence = f"{quote_ident(node.table.schema_name)}." if node.kind == "column" else ""
    name = sequence + quote_ident(values["sequence"].partition(".")[2]) if node.kind == "column" else node.sql
    behind = f"last_value {'<' if up else '>'} {was}"
    return [f"SELECT pg_catalog.setval({quote_literal(name)}, {was}, true) FROM {name} WHERE {behind} OR NOT is_called"]
