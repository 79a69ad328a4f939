# SPDX-License-Identifier: Apache-2.0
"""Where can a whole server be taken back to? A restore point, made before the first change, its WAL seen archived.

A name is used once for ever: with two of the same name recovery stops at the first. So each has a random end, and the
one that counts is the one in the ledger.
"""

from __future__ import annotations

import secrets
from typing import Any

from backstitch.core.errors import BackupFailed
from backstitch.core.point_in_time import PhysicalBackups
from backstitch.core.ports import Clock, Database, Session
from backstitch.engine.restore import maintenance
from backstitch.model.point_in_time import PhysicalBackup, RestorePoint

NAME_PREFIX = "backstitch_"
ARCHIVE_LIMIT_S = 300.0
_POLL_S = 0.25
_NAME_BYTES = 63

_MAY = """
SELECT current_setting('archive_mode') AS archive_mode, current_database()::text AS here,
       has_function_privilege('pg_catalog.pg_create_restore_point(text)', 'execute')
       AND has_function_privilege('pg_catalog.pg_switch_wal()', 'execute') AS may
"""
# One message: the number of the next transaction is read after the point, so none that came before it is counted.
_MAKE = """
SELECT lsn::text AS lsn, pg_walfile_name(lsn) AS segment,
       ('x' || left(pg_walfile_name(lsn), 8))::bit(32)::int AS timeline,
       pg_snapshot_xmax(pg_current_snapshot())::text::bigint AS next_xid
  FROM (SELECT pg_create_restore_point(%s) AS lsn OFFSET 0) made
"""
_ARCHIVED = "SELECT coalesce(last_archived_wal, '') AS newest, last_failed_wal AS failed FROM pg_stat_archiver"


async def refuse_without_archive(database: Database) -> None:
    """Say what a restore point needs before anything is begun. Raises BackupFailed, TargetError."""
    async with maintenance(database) as session:
        found = (await session.rows(_MAY))[0]
    if found["archive_mode"] == "off":
        raise BackupFailed(
            "archive_mode is off on this server, so its WAL is kept nowhere and no point can be come back to. Set up "
            "the archive (pgBackRest: archive_command with archive-push), or use backup.method dump.",
            reason="ArchivingOff",
        )
    if not found["may"]:
        raise BackupFailed(
            f"Our role may not make a restore point. As a superuser, in database {found['here']}: GRANT EXECUTE ON "
            "FUNCTION pg_create_restore_point(text), pg_switch_wal() TO the role we connect as.",
            reason="RestorePointDenied",
        )


async def make_restore_point(
    database: Database, physical: PhysicalBackups, clock: Clock, *, mark: str, backup: PhysicalBackup
) -> RestorePoint:
    """Make a point that is reached from `backup`, and return when server and tool both hold its WAL.

    From the maintenance database: the right to do it is a right on a function there, and rights on the server's own
    functions in the target would be in its dumps, which our role could not restore.
    Raises BackupFailed (`NotArchived` after five minutes): then nothing may be touched.
    """
    random_end = f"_{secrets.token_hex(4)}"
    name = f"{NAME_PREFIX}{mark}"[: _NAME_BYTES - len(random_end)] + random_end
    async with maintenance(database) as session:
        made = (await session.rows(_MAKE, [name]))[0]
        await session.rows("SELECT pg_switch_wal()")
        point = RestorePoint(
            name=name,
            lsn=made["lsn"],
            segment=made["segment"],
            timeline=made["timeline"],
            made_at=clock.now(),
            backup=backup.label,
            next_xid=made["next_xid"],
        )
        return point.model_copy(update={"archived_as": await _see_archived(session, physical, clock, point)})


async def _see_archived(session: Session, physical: PhysicalBackups, clock: Clock, point: RestorePoint) -> str:
    """The server's word is that archive_command said yes; the tool's is that the file is in its repository."""
    until = clock.monotonic() + ARCHIVE_LIMIT_S
    said: dict[str, Any] = {}
    stored = ""
    while clock.monotonic() < until:
        said = (await session.rows(_ARCHIVED))[0]
        if _reached(said["newest"], point.segment):
            stored = await physical.archived_up_to(point.timeline)
            if not stored or _reached(stored, point.segment):
                return stored or said["newest"]
        await clock.sleep(_POLL_S)
    who = f"{physical.place} holds WAL up to {stored or 'nothing'}" if stored else "the server has archived"
    raise BackupFailed(
        f"The WAL of restore point {point.name} (segment {point.segment}) was not seen archived within "
        f"{ARCHIVE_LIMIT_S:.0f} s: {who} {said.get('newest') or ''}; last failure: {said.get('failed') or 'none'}. "
        "Look at archive_command and the server's log. Nothing was touched.",
        reason="NotArchived",
    )


def _reached(archived: str, segment: str) -> bool:
    """Names of one timeline sort as their positions; a history file or a backup label has a longer name."""
    return archived[:8] == segment[:8] and archived[:24] >= segment
