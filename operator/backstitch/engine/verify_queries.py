# SPDX-License-Identifier: Apache-2.0
"""Checks with a query of the user's: its answer, its plan, its time. Nothing that is not one plain SELECT is sent."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from statistics import median
from typing import Any

from backstitch.core.errors import DatabaseError
from backstitch.core.judge import Answer, Verdict, judge, judge_rows_given, judge_time
from backstitch.core.ports import Session
from backstitch.engine.verify_session import CannotTell, CheckContext, find_table
from backstitch.model.check_kinds import NoSequentialScan, QueryUsesIndex, QueryWithin
from backstitch.model.expectation import Expect
from backstitch.model.script import Node, ScriptError, split

QUERY_CANCELLED = "57014"

# What acts outside the transaction, so that neither READ ONLY nor the rollback holds it. Called through a function of
# the user's own these names do not show; a role without rights to them is what helps then (docs say so).
_OUTSIDE = re.compile(
    r"^(dblink.*|pg_terminate_backend|pg_cancel_backend|pg_reload_conf|pg_rotate_logfile.*|pg_promote|pg_switch_wal"
    r"|pg_create_.*|pg_drop_.*|pg_copy_.*slot|pg_replication_.*|pg_logical_.*|pg_backup_.*|pg_wal_replay_.*"
    r"|pg_(try_)?advisory_.*|pg_stat_reset.*|pg_stat_statements_reset|pg_file_.*|pg_read_.*|pg_ls_.*|lo_import|lo_export"
    r"|set_config|pg_import_.*|pg_export_snapshot|pg_log_backend_.*|pg_prewarm|pg_sync_.*|pg_notify)$"
)
_WRITES = ("InsertStmt", "UpdateStmt", "DeleteStmt", "MergeStmt")


def one_select(text: str) -> str:
    """Give a user's query as one statement without its `;`. Raises CannotTell for anything else than one SELECT."""
    try:
        statements = split(text)
    except ScriptError as error:
        raise CannotTell(f"The query cannot be read: {error}") from None
    if len(statements) != 1:
        raise CannotTell(f"The query holds {len(statements)} statements; a check needs exactly one SELECT.")
    _refuse_effects(statements[0].node, statements[0].tag)
    return statements[0].text


def _refuse_effects(node: Node, tag: str) -> None:
    if node.kind != "SelectStmt":
        raise CannotTell(f"A check may only read, and this is {tag}. Write one SELECT.")
    for below in node.find(*_WRITES, "LockingClause", "IntoClause", "FuncCall"):
        if below.kind in _WRITES:
            raise CannotTell("A check may only read, and this query changes rows inside a WITH. Write a plain SELECT.")
        if below.kind == "LockingClause":
            raise CannotTell("A check may not lock rows. Leave out FOR UPDATE or FOR SHARE.")
        if below.kind == "IntoClause":
            raise CannotTell("SELECT INTO makes a table, and a check may only read. Write a plain SELECT.")
        name = (below.strings("funcname") or ("",))[-1]
        if _OUTSIDE.match(name):
            raise CannotTell(f"A check may not call {name}(): it acts outside the check's read-only transaction.")


async def run_query(session: Session, query: str, expect: Expect) -> Verdict:
    """Run a user's query and compare what it gives."""
    select = one_select(query)
    if expect.empty is not None:
        rows = await session.rows(f"SELECT EXISTS (\n{select}\n) AS found")
        return judge_rows_given(expect, 1 if rows[0]["found"] else 0)
    if expect.rows is not None:
        rows = await session.rows(f"SELECT count(*) AS found FROM (\n{select}\n) AS q")
        return judge_rows_given(expect, int(rows[0]["found"]))
    # The server's own text and type: Python has no form for 'infinity', and the driver would load any type at all.
    rows = await session.rows(
        "SELECT left(backstitch_value::text, 1001) AS value, pg_catalog.pg_typeof(backstitch_value)::text AS type, "
        "(SELECT t.typcategory::text FROM pg_catalog.pg_type t "
        "WHERE t.oid = pg_catalog.pg_typeof(backstitch_value)::oid) AS category, "
        "(SELECT count(*) FROM jsonb_object_keys(to_jsonb(q))) AS columns "
        f"FROM (\n{select}\n) AS q(backstitch_value) LIMIT 2"
    )
    if not rows:
        return judge(expect, Answer(rows=0))
    first = rows[0]
    return judge(expect, Answer(len(rows), int(first["columns"]), first["category"], first["type"], first["value"]))


