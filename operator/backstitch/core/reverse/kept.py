# SPDX-License-Identifier: Apache-2.0
"""How do tables and values come back that a migration drops, whose rows were copied before? With definitions of old.

A copy holds every value as text, so that it stands on no type of the schema, and the row's key in `backstitch_key`.
Values go into their column by ALTER COLUMN … TYPE … USING, which sets off no trigger and no rule.
"""

from __future__ import annotations

from dataclasses import dataclass

from backstitch.core.reverse.create import options_sql
from backstitch.core.reverse.nodes import Graph, Kept, Node
from backstitch.core.reverse.words import alter_table
from backstitch.model.names import QUARANTINE_SCHEMA
from backstitch.model.sql import quote_ident, quote_literal

_STORAGE = {"p": "PLAIN", "e": "EXTERNAL", "m": "MAIN", "x": "EXTENDED"}
_COMPRESSION = {"p": "pglz", "l": "lz4"}


@dataclass(frozen=True)
class _Value:
    """One column's way out of the copy, as a function that USING can call."""

    name: str
    create: str
    drop: str


def create_table(node: Node, graph: Graph) -> list[str]:
    """Give the statements that make a dropped table again with its rows; constraints and indexes come later."""
    was = node.was
    columns = sorted(
        (n for n in graph.nodes if n.kind == "column" and n.home is node and n.before is not None),
        key=lambda n: int(n.was["position"]),
    )
    unlogged = "UNLOGGED " if was["persistence"] == "u" else ""
    options = [*(was["options"] or []), *(f"toast.{o}" for o in was["toastOptions"] or [])]
    text = f"CREATE {unlogged}TABLE {node.sql} ({', '.join(_definition(c, graph) for c in columns)})"
    text += f" PARTITION BY {was['partitionKey']}" if was["partitionKey"] else ""
    text += f" USING {quote_ident(was['accessMethod'])}" if was["accessMethod"] else ""
    text += f" WITH ({options_sql(options)})" if options else ""
    text += f" TABLESPACE {quote_ident(was['tablespace'])}" if was["tablespace"] else ""
    statements = [text, *(s for c in columns for s in _settings(c))]
    kept = graph.kept_of(node)
    plain = [c for c in columns if c.was.get("generated") is None]
    if kept is not None and plain and not was["partitionKey"]:
        names = ", ".join(c.sql for c in plain)
        values = ", ".join(f"{c.sql}::{c.was['type']}" for c in plain)
        statements.append(f"INSERT INTO {node.sql} ({names}) SELECT {values} FROM {kept.copy}")
    if was["rowSecurity"]:
        statements.append(f"ALTER TABLE {node.sql} ENABLE ROW LEVEL SECURITY")
    if was["forceRowSecurity"]:
        statements.append(f"ALTER TABLE {node.sql} FORCE ROW LEVEL SECURITY")
    if was["replicaIdentity"] in ("f", "n"):
        statements.append(
            f"ALTER TABLE {node.sql} REPLICA IDENTITY {'FULL' if was['replicaIdentity'] == 'f' else 'NOTHING'}"
        )
    if was["ofType"]:
        statements.append(f"ALTER TABLE {node.sql} OF {was['ofType']}")
    return statements


def add_column(node: Node, graph: Graph) -> list[str]:
    """Give the statements that add a dropped column again, with its values; its default comes later."""
    alter = f"{alter_table(node)} ALTER COLUMN {node.sql}"
    statements = [f"{alter_table(node)} ADD COLUMN {node.sql} {_type(node)}"]
    kept = graph.kept_of(node.table)
    if kept is not None and kept.key:
        value = _value(node, kept, "RETURN given")
        statements += [value.create, f"{alter} TYPE {_type(node)} USING {value.name}({_key(kept)}, NULL)", value.drop]
    statements += _settings(node)
    if node.was["notNull"] and graph.after.server_version < 180000:
        statements.append(f"{alter} SET NOT NULL")
    return statements


