# SPDX-License-Identifier: Apache-2.0
"""Hazards of statements that change rows (safety.md 1.7, row 133, and 2.1)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from backstitch.core.hazard import LARGE_ROWS, Found, Look, Rule
from backstitch.model.script_shape import DML_NODES, has_option
from backstitch.model.script_tree import Node


def _no_where(kind: str, look: Look) -> Iterator[Found]:
    for node in look.node.find(kind):
        if node.node("whereClause") is None and look.is_old():
            yield Found(f"every row of {look.table} is touched in one transaction", look.table)


def _unbounded(look: Look) -> Iterator[Found]:
    table = look.known()
    rows = table.estimated_rows if table is not None else 0
    for node in look.node.find("UpdateStmt", "DeleteStmt"):
        if (
            node.node("whereClause") is not None
            and rows >= LARGE_ROWS
            and not _by_key(node, table.key if table else ())
        ):
            yield Found(f"up to {rows:,.0f} rows are touched in one transaction", look.table)


def _by_key(node: Node, key: tuple[str, ...]) -> bool:
    """Tell whether the condition sets every column of the key to a constant: then it is one row."""
    where = node.node("whereClause")
    given = set()
    if where is None or where.text("boolop") not in ("", "AND_EXPR"):
        return False
    for part in where.nodes("args") if where.kind == "BoolExpr" else (where,):
        left, right = part.node("lexpr"), part.node("rexpr")
        if part.kind != "A_Expr" or part.strings("name") != ("=",) or left is None or right is None:
            continue
        if left.kind == "ColumnRef" and right.kind == "A_Const":
            given.add(left.strings("fields")[-1])
    return bool(key) and set(key) <= given


def _insert_select(look: Look) -> Iterator[Found]:
    for node in look.node.find("InsertStmt"):
        source = node.node("selectStmt")
        if source is None or not source.nodes("fromClause") or source.node("limitCount") is not None:
            continue
        for name in look.statement.reads:
            table = look.known(name)
            if table is not None and table.estimated_rows >= LARGE_ROWS:
                yield Found(
                    f"up to {table.estimated_rows:,.0f} rows of {name} are copied in one transaction", look.table
                )


def _limit_without_order(look: Look) -> Iterator[Found]:
    for node in look.node.find("UpdateStmt", "DeleteStmt"):
        for select in node.find("SelectStmt"):
            if select.node("limitCount") is not None and not select.nodes("sortClause"):
                yield Found("LIMIT without ORDER BY picks other rows each time", look.table)


def _after_lock(look: Look) -> Iterator[Found]:
    if look.statement.kind != "dml":
        return
    for earlier in look.earlier("AlterTableStmt"):
        locked = earlier.writes[:1]
        if earlier.tag == "ALTER TABLE" and locked and look.is_old(locked[0]):
            yield Found(f"the lock of line {earlier.line} on {locked[0]} stays while rows are changed", locked[0])
            return


def _twice(look: Look) -> Iterator[Found]:
    for node in look.node.find("UpdateStmt"):
        counts = Counter(t.text("name") for t in node.nodes("targetList") if not t.nodes("indirection"))
        yield from (Found(f"column {name} is set twice", look.table) for name, n in counts.items() if n > 1)


def _no_columns(look: Look) -> Iterator[Found]:
    for node in look.node.find("InsertStmt"):
        if not node.nodes("cols") and node.node("selectStmt") is not None and look.is_old():
            yield Found("the INSERT names no columns", look.table)


def _sequence(look: Look) -> Iterator[Found]:
    if look.statement.kind in ("query", "dml"):
        for call in look.node.find("FuncCall"):
            if call.strings("funcname")[-1:] == ("setval",):
                yield Found("setval is not undone by a rollback", look.table)


def _not_in(look: Look) -> Iterator[Found]:
    for node in look.node.find("BoolExpr"):
        if node.text("boolop") == "NOT_EXPR" and look.statement.kind == "dml":
            for part in node.nodes("args"):
                if part.kind == "SubLink" and part.text("subLinkType") == "ANY_SUBLINK":
                    yield Found("NOT IN (SELECT …) is never true when the SELECT gives one NULL", look.table)


def _equals_null(look: Look) -> Iterator[Found]:
    for node in look.node.find("A_Expr"):
        sides = (node.node("lexpr"), node.node("rexpr"))
        if node.strings("name") in (("=",), ("<>",)) and any(s is not None and s.flag("isnull") for s in sides):
            yield Found("a comparison with NULL by = or <> is never true", look.table)


def _explain(look: Look) -> Iterator[Found]:
    analyzes = look.node.kind == "ExplainStmt" and has_option(look.node, "options", "analyze")
    if analyzes and any(True for _ in look.node.find(*DML_NODES)):
        yield Found("EXPLAIN ANALYZE runs the statement", look.table)


def _opaque(look: Look) -> Iterator[Found]:
    if look.statement.kind == "do":
        yield Found(f"{look.statement.tag} runs code that cannot be read from here")


def _hidden_write(look: Look) -> Iterator[Found]:
    if look.node.kind == "SelectStmt" and look.statement.kind == "dml":
        yield Found("a WITH part of the SELECT changes rows", look.table)


RULES: tuple[Rule, ...] = (
    Rule(
        "update-without-where",
        "error",
        "UPDATE without WHERE",
        "ROW EXCLUSIVE, and every row locked until the commit",
        "writes every row again",
        "writers of any row wait; bloat and WAL of the whole table",
        "backfill or updateRows: batches by key, each its own transaction",
        lambda look: _no_where("UpdateStmt", look),
        by_size=True,
    ),
    Rule(
        "delete-without-where",
        "error",
        "DELETE without WHERE",
        "ROW EXCLUSIVE, and every row locked until the commit",
        "marks every row",
        "the whole table is emptied in one transaction",
        "deleteRows with a condition: batches by key, images kept",
        lambda look: _no_where("DeleteStmt", look),
        by_size=True,
    ),
    Rule(
        "unbounded-change",
        "warning",
        f"UPDATE or DELETE on a table of {LARGE_ROWS:,} rows or more",
        "ROW EXCLUSIVE, and each row met locked until the commit",
        "one long transaction",
        "writers of those rows wait; vacuum is held back",
        "backfill, updateRows or deleteRows: batches by key",
        _unbounded,
    ),
    Rule(
        "insert-select-large",
        "warning",
        f"INSERT … SELECT from a table of {LARGE_ROWS:,} rows or more",
        "ROW EXCLUSIVE",
        "one long transaction",
        "vacuum is held back, replicas lag",
        "moveRows: batches by key",
        _insert_select,
    ),
    Rule(
        "limit-without-order",
        "warning",
        "UPDATE or DELETE of rows picked with LIMIT but without ORDER BY",
        "ROW EXCLUSIVE",
        "none",
        "nobody can say which rows were meant; repeating it takes others",
        "backfill or deleteRows: they go by key and keep a cursor",
        _limit_without_order,
    ),
    Rule(
        "rows-after-lock",
        "error",
        "rows changed after an ALTER TABLE in the same step",
        "ACCESS EXCLUSIVE of the ALTER TABLE until the commit",
        "as long as the row change takes",
        "reads and writes of the altered table wait for the row change",
        "two steps: first the structure, then the rows",
        _after_lock,
        by_size=True,
    ),
    Rule(
        "column-set-twice",
        "error",
        "UPDATE that sets a column twice",
        "none",
        "none",
        "PostgreSQL refuses it",
        "keep one of the assignments",
        _twice,
        impossible=True,
    ),
    Rule(
        "insert-without-columns",
        "warning",
        "INSERT without a column list",
        "ROW EXCLUSIVE",
        "none",
        "a column added or dropped meanwhile shifts the values, or fails",
        "name the columns",
        _no_columns,
    ),
    Rule(
        "sequence-not-rolled-back",
        "warning",
        "setval in SQL",
        "ROW EXCLUSIVE on the sequence",
        "none",
        "no rollback undoes it; a value below the current one gives out numbers twice",
        "setval to the greater of the current and the wanted value",
        _sequence,
    ),
    Rule(
        "not-in-subquery",
        "warning",
        "NOT IN (SELECT …) in a statement that changes rows",
        "none",
        "cannot use an anti-join: slow on large tables",
        "one NULL in the SELECT and no row matches",
        "NOT EXISTS (SELECT … WHERE …)",
        _not_in,
    ),
    Rule(
        "equals-null",
        "warning",
        "a comparison with NULL by = or <>",
        "none",
        "none",
        "the condition is never true",
        "IS NULL, IS NOT NULL or IS DISTINCT FROM",
        _equals_null,
    ),
    Rule(
        "explain-analyze-runs",
        "warning",
        "EXPLAIN ANALYZE of a statement that changes rows",
        "as the statement",
        "as the statement",
        "it really changes the rows",
        "EXPLAIN without ANALYZE",
        _explain,
    ),
    Rule(
        "opaque-code",
        "warning",
        "DO, CALL or EXECUTE",
        "unknown",
        "unknown",
        "locks and changes are seen only while it runs; the way back is computed from what it really changed",
        "plain statements or operations where they can say it",
        _opaque,
    ),
    Rule(
        "hidden-write",
        "policy",
        "SELECT with a WITH part that changes rows",
        "ROW EXCLUSIVE",
        "as the change",
        "readers take it for a mere query",
        "write the INSERT, UPDATE or DELETE as the statement itself",
        _hidden_write,
    ),
)
