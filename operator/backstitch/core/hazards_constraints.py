# SPDX-License-Identifier: Apache-2.0
"""Hazards of constraints and domains (safety.md 1.2, and row 118)."""

from __future__ import annotations

from collections.abc import Iterator

from backstitch.core.hazard import Found, Look, Rule, added_constraints, columns_of, constraints_of
from backstitch.model.script_tree import Node


def _validated_check(look: Look) -> Iterator[Found]:
    for constraint in added_constraints(look, "CONSTR_CHECK", "CONSTR_NOTNULL"):
        if not constraint.flag("skip_validation"):
            yield Found(f"constraint {constraint.text('conname') or '(unnamed)'} is validated at once", look.table)


def _validated_foreign_key(look: Look) -> Iterator[Found]:
    for constraint in added_constraints(look, "CONSTR_FOREIGN"):
        if not constraint.flag("skip_validation"):
            yield Found(f"foreign key {constraint.text('conname') or '(unnamed)'} is validated at once", look.table)


def _direct(kind: str, what: str, look: Look) -> Iterator[Found]:
    for constraint in added_constraints(look, kind):
        if not constraint.text("indexname"):
            yield Found(f"{what} {constraint.text('conname') or '(unnamed)'} builds its index in place", look.table)


def _nullable_key(look: Look) -> Iterator[Found]:
    table = look.known()
    for constraint in added_constraints(look, "CONSTR_PRIMARY"):
        index = table.index(constraint.text("indexname")) if table is not None else None
        if table is None or index is None:
            continue
        for name in index.columns:
            column = table.column(name)
            if column is not None and not column.not_null:
                yield Found(f"column {name} of index {index.name} may be NULL", look.table)


def _exclusion(look: Look) -> Iterator[Found]:
    for constraint in added_constraints(look, "CONSTR_EXCLUSION"):
        yield Found(f"constraint {constraint.text('conname') or '(unnamed)'} is an exclusion", look.table)


def _validate_together(look: Look) -> Iterator[Found]:
    validated = [command.text("name") for command in look.commands("AT_ValidateConstraint")]
    if not validated:
        return
    added = {
        constraint.text("conname")
        for statement in (*look.earlier("AlterTableStmt"), look.statement)
        if statement.writes[:1] == look.statement.writes[:1]
        for constraint in constraints_of(statement.node, "CONSTR_CHECK", "CONSTR_FOREIGN", "CONSTR_NOTNULL")
    }
    for name in validated:
        if name in added:
            yield Found(f"constraint {name} is added and validated in one transaction", look.table)


def _drop_constraint(look: Look) -> Iterator[Found]:
    table = look.known()
    for command in look.commands("AT_DropConstraint"):
        constraint = table.constraint(command.text("name")) if table is not None else None
        kind = f" ({constraint.definition})" if constraint is not None else ""
        yield Found(f"constraint {command.text('name')}{kind} goes", look.table)


def _foreign_keys(look: Look) -> Iterator[tuple[Node, tuple[str, ...]]]:
    """Give each foreign key with its columns, wherever it is written."""
    for constraint in constraints_of(look.node, "CONSTR_FOREIGN"):
        yield constraint, constraint.strings("fk_attrs")
    for column in columns_of(look.node):
        for constraint in constraints_of(column, "CONSTR_FOREIGN"):
            yield constraint, (column.text("colname"),)


def _on_delete_cascade(look: Look) -> Iterator[Found]:
    for constraint, columns in _foreign_keys(look):
        if constraint.text("fk_del_action") == "c":
            yield Found(f"deleting a referenced row deletes rows with it in {', '.join(columns)}", look.table)


def _without_index(look: Look) -> Iterator[Found]:
    """Look for indexes in the facts and in the statements before; without facts nothing is said of old tables."""
    table = look.known()
    if table is None or not any(True for _ in added_constraints(look, "CONSTR_FOREIGN")):
        return
    leading = [i.columns for i in table.indexes if i.valid and not i.partial]
    for statement in look.earlier("IndexStmt"):
        if statement.writes == look.statement.writes:
            leading.append(tuple(p.text("name") for p in statement.node.nodes("indexParams")))
    for constraint in added_constraints(look, "CONSTR_FOREIGN"):
        columns = constraint.strings("fk_attrs")
        if not any(set(index[: len(columns)]) == set(columns) for index in leading if index):
            yield Found(
                f"no index starts with {', '.join(columns)} of {constraint.text('conname') or 'it'}", look.table
            )


def _not_enforced(look: Look) -> Iterator[Found]:
    for constraint in added_constraints(look, "CONSTR_CHECK", "CONSTR_FOREIGN"):
        if not constraint.flag("is_enforced"):
            yield Found(f"constraint {constraint.text('conname') or '(unnamed)'} is not enforced", look.table)


def _domain_constraint(look: Look) -> Iterator[Found]:
    if look.node.kind == "AlterDomainStmt" and look.node.text("subtype") in ("C", "O", "V"):
        yield Found(f"domain {'.'.join(look.node.strings('typeName'))} is checked in every table that uses it")


