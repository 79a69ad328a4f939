# SPDX-License-Identifier: Apache-2.0
"""How is an object that is still there brought back to what it was, in place?"""

from __future__ import annotations

from backstitch.core.reverse.anew import owned_by
from backstitch.core.reverse.columns import alter_column, went_back
from backstitch.core.reverse.create import (
    event_state_sql,
    index_flags,
    index_name,
    options_sql,
    publication_options,
    sequence_options,
    set_default,
    state_sql,
    view_sql,
)
from backstitch.core.reverse.nodes import Graph, Node
from backstitch.core.reverse.words import alter_table
from backstitch.model.sql import quote_ident, quote_literal

_SEQUENCE = {"type", "increment", "min", "max", "start", "cache", "cycle"}
_REPLICA = {"d": "DEFAULT", "f": "FULL", "n": "NOTHING"}


def alter_sql(node: Node, graph: Graph) -> list[str]:  # noqa: PLR0912 - one case per kind
    """Give the statements for everything but names, owner, grants and comment."""
    if not node.changed and not node.retype:
        return went_back(node)
    match node.kind:
        case "table":
            return _table(node)
        case "column":
            return [*alter_column(node, graph), *went_back(node)]
        case "view":
            replaced = [view_sql(node, replace=True)] if "definition" in node.changed else []
            return replaced or _options(node, "VIEW")
        case "materializedView":
            return [*_options(node, "MATERIALIZED VIEW"), *_place(node), *_populated(node)]
        case "function" | "procedure":
            return [str(node.was["definition"]).strip()] if "definition" in node.changed else []
        case "default":
            return [set_default(node)]
        case "constraint":
            return _constraint(node)
        case "index":
            return _index(node)
        case "trigger" | "rule":
            return state_sql(node)
        case "other":
            return event_state_sql(node)
        case "statistics":
            target = node.was["target"]
            changed = "target" in node.changed
            return [f"ALTER STATISTICS {node.sql} SET STATISTICS {-1 if target is None else target}"] if changed else []
        case "sequence":
            return [*_sequence(node, graph), *went_back(node)]
        case "domain":
            return _domain(node, graph)
        case "publication":
            return [f"ALTER PUBLICATION {node.sql} SET ({publication_options(node.was)})"] if node.changed & {
                "publish", "viaRoot", "generatedColumns"} else []  # fmt: skip
        case "extension":
            if "schema" in node.changed:
                return [f"ALTER EXTENSION {node.sql} SET SCHEMA {quote_ident(node.was['schema'])}"]
            return []
        case _:
            return []


def problem(node: Node) -> str | None:
    """Give why a change of an object cannot be taken back, or None."""
    if node.kind == "extension" and "version" in node.changed:
        return (
            f"Extension {node.name} was updated from {node.was['version']} to {node.now['version']}; extensions seldom "
            "have a script for the way back. Update it outside of a migration."
        )
    if (
        node.kind in ("other", "foreignTable")
        and not node.made_again
        and node.changed - {"comment", "owner", "acl", "options"}
    ):
        return f"{node.any.key} was changed; the way back for this kind of object is not known. Write a down."
    if node.kind == "table" and node.same and node.changed & {"partitionKey"}:
        return f"{node.any.key} has another partition key now; its rows cannot be moved back. Write a down."
    return None


def added_labels(node: Node) -> bool:
    """Tell whether an enum got values; PostgreSQL has no statement that takes them out."""
    if node.kind != "type" or not node.same or "labels" not in node.changed:
        return False
    return len(node.now["labels"]) > len(node.was["labels"])


def _table(node: Node) -> list[str]:
    was, changed, alter = node.was, node.changed, alter_table(node)
    statements = _options(node, "TABLE")
    if "persistence" in changed:
        statements.append(f"{alter} SET {'UNLOGGED' if was['persistence'] == 'u' else 'LOGGED'}")
    if "rowSecurity" in changed:
        statements.append(f"{alter} {'ENABLE' if was['rowSecurity'] else 'DISABLE'} ROW LEVEL SECURITY")
    if "forceRowSecurity" in changed:
        statements.append(f"{alter} {'FORCE' if was['forceRowSecurity'] else 'NO FORCE'} ROW LEVEL SECURITY")
    if "replicaIdentity" in changed and was["replicaIdentity"] in _REPLICA:
        statements.append(f"{alter} REPLICA IDENTITY {_REPLICA[was['replicaIdentity']]}")
    if "ofType" in changed:
        statements.append(f"{alter} OF {was['ofType']}" if was["ofType"] else f"{alter} NOT OF")
    return statements + _place(node)


