# SPDX-License-Identifier: Apache-2.0
"""What does a database's schema consist of, in a form that can be compared, hashed and created again?

`engine.catalog.read_catalog` reads these values, `engine.fingerprint` compares them, `core.reverse` turns the
difference of two of them into statements. Plain dataclasses: a catalog has thousands of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, NamedTuple

from backstitch.model.base import Frozen

ExceptionName = Literal["columnOrder", "enumValueAdded", "inheritedLocally"]
"""What may differ after a rollback and is still no failure: the closed list.

columnOrder: a column was dropped and added again, so it is the last one now.
enumValueAdded: PostgreSQL cannot take a value out of an enum; nothing uses it.
inheritedLocally: a table was detached from its parent (INHERITS, no partition) and attached again; its columns and
    constraints would now survive a DROP of the parent's.
"""


class ObjectId(NamedTuple):
    """How the catalog itself knows an object; survives a rename. Never part of a fingerprint."""

    classid: str  # catalog, such as `pg_class`
    oid: int
    subid: int = 0  # attnum of a column, else 0


class Key(NamedTuple):
    """How people know an object: the same after it is dropped and made again. `sub` is a column, trigger …"""

    kind: str
    schema: str
    name: str
    sub: str = ""

    def __str__(self) -> str:
        name = f"{self.schema}.{self.name}" if self.schema else self.name
        if not self.sub:
            return f"{self.kind} {name}"
        return f"{self.kind} {self.sub} of {name}" if not self.sub.startswith("(") else f"{self.kind} {name}{self.sub}"


@dataclass(frozen=True, slots=True)
class CatalogObject:
    """One object. `fields` are canonical and hashed; `raw` and `soft` are not.

    raw: for a field whose text mentions other objects' names, a form that does not change when those are renamed.
    soft: what helps to make it again or is only reported (a sequence's position, the default ACL).
    """

    key: Key
    id: ObjectId
    parent: ObjectId | None
    fields: Mapping[str, Any]
    raw: Mapping[str, Any] = field(default_factory=dict)
    soft: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Catalog:
    """Every object of a database but ours, and which needs which (`dependencies`: dependent, what it needs)."""

    server_version: int
    objects: tuple[CatalogObject, ...]
    dependencies: tuple[tuple[ObjectId, ObjectId], ...] = ()

    @cached_property
    def by_id(self) -> dict[ObjectId, CatalogObject]:
        """Give the objects by the server's identity."""
        return {o.id: o for o in self.objects}

    @cached_property
    def by_key(self) -> dict[Key, CatalogObject]:
        """Give the objects by name."""
        return {o.key: o for o in self.objects}

    def to_plain(self) -> dict[str, Any]:
        """Give JSON-ready data for the ledger; `from_plain` reads it back."""
        return {
            "serverVersion": self.server_version,
            "objects": [
                [list(o.key), list(o.id), list(o.parent) if o.parent else None, o.fields, o.raw, o.soft]
                for o in self.objects
            ],
            "dependencies": [[list(a), list(b)] for a, b in self.dependencies],
        }

    @classmethod
    def from_plain(cls, data: Mapping[str, Any]) -> Catalog:
        """Read what `to_plain` gave."""
        return cls(
            server_version=data["serverVersion"],
            objects=tuple(
                CatalogObject(Key(*key), ObjectId(*oid), ObjectId(*parent) if parent else None, fields, raw, soft)
                for key, oid, parent, fields, raw, soft in data["objects"]
            ),
            dependencies=tuple((ObjectId(*a), ObjectId(*b)) for a, b in data["dependencies"]),
        )


class Fingerprint(Frozen):
    """Hashes of a catalog: equal totals mean equal schemas (positions of sequences left out)."""

    total: str  # SHA-256, hex
    objects: dict[str, str]  # SHA-256 by "kind name"

    def changed(self, other: Fingerprint) -> tuple[str, ...]:
        """Give the objects that are not in both, or not the same in both; sorted."""
        names = self.objects.keys() | other.objects.keys()
        return tuple(sorted(n for n in names if self.objects.get(n) != other.objects.get(n)))


class Comparison(Frozen):
    """Whether a schema is what it was."""

    verdict: Literal["Identical", "IdenticalExcept", "Different"]
    exceptions: tuple[ExceptionName, ...] = ()
    differences: tuple[str, ...] = ()  # for people: object, field, both values; those behind exceptions too
    notes: tuple[str, ...] = ()  # what moved on and never goes back: positions of sequences


class Reverse(Frozen):
    """The statements that bring the schema back, in order, for one transaction, each schema-qualified.

    `problems` say why the statements would not give it back; with any of them, don't run the statements.
    `exceptions` are known beforehand not to come back, and harmless.
    `lost`: numbers of the tables before; copies of their rows, made before the migration, would solve every problem.
    `remember`: to run right after the migration, so that copies tell what it left from what is written later.
    """

    statements: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    exceptions: tuple[ExceptionName, ...] = ()
    lost: tuple[int, ...] = ()
    remember: tuple[str, ...] = ()
