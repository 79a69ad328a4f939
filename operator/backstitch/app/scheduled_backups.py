# SPDX-License-Identifier: Apache-2.0
"""How does a target's pass take the backups that are due by the clock, and show them?"""

from __future__ import annotations

import logging

from backstitch.app.backup_methods import with_backups
from backstitch.app.migration_pass import Parts
from backstitch.app.targets import Target
from backstitch.core.errors import DatabaseError, Fenced, TargetError
from backstitch.core.ports import Session
from backstitch.core.schedule import next_backup
from backstitch.engine.job import World
from backstitch.engine.scheduled import read_taken, take_due_backup
from backstitch.model.conditions import shorten
from backstitch.model.status import MAX_TEXT, ScheduledBackupsStatus

logger = logging.getLogger(__name__)


class ScheduledBackups:
    """Backups by the clock of all targets of this operator."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def look(self, session: Session, target: Target) -> ScheduledBackupsStatus | None:
        """Give what the status says; None: the target has no schedule."""
        schedule = target.spec.backup.schedule if target.spec.backup else None
        if schedule is None:
            return None
        taken = await read_taken(session)
        return ScheduledBackupsStatus(
            last_kind=taken.last_kind,
            last_due_at=taken.last_due_at,
            last_finished_at=taken.last_finished_at,
            last_place=shorten(taken.last_place, 2000) or None,
            next_at=next_backup(schedule, self._parts.clock.now()),
            trouble=shorten(taken.trouble, MAX_TEXT) or None,
        )

    async def run(self, target: Target) -> None:
        """Take what is due, when nobody runs on this database here; trouble is logged and looked at again later."""
        parts = self._parts
        schedule = target.spec.backup.schedule if target.spec.backup else None
        if schedule is None or target.spec.suspend or parts.turns.why_wait(target.key, target.identity) is not None:
            return
        try:
            with parts.turns.take(target.key, target.identity):
                world = World(
                    database=target.database,
                    clock=parts.clock,
                    archiver=await parts.targets.archiver(target),
                    store=await parts.targets.store(target),
                    term=parts.term(),
                    stopping=parts.stopping,
                )
                world = await with_backups(world, parts.targets, target)
                done = await take_due_backup(target.key.namespace, schedule, world)
        except (TargetError, DatabaseError, Fenced) as error:
            logger.warning("no scheduled backup now", extra={"reason": error.reason, "detail": error.message})
            return
        if done is not None:
            logger.info("scheduled backup taken", extra={"kind": done.kind, "due": done.at.isoformat()})
