# SPDX-License-Identifier: Apache-2.0
"""What does a statement seen on a copy mean: how strongly does it lock, whom does that block, is it as planned?

Classes, from harmless to felt: `none` (no table that was there before), `rows` (as the application's own writes lock),
`validate` (reads and writes go on; other DDL and vacuum wait), `exclusive` (writes wait, or reads too). They are the
lock classes of a plan's units, and `rows` for data changes. `unknown` is what no text tells: a DO block, a function.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from backstitch.model.rehearsal import LockSeen, StatementTrace
from backstitch.model.script import ScriptError, Statement, split
from backstitch.model.units import BatchUnit, ConcurrentUnit, DdlUnit, RowsUnit, SqlUnit, Unit

MAX_TEXT = 300
CLASSES = ("none", "rows", "validate", "exclusive")
UNKNOWN = "unknown"

MODES = (
    "AccessShareLock",
    "RowShareLock",
    "RowExclusiveLock",
    "ShareUpdateExclusiveLock",
    "ShareLock",
    "ShareRowExclusiveLock",
    "ExclusiveLock",
    "AccessExclusiveLock",
)
"""PostgreSQL's table lock modes, from weak to strong (manual, 13.3)."""

_CLASS_OF_MODE = dict(zip(MODES, ("none", "none", "rows", "validate", *["exclusive"] * 4), strict=True))

_BLOCKS: dict[str, tuple[str, ...]] = {
    "AccessShareLock": (),
    "RowShareLock": (),
    "RowExclusiveLock": ("CREATE INDEX and most DDL",),
    "ShareUpdateExclusiveLock": ("DDL", "vacuum"),
    "ShareLock": ("writes", "DDL", "vacuum"),
    "ShareRowExclusiveLock": ("writes", "DDL", "vacuum"),
    "ExclusiveLock": ("writes", "SELECT FOR UPDATE", "DDL", "vacuum"),
    "AccessExclusiveLock": ("reads", "writes", "DDL", "vacuum"),
}

_LITERALS = re.compile(
    r"--[^\n]*|/\*.*?\*/|\$([A-Za-z_]\w*|)\$.*?\$\1\$|[EeBbXxNn]?'(?:[^']|'')*'|(?<![\w\"$])\d+(?:\.\d+)?(?![\w\"])",
    re.S,
)

# DDL that takes no lock, or only one that nobody feels, on tables that were there before.
_MAKES_ONLY = frozenset(
    (
        *("CREATE TABLE", "CREATE TABLE AS", "CREATE VIEW", "CREATE MATERIALIZED VIEW", "CREATE FUNCTION"),
        *("CREATE TYPE", "CREATE DOMAIN", "CREATE SEQUENCE", "CREATE SCHEMA", "CREATE EXTENSION", "ALTER FUNCTION"),
        *("DROP FUNCTION", "DROP PROCEDURE", "GRANT", "REVOKE", "ALTER DEFAULT PRIVILEGES"),
    )
)
_VALIDATES = frozenset(("COMMENT", "CREATE STATISTICS", "ANALYZE"))
_VALIDATING_COMMANDS = frozenset(("AT_ValidateConstraint", "AT_SetStatistics", "AT_ClusterOn", "AT_DropCluster"))


def without_literals(text: str) -> str:
    """Give a statement on one line, cut to MAX_TEXT, with `?` in place of values: they may be people's data."""
    line = " ".join(_LITERALS.sub(lambda m: "" if m[0].startswith(("--", "/*")) else "?", text).split())
    return line if len(line) <= MAX_TEXT else line[: MAX_TEXT - 1] + "…"


def blocks(mode: str) -> tuple[str, ...]:
    """Give what waits while somebody holds a lock of this mode."""
    return _BLOCKS.get(mode, ())


def stronger(first: str, second: str) -> str:
    """Give the stronger of two lock modes or classes."""
    order = MODES if first in MODES else CLASSES
    return max(first, second, key=order.index)


def measured_class(locks: Iterable[LockSeen]) -> str:
    """Give the class of the strongest lock that was seen."""
    return max((_CLASS_OF_MODE.get(lock.mode, "exclusive") for lock in locks), key=CLASSES.index, default="none")


def is_felt(lock: LockSeen) -> bool:
    """Tell whether a statement of the application may wait for this lock: its reads, or its writes."""
    return _CLASS_OF_MODE.get(lock.mode, "exclusive") == "exclusive"


def as_planned(trace: StatementTrace) -> bool:
    """Tell whether a statement locked no more than its plan said. What no plan could say counts as not."""
    if trace.static_class == UNKNOWN:
        return trace.measured_class in ("", "none", "rows")
    if trace.static_class not in CLASSES:
        return True  # a part of the engine's own, which no plan speaks of
    if trace.measured_class not in CLASSES:
        return True  # over before anybody could look
    return CLASSES.index(trace.measured_class) <= CLASSES.index(trace.static_class)