def plan_nodes(plan: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Give a plan's node and all below it."""
    waiting = [plan]
    while waiting:
        node = waiting.pop()
        yield node
        waiting.extend(node.get("Plans", ()))


async def _plan_of(session: Session, query: str) -> list[Mapping[str, Any]]:
    explained = await _explain(session, "EXPLAIN (FORMAT JSON, VERBOSE)", query)
    nodes = list(plan_nodes(explained.get("Plan", {})))
    if not any("Relation Name" in n or "Index Name" in n for n in nodes):
        raise CannotTell(
            "The plan of this query reads no table (a condition in it may be false for the planner), so it shows "
            "nothing. Use values that the application would use.",
            "inconclusive",
        )
    return nodes


async def _explain(session: Session, words: str, query: str) -> Mapping[str, Any]:
    rows = await session.rows(f"{words} {one_select(query)}")
    plan = next(iter(rows[0].values()))
    plan = json.loads(plan) if isinstance(plan, str) else plan
    found: Mapping[str, Any] = plan[0]
    return found


async def run_query_uses_index(session: Session, wanted: QueryUsesIndex) -> Verdict:
    """Look for an index (or, for one of a partitioned table, its parts) in a query's plan."""
    rows = await session.rows(
        "WITH RECURSIVE wanted(oid, name) AS ("
        "SELECT oid, relname FROM pg_catalog.pg_class WHERE relkind IN ('i', 'I') AND relname = %s "
        "UNION SELECT c.oid, c.relname FROM wanted w JOIN pg_catalog.pg_inherits h ON h.inhparent = w.oid "
        "JOIN pg_catalog.pg_class c ON c.oid = h.inhrelid) SELECT name::text AS name FROM wanted",
        (wanted.index,),
    )
    if not rows:
        known = await session.rows(
            "SELECT c.relname::text AS name FROM pg_catalog.pg_class c WHERE c.relkind IN ('i', 'I') "
            "AND c.relnamespace NOT IN (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname LIKE 'pg\\_%')"
        )
        near = get_close_matches(wanted.index, [r["name"] for r in known], n=2, cutoff=0.5)
        raise CannotTell(
            f"Index {wanted.index} does not exist." + (f" Did you mean {' or '.join(near)}?" if near else "")
        )
    nodes = await _plan_of(session, wanted.query)
    used = sorted({str(n["Index Name"]) for n in nodes if "Index Name" in n})
    right = bool({r["name"] for r in rows} & set(used))
    scans = sorted({str(n["Relation Name"]) for n in nodes if n["Node Type"] == "Seq Scan"})
    message = f"The planner uses {', '.join(used) or 'no index'}" + (
        f" and reads {', '.join(scans)} as a whole. For a small table that is right; else run ANALYZE."
        if scans
        else "."
    )
    return Verdict(
        "passed" if right else "failed",
        ", ".join(used) or "no index",
        f"index {wanted.index} used",
        "" if right else message,
    )


async def run_no_sequential_scan(session: Session, wanted: NoSequentialScan) -> Verdict:
    """Look for tables that a query's plan reads as a whole."""
    meant: set[str] | None = None
    if wanted.tables is not None:
        oids = [(await find_table(session, name)).oid for name in wanted.tables]
        rows = await session.rows(
            "WITH RECURSIVE meant(oid) AS (SELECT unnest(%s::bigint[])::oid UNION "
            "SELECT h.inhrelid FROM meant m JOIN pg_catalog.pg_inherits h ON h.inhparent = m.oid) "
            "SELECT n.nspname || '.' || c.relname AS name FROM meant m JOIN pg_catalog.pg_class c ON c.oid = m.oid "
            "JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace",
            (oids,),
        )
        meant = {r["name"] for r in rows}
    nodes = await _plan_of(session, wanted.query)
    scans = {f"{n['Schema']}.{n['Relation Name']}" for n in nodes if n["Node Type"] == "Seq Scan"}
    wrong = sorted(scans if meant is None else scans & meant)
    return Verdict(
        "failed" if wrong else "passed",
        ", ".join(wrong) or "none",
        "no sequential scan" + (f" of {', '.join(wanted.tables)}" if wanted.tables else ""),
        f"The planner reads {', '.join(wrong)} as a whole." if wrong else "",
    )


async def median_ms(session: Session, query: str) -> float:
    """Give the server's own time for a query: planning and execution, median of three runs after one to warm up."""
    times = []
    for _ in range(4):
        explained = await _explain(session, "EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON)", query)
        times.append(float(explained["Planning Time"]) + float(explained["Execution Time"]))
    return median(times[1:])


async def run_query_within(
    session: Session, wanted: QueryWithin, baseline: Mapping[str, Any], context: CheckContext
) -> Verdict:
    """Compare a query's time with its limits."""
    before = baseline.get("medianMs")
    before_ms = float(before) if before is not None else None
    try:
        found = await median_ms(session, wanted.query)
    except DatabaseError as error:
        limit_ms = context.statement_timeout_ms
        if error.sqlstate != QUERY_CANCELLED or wanted.max_ms is None or wanted.max_ms > limit_ms:
            raise
        return Verdict("failed", f"over {limit_ms} ms", f"at most {wanted.max_ms} ms", "The query did not finish.")
    return judge_time(median_ms=found, before_ms=before_ms, factor=wanted.factor, max_ms=wanted.max_ms)
