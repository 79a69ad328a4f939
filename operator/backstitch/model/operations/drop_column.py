# SPDX-License-Identifier: Apache-2.0
"""dropColumn: the column is parked in place under a reserved name; it is dropped when the revert window has ended.

NOT NULL and the checks and foreign keys that mention it are detached, so that the application can write rows without
it. Place, values, defaults, grants, comments and indexes stay, and come back with the name.
"""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from backstitch.model.facts import Column, Constraint, Facts, Table
from backstitch.model.operations.base import Operation, StepContext
from backstitch.model.operations.changed import without_constraints
from backstitch.model.operations.refusals import refuse_columns, refuse_table, volatile_call
from backstitch.model.operations.reverse import (
    add_constraint,
    check_not_null,
    drop_constraint,
    not_null_name,
    referenced_columns,
    restore_not_null,
    validate_constraint,
)
from backstitch.model.operations.words import Identifier, TableName
from backstitch.model.sql import parse_name, quote_ident, quote_literal
from backstitch.model.units import DdlUnit, Unit


class DropColumn(Operation):
    """Drops a column: it is hidden in place first, and can come back as it was until the revert window ends."""

    kind: ClassVar[str] = "dropColumn"
    destructive: ClassVar[bool] = True

    table: TableName = Field(description="Table, as `table` or `schema.table`.")
    column: Identifier = Field(description="Column to drop.")

    def tables(self) -> tuple[str, ...]:
        return (self.table,)

    def refuse(self, context: StepContext) -> tuple[str, ...]:
        table = context.facts.table(self.table)
        if table is not None and table.kind in ("partitioned", "partition"):
            return (
                f"{table.qualified} is {'partitioned' if table.kind == 'partitioned' else 'a partition'}; a column "
                "of it cannot be kept for the way back. Use a `sql` step with a `down`.",
            )
        reasons = [*refuse_table(context.facts, self.table, ("table",)), *refuse_columns(table, [self.column])]
        column = table.column(self.column) if table is not None else None
        if table is None or column is None:
            return tuple(reasons)
        return (*reasons, *_refuse_uses(context.facts, table, column))

    def forward(self, context: StepContext) -> tuple[Unit, ...]:
        name = parse_name(self.table)
        table = context.facts.table(self.table) or Table(schema_name=name.schema, name=name.name)
        alter, column, parked = f"ALTER TABLE {name.sql}", quote_ident(self.column), quote_ident(context.reserved())
        found = table.column(self.column)
        not_null = found is not None and found.not_null
        proof = context.reserved("_n")
        mentions = _mentioning(table, self.column)
        units: list[Unit] = []
        if not_null:
            back = (*restore_not_null(table, self.column), drop_constraint(table, proof))
            units.append(DdlUnit(forward=(), backward=back, table=str(name)))
        validated = [k.name for k in mentions if k.validated] + ([proof] if not_null else [])
        units += [
            DdlUnit(forward=(), backward=(validate_constraint(table, k),), lock="validate", table=str(name))
            for k in validated
        ]
        units.append(
            DdlUnit(
                forward=(
                    *(drop_constraint(table, k.name) for k in mentions),
                    *((f"{alter} ALTER COLUMN {column} DROP NOT NULL",) if not_null else ()),
                    f"{alter} RENAME COLUMN {column} TO {parked}",
                ),
                backward=(
                    f"{alter} RENAME COLUMN {parked} TO {column}",
                    *((check_not_null(table, self.column, proof),) if not_null else ()),
                    *(statement for k in mentions for statement in add_constraint(table, k)),
                ),
                table=str(name),
                purge=(purge_parked(context.reserved()),),
            )
        )
        return tuple(units)

    def after(self, context: StepContext) -> Facts:
        table = context.facts.table(self.table)
        if table is None:
            return context.facts
        gone = [k.name for k in _mentioning(table, self.column)]
        named = not_null_name(table, self.column)
        facts = without_constraints(context.facts, self.table, [*gone, *([named.name] if named else [])])
        table = facts.tables[str(table.qualified)]
        kept = tuple(c for c in table.columns if c.name != self.column)
        parked = {self.column: context.reserved()}
        indexes = tuple(
            i.model_copy(update={"columns": tuple(parked.get(c, c) for c in i.columns)}) for i in table.indexes
        )
        constraints = tuple(
            k.model_copy(update={"columns": tuple(parked.get(c, c) for c in k.columns)}) for k in table.constraints
        )
        changed = {"columns": kept, "indexes": indexes, "constraints": constraints}
        return facts.with_table(table.model_copy(update=changed))

    def done_when(self, facts: Facts) -> bool:
        table = facts.table(self.table)
        return table is not None and table.column(self.column) is None


def purge_parked(parked: str) -> str:
    """Give the statement that drops the parked column for good, wherever its table has been moved or renamed to."""
    return (
        "DO $backstitch$ DECLARE found regclass; BEGIN "
        "FOR found IN SELECT attrelid::regclass FROM pg_catalog.pg_attribute "
        f"WHERE attname = {quote_literal(parked)} AND NOT attisdropped LOOP "
        f"EXECUTE format('ALTER TABLE %s DROP COLUMN {quote_ident(parked)}', found); END LOOP; END $backstitch$"
    )


def _mentioning(table: Table, column: str) -> list[Constraint]:
    """Give the checks and foreign keys with this column in them; index-backed ones stay, for a NULL breaks none."""
    return [c for c in table.constraints if c.kind in ("check", "foreignKey") and column in c.columns]


def _refuse_uses(facts: Facts, table: Table, column: Column) -> tuple[str, ...]:
    what = f"Column {column.name} of {table.qualified}"
    reasons = []
    if table.family:
        reasons.append(
            f"{what} may be inherited from or by {', '.join(table.family)}. Separate the tables first with a `sql` "
            "step (ALTER TABLE … NO INHERIT)."
        )
    if column.dependents and table.certain:  # else an earlier `sql` step may drop what uses it; asked again by then
        reasons.append(f"{what} is used by {', '.join(column.dependents)}; drop or change that first.")
    if any(i.primary and column.name in i.columns for i in table.indexes):
        reasons.append(f"{what} is in the primary key and cannot be dropped.")
    pointing = [
        f"foreign key {c.name} of {other.qualified}"
        for other in facts.tables.values()
        for c in other.constraints
        if c.kind == "foreignKey"
        and c.references == str(table.qualified)
        and column.name in referenced_columns(c.definition)
    ]
    if pointing:
        reasons.append(f"{what} is referenced by {', '.join(pointing)}; drop that with dropConstraint first.")
    if any(i.replica_identity and column.name in i.columns for i in table.indexes):
        reasons.append(f"{what} is in the replica identity index; choose another replica identity first.")
    if column.identity:
        reasons.append(
            f"{what} is an identity column, which is always NOT NULL and would number every new row unseen. Turn it "
            "into a plain column with a `sql` step (ALTER COLUMN … DROP IDENTITY) first."
        )
    for index in table.indexes:
        if not index.unique or column.name not in index.columns or index.primary:
            continue
        same = column.default is not None and volatile_call(column.default) is None
        if same or "NULLS NOT DISTINCT" in index.definition:
            reasons.append(
                f"{what} is in unique index {index.name}, and new rows without it would all have the same value there. "
                "Drop the index or constraint, or the column's default, first."
            )
    return tuple(reasons)
