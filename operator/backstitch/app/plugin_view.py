# SPDX-License-Identifier: Apache-2.0
"""How does a DatabaseMigration of a cluster look on a terminal? From its object alone, as the API server gives it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rich.table import Table
from rich.text import Text

from backstitch.app.logs import redact
from backstitch.core.ordering import version_key
from backstitch.core.view_text import duration_text
from backstitch.model.names import PAUSE
from backstitch.model.states import RESTING, State

_STATES = {
    State.SUCCEEDED: "bold green",
    State.ROLLED_BACK: "bold yellow",
    State.ROLLING_BACK: "yellow",
    State.AWAITING_APPROVAL: "bold magenta",
    State.REFUSED: "bold red",
    State.NEEDS_HELP: "bold red",
    State.STOPPED: "bold red",
}
_MARKS = {"pending": "·", "running": "▶", "done": "✓", "undone": "↩", "failed": "✗"}
_OUTCOMES = {"passed": "✓", "failed": "✗", "error": "!", "inconclusive": "?"}


def state_of(body: Mapping[str, Any]) -> State:
    """Give the state; Pending where the operator has not said one, or not for this spec."""
    status = body.get("status") or {}
    if status.get("observedGeneration", -1) != body["metadata"].get("generation"):
        return State.PENDING
    return State(status.get("state", State.PENDING))


def is_resting(body: Mapping[str, Any]) -> bool:
    """Tell whether nothing changes any more by itself."""
    return state_of(body) in RESTING


def migration_text(body: Mapping[str, Any]) -> Text:
    """Give one migration, whole."""
    status = body.get("status") or {}
    state = state_of(body)
    text = Text()
    text.append(f"{body['metadata']['name']} ", style="bold")
    text.append(f"{state}", style=_STATES.get(state, "cyan"))
    text.append(f"  version {body['spec']['version']} on {body['spec']['targetRef']['name']}")
    text.append(f"  {status.get('progress', '')}")
    if status.get("phase"):
        text.append(f"  phase {status['phase']}", style="dim")
    for line, style in _lines(body, status):
        text.append(f"\n{redact(line)}", style=style)
    return text


def _lines(body: Mapping[str, Any], status: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if PAUSE in (body["metadata"].get("annotations") or {}):
        yield "  paused by a person; `resume` lets it go on", "magenta"
    if status.get("message"):
        yield f"  {status['message']}", ""
    backup = status.get("backup")
    if backup:
        kept = backup.get("waived") or f"{backup['place']} ({'proven' if backup['proven'] else 'NOT proven'})"
        yield f"  backup: {kept}", "dim"
    rehearsal = status.get("rehearsal")
    if rehearsal:
        yield f"  rehearsal: {rehearsal['result']}", "dim"
    for step in status.get("steps") or []:
        yield f"  {_MARKS.get(step['state'], '·')} {_step(step)}", "cyan" if step["state"] == "running" else ""
    for blocker in status.get("blockers") or []:
        yield f"  waits for a lock held by {blocker}", "yellow"
    for check in status.get("checks") or []:
        found = f": {check['value']}" if check.get("value") else ""
        yield f"  {_OUTCOMES.get(check['outcome'], '?')} check {check['name']}{found}", ""
    if status.get("revertUntil"):
        yield f"  can be rolled back until {status['revertUntil']}", "dim"


def _step(step: Mapping[str, Any]) -> str:
    parts = [f"{step['name']} ({step['operation']})"]
    if step.get("rowsDone"):
        of = f" of about {step['rowsEstimated']:,}" if step.get("rowsEstimated") else ""
        parts.append(f"{step['rowsDone']:,}{of} rows{_eta(step)}")
    if step.get("lockWaitedMs"):
        parts.append(f"waited {duration_text(step['lockWaitedMs'])} for locks")
    if step.get("durationMs") and step["state"] != "pending":
        parts.append(duration_text(step["durationMs"]))
    if step.get("message"):
        parts.append(step["message"])
    return ", ".join(parts)


def _eta(step: Mapping[str, Any]) -> str:
    """How long the rest takes at the pace so far."""
    done, expected, took = step.get("rowsDone", 0), step.get("rowsEstimated") or 0, step.get("durationMs", 0)
    if step["state"] != "running" or not 0 < done < expected or not took:
        return ""
    return f", about {duration_text(int(took * (expected - done) / done))} left"


def plan_text(body: Mapping[str, Any]) -> Text:
    """Give the plan that waits for a yes."""
    status = body.get("status") or {}
    text = Text(f"Plan of {body['metadata']['name']}, digest {status.get('planDigest', 'unknown')}", style="bold")
    plan = status.get("plan") or {}
    for step in plan.get("steps", []):
        text.append(f"\n  step {step['name']}", style="cyan")
        for statement in step["statements"]:
            text.append(f"\n    {redact(statement)}")
        if step.get("more"):
            text.append(f"\n    … and {step['more']} more statements", style="yellow")
        if step.get("later"):
            text.append("\n    (planned when its turn comes: an earlier sql step may change what it stands on)")
        for hazard in step.get("hazards") or []:
            text.append(f"\n    {hazard}", style="yellow")
    if plan.get("more"):
        text.append(f"\n  … and {plan['more']} more steps", style="yellow")
    return text


def history_table(bodies: list[dict[str, Any]]) -> Table:
    """Give all migrations in the order of their targets and versions."""
    table = Table(box=None, pad_edge=False)
    for column in ("Target", "Version", "Name", "State", "Progress", "Ended", "Message"):
        table.add_column(column, overflow="fold" if column == "Message" else "ellipsis", no_wrap=column != "Message")
    for body in sorted(bodies, key=lambda b: (b["spec"]["targetRef"]["name"], version_key(b["spec"]["version"]))):
        status, state = body.get("status") or {}, state_of(body)
        table.add_row(
            body["spec"]["targetRef"]["name"],
            body["spec"]["version"],
            body["metadata"]["name"],
            Text(state, style=_STATES.get(state, "cyan")),
            status.get("progress", ""),
            status.get("finishedAt", "")[:16].replace("T", " "),
            redact(status.get("message", "")),
        )
    return table
