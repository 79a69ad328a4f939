# SPDX-License-Identifier: Apache-2.0
"""How does SQL keep rows that it drops or narrows, when only running it tells which? By running it twice.

First in a savepoint: the catalog says whose rows would be lost. That is taken back, the rows of those tables are
copied into quarantine, and the SQL runs again, for good. So it does not matter whether a DROP stands in the text, in
a DO block, in a function, or comes by CASCADE.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from backstitch.core.errors import StepFailed
from backstitch.core.ports import Session
from backstitch.core.reverse import reverse
from backstitch.core.reverse.nodes import Kept
from backstitch.core.reverse.using import computes_values
from backstitch.engine.catalog import read_catalog
from backstitch.model.catalog import Catalog, CatalogObject, ObjectId
from backstitch.model.names import QUARANTINE_SCHEMA, RESERVED_PREFIX
from backstitch.model.sql import quote_ident, quote_literal

ROUNDS = 4  # each round keeps the rows that the one before was found to lose


@dataclass(frozen=True)
class Ran:
    """What SQL left, and the statements back. `kept`: the tables, by `schema.name` before, of whose rows are copies."""

    after: Catalog
    statements: tuple[str, ...]
    kept: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()  # those of them that are dropped


class _Tried(Exception):  # rolls the savepoint back
    pass


async def run_keeping(session: Session, before: Catalog, statements: Sequence[str], token: str) -> Ran:
    """Run statements in the caller's transaction; rows they would lose are copied first.

    Raises StepFailed (`NoReverse`) where there is no way back all the same, DatabaseError where a statement fails.
    """
    lost: set[int] = set()
    after = before
    recast = computes_values(statements)
    for _ in range(ROUNDS):
        try:
            async with session.transaction():
                kept = {oid: await _copy(session, before, after, oid, f"{token}_{oid}") for oid in sorted(lost)}
                for statement in statements:
                    await session.execute(statement)
                after = await read_catalog(session)
                if after == before:
                    return Ran(after, ())
                computed = reverse(before, after, kept, recast=recast)
                if not computed.problems:
                    for statement in computed.remember:
                        await session.execute(statement)
                    return _ran(before, after, computed.statements, lost)
                raise _Tried
        except _Tried:
            pass
        if not computed.lost or set(computed.lost) <= lost:
            raise StepFailed(" ".join(computed.problems), reason="NoReverse")
        lost |= set(computed.lost)
    raise StepFailed("The statements drop other tables each time they run.", reason="NoReverse")


def _ran(before: Catalog, after: Catalog, statements: tuple[str, ...], lost: set[int]) -> Ran:
    tables = {oid: before.by_id[ObjectId("pg_class", oid)] for oid in lost}
    names = {oid: f"{t.key.schema}.{t.key.name}" for oid, t in tables.items()}
    gone = tuple(names[oid] for oid, t in tables.items() if t.id not in after.by_id)
    return Ran(after, statements, tuple(names.values()), gone)


async def _copy(session: Session, before: Catalog, after: Catalog, oid: int, token: str) -> Kept:
    """Copy a table's rows as text into quarantine, with the key by which they are found again."""
    table = before.by_id[ObjectId("pg_class", oid)]
    stays = table.id in after.by_id
    name = f"{quote_ident(table.key.schema)}.{quote_ident(table.key.name)}"
    # Rows of partitions are the parent's when a column of it goes; when the table goes, each keeps its own.
    source = name if stays and table.fields["partitionKey"] else f"ONLY {name}"
    copy = f"{quote_ident(QUARANTINE_SCHEMA)}.{quote_ident(f'{RESERVED_PREFIX}rows_{token}')}"
    columns = [
        o for o in before.objects if o.key.kind == "column" and o.id.oid == oid and o.fields.get("generated") is None
    ]
    key = _key(before, after, table) if stays else ()
    values = [f"{quote_ident(c.key.sub)}::text" for c in columns]
    keyed = f"ARRAY[{', '.join(f'{quote_ident(k)}::text' for k in key)}]" if key else "NULL::text[]"
    names = ", ".join(["backstitch_key", *(quote_ident(c.key.sub) for c in columns)])
    await session.execute(f"CREATE TABLE {copy} ({names}) AS SELECT {', '.join([keyed, *values])} FROM {source}")
    if key:
        await session.execute(f"CREATE INDEX ON {copy} (backstitch_key)")
    elif stays and (await session.rows(f"SELECT EXISTS (SELECT FROM {name}) AS some"))[0]["some"]:
        raise StepFailed(
            f"Values of table {table.key.schema}.{table.key.name} would be lost, and it has no key that stays by which "
            "they could be put back. Add a key first.",
            reason="NoKey",
        )
    return Kept(copy, key)


def _key(before: Catalog, after: Catalog, table: CatalogObject) -> tuple[str, ...]:
    """Give the columns of the best key whose columns are there before and after; () for none."""
    if any(o.key.kind == "inheritance" and o.fields.get("bound") is None and o.id.subid == table.id.oid
           for o in before.objects):  # fmt: skip
        return ()  # rows of other tables are among its rows, and may have the same key
    columns = {o.id.subid: o for o in before.objects if o.key.kind == "column" and o.id.oid == table.id.oid}
    keys = [
        [columns[int(n)] for n in o.soft["numbers"]]
        for o in sorted(before.objects, key=lambda o: (o.soft.get("type") != "p", o.key))
        if o.parent == table.id and o.key.kind == "constraint" and o.soft.get("type") in ("p", "u")
    ]
    for key in keys:
        if all(c.id in after.by_id and c.fields["notNull"] for c in key):
            return tuple(c.key.sub for c in key)
    return ()


async def forget_images(session: Session, migration_id: int, step: int, unit: int, ran: Ran) -> None:
    """Drop the row images of tables that come back whole from their copies: those hold what was before all of it."""
    if ran.gone:
        names = ", ".join(quote_literal(n) for n in ran.gone)
        await session.execute(
            f"DELETE FROM backstitch.images WHERE migration_id = {migration_id} AND step = {step} AND unit = {unit} "
            f"AND rel IN ({names})"
        )
