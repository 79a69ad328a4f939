# SPDX-License-Identifier: Apache-2.0
"""Which statements of the application does a migration concern, and does one still work? Compares plain values;
engine/workload.py reads and tries them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from backstitch.model.operations.run_sql import RunSql
from backstitch.model.rehearsal import Gate, QueryFinding, QueryVerdict
from backstitch.model.script import ScriptError, split
from backstitch.model.script_shape import kind_of, tag_of
from backstitch.model.script_tree import Node, parse_tree
from backstitch.model.spec import MigrationSpec, TargetPolicy
from backstitch.model.sql import DEFAULT_SCHEMA, QualifiedName, parse_name
from backstitch.model.workload import Allowed, AppQuery, QuerySeen, Workload, WorkloadQuery

LARGE_ROWS = 10_000
"""From so many rows on it matters that a plan reads a table from end to end."""

MAX_NAMED = 5  # findings that a message names
_NO_SCHEMA = ""
_QUERY = re.compile(r"[\s(]*(/\*.*?\*/\s*)*\(*\s*(SELECT|INSERT|UPDATE|DELETE|MERGE|WITH|VALUES|TABLE)\b", re.I | re.S)


def touched_tables(spec: MigrationSpec, sources: Mapping[str, str]) -> frozenset[str] | None:
    """Give the tables that a migration touches, as `schema.table`; None when raw SQL may touch any.

    `sources` holds the texts of ConfigMaps by "configmap/key".
    """
    schema = (spec.search_path or [DEFAULT_SCHEMA])[0]
    found: set[str] = set()
    for _, step in spec.steps():
        operation = step.operation
        if not isinstance(operation, RunSql):
            found |= {str(parse_name(name)) for name in operation.tables()}
            continue
        text = operation.up if operation.up_from is None else sources.get(operation.up_from.source)
        try:
            statements = split(text or "", schema)
        except ScriptError:
            return None
        for statement in statements:
            if not statement.writes or any(True for _ in statement.node.find("FuncCall", "DoStmt", "CallStmt")):
                return None  # DO, DROP INDEX, ALTER TYPE, functions: only the server knows whom they concern
            found |= {str(name) for name in statement.writes}
    return frozenset(found)


def queries_of(spec: MigrationSpec, policy: TargetPolicy | None) -> tuple[AppQuery, ...]:
    """Give the statements that people wrote down: the migration's and the target's; the migration's win by name."""
    listed: dict[str, WorkloadQuery] = {q.name: q for q in (policy.workload if policy else None) or []}
    listed |= {q.name: q for q in spec.workload or []}
    return tuple(AppQuery(text=q.query, source="spec", name=q.name, role=q.role) for q in listed.values())


def allowed_by(spec: MigrationSpec) -> frozenset[Allowed] | None:
    """Give what every check workloadStillWorks of a migration lets pass; None when it has no such check."""
    checks = [c for p in spec.phases for c in p.checks or []] + list(spec.checks or [])
    asked = [c.workload_still_works for c in checks if c.workload_still_works is not None and not c.report_only]
    if not asked:
        return None
    return frozenset.intersection(*(frozenset(w.allow or ()) for w in asked))


def why_not_tried(text: str) -> str:
    """Give the reason why a text cannot be prepared by itself, or "" when it can."""
    try:
        found = parse_tree(text)
    except ScriptError as error:
        return f"It does not parse by itself ({error.reason}); it may be cut off, or a constant of it was taken out."
    if len(found) > 1:
        return f"It holds {len(found)} statements; one is prepared at a time."
    node = found[0].node
    if kind_of(node) not in ("query", "dml") or node.kind not in _PREPARED:
        return f"{tag_of(node)} cannot be prepared; only SELECT, INSERT, UPDATE, DELETE, MERGE and VALUES can."
    return ""


_PREPARED = ("SelectStmt", "InsertStmt", "UpdateStmt", "DeleteStmt", "MergeStmt")


def is_about(text: str, tables: frozenset[str] | None) -> bool:
    """Tell whether a statement names one of the tables (`schema.table`; None: any table of the application).

    A name without a schema may be any schema's; text that does not parse counts when it holds a table's name.
    """
    wanted = None if tables is None else {parse_name(t) for t in tables}
    try:
        named = {name for found in parse_tree(text) for name in _named(found.node)}
    except ScriptError:
        return bool(_QUERY.match(text)) and (wanted is None or any(name.name in text for name in wanted))
    if wanted is None:
        return any(name.schema not in ("pg_catalog", "information_schema") for name in named)
    return any(n in wanted or (n.schema == _NO_SCHEMA and n.name in {w.name for w in wanted}) for n in named)