def _create_domain(look: Look) -> Iterator[Found]:
    if look.node.kind == "CreateDomainStmt" and look.node.nodes("constraints"):
        yield Found(f"domain {'.'.join(look.node.strings('domainname'))} has constraints")


RULES: tuple[Rule, ...] = (
    Rule(
        "add-check-validated",
        "error",
        "ADD CONSTRAINT … CHECK or NOT NULL without NOT VALID",
        "ACCESS EXCLUSIVE",
        "scans the table",
        "reads and writes wait for the scan",
        "addConstraint: it adds NOT VALID and validates afterwards",
        lambda look: (f for f in _validated_check(look) if not any(True for _ in _not_enforced(look))),
        by_size=True,
    ),
    Rule(
        "add-foreign-key-validated",
        "error",
        "ADD CONSTRAINT … FOREIGN KEY without NOT VALID",
        "SHARE ROW EXCLUSIVE on both tables",
        "scans the table and looks into the other",
        "writes to both tables wait for the check",
        "addConstraint: it adds NOT VALID and validates afterwards",
        _validated_foreign_key,
        by_size=True,
    ),
    Rule(
        "add-unique-directly",
        "error",
        "ADD CONSTRAINT … UNIQUE without USING INDEX",
        "ACCESS EXCLUSIVE",
        "builds an index over the whole table",
        "reads and writes wait for the build",
        "addConstraint unique: it builds the index concurrently and then uses it",
        lambda look: _direct("CONSTR_UNIQUE", "constraint", look),
        by_size=True,
    ),
    Rule(
        "add-primary-key-directly",
        "error",
        "ADD PRIMARY KEY without USING INDEX",
        "ACCESS EXCLUSIVE",
        "scans the table and builds an index",
        "reads and writes wait for the build",
        "setNotNull, createIndex unique, then ADD PRIMARY KEY USING INDEX",
        lambda look: _direct("CONSTR_PRIMARY", "primary key", look),
        by_size=True,
    ),
    Rule(
        "primary-key-nullable",
        "error",
        "ADD PRIMARY KEY USING INDEX on a column that may be NULL",
        "ACCESS EXCLUSIVE",
        "scans the table for NULLs",
        "reads and writes wait for the scan",
        "setNotNull first",
        _nullable_key,
        by_size=True,
    ),
    Rule(
        "add-exclusion",
        "error",
        "ADD CONSTRAINT … EXCLUDE",
        "ACCESS EXCLUSIVE",
        "builds an index over the whole table; there is no concurrent form",
        "reads and writes wait for the build",
        "a new table with the constraint, filled with moveRows",
        _exclusion,
        by_size=True,
    ),
    Rule(
        "validate-in-same-transaction",
        "error",
        "VALIDATE CONSTRAINT in the transaction that added the constraint",
        "the lock of the ADD stays: ACCESS EXCLUSIVE or SHARE ROW EXCLUSIVE",
        "scans the table",
        "NOT VALID gains nothing: writes wait for the scan all the same",
        "two steps; addConstraint does that",
        _validate_together,
        by_size=True,
    ),
    Rule(
        "drop-constraint",
        "warning",
        "DROP CONSTRAINT",
        "ACCESS EXCLUSIVE; for a foreign key on both tables",
        "metadata only",
        "what it kept out may come in; a rollback has to check or build again",
        "dropConstraint, with a check that its rule still holds",
        _drop_constraint,
    ),
    Rule(
        "foreign-key-on-delete-cascade",
        "warning",
        "a foreign key with ON DELETE CASCADE",
        "none",
        "each delete may delete any number of rows elsewhere",
        "one statement of the application removes rows that nobody named",
        "ON DELETE RESTRICT, and delete in the application or with deleteRows",
        _on_delete_cascade,
    ),
    Rule(
        "foreign-key-without-index",
        "warning",
        "a foreign key whose columns no index starts with",
        "none",
        "every delete or key update of a referenced row scans this table",
        "slow deletes that hold locks for long",
        "createIndex on the referencing columns first",
        _without_index,
    ),
    Rule(
        "constraint-not-enforced",
        "warning",
        "a constraint that is NOT ENFORCED",
        "ACCESS EXCLUSIVE",
        "metadata only",
        "the planner and people may trust a rule that does not hold; servers before 18 refuse it",
        "addConstraint, which validates it",
        _not_enforced,
    ),
    Rule(
        "alter-domain-constraint",
        "error",
        "ALTER DOMAIN … ADD CONSTRAINT, SET NOT NULL or VALIDATE CONSTRAINT",
        "SHARE on every table that uses the domain",
        "scans all of them",
        "writes to all those tables wait for the scans",
        "CHECK constraints on the columns, through addConstraint",
        _domain_constraint,
    ),
    Rule(
        "create-domain-with-constraint",
        "policy",
        "CREATE DOMAIN with constraints",
        "none",
        "none now; every later change of it scans all tables that use it",
        "columns of it cannot be added without a rewrite",
        "the base type and a CHECK on the column",
        _create_domain,
    ),
)
