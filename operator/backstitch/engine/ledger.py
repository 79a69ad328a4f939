# SPDX-License-Identifier: Apache-2.0
"""Reading and writing the ledger of one migration. Writes happen in the caller's transaction, after the fence."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta
from typing import Any

from pydantic import TypeAdapter

from backstitch.core.ports import Row, Session
from backstitch.model.revert import before_contract
from backstitch.model.spec import MigrationSpec
from backstitch.model.states import State
from backstitch.model.units import Unit

_UNIT: TypeAdapter[Unit] = TypeAdapter(Unit)


@dataclass(frozen=True)
class UnitRow:
    """One unit of the ledger."""

    step: int
    unit: int
    body: Unit
    state: str  # planned | intent | done | undone
    cursor: dict[str, Any] | None
    rows: int
    reverse: dict[str, Any] | None


@dataclass(frozen=True)
class Entry:
    """One attempt of one migration, as its ledger row says."""

    id: int
    namespace: str
    name: str
    version: str
    attempt: int
    digest: str
    plan_digest: str
    state: State
    reason: str
    message: str
    phase: str | None
    phases_done: int
    spec: MigrationSpec  # what this attempt runs: without contract phases, which have an attempt of their own
    whole: MigrationSpec  # as it was written
    sources: dict[str, str]
    environment: str
    start: dict[str, Any] | None
    backup: dict[str, Any] | None
    rollback: dict[str, Any] | None
    checks: list[dict[str, Any]]
    handled: list[str]
    rollback_cause: str | None
    created_at: datetime
    started_at: datetime | None
    deadline_at: datetime | None
    finished_at: datetime | None
    revert_until: datetime | None
    purged_at: datetime | None
    late: bool  # the deadline has passed, by the server's clock
    revertible: bool  # the revert window is open, by the server's clock
    approved_by: list[str] = field(default_factory=list)  # whose yes the plan had


_COLUMNS = frozenset(each.name for each in fields(Entry))
_ENTRY_SQL = (
    "SELECT m.*, coalesce(clock_timestamp() > deadline_at, false) AS late, "
    "coalesce(clock_timestamp() < revert_until, false) AND purged_at IS NULL AS revertible "
    "FROM backstitch.migrations m "
)


def _entry(row: Row) -> Entry:
    whole = MigrationSpec.model_validate(row["spec"])
    known = {name: value for name, value in row.items() if name in _COLUMNS}  # a newer version may have added some
    return Entry(**{**known, "state": State(row["state"]), "spec": before_contract(whole), "whole": whole})


async def latest_entry(session: Session, namespace: str, name: str) -> Entry | None:
    """Give the latest attempt of a migration, or None."""
    rows = await session.rows(
        _ENTRY_SQL + "WHERE namespace = %s AND name = %s ORDER BY attempt DESC LIMIT 1", (namespace, name)
    )
    return _entry(rows[0]) if rows else None


async def entry_by_id(session: Session, migration_id: int) -> Entry:
    """Give one attempt by its number."""
    return _entry((await session.rows(_ENTRY_SQL + "WHERE id = %s", (migration_id,)))[0])


async def latest_entries(session: Session) -> list[Entry]:
    """Give the latest attempt of every migration, oldest first."""
    rows = await session.rows(
        "SELECT DISTINCT ON (namespace, name) m.*, false AS late, "
        "coalesce(clock_timestamp() < revert_until, false) AND purged_at IS NULL AS revertible "
        "FROM backstitch.migrations m ORDER BY namespace, name, attempt DESC"
    )
    return sorted((_entry(row) for row in rows), key=lambda e: e.id)


async def insert_migration(
    session: Session,
    *,
    namespace: str,
    name: str,
    spec: MigrationSpec,
    attempt: int,
    digest: str,
    plan_digest: str,
    sources: dict[str, str],
    environment: str,
    handled: Sequence[str],
    approved_by: Sequence[str] = (),
    state: State = State.BACKING_UP,
) -> int:
    """Write the row of a new attempt, with a row for each step it runs; give its number."""
    rows = await session.rows(
        "INSERT INTO backstitch.migrations (namespace, name, version, attempt, digest, plan_digest, state, spec, "
        "sources, environment, handled, approved_by) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s) "
        "RETURNING id",
        (
            namespace, name, spec.version, attempt, digest, plan_digest, state.value,
            json.dumps(spec.to_plain()), json.dumps(sources), environment, json.dumps(list(handled)),
            json.dumps(list(approved_by)),
        ),
    )  # fmt: skip
    migration_id = int(rows[0]["id"])
    for ordinal, (phase, step) in enumerate(before_contract(spec).steps()):
        await session.execute(
            "INSERT INTO backstitch.steps (migration_id, ordinal, name, phase, operation) VALUES (%s, %s, %s, %s, %s)",
            (migration_id, ordinal, step.name, phase, step.operation.kind),
        )
    return migration_id


async def update_migration(session: Session, migration_id: int, **values: object) -> Row:
    """Set columns of the migration's row and give its times; dicts and lists become jsonb.

    `"now"` is the server's clock, a timedelta that long from the server's now.
    """
    sets: list[str] = []
    params: list[object] = []
    for column, value in values.items():
        if value == "now":
            sets.append(f"{column} = clock_timestamp()")
        elif isinstance(value, timedelta):
            sets.append(f"{column} = clock_timestamp() + make_interval(secs => %s)")
            params.append(value.total_seconds())
        else:
            sets.append(f"{column} = %s")
            params.append(json.dumps(value) if isinstance(value, dict | list) else value)
    rows = await session.rows(
        f"UPDATE backstitch.migrations SET {', '.join(sets)} WHERE id = %s "
        "RETURNING started_at, finished_at, revert_until",
        (*params, migration_id),
    )
    return rows[0]


async def read_steps(session: Session, migration_id: int) -> list[Row]:
    """Give the step rows with what their units have done, in order."""
    return await session.rows(
        "SELECT s.*, coalesce(u.rows, 0) AS rows, coalesce(extract(epoch FROM "
        "coalesce(s.finished_at, clock_timestamp()) - s.started_at) * 1000, 0)::bigint AS duration_ms "
        "FROM backstitch.steps s LEFT JOIN LATERAL (SELECT sum(rows)::bigint AS rows FROM backstitch.units u "
        "WHERE u.migration_id = s.migration_id AND u.step = s.ordinal) u ON true "
        "WHERE s.migration_id = %s ORDER BY s.ordinal",
        (migration_id,),
    )


async def update_step(session: Session, migration_id: int, ordinal: int, state: str, message: str = "") -> None:
    """Set a step's state. Its start is the first `running`, its end the first end: undoing it is not its duration."""
    await session.execute(
        "UPDATE backstitch.steps SET state = %s, message = %s, started_at = coalesce(started_at, clock_timestamp()), "
        "finished_at = CASE WHEN %s <> 'running' THEN coalesce(finished_at, clock_timestamp()) END "
        "WHERE migration_id = %s AND ordinal = %s",
        (state, message, state, migration_id, ordinal),
    )


