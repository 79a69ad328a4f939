# SPDX-License-Identifier: Apache-2.0
"""What do the data operations share? The unit of a batched UPDATE, and which tables' rows a change reaches.

Foreign keys with CASCADE or SET NULL change rows of other tables in the same statement. Those tables are captured
too, so that a rollback puts their rows back; what the application's own triggers write elsewhere is not seen here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Literal

from pydantic import Field

from backstitch.model.base import Frozen
from backstitch.model.facts import Facts
from backstitch.model.operations.refusals import refuse_keyless, refuse_table, refuse_written_columns
from backstitch.model.operations.words import Expression, Identifier, code_only
from backstitch.model.sql import parse_name, quote_ident, quote_literal
from backstitch.model.units import BatchStatement, BatchUnit, DdlUnit

DEFAULT_BATCH_ROWS = 1000

BatchRows = Annotated[int, Field(ge=1, le=20_000)]
Assignments = Annotated[dict[Identifier, Expression], Field(min_length=1, max_length=50)]
Event = Literal["UPDATE", "DELETE"]


class Conflict(Frozen):
    """What happens to a row whose key is there already."""

    columns: list[Identifier] = Field(
        description="Columns of the primary or unique key that decides.", min_length=1, max_length=32
    )
    action: Literal["update", "nothing", "fail"] = Field(
        description="update: the row there gets the new values. nothing: it stays. fail: the step fails."
    )


def reached(facts: Facts, written: str, event: Event) -> tuple[str, ...]:
    """Give the table and those whose rows change with it through foreign keys, each as `schema.name`.

    A deleted row can delete others or change their columns; a changed key can only change columns.
    """
    found: dict[str, Event] = {}
    todo: list[tuple[str, Event]] = [(str(parse_name(written)), event)]
    while todo:
        name, happens = todo.pop()
        if found.get(name) in (happens, "DELETE"):
            continue
        found[name] = happens
        for other in facts.tables.values():
            for constraint in other.constraints:
                if constraint.kind == "foreignKey" and constraint.references == name:
                    code = code_only(constraint.definition)
                    action = re.search(rf"ON {happens} (CASCADE|SET NULL|SET DEFAULT)", code)
                    if action is not None:
                        cascades = happens == "DELETE" and action.group(1) == "CASCADE"
                        todo.append((str(other.qualified), "DELETE" if cascades else "UPDATE"))
    return tuple(found)


def refuse_reached(facts: Facts, written: str, event: Event) -> tuple[str, ...]:
    """Refuse a table without a key, or one whose change reaches such a table."""
    return tuple(reason for name in reached(facts, written, event) for reason in refuse_keyless(facts.tables.get(name)))


def refuse_update(facts: Facts, written: str, assignments: Mapping[str, str]) -> tuple[str, ...]:
    """Give the reasons why an UPDATE in batches cannot run."""
    table = facts.table(written)
    reasons = [
        *refuse_table(facts, written),
        *refuse_written_columns(table, list(assignments)),
        *refuse_reached(facts, written, "UPDATE"),
    ]
    if table is not None:
        for column in assignments:
            if column in table.key and table.certain:
                reasons.append(
                    f"Column {column} is in the key ({', '.join(table.key)}) by which {table.qualified} is changed in "
                    "batches, so it cannot be changed that way. Use a `sql` step with a `down`."
                )
            known = table.column(column)
            if known is not None and known.identity == "a":
                reasons.append(f"Column {column} of {table.qualified} is numbered by PostgreSQL and cannot be set.")
    return tuple(reasons)


def update_unit(
    facts: Facts, written: str, assignments: Mapping[str, str], where: str | None, batch_rows: int | None
) -> BatchUnit:
    """Give the unit that changes rows of a table by key-set batches."""
    name = parse_name(written)
    table = facts.table(written)
    sets = ", ".join(f"{quote_ident(column)} = ({expression})" for column, expression in assignments.items())
    return BatchUnit(
        table=str(name),
        key=table.key if table is not None else (),
        where=where_sql(where),
        statements=(BatchStatement(before=f"UPDATE {name.sql} SET {sets} WHERE {where_sql(where)} AND "),),
        captures=reached(facts, written, "UPDATE"),
        batch_rows=batch_rows or DEFAULT_BATCH_ROWS,
        sets=tuple(assignments),
    )


def sequence_units(facts: Facts, written: str, columns: Sequence[str]) -> tuple[DdlUnit, ...]:
    """Give what lifts the sequences of numbered columns above numbers written by hand, so that new rows get free ones.

    A sequence is never lowered, and what it gave out is not taken back: going back leaves it where it is.
    """
    name = parse_name(written)
    table = facts.table(written)
    numbered = [
        c.name
        for c in (table.columns if table is not None else ())
        if c.name in columns and (c.identity or "nextval(" in (c.default or ""))
    ]
    return tuple(
        DdlUnit(
            forward=(
                "SELECT pg_catalog.setval(s.name, m.top) FROM (SELECT pg_catalog.pg_get_serial_sequence("
                f"{quote_literal(name.sql)}, {quote_literal(column)})::regclass) AS s(name), "
                f"(SELECT max({quote_ident(column)})::bigint FROM {name.sql}) AS m(top) "
                "WHERE m.top > coalesce(pg_catalog.pg_sequence_last_value(s.name), 0)",
            ),
            backward=(),
            lock="none",
            table=str(name),
        )
        for column in numbered
    )


def where_sql(where: str | None) -> str:
    """Give a condition that can stand before AND."""
    return "TRUE" if where is None else f"({where})"
