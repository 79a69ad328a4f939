# SPDX-License-Identifier: Apache-2.0
"""The check workloadStillWorks: its baseline before the first change, and its verdict afterwards.

The statements are those of the baseline, not those of the moment of the check: what the application sends only since
the migration began was never compared with anything.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from backstitch.core.judge import Verdict
from backstitch.core.ports import Session
from backstitch.core.workload import broken, describe, is_about
from backstitch.engine.verify_session import CannotTell, CheckContext
from backstitch.engine.workload import read_workload, see_here, try_here
from backstitch.model.checks import Check
from backstitch.model.sql import parse_name
from backstitch.model.workload import AppQuery, QuerySeen, Workload, WorkloadStillWorks


async def why_no_workload(
    session: Session, checks: Sequence[Check], queries: tuple[AppQuery, ...], touched: frozenset[str] | None
) -> list[str]:
    """Give why a check workloadStillWorks could never say anything; asked before the first change. Reads only."""
    reasons = []
    context = CheckContext(queries=queries, touched=touched)
    for check in checks:
        wanted = check.workload_still_works
        if wanted is None or check.report_only:
            continue
        try:
            workload = await _chosen(session, wanted, context)
        except CannotTell as error:
            reasons.append(f"Check {check.name}: {error.message}")
            continue
        if not workload.queries and workload.notes:
            reasons.append(
                f"Check {check.name} (workloadStillWorks) knows no statement of the application: "
                f"{' '.join(workload.notes)} List them in spec.workload, or leave the check out."
            )
    return reasons


async def see_baseline(session: Session, wanted: WorkloadStillWorks, context: CheckContext) -> dict[str, object]:
    """Give the statements and what the server says of them now, JSON-ready. Raises CannotTell for unknown names."""
    workload = await _chosen(session, wanted, context)
    seen = await see_here(session, workload.queries, whole=context.whole)
    return {"workload": workload.to_plain(), "seen": [s.to_plain() for s in seen]}


async def _chosen(session: Session, wanted: WorkloadStillWorks, context: CheckContext) -> Workload:
    listed = context.queries
    if wanted.queries is not None:
        known = {q.name for q in listed}
        missing = [name for name in wanted.queries if name not in known]
        if missing:
            raise CannotTell(
                f"workloadStillWorks names {', '.join(missing)}, which neither spec.workload nor the target's policy "
                f"has; they have: {', '.join(sorted(filter(None, known))) or 'none'}."
            )
        return Workload(queries=tuple(q for q in listed if q.name in wanted.queries))
    tables = frozenset(str(parse_name(t)) for t in wanted.tables) if wanted.tables is not None else context.touched
    if wanted.tables is not None:
        listed = tuple(q for q in listed if is_about(q.text, tables))
    if context.workload is not None:
        others = (q for q in context.workload.queries if q.source != "spec" and is_about(q.text, tables))
        return Workload(queries=(*listed, *others), notes=context.workload.notes)
    return await read_workload(session, listed, tables)


async def run_workload_still_works(
    session: Session, wanted: WorkloadStillWorks, baseline: Mapping[str, Any], context: CheckContext
) -> Verdict:
    """Prepare and explain every statement of the baseline again, and compare."""
    if "workload" not in baseline:
        why = baseline.get("missing", "nothing was seen then.")
        raise CannotTell(f"What the application's statements were like at the start is not known: {why}")
    workload = Workload.model_validate(baseline["workload"])
    before = [QuerySeen.model_validate(s) for s in baseline["seen"]]
    findings = await try_here(session, workload.queries, before, phase=context.phase or "", whole=context.whole)
    bad = broken(findings, wanted.allow or ())
    untried = [f for f in findings if f.verdict == "notTried"]
    by_hand = [f for f in untried if f.source == "spec"]
    changed = broken(findings)
    expected = "all as before" + (f", or {', '.join(wanted.allow)}" if wanted.allow else "")
    value = f"{len(findings) - len(changed) - len(untried)} of {len(findings)} statements as before"
    value += f", {len(untried)} not tried" if untried else ""
    notes = " ".join(workload.notes)
    if bad:
        return Verdict("failed", value, expected, f"{describe(bad)} {notes}".strip())
    if by_hand:
        return Verdict("error", value, expected, describe(by_hand))
    if len(untried) == len(findings) and (findings or notes):
        return Verdict("inconclusive", value, expected, f"No statement could be tried. {notes}".strip())
    return Verdict("passed", value, expected, f"{describe(changed)} {notes}".strip())
