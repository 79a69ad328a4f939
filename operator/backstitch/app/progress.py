# SPDX-License-Identifier: Apache-2.0
"""How does a run look on a terminal while it goes on? Steps, rows, their rate, lock waits, who causes them, checks."""

from __future__ import annotations

from collections.abc import Callable

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from backstitch.app.logs import redact
from backstitch.app.output import WHAT_TO_DO, rows_text
from backstitch.core.view_text import backup_summary, check_summary, duration_text, message_of, progress_of
from backstitch.model.record import Record, StepRecord
from backstitch.model.spec import MigrationSpec
from backstitch.model.states import RESTING, State

_MARKS = {"pending": ("·", "dim"), "running": ("▶", "cyan"), "done": ("✓", "green"),
          "undone": ("↩", "yellow"), "failed": ("✗", "red")}  # fmt: skip
_OUTCOMES = {"passed": ("✓", "green"), "failed": ("✗", "red"), "error": ("!", "red"), "inconclusive": ("?", "yellow")}
_STATES = {
    State.SUCCEEDED: "bold green",
    State.ROLLED_BACK: "bold yellow",
    State.ROLLING_BACK: "yellow",
    State.REFUSED: "bold red",
    State.NEEDS_HELP: "bold red",
    State.STOPPED: "bold red",
}


class Screen:
    """A live view on a terminal; what it last showed stays there when it is closed."""

    def __init__(self, spec: MigrationSpec, seconds: Callable[[], float], console: Console | None = None) -> None:
        self._spec = spec
        self._seconds = seconds
        self._console = console or Console(stderr=True)
        self._rates: dict[str, tuple[float, int]] = {}  # step -> (when it was first seen with rows, rows then)
        self._record: Record | None = None
        self._live = Live(
            console=self._console, get_renderable=self._render, refresh_per_second=8, redirect_stdout=False
        )
        self._live.start()

    def note(self, text: str) -> None:
        """Say it above the live part."""
        self._console.print(Text(redact(text)))

    def show(self, record: Record) -> None:
        """Take the newest record; the screen is drawn 8 times a second, however often this is called."""
        for step in record.steps:
            if step.state == "running" and step.name not in self._rates:
                self._rates[step.name] = (self._seconds(), step.rows_done)
        self._record = record

    def close(self) -> None:
        """Draw a last time and let go of the terminal."""
        self._live.stop()

    def _render(self) -> Group | Text:
        record = self._record
        if record is None:
            return Text("…", style="dim")
        head = Text()
        head.append(f"{record.name} ", style="bold")
        head.append(record.state, style=_STATES.get(record.state, "cyan"))
        head.append(f"  {progress_of(record, self._spec)}")
        if record.phase:
            head.append(f"  phase {record.phase}", style="dim")
        parts: list[Table | Text] = [head, self._steps(record)]
        parts += [Text(redact(f"  waits for a lock held by {b}"), style="yellow") for b in record.blockers]
        if record.backup is not None:
            parts.append(Text(redact(f"  backup: {backup_summary(record.backup)}"), style="dim"))
        for check in record.checks:
            mark, style = _OUTCOMES[check.outcome]
            parts.append(Text(redact(f"  {mark} {check_summary(check)}"), style=style))
        if record.state in RESTING or record.message:
            parts.append(Text(redact(f"  {message_of(record, WHAT_TO_DO)}"), style=_STATES.get(record.state, "")))
        return Group(*parts)

    def _steps(self, record: Record) -> Table:
        table = Table.grid(padding=(0, 2))
        for step in record.steps:
            mark, style = _MARKS[step.state]
            waited = f"waited {duration_text(step.lock_waited_ms)} for locks" if step.lock_waited_ms else ""
            took = duration_text(step.duration_ms) if step.state != "pending" and step.duration_ms else ""
            table.add_row(
                Text(f"  {mark} {step.name}", style=style),
                Text(step.operation, style="dim"),
                Text(self._rows(step)),
                Text(took, style="dim"),
                Text(waited, style="yellow"),
                Text(redact(step.message), style="red" if step.state == "failed" else ""),
            )
        return table

    def _rows(self, step: StepRecord) -> str:
        if not step.rows_done:
            return ""
        text = rows_text(step)
        since = self._rates.get(step.name)
        if step.state == "running" and since is not None:
            seconds = self._seconds() - since[0]
            if seconds >= 1:
                text += f", {(step.rows_done - since[1]) / seconds:,.0f}/s"
        return text
