# SPDX-License-Identifier: Apache-2.0
"""What was seen in the target's catalog: plain values that plans and refusals are computed from."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Literal

from pydantic import Field

from backstitch.model.base import Frozen
from backstitch.model.in_step import InStep
from backstitch.model.sql import QualifiedName, parse_name

ConstraintKind = Literal["check", "foreignKey", "unique", "primaryKey", "exclude", "notNull"]
TableKind = Literal["table", "partitioned", "partition", "view", "materializedView", "foreignTable"]


class Column(Frozen):
    """One column, in the words of the catalog."""

    name: str
    type: str
    not_null: bool = False
    default: str | None = None
    identity: str = ""  # pg_attribute.attidentity: '', 'a' or 'd'
    generated: str = ""  # pg_attribute.attgenerated: '', 's' or 'v'
    collation: str | None = None
    dependents: tuple[str, ...] = ()  # what would not survive its drop: views, policies, triggers, generated columns


class Constraint(Frozen):
    """One constraint; `definition` is pg_get_constraintdef."""

    name: str
    kind: ConstraintKind
    definition: str
    columns: tuple[str, ...] = ()
    validated: bool = True
    references: str | None = None  # qualified name of the referenced table
    comment: str | None = None


class Index(Frozen):
    """One index; `definition` is pg_get_indexdef."""

    name: str
    definition: str
    unique: bool = False
    primary: bool = False
    valid: bool = True
    columns: tuple[str, ...] = ()  # plain columns only; an expression makes it empty
    constraint: str | None = None  # the constraint it stands behind
    partial: bool = False
    clustered: bool = False
    replica_identity: bool = False
    comment: str | None = None


class Table(Frozen):
    """One relation that holds or shows rows."""

    schema_name: str = "public"
    name: str
    kind: TableKind = "table"
    columns: tuple[Column, ...] = ()
    constraints: tuple[Constraint, ...] = ()
    indexes: tuple[Index, ...] = ()
    estimated_rows: float = 0
    bytes: int = 0
    owner: str = ""
    dependents: tuple[str, ...] = ()  # views and others that use it, for messages
    family: tuple[str, ...] = ()  # parents and children by INHERITS; partitions are not among them
    sequences: tuple[str, ...] = ()  # names of the sequences it owns (serial, identity); they move with it
    in_step: tuple[InStep, ...] = ()  # columns of an old and a new shape that triggers of ours keep in step
    certain: bool = True  # False: an earlier raw SQL step may have changed it; look again at run time

    @property
    def qualified(self) -> QualifiedName:
        """Give schema and name."""
        return QualifiedName(self.schema_name, self.name)

    def column(self, name: str) -> Column | None:
        """Give the column of that name, if there is one."""
        return next((c for c in self.columns if c.name == name), None)

    def constraint(self, name: str) -> Constraint | None:
        """Give the constraint of that name, if there is one."""
        return next((c for c in self.constraints if c.name == name), None)

    def index(self, name: str) -> Index | None:
        """Give the index of that name, if there is one."""
        return next((i for i in self.indexes if i.name == name), None)

    @property
    def key(self) -> tuple[str, ...]:
        """Give the columns of the primary key, or of the first unique key that has no NULLs; else ()."""
        usable = [i for i in self.indexes if i.valid and i.unique and i.columns and not i.partial]
        for index in sorted(usable, key=lambda i: (not i.primary, len(i.columns), i.name)):
            found = [self.column(c) for c in index.columns]
            if index.primary or all(c is not None and c.not_null for c in found):
                return index.columns
        return ()


class Facts(Frozen):
    """The catalog as far as a plan needs it."""

    server_version: int = 0
    database: str = ""
    system_identifier: str = ""
    tables: dict[str, Table] = Field(default_factory=dict)  # by "schema.name"
    schemas: tuple[str, ...] = ("public",)
    other_names: tuple[str, ...] = ()  # "schema.name" of sequences, indexes and types: names that are taken
    certain: bool = True  # False: an earlier raw SQL step may have made or removed anything

    def table(self, name: str) -> Table | None:
        """Give the table a person names as `table` or `schema.table`."""
        return self.tables.get(str(parse_name(name)))

    def near_tables(self, name: str) -> list[str]:
        """Give names that look like this one, for a refusal that helps."""
        wanted = parse_name(name)
        names = {t.name: str(t.qualified) for t in self.tables.values()}
        return [names[n] for n in get_close_matches(wanted.name, list(names), n=3, cutoff=0.5)]

    def with_table(self, table: Table) -> Facts:
        """Give the facts as they are once this table looks like that."""
        return self.model_copy(update={"tables": {**self.tables, str(table.qualified): table}})

    def without_table(self, name: QualifiedName) -> Facts:
        """Give the facts as they are once this table is gone."""
        return self.model_copy(update={"tables": {k: t for k, t in self.tables.items() if k != str(name)}})
