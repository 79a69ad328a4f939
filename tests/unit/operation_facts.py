# SPDX-License-Identifier: Apache-2.0
"""What do the tests of operations stand on? Two small tables as facts, and each operation as a person writes it."""

from __future__ import annotations

from typing import Any

from backstitch.model.facts import Column, Constraint, Facts, Index, Table
from backstitch.model.in_step import InStep
from backstitch.model.operations import Operation, StepContext
from backstitch.model.step import Step


def users(**changes: Any) -> Table:
    """A table with a key, a unique mail and one column that may be NULL."""
    columns = (
        Column(name="id", type="bigint", not_null=True, identity="a"),
        Column(name="email", type="text", not_null=True),
        Column(name="note", type="text", default="'x'::text"),
        Column(name="shout", type="text", generated="s"),
    )
    indexes = (
        Index(name="users_pkey", definition="CREATE UNIQUE INDEX users_pkey ON public.users USING btree (id)",
              unique=True, primary=True, columns=("id",), constraint="users_pkey"),
        Index(name="by_note", definition="CREATE INDEX by_note ON public.users USING btree (note)", columns=("note",)),
    )  # fmt: skip
    constraints = (
        Constraint(name="users_pkey", kind="primaryKey", definition="PRIMARY KEY (id)", columns=("id",)),
        Constraint(name="polite", kind="check", definition="CHECK ((note <> ''::text))", columns=("note",)),
    )
    table = Table(name="users", columns=columns, indexes=indexes, constraints=constraints, in_step=(WAS,))
    return table.model_copy(update=changes)


WAS = InStep(
    name="backstitch_0a1b2c3d_1_step", step="was", column="was", table="users", old=("backstitch_0a1b2c3d_1",),
    new=("email",), old_as=("was",), new_as=("was",), new_types=("text",), new_defaults=(None,), up=("was::text",),
    down=("was::text",), seen=(), way="down", hidden=True,
)  # fmt: skip


def orders(action: str = "") -> Table:
    """A table that points at users."""
    key = Constraint(
        name="of_user", kind="foreignKey", columns=("user_id",), references="public.users",
        definition=f"FOREIGN KEY (user_id) REFERENCES public.users(id){action}",
    )  # fmt: skip
    columns = (
        Column(name="id", type="int", not_null=True),
        Column(name="user_id", type="bigint", not_null=True),
        Column(name="total", type="int", default="0"),
    )
    pkey = Index(
        name="orders_pkey", definition="", unique=True, primary=True, columns=("id",), constraint="orders_pkey"
    )
    return Table(name="orders", columns=columns, constraints=(key,), indexes=(pkey,))


def facts_of(*tables: Table, version: int = 180000, **more: Any) -> Facts:
    return Facts(database="shop", server_version=version, tables={str(t.qualified): t for t in tables}, **more)


def an_operation(**given: Any) -> Operation:
    """The operation of a step written as YAML would give it."""
    return Step.model_validate({"name": "s", **given}).operation


def context(*tables: Table, **more: Any) -> StepContext:
    return StepContext(facts=facts_of(*tables or (users(), orders()), **more), step="s", token="0a1b2c3d", ordinal=3)


def refusal(operation: Operation, *tables: Table, **more: Any) -> str:
    """All reasons as one text; '' when it is not refused."""
    return " ".join(operation.refuse(context(*tables, **more)))


WRITTEN: dict[str, dict[str, Any]] = {
    "createTable": {"table": "fresh", "columns": [{"name": "id", "type": "int"}], "primaryKey": ["id"]},
    "dropTable": {"table": "orders"},
    "renameTable": {"table": "users", "to": "people"},
    "addColumn": {"table": "users", "column": "age", "type": "int"},
    "dropColumn": {"table": "users", "column": "note"},
    "renameColumn": {"table": "users", "column": "note", "to": "remark"},
    "changeType": {"table": "orders", "column": "total", "type": "bigint"},
    "splitColumn": {
        "table": "users",
        "column": "note",
        "into": [{"column": "short", "type": "text", "up": "left(note, 9)"}],
        "down": "short",
    },
    "mergeColumns": {
        "table": "users",
        "columns": [{"column": "note", "down": "short"}],
        "into": "short",
        "type": "text",
        "up": "note",
    },
    "dropOldShape": {"table": "users", "column": "was"},
    "setNotNull": {"table": "users", "column": "note"},
    "dropNotNull": {"table": "users", "column": "email"},
    "setDefault": {"table": "users", "column": "note", "default": "'y'"},
    "addConstraint": {"table": "users", "name": "c", "check": "note <> ''"},
    "dropConstraint": {"table": "users", "name": "polite"},
    "createIndex": {"table": "users", "name": "by_mail", "columns": ["email"]},
    "dropIndex": {"table": "users", "name": "by_note"},
    "backfill": {"table": "users", "set": {"note": "'n'"}},
    "moveRows": {"from": "users", "to": "orders", "columns": {"id": "id", "user_id": "id"}},
    "upsert": {"table": "orders", "rows": [{"values": {"id": "1", "user_id": "2"}}]},
    "updateRows": {"table": "users", "set": {"note": "'n'"}, "where": "true"},
    "deleteRows": {"table": "users", "where": "id < 3"},
}
