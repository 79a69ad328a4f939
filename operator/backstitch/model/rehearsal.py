# SPDX-License-Identifier: Apache-2.0
"""What did a rehearsal on a copy show: per statement, per application query, and for each gate?

The full report is kept in the ledger as JSON of `Rehearsal`; status shows `summary`, `backstitch report` the page.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from backstitch.model.base import Frozen
from backstitch.model.checks import CheckResult
from backstitch.model.record import ProofVerdict

Direction = Literal["forward", "reverse", "forward again"]
GateResult = Literal["held", "broken", "unproven"]
QueryVerdict = Literal["works", "fails", "resultTypeChanged", "indexLost", "sequentialScan", "notTried"]
"""notTried: the text of the query cannot be prepared by itself (cut off, or a utility statement)."""


class LockSeen(Frozen):
    """One lock a statement held on a relation."""

    relation: str
    mode: str  # as pg_locks writes it: AccessExclusiveLock
    held_ms: float  # from when it was first had until the end of its transaction
    blocks: tuple[str, ...] = ()  # what waits meanwhile, for people: reads, writes, DDL, vacuum


class StatementTrace(Frozen):
    """One unit of work (statement, batch run, check) as it ran on the copy."""

    direction: Direction
    phase: str
    step: str
    statement: str  # the first MAX_TEXT characters, without literals' values
    runs: int = 1  # batches of one statement are one trace: durations, rows and WAL are sums, locks the longest
    started_ms: float  # from the start of the rehearsal's first statement
    duration_ms: float
    locks: tuple[LockSeen, ...] = ()
    rewrote: tuple[str, ...] = ()  # tables whose file changed
    built: tuple[str, ...] = ()  # indexes that appeared
    scanned: tuple[str, ...] = ()  # tables read from end to end
    rows: int = 0  # rows written
    wal_bytes: int = 0
    static_class: str = ""  # what the plan said: the strongest lock
    measured_class: str = ""  # what was seen; "" where it was over before anybody could look
    scaled_duration_ms: float | None = None  # for production's size, where the copy is smaller


class QueryFinding(Frozen):
    """One statement of the application, against the schema after one phase."""

    query: str
    source: Literal["pg_stat_statements", "spec"]
    role: str | None = None
    calls: int | None = None
    phase: str
    verdict: QueryVerdict
    detail: str = ""  # the server's message, or the plan nodes before and after


class Gate(Frozen):
    """One question that must be answered yes before production is touched."""

    name: Literal[
        "lockBudget",
        "durationBudget",
        "diskNeeded",
        "reversible",
        "backupProven",
        "classAsPlanned",
        "checks",
        "workload",
    ]
    result: GateResult
    allowed: str = ""
    measured: str = ""
    message: str = ""


class Rehearsal(Frozen):
    """A rehearsal: forward, checks, the whole rollback, compared, and forward again, on a copy."""

    place: str  # sameServer, otherServer, sample
    copy_name: str = ""  # the scratch database
    plan_digest: str = ""  # of production's plan: what was rehearsed is what an estimate is for
    started_at: datetime | None = None
    duration_ms: float = 0
    restore_ms: float = 0  # of which: to restore the copy
    forward_ms: float = 0
    rollback_ms: float = 0
    again_ms: float = 0  # forward once more
    looking_ms: float = 0  # what tracing and trying queries took, in none of the others
    scale: float = 1.0  # production's size over the copy's
    statements: tuple[StatementTrace, ...] = ()
    checks: tuple[CheckResult, ...] = ()
    queries: tuple[QueryFinding, ...] = ()
    gates: tuple[Gate, ...] = ()
    verdict: ProofVerdict | None = None  # start compared with after the rollback
    exceptions: tuple[str, ...] = ()
    differences: tuple[str, ...] = ()
    failure: str = ""  # why it ended early, else empty
    digest: str = ""  # sha256 of the report without this field: what an approval is bound to

    @property
    def proven(self) -> bool:
        """Tell whether every gate held."""
        return not self.failure and bool(self.gates) and all(g.result == "held" for g in self.gates)
