# SPDX-License-Identifier: Apache-2.0
"""`python -m dev.bench_rollback`: a bad data migration taken back beside four writers, by rung 2 and by rung 3.

It spoils every customer's city and deletes a fifth of the orders; a check finds it. Afterwards every row of both tables
is compared with a model that knows each acknowledged write (dev/rollback_shop.py). Prints a table; exits with 1 where
a row is wrong.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
import time
from dataclasses import dataclass

import psycopg

from backstitch.adapters.clock import SystemClock
from backstitch.adapters.conninfo import parse_url
from backstitch.adapters.dump import open_archiver
from backstitch.adapters.postgres import PostgresDatabase
from backstitch.adapters.storage import open_store
from backstitch.adapters.store_url import parse_store_url
from backstitch.engine.job import Job, World
from backstitch.engine.run import run
from backstitch.model.record import Record
from backstitch.model.spec import MigrationSpec
from backstitch.model.states import State
from dev.postgres import PostgresServer
from dev.rollback_shop import Writers, make

ROLLBACKS = {2: {"strategy": "auto"}, 3: {"strategy": "restoreBackup", "capture": True}}
BAD = [
    {
        "name": "spoil",
        "backfill": {"table": "customers", "set": {"city": "upper('wrong')"}, "where": "city <> 'WRONG'"},
    },
    {"name": "lose", "deleteRows": {"table": "orders", "where": "id % 5 = 0 AND note LIKE 'order %'"}},
]
NEVER = [{"name": "never", "query": "select 1", "expect": {"type": "number", "equals": 2}}]


@dataclass(frozen=True)
class Story:
    """What was seen of one migration and its way back."""

    record: Record
    wrong: list[str]
    errors: list[str]
    writes: int
    rollback_s: float
    longest_ms: int  # that a write of the application waited, while it rolled back
    before_ms: int  # and while it went forward
    per_second: tuple[float, float]  # writes answered, before and with capture
    pause_ms: int | None


async def tell(url: str, major: int, rung: int, rows: int, store: str, *, pause_s: float = 0.0) -> Story:
    """Make the shop, migrate it wrongly beside the writers, let it roll back, and compare every row."""
    make(url, rows)
    moments: dict[State, float] = {}

    async def observe(record: Record) -> None:
        moments.setdefault(record.state, time.monotonic())

    database = PostgresDatabase.of(parse_url(url))
    world = World(
        database=database,
        clock=SystemClock(),
        archiver=await open_archiver(database, major * 10000),
        store=open_store(parse_store_url(store)),
        observe=observe,
    )
    spec = MigrationSpec.model_validate(
        {
            "targetRef": {"name": "shop"},
            "version": "1",
            "type": "data",
            "phases": [{"name": "only", "steps": BAD}],
            "checks": NEVER,
            "rollback": ROLLBACKS[rung],
        }
    )
    job = Job(namespace="shop", name=f"bad-{rung}", spec=spec, environment="staging")
    with Writers(url, rows, pause_s=pause_s) as writers:
        begun = time.monotonic()
        await asyncio.sleep(1.0)
        started = time.monotonic()
        record = await run(job, world)
        ended = time.monotonic()
        await asyncio.sleep(0.2)
    back, forward = moments.get(State.ROLLING_BACK, ended), moments.get(State.MIGRATING, ended)
    return Story(
        record=record,
        wrong=writers.wrong(url),
        errors=writers.errors,
        writes=writers.writes,
        rollback_s=ended - back,
        longest_ms=writers.longest_ms(back, ended),
        before_ms=writers.longest_ms(forward, back),
        per_second=(writers.per_second(begun, started), writers.per_second(forward, back)),
        pause_ms=record.rollback.pause_ms if record.rollback else None,
    )


def main() -> int:
    """Tell the story by each rung and print what was measured."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--major", type=int, default=18)
    parser.add_argument("--rung", type=int, choices=(2, 3), action="append")
    options = parser.parse_args()
    bad = 0
    server = PostgresServer(options.major)
    print(f"PostgreSQL {server.version}, {options.rows:,} customers, 4 writers, load {os.getloadavg()[0]:.1f}")
    try:
        for rung in options.rung or (2, 3):
            name = f"shop_{rung}"
            with psycopg.connect(server.url(), autocommit=True) as session:
                session.execute(f"CREATE DATABASE {name}".encode())
            with tempfile.TemporaryDirectory() as folder:
                story = asyncio.run(tell(server.url(name), options.major, rung, options.rows, f"file://{folder}"))
            done = story.record.rollback
            print(
                f"rung {rung}: {story.record.state}, climbed {done.rung if done else '-'}, "
                f"{done.verdict if done else '-'}; {story.writes:,} writes, {len(story.errors)} errors, "
                f"{len(story.wrong)} rows wrong; rows put back {done.rows_restored if done else 0:,}; rolled back in "
                f"{story.rollback_s:.1f} s; pause {story.pause_ms} ms; longest wait of a write {story.longest_ms} ms "
                f"(forward {story.before_ms} ms); writes a second {story.per_second[0]:.0f} before, "
                f"{story.per_second[1]:.0f} while migrating"
            )
            for line in (
                *story.wrong[:5],
                *story.errors[:5],
                *([] if story.record.state is State.ROLLED_BACK else [story.record.message]),
            ):
                print(f"  {line}")
            bad += len(story.wrong) + (story.record.state is not State.ROLLED_BACK)
    finally:
        server.stop()
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
