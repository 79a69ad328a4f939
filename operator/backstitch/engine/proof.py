# SPDX-License-Identifier: Apache-2.0
"""Is the database what it was? Taken down at the start, compared after a rollback.

Two questions. The schema: every catalog object equal, field by field. The rows of every table the migration wrote:
each row it touched holds its old values again or was written by the application later (and is listed), and where
nobody else wrote, the digest of the whole table is what it was. In a small database every table is digested, as a
second, independent look; in a large one tables it did not write need no proof by hashing, because the server counts
what our transactions write and every written table is watched.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from backstitch.core.ports import Session
from backstitch.engine.capture import Captured, look_at_tables
from backstitch.engine.catalog import read_catalog
from backstitch.engine.context import Run
from backstitch.engine.digest import all_digests, table_digest
from backstitch.engine.down import EVERY_TABLE
from backstitch.engine.fingerprint import compare, fingerprint
from backstitch.engine.image_sql import column_types, differs_from_start, same_key, value_of
from backstitch.engine.prove_point import StartRows
from backstitch.model.backup import Manifest, TableDigest
from backstitch.model.catalog import Catalog
from backstitch.model.record import ProofVerdict
from backstitch.model.sql import quote_ident, quote_literal

SHOWN = 10
PROVE_ALL_ROWS = 1_000_000  # about one second of digests on one core (safety.md 5.3)


class Proof:
    """The findings, gathered one by one; the verdict follows from them."""

    def __init__(self) -> None:
        self.exceptions: list[str] = []
        self.differences: list[str] = []
        self.tables = 0
        self._different = False

    def except_for(self, name: str) -> None:
        """Note something of the closed list that is known not to be equal."""
        if name not in self.exceptions:
            self.exceptions.append(name)

    def differ(self, what: str) -> None:
        """Note a difference that nothing excuses."""
        self._different = True
        self.differences.append(what)

    @property
    def verdict(self) -> ProofVerdict:
        """Give Identical, IdenticalExcept (a closed list of harmless things) or Different."""
        if self._different:
            return "Different"
        return "IdenticalExcept" if self.exceptions else "Identical"


async def take_start(session: Session, backup: Manifest | StartRows | None) -> dict[str, Any]:
    """Take down what the database is before the first change.

    A backup's digests are used as they are, with the snapshot they were taken in: what the application writes while
    the backup is being proven is then known to be its own.
    """
    async with session.transaction():
        await session.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        catalog = await read_catalog(session)
        taken = dict(backup.tables) if backup is not None else await all_digests(session)
        rows = await session.rows("SELECT pg_current_snapshot()::text AS snapshot")
    return {
        "catalog": catalog.to_plain(),
        "fingerprint": fingerprint(catalog).total,
        "digests": {rel: d.to_plain() for rel, d in taken.items()},
        "snapshot": backup.snapshot if backup is not None else rows[0]["snapshot"],
    }


@dataclass(frozen=True)
class Exact:
    """What is known of a table whose writers were followed, row by row."""

    wrong: int  # rows that are not the backup's with the application's writes on top
    theirs: int  # rows that the application wrote


async def prove(run: Run, exact: Mapping[str, Exact] | None = None) -> Proof:
    """Compare the database with the start of this migration; changes nothing.

    `exact` has the tables (`schema.name`) that were compared with what the application is known to have written.
    """
    proof = Proof()
    start = run.entry.start or {}
    async with run.session.transaction():
        await run.session.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        comparison = compare(Catalog.from_plain(start["catalog"]), await read_catalog(run.session))
        if comparison.verdict == "Different":
            for difference in comparison.differences[:SHOWN]:
                proof.differ(difference)
        else:
            proof.exceptions += list(comparison.exceptions)
            proof.differences += list(comparison.differences[:SHOWN])
        rows_at_start = sum(d["rows"] for d in start["digests"].values())
        downs = await _downs(run.session, run.id)
        unseen = bool(downs.unwatched)
        for rel in await _touched(run.session, run.id, list(start["digests"]), rows_at_start, by_hand=unseen):
            known = (exact or {}).get(rel)
            by_hand = downs.may_have_written(rel)
            await _prove_table(run.session, run.id, rel, start, proof, by_hand=by_hand, known=known)
            proof.tables += 1
        if downs.overwritten:
            proof.differ(
                f"the step's own `down` has overwritten what the application wrote to {', '.join(downs.overwritten)}; "
                "backstitch.images has what was there"
            )
    return proof


@dataclass(frozen=True)
class Downs:
    """What the hand-written `down`s of this migration have done that row images cannot answer for."""

    unwatched: frozenset[str]  # tables without images of them; EVERY_TABLE: any
    overwritten: tuple[str, ...]  # rows of the application that they changed, as table and key

    def may_have_written(self, rel: str) -> bool:
        """Tell whether one of them may have written to a table unseen."""
        return bool(self.unwatched & {rel, EVERY_TABLE})


async def _downs(session: Session, migration_id: int) -> Downs:
    rows = await session.rows(
        "SELECT reverse FROM backstitch.units WHERE migration_id = %s AND body->>'kind' = 'sql' "
        "AND body->'down' IS NOT NULL AND state = 'undone'",
        (migration_id,),
    )
    known = [r["reverse"] or {} for r in rows]
    return Downs(
        frozenset(rel for k in known for rel in k.get("uncaptured", [EVERY_TABLE])),
        tuple(key for k in known for key in k.get("overwritten", ())),
    )


async def _touched(
    session: Session, migration_id: int, known: list[str], rows_at_start: int, *, by_hand: bool
) -> list[str]:
    """Give the tables to prove: those with images and their partitions; all where a hand-written `down` wrote unseen or
    the whole database is small enough to be digested in a second."""
    if by_hand or rows_at_start <= PROVE_ALL_ROWS:
        return known
    rows = await session.rows(
        "WITH RECURSIVE tree AS (SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
        "WHERE n.nspname || '.' || c.relname IN (SELECT DISTINCT rel FROM backstitch.images WHERE migration_id = %s) "
        "UNION SELECT i.inhrelid FROM pg_inherits i JOIN tree ON i.inhparent = tree.oid) "
        "SELECT n.nspname || '.' || c.relname AS rel FROM tree JOIN pg_class c USING (oid) "
        "JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind = 'r' ORDER BY 1",
        (migration_id,),
    )
    return [r["rel"] for r in rows if r["rel"] in known]


async def _prove_table(
    session: Session,
    migration_id: int,
    rel: str,
    start: dict[str, Any],
    proof: Proof,
    *,
    by_hand: bool,
    known: Exact | None,
) -> None:
    found = await look_at_tables(session, [rel])
    if not found:
        proof.differ(f"table {rel} is not there any more")
        return
    table = found[0]
    was = TableDigest.model_validate(start["digests"][rel])
    now = await table_digest(session, table.schema, table.name)
    if now == was:
        return
    if known is not None:
        if known.wrong or not known.theirs:
            proof.differ(f"table {rel}: {known.wrong} rows are not the backup's with the application's writes on top")
        else:
            proof.except_for("applicationWrites")
            proof.differences.append(
                f"table {rel}: the application wrote {known.theirs} rows since the start; with them on top of the "
                "backup, every row is as it must be"
            )
        return
    theirs = await written_by_others(session, migration_id, rel, start["snapshot"])
    wrong = await _rows_not_back(session, migration_id, rel, start["snapshot"])
    if wrong:
        proof.differ(f"table {rel}: {wrong} rows that the migration changed do not hold what they held")
    elif theirs or now.rows < was.rows:
        proof.except_for("applicationWrites")
        said = f"the application wrote {theirs} rows since the start (then {was.rows} rows, now {now.rows})"
        if by_hand:
            # its digest cannot tell the two apart, and without images nothing else can
            proof.except_for("rowsOfDown")
            said += ", and a step went back by its own `down`: whether that put every row back cannot be told"
        proof.differences.append(f"table {rel}: {said}")
    else:
        proof.differ(f"table {rel}: its rows differ from the start, and nobody else wrote to it")


_NEWEST = "(pg_snapshot_xmax(pg_current_snapshot())::text::numeric - 1)"
_XMIN = f"({_NEWEST} - mod({_NEWEST} - t.xmin::text::numeric, 4294967296))::text::xid8"
"""The row's 32-bit xmin as xid8: the newest one of that number that is not in the future."""


