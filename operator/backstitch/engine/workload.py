# SPDX-License-Identifier: Apache-2.0
"""Which statements does the application send, and do they still work on this schema? Prepared and explained, never run.

`read_workload` asks pg_stat_statements in production and adds the lists that people wrote. `see_workload` takes the
baseline; `try_workload` compares with it after a phase, on a copy or, as the check workloadStillWorks, in production.
Every statement has a savepoint of its own in a read-only transaction that is rolled back; nothing it holds is run.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from backstitch.core.errors import StatementFailed
from backstitch.core.ports import Prepared, Session
from backstitch.core.workload import LARGE_ROWS, compare, is_about, why_not_tried
from backstitch.engine.verify_session import CheckContext, looking
from backstitch.model.rehearsal import QueryFinding
from backstitch.model.sql import quote_ident
from backstitch.model.workload import MAX_QUERIES, AppQuery, QuerySeen, Workload

MIN_CALLS = 2  # seen once: a person at a prompt, or a step of a migration
_STATEMENT = "backstitch_query"
_MASKED = "<insufficient privilege>"
_PASSING = ("57", "53", "55", "58", "40", "08")  # what the same statement may not meet again
_MAY_NOT_BE = ("42501", "22023", "42704")  # SET ROLE: no right, no such role

_WHERE = (
    "SELECT n.nspname::text AS schema FROM pg_catalog.pg_extension e "
    "JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'pg_stat_statements'"
)

# A row is one text of one role, most called first. to_jsonb, because old versions of the extension have no toplevel.
_SEEN = """
SELECT s.query AS text, r.rolname::text AS role, sum(s.calls)::bigint AS calls,
       (SELECT split_part(setting, '=', 2) FROM (
            SELECT unnest(c.setconfig) AS setting, c.setrole, c.setdatabase FROM pg_catalog.pg_db_role_setting c
             WHERE c.setdatabase IN (0, s.dbid) AND c.setrole IN (0, s.userid)) x
         WHERE starts_with(setting, 'search_path=') ORDER BY setrole = 0, setdatabase = 0 LIMIT 1) AS search_path
  FROM {schema}.pg_stat_statements s LEFT JOIN pg_catalog.pg_roles r ON r.oid = s.userid
 WHERE s.dbid = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())
   AND coalesce((to_jsonb(s) ->> 'toplevel')::boolean, true) AND s.query IS NOT NULL
 GROUP BY s.query, r.rolname, s.userid, s.dbid HAVING sum(s.calls) >= {calls}
 ORDER BY sum(s.calls) DESC, s.query
"""

# Views of a table, and its partitions and children, are ways to it; a row is one name.
_WAYS = """
WITH RECURSIVE way(oid) AS (
    SELECT c.oid FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
     WHERE n.nspname || '.' || c.relname = ANY (%s)
    UNION
    SELECT next.oid FROM way, LATERAL (
        SELECT w.ev_class FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_rewrite w ON w.oid = d.objid
         WHERE d.classid = 'pg_catalog.pg_rewrite'::regclass AND d.refclassid = 'pg_catalog.pg_class'::regclass
           AND d.refobjid = way.oid
        UNION ALL SELECT h.inhrelid FROM pg_catalog.pg_inherits h WHERE h.inhparent = way.oid
        UNION ALL SELECT h.inhparent FROM pg_catalog.pg_inherits h WHERE h.inhrelid = way.oid) next(oid))
