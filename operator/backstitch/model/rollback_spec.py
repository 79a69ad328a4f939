# SPDX-License-Identifier: Apache-2.0
"""What does a person say beforehand about the way back: by which rung, and how much it may cost?"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from backstitch.model.base import Frozen
from backstitch.model.duration import DURATION


class RollbackSpec(Frozen):
    """How this migration goes back."""

    strategy: Literal["auto", "restoreBackup", "pointInTime", "none"] | None = Field(
        default=None,
        description="auto (default): reverse statements and row images. restoreBackup: rows come from the backup; with "
        "capture the application's writes since are kept (rung 3), without it the backup takes the place of the "
        "database and they are lost (rung 4). pointInTime: the same from the server's archive, at the restore "
        "point before the first change (rung 5; needs backup.method pgBackRest or cloudNativePG). none: stop for a "
        "person instead of rolling back.",
    )
    capture: bool | None = Field(
        default=None,
        description="With restoreBackup: keep a log of what the application writes to the tables of this migration, "
        "from the backup until the revert window ends. Costs each of its writes there a second row.",
    )
    accept_data_loss: bool | None = Field(
        default=None,
        description="A person's yes to the loss of maxLostRows; without it restoreBackup stops for help where it "
        "would lose a row.",
    )
    max_lost_rows: int | None = Field(
        default=None,
        description="How many rows written since the backup may be lost, with acceptDataLoss; default 0. One more, "
        "counted while nobody can write, and it stops for help.",
        ge=0,
    )
    max_kept_rows: int | None = Field(
        default=None,
        description="How many rows may stay as the application wrote them after the migration had changed them; more "
        "and it stops for help before anything is undone. Default: any number.",
        ge=0,
    )
    revert_window: str | None = Field(
        default=None,
        description="How long after success dropped objects and row images are kept, such as 24h. Default 24h.",
        pattern=DURATION,
        max_length=20,
    )