def retype(node: Node, kept: Kept, after: str) -> list[str]:
    """Give the statements for a type that could not hold what was there. What was written since is cast.

    `after` is the column of the copy that holds, as text, what the migration left in the row.
    """
    alter = f"{alter_table(node)} ALTER COLUMN {node.sql} TYPE {_type(node)} USING "
    if not kept.key:  # the table was empty
        return [f"{alter}{node.sql}::text::{node.was['type']}"]
    value = _value(node, kept, f"IF found.{after} IS DISTINCT FROM now THEN RETURN now::{node.was['type']}; END IF")
    return [value.create, f"{alter}{value.name}({_key(kept)}, {node.sql}::text)", value.drop]


def remember(node: Node, kept: Kept, after: str, key: list[str]) -> list[str]:
    """Give the statements that note, after the migration, what it left in a column whose type it changed."""
    same = f"ARRAY[{', '.join(f't.{k}::text' for k in key)}]"
    name = quote_ident(node.after.key.sub) if node.after else node.sql
    return [
        f"ALTER TABLE {kept.copy} ADD COLUMN {after} text",
        f"UPDATE {kept.copy} k SET {after} = t.{name}::text FROM {node.table.sql} t WHERE k.backstitch_key = {same}",
    ]


def _value(node: Node, kept: Kept, otherwise: str) -> _Value:
    name = f"{quote_ident(QUARANTINE_SCHEMA)}.{quote_ident(f'backstitch_value_{node.any.id.oid}_{node.any.id.subid}')}"
    of = node.was["type"]
    second = "given" if otherwise == "RETURN given" else "now"
    missing = "RETURN given" if second == "given" else f"RETURN now::{of}"
    checked = "" if second == "given" else f" {otherwise};"
    body = (
        f"DECLARE found record; BEGIN SELECT * INTO found FROM {kept.copy} k WHERE k.backstitch_key = row_key; "
        f"IF found.backstitch_key IS NULL THEN {missing}; END IF;{checked} RETURN found.{node.sql}::{of}; END"
    )
    arguments = f"row_key text[], {second} {of if second == 'given' else 'text'}"
    signature = f"{name}(text[], {of if second == 'given' else 'text'})"
    create = (
        f"CREATE OR REPLACE FUNCTION {name}({arguments}) RETURNS {of} LANGUAGE plpgsql STABLE AS {quote_literal(body)}"
    )
    return _Value(name, create, f"DROP FUNCTION {signature}")


def _key(kept: Kept) -> str:
    return f"ARRAY[{', '.join(f'{quote_ident(k)}::text' for k in kept.key)}]"


def _type(node: Node) -> str:
    collation = f" COLLATE {node.was['collation']}" if node.was["collation"] else ""
    return f"{node.was['type']}{collation}"


def _definition(node: Node, graph: Graph) -> str:
    text = f"{node.sql} {_type(node)}"
    if node.was.get("generated") is not None:
        how, expression = node.was["generated"]
        text += f" GENERATED ALWAYS AS ({expression}) {'STORED' if how == 's' else 'VIRTUAL'}"
    return text + (" NOT NULL" if node.was["notNull"] and graph.after.server_version < 180000 else "")


def _settings(node: Node) -> list[str]:
    was, alter = node.was, f"{alter_table(node)} ALTER COLUMN {node.sql}"
    statements = []
    if was["storage"] != node.any.soft["typeStorage"]:
        statements.append(f"{alter} SET STORAGE {_STORAGE[was['storage']]}")
    if was["compression"]:
        statements.append(f"{alter} SET COMPRESSION {_COMPRESSION[was['compression']]}")
    if was["statistics"] is not None:
        statements.append(f"{alter} SET STATISTICS {was['statistics']}")
    if was["options"]:
        statements.append(f"{alter} SET ({options_sql(was['options'])})")
    return statements
