# SPDX-License-Identifier: Apache-2.0
"""sql: statements of the user, run as written. The way back is their `down`, or what the catalog and row images say.

Consecutive statements that PostgreSQL takes inside a transaction are one unit. CREATE and DROP INDEX CONCURRENTLY
are units of their own, each with its own way back; that is why a step with one of them can have no `down`.
"""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field, model_validator

from backstitch.model.base import Frozen
from backstitch.model.facts import Facts
from backstitch.model.operations.base import Operation, StepContext
from backstitch.model.script import ScriptError, Statement, split
from backstitch.model.script_effects import (
    created_tables,
    early_enum_values,
    facts_after,
    lossy_types,
    missing_names,
    unkeyed_tables,
)
from backstitch.model.script_index import concurrent_unit, refuse_concurrent
from backstitch.model.script_rules import forbidden
from backstitch.model.sql import QualifiedName, quote_ident
from backstitch.model.units import SqlUnit, Unit


class ConfigMapKey(Frozen):
    """A key of a ConfigMap in the migration's namespace."""

    config_map: str = Field(description="Name of the ConfigMap.", min_length=1, max_length=253)
    key: str = Field(description="Key with the text.", min_length=1, max_length=253)

    @property
    def source(self) -> str:
        """Give the name under which StepContext.sources has the text."""
        return f"{self.config_map}/{self.key}"


class RunSql(Operation):
    """Runs SQL as written."""

    kind: ClassVar[str] = "sql"
    data: ClassVar[bool] = True

    up: str | None = Field(default=None, description="SQL to run; one or more statements.", max_length=100_000)
    up_from: ConfigMapKey | None = Field(default=None, description="Where the SQL to run is, instead of up.")
    down: str | None = Field(
        default=None,
        description="SQL that undoes it. Left out, the way back is computed from the catalog and the changed rows.",
        max_length=100_000,
    )
    down_from: ConfigMapKey | None = Field(default=None, description="Where the undoing SQL is, instead of down.")

    @model_validator(mode="after")
    def _one_text_each(self) -> RunSql:
        if (self.up is None) == (self.up_from is None):
            raise ValueError("sql needs exactly one of up and upFrom")
        if self.down is not None and self.down_from is not None:
            raise ValueError("sql takes down or downFrom, not both")
        return self

    def tables(self) -> tuple[str, ...]:
        """Give the tables that inline `up` writes, as a person would name them; () when it is in a ConfigMap."""
        try:
            statements = split(self.up or "")
        except ScriptError:
            return ()
        return tuple(dict.fromkeys(_as_written(name) for s in statements for name in s.writes))

    def sources(self) -> tuple[str, ...]:
        """Give the ConfigMap keys this needs, as "configmap/key"."""
        return tuple(f.source for f in (self.up_from, self.down_from) if f is not None)

    def refuse(self, context: StepContext) -> tuple[str, ...]:
        missing = tuple(
            f"ConfigMap key {name} was not found in the migration's namespace; create it."
            for name in self.sources()
            if name not in context.sources
        )
        if missing:
            return missing
        try:
            up = self._split(context, self.script(context))
        except ScriptError as error:
            return (f"up, {error}",)
        created = created_tables(up)
        reasons = [f"up, line {s.line}: {r} ({s.excerpt})" for s in up if (r := forbidden(s, created))]
        if reasons:
            return tuple(reasons)
        for statement in up:
            if not statement.in_transaction:
                reasons += [
                    f"up, line {statement.line}: {r} ({statement.excerpt})"
                    for r in refuse_concurrent(statement, context.facts)
                ]
        reasons += [f"up, {r}" for r in (*missing_names(up, context.facts), *early_enum_values(up))]
        down = self._down(context)
        if down is None:
            reasons += self.no_way_back(context) if context.accepts is None else ()
        else:
            reasons += _refuse_down(down, up, created, context.default_schema)
        return tuple(reasons)

    def no_way_back(self, context: StepContext) -> tuple[str, ...]:
        """Give why this cannot be taken back, as far as text and facts say; () where it can, or has a `down`."""
        if self._down(context) is not None:
            return ()
        try:
            up = self._split(context, self.script(context))
        except ScriptError:
            return ()
        return tuple(f"up, {r}" for r in (*unkeyed_tables(up, context.facts), *lossy_types(up, context.facts)))

    def forward(self, context: StepContext) -> tuple[Unit, ...]:
        units: list[Unit] = []
        together: list[str] = []
        down = self._down(context)
        undo = tuple(s.text for s in self._split(context, down)) if down is not None else None
        for statement in self._split(context, self.script(context)):
            if statement.in_transaction:
                together.append(statement.text)
                continue
            if together:
                units.append(SqlUnit(statements=tuple(together), accepts=context.accepts))
                together = []
            units.append(concurrent_unit(statement, context.facts))
        if together:
            # With `down` there are no concurrent statements (refuse), so this is the only unit.
            units.append(SqlUnit(statements=tuple(together), down=undo, accepts=context.accepts))
        return tuple(units)

    def after(self, context: StepContext) -> Facts:
        try:
            return facts_after(self._split(context, self.script(context)), context.facts)
        except ScriptError:
            return context.facts.model_copy(update={"certain": False})

    def script(self, context: StepContext) -> str:
        """Give the SQL to run, "" when its ConfigMap key was not read."""
        return self.up if self.up is not None else self._text(context, self.up_from)

    def _down(self, context: StepContext) -> str | None:
        if self.down is not None:
            return self.down
        return self._text(context, self.down_from) if self.down_from is not None else None

    @staticmethod
    def _split(context: StepContext, text: str) -> tuple[Statement, ...]:
        return split(text, context.default_schema)

    @staticmethod
    def _text(context: StepContext, key: ConfigMapKey | None) -> str:
        return context.sources.get(key.source, "") if key is not None else ""


def _refuse_down(
    down: str, up: tuple[Statement, ...], created: frozenset[QualifiedName], default_schema: str
) -> list[str]:
    try:
        statements = split(down, default_schema)
    except ScriptError as error:
        return [f"down, {error}"]
    added = _added_columns(up)
    reasons = []
    for statement in statements:
        # A `down` may remove what its own `up` has made.
        dropped = {
            (name, command.text("name"))
            for command in statement.node.find("AlterTableCmd")
            if command.text("subtype") == "AT_DropColumn"
            for name in statement.writes
        }
        own = created | {name for name, _ in dropped} if dropped and dropped <= added else created
        reason = forbidden(statement, own)
        if reason is None and not statement.in_transaction:
            reason = "down runs in one transaction, and this statement cannot. Leave CONCURRENTLY out."
        if reason is not None:
            reasons.append(f"down, line {statement.line}: {reason} ({statement.excerpt})")
    outside = next((s for s in up if not s.in_transaction), None)
    if outside is not None:
        reasons.append(
            f"up, line {outside.line}: a statement outside transactions brings its own way back, so a step with one "
            f"takes no down. Put it into a step of its own ({outside.excerpt})"
        )
    return reasons


def _added_columns(up: tuple[Statement, ...]) -> set[tuple[QualifiedName, str]]:
    return {
        (name, column.text("colname"))
        for statement in up
        for command in statement.node.find("AlterTableCmd")
        if command.text("subtype") == "AT_AddColumn" and (column := command.node("def")) is not None
        for name in statement.writes
    }


def _as_written(name: QualifiedName) -> str:
    return ".".join(quote_ident(part) if "." in part or '"' in part else part for part in name)
