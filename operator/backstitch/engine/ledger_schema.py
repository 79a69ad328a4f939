# SPDX-License-Identifier: Apache-2.0
"""The tables of the ledger, in schema `backstitch` of the target database (safety.md section 4.1).

Truth lives here, because only here can it commit together with the change it speaks of. Everything is owned by the
role we connect as; nobody else gets any right on it.
"""

from __future__ import annotations

from backstitch.core.errors import TargetError
from backstitch.core.ports import Session
from backstitch.model.states import State

ACTIVE = (State.BACKING_UP, State.REHEARSING, State.MIGRATING, State.VERIFYING, State.ROLLING_BACK, State.NEEDS_HELP)
"""States in which a migration holds its database. NeedsHelp does: nothing may run on top of what is unsettled."""

_ACTIVE_SQL = ", ".join(f"'{state}'" for state in ACTIVE)

TABLES = (
    "CREATE SCHEMA IF NOT EXISTS backstitch",  # a copy has functions in it that triggers need
    "CREATE SCHEMA IF NOT EXISTS backstitch_quarantine",
    "COMMENT ON SCHEMA backstitch IS 'Ledger of Backstitch migrations. Do not change anything here by hand.'",
    "COMMENT ON SCHEMA backstitch_quarantine IS "
    "'Objects that Backstitch migrations dropped, kept until their revert window ends.'",
    "CREATE TABLE backstitch.about (version integer NOT NULL, system_identifier text NOT NULL)",
    # The epoch is the key, so that FOR KEY SHARE on our own epoch conflicts with a takeover's UPDATE of it.
    "CREATE TABLE backstitch.fence (epoch bigint PRIMARY KEY, holder text NOT NULL, "
    "taken_at timestamptz NOT NULL DEFAULT clock_timestamp())",
    "CREATE UNIQUE INDEX fence_one_row ON backstitch.fence ((true))",
    """CREATE TABLE backstitch.migrations (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        namespace text NOT NULL, name text NOT NULL, version text NOT NULL, attempt integer NOT NULL,
        digest text NOT NULL, plan_digest text NOT NULL,
        state text NOT NULL, reason text NOT NULL DEFAULT '', message text NOT NULL DEFAULT '', phase text,
        phases_done integer NOT NULL DEFAULT 0,
        spec jsonb NOT NULL, sources jsonb NOT NULL, environment text NOT NULL,
        start jsonb, backup jsonb, rollback jsonb, checks jsonb NOT NULL DEFAULT '[]',
        handled jsonb NOT NULL DEFAULT '[]', rollback_cause text,
        created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        started_at timestamptz, deadline_at timestamptz, finished_at timestamptz,
        revert_until timestamptz, purged_at timestamptz,
        UNIQUE (namespace, name, attempt))""",
    f"CREATE UNIQUE INDEX migrations_one_active ON backstitch.migrations ((true)) WHERE state IN ({_ACTIVE_SQL})",
    """CREATE TABLE backstitch.steps (
        migration_id bigint NOT NULL REFERENCES backstitch.migrations ON DELETE CASCADE,
        ordinal integer NOT NULL, name text NOT NULL, phase text NOT NULL, operation text NOT NULL,
        state text NOT NULL DEFAULT 'pending', message text NOT NULL DEFAULT '',
        rows_estimated bigint, lock_waited_ms integer NOT NULL DEFAULT 0,
        started_at timestamptz, finished_at timestamptz,
        PRIMARY KEY (migration_id, ordinal))""",
    """CREATE TABLE backstitch.units (
        migration_id bigint NOT NULL, step integer NOT NULL, unit integer NOT NULL,
        body jsonb NOT NULL, state text NOT NULL DEFAULT 'planned',
        cursor jsonb, rows bigint NOT NULL DEFAULT 0, reverse jsonb, xid xid8,
        started_at timestamptz, finished_at timestamptz,
        PRIMARY KEY (migration_id, step, unit),
        FOREIGN KEY (migration_id, step) REFERENCES backstitch.steps ON DELETE CASCADE)""",
    # One index only, because every changed row pays for it; ids grow, so it is filled at its right end.
    """CREATE TABLE backstitch.images (
        migration_id bigint NOT NULL, step integer NOT NULL, unit integer NOT NULL,
        id bigint GENERATED ALWAYS AS IDENTITY,
        rel text NOT NULL, op "char" NOT NULL, key jsonb NOT NULL, old jsonb, new jsonb,
        later boolean NOT NULL DEFAULT false, -- an undo found that somebody else had written the row since
        PRIMARY KEY (migration_id, step, unit, id))""",
    """CREATE TABLE backstitch.writes (migration_id bigint NOT NULL, xid xid8 NOT NULL,
        PRIMARY KEY (migration_id, xid))""",
)
"""The first version."""

