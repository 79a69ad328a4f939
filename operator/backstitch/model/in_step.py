# SPDX-License-Identifier: Apache-2.0
"""How do an old and a new shape of a row stay in step? One row trigger that decides from the row itself.

It looks at which columns a statement changed, never at who is asking, so it works behind poolers and for applications
that know nothing of it. It only assigns to NEW and writes no row of its own: nothing can set it off again, whatever
triggers there are. (pg_trigger_depth() would not do: it is above 1 also where a trigger of the application writes,
and those rows must be kept in step too.) Its name sorts behind others, so it sees what their BEFORE triggers made.
"""

from __future__ import annotations

import re
from typing import Literal

from backstitch.model.base import Frozen
from backstitch.model.names import QUARANTINE_SCHEMA, RESERVED_PREFIX
from backstitch.model.sql import QualifiedName, quote_ident, quote_literal

TRIGGER_PREFIX = f"~{RESERVED_PREFIX}"
"""Begins the names of these triggers: `~` sorts behind all letters, and BEFORE triggers fire in order of name."""

# An expression gives the same in every session.
_PINNED = "SET timezone = 'UTC' SET datestyle = 'ISO, MDY' SET intervalstyle = 'postgres' SET extra_float_digits = 1"

Way = Literal["both", "up", "down"]


class Held(Frozen):
    """A check or foreign key on old columns that are hidden, for their way back."""

    name: str
    definition: str
    validated: bool = True


