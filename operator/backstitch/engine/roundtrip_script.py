# SPDX-License-Identifier: Apache-2.0
"""What is a migration's text made of, for a round trip? Statements to run, and those that must not run here.

A scratch database is beside the real one on the same server: what acts on the server, on other databases or on roles
that are there would touch what is not ours.
"""

from __future__ import annotations

from dataclasses import dataclass

import postgast

from backstitch.core.migration_dirs import Migration
from backstitch.core.psql_text import as_sql
from backstitch.model.script import Node, ScriptError, Statement, split
from backstitch.model.script import skip_comments as after_comments

_SHARED = ("OBJECT_DATABASE", "OBJECT_ROLE", "OBJECT_TABLESPACE", "OBJECT_PARAMETER_ACL", "OBJECT_SUBSCRIPTION")
_ALWAYS_OUTSIDE = ("DropOwnedStmt", "ReassignOwnedStmt")
_ROWS = ("dml", "copy")


@dataclass(frozen=True)
class Script:
    """One migration's forward direction, ready to run."""

    statements: tuple[Statement, ...]
    outside: tuple[str, ...] = ()  # reasons: what was left out or concerns the whole server
    notes: tuple[str, ...] = ()
    transactional: bool = True  # False: statement by statement, each committed by itself
    makes_roles: bool = False

    @property
    def texts(self) -> list[str]:
        """Give the statements as written."""
        return [s.text for s in self.statements]


@dataclass(frozen=True)
class Part:
    """Statements that are taken back together. `drops` names what goes to quarantine instead of being dropped."""

    statements: tuple[Statement, ...]
    drops: bool = False

    def singly(self) -> list[Part]:
        """Give a part for each statement."""
        return [Part((s,), drops=self.drops) for s in self.statements]


def read_script(migration: Migration) -> Script:
    """Part a migration's text. Raises ScriptError when it is not SQL."""
    return _read(migration.up, transactional=migration.transactional)


def read_down(migration: Migration) -> Script:
    """Part the author's own way back. Raises ScriptError when it is not SQL."""
    return _read(migration.down or "", transactional=migration.transactional)


def _read(text: str, *, transactional: bool) -> Script:
    text = as_sql(text)
    if after_comments(text, 0) >= len(text):
        return Script(())  # an empty file is a migration that does nothing
    kept: list[Statement] = []
    outside: list[str] = []
    control: list[str] = []
    makes_roles = False
    for statement in split(text):
        if statement.kind == "transaction" and "PREPARE" in statement.tag:
            outside.append("PREPARE TRANSACTION leaves a transaction behind that nothing here ends; it was not run")
            continue
        if statement.kind == "transaction":
            if statement.tag not in ("BEGIN", "START", "COMMIT", "START TRANSACTION", "END"):
                raise ScriptError(f"{statement.tag} cannot be judged in a round trip. Remove it.", line=statement.line)
            control.append(statement.tag)
            continue
        if statement.node.kind == "CreateRoleStmt":
            makes_roles = True
            outside.append(f"{statement.excerpt} makes a role, which belongs to the whole server")
        elif (reason := acts_outside(statement)) is not None:
            outside.append(reason)
            continue
        kept.append(statement)
    notes = []
    if control:
        notes.append(f"{', '.join(dict.fromkeys(control))} left out: the whole migration is one transaction here.")
    alone = transactional and all(s.in_transaction for s in kept)
    return Script(tuple(kept), tuple(outside), tuple(notes), alone, makes_roles)


def acts_outside(statement: Statement) -> str | None:
    """Give the reason why a statement is not run beside a real database; None for what stays in its own one."""
    node = statement.node
    shared = any(node.text(f) in _SHARED for f in ("objtype", "objectType", "removeType", "renameType"))
    if statement.kind == "server" or node.kind in _ALWAYS_OUTSIDE or shared:
        return f"{statement.excerpt} acts on the whole server; it was not run"
    if statement.kind == "copy" and (node.flag("is_program") or node.text("filename")):
        return f"{statement.excerpt} uses files or programs of the server; it was not run"
    return None


def has_drops(script: Script) -> bool:
    """Tell whether a statement drops a table or a column by name."""
    return any(_is_drop(s) for s in script.statements)


def may_truncate(statements: tuple[Statement, ...]) -> bool:
    """Tell whether rows may go by TRUNCATE, which counts none: said, or hidden in code."""
    return any(s.node.kind == "TruncateStmt" or s.kind in ("do", "query") for s in statements)


def parts_of(script: Script) -> list[Part]:
    """Give the statements in groups that can each be taken back by itself: schema, rows, code, drops."""
    parts: list[Part] = []
    last = ""
    for number, statement in enumerate(script.statements):
        kind = _group(statement, number)
        if kind == last:
            parts[-1] = Part((*parts[-1].statements, statement))
        else:
            parts.append(Part((statement,), drops=_is_drop(statement)))
        last = kind
    return parts


def _group(statement: Statement, number: int) -> str:
    if _is_drop(statement) or statement.kind in ("do", "query") or not statement.in_transaction:
        return f"alone {number}"
    if statement.kind in _ROWS or statement.node.kind == "TruncateStmt":
        return "rows"
    return "schema"


def _is_drop(statement: Statement) -> bool:
    node = statement.node
    if node.kind == "DropStmt":
        return node.text("removeType") == "OBJECT_TABLE"
    return bool(dropped_columns(node))


def dropped_columns(node: Node) -> list[str]:
    """Give the columns that an ALTER TABLE drops."""
    if node.kind != "AlterTableStmt" or node.text("objtype") != "OBJECT_TABLE":
        return []
    return [c.text("name") for c in node.nodes("cmds") if c.text("subtype") == "AT_DropColumn"]


def without_column_drops(statement: Statement) -> str | None:
    """Give an ALTER TABLE without its DROP COLUMNs; None when nothing is left. PostgreSQL drops first anyway."""
    tree = postgast.parse(statement.text)
    alter = tree.stmts[0].stmt.alter_table_stmt
    left = [c for c in alter.cmds if c.alter_table_cmd.subtype != postgast.pg_query_pb2.AT_DropColumn]
    if not left:
        return None
    del alter.cmds[:]
    alter.cmds.extend(left)
    return str(postgast.deparse(tree))
