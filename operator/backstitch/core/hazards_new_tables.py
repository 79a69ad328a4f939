# SPDX-License-Identifier: Apache-2.0
"""Hazards of creating tables, of partitions and of explicit locks (safety.md 1.3 and 1.5)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from backstitch.core.hazard import Found, Look, Rule, columns_of, constraints_of


def _clause(what: str, *subtypes: str) -> Callable[[Look], Iterable[Found]]:
    return lambda look: (Found(what.format(c.text("name")), look.table) for c in look.commands(*subtypes))


def _without_key(look: Look) -> Iterator[Found]:
    node = look.node
    temporary = node.kind == "CreateStmt" and any(n.text("relpersistence") == "t" for n in node.find("RangeVar"))
    if node.kind != "CreateStmt" or node.nodes("inhRelations") or temporary or node.node("ofTypename"):
        return
    holders = (node, *columns_of(node))
    if not any(True for h in holders for _ in constraints_of(h, "CONSTR_PRIMARY")) and not list(
        node.find("TableLikeClause")
    ):
        yield Found("the table has no primary key", look.table)


def _create_as(look: Look) -> Iterator[Found]:
    if look.node.kind == "CreateTableAsStmt" and look.node.text("objtype") == "OBJECT_TABLE":
        yield Found("the new table has no key, constraint, default or index", look.table)


def _unlogged(look: Look) -> Iterator[Found]:
    relation = look.node.node("relation")
    if look.node.kind == "CreateStmt" and relation is not None and relation.text("relpersistence") == "u":
        yield Found("a crash of the server empties it", look.table)


def _partition_of(look: Look) -> Iterator[Found]:
    if look.node.kind == "CreateStmt" and look.node.node("partbound") is not None:
        for parent in look.statement.reads[:1]:
            if look.is_old(parent):
                yield Found(f"{look.table} becomes a partition at once", parent)


def _detach(look: Look) -> Iterator[Found]:
    if look.statement.in_transaction:
        yield from (Found("the parent is locked", look.table) for _ in look.commands("AT_DetachPartition"))


def _lock_table(look: Look) -> Iterator[Found]:
    if look.node.kind == "LockStmt" and look.node.number("mode") >= 5:  # SHARE and stronger
        yield Found("the lock stays to the end of the step", look.table)


RULES: tuple[Rule, ...] = (
    Rule(
        "create-table-without-key",
        "warning",
        "CREATE TABLE without a primary key",
        "none",
        "none",
        "changed rows cannot be found again: no images, no batches, no logical replication of updates",
        "add a primary key",
        _without_key,
    ),
    Rule(
        "create-table-as",
        "policy",
        "CREATE TABLE … AS or SELECT … INTO",
        "ACCESS SHARE on the source",
        "one long transaction over all rows",
        "the copy has no keys, constraints, defaults, grants or policies",
        "createTable, then moveRows in batches",
        _create_as,
    ),
    Rule(
        "unlogged-table",
        "warning",
        "CREATE UNLOGGED TABLE",
        "none",
        "none",
        "a crash of the server empties it, and replicas do not have it",
        "an ordinary table",
        _unlogged,
    ),
    Rule(
        "create-partition-of",
        "error",
        "CREATE TABLE … PARTITION OF",
        "ACCESS EXCLUSIVE on the parent and its default partition",
        "scans the default partition",
        "reads and writes of the whole partitioned table wait",
        "CREATE TABLE (LIKE …), then ATTACH PARTITION",
        _partition_of,
        by_size=True,
    ),
    Rule(
        "attach-partition",
        "warning",
        "ATTACH PARTITION",
        "SHARE UPDATE EXCLUSIVE on the parent, ACCESS EXCLUSIVE on the child and the default partition",
        "scans the child and the default partition, unless a validated CHECK proves the bound",
        "writes to the child wait for the scan",
        "addConstraint check with the bound on the child first",
        _clause("the child is scanned unless a CHECK proves its bound", "AT_AttachPartition"),
    ),
    Rule(
        "detach-partition",
        "warning",
        "DETACH PARTITION",
        "ACCESS EXCLUSIVE on the parent, the child and the default partition",
        "metadata only",
        "reads and writes of the whole partitioned table wait for a moment",
        "a quiet moment; DETACH CONCURRENTLY cannot go back once interrupted",
        _detach,
    ),
    Rule(
        "lock-table",
        "warning",
        "LOCK TABLE in a mode that stops writes",
        "as named",
        "none",
        "the application waits until the whole step has ended",
        "leave locks to the statements",
        _lock_table,
    ),
)