def _named(node: Node) -> set[QualifiedName]:
    own = {cte.text("ctename") for cte in node.find("CommonTableExpr")}
    found = {QualifiedName(r.text("schemaname"), r.text("relname")) for r in node.find("RangeVar") if r.text("relname")}
    return {n for n in found if n.schema or (n.name not in own and not n.name.startswith("pg_"))}


def compare(
    query: AppQuery,
    before: QuerySeen,
    after: QuerySeen,
    *,
    phase: str,
    rows: Mapping[str, float],
    large_rows: float = LARGE_ROWS,
) -> QueryFinding:
    """Say what became of one statement. `rows` has the tables' sizes by "schema.table"; the largest known counts."""
    verdict, detail = _verdict(before, after, rows, large_rows)
    note = f" ({after.note})" if after.note else ""
    return QueryFinding(
        query=f"{query.name}: {query.text}" if query.name else query.text,
        source=query.source,
        role=query.role,
        calls=query.calls,
        phase=phase,
        verdict=verdict,
        detail=f"{detail}{note}".strip(),
    )


def _verdict(
    before: QuerySeen, after: QuerySeen, rows: Mapping[str, float], large_rows: float
) -> tuple[QueryVerdict, str]:
    if before.untried:
        return "notTried", before.untried
    if before.error:
        return "notTried", f"It did not work before the migration either: {before.error}"
    if after.error:
        return "fails", after.error
    if before.columns != after.columns:
        return "resultTypeChanged", (
            f"It gave ({', '.join(before.columns)}), now ({', '.join(after.columns)}). Sessions that have it prepared "
            "get one error: cached plan must not change result type."
        )
    scanned = [t for t in after.scans if t not in before.scans and rows.get(t, 0) >= large_rows]
    lost = [
        f"{', '.join(names)} on {table}"
        for table, names in before.indexes.items()
        if table not in after.indexes and (table in after.scans or not after.indexes)
    ]
    had = f" Before: {_plan(before)}. Now: {_plan(after)}."
    if scanned:
        sizes = ", ".join(f"{t} (about {rows[t]:,.0f} rows)" for t in scanned)
        return "sequentialScan", f"It now reads {sizes} from end to end.{had}"
    if lost:
        return "indexLost", f"It no longer uses {'; '.join(lost)}.{had}"
    return "works", ""


def _plan(seen: QuerySeen) -> str:
    parts = [f"{', '.join(names)} on {table}" for table, names in seen.indexes.items()]
    parts += [f"Seq Scan on {table}" for table in seen.scans]
    return "; ".join(parts) or "no table read"


def broken(findings: Iterable[QueryFinding], allow: Iterable[str] = ()) -> tuple[QueryFinding, ...]:
    """Give the findings that say a statement does not work as before, but those that are allowed."""
    fine = {"works", "notTried", *allow}
    return tuple(f for f in findings if f.verdict not in fine)


def describe(findings: Iterable[QueryFinding]) -> str:
    """Name the first findings in one line, with what became of them."""
    named = list(findings)
    said = [f"{f.verdict}: {_short(f.query)} — {f.detail}" for f in named[:MAX_NAMED]]
    return "; ".join(said) + (f"; and {len(named) - MAX_NAMED} more" if len(named) > MAX_NAMED else "")


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 80 else line[:79] + "…"


def workload_gate(findings: Iterable[QueryFinding], workload: Workload, allow: frozenset[Allowed]) -> Gate:
    """Give the gate of a rehearsal: held where every statement works as before; unproven where none could be tried,
    or where one that a person wrote down could not."""
    found = tuple(findings)
    bad = broken(found, allow)
    tried = {(f.query, f.role) for f in found if f.verdict != "notTried"}
    untried = {(f.query, f.role) for f in found if f.verdict == "notTried"} - tried
    by_hand = [f for f in found if f.verdict == "notTried" and f.source == "spec"]
    notes = " ".join(workload.notes)
    if bad:
        result, said = "broken", describe(bad)
    elif by_hand:
        result, said = "unproven", describe(by_hand)
    elif not tried:
        result, said = "unproven", "No statement of the application could be tried."
    else:
        result, said = "held", ""
    return Gate.model_validate(
        {
            "name": "workload",
            "result": result,
            "allowed": ", ".join(sorted(allow)) or "nothing but works",
            "measured": f"{len(tried)} statements tried, {len({(f.query, f.role) for f in bad})} not as before, "
            f"{len(untried)} not tried",
            "message": f"{said} {notes}".strip(),
        }
    )
