# SPDX-License-Identifier: Apache-2.0
"""What does the shop's application notice of a migration? It goes on writing beside it and remembers every answer.

Two sessions write as fast as people would (about 100 transactions a second in all) in the old form of the tables. What
the server acknowledged must be there afterwards, whatever became of the migration.
"""

from __future__ import annotations

import random
import threading
import time
from dataclasses import dataclass, field
from types import TracebackType

import psycopg

from dev.demo_shop import CUSTOMERS, Shop

_SESSIONS = 2
_PAUSE_S = 0.015
_CITIES = ("Berlin", "Lagos", "Osaka", "Recife", "Brno", "Oslo", "Lima", "Perth")


@dataclass
class _Writer:
    """One session; it alone writes the customers whose number leaves its own rest, so the last value is known."""

    number: int
    url: str
    writes: int = 0
    longest_s: float = 0.0
    errors: list[str] = field(default_factory=list)
    cities: dict[int, str] = field(default_factory=dict)
    orders: list[int] = field(default_factory=list)
    customers: list[int] = field(default_factory=list)

    def run(self, stopped: threading.Event) -> None:
        chance = random.Random(self.number)
        with psycopg.connect(self.url, application_name="shop", autocommit=True) as session:
            while not stopped.wait(_PAUSE_S):
                begun = time.monotonic()
                try:
                    with session.transaction():
                        self._write(session, chance)
                except psycopg.Error as error:
                    self.errors.append(f"{type(error).__name__}: {error}".splitlines()[0])
                else:
                    self.writes += 1
                self.longest_s = max(self.longest_s, time.monotonic() - begun)

    def _write(self, session: psycopg.Connection, chance: random.Random) -> None:
        customer = chance.randrange(1, CUSTOMERS // _SESSIONS) * _SESSIONS + self.number
        match chance.randrange(4):
            case 0:
                city = chance.choice(_CITIES)
                session.execute("UPDATE customers SET city = %s WHERE id = %s", (city, customer))
                self.cities[customer] = city
            case 1:
                self.customers.append(
                    _number(
                        session,
                        "INSERT INTO customers (first_name, last_name, city) VALUES ('New', %s, 'Quito') RETURNING id",
                        f"Customer {self.writes}",
                    )
                )
            case _:
                order = _number(session, "INSERT INTO orders (customer_id) VALUES (%s) RETURNING id", customer)
                session.execute("INSERT INTO order_lines VALUES (%s, 1, 7, 2)", (order,))
                self.orders.append(order)


def _number(session: psycopg.Connection, query: str, value: object) -> int:
    row = session.execute(query.encode(), (value,)).fetchone()
    assert row is not None
    return int(row[0])


class Application:
    """Writes from `with` to its end; afterwards it knows what it noticed."""

    def __init__(self, shop: Shop) -> None:
        self._shop = shop
        self._stopped = threading.Event()
        self._writers = [_Writer(number, shop.application_url) for number in range(_SESSIONS)]
        self._threads = [
            threading.Thread(target=writer.run, args=(self._stopped,), daemon=True) for writer in self._writers
        ]

    def __enter__(self) -> Application:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stopped.set()
        for thread in self._threads:
            thread.join()

    @property
    def writes(self) -> int:
        """How many transactions the server acknowledged."""
        return sum(writer.writes for writer in self._writers)

    @property
    def longest_ms(self) -> int:
        """The longest time one transaction took, in milliseconds."""
        return round(1000 * max(writer.longest_s for writer in self._writers))

    @property
    def errors(self) -> list[str]:
        """What failed."""
        return [error for writer in self._writers for error in writer.errors]

    @property
    def new_customers(self) -> int:
        """How many customers it added."""
        return sum(len(writer.customers) for writer in self._writers)

    def lost(self) -> int:
        """How many acknowledged writes are not in the database now."""
        lost = 0
        with psycopg.connect(self._shop.owner_url) as session:
            for table, wanted in (
                ("orders", {n for w in self._writers for n in w.orders}),
                ("customers", {n for w in self._writers for n in w.customers}),
            ):
                query = f"SELECT id FROM {table} WHERE id = ANY(%s)"
                lost += len(wanted - {n for (n,) in session.execute(query.encode(), (list(wanted),))})
            cities = {n: city for w in self._writers for n, city in w.cities.items()}
            found = session.execute("SELECT id, city FROM customers WHERE id = ANY(%s)", (list(cities),))
            return lost + len(cities.items() - set(found))
