# SPDX-License-Identifier: Apache-2.0
"""Hazards of dropping, renaming and rewriting tables (safety.md 1.3)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from backstitch.core.hazard import Found, Look, Rule, relation_name
from backstitch.model.script_shape import dropped_names, has_option


def _drop(what: str, look: Look) -> Iterator[Found]:
    if look.node.kind == "DropStmt" and look.node.text("removeType") == what:
        yield from (
            Found(f"{name} goes", name) for name in dropped_names(look.node, look.statement.schema) if look.is_old(name)
        )


def _drop_schema(look: Look) -> Iterator[Found]:
    if look.node.kind == "DropStmt" and look.node.text("removeType") == "OBJECT_SCHEMA":
        yield Found(f"schema {', '.join(n.text('sval') for n in look.node.nodes('objects'))} goes")


def _truncate(look: Look) -> Iterator[Found]:
    if look.node.kind == "TruncateStmt":
        yield from (Found(f"all rows of {name} go", name) for name in look.statement.writes if look.is_old(name))


def _cascade(look: Look) -> Iterator[Found]:
    named = ("OBJECT_TABLE", "OBJECT_SCHEMA")
    if look.node.kind == "TruncateStmt" or look.node.text("removeType") in named:
        return  # their own rows say it already
    behind = [node for _, node in look.node.below if node.text("behavior") == "DROP_CASCADE"]
    if any(node.text("subtype") != "AT_DropColumn" for node in behind):
        yield Found("everything that depends on it goes along, whatever that is", look.table)


def _rename(what: str, relations: tuple[str, ...], look: Look) -> Iterator[Found]:
    node = look.node
    if node.kind == "RenameStmt" and node.text("renameType") == what and look.is_old(relation_name(look)):
        if what == "OBJECT_COLUMN" and node.text("relationType") not in relations:
            return
        old = node.text("subname") or str(relation_name(look))
        yield Found(f"{old} becomes {node.text('newname')}", relation_name(look))


def _rename_view(look: Look) -> Iterator[Found]:
    yield from _rename("OBJECT_VIEW", (), look)
    yield from _rename("OBJECT_COLUMN", ("OBJECT_VIEW", "OBJECT_MATVIEW"), look)


def _rename_schema(look: Look) -> Iterator[Found]:
    if look.node.kind == "RenameStmt" and look.node.text("renameType") == "OBJECT_SCHEMA":
        yield Found(f"schema {look.node.text('subname')} becomes {look.node.text('newname')}")


def _set_schema(look: Look) -> Iterator[Found]:
    if look.node.kind == "AlterObjectSchemaStmt" and look.statement.tag == "ALTER TABLE" and look.is_old():
        yield Found(f"{look.table} moves to schema {look.node.text('newschema')}", look.table)


def _clause(what: str, *subtypes: str) -> Callable[[Look], Iterable[Found]]:
    return lambda look: (Found(what.format(c.text("name")), look.table) for c in look.commands(*subtypes))


def _tablespace(look: Look) -> Iterator[Found]:
    for command in look.node.nodes("cmds"):
        if command.text("subtype") == "AT_SetTableSpace":
            yield Found(f"every page is copied to tablespace {command.text('name')}", look.table)


def _cluster(look: Look) -> Iterator[Found]:
    if look.node.kind == "ClusterStmt":
        yield Found("the table is written again in index order", look.table)


def _vacuum_full(look: Look) -> Iterator[Found]:
    if look.node.kind == "VacuumStmt" and has_option(look.node, "options", "full"):
        yield Found("the table is written again", look.table)


def _vacuum(look: Look) -> Iterator[Found]:
    if look.statement.tag == "VACUUM" and not has_option(look.node, "options", "full"):
        yield Found("VACUUM is not a migration", look.table)


RULES: tuple[Rule, ...] = (
    Rule(
        "drop-table",
        "error",
        "DROP TABLE in SQL",
        "ACCESS EXCLUSIVE on it and on its foreign-key partners",
        "metadata only",
        "the rows are gone, and no rollback can bring them back",
        "dropTable: it moves the table aside until the revert window has ended",
        lambda look: _drop("OBJECT_TABLE", look),
        impossible=True,
    ),
    Rule(
        "drop-schema",
        "error",
        "DROP SCHEMA",
        "ACCESS EXCLUSIVE on everything in it",
        "metadata only",
        "everything in it is gone; running applications fail",
        "dropTable for each table; drop the empty schema after the revert window",
        _drop_schema,
    ),
    Rule(
        "truncate-table",
        "error",
        "TRUNCATE",
        "ACCESS EXCLUSIVE",
        "new empty file",
        "the rows are gone, also for transactions that began before",
        "deleteRows: it keeps the images of what it deletes",
        _truncate,
        impossible=True,
    ),
    Rule(
        "cascade",
        "error",
        "CASCADE in a DROP, REVOKE or ALTER",
        "ACCESS EXCLUSIVE on everything that depends on it",
        "metadata only",
        "objects that nobody has named go along, columns of tables among them",
        "name each object in a statement of its own",
        _cascade,
        impossible=True,
    ),
    Rule(
        "rename-table",
        "error",
        "ALTER TABLE … RENAME TO",
        "ACCESS EXCLUSIVE",
        "metadata only",
        "the running version of the application fails at once",
        "renameTable: a view of the old name stays until the application has moved",
        lambda look: _rename("OBJECT_TABLE", (), look),
    ),
    Rule(
        "rename-column",
        "error",
        "ALTER TABLE … RENAME COLUMN",
        "ACCESS EXCLUSIVE",
        "metadata only",
        "the running version of the application fails at once",
        "renameColumn: both names in step until dropOldShape",
        lambda look: _rename("OBJECT_COLUMN", ("OBJECT_TABLE",), look),
    ),
    Rule(
        "rename-view",
        "error",
        "renaming a view or a column of one",
        "ACCESS EXCLUSIVE on the view",
        "metadata only",
        "the running version of the application fails at once",
        "a second view with the new name",
        _rename_view,
    ),
    Rule(
        "rename-schema",
        "error",
        "ALTER SCHEMA … RENAME TO",
        "none on tables",
        "metadata only",
        "every qualified name in applications and functions fails at once",
        "a new schema with views of the tables",
        _rename_schema,
    ),
    Rule(
        "set-schema",
        "error",
        "ALTER TABLE … SET SCHEMA",
        "ACCESS EXCLUSIVE",
        "metadata only",
        "the running version of the application fails at once",
        "leave a view in the old schema in the same step",
        _set_schema,
    ),
    Rule(
        "set-unlogged",
        "error",
        "ALTER TABLE … SET UNLOGGED",
        "ACCESS EXCLUSIVE",
        "rewrites the table",
        "reads and writes wait; a crash of the server empties the table from then on",
        "leave it logged",
        _clause("a crash would empty the table", "AT_SetUnLogged"),
    ),
    Rule(
        "set-logged",
        "error",
        "ALTER TABLE … SET LOGGED",
        "ACCESS EXCLUSIVE",
        "rewrites the table",
        "reads and writes wait for the whole rewrite",
        "a new logged table filled with moveRows",
        _clause("the table is written again", "AT_SetLogged"),
        by_size=True,
    ),
    Rule(
        "set-access-method",
        "error",
        "ALTER TABLE … SET ACCESS METHOD",
        "ACCESS EXCLUSIVE",
        "rewrites the table",
        "reads and writes wait for the whole rewrite",
        "a new table filled with moveRows",
        _clause("the table is written again", "AT_SetAccessMethod"),
        by_size=True,
    ),
    Rule(
        "move-tablespace",
        "error",
        "SET TABLESPACE of a table or an index",
        "ACCESS EXCLUSIVE",
        "copies every page",
        "reads and writes wait for the copy",
        "for an index REINDEX CONCURRENTLY with TABLESPACE, outside of migrations",
        _tablespace,
        by_size=True,
    ),
    Rule(
        "cluster-table",
        "error",
        "CLUSTER",
        "ACCESS EXCLUSIVE",
        "rewrites the table and every index",
        "reads and writes wait for the whole rewrite",
        "pg_repack, outside of migrations",
        _cluster,
        impossible=True,
    ),
    Rule(
        "vacuum-full",
        "error",
        "VACUUM FULL",
        "ACCESS EXCLUSIVE",
        "rewrites the table and every index",
        "reads and writes wait for the whole rewrite",
        "pg_repack, outside of migrations",
        _vacuum_full,
        impossible=True,
    ),
    Rule(
        "vacuum",
        "error",
        "VACUUM in a migration",
        "SHARE UPDATE EXCLUSIVE",
        "scans the table; cannot run in a transaction",
        "it is no change that could be proven or undone",
        "leave it to autovacuum, or run it by hand; ANALYZE is allowed",
        _vacuum,
        impossible=True,
    ),
    Rule(
        "replica-identity-full",
        "warning",
        "REPLICA IDENTITY FULL",
        "ACCESS EXCLUSIVE",
        "metadata only; from then on every update writes the whole old row to the WAL",
        "more WAL, slower replication",
        "REPLICA IDENTITY USING INDEX with a unique index",
        lambda look: (
            Found("every update and delete logs the whole old row", look.table)
            for c in look.commands("AT_ReplicaIdentity")
            if (identity := c.node("def")) is not None and identity.text("identity_type") == "f"
        ),
    ),
    Rule(
        "change-inheritance",
        "warning",
        "ALTER TABLE … INHERIT or NO INHERIT",
        "ACCESS EXCLUSIVE on the child",
        "metadata only",
        "rows appear in or vanish from queries on the parent",
        "use partitions",
        _clause("rows move in or out of the parent's sight", "AT_AddInherit", "AT_DropInherit"),
    ),
    Rule(
        "change-owner",
        "warning",
        "ALTER TABLE … OWNER TO",
        "ACCESS EXCLUSIVE on it, its indexes and sequences",
        "metadata only",
        "grants to the new owner merge into ownership; changing back does not bring them back by itself",
        "keep the owner; GRANT what is needed",
        _clause("grants change along", "AT_ChangeOwner"),
    ),
)
