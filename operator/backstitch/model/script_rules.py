# SPDX-License-Identifier: Apache-2.0
"""Which statements a `sql` step may not hold whatever the environment, and what to write in their place.

A statement is here when the promise could not be kept with it: it would escape the transaction of its ledger row, act
outside this database, weaken the session, or destroy rows that a rollback would need. What is only dangerous for
the application is a hazard (core/hazards.py), not a refusal.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from backstitch.model.names import OWN_SCHEMAS, RESERVED_PREFIX
from backstitch.model.script import Statement
from backstitch.model.script_tree import Node
from backstitch.model.sql import QualifiedName

Rule = Callable[[Statement, frozenset[QualifiedName]], str | None]
"""Gives the reason for a refusal. The set holds the tables that the same step creates: their rows are its own."""

# Settings the operator relies on; a session that lost them would not be fenced, limited or visible any more.
_GUARDED = (
    "role",
    "session_authorization",
    "session_replication_role",
    "search_path",
    "lock_timeout",
    "statement_timeout",
    "transaction_timeout",
    "idle_in_transaction_session_timeout",
    "application_name",
    "default_transaction_read_only",
    "default_transaction_isolation",
    "row_security",
    "standard_conforming_strings",
    "client_encoding",
    "synchronous_commit",
)

_SESSION_ONLY = {
    "PREPARE": "Write the statement itself.",
    "DEALLOCATE": "Remove it.",
    "EXECUTE": "Write the statement itself.",
    "DISCARD": "Remove it.",
    "LISTEN": "Remove it.",
    "UNLISTEN": "Remove it.",
    "LOAD": "Ask for shared_preload_libraries instead.",
    "DECLARE CURSOR": "Use a DO block, or backfill for batches.",
    "FETCH": "Use a DO block, or backfill for batches.",
    "CLOSE": "Remove it.",
}


# Functions of PostgreSQL that reach files of the server or act on all of it. The role has no right to most of them.
_OUTSIDE = re.compile(
    r"pg_read_(binary_)?file|pg_ls_.*|pg_stat_file|lo_import|lo_export|pg_file_.*|pg_reload_conf|pg_rotate_logfile"
    r"|pg_(terminate|cancel)_backend|pg_promote|pg_switch_wal|pg_create_restore_point|pg_backup_.*"
    r"|pg_(create|drop)_.*replication_slot|pg_wal_replay_.*"
)
_NAME_LISTS = {"items", "names", "funcname", "objname", "fields", "defnames", "typeName", "object"}


def forbidden(statement: Statement, created: frozenset[QualifiedName] = frozenset()) -> str | None:
    """Give the reason why this statement may not run in a `sql` step, with what to do instead; None when it may."""
    for rule in _RULES:
        reason = rule(statement, created)
        if reason:
            return reason
    return None


def guarded_setting(name: str) -> bool:
    """Tell whether a setting belongs to the operator."""
    lowered = name.lower()
    return lowered in _GUARDED or lowered.startswith("backstitch.")


def transaction_control(statement: Statement, _: frozenset[QualifiedName]) -> str | None:
    """Refuse what would end or nest the step's own transaction."""
    if statement.kind != "transaction":
        return None
    if statement.tag in ("PREPARE", "COMMIT PREPARED", "ROLLBACK PREPARED"):
        return "a prepared transaction outlives its session and holds back vacuum. Remove it."
    return "the step already is one transaction, together with its ledger row. Remove BEGIN, COMMIT and the like."


def changes_setting(statement: Statement, _: frozenset[QualifiedName]) -> str | None:
    """Refuse SET of what the operator relies on, and SET that outlives the step."""
    node = statement.node
    if node.kind == "VariableSetStmt":
        name = node.text("name")
        if node.text("kind") == "VAR_RESET_ALL" or guarded_setting(name) or name.upper().startswith("TRANSACTION"):
            return (
                f"{name or 'RESET ALL'} is set by the operator. Remove it; use spec.searchPath, or ownerRole and "
                "policy of the MigrationTarget."
            )
        if not node.flag("is_local") and node.text("kind") != "VAR_RESET":
            return f"SET {name} would stay on in the operator's session. Write SET LOCAL {name}."
    for call in node.find("FuncCall"):
        arguments = call.nodes("args")
        if call.strings("funcname")[-1:] == ("set_config",) and arguments:
            constant = arguments[0].node("sval")
            setting = constant.text("sval") if constant else ""
            if not constant or guarded_setting(setting):
                return f"set_config may not change {setting or 'a computed setting'}: it belongs to the operator."
    return None


def depends_on_session(statement: Statement, _: frozenset[QualifiedName]) -> str | None:
    """Refuse what another session, after a restart, would not have."""
    advice = _SESSION_ONLY.get(statement.tag)
    return (
        f"{statement.tag} depends on the session, which may be another one after a restart. {advice}"
        if advice
        else None
    )


def leaves_this_database(statement: Statement, _: frozenset[QualifiedName]) -> str | None:
    """Refuse what acts on the server, on files or on programs."""
    if statement.kind == "server":
        return (
            f"{statement.tag} acts on the whole server, so neither the backup nor the way back of this migration "
            "covers it. Do it outside of migrations."
        )
    if statement.kind == "copy":
        if statement.node.flag("is_program"):
            return "COPY … PROGRAM runs a program on the database server. Remove it."
        return "COPY reads or writes outside this database. Use upsert with rows, or INSERT … SELECT."
    for call in statement.node.find("FuncCall"):
        *schema, name = call.strings("funcname") or ("",)
        if _OUTSIDE.fullmatch(name) and schema in ([], ["pg_catalog"]):
            return f"{name} reaches files or the whole server, not only this database. Do it outside of migrations."
    return None


