# SPDX-License-Identifier: Apache-2.0
"""Do the checks of a phase, or of the whole migration, hold? Runs them one by one and gives their results.

Four outcomes. passed, failed: a verdict. error: the check cannot be evaluated as it is written (a table that is not
there, SQL that is wrong): trying again gives the same. inconclusive: no verdict was to be had, also after a number of
attempts (a lock, a time limit, a deadlock), or there is nothing to compare with. core/judge.py settles several results.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from backstitch.core.errors import ConnectionLost, DatabaseError, StatementFailed
from backstitch.core.judge import Verdict
from backstitch.core.ports import Clock, Database, Session
from backstitch.engine import verify_queries, verify_tables
from backstitch.engine.baseline import run_rows_unchanged
from backstitch.engine.catalog import read_catalog
from backstitch.engine.fingerprint import fingerprint
from backstitch.engine.verify_session import CannotTell, CheckContext, looking, near_tables
from backstitch.engine.verify_workload import run_workload_still_works
from backstitch.model.check_kinds import SchemaIs
from backstitch.model.checks import DEFAULT_ATTEMPTS, Check, CheckResult

__all__ = ["CheckContext", "run_check", "run_checks"]

MAX_PAUSE_S = 10.0
TABLE_MISSING = "42P01"
_QUOTED = re.compile(r'"([^"]+)"')

# SQLSTATEs (or their class) of errors that the same statement may not meet again; all other StatementFailed are final.
_PASSING = ("57", "53", "55", "58", "40", "08")
# Their messages quote values of rows: data, integrity, RAISE, and whatever an extension says.
_QUOTES_VALUES = ("22", "23", "P0", "XX", "38", "39", "44", "HV")


async def run_checks(
    database: Database,
    checks: Sequence[Check],
    context: CheckContext,
    clock: Clock,
    observe: Callable[[CheckResult], Awaitable[None]],
) -> tuple[CheckResult, ...]:
    """Run checks in order on a read-only session of their own; `observe` sees each result as it comes.

    A check without a verdict that may get one is tried again, `attempts` times with growing pauses (1, 2, 4 … 10 s).
    Raises TargetError when no session can be had, ConnectionLost when it was lost in every attempt: both say nothing
    about the checks.
    """
    results: list[CheckResult] = []
    session: Session | None = None
    try:
        for check in checks:
            attempts = check.attempts or DEFAULT_ATTEMPTS
            for attempt in range(1, attempts + 1):
                if attempt > 1:
                    await clock.sleep(min(2.0 ** (attempt - 2), MAX_PAUSE_S))
                session = session or await database.connect(purpose="checks", read_only=True)
                try:
                    result = await _attempt(session, check, context)
                except ConnectionLost:
                    await session.close()
                    session = None
                    if attempt == attempts:
                        raise
                    continue
                except DatabaseError as error:
                    message = f"No answer after {attempt} attempts: {_words(error)}"
                    result = _result(check, context, Verdict("inconclusive", message=message))
                    if attempt < attempts:
                        continue
                results.append(result.model_copy(update={"attempts": attempt}))
                await observe(results[-1])
                break
    finally:
        if session is not None:
            await session.close()
    return tuple(results)


async def run_check(session: Session, check: Check, context: CheckContext) -> CheckResult:
    """Run one check once, in a read-only transaction of its own on a session opened with `read_only=True`.

    An error of the server becomes outcome `error`, whether or not it may pass. Raises ConnectionLost.
    """
    try:
        return await _attempt(session, check, context)
    except ConnectionLost:
        raise
    except DatabaseError as error:
        return _result(check, context, Verdict("error", message=_words(error)))


async def _attempt(session: Session, check: Check, context: CheckContext) -> CheckResult:
    """Run one check. Raises DatabaseError only for what may pass by itself."""
    try:
        async with looking(session, context):
            verdict = await _verdict(session, check, context)
    except CannotTell as error:
        verdict = Verdict(error.outcome, message=error.message)
    except StatementFailed as error:
        if error.sqlstate[:2] in _PASSING:
            raise
        verdict = Verdict("error", message=_words(error) + await _hint(session, error))
    return _result(check, context, verdict)


async def _verdict(session: Session, check: Check, context: CheckContext) -> Verdict:
    for wanted, run in (
        (check.no_nulls, verify_tables.run_no_nulls),
        (check.no_duplicates, verify_tables.run_no_duplicates),
        (check.no_orphans, verify_tables.run_no_orphans),
        (check.foreign_keys_hold, verify_tables.run_foreign_keys_hold),
        (check.unique_holds, verify_tables.run_unique_holds),
        (check.row_count, verify_tables.run_row_count),
        (check.columns_equal, verify_tables.run_columns_equal),
        (check.no_invalid_indexes, verify_tables.run_no_invalid_indexes),
        (check.query_uses_index, verify_queries.run_query_uses_index),
        (check.no_sequential_scan, verify_queries.run_no_sequential_scan),
        (check.schema_is, _run_schema_is),
    ):
        if wanted is not None:
            plain: Callable[[Session, Any], Awaitable[Verdict]] = run
            return await plain(session, wanted)
    if check.query_within is not None:
        baseline = _baseline(check, context) if check.query_within.factor is not None else {}
        return await verify_queries.run_query_within(session, check.query_within, baseline, context)
    if check.workload_still_works is not None:
        return await run_workload_still_works(session, check.workload_still_works, _baseline(check, context), context)
    if check.rows_unchanged is not None:
        baseline = _baseline(check, context)
        if "rows" not in baseline:
            why = baseline.get("missing", "nothing was measured then.")
            raise CannotTell(
                f"The rows of {check.rows_unchanged.table} at the start are not known: {why}", "inconclusive"
            )
        return await run_rows_unchanged(session, check.rows_unchanged, baseline, context)
    assert check.query is not None
    assert check.expect is not None
    return await verify_queries.run_query(session, check.query, check.expect)


def _baseline(check: Check, context: CheckContext) -> Mapping[str, Any]:
    found = context.baselines.get(check.name)
    return found if isinstance(found, Mapping) else {}


async def _run_schema_is(session: Session, wanted: SchemaIs) -> Verdict:
    found = fingerprint(await read_catalog(session)).total
    right = found.startswith(wanted.fingerprint.lower())
    message = "" if right else "The catalog is another one. `backstitch plan` shows the fingerprint of a database."
    return Verdict("passed" if right else "failed", found, wanted.fingerprint, message)


def _result(check: Check, context: CheckContext, verdict: Verdict) -> CheckResult:
    return CheckResult(
        name=check.name,
        outcome=verdict.outcome,
        phase=context.phase,
        value=verdict.value,
        expected=verdict.expected,
        message=verdict.message,
        report_only=bool(check.report_only),
    )


def _words(error: DatabaseError) -> str:
    """Give the server's words, unless they may hold somebody's data."""
    if error.sqlstate[:2] in _QUOTES_VALUES:
        return f"The server answered with error {error.sqlstate}; its text is left out, it may hold values of rows."
    return error.message


async def _hint(session: Session, error: DatabaseError) -> str:
    """Give ` Did you mean …?` for a table that a query names and that is not there."""
    named = _QUOTED.search(error.message) if error.sqlstate == TABLE_MISSING else None
    return await near_tables(session, named.group(1).rpartition(".")[2]) if named else ""
