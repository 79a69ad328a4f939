# SPDX-License-Identifier: Apache-2.0
"""Who may run now? A bounded number of migrations at once, and one per database.

This keeps order inside one process; what makes it safe is the ledger's own lock in the database.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from backstitch.adapters.kube import Key


@dataclass(frozen=True)
class Busy:
    """Why it is not this migration's turn."""

    reason: str
    message: str


class Turns:
    """The turns of one process. `wake` is called for those who were told to wait, first come first."""

    def __init__(self, max_running: int, wake: Callable[[Key], None]) -> None:
        self._max_running = max_running
        self._wake = wake
        self._running: dict[str, Key] = {}  # database -> who runs on it
        self._waiting: dict[Key, None] = {}  # in the order they came

    @property
    def running(self) -> int:
        """Give how many run now."""
        return len(self._running)

    def why_wait(self, key: Key, database: str) -> Busy | None:
        """Give why this migration must wait (it will be woken), or None when it may take its turn."""
        holder = self._running.get(database)
        if holder is not None:
            self._waiting[key] = None
            other = holder.name if holder.namespace == key.namespace else str(holder)
            return Busy("DatabaseBusy", f"Waits for migration {other}, which runs on the same database.")
        if len(self._running) >= self._max_running:
            self._waiting[key] = None
            return Busy(
                "OperatorBusy",
                f"{len(self._running)} migrations run, which is as many as may at once (BACKSTITCH_MAX_RUNNING).",
            )
        return None

    @contextmanager
    def take(self, key: Key, database: str) -> Iterator[None]:
        """Hold the turn while the block lasts; only after `why_wait` gave None, without an await in between."""
        self._running[database] = key
        self._waiting.pop(key, None)
        try:
            yield
        finally:
            del self._running[database]
            waiting, self._waiting = self._waiting, {}
            for other in waiting:
                self._wake(other)