async def insert_units(session: Session, migration_id: int, step: int, units: Sequence[Unit]) -> None:
    """Freeze the units of a step that is about to start."""
    for number, unit in enumerate(units):
        await session.execute(
            "INSERT INTO backstitch.units (migration_id, step, unit, body) VALUES (%s, %s, %s, %s)",
            (migration_id, step, number, json.dumps(unit.to_plain())),
        )


async def read_units(session: Session, migration_id: int, step: int | None = None) -> list[UnitRow]:
    """Give the units of one step, or of all, in order."""
    rows = await session.rows(
        "SELECT step, unit, body, state, cursor, rows, reverse FROM backstitch.units WHERE migration_id = %s "
        "AND (%s::integer IS NULL OR step = %s) ORDER BY step, unit",
        (migration_id, step, step),
    )
    return [UnitRow(**{**row, "body": _UNIT.validate_python(row["body"])}) for row in rows]


async def lock_unit(session: Session, migration_id: int, step: int, unit: int) -> Row:
    """Read a unit's row FOR UPDATE in the caller's transaction."""
    rows = await session.rows(
        "SELECT state, cursor, rows, reverse FROM backstitch.units "
        "WHERE migration_id = %s AND step = %s AND unit = %s FOR UPDATE",
        (migration_id, step, unit),
    )
    return rows[0]


async def update_unit(session: Session, migration_id: int, step: int, unit: int, **values: object) -> None:
    """Set columns of a unit's row, and remember this transaction's id as ours for the proof."""
    sets, params = ["xid = pg_current_xact_id()", "started_at = coalesce(started_at, clock_timestamp())"], []
    for column, value in values.items():
        sets.append(f"{column} = %s")
        params.append(json.dumps(value) if isinstance(value, dict | list) else value)
    if values.get("state") in ("done", "undone"):
        sets.append("finished_at = clock_timestamp()")
    await session.execute(
        f"WITH unit AS (UPDATE backstitch.units SET {', '.join(sets)} "
        "WHERE migration_id = %s AND step = %s AND unit = %s RETURNING migration_id) "
        "INSERT INTO backstitch.writes SELECT migration_id, pg_current_xact_id() FROM unit ON CONFLICT DO NOTHING",
        (*params, migration_id, step, unit),
    )


async def own_savepoint(session: Session, migration_id: int, step: int, unit: int) -> None:
    """Remember the id of the savepoint we are in as ours for the proof: rows written in it bear it, not the
    transaction's, and the server tells it only through a row."""
    await session.execute(
        "WITH mark AS (UPDATE backstitch.units SET rows = rows WHERE migration_id = %s AND step = %s AND unit = %s "
        "RETURNING migration_id, xmin::text::numeric AS inner_id), "
        "outer_one AS (SELECT pg_current_xact_id()::text::numeric AS id) "
        "INSERT INTO backstitch.writes SELECT mark.migration_id, "
        "(id + mod(inner_id - mod(id, 4294967296) + 4294967296, 4294967296))::text::xid8 FROM mark, outer_one "
        "ON CONFLICT DO NOTHING",
        (migration_id, step, unit),
    )
