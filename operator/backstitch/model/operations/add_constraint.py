# SPDX-License-Identifier: Apache-2.0
"""addConstraint: a check or foreign key added NOT VALID, then validated; a unique key through a concurrent index."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field, model_validator

from backstitch.model.facts import Constraint, Facts, Index, Table
from backstitch.model.operations.base import Operation, StepContext
from backstitch.model.operations.changed import with_constraint, with_index
from backstitch.model.operations.parts import ForeignKey, UniqueKey, deferrable_sql
from backstitch.model.operations.refusals import (
    refuse_columns,
    refuse_constraint_name,
    refuse_table,
    refuse_taken,
)
from backstitch.model.operations.words import Condition, Identifier, TableName, cel
from backstitch.model.sql import QualifiedName, columns_sql, parse_name, quote_ident
from backstitch.model.units import ConcurrentUnit, DdlUnit, IndexProbe, Unit

_FK_ON_PARTITIONED = 180000  # NOT VALID foreign keys on partitioned tables: from PostgreSQL 18


class AddConstraint(Operation):
    """Adds one constraint: a check, a foreign key or a unique key."""

    model_config = cel(
        (
            "[has(self.check), has(self.foreignKey), has(self.unique)].filter(x, x).size() == 1",
            "give exactly one of check, foreignKey, unique",
        ),
    )
    kind: ClassVar[str] = "addConstraint"

    table: TableName = Field(description="Table, as `table` or `schema.table`.")
    name: Identifier = Field(description="Name of the constraint, unique within the table.")
    check: Condition | None = Field(default=None, description="SQL condition that every row must fulfil.")
    foreign_key: ForeignKey | None = Field(default=None, description="Reference to another table.")
    unique: UniqueKey | None = Field(default=None, description="Columns that no two rows may share.")

    @model_validator(mode="after")
    def _exactly_one(self) -> AddConstraint:
        if [self.check, self.foreign_key, self.unique].count(None) != 2:
            raise ValueError("give exactly one of `check`, `foreignKey`, `unique`")
        return self

    def tables(self) -> tuple[str, ...]:
        return (self.table, self.foreign_key.references) if self.foreign_key is not None else (self.table,)

    def refuse(self, context: StepContext) -> tuple[str, ...]:
        facts, name = context.facts, parse_name(self.table)
        table = facts.table(self.table)
        reasons = [*refuse_table(facts, self.table), *refuse_constraint_name(table, self.name)]
        if self.foreign_key is not None:
            reasons += refuse_columns(table, self.foreign_key.columns)
            reasons += self.foreign_key.refuse(facts, table)
            if table is not None and table.kind == "partitioned" and facts.server_version < _FK_ON_PARTITIONED:
                reasons.append(
                    f"{name} is partitioned, and before PostgreSQL 18 a foreign key on a partitioned table cannot be "
                    "added NOT VALID, so it would block writes while it is checked. Use addConstraint on each "
                    "partition, then a `sql` step that adds it to the table: it adopts those of the partitions."
                )
        if self.unique is not None:
            reasons += refuse_columns(table, self.unique.columns)
            reasons += refuse_taken(facts, QualifiedName(name.schema, self.name))
            if table is not None and table.kind == "partitioned":
                reasons.append(
                    f"{name} is partitioned, and PostgreSQL cannot build an index on it concurrently. Use "
                    "addConstraint unique on each partition, then a `sql` step that adds it to the table: it adopts "
                    "those."
                )
        return tuple(reasons)

    def forward(self, context: StepContext) -> tuple[Unit, ...]:
        if self.unique is not None:
            return self._through_an_index(context, self.unique)
        table = parse_name(self.table)
        name = quote_ident(self.name)
        clause = self.foreign_key.sql if self.foreign_key is not None else f"CHECK ({self.check})"
        return (
            DdlUnit(
                forward=(f"ALTER TABLE {table.sql} ADD CONSTRAINT {name} {clause} NOT VALID",),
                backward=(f"ALTER TABLE {table.sql} DROP CONSTRAINT {name}",),
                table=str(table),
            ),
            DdlUnit(
                forward=(f"ALTER TABLE {table.sql} VALIDATE CONSTRAINT {name}",),
                backward=(),
                lock="validate",
                table=str(table),
            ),
        )

    def _through_an_index(self, context: StepContext, unique: UniqueKey) -> tuple[Unit, ...]:
        table = parse_name(self.table)
        half = QualifiedName(table.schema, context.reserved())
        on = f"{table.sql} ({columns_sql(unique.columns)}){unique.nulls_sql}"
        using = f"UNIQUE USING INDEX {quote_ident(half.name)}{deferrable_sql(unique.deferrable)}"
        return (
            ConcurrentUnit(
                forward=f"CREATE UNIQUE INDEX CONCURRENTLY {quote_ident(half.name)} ON {on}",
                probe=IndexProbe(schema_name=half.schema, index=half.name, present=True),
                backward=f"DROP INDEX CONCURRENTLY IF EXISTS {half.sql}",
                table=str(table),
            ),
            DdlUnit(
                # the index takes the constraint's name, and goes with it
                forward=(f"ALTER TABLE {table.sql} ADD CONSTRAINT {quote_ident(self.name)} {using}",),
                backward=(f"ALTER TABLE {table.sql} DROP CONSTRAINT {quote_ident(self.name)}",),
                table=str(table),
            ),
        )

    def after(self, context: StepContext) -> Facts:
        facts = context.facts
        if self.foreign_key is not None:
            return with_constraint(facts, self.table, self.foreign_key.as_constraint(self.name))
        if self.unique is None:
            return with_constraint(
                facts, self.table, Constraint(name=self.name, kind="check", definition=f"CHECK ({self.check})")
            )
        columns = tuple(self.unique.columns)
        definition = f"CREATE UNIQUE INDEX {quote_ident(self.name)} ON {parse_name(self.table).sql} USING btree "
        index = Index(
            name=self.name,
            definition=f"{definition}({columns_sql(columns)}){self.unique.nulls_sql}",
            unique=True,
            columns=columns,
            constraint=self.name,
        )
        key = Constraint(name=self.name, kind="unique", definition=self.unique.sql, columns=columns)
        return with_index(with_constraint(facts, self.table, key), self.table, index)

    def done_when(self, facts: Facts) -> bool:
        table: Table | None = facts.table(self.table)
        constraint = table.constraint(self.name) if table is not None else None
        return constraint is not None and constraint.validated
