# SPDX-License-Identifier: Apache-2.0
"""`make bench`: what does a backfill cost, side by side with one UPDATE and with plain key-set batches?

Each way gets a fresh table of the same rows, one after the other in rounds, on one server; what is shown are medians
as ratios to the single UPDATE of the same run. Server CPU is that of the session that writes. Nothing passes or fails.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import psycopg

from backstitch.adapters.clock import SystemClock
from backstitch.adapters.conninfo import parse_url
from backstitch.adapters.postgres import PostgresDatabase
from backstitch.engine.job import Job, World
from backstitch.engine.run import run
from backstitch.model.record import Record
from backstitch.model.spec import MigrationSpec
from backstitch.model.states import State
from dev.postgres import PostgresServer

SET = "first_name || ' ' || last_name"
TABLE = """
create table users (id bigint not null, code uuid not null default gen_random_uuid(), first_name text not null,
  last_name text not null, city int not null, born date not null, note text not null);
insert into users select {key}, gen_random_uuid(), 'first ' || g, 'last ' || g, g % 1000, date '1970-01-01' + g % 9999,
  repeat('n', 100) from generate_series(1, {rows}) g;
alter table users add primary key (id);
create unique index on users (code);
create index on users (city);
create index on users (born, last_name);
alter table users add column full_name text;
"""
RANDOM_KEY = "(g * 7919::bigint * 104729) % 2147483629"


@dataclass(frozen=True)
class Cost:
    """What one way took."""

    seconds: float
    cpu: float
    wal: float
    heap: float  # times the start
    indexes: float


def _cpu(pid: int) -> float:
    """Seconds of CPU that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def naive(url: str) -> float:
    """One UPDATE; give the CPU it took."""
    with psycopg.connect(url, autocommit=True) as connection:
        began = _cpu(connection.info.backend_pid)
        connection.execute(f"update users set full_name = {SET} where full_name is null")
        return _cpu(connection.info.backend_pid) - began


async def plain(url: str) -> float:
    """Key-set batches of 5,000 rows, as a careful script has them; give the CPU they took."""
    with psycopg.connect(url, autocommit=True) as connection:
        began, last = _cpu(connection.info.backend_pid), -1
        while True:
            row = connection.execute(
                "with picked as (select id from users where id > %s and full_name is null order by id limit 5000), "
                f"done as (update users u set full_name = {SET} from picked where u.id = picked.id returning u.id) "
                "select max(id) from done",
                (last,),
            ).fetchone()
            if row is None or row[0] is None:
                return _cpu(connection.info.backend_pid) - began
            last = row[0]


async def ours(url: str) -> float:
    """Our operation with its row images; the column is there already, so that it is the backfill alone."""
    step = {"name": "fill", "backfill": {"table": "users", "set": {"full_name": SET}, "where": "full_name IS NULL"}}
    head = {"targetRef": {"name": "bench"}, "version": "1", "type": "data", "deadline": "10h"}
    spec = MigrationSpec.model_validate({**head, "phases": [{"name": "fill", "steps": [step]}]})
    used = {"began": -1.0, "cpu": 0.0}

    async def watch(record: Record) -> None:
        with psycopg.connect(url) as look:
            row = look.execute(
                "select pid from pg_stat_activity where application_name like 'backstitch/bench/fill%'"
            ).fetchone()
        if row is not None:
            used["cpu"] = _cpu(row[0])
            if used["began"] < 0 and record.steps and record.steps[0].state == "running":
                used["began"] = used["cpu"]

    seen = [0.0]

    async def now_and_then(record: Record) -> None:
        if time.monotonic() - seen[0] > 0.3 or record.state is not State.MIGRATING or not record.steps[0].rows_done:
            seen[0] = time.monotonic()
            await watch(record)

    world = World(database=PostgresDatabase.of(parse_url(url)), clock=SystemClock(), observe=now_and_then)
    record = await run(Job(namespace="bench", name="fill", spec=spec, environment="development"), world)
    if record.state is not State.SUCCEEDED:
        raise SystemExit(record.message)
    return used["cpu"] - used["began"]


WAYS: dict[str, Callable[[str], Awaitable[float]]] = {
    "one UPDATE": naive,
    "plain key-set batches": plain,
    "Backstitch, with row images": ours,
}


async def measure(
    server: PostgresServer, name: str, way: Callable[[str], Awaitable[float]], rows: int, key: str
) -> Cost:
    """Run one way on a fresh database."""
    url, admin = server.url(name), server.url()
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(f"create database {name}")
    try:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(TABLE.format(rows=rows, key=key))
            connection.execute("vacuum (freeze, analyze) users")
            connection.execute("checkpoint")
            sizes = "select pg_relation_size('users'), pg_indexes_size('users'), pg_current_wal_insert_lsn()"
            before = connection.execute(sizes).fetchone()
            began = time.monotonic()
            cpu = await way(url)
            took = time.monotonic() - began
            after = connection.execute(sizes).fetchone()
            assert before is not None
            assert after is not None
            wal = connection.execute("select pg_wal_lsn_diff(%s, %s)", (after[2], before[2])).fetchone()
            wrong = connection.execute(f"select count(*) from users where full_name is distinct from {SET}").fetchone()
            assert wal is not None
            if wrong != (0,):
                raise SystemExit(f"{name}: {wrong} rows are wrong")
            return Cost(took, cpu, float(wal[0]), after[0] / before[0], after[1] / before[1])
    finally:
        with psycopg.connect(admin, autocommit=True) as connection:
            connection.execute(f"drop database {name} with (force)")


def _line(name: str, costs: list[Cost], base: list[Cost]) -> str:
    def ratio(of: Callable[[Cost], float]) -> str:
        return f"{statistics.median(of(c) / of(b) for c, b in zip(costs, base, strict=True)):.2f}"

    heap, indexes = (statistics.median(of) for of in ([c.heap for c in costs], [c.indexes for c in costs]))
    times = (ratio(lambda c: c.seconds), ratio(lambda c: c.cpu), ratio(lambda c: c.wal))
    return "| " + " | ".join((name, *times, f"{heap:.2f}", f"{indexes:.2f}")) + " |"


async def main() -> None:
    """Print one table for each server and order of keys."""
    parser = argparse.ArgumentParser(prog="bench_backfill")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--pg", default="18,15")
    given = parser.parse_args()
    for major in map(int, given.pg.split(",")):
        with PostgresServer(major, settings={"autovacuum": "off"}) as server:
            for order, key in (("keys in order", "g"), ("random keys", RANDOM_KEY)):
                found: dict[str, list[Cost]] = {name: [] for name in WAYS}
                for n in range(given.rounds):
                    for number, (name, way) in enumerate(WAYS.items()):
                        found[name].append(await measure(server, f"bench_{n}_{number}", way, given.rows, key))
                        print(f"  {name}: {found[name][-1]}", file=sys.stderr)
                print(f"\nPostgreSQL {major}, {given.rows:,} rows, {order}, medians of {given.rounds}:\n")
                print("| Way | time | server CPU | WAL | heap after | indexes after |\n|---|---|---|---|---|---|")
                for name, costs in found.items():
                    print(_line(name, costs, found["one UPDATE"]))


if __name__ == "__main__":
    asyncio.run(main())
