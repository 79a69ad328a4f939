# SPDX-License-Identifier: Apache-2.0
"""The application of a campaign: four writers and two readers on `accounts`, and a model of every acknowledged write.

A row belongs to one writer, so its model is exact. A write whose answer was lost is looked up when the server is back:
it must be there whole or not at all. Everything else that differs from the model is a deviation.
"""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from dataclasses import dataclass, field

import psycopg

from tests.faults.campaign_cases import FIXED

WRITERS, READERS = 4, 2
PAUSE_S = 0.06
Row = tuple[int, int, str | None]
"""balance, n, stamp."""
Change = dict[int, Row | None]
"""What one write makes of rows; None: the row is gone."""


@dataclass
class Tally:
    """What the threads counted."""

    writes: int = 0
    reads: int = 0
    unknown: int = 0  # writes without an answer
    refused: Counter[str] = field(default_factory=Counter)  # by SQLSTATE: rolled back, and said so
    deviations: list[str] = field(default_factory=list)
    longest_s: float = 0.0  # of one write that was acknowledged


class Application:
    """Runs until `stop`; `pause` brings every writer to a place where its model is exact."""

    def __init__(self, url: str, seed: int) -> None:
        self._url = url
        self._stop = threading.Event()
        self._go = threading.Event()
        self._go.set()
        self.tally = Tally()
        self._writers = [_Writer(self, number, random.Random(seed * 10 + number)) for number in range(WRITERS)]
        self._threads = [threading.Thread(target=w.run, daemon=True) for w in self._writers]
        self._threads += [threading.Thread(target=self._read, args=(n,), daemon=True) for n in range(READERS)]

    def start(self) -> None:
        """Start all threads."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End all threads."""
        self._stop.set()
        self._go.set()
        for thread in self._threads:
            thread.join(30)

    def pause(self) -> dict[int, Row]:
        """Bring the writers to rest and give the model of the whole table."""
        self._go.clear()
        for writer in self._writers:
            if not writer.idle.wait(60):
                self.tally.deviations.append("a writer of the application was stuck for a minute")
        return {row: state for writer in self._writers for row, state in writer.model.items()}

    def resume(self) -> None:
        """Let the writers write again."""
        self._go.set()

    def may_go_on(self, idle: threading.Event) -> bool:
        """Wait while paused; False at the end."""
        if not self._go.is_set():
            idle.set()
            self._go.wait()
            idle.clear()
        return not self._stop.is_set()

    def connect(self, name: str) -> psycopg.Connection:
        """Connect, however long the server takes to come back. Raises OperationalError at the end."""
        while True:
            try:
                return psycopg.connect(self._url, autocommit=True, application_name=name, connect_timeout=5)
            except psycopg.OperationalError:
                if self._stop.is_set():
                    raise
                time.sleep(0.1)

    def _read(self, number: int) -> None:
        connection: psycopg.Connection | None = None
        rng = random.Random(number)
        while not self._stop.is_set():
            row = rng.randrange(1, FIXED + 1)
            acknowledged = self._writers[row % WRITERS].model[row]
            try:
                connection = connection or self.connect(f"reader-{number}")
                found = connection.execute(
                    "select (select sum(balance) from accounts), (select n from accounts where id = %s)", (row,)
                ).fetchone()
            except psycopg.Error as error:
                self.tally.refused[error.sqlstate or "lost"] += 1
                if connection is not None and (connection.closed or not error.sqlstate):
                    connection.close()
                    connection = None
                if self._stop.is_set():
                    return
                continue
            assert found is not None
            self.tally.reads += 1
            if found[0] != 0:
                self.tally.deviations.append(f"a reader saw balances that add up to {found[0]} instead of 0")
            if found[1] is None or (acknowledged is not None and found[1] < acknowledged[1]):
                self.tally.deviations.append(f"a reader saw account {row} at {found[1]}, after {acknowledged}")
            time.sleep(PAUSE_S * 2)
        if connection is not None:
            connection.close()