def planned_classes(unit: Unit) -> dict[str, str]:
    """Give the class that a unit's plan says for each of its statements, by the text it is shown with."""
    match unit:
        case DdlUnit():
            return dict.fromkeys(map(without_literals, (*unit.forward, *unit.backward)), unit.lock)
        case ConcurrentUnit():
            return dict.fromkeys(map(without_literals, (unit.forward, unit.backward)), "validate")
        case BatchUnit():
            return {without_literals(s.before): "rows" for s in unit.statements}
        case RowsUnit():
            return {"INSERT INTO": "rows"}
        case SqlUnit():
            found: dict[str, str] = {}
            for text in (*unit.statements, *(unit.down or ())):
                found[without_literals(text)] = class_of_sql(text)
            return found


def planned_class(statement: str, classes: Mapping[str, str]) -> str:
    """Give the class that a step's plan says for a statement as it was traced; "" where no plan speaks of it."""
    if statement in classes:
        return classes[statement]
    begins = [text for text in classes if text and statement.startswith(text.removesuffix("…"))]
    return classes[max(begins, key=len)] if begins else ""


def class_of_sql(text: str) -> str:
    """Give the class that raw SQL says it has: the strongest of its statements, `unknown` where it does not say."""
    try:
        statements = split(text)
    except ScriptError:
        return UNKNOWN
    found = [_class_of(s) for s in statements]
    return UNKNOWN if UNKNOWN in found else max(found, key=CLASSES.index, default="none")


def _class_of(statement: Statement) -> str:
    if statement.kind == "do" or (statement.kind in ("query", "dml") and _calls_functions(statement)):
        return UNKNOWN
    if statement.kind == "query":
        return "none"
    if statement.kind == "dml":
        return "rows"
    if statement.kind != "ddl":
        return "exclusive"
    if not statement.in_transaction or statement.tag in _VALIDATES:
        return "validate"
    if statement.tag in _MAKES_ONLY:
        # a foreign key locks the table it points to, a partition its parent
        return "exclusive" if any(True for _ in statement.node.find("Constraint", "PartitionBoundSpec")) else "none"
    commands = [c.text("subtype") for c in statement.node.find("AlterTableCmd")]
    return "validate" if commands and set(commands) <= _VALIDATING_COMMANDS else "exclusive"


def _calls_functions(statement: Statement) -> bool:
    """Tell whether a query calls a function that is not PostgreSQL's own; such a one may do anything."""
    known = ("count", "sum", "min", "max", "avg", "now", "lower", "upper", "length", "coalesce", "concat", "trim")
    return any(
        call.strings("funcname")[:1] != ("pg_catalog",) and call.strings("funcname")[-1:][0] not in known
        for call in statement.node.find("FuncCall")
        if call.strings("funcname")
    )


def merged(traces: Iterable[StatementTrace]) -> tuple[StatementTrace, ...]:
    """Give one trace for all runs of one statement in one step and direction, in the order of their first run."""
    found: dict[tuple[str, str, str], StatementTrace] = {}
    for trace in traces:
        key = (trace.direction, trace.step, trace.statement)
        before = found.get(key)
        found[key] = trace if before is None else _add(before, trace)
    return tuple(found.values())


def _add(first: StatementTrace, second: StatementTrace) -> StatementTrace:
    locks = {(lock.relation, lock.mode): lock for lock in first.locks}
    for lock in second.locks:
        known = locks.get((lock.relation, lock.mode))
        if known is None or known.held_ms < lock.held_ms:
            locks[(lock.relation, lock.mode)] = lock
    return first.model_copy(
        update={
            "runs": first.runs + second.runs,
            "duration_ms": first.duration_ms + second.duration_ms,
            "locks": tuple(locks.values()),
            "rewrote": tuple(dict.fromkeys((*first.rewrote, *second.rewrote))),
            "built": tuple(dict.fromkeys((*first.built, *second.built))),
            "scanned": tuple(dict.fromkeys((*first.scanned, *second.scanned))),
            "rows": first.rows + second.rows,
            "wal_bytes": first.wal_bytes + second.wal_bytes,
            "measured_class": stronger(first.measured_class or "none", second.measured_class or "none"),
        }
    )


def grows_with_rows(trace: StatementTrace) -> bool:
    """Tell whether a statement takes longer on a larger table: it read, wrote, rewrote or indexed rows."""
    return bool(trace.rewrote or trace.built or trace.scanned or trace.rows)
