# SPDX-License-Identifier: Apache-2.0
"""What is known of physical backups and of the point to which a whole server can be taken back?"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from backstitch.model.base import Frozen

PhysicalKind = Literal["full", "incremental"]


class PhysicalBackup(Frozen):
    """A backup of a whole server, as its tool lists it."""

    label: str  # what the tool calls it
    kind: PhysicalKind
    taken_at: datetime  # its end
    bytes: int = 0  # new in the repository
    mark: str = ""  # what we wrote beside it to find it again
    damaged: bool = False  # the tool itself found page checksums that are wrong


class RestorePoint(Frozen):
    """A named place in the WAL, before the first change, and how it was seen to be safe."""

    name: str
    lsn: str
    segment: str  # the WAL file that holds it
    timeline: int
    made_at: datetime
    backup: str  # label of the physical backup from which it is reached
    archived_as: str = ""  # the last segment the archive was seen to hold, by the server and by the tool
    next_xid: int = 0  # transactions with a number from here on come after it


class SideProof(Frozen):
    """A second server was restored to the point and compared with what the first held there."""

    proven_at: datetime
    tables: int
    rows: int
    moving: tuple[str, ...] = ()  # tables written in the very moment of the point: compared by neither side
    milliseconds: int = 0
