# SPDX-License-Identifier: Apache-2.0
"""dropConstraint: the way back adds it from its definition and validates it, or builds its index concurrently."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from backstitch.model.facts import Constraint, Facts, Index, Table
from backstitch.model.operations.base import Operation, StepContext
from backstitch.model.operations.changed import without_constraints
from backstitch.model.operations.refusals import refuse_table
from backstitch.model.operations.reverse import (
    add_constraint,
    comment_on_constraint,
    concurrently,
    drop_constraint,
    index_flags,
    relies_on,
    validate_constraint,
)
from backstitch.model.operations.words import Identifier, TableName
from backstitch.model.sql import QualifiedName, parse_name, quote_ident
from backstitch.model.units import ConcurrentUnit, DdlUnit, IndexProbe, Unit

_FK_ON_PARTITIONED = 180000  # NOT VALID foreign keys on partitioned tables: from PostgreSQL 18


class DropConstraint(Operation):
    """Drops a constraint: a check, a foreign key, a unique or primary key."""

    kind: ClassVar[str] = "dropConstraint"

    table: TableName = Field(description="Table, as `table` or `schema.table`.")
    name: Identifier = Field(description="Name of the constraint.")

    def tables(self) -> tuple[str, ...]:
        return (self.table,)

    def refuse(self, context: StepContext) -> tuple[str, ...]:
        facts = context.facts
        table = facts.table(self.table)
        reasons = refuse_table(facts, self.table)
        if reasons or table is None or not table.certain:
            return reasons
        constraint = table.constraint(self.name)
        if constraint is None:
            known = ", ".join(c.name for c in table.constraints) or "none"
            return (f"Table {table.qualified} has no constraint {self.name}. It has: {known}.",)
        if constraint.kind == "notNull":
            return (f"Constraint {self.name} of {table.qualified} is NOT NULL; use dropNotNull on its column.",)
        if constraint.kind == "exclude":
            return (
                f"Constraint {self.name} of {table.qualified} is an exclusion constraint, which PostgreSQL can only "
                "rebuild under an exclusive lock. Use a `sql` step with a `down`, at a quiet time.",
            )
        if constraint.kind in ("unique", "primaryKey"):
            return self._refuse_key(facts, table, constraint)
        if (
            table.kind == "partitioned"
            and constraint.kind == "foreignKey"
            and facts.server_version < _FK_ON_PARTITIONED
        ):
            return (
                f"{table.qualified} is partitioned, and before PostgreSQL 18 its foreign key could not come back "
                "without blocking writes. Use a `sql` step with a `down`, at a quiet time.",
            )
        return ()

    def _refuse_key(self, facts: Facts, table: Table, constraint: Constraint) -> tuple[str, ...]:
        if table.kind == "partitioned":
            return (
                f"{table.qualified} is partitioned, and PostgreSQL cannot build its index concurrently for the way "
                "back. Use a `sql` step with a `down`, at a quiet time.",
            )
        leaning = [
            f"{c.name} of {other.qualified}"
            for other in facts.tables.values()
            for c in other.constraints
            if relies_on(c, table, constraint.columns)
        ]
        if leaning:
            return (
                f"Constraint {self.name} of {table.qualified} is what foreign key {' and '.join(leaning)} points at; "
                "drop that with dropConstraint first.",
            )
        return ()

    def forward(self, context: StepContext) -> tuple[Unit, ...]:
        name = parse_name(self.table)
        table = context.facts.table(self.table) or Table(schema_name=name.schema, name=name.name)
        constraint = table.constraint(self.name)
        drop = drop_constraint(table, self.name)
        if constraint is None:  # only in a plan whose facts are not certain; in truth it would fail
            return (DdlUnit(forward=(drop,), backward=(), table=str(name)),)
        index = next((i for i in table.indexes if i.constraint == constraint.name), None)
        if index is not None:
            return _key_units(context, table, constraint, index)
        units: list[Unit] = []
        if constraint.validated:
            back = validate_constraint(table, self.name)
            units.append(DdlUnit(forward=(), backward=(back,), lock="validate", table=str(name)))
        units.append(DdlUnit(forward=(drop,), backward=add_constraint(table, constraint), table=str(name)))
        return tuple(units)

    def after(self, context: StepContext) -> Facts:
        return without_constraints(context.facts, self.table, [self.name])

    def done_when(self, facts: Facts) -> bool:
        table = facts.table(self.table)
        return table is not None and table.constraint(self.name) is None


def _key_units(context: StepContext, table: Table, constraint: Constraint, index: Index) -> tuple[Unit, ...]:
    """Give the units for a key: going back, its index is built concurrently before it becomes the constraint."""
    half = QualifiedName(table.schema_name, context.reserved())
    word = "PRIMARY KEY" if constraint.kind == "primaryKey" else "UNIQUE"
    late = "".join(
        f" {c}" for c in ("DEFERRABLE", "INITIALLY DEFERRED") if c in constraint.definition.rsplit(")", 1)[-1]
    )
    add = (
        f"ALTER TABLE {table.qualified.sql} ADD CONSTRAINT {quote_ident(constraint.name)} "
        f"{word} USING INDEX {quote_ident(half.name)}{late}"
    )
    # The index has the constraint's name, but they may have been renamed apart: ALTER INDEX renames both.
    back = (add, *comment_on_constraint(table, constraint), *index_flags(table, index))
    return (
        DdlUnit(forward=(drop_constraint(table, constraint.name),), backward=back, table=str(table.qualified)),
        ConcurrentUnit(
            # Nothing to do on the way forward: the index went with its constraint.
            forward=f"DROP INDEX CONCURRENTLY IF EXISTS {half.sql}",
            probe=IndexProbe(schema_name=half.schema, index=half.name, present=False),
            backward=concurrently(index.definition, half.name),
            table=str(table.qualified),
        ),
    )
