# SPDX-License-Identifier: Apache-2.0
"""Which three stories does the demo tell, and how does it check each for itself, without asking Backstitch?

The same stories are told through `backstitch run` (demo_laptop.py) and through Kubernetes (demo_cluster.py).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from dev.demo_application import Application
from dev.demo_screen import Claims
from dev.demo_shop import Shop

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Seen:
    """What the demo itself saw of the shop before a story."""

    columns: list[str]
    customers: int
    digest: str


Look = Callable[[Shop], Seen]
Judge = Callable[[Shop, Seen, Application, Claims], None]


@dataclass(frozen=True)
class Story:
    """One migration with the end it must come to.

    Attributes:
        file: the migration, from the root of the repository.
        said: what it is about, for people who see it for the first time.
        ends: the state it must rest in.
        exit_code: what `backstitch run` must give.
        judge: holds the shop against what was seen before.
        note: what a newcomer may stumble over in its status.
    """

    name: str
    file: str
    said: str
    ends: str
    exit_code: int
    look: Look
    judge: Judge
    note: str = ""

    @property
    def path(self) -> Path:
        """The file on this machine."""
        return ROOT / self.file


def _names(shop: Shop) -> Seen:
    digest = shop.digest("SELECT id, first_name, last_name FROM customers")
    return Seen(shop.columns("customers"), shop.count("SELECT count(*) FROM customers"), digest)


def _orders(shop: Shop) -> Seen:
    last = shop.count("SELECT max(id) FROM orders")
    digest = shop.digest(f"SELECT * FROM orders WHERE id <= {last}")
    return Seen([str(last), *shop.columns("orders")], shop.count("SELECT count(*) FROM customers"), digest)


def _judge_full_name(shop: Shop, before: Seen, application: Application, claims: Claims) -> None:
    wrong = shop.count("SELECT count(*) FROM customers WHERE full_name IS DISTINCT FROM first_name || ' ' || last_name")
    there = shop.count("SELECT count(*) FROM customers")
    expected = before.customers + application.new_customers
    claims.claim(
        wrong == 0 and there == expected,
        f"all {there:,} customers have the right full_name: {before.customers:,} old ones and "
        f"{application.new_customers} whom the application added meanwhile, in its old way",
        f"{there:,} customers of {expected:,}; {wrong:,} with a wrong full_name",
    )
    _judge_application(application, claims)


def _judge_cancelled(shop: Shop, before: Seen, application: Application, claims: Claims) -> None:
    last, *columns = before.columns
    found = shop.columns("orders")
    claims.claim(
        found == columns,
        f"orders has its columns as before, in their order: {', '.join(columns)}",
        f"orders has the columns {', '.join(found)} instead of {', '.join(columns)}",
    )
    claims.claim(
        found == columns and shop.digest(f"SELECT * FROM orders WHERE id <= {last}") == before.digest,
        f"each of the {int(last):,} orders is what it was before the migration (a hash over all of them is equal)",
        "the orders are not what they were before the migration",
    )
    _judge_application(application, claims)


def _judge_refused(shop: Shop, before: Seen, application: Application, claims: Claims) -> None:
    after = _names(shop)
    claims.claim(
        (after.columns, after.customers) == (before.columns, before.customers + application.new_customers),
        "nothing was touched: no backup, no column, no row",
        "the shop was changed although the migration was refused",
    )


def _judge_application(application: Application, claims: Claims) -> None:
    claims.claim(
        not application.errors,
        f"the application wrote {application.writes:,} times meanwhile: no error, longest wait "
        f"{application.longest_ms} ms",
        f"the application got {len(application.errors)} errors, such as: {application.errors[:1]}",
    )
    lost = application.lost()
    claims.claim(
        lost == 0,
        f"each of its {application.writes:,} acknowledged writes is in the database",
        f"{lost} of its {application.writes:,} acknowledged writes are lost",
    )


STORIES = (
    Story(
        name="full-name",
        file="manifests/demo/1-full-name.yaml",
        said="The shop wants one name field instead of two. The migration adds the column, keeps it in step with a "
        "trigger, fills it for 200,000 customers in batches, checks every name, and only then makes it NOT NULL. "
        "The application beside it knows nothing of this and goes on taking orders.",
        ends="Succeeded",
        exit_code=0,
        look=_names,
        judge=_judge_full_name,
    ),
    Story(
        name="cancel-stale-orders",
        file="manifests/demo/2-cancel-stale-orders.yaml",
        said="A mistake: old orders that nobody paid for should be cancelled, but the author forgot `AND paid_at IS "
        "NULL`, so paid ones are cancelled too. The same migration also drops a column. Its check finds out, and "
        "everything goes back by itself: rows, column and all.",
        ends="RolledBack",
        exit_code=3,
        look=_orders,
        judge=_judge_cancelled,
        note="IdenticalExcept [applicationWrites]: the schema is what it was, and so is each row that the "
        "migration had changed; what the application wrote meanwhile stayed, and is counted above.",
    ),
    Story(
        name="loyalty-points",
        file="manifests/demo/3-loyalty-points.yaml",
        said="Two names are misspelt. The whole plan is made from the live catalog before anything runs, so this ends "
        "before it begins.",
        ends="Refused",
        exit_code=2,
        look=_names,
        judge=_judge_refused,
    ),
)
