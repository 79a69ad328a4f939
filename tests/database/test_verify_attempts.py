# SPDX-License-Identifier: Apache-2.0
"""What is tried again, how often, and what comes out when no verdict was to be had?"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from backstitch.adapters.conninfo import parse_url
from backstitch.adapters.postgres import PostgresDatabase
from backstitch.core.errors import ConnectionLost
from backstitch.core.judge import settle
from backstitch.engine.verify import CheckContext, run_checks
from backstitch.model.checks import Check, CheckResult
from tests.plugins.pg import TestDatabase


class Waits:
    """A clock that only notes the waits, and does something during each."""

    def __init__(self, database: TestDatabase, during: list[str] | None = None) -> None:
        self.database = database
        self.during = during or []
        self.waited: list[float] = []

    def now(self) -> datetime:
        return datetime(2026, 11, 21, tzinfo=UTC)

    def monotonic(self) -> float:
        return 0.0

    async def sleep(self, seconds: float) -> None:
        self.waited.append(seconds)
        if self.during:
            self.database.psql(self.during.pop(0))


def a_check(name: str, sql: str, **more: Any) -> Check:
    return Check.model_validate({"name": name, "query": sql, "expect": {"type": "number", "equals": 1}, **more})


async def run(
    database: TestDatabase, checks: list[Check], clock: Waits, **context: Any
) -> tuple[tuple[CheckResult, ...], list[CheckResult]]:
    seen: list[CheckResult] = []

    async def observe(result: CheckResult) -> None:
        seen.append(result)

    target = PostgresDatabase.of(parse_url(database.url))
    return await run_checks(target, checks, CheckContext(**context), clock, observe), seen


async def test_results_come_in_order_with_phase_and_report_only(database: TestDatabase) -> None:
    checks = [a_check("a", "SELECT 1"), a_check("b", "SELECT 2", reportOnly=True), a_check("c", "SELECT 1")]
    results, seen = await run(database, checks, Waits(database), phase="expand")
    assert list(results) == seen
    assert [(r.name, r.outcome, r.report_only, r.phase) for r in results] == [
        ("a", "passed", False, "expand"),
        ("b", "failed", True, "expand"),
        ("c", "passed", False, "expand"),
    ]
    assert settle(results) == "passed"


async def test_no_checks_need_no_connection(database: TestDatabase) -> None:
    results, _ = await run(database, [], Waits(database))
    assert results == ()
    assert settle(results) == "passed"


async def test_a_time_limit_is_tried_again_and_then_inconclusive(database: TestDatabase) -> None:
    clock = Waits(database)
    results, _ = await run(database, [a_check("slow", "SELECT 1 FROM pg_sleep(60)")], clock, statement_timeout_ms=50)
    assert (results[0].outcome, results[0].attempts) == ("inconclusive", 3)
    assert "after 3 attempts" in results[0].message
    assert clock.waited == [1.0, 2.0]
    assert settle(results) == "inconclusive"


async def test_the_number_of_attempts_is_the_checks_own(database: TestDatabase) -> None:
    clock = Waits(database)
    checks = [a_check("slow", "SELECT 1 FROM pg_sleep(60)", attempts=6)]
    results, _ = await run(database, checks, clock, statement_timeout_ms=20)
    assert results[0].attempts == 6
    assert clock.waited == [1.0, 2.0, 4.0, 8.0, 10.0]


async def test_a_check_passes_once_what_stood_in_its_way_is_gone(database: TestDatabase) -> None:
    database.psql("CREATE TABLE t AS SELECT 1 AS n")
    connection = await database.connect()
    await connection.execute("BEGIN")
    await connection.execute("LOCK TABLE t IN ACCESS EXCLUSIVE MODE")

    clock = Waits(database, [f"SELECT pg_terminate_backend({connection.info.backend_pid})"])
    results, _ = await run(database, [a_check("t", "SELECT n FROM t")], clock, statement_timeout_ms=500)
    assert (results[0].outcome, results[0].attempts) == ("passed", 2)


@pytest.mark.parametrize("sql", ["SELECT * FROM missing", "SELECT 1/0", "DROP TABLE t", "SELECT 'x'"])
async def test_what_gives_the_same_again_is_not_tried_again(database: TestDatabase, sql: str) -> None:
    clock = Waits(database)
    results, _ = await run(database, [a_check("wrong", sql)], clock)
    assert (results[0].outcome, results[0].attempts, clock.waited) == ("error", 1, [])


async def test_a_failure_is_not_tried_again(database: TestDatabase) -> None:
    clock = Waits(database)
    results, _ = await run(database, [a_check("no", "SELECT 2")], clock)
    assert (results[0].outcome, clock.waited) == ("failed", [])


KILL_ONCE = """
CREATE SEQUENCE calls;
CREATE FUNCTION kills(times int) RETURNS int LANGUAGE plpgsql AS $$ BEGIN
  IF (SELECT count(*) FROM pg_stat_activity WHERE application_name = 'marker') < times THEN
    PERFORM pg_terminate_backend(pg_backend_pid());
  END IF;
  RETURN 1;
END $$;
"""


async def test_a_lost_connection_is_opened_again(database: TestDatabase) -> None:
    """The function kills its own backend until a session of that name is there; the clock's wait brings it."""
    database.psql(KILL_ONCE)
    opened = []

    class Brings(Waits):
        async def sleep(self, seconds: float) -> None:
            await super().sleep(seconds)
            opened.append(await database.connect())
            await opened[-1].execute("SET application_name = 'marker'")

    results, _ = await run(database, [a_check("a", "SELECT kills(1)"), a_check("b", "SELECT 1")], Brings(database))
    assert [(r.outcome, r.attempts) for r in results] == [("passed", 2), ("passed", 1)]


async def test_a_connection_that_is_always_lost_says_nothing_about_the_check(database: TestDatabase) -> None:
    database.psql(KILL_ONCE)
    clock = Waits(database)
    with pytest.raises(ConnectionLost):
        await run(database, [a_check("a", "SELECT kills(99)")], clock)
    assert clock.waited == [1.0, 2.0]