def _place(node: Node) -> list[str]:
    was, statements = node.was, []
    if "accessMethod" in node.changed and was["accessMethod"]:
        statements.append(f"{alter_table(node)} SET ACCESS METHOD {quote_ident(was['accessMethod'])}")
    if "tablespace" in node.changed:
        statements.append(f"{alter_table(node)} SET TABLESPACE {quote_ident(was['tablespace'] or 'pg_default')}")
    return statements


def _options(node: Node, kind: str, name: str = "") -> list[str]:
    statements = []
    for field, prefix in (("options", ""), ("toastOptions", "toast.")):
        if field not in node.changed:
            continue
        was, now = node.was.get(field) or [], node.now.get(field) or []
        names = {o.partition("=")[0] for o in now} - {o.partition("=")[0] for o in was}
        back = [prefix + o for o in was if o not in now]
        if names:
            gone = ", ".join(prefix + n for n in sorted(names))
            statements.append(f"ALTER {kind} {name or node.sql} RESET ({gone})")
        if back:
            statements.append(f"ALTER {kind} {name or node.sql} SET ({options_sql(back)})")
    return statements


def _populated(node: Node) -> list[str]:
    if "populated" not in node.changed:
        return []
    return [f"REFRESH MATERIALIZED VIEW {node.sql}{'' if node.was['populated'] else ' WITH NO DATA'}"]


def _constraint(node: Node) -> list[str]:
    statements = []
    if "validated" in node.changed and node.was["validated"]:
        statements.append(f"{alter_table(node)} VALIDATE CONSTRAINT {node.sql}")
    if node.any.soft.get("type") in ("p", "u", "x"):
        statements += _index(node)
    return statements


def _index(node: Node) -> list[str]:
    name = index_name(node)
    statements = _options(node, "INDEX", name)
    if "tablespace" in node.changed:
        statements.append(f"ALTER INDEX {name} SET TABLESPACE {quote_ident(node.was['tablespace'] or 'pg_default')}")
    was, now = node.was.get("statistics") or {}, node.now.get("statistics") or {}
    for number in sorted(was.keys() | now.keys()):
        if was.get(number) != now.get(number):
            target = was.get(number, -1)
            statements.append(f"ALTER INDEX {name} ALTER COLUMN {number} SET STATISTICS {target}")
    return statements + index_flags(node)


def unclustered(graph: Graph) -> list[str]:
    """Give SET WITHOUT CLUSTER for tables that had no CLUSTER mark and have one on an index that stays."""
    marked = {n.table for n in graph.nodes if n.before is not None and n.was.get("clustered")}
    return [
        f"ALTER {'TABLE' if n.table.kind == 'table' else 'MATERIALIZED VIEW'} {n.table.sql} SET WITHOUT CLUSTER"
        for n in graph.nodes
        if n.before is not None and n.now.get("clustered") and not n.was.get("clustered") and n.table not in marked
    ]


def _sequence(node: Node, graph: Graph) -> list[str]:
    statements = []
    if node.changed & _SEQUENCE:
        statements.append(f"ALTER SEQUENCE {node.sql} AS {node.was['type']} {sequence_options(node.was)}")
    if "persistence" in node.changed:
        statements.append(f"ALTER SEQUENCE {node.sql} SET {'UNLOGGED' if node.was['persistence'] == 'u' else 'LOGGED'}")
    if not node.same and node.any.soft and node.before and node.before.soft.get("position") is not None:
        name, least = quote_literal(node.sql), node.before.soft["position"]
        statements.append(f"SELECT pg_catalog.setval({name}, greatest({least}, last_value), true) FROM {node.sql}")
    if "ownedBy" in node.changed:
        statements += owned_by(node, graph)
    return statements


def _domain(node: Node, graph: Graph) -> list[str]:
    statements = []
    if "default" in node.changed:
        default = node.was["default"]
        verb = "DROP DEFAULT" if default is None else f"SET DEFAULT {default}"
        statements.append(f"ALTER DOMAIN {node.sql} {verb}")
    if "notNull" in node.changed and graph.after.server_version < 170000:
        statements.append(f"ALTER DOMAIN {node.sql} {'SET' if node.was['notNull'] else 'DROP'} NOT NULL")
    return statements