SELECT n.nspname || '.' || c.relname AS name FROM way JOIN pg_catalog.pg_class c ON c.oid = way.oid
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
"""

_ROWS = (
    "SELECT n.nspname || '.' || c.relname AS name, CASE WHEN c.reltuples >= 0 THEN c.reltuples "
    "ELSE pg_catalog.pg_relation_size(c.oid) / 100.0 END::float8 AS rows "  # never analysed: 100 bytes a row
    "FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace "
    "WHERE c.relkind IN ('r', 'm') AND n.nspname NOT LIKE 'pg\\_%'"
)


async def read_workload(
    session: Session, listed: Sequence[AppQuery] = (), tables: frozenset[str] | None = None, *, ask_server: bool = True
) -> Workload:
    """Give the application's statements: those people listed, and those of this database that pg_stat_statements has
    seen more than once on the tables (None: on any), most called first, MAX_QUERIES at most. Reads only.
    """
    if not ask_server:
        return Workload(queries=tuple(listed))
    ways = tables
    if tables is not None:
        ways = tables | {r["name"] for r in await session.rows(_WAYS, [sorted(tables)])}
    seen, notes = await _statistics(session)
    known = {(q.text.strip().rstrip(";"), q.role) for q in listed}
    masked = sorted({q.role or "a role that is gone" for q in seen if q.text == _MASKED})
    if masked:
        notes.append(
            f"What {', '.join(masked)} sent is hidden from us: GRANT pg_read_all_stats to the role we connect as."
        )
    about = [
        q
        for q in seen
        if q.text != _MASKED
        and "backstitch" not in q.text  # our own
        and (q.text.strip().rstrip(";"), q.role) not in known
        and is_about(q.text, ways)
    ]
    if len(about) > MAX_QUERIES:
        notes.append(f"{len(about) - MAX_QUERIES} statements that are called less often were left out.")
    return Workload(queries=(*listed, *about[:MAX_QUERIES]), notes=tuple(notes))


async def _statistics(session: Session) -> tuple[list[AppQuery], list[str]]:
    found = await session.rows(_WHERE)
    if not found:
        return [], ["pg_stat_statements is not installed in this database, so only listed statements are known."]
    sql = _SEEN.format(schema=quote_ident(found[0]["schema"]), calls=MIN_CALLS)
    try:
        async with session.transaction():
            rows = await session.rows(sql)
    except StatementFailed as error:
        if error.sqlstate[:2] in _PASSING and error.sqlstate != "55000":  # 55000: the library is not loaded
            raise
        return [], [f"pg_stat_statements cannot be read: {error.message}"]
    return [
        AppQuery(
            text=r["text"], source="pg_stat_statements", role=r["role"], calls=r["calls"], search_path=r["search_path"]
        )
        for r in rows
    ], []


async def see_workload(
    session: Session, queries: Sequence[AppQuery], context: CheckContext | None = None, *, whole: bool = True
) -> tuple[QuerySeen, ...]:
    """Give what the server says of each statement now, in a read-only transaction of its own.

    `whole=False` for a copy that is smaller than production: a plan then reads a table from end to end only where
    no index serves, because a small table is always read so. Raises DatabaseError for what may pass by itself.
    """
    async with looking(session, context or CheckContext()):
        return await see_here(session, queries, whole=whole)


async def see_here(session: Session, queries: Sequence[AppQuery], *, whole: bool = True) -> tuple[QuerySeen, ...]:
    """Give what the server says of each statement, inside a read-only transaction that the caller has open."""
    return tuple([await _see(session, query, whole) for query in queries])


async def try_workload(
    session: Session,
    queries: Sequence[AppQuery],
    before: Sequence[QuerySeen],
    *,
    phase: str,
    context: CheckContext | None = None,
    rows: Mapping[str, float] | None = None,
    whole: bool = True,
) -> tuple[QueryFinding, ...]:
    """Say what became of each statement since `before` was seen. `rows` has production's sizes where this is a copy.

    ANALYZE what the phase has changed first, as autovacuum would; a plan without statistics says little.
    """
    async with looking(session, context or CheckContext()):
        return await try_here(session, queries, before, phase=phase, rows=rows, whole=whole)


async def try_here(
    session: Session,
    queries: Sequence[AppQuery],
    before: Sequence[QuerySeen],
    *,
    phase: str,
    rows: Mapping[str, float] | None = None,
    whole: bool = True,
) -> tuple[QueryFinding, ...]:
    """As try_workload, inside a read-only transaction that the caller has open."""
    after = await see_here(session, queries, whole=whole)
    sizes = await read_rows(session)
    sizes |= {name: max(count, sizes.get(name, 0)) for name, count in (rows or {}).items()}
    return tuple(
        compare(q, old, new, phase=phase, rows=sizes, large_rows=LARGE_ROWS)
        for q, old, new in zip(queries, before, after, strict=True)
    )


async def read_rows(session: Session) -> dict[str, float]:
    """Give about how many rows each table has, by "schema.table"."""
    return {r["name"]: float(r["rows"]) for r in await session.rows(_ROWS)}


class _TakeBack(Exception):
    def __init__(self, seen: QuerySeen) -> None:
        super().__init__()
        self.seen = seen


async def _see(session: Session, query: AppQuery, whole: bool) -> QuerySeen:
    reason = why_not_tried(query.text)
    if reason:
        return QuerySeen(untried=reason)
    try:
        return await _under(session, query, query.role, whole)
    except _MayNotBe as error:
        seen = await _under(session, query, None, whole)
        return seen.model_copy(update={"note": f"tried as our own role: {error}"})


async def _under(session: Session, query: AppQuery, role: str | None, whole: bool) -> QuerySeen:
    """Prepare and explain in a savepoint that takes the role and the settings back."""
    try:
        async with session.transaction():
            raise _TakeBack(await _prepared(session, query, role, whole))
    except _TakeBack as done:
        return done.seen
    except StatementFailed as error:
        with suppress(StatementFailed):  # prepared and not explained: a rollback leaves it there
            async with session.transaction():
                await session.execute(f"DEALLOCATE {_STATEMENT}")
        if error.sqlstate[:2] in _PASSING:
            raise
        return QuerySeen(error=error.message)


class _MayNotBe(Exception):
    pass


async def _prepared(session: Session, query: AppQuery, role: str | None, whole: bool) -> QuerySeen:
    if role is not None:
        try:
            await session.execute(f"SET LOCAL ROLE {quote_ident(role)}")
        except StatementFailed as error:
            if error.sqlstate not in _MAY_NOT_BE:
                raise
            raise _MayNotBe(error.message) from None
    if query.search_path:
        await session.rows("SELECT set_config('search_path', %s, true)", [query.search_path])
    await session.execute("SET LOCAL plan_cache_mode = force_generic_plan")
    if not whole:
        await session.execute("SET LOCAL enable_seqscan = off")
    prepared = await session.prepare(_STATEMENT, query.text)
    arguments = f"({', '.join(['NULL'] * len(prepared.parameters))})" if prepared.parameters else ""
    rows = await session.rows(f"EXPLAIN (FORMAT JSON, VERBOSE) EXECUTE {_STATEMENT}{arguments}")
    plan = next(iter(rows[0].values()))
    indexes, scans = read_plan((json.loads(plan) if isinstance(plan, str) else plan)[0].get("Plan", {}))
    columns = await _columns(session, prepared)
    await session.execute(f"DEALLOCATE {_STATEMENT}")
    return QuerySeen(columns=columns, indexes=indexes, scans=scans)


async def _columns(session: Session, prepared: Prepared) -> tuple[str, ...]:
    if not prepared.columns:
        return ()
    types = await session.rows(
        "SELECT pg_catalog.format_type(oid, modifier) AS type FROM unnest(%s::bigint[], %s::int[]) "
        "WITH ORDINALITY t(oid, modifier, place) ORDER BY place",
        [[c[1] for c in prepared.columns], [c[2] for c in prepared.columns]],
    )
    return tuple(f"{c[0]} {t['type']}" for c, t in zip(prepared.columns, types, strict=True))


def read_plan(plan: Mapping[str, Any]) -> tuple[dict[str, tuple[str, ...]], tuple[str, ...]]:
    """Give the indexes that a plan uses, by table, and the tables that it reads from end to end."""
    indexes: dict[str, set[str]] = {}
    scans: set[str] = set()
    waiting: list[tuple[Mapping[str, Any], str]] = [(plan, "")]
    while waiting:
        node, above = waiting.pop()
        table = f"{node['Schema']}.{node['Relation Name']}" if "Relation Name" in node and "Schema" in node else above
        if "Index Name" in node:  # a bitmap's index scan does not name its table; the node above does
            indexes.setdefault(table, set()).add(str(node["Index Name"]))
        if node.get("Node Type") == "Seq Scan":
            scans.add(table)
        waiting.extend((below, table) for below in node.get("Plans", ()))
    return {t: tuple(sorted(names)) for t, names in sorted(indexes.items())}, tuple(sorted(scans))
