# SPDX-License-Identifier: Apache-2.0
"""Is a backup due by the clock, and is it taken? From what the ledger says was taken, never beside a migration.

It holds the database as a migration does, so none runs at the same time and none is begun by another process. A backup
that was cut off has its row still running: the next look takes it up again under the same mark.
"""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from datetime import datetime

from backstitch.core.errors import BackstitchError, BackupFailed, ConnectionLost, StorageError
from backstitch.core.ports import Session
from backstitch.core.schedule import Due, due_backup
from backstitch.engine.backup import BackupPorts, secure_backup
from backstitch.engine.fence import Fence, take_fence
from backstitch.engine.job import World
from backstitch.engine.ledger_schema import ACTIVE, ensure_ledger, ledger_exists
from backstitch.engine.proven_backup import database_identity
from backstitch.engine.retention import sweep_backups
from backstitch.model.backup import SCHEDULED, BackupRequest
from backstitch.model.backup_spec import BackupKind, BackupSchedule
from backstitch.model.states import State

DEFAULT_KEEP = 24
AGAIN_AFTER_S = 600
LOCK_WAIT_S = 2.0


@dataclass(frozen=True)
class Taken:
    """What the ledger knows of backups by the clock."""

    served: dict[BackupKind, datetime]  # for each kind the due time that was served last
    last_kind: BackupKind | None = None
    last_due_at: datetime | None = None
    last_finished_at: datetime | None = None
    last_place: str = ""
    trouble: str = ""  # of the newest attempt, when it failed
    just_tried: bool = False


async def read_taken(session: Session) -> Taken:
    """Read what was taken; nothing where there is no ledger yet."""
    there = await session.rows("SELECT to_regclass('backstitch.scheduled_backups') IS NOT NULL AS there")
    if not there[0]["there"]:
        return Taken({})
    rows = await session.rows(
        "SELECT DISTINCT ON (kind) kind, due_at, finished_at, place FROM backstitch.scheduled_backups "
        "WHERE state = 'done' ORDER BY kind, due_at DESC"
    )
    newest = await session.rows(
        "SELECT state, message, started_at > clock_timestamp() - make_interval(secs => %s) AS just_now "
        "FROM backstitch.scheduled_backups ORDER BY id DESC LIMIT 1",
        (AGAIN_AFTER_S,),
    )
    failed = bool(newest) and newest[0]["state"] == "failed"
    last = max(rows, key=lambda row: row["finished_at"], default=None)
    return Taken(
        served={row["kind"]: row["due_at"] for row in rows},
        last_kind=last["kind"] if last else None,
        last_due_at=last["due_at"] if last else None,
        last_finished_at=last["finished_at"] if last else None,
        last_place=last["place"] if last else "",
        trouble=newest[0]["message"] if failed else "",
        just_tried=failed and newest[0]["just_now"],
    )


async def take_due_backup(namespace: str, schedule: BackupSchedule, world: World) -> Due | None:
    """Take the backup that is due now, if one is and nobody works on this database; give what was taken.

    A failure is in the ledger, and tried again after ten minutes. Raises TargetError, ConnectionLost.
    """
    session = await world.database.connect(purpose="scheduled-backup")
    try:
        taken = await read_taken(session)
        due = due_backup(schedule, taken.served, world.clock.now())
        if due is None or taken.just_tried:
            return None
        if not await ledger_exists(session) or not await _has_table(session):
            rows = await session.rows("SELECT system_identifier::text AS id FROM pg_control_system()")
            await ensure_ledger(session, rows[0]["id"])
        holder = f"{platform.node()}/{os.getpid()} (scheduled backup)"
        fence = await take_fence(session, world.clock, holder=holder, wait_s=LOCK_WAIT_S, term=world.term)
        if fence is None or await _is_under_way(session):
            return None
        return await _take(session, fence, due, namespace, schedule, world)
    finally:
        await session.close()


async def _has_table(session: Session) -> bool:
    rows = await session.rows("SELECT to_regclass('backstitch.scheduled_backups') IS NOT NULL AS there")
    return bool(rows[0]["there"])


async def _is_under_way(session: Session) -> bool:
    """A migration whose process was killed is under way too; one that waits for a person is not."""
    states = [state.value for state in ACTIVE if state is not State.NEEDS_HELP]
    return bool(
        await session.rows("SELECT 1 AS there FROM backstitch.migrations WHERE state = ANY(%s) LIMIT 1", (states,))
    )


async def _take(
    session: Session, fence: Fence, due: Due, namespace: str, schedule: BackupSchedule, world: World
) -> Due | None:
    method = world.physical.method if world.physical is not None else "dump"
    async with session.transaction():
        await fence.check()
        row = await session.rows(
            "INSERT INTO backstitch.scheduled_backups (kind, method, due_at) VALUES (%s, %s, %s) RETURNING id",
            (due.kind, method, due.at),
        )
    mark = f"{await database_identity(session)}-{due.at:%Y%m%dT%H%MZ}"
    state, place, size, message = "done", "", 0, ""
    try:
        if world.physical is not None:
            backup = await world.physical.back_up(due.kind, f"{mark}-{due.kind}")
            place, size = f"{world.physical.place}, {backup.label}", backup.bytes
        else:
            place, size = await _dump(namespace, mark, schedule, world)
    except ConnectionLost:
        raise  # the row stays as it is: the next look goes on
    except (BackupFailed, StorageError) as error:
        state, message = "failed", error.message[:1000]
    async with session.transaction():
        await fence.check()
        await session.execute(
            "UPDATE backstitch.scheduled_backups SET state = %s, place = %s, bytes = %s, message = %s, "
            "finished_at = clock_timestamp() WHERE id = %s",
            (state, place, size, message, row[0]["id"]),
        )
        await session.execute(  # what a year of hourly backups needs; and what a killed one has left
            "DELETE FROM backstitch.scheduled_backups WHERE started_at < clock_timestamp() - interval '400 days' "
            "OR (state = 'running' AND id < %s)",
            (row[0]["id"],),
        )
    return due if state == "done" else None


async def _dump(namespace: str, mark: str, schedule: BackupSchedule, world: World) -> tuple[str, int]:
    if world.store is None or world.archiver is None:
        raise BackupFailed("There is no place for backups, or no pg_dump of the server's version.")
    request = BackupRequest(namespace=namespace, name=SCHEDULED, attempt=mark)
    ports = BackupPorts(world.database, world.archiver, world.store, world.clock, world.copies)
    secured = await secure_backup(request, ports)
    for store in ports.places:
        try:
            await sweep_backups(store, namespace, keep=schedule.keep or DEFAULT_KEEP, scheduled=True)
        except BackstitchError:
            continue  # too many backups harm nobody; the next one sweeps again
    return f"{world.store.url.rstrip('/')}/{request.folder}", secured.manifest.size
