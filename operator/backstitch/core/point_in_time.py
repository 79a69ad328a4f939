# SPDX-License-Identifier: Apache-2.0
"""What the engine asks of a tool that backs up whole servers (pgBackRest, CloudNativePG). Adapters keep the contracts.

Such a tool never restores in place: it fills a second server, which the engine reads and compares.
"""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from backstitch.core.ports import Archiver, Database
from backstitch.model.point_in_time import PhysicalBackup, PhysicalKind, RestorePoint


@dataclass(frozen=True)
class SideServer:
    """A second server that holds what the first held at the point. It archives nothing and nobody else knows it."""

    database: Database  # the target's database there, for our role
    archiver: Archiver
    where: str  # for people


class PhysicalBackups(Protocol):
    """The physical backups of one server."""

    @property
    def method(self) -> str:
        """Give `pgBackRest` or `cloudNativePG`."""

    @property
    def place(self) -> str:
        """Give where they are, for people; no credentials in it."""

    @property
    def may_restore(self) -> bool:
        """Tell whether `side_server` has what it needs here."""

    async def back_up(self, kind: PhysicalKind, mark: str) -> PhysicalBackup:
        """Take a backup, or give the complete one that already has this mark. `incremental` without a full is a full.

        Raises BackupFailed.
        """

    async def newest(self) -> PhysicalBackup | None:
        """Give the newest complete backup, or None. Raises BackupFailed when the repository cannot be read."""

    async def archived_up_to(self, timeline: int) -> str:
        """Give the newest WAL segment of a timeline that the archive itself holds; "" where the tool cannot tell."""

    def side_server(self, point: RestorePoint) -> AbstractAsyncContextManager[SideServer]:
        """Restore a second server to the point, as its end of recovery, and give it; it is gone after the block.

        What a killed one left is removed or used again. Raises BackupFailed: no place, restore failed, point not
        reached (`PointNotReached`).
        """

    def by_hand(self, point: RestorePoint) -> tuple[str, ...]:
        """Give the commands with which a person takes the whole server back to the point."""