def _by_others(migration_id: int, snapshot: str) -> str:
    return (
        f"t.xmin::text::bigint >= 3 AND NOT pg_visible_in_snapshot({_XMIN}, '{snapshot}'::pg_snapshot) "
        f"AND {_XMIN} NOT IN (SELECT xid FROM backstitch.writes WHERE migration_id = {int(migration_id)})"
    )


async def written_by_others(session: Session, migration_id: int, rel: str, snapshot: str) -> int:
    """Count the rows of a table that somebody else than this migration has written since a snapshot."""
    table = (await look_at_tables(session, [rel]))[0]
    theirs = await theirs_sql(session, migration_id, table, snapshot)
    rows = await session.rows(f"SELECT count(*) AS n FROM {table.sql} t WHERE {theirs}")
    return int(rows[0]["n"])


async def theirs_sql(session: Session, migration_id: int, table: Captured, snapshot: str) -> str:
    """Give the condition that somebody else than this migration has written row `t` since a snapshot.

    Also rows that an undo wrote last, after it had found that somebody else had written them.
    """
    theirs = _by_others(migration_id, snapshot)
    if table.key:
        types = await column_types(session, table)
        key = ", ".join(f"t.{quote_ident(c)}" for c in table.key)
        values = ", ".join(value_of("i.key", c, types) for c in table.key)
        theirs = (
            f"({theirs}) OR ROW({key}) IN (SELECT {values} FROM backstitch.images i "
            f"WHERE i.migration_id = {int(migration_id)} AND i.rel = {quote_literal(table.rel)} AND i.later)"
        )
    return theirs


async def _rows_not_back(session: Session, migration_id: int, rel: str, snapshot: str) -> int:
    """Count rows whose first image says they held something else, and that nobody else has written since."""
    table = (await look_at_tables(session, [rel]))[0]
    if not table.key:
        return 0
    types = await column_types(session, table)
    first = (
        "SELECT DISTINCT ON (key) op::text AS op, key, old, new, bool_or(later) OVER (PARTITION BY key) AS later "
        "FROM backstitch.images "
        f"WHERE migration_id = {int(migration_id)} AND rel = {quote_literal(rel)} ORDER BY key, id"
    )
    wrong = f"CASE WHEN i.op = 'I' THEN {differs_from_start(table, types, 'I')} " + (
        f"ELSE {differs_from_start(table, types, 'U')} END"
    )
    gone = f"t.{quote_ident(table.key[0])} IS NULL"
    rows = await session.rows(
        f"SELECT count(*) AS n FROM ({first}) i LEFT JOIN {table.sql} t ON {same_key(table, types, 't')} "
        f"WHERE ({wrong}) AND NOT ({gone}) AND NOT i.later AND NOT ({_by_others(migration_id, snapshot)})"
    )
    return int(rows[0]["n"])
