# SPDX-License-Identifier: Apache-2.0
"""What does one session hold and what has it done so far, by the server's own books? One question, asked twice."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from backstitch.core.ports import Session
from backstitch.core.trace import blocks
from backstitch.model.rehearsal import LockSeen

# Locks of ours on relations that people know; those of the catalog and of our own schemas disturb nobody.
_LOCKS = """
SELECT DISTINCT c.oid::bigint AS oid, l.mode
  FROM pg_catalog.pg_locks l
  JOIN pg_catalog.pg_class c ON c.oid = l.relation
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE l.pid = {pid} AND l.locktype = 'relation' AND l.granted AND l.mode NOT IN ('AccessShareLock', 'RowShareLock')
   AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())
   AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname NOT IN ('information_schema', 'backstitch')
"""
_RELATIONS = """
SELECT c.oid::bigint AS oid, n.nspname || '.' || c.relname AS name, c.relkind::text AS kind,
       c.relfilenode::bigint AS file, c.reltuples::bigint AS tuples,
       coalesce(s.seq_scan, 0) AS scans, coalesce(s.seq_tup_read, 0) AS read,
       coalesce(s.n_tup_ins + s.n_tup_upd + s.n_tup_del, 0) AS written
  FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN pg_catalog.pg_stat_xact_all_tables s ON s.relid = c.oid
 WHERE c.relkind IN ('r', 'p', 'i', 'I', 'm', 'v', 'S', 'f') AND n.nspname NOT LIKE 'pg\\_%'
   AND n.nspname NOT IN ('information_schema', 'backstitch')
"""


@dataclass(frozen=True)
class Relation:
    """One relation as the books have it now."""

    oid: int
    name: str
    kind: str
    file: int
    tuples: int
    scans: int
    read: int
    written: int


@dataclass(frozen=True)
class Look:
    """What was seen at one moment; relations by oid, because names change."""

    locks: frozenset[tuple[int, str]] = frozenset()
    relations: Mapping[int, Relation] = field(default_factory=dict)
    wal: int = 0

    @property
    def rows(self) -> int:
        """Give the rows written so far."""
        return sum(r.written for r in self.relations.values())

    def rewritten(self, before: Look) -> tuple[Relation, ...]:
        """Give the tables whose file is another one than before."""
        return self._other_files(before, "rm", new=False)

    def built(self, before: Look) -> tuple[Relation, ...]:
        """Give the indexes that were not there, or were written anew."""
        return self._other_files(before, "i", new=True)

    def scanned(self, before: Look) -> tuple[Relation, ...]:
        """Give the tables that were read from end to end: a scan that saw about as many rows as the table has."""
        found = []
        for oid, was in before.relations.items():
            now = self.relations.get(oid)
            if now is None or now.scans <= was.scans:
                continue
            read = now.read - was.read
            if read >= max(1, int(0.9 * was.tuples)):
                found.append(now)
        return tuple(sorted(found, key=lambda r: r.name))

    def told(self, held_ms: Mapping[tuple[int, str], float]) -> tuple[LockSeen, ...]:
        """Give locks on what was there at this moment, by the names it had then; nobody waits for what is new."""
        found = (
            LockSeen(relation=self.relations[oid].name, mode=mode, held_ms=round(ms, 1), blocks=blocks(mode))
            for (oid, mode), ms in held_ms.items()
            if oid in self.relations
        )
        return tuple(sorted(found, key=lambda lock: (lock.relation, lock.mode)))

    def _other_files(self, before: Look, kinds: str, *, new: bool) -> tuple[Relation, ...]:
        found = []
        for oid, now in self.relations.items():
            was = before.relations.get(oid)
            if now.kind in kinds and (new if was is None else was.file != now.file):
                found.append(now)
        return tuple(sorted(found, key=lambda r: r.name))


async def locks_of(session: Session, pid: int) -> frozenset[tuple[int, str]]:
    """Give the relation locks that a server process holds, as oid and mode."""
    return frozenset((r["oid"], r["mode"]) for r in await session.rows(_LOCKS.format(pid=int(pid))))


async def look(session: Session) -> Look:
    """Look at one's own session: its locks, and what it has done since it began."""
    locks = await locks_of(session, session.pid)
    relations = {r["oid"]: Relation(**r) for r in await session.rows(_RELATIONS)}
    return Look(locks, relations, await wal_at(session))


async def wal_at(session: Session) -> int:
    """Give how many bytes of WAL the server has written, by everybody."""
    rows = await session.rows("SELECT (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::bigint AS at")
    return int(rows[0]["at"])


async def sizes(session: Session, relations: Iterable[Relation]) -> int:
    """Give the bytes of relations together."""
    oids = [r.oid for r in relations]
    if not oids:
        return 0
    rows = await session.rows(
        "SELECT coalesce(sum(pg_relation_size(o::oid)), 0)::bigint AS bytes FROM unnest(%s::bigint[]) o", (oids,)
    )
    return int(rows[0]["bytes"])
