# SPDX-License-Identifier: Apache-2.0
"""How do DROP TABLE and DROP COLUMN keep what they drop? As the operations dropTable and dropColumn do: in quarantine.

What goes along with them (by CASCADE, or indexes and constraints of a column) is found by trying the statement in a
savepoint, and dropped by name first, so that the catalog's difference gives it back.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from backstitch.core.errors import StepFailed
from backstitch.core.ports import Session
from backstitch.core.reverse import reverse
from backstitch.engine.catalog import read_catalog
from backstitch.engine.facts import read_facts
from backstitch.engine.roundtrip_script import dropped_columns, without_column_drops
from backstitch.model.catalog import Catalog, CatalogObject, ObjectId
from backstitch.model.operations.base import Operation, StepContext
from backstitch.model.operations.drop_column import DropColumn
from backstitch.model.operations.drop_table import DropTable
from backstitch.model.script import Statement
from backstitch.model.sql import QualifiedName, quote_ident
from backstitch.model.units import DdlUnit


@dataclass(frozen=True)
class Dropped:
    """What the catalog is now, and the statements back, in the order to run."""

    after: Catalog
    statements: tuple[str, ...]


class _Tried(Exception):  # rolls the savepoint back
    pass


async def drop_for_a_while(session: Session, before: Catalog, statement: Statement, token: str) -> Dropped:
    """Do what a DROP TABLE or an ALTER TABLE with DROP COLUMN does, keeping the rows.

    Runs in the caller's transaction. Raises StepFailed (`NoReverse`) with the reason where nothing can be kept,
    DatabaseError where the statement itself fails.
    """
    columns = dropped_columns(statement.node)
    named = await _tables(session, statement)
    if not named:
        await session.execute(statement.text)  # temporary tables, views, or nothing there
        now = await read_catalog(session)
        return Dropped(now, _way_back(before, now))
    wanted = await _try(session, statement)
    backs: list[tuple[str, ...]] = []
    gone = [o for o in before.objects if o.id not in wanted.by_id]
    kept = _own(before, gone, named, columns)
    along = {o.id for o in gone if o.id not in kept}
    if not columns:
        named = _with_partitions(before, named)
        kept = _own(before, gone, named, columns)
        along = {o.id for o in gone if o.id not in kept} | _keys_between(before, named)
    kept_columns = [before.by_id[i].key.sub for i in kept if before.by_id[i].key.kind == "column"] if columns else None
    numbered = {i for i in kept if before.by_id[i].key.kind == "column" and before.by_id[i].fields.get("identity")}
    numbered = numbered if columns else set()
    now = before
    if along or numbered:
        left = (_unnumbered(o) if o.id in numbered else o for o in before.objects if o.id not in along)
        reduced = replace(before, objects=tuple(left))
        first = reverse(reduced, before)
        if first.problems:
            raise StepFailed(" ".join(first.problems), reason="NoReverse")
        for text in first.statements:
            await session.execute(text)
        now = await read_catalog(session)
        backs.append(_way_back(before, now))
    backs += [await _quarantine(session, o, f"{token}{n:04x}") for n, o in enumerate(_operations(named, kept_columns))]
    now = await read_catalog(session)
    rest = without_column_drops(statement) if columns else None
    if rest is not None:
        await session.execute(rest)
        later = await read_catalog(session)
        backs.append(_way_back(now, later))
        now = later
    return Dropped(now, tuple(text for back in reversed(backs) for text in back))


async def _tables(session: Session, statement: Statement) -> list[QualifiedName]:
    """Give the tables that a statement drops or changes, as they are found on the search path now."""
    found = []
    for schema, name in _names(statement):
        written = f"{quote_ident(schema)}.{quote_ident(name)}" if schema else quote_ident(name)
        rows = await session.rows(
            "SELECT n.nspname::text AS schema, c.relname::text AS name FROM pg_catalog.pg_class c "
            "JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace "
            "WHERE c.oid = to_regclass(%s) AND c.relkind IN ('r', 'p') AND c.relpersistence <> 't'",
            (written,),
        )
        found += [QualifiedName(r["schema"], r["name"]) for r in rows]
    return found


def _names(statement: Statement) -> list[tuple[str, str]]:
    node = statement.node
    if node.kind == "DropStmt":
        parts = [tuple(item.strings("items"))[-2:] for item in node.nodes("objects")]
        return [(p[0] if len(p) > 1 else "", p[-1]) for p in parts]
    relation = node.node("relation")
    return [(relation.text("schemaname"), relation.text("relname"))] if relation is not None else []


async def _try(session: Session, statement: Statement) -> Catalog:
    try:
        async with session.transaction():
            await session.execute(statement.text)
            wanted = await read_catalog(session)
            raise _Tried
    except _Tried:
        pass
    return wanted


def _own(before: Catalog, gone: list[CatalogObject], named: list[QualifiedName], columns: list[str]) -> set[ObjectId]:
    """Give what goes into quarantine with its table or column: everything below it."""
    if columns:
        tops = {
            o.id
            for o in gone
            if o.key.kind == "column"
            and (o.key.schema, o.key.name) == named[0]
            and o.key.sub in columns
            and o.fields.get("generated") is None  # what is computed needs no keeping
        }
        return _with_sequences(
            before, tops, tops | {o.id for o in gone if o.parent in tops and o.key.kind == "default"}
        )
    tops = {o.id for o in gone if o.key.kind == "table" and (o.key.schema, o.key.name) in named}
    own: set[ObjectId] = set(tops)
    for _ in range(6):
        own |= {o.id for o in gone if o.parent is not None and o.parent._replace(subid=0) in tops | own}
    return _with_sequences(before, tops, own)


def _with_sequences(before: Catalog, tops: set[ObjectId], own: set[ObjectId]) -> set[ObjectId]:
    """Add the sequences that serial columns own."""
    for one, other in before.dependencies:
        sequence = before.by_id.get(one)
        if sequence is not None and sequence.key.kind == "sequence" and {other, other._replace(subid=0)} & tops:
            own.add(one)
    return own


def _unnumbered(column: CatalogObject) -> CatalogObject:
    """An identity column numbers every new row, also unseen: it is kept as a plain one."""
    return replace(column, fields={**column.fields, "identity": None}, soft={})


def _with_partitions(before: Catalog, named: list[QualifiedName]) -> list[QualifiedName]:
    """Add the partitions of the tables, and theirs: they go with them, but their rows are their own."""
    found = list(dict.fromkeys(named))
    for name in found:  # grows while it runs
        parents = {o.id.oid for o in before.objects if o.key.kind == "table" and (o.key.schema, o.key.name) == name}
        links = [o for o in before.objects if o.key.kind == "inheritance" and o.fields.get("bound") is not None]
        for link in links:
            child = before.by_id.get(link.parent) if link.parent is not None else None
            if child is not None and link.id.subid in parents:  # read_catalog numbers a link by its parent
                found.append(QualifiedName(child.key.schema, child.key.name))
    return found


def _keys_between(before: Catalog, named: list[QualifiedName]) -> set[ObjectId]:
    """Give what holds tables in place that are dropped: foreign keys between them, and being a partition or child."""
    tables = {o.id for o in before.objects if o.key.kind == "table" and (o.key.schema, o.key.name) in named}
    return {
        o.id
        for o in before.objects
        if o.parent in tables
        and (
            o.key.kind == "inheritance" or (len(named) > 1 and o.key.kind == "constraint" and o.soft.get("type") == "f")
        )
    }


def _operations(named: list[QualifiedName], columns: list[str] | None) -> list[Operation]:
    if columns is not None:
        return [DropColumn(table=named[0].sql, column=c) for c in columns]
    return [DropTable(table=name.sql) for name in dict.fromkeys(named)]


async def _quarantine(session: Session, operation: Operation, token: str) -> tuple[str, ...]:
    facts = await read_facts(session)
    context = StepContext(facts=facts, step="roundtrip", token=token)
    table = facts.table(operation.tables()[0])
    empty_shell = isinstance(operation, DropTable) and table is not None and table.kind == "partitioned"
    reasons = operation.refuse(context)
    if reasons and not empty_shell:  # its partitions are detached and kept by themselves
        raise StepFailed(" ".join(reasons), reason="NoReverse")
    units = [u for u in operation.forward(context) if isinstance(u, DdlUnit)]
    for unit in units:
        for text in unit.forward:
            await session.execute(text)
    return tuple(text for unit in reversed(units) for text in unit.backward)


def _way_back(before: Catalog, after: Catalog) -> tuple[str, ...]:
    computed = reverse(before, after)
    if computed.problems:
        raise StepFailed(" ".join(computed.problems), reason="NoReverse")
    return computed.statements
