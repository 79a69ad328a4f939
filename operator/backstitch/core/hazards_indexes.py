# SPDX-License-Identifier: Apache-2.0
"""Hazards of indexes (safety.md 1.4)."""

from __future__ import annotations

from collections.abc import Iterator

from backstitch.core.hazard import Found, Look, Rule
from backstitch.model.facts import Table
from backstitch.model.script_index import find_index
from backstitch.model.script_shape import dropped_names
from backstitch.model.sql import QualifiedName

MANY_INDEXES = 10


def _creates(look: Look) -> bool:
    return look.node.kind == "IndexStmt" and look.is_old()


def _partitioned(look: Look) -> bool:
    table = look.known()
    return table is not None and table.kind == "partitioned"


def _columns(look: Look) -> tuple[str, ...]:
    return tuple(p.text("name") for p in look.node.nodes("indexParams"))


def _blocking_create(look: Look) -> Iterator[Found]:
    if _creates(look) and not look.node.flag("concurrent") and not _partitioned(look):
        yield Found(f"index {look.node.text('idxname') or '(unnamed)'} is built while writes wait", look.table)


def _on_partitioned(look: Look) -> Iterator[Found]:
    relation = look.node.node("relation")
    if _creates(look) and _partitioned(look) and relation is not None and relation.flag("inh"):
        yield Found(f"index {look.node.text('idxname') or '(unnamed)'} is built on every partition at once", look.table)


def _if_not_exists(look: Look) -> Iterator[Found]:
    if _creates(look) and look.node.flag("concurrent") and look.node.flag("if_not_exists"):
        yield Found(f"index {look.node.text('idxname')} may be there and invalid", look.table)


def _unnamed(look: Look) -> Iterator[Found]:
    if _creates(look) and look.node.flag("concurrent") and not look.node.text("idxname"):
        yield Found("the index has no name", look.table)


def _wide(look: Look) -> Iterator[Found]:
    count = len(look.node.nodes("indexParams"))
    if _creates(look) and count > 3 and not look.node.flag("unique"):
        yield Found(f"index {look.node.text('idxname')} has {count} columns", look.table)


def _duplicate(look: Look) -> Iterator[Found]:
    table = look.known()
    if not _creates(look) or table is None or look.node.node("whereClause") is not None:
        return
    columns = _columns(look)
    for index in table.indexes:
        if columns and all(columns) and index.columns == columns and not index.partial and index.valid:
            yield Found(f"index {index.name} already covers {', '.join(columns)}", look.table)


def _too_many(look: Look) -> Iterator[Found]:
    table = look.known()
    if _creates(look) and table is not None and len(table.indexes) >= MANY_INDEXES:
        yield Found(f"the table already has {len(table.indexes)} indexes", look.table)


def _blocking_drop(look: Look) -> Iterator[Found]:
    node = look.node
    if node.kind == "DropStmt" and node.text("removeType") == "OBJECT_INDEX" and not node.flag("concurrent"):
        for name in dropped_names(node, look.statement.schema):
            table = _table_of(look, name)
            if table is None or look.is_old(table.qualified):
                yield Found(f"index {name} is dropped", table.qualified if table else None)


def _reindex(look: Look) -> Iterator[Found]:
    if look.node.kind == "ReindexStmt" and look.statement.in_transaction:
        yield Found("the index is built again while writes wait", look.table)


def _table_of(look: Look, index: QualifiedName) -> Table | None:
    found = find_index(look.facts, index) if look.facts is not None else None
    return found[0] if found else None


RULES: tuple[Rule, ...] = (
    Rule(
        "create-index-blocks-writes",
        "error",
        "CREATE INDEX without CONCURRENTLY on a table that is in use",
        "SHARE",
        "scans the table",
        "writes wait for the whole build",
        "createIndex, or CREATE INDEX CONCURRENTLY with a name",
        _blocking_create,
        by_size=True,
    ),
    Rule(
        "create-index-on-partitioned",
        "error",
        "CREATE INDEX on a partitioned table, without ONLY",
        "SHARE on the table and every partition",
        "scans all partitions",
        "writes to all partitions wait for all builds",
        "CREATE INDEX … ON ONLY, createIndex on each partition, then ALTER INDEX … ATTACH PARTITION",
        _on_partitioned,
        by_size=True,
    ),
    Rule(
        "concurrently-if-not-exists",
        "error",
        "CREATE INDEX CONCURRENTLY IF NOT EXISTS",
        "SHARE UPDATE EXCLUSIVE",
        "none when an index of that name is there, also when it is invalid",
        "an invalid index is taken for done; it is never used, and a unique one still rejects rows",
        "leave IF NOT EXISTS out: a leftover is found and built again",
        _if_not_exists,
        impossible=True,
    ),
    Rule(
        "concurrently-without-name",
        "error",
        "CREATE INDEX CONCURRENTLY without a name",
        "SHARE UPDATE EXCLUSIVE",
        "two scans",
        "after a crash nobody can tell which index was being built",
        "give the index a name",
        _unnamed,
        impossible=True,
    ),
    Rule(
        "drop-index-blocks",
        "error",
        "DROP INDEX without CONCURRENTLY",
        "ACCESS EXCLUSIVE on the table and the index",
        "metadata only",
        "reads and writes wait behind it; a rollback has to build the index again",
        "dropIndex, or DROP INDEX CONCURRENTLY",
        _blocking_drop,
        by_size=True,
    ),
    Rule(
        "reindex-blocks",
        "error",
        "REINDEX without CONCURRENTLY",
        "SHARE on the table, ACCESS EXCLUSIVE on the index",
        "builds the index again",
        "writes wait, and reads that plan with the index",
        "createIndex under a new name, then dropIndex; or REINDEX CONCURRENTLY outside of migrations",
        _reindex,
        by_size=True,
    ),
    Rule(
        "wide-index",
        "policy",
        "a non-unique index with more than three columns",
        "none",
        "every write maintains it",
        "slower writes, more storage; the last columns rarely help",
        "fewer columns, or INCLUDE",
        _wide,
    ),
    Rule(
        "duplicate-index",
        "warning",
        "an index on the columns another index already has",
        "none",
        "every write maintains both",
        "slower writes without faster reads",
        "use the one that is there",
        _duplicate,
    ),
    Rule(
        "too-many-indexes",
        "policy",
        f"one more index on a table that has {MANY_INDEXES} or more",
        "none",
        "every write maintains all of them",
        "slower writes",
        "look for unused ones in pg_stat_user_indexes first",
        _too_many,
    ),
)
