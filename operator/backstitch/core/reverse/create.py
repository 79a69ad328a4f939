# SPDX-License-Identifier: Apache-2.0
"""How is what a migration dropped made again? From the definitions the server gave before."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from backstitch.core.reverse.anew import alone_first, owned_by, owner_is_new
from backstitch.core.reverse.drop import column_of
from backstitch.core.reverse.nodes import Graph, Node
from backstitch.core.reverse.words import alter_table, kind_sql
from backstitch.model.catalog import ObjectId
from backstitch.model.sql import quote_ident, quote_literal

_STATES = {"D": "DISABLE", "R": "ENABLE REPLICA", "A": "ENABLE ALWAYS", "O": "ENABLE"}
_COMMANDS = {"*": "ALL", "r": "SELECT", "a": "INSERT", "w": "UPDATE", "d": "DELETE"}


def create_sql(node: Node, graph: Graph) -> list[str]:  # noqa: PLR0912 - one case per kind
    """Give the statements that make an object again, without owner, grants and comment."""
    was = node.was
    match node.kind:
        case "view":
            return [view_sql(node, replace=False)]
        case "materializedView":
            return [_materialized(node)]
        case "function" | "procedure" | "aggregate":
            return [str(was["definition"]).strip()]
        case "trigger" | "rule":
            return [*([] if node.any.soft.get("parent") else _plain(was["definition"])), *state_sql(node)]
        case "policy":
            return [_policy(node)]
        case "index":
            return _index(node, graph)
        case "constraint":
            return _constraint(node, graph)
        case "statistics":
            return [*_plain(was["definition"]), *_target(node)]
        case "default":
            return [set_default(node)]
        case "sequence":
            return _sequence(node, graph)
        case "type" | "domain":
            return [_type(node, graph)]
        case "schema":
            return [f"CREATE SCHEMA {node.sql}"]
        case "column":
            return [_generated(node)] if node.was.get("generated") is not None else []
        case "inheritance":
            return [_inherit(node, graph)]
        case "extension":
            version = f" VERSION {quote_literal(was['version'])}"
            return [f"CREATE EXTENSION {node.sql} WITH SCHEMA {quote_ident(was['schema'])}{version}"]
        case "publication":
            every = " FOR ALL TABLES" if was["allTables"] else ""
            return [f"CREATE PUBLICATION {node.sql}{every} WITH ({publication_options(was)})"]
        case "publicationTable":
            return [_published(node, graph)]
        case "other":
            return [str(was["definition"]), *event_state_sql(node)]
        case "publicationSchema":
            return [f"ALTER PUBLICATION {quote_ident(node.table.name)} ADD TABLES IN SCHEMA {quote_ident(node.name)}"]
        case _:
            return []


def _plain(definition: str) -> list[str]:
    return [definition.strip().rstrip(";")]


def options_sql(options: list[str] | None) -> str:
    """Give storage parameters for WITH or SET: `fillfactor='70', ...`."""
    pairs = [o.partition("=") for o in options or []]
    return ", ".join(f"{name}={quote_literal(value)}" for name, _, value in pairs)


def view_sql(node: Node, *, replace: bool) -> str:
    """Give CREATE VIEW as it was."""
    verb = "CREATE OR REPLACE VIEW" if replace else "CREATE VIEW"
    options = options_sql(node.was["options"])
    return f"{verb} {node.sql}{f' WITH ({options})' if options else ''} AS {_plain(node.was['definition'])[0]}"


def _materialized(node: Node) -> str:
    was = node.was
    options = options_sql(was["options"])
    return (
        f"CREATE MATERIALIZED VIEW {node.sql} USING {quote_ident(was['accessMethod'])}"
        + (f" WITH ({options})" if options else "")
        + (f" TABLESPACE {quote_ident(was['tablespace'])}" if was["tablespace"] else "")
        + f" AS {_plain(was['definition'])[0]} WITH {'' if was['populated'] else 'NO '}DATA"
    )


def state_sql(node: Node) -> list[str]:
    """Give the statement that enables or disables a trigger or rule as it was; nothing for a new one that is on."""
    wanted, now = node.was["enabled"], node.now.get("enabled", "O")
    if wanted == now:
        return []
    only = "ONLY " if node.table.kind == "table" else ""  # clones on partitions have states of their own
    return [f"ALTER TABLE {only}{node.table.sql} {_STATES[wanted]} {kind_sql(node)} {node.sql}"]


def event_state_sql(node: Node) -> list[str]:
    """Give the statement that enables or disables an event trigger as it was."""
    wanted = node.was.get("enabled")
    if wanted is None or wanted == node.now.get("enabled", "O"):
        return []
    return [f"ALTER EVENT TRIGGER {node.any.key.name} {_STATES[wanted]}"]


def _policy(node: Node) -> str:
    was = node.was
    roles = ", ".join(quote_ident(r) if r else "PUBLIC" for r in was["roles"])
    return (
        f"CREATE POLICY {node.sql} ON {node.table.sql} AS {'PERMISSIVE' if was['permissive'] else 'RESTRICTIVE'}"
        f" FOR {_COMMANDS[was['command']]} TO {roles}"
        + (f" USING ({was['using']})" if was["using"] is not None else "")
        + (f" WITH CHECK ({was['check']})" if was["check"] is not None else "")
    )


def _index(node: Node, graph: Graph) -> list[str]:
    was = node.was
    definition = str(was["definition"])
    if was["tablespace"]:
        place = f" TABLESPACE {quote_ident(was['tablespace'])}"
        before, where, rest = definition.partition(" WHERE ")
        definition = before + place + where + rest
    statements = [definition]
    if node.any.soft.get("indexParent") and not alone_first(node, graph):
        parent = graph.of_before.get(ObjectId("pg_class", int(node.any.soft["indexParent"])))
        if parent is not None:
            statements.append(f"ALTER INDEX {parent.sql} ATTACH PARTITION {node.sql}")
    return [*statements, *index_flags(node), *_index_statistics(node)]


def index_flags(node: Node) -> list[str]:
    """Give the statements for what a table remembers about an index: CLUSTER mark and replica identity."""
    was, now = node.was, node.now
    statements = []
    if was.get("clustered") and not now.get("clustered"):
        statements.append(f"ALTER {kind_sql(node.table)} {node.table.sql} CLUSTER ON {node_name(node)}")
    if was.get("replicaIdentity") and not now.get("replicaIdentity"):
        statements.append(f"ALTER TABLE {node.table.sql} REPLICA IDENTITY USING INDEX {node_name(node)}")
    return statements


def node_name(node: Node) -> str:
    """Give the plain quoted name."""
    return quote_ident(node.name)


def index_name(node: Node) -> str:
    """Give the qualified name of an index, also of the one behind a constraint."""
    return f"{quote_ident(node.schema_name)}.{quote_ident(node.name)}"


def _index_statistics(node: Node) -> list[str]:
    return [
        f"ALTER INDEX {index_name(node)} ALTER COLUMN {number} SET STATISTICS {target}"
        for number, target in sorted((node.was.get("statistics") or {}).items())
    ]


def _constraint(node: Node, graph: Graph) -> list[str]:
    was, soft = node.was, node.any.soft
    derived = soft.get("parent") or soft.get("indexParent") or ((was.get("inherited") or 0) and not was.get("local"))
    if derived and not alone_first(node, graph):
        return []  # comes with the one on the parent table
    definition = str(was["definition"])
    add = f"{alter_table(node)} ADD CONSTRAINT {node.sql} {definition}"
    late = soft["type"] in ("c", "f") or (soft["type"] == "n" and node.table.kind != "domain")
    whole = graph.after.server_version < 180000 and _on_partitioned(node, graph)
    if late and not whole and was["validated"] and soft.get("enforced", True):
        return [f"{add} NOT VALID", f"{alter_table(node)} VALIDATE CONSTRAINT {node.sql}"]
    statements = [add]
    if soft["type"] in ("p", "u", "x"):
        if was["options"]:
            statements.append(f"ALTER INDEX {index_name(node)} SET ({options_sql(was['options'])})")
        if was["tablespace"]:
            statements.append(f"ALTER INDEX {index_name(node)} SET TABLESPACE {quote_ident(was['tablespace'])}")
        statements += [*index_flags(node), *_index_statistics(node)]
    return statements


def _on_partitioned(node: Node, graph: Graph) -> bool:
    """Before 18 a foreign key of a partitioned table cannot be NOT VALID, and one that refers to such a table
    leaves its inner copies unvalidated."""
    other = graph.of_before.get(ObjectId("pg_class", int(node.any.soft["references"] or 0)))
    partitioned = other is not None and other.any.soft.get("relkind") == "p"
    return node.any.soft["type"] == "f" and (partitioned or node.any.soft.get("relkind") == "p")


def _target(node: Node) -> list[str]:
    target = node.was["target"]
    return [] if target is None else [f"ALTER STATISTICS {node.sql} SET STATISTICS {target}"]


def set_default(node: Node) -> str:
    """Give SET DEFAULT as it was, for this table alone: tables that inherit have defaults of their own."""
    only = "ONLY " if node.table.kind == "table" else ""
    kind = "VIEW" if node.table.kind == "view" else "TABLE"
    column = column_of(node).sql
    return f"ALTER {kind} {only}{node.table.sql} ALTER COLUMN {column} SET DEFAULT {node.was['expression']}"


def sequence_options(values: Mapping[str, Any]) -> str:
    """Give the parameters of a sequence."""
    return (
        f"INCREMENT BY {values['increment']} MINVALUE {values['min']} MAXVALUE {values['max']}"
        f" START WITH {values['start']} CACHE {values['cache']} {'' if values['cycle'] else 'NO '}CYCLE"
    )


def _sequence(node: Node, graph: Graph) -> list[str]:
    was = node.was
    kind = "UNLOGGED SEQUENCE" if was["persistence"] == "u" else "SEQUENCE"
    statements = [f"CREATE {kind} {node.sql} AS {was['type']} {sequence_options(was)}"]
    if node.any.soft.get("position") is not None:
        name = quote_literal(f"{node.sql}")
        statements.append(f"SELECT pg_catalog.setval({name}, {node.any.soft['position']}, true)")
    statements.append(f"ALTER SEQUENCE {node.sql} OWNER TO {quote_ident(was['owner'])}")
    return statements + ([] if owner_is_new(node, graph) else owned_by(node, graph))


def _type(node: Node, graph: Graph) -> str:
    was = node.was
    if node.kind == "domain":
        parts = [f"CREATE DOMAIN {node.sql} AS {was['base']}"]
        parts += [f"COLLATE {was['collation']}"] if was["collation"] else []
        parts += [f"DEFAULT {was['default']}"] if was["default"] is not None else []
        parts += ["NOT NULL"] if was["notNull"] and graph.after.server_version < 170000 else []
        return " ".join(parts)
    if "labels" in was:
        return f"CREATE TYPE {node.sql} AS ENUM ({', '.join(quote_literal(v) for v in was['labels'])})"
    if "attributes" in was:
        attributes = ", ".join(
            f"{quote_ident(name)} {of}" + (f" COLLATE {collation}" if collation else "")
            for name, of, collation in was["attributes"]
        )
        return f"CREATE TYPE {node.sql} AS ({attributes})"
    schema, _, multirange = str(was["multirange"]).partition(".")
    parts = [
        f"SUBTYPE = {was['subtype']}",
        f"MULTIRANGE_TYPE_NAME = {quote_ident(schema)}.{quote_ident(multirange)}",
        *([f"COLLATION = {was['collation']}"] if was["collation"] else []),
        *([f"SUBTYPE_DIFF = {was['subdiff']}"] if was["subdiff"] else []),
    ]
    return f"CREATE TYPE {node.sql} AS RANGE ({', '.join(parts)})"


def _generated(node: Node) -> str:
    was = node.was
    how, expression = was["generated"]
    collation = f" COLLATE {was['collation']}" if was["collation"] else ""
    kind = "STORED" if how == "s" else "VIRTUAL"
    return (
        f"{alter_table(node)} ADD COLUMN {node.sql} {was['type']}{collation} GENERATED ALWAYS AS ({expression}) {kind}"
    )


def _inherit(node: Node, graph: Graph) -> str:
    parent = graph.of_before[ObjectId("pg_class", int(node.any.soft["parent"]))]
    if node.was["bound"] is not None:
        return f"ALTER TABLE {parent.sql} ATTACH PARTITION {node.table.sql} {node.was['bound']}"
    return f"ALTER TABLE {node.table.sql} INHERIT {parent.sql}"


def publication_options(was: Mapping[str, Any]) -> str:
    """Give the parameters of a publication."""
    options = [f"publish = {quote_literal(was['publish'])}"]
    options.append(f"publish_via_partition_root = {'true' if was['viaRoot'] else 'false'}")
    if was.get("generatedColumns") in ("s", "n"):
        options.append(f"publish_generated_columns = {'stored' if was['generatedColumns'] == 's' else 'none'}")
    return ", ".join(options)


def _published(node: Node, graph: Graph) -> str:
    table = graph.of_before[ObjectId("pg_class", int(node.any.soft["table"]))]
    columns = f" ({', '.join(quote_ident(c) for c in node.was['columns'])})" if node.was["columns"] else ""
    where = f" WHERE ({node.was['where']})" if node.was["where"] else ""
    return f"ALTER PUBLICATION {quote_ident(node.table.name)} ADD TABLE ONLY {table.sql}{columns}{where}"