def reindexes_concurrently(statement: Statement, _: frozenset[QualifiedName]) -> str | None:
    """Refuse REINDEX in the forms that cannot run in a transaction."""
    if statement.tag == "REINDEX" and not statement.in_transaction:
        return "REINDEX CONCURRENTLY leaves the schema as it is. Run it outside of migrations, or use createIndex."
    return None


def _maintenance(statement: Statement, _: frozenset[QualifiedName]) -> str | None:
    if statement.tag in ("VACUUM", "CLUSTER"):
        return f"{statement.tag} leaves the schema as it is and cannot be undone. Run it outside of migrations."
    return None


def detaches_concurrently(statement: Statement, _: frozenset[QualifiedName]) -> str | None:
    """Refuse the one statement that, once interrupted, can only go forward."""
    if statement.tag == "ALTER TABLE" and not statement.in_transaction:
        return "DETACH PARTITION CONCURRENTLY, once interrupted, cannot go back. Write DETACH PARTITION."
    return None


def _cascade(statement: Statement, _: frozenset[QualifiedName]) -> str | None:
    if any(node.text("behavior") == "DROP_CASCADE" for _, node in statement.node.below):
        return "CASCADE takes away objects that nobody has named. Name each of them in a statement of its own."
    return None


def _destroys_rows(statement: Statement, created: frozenset[QualifiedName]) -> str | None:
    node = statement.node
    if node.kind == "TruncateStmt":
        if set(statement.writes) <= created:
            return None
        return "TRUNCATE destroys rows a rollback needs. Use deleteRows, which keeps their images."
    if node.kind == "DropOwnedStmt":
        return "DROP OWNED takes away objects that nobody has named. Name each of them."
    if node.kind == "DropStmt" and node.text("removeType") == "OBJECT_TABLE":
        kept = [str(name) for name in statement.writes if name not in created]
        if kept:
            return (
                f"DROP TABLE {', '.join(kept)} destroys rows. "
                "Use dropTable, which keeps them until the revert window ends."
            )
    for command in node.find("AlterTableCmd"):
        if command.text("subtype") == "AT_DropColumn" and not set(statement.writes) <= created:
            return (
                f"DROP COLUMN {command.text('name')} destroys values. "
                "Use dropColumn, which keeps them until the revert window ends."
            )
    return None


def _disables_triggers(statement: Statement, _: frozenset[QualifiedName]) -> str | None:
    for command in statement.node.find("AlterTableCmd"):
        if command.text("subtype") in ("AT_DisableTrigAll", "AT_DisableTrigUser"):
            return "DISABLE TRIGGER ALL or USER also switches off what records changed rows. Name the trigger."
    return None


def leaves_temporary_table(statement: Statement, _: frozenset[QualifiedName]) -> str | None:
    """Refuse temporary tables that outlive the step."""
    for node in statement.node.find("CreateStmt", "IntoClause"):
        relation = node.node("relation") or node.node("rel")
        if (
            relation
            and relation.text("relpersistence") == "t"
            and node.text("oncommit" if node.kind == "CreateStmt" else "onCommit") != "ONCOMMIT_DROP"
        ):
            return "a temporary table would outlive the step. Add ON COMMIT DROP."
    return None


def touches_our_objects(statement: Statement, _: frozenset[QualifiedName]) -> str | None:
    """Refuse names in the operator's schemas, and names with its prefix."""
    for name in _names(statement.node):
        if name in OWN_SCHEMAS:
            return (
                f"schema {name} belongs to the operator: it holds the ledger and what a rollback needs. Leave it alone."
            )
    node = statement.node
    ours = [node.text(f) for f in ("idxname", "trigname", "subname", "newname")]
    ours += [c.text("name") for c in node.find("AlterTableCmd")] + [c.text("colname") for c in node.find("ColumnDef")]
    if node.kind == "DropStmt" and node.text("removeType") == "OBJECT_TRIGGER":
        ours += [item.strings("items")[-1] for item in node.nodes("objects")]
    for name in ours:
        if name.startswith(RESERVED_PREFIX):
            return f"names that start with {RESERVED_PREFIX} belong to the operator ({name}). Choose another name."
    return None


def _names(node: Node) -> Iterator[str]:
    """Give every word that names a schema, or might."""
    schema_drop = node.text("removeType") == "OBJECT_SCHEMA"
    for field, part in node.below:
        for key in ("schemaname", "newschema"):
            yield part.text(key)
        if schema_drop and field == "objects":
            yield part.text("sval")
        for key in _NAME_LISTS & part.fields.keys():
            words = part.strings(key)
            if len(words) > 1:
                yield words[0]
    if (
        node.kind in ("GrantStmt", "CommentStmt", "AlterOwnerStmt", "RenameStmt")
        and "OBJECT_SCHEMA" in node.fields.values()
    ):
        yield from (n.text("sval") for n in node.find("String"))
        yield from (node.text("subname"), node.text("newname"))


_RULES: tuple[Rule, ...] = (
    transaction_control,
    changes_setting,
    depends_on_session,
    leaves_this_database,
    reindexes_concurrently,
    _maintenance,
    detaches_concurrently,
    touches_our_objects,
    _cascade,
    _destroys_rows,
    _disables_triggers,
    leaves_temporary_table,
)
