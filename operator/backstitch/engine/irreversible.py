# SPDX-License-Identifier: Apache-2.0
"""A step that may have no way back of its own, because the spec says so by name: what stands in when it must go back?

It is run as any other first. Only where that finds no way back, it is done without one, and the ledger says why.
"""

from __future__ import annotations

from typing import Literal

from backstitch.core.errors import RollbackFailed, StepFailed
from backstitch.engine.context import Run
from backstitch.engine.down import EVERY_TABLE, run_with_down
from backstitch.engine.ledger import UnitRow, lock_unit, read_units, update_unit
from backstitch.engine.sql_unit import run_sql
from backstitch.engine.watch import rows_written
from backstitch.model.units import SqlUnit

NO_WAY_BACK = frozenset({"NoReverse", "NoKey", "Inherited", "DownFails", "DownLeavesBehind"})


async def run_accepting(run: Run, row: UnitRow, unit: SqlUnit) -> None:
    """Take a unit to done, with a way back where there is one. Raises StepFailed for what fails anyway."""
    try:
        await (run_with_down if unit.down is not None else run_sql)(run, row, unit)
    except StepFailed as error:
        if error.reason not in NO_WAY_BACK:
            raise
        why = error.message

        async def once() -> None:
            async with run.transaction():
                if (await lock_unit(run.session, run.id, row.step, row.unit))["state"] == "done":
                    return
                earlier = await rows_written(run.session)
                for statement in unit.statements:
                    await run.session.execute(statement)
                rows = sum(n - earlier.get(o, 0) for o, n in (await rows_written(run.session)).items())
                back = {"noWayBack": why, "uncaptured": [EVERY_TABLE]}
                await update_unit(run.session, run.id, row.step, row.unit, state="done", rows=rows, reverse=back)

        await run.patiently(unit.statements[0].strip()[:60], None, row.step, once)


async def rung_that_stands_in(run: Run) -> Literal["restoreBackup"] | None:
    """Give `restoreBackup` where something was done that only the backup can take back, else None.

    The same after it was taken back: who comes after a kill then must not climb another rung.
    """
    for row in await read_units(run.session, run.id):
        unit = row.body
        stuck = row.state in ("done", "undone") and (row.reverse or {}).get("noWayBack")
        if stuck and isinstance(unit, SqlUnit) and unit.accepts == "restoreBackup":
            return "restoreBackup"
    return None


def see_that_it_goes_back(row: UnitRow) -> None:
    """Raise RollbackFailed (`NoWayBack`) for a unit that was done without a way back."""
    why = (row.reverse or {}).get("noWayBack")
    if why:
        raise RollbackFailed(
            f"{why} The spec accepts that (irreversible), so nothing was undone from here on. Mend it by hand, or "
            "restore the backup.",
            reason="NoWayBack",
        )
