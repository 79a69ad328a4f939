# SPDX-License-Identifier: Apache-2.0
"""dropTable: the table goes to quarantine, whole; only when the revert window has ended is it dropped.

Its own foreign keys are detached, because rows nobody sees must not keep the application from deleting what they
point at. Indexes and owned sequences get reserved names there, so that two dropped tables cannot collide.
"""

from __future__ import annotations

import re
from typing import ClassVar

from pydantic import Field

from backstitch.model.facts import Facts, Table
from backstitch.model.names import QUARANTINE_SCHEMA
from backstitch.model.operations.base import Operation, StepContext
from backstitch.model.operations.refusals import refuse_table
from backstitch.model.operations.reverse import add_constraint, drop_constraint, validate_constraint
from backstitch.model.operations.words import TableName
from backstitch.model.sql import QualifiedName, parse_name, quote_ident
from backstitch.model.units import DdlUnit, Unit


class DropTable(Operation):
    """Drops a table: it is moved to quarantine first, and can come back as it was until the revert window ends."""

    kind: ClassVar[str] = "dropTable"
    destructive: ClassVar[bool] = True

    table: TableName = Field(description="Table, as `table` or `schema.table`.")

    def tables(self) -> tuple[str, ...]:
        return (self.table,)

    def refuse(self, context: StepContext) -> tuple[str, ...]:
        table = context.facts.table(self.table)
        if table is not None and table.kind in ("partitioned", "partition"):
            what = "a partition" if table.kind == "partition" else "partitioned"
            return (
                f"{table.qualified} is {what}, which cannot be moved to quarantine. Detach the partitions you want "
                "to drop with a `sql` step (ALTER TABLE … DETACH PARTITION); then each is a table of its own.",
            )
        reasons = refuse_table(context.facts, self.table, ("table",))
        if reasons or table is None:
            return reasons
        if table.family:
            return (
                f"Table {table.qualified} inherits from, or is inherited by, {', '.join(table.family)}, so its rows "
                "would still be seen there. Separate them first with a `sql` step (ALTER TABLE … NO INHERIT).",
            )
        users = _users(context.facts, table)
        if users and table.certain:  # else an earlier `sql` step may drop what uses it; asked again by then
            return (f"Table {table.qualified} is used by {', '.join(users)}; drop or change that first.",)
        return ()

    def forward(self, context: StepContext) -> tuple[Unit, ...]:
        name = parse_name(self.table)
        table = context.facts.table(self.table) or Table(schema_name=name.schema, name=name.name)
        parked = QualifiedName(QUARANTINE_SCHEMA, context.reserved())
        here = QualifiedName(name.schema, parked.name)
        keys = [c for c in table.constraints if c.kind == "foreignKey"]
        away, home = _renames(table, context)
        units: list[Unit] = [
            DdlUnit(forward=(), backward=(validate_constraint(table, k.name),), lock="validate", table=str(name))
            for k in keys
            if k.validated
        ]
        units.append(
            DdlUnit(
                forward=(
                    *(drop_constraint(table, k.name) for k in keys),
                    *away,
                    f"ALTER TABLE {name.sql} RENAME TO {quote_ident(parked.name)}",
                    f"ALTER TABLE {here.sql} SET SCHEMA {quote_ident(QUARANTINE_SCHEMA)}",
                ),
                backward=(
                    f"ALTER TABLE {parked.sql} SET SCHEMA {quote_ident(name.schema)}",
                    f"ALTER TABLE {here.sql} RENAME TO {quote_ident(name.name)}",
                    *home,
                    *(statement for k in keys for statement in add_constraint(table, k)),
                ),
                table=str(name),
                purge=(f"DROP TABLE IF EXISTS {parked.sql}",),
            )
        )
        return tuple(units)

    def after(self, context: StepContext) -> Facts:
        return context.facts.without_table(parse_name(self.table))

    def done_when(self, facts: Facts) -> bool:
        return facts.table(self.table) is None


def _renames(table: Table, context: StepContext) -> tuple[list[str], list[str]]:
    """Give the renames of indexes and owned sequences to reserved names, and those back."""
    away, home = [], []
    schema = quote_ident(table.schema_name)
    things = [("INDEX", i.name) for i in table.indexes] + [("SEQUENCE", s) for s in table.sequences]
    for number, (word, name) in enumerate(things):
        reserved = quote_ident(context.reserved(f"_{number}"))
        away.append(f"ALTER {word} {schema}.{quote_ident(name)} RENAME TO {reserved}")
        home.append(f"ALTER {word} {schema}.{reserved} RENAME TO {quote_ident(name)}")
    return away, home


def _users(facts: Facts, table: Table) -> list[str]:
    """Name what would break: views and functions, foreign keys of other tables, but not the table's own policies."""
    own = re.compile(r"^(policy|trigger|rule) .* on (table )?")
    names = {
        str(table.qualified),
        table.name,
        table.qualified.sql,
        quote_ident(table.name),
        f"{table.schema_name}.{quote_ident(table.name)}",
    }
    found = []
    for what in table.dependents:
        match = own.match(what)
        if not (match and what[match.end() :] in names) and not what.startswith("constraint "):
            found.append(what)
    keys = [
        f"foreign key {c.name} of {other.qualified}"
        for other in facts.tables.values()
        for c in other.constraints
        if c.kind == "foreignKey" and c.references == str(table.qualified) and other.qualified != table.qualified
    ]
    unseen = [] if keys else [w for w in table.dependents if w.startswith("constraint ")]
    return sorted([*found, *keys, *unseen])
