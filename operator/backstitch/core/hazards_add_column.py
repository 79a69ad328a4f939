# SPDX-License-Identifier: Apache-2.0
"""Hazards of adding columns (safety.md 1.1)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from backstitch.core.hazard import Found, Look, Rule, columns_of, constraints_of
from backstitch.model.script_tree import Node

_VOLATILE = {
    *("clock_timestamp", "timeofday", "random", "random_normal", "gen_random_uuid", "uuidv4", "uuidv7"),
    *("uuid_generate_v1", "uuid_generate_v1mc", "uuid_generate_v4", "nextval", "gen_random_bytes", "txid_current"),
}
_SERIAL = {"serial", "bigserial", "smallserial", "serial4", "serial8", "serial2"}


def _added(look: Look) -> Iterator[tuple[str, Node]]:
    for command in look.commands("AT_AddColumn"):
        column = command.node("def")
        if column is not None:
            yield column.text("colname"), column


def _last_type_word(column: Node) -> str:
    type_name = column.node("typeName")
    names = type_name.strings("names") if type_name is not None else ()
    return names[-1] if names else ""


def _volatile_default(look: Look) -> Iterator[Found]:
    for name, column in _added(look):
        for default in constraints_of(column, "CONSTR_DEFAULT"):
            calls = {call.strings("funcname")[-1] for call in default.find("FuncCall")} & _VOLATILE
            if calls:
                yield Found(f"column {name} takes its default from {', '.join(sorted(calls))}()", look.table)


def _serial(look: Look) -> Iterator[Found]:
    return (
        Found(f"column {n} is {_last_type_word(c)}", look.table)
        for n, c in _added(look)
        if _last_type_word(c) in _SERIAL
    )


def _with(kind: str, look: Look) -> Iterator[tuple[str, Node, Node]]:
    for name, column in _added(look):
        for constraint in constraints_of(column, kind):
            yield name, column, constraint


def _identity(look: Look) -> Iterator[Found]:
    return (Found(f"column {n} is an identity column", look.table) for n, _, _ in _with("CONSTR_IDENTITY", look))


def _stored(look: Look) -> Iterator[Found]:
    for name, _, constraint in _with("CONSTR_GENERATED", look):
        if constraint.text("generated_kind") == "s":
            yield Found(f"column {name} is generated and stored", look.table)


def _kind_unsaid(look: Look) -> Iterator[Found]:
    for column in columns_of(look.node):
        for constraint in constraints_of(column, "CONSTR_GENERATED"):
            said = re.search(r"\bvirtual\b", look.statement.text, re.IGNORECASE)
            if constraint.text("generated_kind") != "s" and not said:
                yield Found(f"column {column.text('colname')} says neither STORED nor VIRTUAL", look.table)


def _not_null_without_default(look: Look) -> Iterator[Found]:
    for name, column, _ in _with("CONSTR_NOTNULL", look):
        filled = any(True for _ in constraints_of(column, "CONSTR_DEFAULT", "CONSTR_IDENTITY", "CONSTR_GENERATED"))
        if not filled and _last_type_word(column) not in _SERIAL:
            yield Found(f"column {name} is NOT NULL and has no default", look.table)


def _inline_check(look: Look) -> Iterator[Found]:
    return (Found(f"column {n} has a CHECK", look.table) for n, _, _ in _with("CONSTR_CHECK", look))


def _inline_unique(look: Look) -> Iterator[Found]:
    for kind in ("CONSTR_UNIQUE", "CONSTR_PRIMARY"):
        for name, _, _ in _with(kind, look):
            yield Found(f"column {name} is unique at once", look.table)


def _inline_references(look: Look, with_default: bool) -> Iterator[Found]:
    for name, column, _ in _with("CONSTR_FOREIGN", look):
        if any(True for _ in constraints_of(column, "CONSTR_DEFAULT")) == with_default:
            yield Found(f"column {name} references another table", look.table)


def _constrained_domain(look: Look) -> Iterator[Found]:
    domains = {
        s.node.strings("domainname")[-1] for s in look.earlier("CreateDomainStmt") if s.node.nodes("constraints")
    }
    for name, column in _added(look):
        if _last_type_word(column) in domains:
            yield Found(f"column {name} is of domain {_last_type_word(column)}, which has constraints", look.table)


RULES: tuple[Rule, ...] = (
    Rule(
        "add-column-volatile-default",
        "error",
        "ADD COLUMN with a default that differs by row, such as gen_random_uuid() or clock_timestamp()",
        "ACCESS EXCLUSIVE",
        "rewrites the table and every index",
        "reads and writes wait for the whole rewrite",
        "addColumn without default, backfill, then setDefault",
        _volatile_default,
        by_size=True,
    ),
    Rule(
        "add-column-serial",
        "error",
        "ADD COLUMN of type serial or bigserial",
        "ACCESS EXCLUSIVE",
        "rewrites the table and every index",
        "reads and writes wait for the whole rewrite",
        "addColumn bigint, a sequence of its own, setDefault nextval(…), backfill",
        _serial,
        by_size=True,
    ),
    Rule(
        "add-column-identity",
        "error",
        "ADD COLUMN … GENERATED AS IDENTITY",
        "ACCESS EXCLUSIVE",
        "rewrites the table and every index",
        "reads and writes wait for the whole rewrite",
        "addColumn bigint with a sequence, backfill, setNotNull, then ADD GENERATED AS IDENTITY",
        _identity,
        by_size=True,
    ),
    Rule(
        "add-column-stored-generated",
        "error",
        "ADD COLUMN … GENERATED ALWAYS AS (…) STORED",
        "ACCESS EXCLUSIVE",
        "rewrites the table and every index",
        "reads and writes wait for the whole rewrite",
        "a plain column with a BEFORE trigger and a backfill; from PostgreSQL 18 VIRTUAL",
        _stored,
        by_size=True,
    ),
    Rule(
        "generated-kind-unsaid",
        "warning",
        "GENERATED ALWAYS AS (…) without STORED or VIRTUAL",
        "ACCESS EXCLUSIVE",
        "an error up to PostgreSQL 17, a virtual column from 18",
        "the same SQL means different things on different servers",
        "write STORED or VIRTUAL",
        _kind_unsaid,
    ),
    Rule(
        "add-column-not-null-without-default",
        "error",
        "ADD COLUMN … NOT NULL without a default",
        "ACCESS EXCLUSIVE",
        "fails when the table has rows",
        "old application versions cannot insert any more",
        "addColumn nullable, backfill, then setNotNull",
        _not_null_without_default,
    ),
    Rule(
        "add-column-check",
        "error",
        "ADD COLUMN with a CHECK in the same clause",
        "ACCESS EXCLUSIVE",
        "scans the table, although every old value is known",
        "reads and writes wait for the scan",
        "addColumn, then addConstraint: it adds NOT VALID and validates afterwards",
        _inline_check,
        by_size=True,
    ),
    Rule(
        "add-column-unique",
        "error",
        "ADD COLUMN with UNIQUE or PRIMARY KEY in the same clause",
        "ACCESS EXCLUSIVE",
        "builds an index over the whole table",
        "reads and writes wait for the build",
        "addColumn, then addConstraint unique: it builds the index concurrently",
        _inline_unique,
        by_size=True,
    ),
    Rule(
        "add-column-references",
        "warning",
        "ADD COLUMN … REFERENCES without a default",
        "ACCESS EXCLUSIVE, and SHARE ROW EXCLUSIVE on the other table",
        "no scan: every value is NULL",
        "writes to both tables wait for a moment",
        "addColumn, then addConstraint with a foreign key",
        lambda look: _inline_references(look, with_default=False),
    ),
    Rule(
        "add-column-references-default",
        "error",
        "ADD COLUMN … REFERENCES with a default",
        "ACCESS EXCLUSIVE, and SHARE ROW EXCLUSIVE on the other table",
        "scans both tables",
        "reads and writes wait for the check",
        "addColumn, then addConstraint: it adds NOT VALID and validates afterwards",
        lambda look: _inline_references(look, with_default=True),
        by_size=True,
    ),
    Rule(
        "add-column-constrained-domain",
        "error",
        "ADD COLUMN of a domain that has constraints",
        "ACCESS EXCLUSIVE",
        "rewrites the table",
        "reads and writes wait for the whole rewrite",
        "the base type with a CHECK through addConstraint",
        _constrained_domain,
        by_size=True,
    ),
)
