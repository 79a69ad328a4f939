# SPDX-License-Identifier: Apache-2.0
"""How does the life cycle look? A Mermaid diagram of the table in states.py; docs/life-cycle.md is made from it."""

from __future__ import annotations

from backstitch.model.states import RESTING, TRANSITIONS, State


def diagram() -> str:
    """Give the life cycle as Mermaid text; events between the same two states share an arrow."""
    arrows: dict[tuple[State, State], list[str]] = {}
    for (before, event), after in TRANSITIONS.items():
        arrows.setdefault((before, after), []).append(event.value)
    lines = ["stateDiagram-v2", f"    [*] --> {State.PENDING}"]
    lines += [f"    {before} --> {after}: {', '.join(events)}" for (before, after), events in arrows.items()]
    lines += [f"    {state} --> [*]" for state in State if state in RESTING]
    return "\n".join(lines) + "\n"
