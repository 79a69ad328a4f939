# SPDX-License-Identifier: Apache-2.0
"""What is on a column, and how is it made on its copy? Indexes, checks, foreign keys, NOT NULL, by short locks."""

from __future__ import annotations

import re
from collections.abc import Callable

from backstitch.model.facts import Constraint, Facts, Index, Table
from backstitch.model.in_step import InStep
from backstitch.model.operations.reverse import (
    check_not_null,
    comment_on_constraint,
    concurrently,
    drop_constraint,
    index_flags,
    not_null_name,
    referenced_columns,
    validate_constraint,
)
from backstitch.model.sql import QualifiedName, quote_ident
from backstitch.model.units import ConcurrentUnit, DdlUnit, IndexProbe, Unit

_TOKENS = re.compile(r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|[^\W\d][\w$]*|.""", re.DOTALL)
Names = Callable[[str], str]


def renamed_in(text: str, old: str, new: str) -> str:
    """Give SQL of the catalog's own writing with one column under another name."""
    parts = _TOKENS.findall(text)
    out = []
    for n, part in enumerate(parts):
        name = part[1:-1].replace('""', '"') if part.startswith('"') else part
        after = parts[n + 1] if n + 1 < len(parts) else ""
        before = parts[n - 1] if n else ""
        column = name == old and not part.startswith("'") and after not in ("(", ".") and before not in (".", ":")
        out.append(quote_ident(new) if column else part)
    return "".join(out)


def indexes_of(table: Table, column: str) -> list[Index]:
    """Give the valid indexes with this column in them, also in an expression or condition."""
    return [
        i for i in table.indexes if i.valid and not i.primary and _says(i.definition.split(" USING ", 1)[-1], column)
    ]


def constraints_of(table: Table, column: str) -> list[Constraint]:
    """Give the checks and foreign keys with this column in them."""
    return [c for c in table.constraints if c.kind in ("check", "foreignKey") and column in c.columns]


def _says(text: str, column: str) -> bool:
    return renamed_in(text, column, column + "'") != text


def carried(table: Table, column: str, new: str, names: Names, proof: str) -> tuple[Unit, ...]:
    """Give the units that make on the new column what is on the old one: indexes, checks, foreign keys, NOT NULL.

    `names` gives the name of each copy. Going back, the checks, keys and NOT NULL go with the column.
    """
    name, units = table.qualified, list[Unit]()
    for index in indexes_of(table, column):
        copy = QualifiedName(name.schema, names(index.name))
        head, tail = index.definition.split(" USING ", 1)
        built = concurrently(f"{head} USING {renamed_in(tail, column, new)}", copy.name)
        units.append(
            ConcurrentUnit(
                forward=built,
                probe=IndexProbe(schema_name=copy.schema, index=copy.name, present=True),
                backward=f"DROP INDEX CONCURRENTLY IF EXISTS {copy.sql}",
                table=str(name),
            )
        )
        if index.constraint is not None:
            word = quote_ident(copy.name)
            add = f"ALTER TABLE {name.sql} ADD CONSTRAINT {word} UNIQUE USING INDEX {word}"
            behind = table.constraint(index.constraint)
            late = re.search(r" DEFERRABLE( INITIALLY DEFERRED)?$", behind.definition) if behind is not None else None
            add += late.group(0) if late is not None else ""
            plain = Index(name=copy.name, definition="", comment=index.comment)
            units.append(
                DdlUnit(
                    forward=(add, *index_flags(table, plain)),
                    backward=(drop_constraint(table, copy.name),),
                    table=str(name),
                )
            )
        elif index.comment is not None:
            flags = index_flags(table, Index(name=copy.name, definition="", comment=index.comment))
            units.append(DdlUnit(forward=flags, backward=(), table=str(name)))
    for one in constraints_of(table, column):
        copied = one.model_copy(update={"name": names(one.name), "definition": moved_definition(one, column, new)})
        add = f"ALTER TABLE {name.sql} ADD CONSTRAINT {quote_ident(copied.name)} {not_valid(copied.definition)}"
        units.append(
            DdlUnit(
                forward=(add, *comment_on_constraint(table, copied)),
                backward=(drop_constraint(table, copied.name),),
                table=str(name),
            )
        )
        if one.validated:
            check = validate_constraint(table, copied.name)
            units.append(DdlUnit(forward=(check,), backward=(), lock="validate", table=str(name)))
    found = table.column(column)
    if found is not None and found.not_null:
        alter = f"ALTER TABLE {name.sql} ALTER COLUMN {quote_ident(new)}"
        named = not_null_name(table, column)
        own = names(named.name) if named is not None else None
        units += [
            DdlUnit(
                forward=(check_not_null(table, new, proof),),
                backward=(drop_constraint(table, proof, if_exists=True),),
                table=str(name),
            ),
            DdlUnit(forward=(validate_constraint(table, proof),), backward=(), lock="validate", table=str(name)),
            DdlUnit(
                forward=(set_not_null(table, new, own), drop_constraint(table, proof)),
                backward=(f"{alter} DROP NOT NULL",),
                table=str(name),
            ),
        ]
    return tuple(units)


def moved_definition(one: Constraint, column: str, new: str) -> str:
    """Give a constraint's definition for the new column; what a foreign key points at stays."""
    head, word, tail = (
        one.definition.partition(" REFERENCES ") if one.kind == "foreignKey" else (one.definition, "", "")
    )
    return renamed_in(head, column, new) + word + tail


def set_not_null(table: Table, column: str, name: str | None) -> str:
    """Give the statement that makes a proven column NOT NULL, by a constraint of that name from PostgreSQL 18 on."""
    if name is None:
        return f"ALTER TABLE {table.qualified.sql} ALTER COLUMN {quote_ident(column)} SET NOT NULL"
    return f"ALTER TABLE {table.qualified.sql} ADD CONSTRAINT {quote_ident(name)} NOT NULL {quote_ident(column)}"


def not_valid(definition: str) -> str:
    """Give a constraint's definition such that adding it reads no row."""
    return definition if definition.endswith("NOT VALID") else definition + " NOT VALID"


def refuse_copies(facts: Facts, written: str, column: str, names: Names) -> tuple[str, ...]:
    """Refuse what is on a column and cannot be made on a copy of it, or whose copy's name is taken."""
    table = facts.table(written)
    if table is None:
        return ()
    reasons = []
    for index in indexes_of(table, column):
        said = f"Index {index.name} of {table.qualified}"
        behind = table.constraint(index.constraint) if index.constraint is not None else None
        if behind is not None and behind.kind == "exclude":
            reasons.append(
                f"{said} is behind an exclusion constraint, which cannot be built beside it. Use `sql` steps."
            )
        if index.replica_identity:
            reasons.append(f"{said} is the replica identity; choose another first.")
    for other in facts.tables.values():
        for one in other.constraints:
            if one.references == str(table.qualified) and column in referenced_columns(one.definition):
                reasons.append(
                    f"Foreign key {one.name} of {other.qualified} points at column {column} of {table.qualified}; drop "
                    "it with dropConstraint first, and add it again to the new column."
                )
    copies = [names(i.name) for i in indexes_of(table, column)] + [names(c.name) for c in constraints_of(table, column)]
    taken = {c.name for c in table.constraints} | {i.name for i in table.indexes}
    taken |= {n.removeprefix(f"{table.schema_name}.") for n in facts.other_names}
    reasons += [
        f"The copy of an index or constraint would be called {n}, which is taken." for n in copies if n in taken
    ]
    return tuple(reasons)


def copy_facts(facts: Facts, written: str, kept: InStep, names: Names) -> Facts:
    """Give the facts with a column's copy, and what is on it."""
    table = facts.table(written)
    found = table.column(kept.old[0]) if table is not None else None
    if table is None or found is None:
        return facts
    old, new = kept.old[0], kept.new[0]
    copy = found.model_copy(
        update={"name": new, "type": kept.new_types[0], "default": kept.new_defaults[0], "dependents": ()}
    )
    indexes = [
        i.model_copy(
            update={
                "name": names(i.name),
                "columns": tuple(new if c == old else c for c in i.columns),
                "constraint": names(i.constraint) if i.constraint is not None else None,
            }
        )
        for i in indexes_of(table, old)
    ]
    wanted = [
        *constraints_of(table, old),
        *(c for i in indexes_of(table, old) if (c := table.constraint(i.constraint or ""))),
    ]
    constraints = [
        c.model_copy(
            update={
                "name": names(c.name),
                "columns": tuple(new if x == old else x for x in c.columns),
                "definition": moved_definition(c, old, new),
            }
        )
        for c in wanted
    ]
    changed = {
        "columns": (*table.columns, copy),
        "indexes": (*table.indexes, *indexes),
        "constraints": (*table.constraints, *constraints),
        "in_step": (*table.in_step, kept),
    }
    return facts.with_table(table.model_copy(update=changed))