class InStep(Frozen):
    """Old and new columns of a table that are kept in step; it is the comment of the trigger, so it goes with it."""

    name: str  # of the function; with TRIGGER_PREFIX's `~` before it, of the trigger
    step: str  # name of the step that made it
    column: str  # the old shape as a person names it: its only column, or its first
    table: str  # its bare name, which expressions may use
    old: tuple[str, ...]
    new: tuple[str, ...]
    old_as: tuple[str, ...]  # how `up` names the old columns, whatever they are called now
    new_as: tuple[str, ...]  # how `down` names the new ones
    new_types: tuple[str, ...]
    new_defaults: tuple[str | None, ...]  # a given value is told by being another than this
    up: tuple[str, ...]  # one expression for each new column, over the row
    down: tuple[str, ...]  # one for each old column
    seen: tuple[str, ...]  # other columns that expressions may name
    way: Way = "both"
    hidden: bool = False  # the old columns have reserved names: facts do not show them
    not_null: bool = False  # of hidden old columns
    not_null_name: str | None = None  # from PostgreSQL 18 on
    held: tuple[Held, ...] = ()

    @property
    def trigger(self) -> str:
        """Give the trigger's name."""
        return f"~{self.name}"

    def made(self, table: QualifiedName, *, filling: bool = False) -> tuple[str, ...]:
        """Give the statements that make function, trigger and marker, for one transaction."""
        on = f"{quote_ident(self.trigger)} ON {table.sql}"
        return (
            self.function(filling=filling),
            f"CREATE TRIGGER {quote_ident(self.trigger)} BEFORE INSERT OR UPDATE ON {table.sql} "
            f"FOR EACH ROW EXECUTE FUNCTION {self._function}()",
            # also where rows come by logical replication, or with session_replication_role = replica
            f"ALTER TABLE ONLY {table.sql} ENABLE ALWAYS TRIGGER {quote_ident(self.trigger)}",
            f"COMMENT ON TRIGGER {on} IS {quote_literal(self.model_dump_json())}",
        )

    def gone(self, table: QualifiedName) -> tuple[str, ...]:
        """Give the statements that take trigger, marker and function away."""
        return (self.trigger_gone(table), f"DROP FUNCTION {self._function}()")

    def trigger_gone(self, table: QualifiedName) -> str:
        """Give the statement that takes the trigger away, and with it its marker."""
        return f"DROP TRIGGER {quote_ident(self.trigger)} ON {table.sql}"

    def function_gone(self) -> str:
        """Give the statement that takes the function away, where it is still there."""
        return f"DROP FUNCTION IF EXISTS {self._function}()"

    # Not in the ledger's schema: backups leave that one out, and the trigger must come back from a restore.
    @property
    def _function(self) -> str:
        return f"{quote_ident(QUARANTINE_SCHEMA)}.{quote_ident(self.name)}"

    def function(self, *, filling: bool = False) -> str:
        """Give the function. `filling`: it also fills rows that pass by and have no new values yet."""
        return (
            f"CREATE OR REPLACE FUNCTION {self._function}() RETURNS trigger LANGUAGE plpgsql "
            f"SET search_path FROM CURRENT {_PINNED} AS {quote_literal(self._body(filling))}"
        )

    def out_of_step(self) -> str:
        """Give the condition of the table's rows whose old values do not say what their new ones do."""
        return f"(SELECT {self._differs('')})"

    def old_again(self, table: QualifiedName) -> str:
        """Give the statement that makes old values from new ones, where they are out of step."""
        row = "backstitch_row."
        columns, olds = (
            ", ".join(quote_ident(c) for c in self.old),
            ", ".join(f"{row}{quote_ident(c)}" for c in self.old),
        )
        values, known = ", ".join(f"({e})" for e in self.down), self._from(self.down, "down", row)
        # Where an expression loses something, up(old) may not be new and yet old is what it must be.
        same = f"ROW({olds})::text IS NOT DISTINCT FROM ROW({values})::text"
        return (
            f"UPDATE {table.sql} AS backstitch_row SET ({columns}) = (SELECT {values} {known}) "
            f"WHERE (SELECT {self._differs(row)}) AND NOT (SELECT {same} {known})"
        )

    def _differs(self, row: str) -> str:
        new = ", ".join(f"{row}{quote_ident(c)}" for c in self.new)
        return f"{_differ(_casts(self.up, self.new_types), new)} {self._from(self.up, 'up', row)}"

    def old_row(self, row: str) -> str:
        """Give a FROM clause in which `up` finds its columns, out of a record's fields."""
        return self._from((*self.up, *(quote_ident(c) for c in self.old_as)), "up", f"{row}.")

    def _from(self, expressions: tuple[str, ...], way: Way, row: str) -> str:
        """Give the row as expressions know it: `up` names the old columns, `down` the new ones."""
        known = dict(
            zip(self.old_as, self.old, strict=True) if way == "up" else zip(self.new_as, self.new, strict=True)
        )
        known.update({c: c for c in self.seen if c not in known})
        named = {c: at for c, at in known.items() if any(mentions(e, c) for e in expressions)}
        columns = ", ".join(f"{row}{quote_ident(at)} AS {quote_ident(c)}" for c, at in named.items())
        return f"FROM (SELECT {columns}) AS {quote_ident(self.table)}"

    def _assign(self, columns: tuple[str, ...], expressions: tuple[str, ...], way: Way) -> str:
        values = ", ".join(f"({e})" for e in expressions)
        into = ", ".join(f"NEW.{quote_ident(c)}" for c in columns)
        return f"SELECT {values} INTO {into} {self._from(expressions, way, 'NEW.')};"

    def _body(self, filling: bool) -> str:
        to_new, to_old = self._assign(self.new, self.up, "up"), self._assign(self.old, self.down, "down")
        empty = " AND ".join(f"NEW.{quote_ident(c)} IS NULL" for c in self.new)
        fill = f"\n  ELSIF NOT new_given AND {empty} THEN\n    {to_new}" if filling and self.way != "down" else ""
        default = ", ".join(f"({d or 'NULL'})::{t}" for d, t in zip(self.new_defaults, self.new_types, strict=True))
        if self.way == "up":  # nobody knows the new columns yet
            todo = f"  IF old_given OR TG_OP = 'INSERT' THEN\n    {to_new}{fill}\n  END IF;"
        elif self.way == "down":  # nobody knows the old columns any more
            stale = f" OR ({' AND '.join(f'NEW.{quote_ident(c)} IS NULL' for c in self.old)})" if filling else ""
            todo = f"  IF new_given OR TG_OP = 'INSERT'{stale} THEN\n    {to_old}\n  END IF;"
        else:
            todo = f"""  IF new_given THEN
    -- In step already: nothing to do. So a writer may give both, and filling changes no old value.
    differs := (SELECT {self._differs("NEW.")});
    IF differs THEN
      {to_old}
    END IF;
  ELSIF old_given OR TG_OP = 'INSERT' THEN
    {to_new}{fill}
  END IF;"""
        return f"""
#variable_conflict use_column
DECLARE
  old_given boolean; new_given boolean; differs boolean;
BEGIN
  -- *<> compares what is stored: it tells 1.0 from 1.00, takes NULLs as equal, and works for every type.
  IF TG_OP = 'INSERT' THEN
    old_given := true;
    new_given := {_differ(_new(self.new), default)};
  ELSE
    old_given := {_differ(_new(self.old), _new(self.old, "OLD"))};
    new_given := {_differ(_new(self.new), _new(self.new, "OLD"))};
  END IF;
{todo}
  RETURN NEW;
END"""


def _differ(one: str, other: str) -> str:
    # as records: else the parser compares column by column, and *<> is for whole rows
    return f"ROW({one})::record *<> ROW({other})::record"


def _new(columns: tuple[str, ...], row: str = "NEW") -> str:
    return ", ".join(f"{row}.{quote_ident(c)}" for c in columns)


def _casts(expressions: tuple[str, ...], types: tuple[str, ...]) -> str:
    return ", ".join(f"({e})::{t}" for e, t in zip(expressions, types, strict=True))


def mentions(expression: str, column: str) -> bool:
    """Tell whether an expression may name a column. It may say yes where it does not; never no where it does."""
    if quote_ident(column) in expression:
        return True
    return column in re.findall(r"[^\W\d][\w$]*", expression.lower())
