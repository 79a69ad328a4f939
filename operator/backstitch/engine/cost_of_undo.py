# SPDX-License-Identifier: Apache-2.0
"""What will undoing leave or take away? Counted before anything is undone: rows that stay as the application wrote them
(rung 2), and values in columns that go, which are archived (rung 1). Neither loses a row.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from backstitch.core.errors import RollbackFailed
from backstitch.core.ports import Session
from backstitch.engine.capture import look_at_tables
from backstitch.engine.context import Run
from backstitch.engine.image_sql import column_types, differs_from_written, same_key
from backstitch.engine.ledger import read_units
from backstitch.model.sql import quote_ident, quote_literal
from backstitch.model.units import DdlUnit


@dataclass
class Cost:
    """What was counted."""

    kept: int = 0
    lines: list[str] = field(default_factory=list)


async def cost_of_undo(run: Run) -> Cost:
    """Count what row images and reverse statements would leave or archive, as the tables are now."""
    cost = Cost()
    rels = await run.session.rows(
        "SELECT DISTINCT rel FROM backstitch.images WHERE migration_id = %s ORDER BY 1", (run.id,)
    )
    for rel in [r["rel"] for r in rels]:
        kept = await _kept(run.session, run.id, rel)
        if kept:
            cost.kept += kept
            cost.lines.append(f"{kept} rows of {rel} were written by the application since; they stay as it wrote them")
    for unit in await read_units(run.session, run.id):
        if unit.state == "done" and isinstance(unit.body, DdlUnit) and unit.body.table:
            cost.lines += await _archived(run.session, unit.body.table, unit.body.archive_columns)
    return cost


def refuse_too_many(run: Run, cost: Cost) -> None:
    """Raise RollbackFailed where more rows would stay as they are than the spec allows."""
    rollback = run.entry.spec.rollback
    most = rollback.max_kept_rows if rollback else None
    if most is not None and cost.kept > most:
        raise RollbackFailed(
            f"{cost.kept} rows that the migration changed were written by the application since and would stay as it "
            f"wrote them, and rollback.maxKeptRows is {most}. Nothing was undone: {'; '.join(cost.lines)}. Look at "
            "them, then roll back by hand, or restore the backup.",
            reason="TooManyKept",
        )


async def _kept(session: Session, migration_id: int, rel: str) -> int:
    found = await look_at_tables(session, [rel])
    if not found or not found[0].key:
        return 0
    table, types = found[0], await column_types(session, found[0])
    newest = (
        "SELECT DISTINCT ON (key) op::text AS op, key, old, new FROM backstitch.images "
        f"WHERE migration_id = {int(migration_id)} AND rel = {quote_literal(rel)} ORDER BY key, id DESC"
    )
    theirs = " OR ".join(f"(i.op = '{op}' AND {differs_from_written(table, types, op)})" for op in ("I", "U", "D"))
    rows = await session.rows(
        f"SELECT count(*) AS n FROM ({newest}) i "
        f"LEFT JOIN {table.sql} t ON {same_key(table, types, 't')} WHERE {theirs}"
    )
    return int(rows[0]["n"])


async def _archived(session: Session, rel: str, columns: tuple[str, ...]) -> list[str]:
    found = await look_at_tables(session, [rel])
    lines = []
    for column in columns:
        if found and column in found[0].columns:
            rows = await session.rows(f"SELECT count({quote_ident(column)}) AS n FROM {found[0].sql}")
            if rows[0]["n"]:
                lines.append(f"up to {rows[0]['n']} values of {rel}.{column}, which goes; they are archived")
    return lines
