# SPDX-License-Identifier: Apache-2.0
"""Does the physical backup come back, to the very point? Restored to it on a second server, each table compared.

Snapshots are opened right before and right after the point is made; the point lies between them. A table that is the
same in both must be the same on the second server. One that somebody wrote in those milliseconds may be either, or
between: it is named in the proof.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from backstitch.core.errors import BackupFailed
from backstitch.core.point_in_time import PhysicalBackups
from backstitch.core.ports import Session
from backstitch.engine.context import Run
from backstitch.engine.digest import all_digests, differing
from backstitch.engine.restore_point import make_restore_point
from backstitch.model.backup import TableDigest
from backstitch.model.point_in_time import PhysicalBackup, RestorePoint, SideProof

_NAMED = 5


@dataclass(frozen=True)
class StartRows:
    """The rows at the start, as a snapshot held them."""

    tables: dict[str, TableDigest]
    snapshot: str


async def prove_point(
    run: Run, physical: PhysicalBackups, *, mark: str, backup: PhysicalBackup
) -> tuple[RestorePoint, StartRows, SideProof]:
    """Make a restore point, restore a second server to it and compare. Raises BackupFailed (`RowsDiffer`, others)."""
    clock = run.world.clock
    async with _snapshot(run) as (before, first):
        point = await make_restore_point(run.world.database, physical, clock, mark=mark, backup=backup)
        async with _snapshot(run) as (after, second):
            tables = await all_digests(before)
            moving = set() if first == second else _differing_names(tables, await all_digests(after))
    began = clock.monotonic()
    async with physical.side_server(point) as side:
        session = await side.database.connect(purpose="compare", read_only=True)
        try:
            found = await all_digests(session)
        finally:
            await session.close()
    still = {name: digest for name, digest in tables.items() if name not in moving}
    wrong = differing(still, {name: digest for name, digest in found.items() if name not in moving})
    if wrong:
        more = f" and {len(wrong) - _NAMED} more" if len(wrong) > _NAMED else ""
        raise BackupFailed(
            f"The server restored to {point.name} has other rows than this one had: {'; '.join(wrong[:_NAMED])}{more}. "
            "Nothing was touched.",
            reason="RowsDiffer",
        )
    return (
        point,
        StartRows(tables, first),
        SideProof(
            proven_at=clock.now(),
            tables=len(still),
            rows=sum(digest.rows for digest in still.values()),
            moving=tuple(sorted(moving)),
            milliseconds=int((clock.monotonic() - began) * 1000),
        ),
    )


def _differing_names(one: dict[str, TableDigest], other: dict[str, TableDigest]) -> set[str]:
    return {name for name in one.keys() | other.keys() if one.get(name) != other.get(name)}


@asynccontextmanager
async def _snapshot(run: Run) -> AsyncIterator[tuple[Session, str]]:
    """Give a session that sees the database as it is now, for as long as the block lasts, and its snapshot."""
    session = await run.world.database.connect(purpose="digest", read_only=True)
    try:
        async with session.transaction():
            await session.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            await session.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
            yield session, (await session.rows("SELECT pg_current_snapshot()::text AS it"))[0]["it"]
    finally:
        await session.close()