class _Writer:
    """One writer with its rows: those whose id modulo the number of writers is its own."""

    def __init__(self, application: Application, number: int, rng: random.Random) -> None:
        self._application = application
        self._number = number
        self._rng = rng
        self._connection: psycopg.Connection | None = None
        self._serial = 0
        self.idle = threading.Event()
        self.model: dict[int, Row] = {row: (0, 0, None) for row in range(1, FIXED + 1) if row % WRITERS == number}

    def run(self) -> None:
        """Write until the end."""
        while self._application.may_go_on(self.idle):
            change = self._choose()
            try:
                self._write(change)
            except psycopg.OperationalError:
                break  # the end: no server any more
            time.sleep(PAUSE_S * self._rng.uniform(0.5, 1.5))
        self.idle.set()
        if self._connection is not None:
            self._connection.close()

    def _choose(self) -> Change:
        self._serial += 1
        stamp = f"{self._number}:{self._serial}"
        kind = self._rng.choices(("touch", "insert", "delete", "transfer"), (5, 2, 1, 2))[0]
        rows = list(self.model)
        first, second = self._rng.sample(rows, k=2)
        spare = [row for row in rows if row > FIXED and self.model[row][0] == 0]
        if kind == "insert" and len(rows) < 300:
            return {FIXED + WRITERS * self._serial + self._number: (0, 0, stamp)}
        if kind == "delete" and spare:
            return {self._rng.choice(spare): None}
        if kind == "transfer":
            amount = self._rng.randrange(1, 50)
            a, b = self.model[first], self.model[second]
            return {first: (a[0] - amount, a[1] + 1, stamp), second: (b[0] + amount, b[1] + 1, stamp)}
        balance, n, _ = self.model[first]
        return {first: (balance, n + 1, stamp)}

    def _write(self, change: Change) -> None:
        application = self._application
        self._connection = self._connection or application.connect(f"writer-{self._number}")
        began = time.monotonic()
        try:
            with self._connection.transaction():
                for row, state in change.items():
                    self._one(self._connection, row, state)
        except psycopg.Error as error:
            if not self._connection.closed and error.sqlstate:
                application.tally.refused[error.sqlstate] += 1  # rolled back, and we know it
                return
            self._connection.close()
            self._connection = None
            application.tally.unknown += 1
            self._look_up(change)
            return
        application.tally.longest_s = max(application.tally.longest_s, time.monotonic() - began)
        application.tally.writes += 1
        self._take(change)

    def _one(self, connection: psycopg.Connection, row: int, state: Row | None) -> None:
        if state is None:
            done = connection.execute("delete from accounts where id = %s", (row,)).rowcount
        elif row in self.model:
            done = connection.execute(
                "update accounts set balance = %s, n = n + 1, stamp = %s where id = %s", (state[0], state[2], row)
            ).rowcount
        else:
            done = connection.execute(
                "insert into accounts (id, balance, n, stamp) values (%s, %s, %s, %s)", (row, *state)
            ).rowcount
        if done != 1:
            self._application.tally.deviations.append(f"a write to account {row} matched {done} rows")

    def _look_up(self, change: Change) -> None:
        """Settle a write without an answer: all of it, or nothing."""
        while True:
            self._connection = self._connection or self._application.connect(f"writer-{self._number}")
            try:
                found = dict.fromkeys(change, None) | {
                    row: (balance, n, stamp)
                    for row, balance, n, stamp in self._connection.execute(
                        "select id, balance, n, stamp from accounts where id = any(%s)", (list(change),)
                    ).fetchall()
                }
                break
            except psycopg.Error:
                self._connection.close()
                self._connection = None
        if found == change:
            self._take(change)
        elif found != {row: self.model.get(row) for row in change}:
            self._application.tally.deviations.append(
                f"a write without an answer was done in part: wanted {change}, found {found}"
            )

    def _take(self, change: Change) -> None:
        for row, state in change.items():
            if state is None:
                self.model.pop(row, None)
            else:
                self.model[row] = state
