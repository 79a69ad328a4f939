# SPDX-License-Identifier: Apache-2.0
"""changeType: another type for a column without a rewrite under a lock: a copy beside it, then the names change over.

The old column stays hidden and in step until dropOldShape. The moment of the switch is one short transaction.
"""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from backstitch.model.facts import Column, Facts, Table
from backstitch.model.in_step import Held, InStep, mentions
from backstitch.model.operations.base import Operation, StepContext
from backstitch.model.operations.reverse import not_null_name
from backstitch.model.operations.shape_copies import (
    Names,
    carried,
    constraints_of,
    indexes_of,
    moved_definition,
    refuse_copies,
)
from backstitch.model.operations.shapes import (
    beside,
    dry_pass,
    refuse_expressions,
    refuse_shapes,
    rights_and_comment,
    table_of,
)
from backstitch.model.operations.words import Expression, Identifier, TableName, TypeName
from backstitch.model.sql import parse_name, quote_ident
from backstitch.model.units import DdlUnit, Unit


class ChangeType(Operation):
    """Changes the type of a column while both kinds of values are kept in step; no lock is held for a rewrite.

    Indexes, checks, foreign keys, NOT NULL, grants and comment come along. The column moves to the end of the table.
    """

    kind: ClassVar[str] = "changeType"
    data: ClassVar[bool] = True

    table: TableName = Field(description="Table, as `table` or `schema.table`.")
    column: Identifier = Field(description="Column that gets another type.")
    type: TypeName = Field(description="New type, such as `bigint` or `numeric(10,2)`.")
    up: Expression | None = Field(
        default=None, description="New value from the old one, by the column's name. Default: a cast, `column::type`."
    )
    down: Expression | None = Field(
        default=None, description="Old value from the new one, by the column's name. Default: a cast to the old type."
    )
    default: Expression | None = Field(
        default=None, description="New default, where the column has one. Default: the old one, cast to the new type."
    )
    dry_pass: bool | None = Field(
        default=None, description="Read all rows first and name those that do not convert. Default true."
    )

    def tables(self) -> tuple[str, ...]:
        return (self.table,)

    def refuse(self, context: StepContext) -> tuple[str, ...]:
        reasons = [
            *refuse_shapes(context.facts, self.table, [self.column], []),
            *refuse_copies(context.facts, self.table, self.column, _namer(context)),
            *refuse_expressions([e for e in (self.up, self.down) if e is not None]),
        ]
        table = context.facts.table(self.table)
        column = table.column(self.column) if table is not None else None
        if table is not None and column is not None and table.certain:
            if column.dependents:
                reasons.append(
                    f"Column {self.column} of {table.qualified} is used by {', '.join(column.dependents)}, which would "
                    "go on with the old values. Drop that first and make it again afterwards."
                )
            if column.type == self.type:
                reasons.append(f"Column {self.column} of {table.qualified} is {self.type} already; remove this step.")
        return tuple(reasons)

    def _old(self, table: Table) -> Column:
        return table.column(self.column) or Column(name=self.column, type="text")

    def _before(self, context: StepContext) -> InStep:
        """Give how they are kept in step before the switch: the new column has a reserved name that nobody knows."""
        table = table_of(context.facts, parse_name(self.table))
        name = quote_ident(self.column)
        up, down = self.up or f"{name}::{self.type}", self.down or f"{name}::{self._old(table).type}"
        others = [c.name for c in table.columns if c.name != self.column]
        return InStep(
            name=context.reserved("_up"),
            step=context.step,
            column=self.column,
            table=table.name,
            old=(self.column,),
            new=(context.reserved("_new"),),
            old_as=(self.column,),
            new_as=(self.column,),
            new_types=(self.type,),
            new_defaults=(None,),
            up=(up,),
            down=(down,),
            seen=tuple(c for c in others if mentions(up, c) or mentions(down, c)),
            way="up",
        )

    def _after(self, context: StepContext) -> InStep:
        """Give how they are kept in step after the switch: the old column is the hidden one."""
        table = table_of(context.facts, parse_name(self.table))
        hidden, name = context.reserved(), _namer(context)
        held = tuple(
            Held(name=name(c.name), definition=moved_definition(c, self.column, hidden), validated=c.validated)
            for c in constraints_of(table, self.column)
        )
        return self._before(context).model_copy(
            update={
                "name": context.reserved("_down"),
                "old": (hidden,),
                "new": (self.column,),
                "way": "down",
                "hidden": True,
                "not_null": self._old(table).not_null,
                "not_null_name": name(named.name) if (named := not_null_name(table, self.column)) is not None else None,
                "held": held,
            }
        )

    def forward(self, context: StepContext) -> tuple[Unit, ...]:
        name = parse_name(self.table)
        table = table_of(context.facts, name)
        before, namer = self._before(context), _namer(context)
        copies = carried(table, self.column, before.new[0], namer, context.reserved("_n"))
        tried = (dry_pass(table, before, self._old(table).not_null),) if self.dry_pass is not False else ()
        return (*tried, *beside(table, before), *copies, self._switch(context, table))

    def _switch(self, context: StepContext, table: Table) -> DdlUnit:
        """Give the unit in which old and new change names; its way back changes them again."""
        name = table.qualified
        alter = f"ALTER TABLE {name.sql}"
        before, after, namer = self._before(context), self._after(context), _namer(context)
        column, hidden, new = (quote_ident(c) for c in (self.column, after.old[0], before.new[0]))
        old = self._old(table)
        default = self.default or (f"({old.default})::{self.type}" if old.default is not None else None)
        renames, again = list[str](), list[str]()
        behind = {i.constraint for i in indexes_of(table, self.column) if i.constraint is not None}
        not_null = not_null_name(table, self.column)
        known_too = (*sorted(behind), *((not_null.name,) if not_null is not None else ()))
        for known in (*(c.name for c in constraints_of(table, self.column)), *known_too):
            renames += _swap(f"{alter} RENAME CONSTRAINT", "", known, namer(known), context.reserved("_x"))
        for index in indexes_of(table, self.column):
            if index.constraint is None:
                schema = f"{quote_ident(name.schema)}."
                renames += _swap("ALTER INDEX", schema, index.name, namer(index.name), context.reserved("_x"))
            if index.clustered:
                again.append(f"{alter} CLUSTER ON {quote_ident(index.name)}")
        defaults = [f"{alter} ALTER COLUMN {column} SET DEFAULT {default}"] if default is not None else []
        return DdlUnit(
            forward=(
                *before.gone(name),
                f"{alter} RENAME COLUMN {column} TO {hidden}",
                f"{alter} RENAME COLUMN {new} TO {column}",
                *renames,
                *again,
                *([f"{alter} ALTER COLUMN {hidden} DROP DEFAULT", *defaults] if default is not None else []),
                *rights_and_comment(name, after.old[0], self.column),
                *after.made(name),
            ),
            backward=(
                *after.gone(name),
                *([f"{alter} ALTER COLUMN {column} DROP DEFAULT"] if default is not None else []),
                f"{alter} RENAME COLUMN {column} TO {new}",
                f"{alter} RENAME COLUMN {hidden} TO {column}",
                *([f"{alter} ALTER COLUMN {column} SET DEFAULT {old.default}"] if old.default is not None else []),
                *renames,
                *again,
                *before.made(name),
            ),
            table=str(name),
        )

    def after(self, context: StepContext) -> Facts:
        table = context.facts.table(self.table)
        found = table.column(self.column) if table is not None else None
        if table is None or found is None:
            return context.facts
        default = found.default if self.default is None or found.default is None else self.default
        new = found.model_copy(update={"type": self.type, "default": default})
        changed = {
            "columns": (*(c for c in table.columns if c.name != self.column), new),
            "in_step": (*table.in_step, self._after(context)),
        }
        return context.facts.with_table(table.model_copy(update=changed))

    def done_when(self, facts: Facts) -> bool:
        table = facts.table(self.table)
        return table is not None and any(k.column == self.column and k.hidden for k in table.in_step)


def _namer(context: StepContext) -> Names:
    """Give reserved names for what is on the column that is not seen; the same name for the same thing."""

    def name_of(name: str) -> str:
        return (context.reserved("_") + name).encode()[:63].decode(errors="ignore")

    return name_of


def _swap(alter: str, schema: str, one: str, other: str, aside: str) -> list[str]:
    """Give the statements that exchange two names; running them again exchanges them back."""
    a, b, x = quote_ident(one), quote_ident(other), quote_ident(aside)
    to = " TO " if schema == "" else " RENAME TO "
    return [f"{alter} {schema}{p}{to}{q}" for p, q in ((a, x), (b, a), (x, b))]
