# SPDX-License-Identifier: Apache-2.0
"""What a hazard is: one row of the table, what a row may look at, and what is found.

The rows are in hazards_<subject>.py, one subject each; core/hazards.py puts them together and asks them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from backstitch.model.base import Frozen
from backstitch.model.facts import Facts, Table
from backstitch.model.script import Node, Statement
from backstitch.model.script_shape import name_of
from backstitch.model.spec import Environment
from backstitch.model.sql import QualifiedName

Level = Literal["error", "warning", "policy"]
"""error: stops the application or the rollback. warning: know what you do. policy: a house rule, for information."""

EVERYWHERE: tuple[Environment, ...] = ("development", "staging", "production")
GUARDED: tuple[Environment, ...] = ("staging", "production")

SMALL_ROWS = 10_000  # below this, scans and rewrites take milliseconds (5.3 of safety.md: over 500,000 rows a second)
LARGE_ROWS = 100_000


@dataclass(frozen=True)
class Look:
    """One statement and what surrounds it."""

    statement: Statement
    before: Mapping[str, Sequence[Statement]] = field(default_factory=dict)  # earlier ones, by the kind of their node
    facts: Facts | None = None
    created: frozenset[QualifiedName] = frozenset()  # tables new in this migration, up to here

    @property
    def node(self) -> Node:
        """Give the statement's tree."""
        return self.statement.node

    @property
    def table(self) -> QualifiedName | None:
        """Give the table the statement is about, if it names one first."""
        return self.statement.writes[0] if self.statement.writes else None

    def earlier(self, kind: str) -> Sequence[Statement]:
        """Give the earlier statements of the script whose tree is of this kind."""
        return self.before.get(kind, ())

    def commands(self, *subtypes: str) -> Iterator[Node]:
        """Give the clauses of these kinds of an ALTER TABLE on a table that is not new."""
        if self.statement.tag == "ALTER TABLE" and self.is_old():
            yield from (c for c in self.node.nodes("cmds") if c.text("subtype") in subtypes)

    def is_old(self, name: QualifiedName | None = None) -> bool:
        """Tell whether the table was there before this migration; nobody uses one that is new."""
        name = name or self.table
        return name is not None and name not in self.created

    def known(self, name: QualifiedName | None = None) -> Table | None:
        """Give the facts of a table, if they are there and certain."""
        name = name or self.table
        table = self.facts.tables.get(str(name)) if self.facts is not None and name is not None else None
        return table if table is not None and table.certain else None


@dataclass(frozen=True)
class Found:
    """One place a row applies to."""

    what: str  # completes "because": names column, constraint or index
    table: QualifiedName | None = None


@dataclass(frozen=True)
class Rule:
    """One row of the table of hazards. `find` gives where it applies; the words are for people and for the docs."""

    id: str
    level: Level
    when: str
    lock: str
    cost: str
    effect: str  # on the application, or on the way back
    safe: str
    find: Callable[[Look], Iterable[Found]] = field(compare=False)
    by_size: bool = False  # True: harmless on a small table
    impossible: bool = False  # True: PostgreSQL, or the sql step whatever the environment, refuses it

    @property
    def blocks_in(self) -> tuple[Environment, ...]:
        """Give the environments in which this refuses a migration."""
        if self.impossible:
            return EVERYWHERE
        return GUARDED if self.level == "error" else ()


class Hazard(Frozen):
    """One hazard that was found."""

    id: str
    level: Level
    line: int
    message: str
    table: str | None = None
    statement: str
    lock: str
    cost: str
    safe: str
    blocks_in: tuple[Environment, ...]


def columns_of(node: Node) -> Iterator[Node]:
    """Give the column definitions of CREATE TABLE or ADD COLUMN."""
    for item in node.nodes("tableElts"):
        if item.kind == "ColumnDef":
            yield item
    for command in node.nodes("cmds"):
        definition = command.node("def")
        if command.text("subtype") == "AT_AddColumn" and definition is not None:
            yield definition


def constraints_of(node: Node, *kinds: str) -> Iterator[Node]:
    """Give the constraints of a column, a table or an ALTER TABLE, as written there."""
    for item in (*node.nodes("constraints"), *node.nodes("tableElts")):
        if item.kind == "Constraint" and item.text("contype") in kinds:
            yield item
    for command in node.nodes("cmds"):
        definition = command.node("def")
        if definition is not None and definition.kind == "Constraint" and definition.text("contype") in kinds:
            yield definition


def added_constraints(look: Look, *kinds: str) -> Iterator[Node]:
    """Give the constraints that ALTER TABLE … ADD CONSTRAINT adds to a table that is not new."""
    for command in look.commands("AT_AddConstraint"):
        definition = command.node("def")
        if definition is not None and definition.text("contype") in kinds:
            yield definition


def relation_name(look: Look) -> QualifiedName | None:
    """Give the relation that a statement such as RENAME is about."""
    relation = look.node.node("relation")
    return name_of(relation, look.statement.schema) if relation is not None else None
