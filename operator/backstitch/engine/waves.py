# SPDX-License-Identifier: Apache-2.0
"""How is a stretch of keys taken so that most of its rows stay where they are? In waves: a part of the rows at a time.

An UPDATE that takes every row of a full page must put all new versions elsewhere, and every index gets a second entry
for each. Taken an eighth at a time, each eighth in a transaction of its own, only the first moves: the room it leaves
is used by the next ones in place (heap-only), and no index is touched. That goes only where no index has a column that
is set. Which wave a row is in depends on its key alone, so each row is in one wave of its stretch, whatever the
application writes meanwhile; the stretch and the waves left are in the cursor, in the batch's own transaction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from backstitch.core.ports import Session
from backstitch.engine.capture import Captured
from backstitch.model.sql import quote_ident
from backstitch.model.units import BatchUnit

WAVES = 8
MOST = 1 << 14
_INTEGERS = ("smallint", "integer", "bigint")


@dataclass(frozen=True)
class Stretch:
    """Keys up to `upper`, in `of` parts of about `rows` rows each; those in `todo` are left."""

    upper: list[str]
    of: int
    todo: tuple[int, ...]
    rows: int

    @classmethod
    def read(cls, plain: dict[str, Any]) -> Stretch:
        """Read it as the cursor has it."""
        return cls(plain["upper"], plain["of"], tuple(plain["todo"]), plain["rows"])

    def to_plain(self) -> dict[str, Any]:
        """Give it as the cursor has it."""
        return {"upper": self.upper, "of": self.of, "todo": list(self.todo), "rows": self.rows}

    def in_bites_of(self, size: int) -> Stretch:
        """Give the same rows in smaller parts where `size` rows at once is what may be taken now.

        Numbers modulo n that are r are, modulo 2n, r or r + n: what is left stays what is left.
        """
        of, todo, rows = self.of, self.todo, self.rows
        while rows > size and of < MOST:
            todo, of, rows = tuple(sorted((*todo, *(r + of for r in todo)))), of * 2, (rows + 1) // 2
        return Stretch(self.upper, of, todo, rows)

    def condition(self, table: Captured, types: Sequence[str]) -> list[str]:
        """Give the SQL conditions that pick the first part left, besides the bounds."""
        if self.of == 1:
            return []
        return [f"({wave_of(table, types)} & {self.of - 1}) = {self.todo[0]}"]

    def after_one(self) -> Stretch | None:
        """Give what is left after the first part; None: nothing."""
        return Stretch(self.upper, self.of, self.todo[1:], self.rows) if len(self.todo) > 1 else None


def wave_of(table: Captured, types: Sequence[str]) -> str:
    """Give the SQL expression that tells a row's wave from its key: a hash, because numbers come in steps."""
    hashes = []
    for column, kind in zip(table.key, types, strict=True):
        name = f"{quote_ident(table.name)}.{quote_ident(column)}"
        if kind in _INTEGERS:
            hashes.append(f"pg_catalog.hashint8({name}::bigint)")
        else:
            hashes.append(f'pg_catalog.hashtext({name}::text COLLATE "C")')
    return " # ".join(hashes) if len(hashes) == 1 else f"({' # '.join(hashes)})"


# A column is in an index as one of its columns, or in an expression or condition of it.
_INDEXED = """
SELECT FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attname = ANY(%s)
 WHERE i.indrelid IN (SELECT %s::bigint::oid UNION ALL SELECT relid FROM pg_partition_tree(%s::bigint::oid::regclass))
   AND (a.attnum = ANY(i.indkey) OR EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass
        AND d.objid = i.indexrelid AND d.refobjid = i.indrelid AND d.refobjsubid = a.attnum)) LIMIT 1
"""


async def can_stay(session: Session, unit: BatchUnit, table: Captured) -> bool:
    """Tell whether new versions of the rows can stay on their pages: no index has a column that is set."""
    if not unit.sets:
        return False
    return not await session.rows(_INDEXED, (list(unit.sets), table.oid, table.oid))