UPGRADES: dict[int, tuple[str, ...]] = {
    2: ("ALTER TABLE backstitch.migrations ADD COLUMN approved_by jsonb NOT NULL DEFAULT '[]'",),
    3: (
        """CREATE TABLE backstitch.shapes (
            id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            taken_at timestamptz NOT NULL DEFAULT clock_timestamp(),
            why text NOT NULL, version text, source text,
            total text NOT NULL, objects jsonb NOT NULL)""",
    ),
    4: (
        """CREATE TABLE backstitch.rehearsals (
            id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            migration_id bigint REFERENCES backstitch.migrations ON DELETE CASCADE, -- null: rehearsed by itself
            namespace text NOT NULL, name text NOT NULL, plan_digest text NOT NULL,
            taken_at timestamptz NOT NULL DEFAULT clock_timestamp(),
            summary jsonb NOT NULL, report jsonb)""",
    ),
    5: (
        """CREATE TABLE backstitch.scheduled_backups (
            id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            kind text NOT NULL, method text NOT NULL, due_at timestamptz NOT NULL,
            state text NOT NULL DEFAULT 'running', -- done, failed
            place text NOT NULL DEFAULT '', bytes bigint NOT NULL DEFAULT 0, message text NOT NULL DEFAULT '',
            started_at timestamptz NOT NULL DEFAULT clock_timestamp(), finished_at timestamptz)""",
    ),
}
"""What each later version adds, to a new ledger too. Columns are added with defaults and nothing is ever renamed or
taken away, so that an operator of an older version goes on reading; it does not write (`upgrade_ledger`)."""

LEDGER_VERSION = max(UPGRADES)


async def shapes_exist(session: Session) -> bool:
    """Tell whether this database has a ledger that knows which schema was left."""
    rows = await session.rows(
        "SELECT EXISTS (SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace "
        "WHERE n.nspname = 'backstitch' AND c.relname = 'shapes') AS there"
    )
    return bool(rows[0]["there"])


async def ledger_exists(session: Session) -> bool:
    """Tell whether this database has a ledger."""
    # Not to_regclass: it may answer from a cache that has not heard of another session's commit yet.
    rows = await session.rows(
        "SELECT EXISTS (SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace "
        "WHERE n.nspname = 'backstitch' AND c.relname = 'migrations') AS there"
    )
    return bool(rows[0]["there"])


async def ensure_ledger(session: Session, system_identifier: str) -> None:
    """Create the ledger where there is none, or bring it up to date; all of it or nothing.

    Safe when two operators do it at once. Raises TargetError: a newer version of ours has been here.
    """
    if not await ledger_exists(session):
        async with session.transaction():
            await session.execute("SELECT pg_advisory_xact_lock(hashtext('backstitch.ledger'))")
            if not await ledger_exists(session):
                for statement in TABLES:
                    await session.execute(statement)
                await session.execute("INSERT INTO backstitch.about VALUES (1, %s)", (system_identifier,))
                await session.execute("INSERT INTO backstitch.fence (epoch, holder) VALUES (0, 'nobody')")
    await upgrade_ledger(session)


async def upgrade_ledger(session: Session) -> None:
    """Bring an existing ledger to this version; all of it or nothing. Called before anything is written.

    Raises TargetError: a newer version of ours has been here.
    """
    found = (await session.rows("SELECT version FROM backstitch.about"))[0]["version"]
    if found == LEDGER_VERSION:
        return
    if found > LEDGER_VERSION:
        raise TargetError(
            f"The ledger of this database has version {found}, and this is a Backstitch for version {LEDGER_VERSION}: "
            "a newer one has been here. Run that one, or a later one.",
            reason="LedgerTooNew",
            retry=False,
        )
    async with session.transaction():
        rows = await session.rows("SELECT version FROM backstitch.about FOR UPDATE")  # another operator may be at it
        for version in range(rows[0]["version"] + 1, LEDGER_VERSION + 1):
            for statement in UPGRADES[version]:
                await session.execute(statement)
        await session.execute("UPDATE backstitch.about SET version = %s", (LEDGER_VERSION,))
