# SPDX-License-Identifier: Apache-2.0
"""What did restoring a whole backup cost? Told before it is done, and counted after."""

from __future__ import annotations

from backstitch.model.backup import TableDigest
from backstitch.model.base import Frozen


class TableLoss(Frozen):
    """A table whose rows are not what the backup holds. None: the table was not there."""

    table: str
    rows_in_backup: int | None
    rows_before_restore: int | None


class RestoreReport(Frozen):
    """What a restore did."""

    database: str
    kept_as: str  # the database as it was before the restore
    losses: tuple[TableLoss, ...]
    not_carried_over: tuple[str, ...]  # in words: settings, publications, slots that the new database does not have


def table_losses(backup: dict[str, TableDigest], now: dict[str, TableDigest]) -> tuple[TableLoss, ...]:
    """Give the tables whose rows differ between a backup and the database as it is."""
    found = []
    for name in sorted(backup.keys() | now.keys()):
        before, after = backup.get(name), now.get(name)
        if before != after:
            found.append(
                TableLoss(
                    table=name,
                    rows_in_backup=before.rows if before else None,
                    rows_before_restore=after.rows if after else None,
                )
            )
    return tuple(found)
