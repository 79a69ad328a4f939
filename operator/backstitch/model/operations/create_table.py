# SPDX-License-Identifier: Apache-2.0
"""createTable: a new table with its keys and constraints. The way back drops it, or keeps it when it has rows."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field, model_validator

from backstitch.model.base import Frozen
from backstitch.model.facts import Column, Constraint, Facts, Index, Table
from backstitch.model.operations.base import Operation, StepContext
from backstitch.model.operations.parts import ForeignKey, UniqueKey
from backstitch.model.operations.refusals import refuse_schema, refuse_taken
from backstitch.model.operations.words import (
    Condition,
    Expression,
    Identifier,
    TableName,
    TypeName,
    cel,
    unique_names,
)
from backstitch.model.sql import columns_sql, parse_name, quote_ident
from backstitch.model.units import DdlUnit, Unit

_IDENTITY = {"always": "ALWAYS", "byDefault": "BY DEFAULT"}


class NewColumn(Frozen):
    """One column of a new table."""

    model_config = cel(("!(has(self.default) && has(self.identity))", "give either default or identity"))

    name: Identifier = Field(description="Name of the column.")
    type: TypeName = Field(description="PostgreSQL type, such as `text` or `numeric(10,2)`.")
    default: Expression | None = Field(default=None, description="Default as an SQL expression; may be volatile.")
    not_null: bool | None = Field(default=None, description="true: every row must have a value. Default false.")
    identity: Literal["always", "byDefault"] | None = Field(
        default=None, description="Numbered by PostgreSQL; byDefault lets a given number stand."
    )

    @model_validator(mode="after")
    def _either_or(self) -> NewColumn:
        if self.default is not None and self.identity is not None:
            raise ValueError(f"column {self.name!r}: give either `default` or `identity`")
        return self

    @property
    def sql(self) -> str:
        """Give the column's clause."""
        text = f"{quote_ident(self.name)} {self.type}"
        if self.default is not None:
            text += f" DEFAULT ({self.default})"
        if self.identity is not None:
            text += f" GENERATED {_IDENTITY[self.identity]} AS IDENTITY"
        return text + (" NOT NULL" if self.not_null else "")


class NewCheck(Frozen):
    """One check of a new table."""

    name: Identifier = Field(description="Name of the constraint.")
    expression: Condition = Field(description="SQL condition that every row must fulfil.")


class NewUnique(UniqueKey):
    """One unique key of a new table."""

    name: Identifier = Field(description="Name of the constraint.")


class NewForeignKey(ForeignKey):
    """One foreign key of a new table."""

    name: Identifier = Field(description="Name of the constraint.")


class CreateTable(Operation):
    """Creates a table."""

    kind: ClassVar[str] = "createTable"

    table: TableName = Field(description="New table, as `table` or `schema.table`.")
    columns: list[NewColumn] = Field(description="Columns, in order.", min_length=1, max_length=200)
    primary_key: list[Identifier] | None = Field(
        default=None,
        description="Columns of the primary key; without one, rows can be neither changed in batches nor put back.",
        min_length=1,
        max_length=32,
    )
    unique: list[NewUnique] | None = Field(default=None, description="Unique keys.", max_length=20)
    checks: list[NewCheck] | None = Field(default=None, description="Checks.", max_length=50)
    foreign_keys: list[NewForeignKey] | None = Field(
        default=None, description="References to other tables.", max_length=20
    )

    @model_validator(mode="after")
    def _consistent(self) -> CreateTable:
        known = [c.name for c in self.columns]
        unique_names(known, "column")
        unique_names([c.name for c in self._named()], "constraint")
        used = [
            *(self.primary_key or []),
            *(c for u in self.unique or [] for c in u.columns),
            *(c for f in self.foreign_keys or [] for c in f.columns),
        ]
        for column in used:
            if column not in known:
                raise ValueError(f"a key names column {column!r}, which is not among the columns")
        return self

    def _named(self) -> list[NewUnique | NewCheck | NewForeignKey]:
        return [*(self.unique or []), *(self.checks or []), *(self.foreign_keys or [])]

    def tables(self) -> tuple[str, ...]:
        return (self.table, *(f.references for f in self.foreign_keys or []))

    def refuse(self, context: StepContext) -> tuple[str, ...]:
        name = parse_name(self.table)
        reasons = [*refuse_schema(context.facts, name), *refuse_taken(context.facts, name)]
        for key in self.foreign_keys or []:
            reasons += key.refuse(context.facts, self._as_fact())
        for unique in self.unique or []:
            reasons += refuse_taken(context.facts, name._replace(name=unique.name))
        return tuple(reasons)

    def forward(self, context: StepContext) -> tuple[Unit, ...]:
        name = parse_name(self.table)
        clauses = [c.sql for c in self.columns]
        if self.primary_key:
            clauses.append(f"PRIMARY KEY ({columns_sql(self.primary_key)})")
        clauses += [f"CONSTRAINT {quote_ident(u.name)} {u.sql}" for u in self.unique or []]
        clauses += [f"CONSTRAINT {quote_ident(c.name)} CHECK ({c.expression})" for c in self.checks or []]
        clauses += [f"CONSTRAINT {quote_ident(f.name)} {f.sql}" for f in self.foreign_keys or []]
        return (
            DdlUnit(
                forward=(f"CREATE TABLE {name.sql} ({', '.join(clauses)})",),
                backward=(f"DROP TABLE {name.sql}",),
                lock="exclusive" if self.foreign_keys else "none",  # a foreign key locks the table it points at
                table=str(name),
                archive_table=str(name),
            ),
        )

    def _as_fact(self) -> Table:
        name = parse_name(self.table)
        key = tuple(self.primary_key or ())
        indexes = [
            Index(name=u.name, definition="", unique=True, columns=tuple(u.columns), constraint=u.name)
            for u in self.unique or []
        ]
        constraints = [
            *(
                Constraint(name=u.name, kind="unique", definition=u.sql, columns=tuple(u.columns))
                for u in self.unique or []
            ),
            *(Constraint(name=c.name, kind="check", definition=f"CHECK ({c.expression})") for c in self.checks or []),
            *(f.as_constraint(f.name) for f in self.foreign_keys or []),
        ]
        if key:
            named = f"{name.name}_pkey"
            indexes.append(Index(name=named, definition="", unique=True, primary=True, columns=key, constraint=named))
            definition = f"PRIMARY KEY ({columns_sql(key)})"
            constraints.append(Constraint(name=named, kind="primaryKey", definition=definition, columns=key))
        columns = tuple(
            Column(
                name=c.name,
                type=c.type,
                not_null=bool(c.not_null) or c.identity is not None or c.name in key,
                default=c.default,
                identity={"always": "a", "byDefault": "d"}.get(c.identity or "", ""),
            )
            for c in self.columns
        )
        return Table(
            schema_name=name.schema,
            name=name.name,
            columns=columns,
            constraints=tuple(constraints),
            indexes=tuple(indexes),
        )

    def after(self, context: StepContext) -> Facts:
        return context.facts.with_table(self._as_fact())

    def done_when(self, facts: Facts) -> bool:
        table = facts.table(self.table)
        return table is not None and all(table.column(c.name) is not None for c in self.columns)
