# SPDX-License-Identifier: Apache-2.0
"""How are writers held while rows are counted and databases change their names? They wait; nobody gets an error.

A statement trigger on every table and partition waits while one session holds an advisory lock, and not past a fixed
moment. So a fence whose holder died lifts itself at once, because the server releases a dead session's lock, and one
whose holder is stuck lifts itself when its time is over (safety.md 3.8). CREATE TRIGGER waits for whoever has written
already, so when the fence stands, nothing that is written is still open. Readers notice nothing.
"""

from __future__ import annotations

from contextlib import suppress

from backstitch.core.errors import BackstitchError
from backstitch.core.ports import Session
from backstitch.engine.fence import LOCK_CLASS
from backstitch.model.sql import quote_literal

NAME = "backstitch_app_fence"
LIMIT_S = 60  # the holder must be done by then, or ask whether it still stands
SPARE_S = 10  # so long it must still stand then: ending all other sessions takes up to five seconds
_FUNCTION = f"""
CREATE OR REPLACE FUNCTION backstitch.write_fence() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  WHILE clock_timestamp() < TG_ARGV[0]::timestamptz LOOP
    EXIT WHEN pg_try_advisory_xact_lock_shared({LOCK_CLASS}, 2);
    PERFORM pg_sleep(0.01);
  END LOOP;
  RETURN NULL;
END $$
"""
# pg_temp is never first: the name of a table is taken apart by oid, and every leaf is fenced by itself, because a
# statement trigger of the parent does not see what is written to a partition directly.
_TABLES = """
SELECT c.oid::regclass::text AS sql FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p') AND c.relpersistence <> 't' AND n.nspname NOT LIKE 'pg\\_%'
   AND n.nspname NOT IN ('information_schema', 'backstitch', 'backstitch_quarantine') ORDER BY c.oid
"""
_FENCED = "SELECT tgrelid::regclass::text AS sql FROM pg_trigger WHERE tgname = %s ORDER BY tgrelid"


async def raise_fence(session: Session, *, lock_timeout_ms: int) -> str:
    """Hold every writer of this database but ours, as long as this session lives and at most LIMIT_S seconds.

    Gives until when, as the server's time. Raises LockNotAvailable where a transaction that has written does not end;
    then nothing is held.
    """
    try:
        async with session.transaction():
            await session.execute(f"SET LOCAL lock_timeout = {lock_timeout_ms}")
            until = await session.rows(
                "SELECT (clock_timestamp() + make_interval(secs => %s))::text AS until", (LIMIT_S,)
            )
            await session.execute(_FUNCTION)
            await session.rows(f"SELECT pg_advisory_lock({LOCK_CLASS}, 2)")
            for row in await session.rows(_TABLES):
                await session.execute(
                    f"CREATE OR REPLACE TRIGGER {NAME} BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON {row['sql']} "
                    "FOR EACH STATEMENT WHEN (coalesce(current_setting('backstitch.self', true), '') = '') "
                    f"EXECUTE FUNCTION backstitch.write_fence({quote_literal(until[0]['until'])})"
                )
                await session.execute(f"ALTER TABLE ONLY {row['sql']} ENABLE ALWAYS TRIGGER {NAME}")
    except BackstitchError:
        with suppress(BackstitchError):  # a session that is lost has lost its lock too
            await session.rows(f"SELECT pg_advisory_unlock({LOCK_CLASS}, 2)")
        raise
    return str(until[0]["until"])


async def still_stands(session: Session, until: str) -> bool:
    """Tell whether the fence holds writers, and will until they are out: what was counted is true only then."""
    rows = await session.rows(
        "SELECT clock_timestamp() + make_interval(secs => %s) < %s::timestamptz AS stands", (SPARE_S, until)
    )
    return bool(rows[0]["stands"])


async def lift_fence(session: Session, *, lock_timeout_ms: int) -> None:
    """Let writers go on, and take the triggers off. What cannot be had now does no harm: nobody holds the lock."""
    await session.rows(f"SELECT pg_advisory_unlock({LOCK_CLASS}, 2)")
    for row in await session.rows(_FENCED, (NAME,)):
        async with session.transaction():
            await session.execute(f"SET LOCAL lock_timeout = {lock_timeout_ms}")
            await session.execute(f"DROP TRIGGER IF EXISTS {NAME} ON {row['sql']}")
