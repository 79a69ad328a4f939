# SPDX-License-Identifier: Apache-2.0
"""Is each row changed exactly once where a backfill goes in waves, whatever is written or cut off meanwhile?"""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest

from backstitch.engine.waves import Stretch
from backstitch.model.record import Record
from backstitch.model.states import State
from tests.plugins.engine import Engine, a_spec

ROWS = 20_000
COUNTERS = """
create table counters (id {type} primary key, n int not null, other int not null default 0, note text);
insert into counters select {key}, 0, 0, repeat('n', 60) from generate_series(1, 20000) g;
create index on counters (note);
analyze counters;
"""
ONCE_MORE = [{"name": "add", "updateRows": {"table": "counters", "set": {"n": "n + 1"}, "where": "true"}}]
NEVER = [{"name": "never", "query": "select 1", "expect": {"type": "number", "equals": 2}}]


def taken(stretch: Stretch, rows: int) -> list[int]:
    """Take a stretch to its end in smaller and smaller bites; give the numbers of all rows, in the order taken."""
    found: list[int] = []
    left: Stretch | None = stretch
    while left is not None:
        found += [n for n in range(rows) if n % left.of == left.todo[0]]
        left = left.after_one()
        if left is not None and len(found) < rows // 2:
            left = left.in_bites_of(max(1, left.rows // 2))
    return found


@pytest.mark.parametrize("of", [1, 2, 8])
def test_smaller_bites_take_the_same_rows(of: int) -> None:
    stretch = Stretch(["9"], of, tuple(range(of)), 64)
    assert sorted(taken(stretch, 512)) == list(range(512))
    assert Stretch.read(stretch.to_plain()) == stretch
    assert stretch.in_bites_of(64) == stretch
    assert stretch.in_bites_of(16).of == of * 4


@pytest.mark.parametrize(("kind", "key"), [("bigint", "g * 8"), ("uuid", "gen_random_uuid()"), ("text", "'k' || g")])
async def test_each_row_is_changed_once_beside_an_application_that_moves_rows(
    engine: Engine, kind: str, key: str
) -> None:
    engine.database.psql(COUNTERS.format(type=kind, key=key))
    over = False
    writes = 0

    async def application() -> None:
        nonlocal writes
        writer = await engine.database.connect()
        while not over:
            # moves rows to other pages, before and after their wave
            done = await writer.execute(
                "update counters set other = other + 1, note = repeat('m', 200) where id in "
                "(select id from counters tablesample system (1) limit 40)"
            )
            writes += done.rowcount
            await asyncio.sleep(0.01)

    async def migrate() -> Record:
        nonlocal over
        try:
            return await engine.migrate(a_spec(ONCE_MORE))
        finally:
            over = True

    record, _ = await asyncio.gather(migrate(), application())
    assert record.state is State.SUCCEEDED, record.message
    assert writes > 0
    assert engine.rows("select n, count(*) from counters group by n") == [(1, ROWS)]
    assert engine.rows("select sum(other) from counters") == [(writes,)]
    assert record.steps[0].rows_done == ROWS


async def test_a_connection_that_is_lost_between_two_waves_repeats_and_skips_nothing(engine: Engine) -> None:
    engine.database.psql(COUNTERS.format(type="bigint", key="g"))
    shots = 0

    def shoot(record: Record) -> None:
        nonlocal shots
        if record.steps and record.steps[0].rows_done > 2500 * (shots + 1) and shots < 4:
            shots += 1
            engine.database.psql(
                "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() "
                "and application_name like 'backstitch%'",
                superuser=True,
            )

    engine.on_record = shoot
    record = await engine.migrate(a_spec(ONCE_MORE, checks=NEVER))
    assert shots == 4
    assert record.state is State.ROLLED_BACK, record.message
    assert record.rollback is not None
    assert (record.rollback.verdict, record.rollback.rows_restored) == ("Identical", ROWS)
    assert engine.rows("select n, count(*) from counters group by n") == [(0, ROWS)]


@pytest.mark.one_major
async def test_most_rows_stay_on_their_pages_and_out_of_the_indexes(engine: Engine) -> None:
    engine.database.psql(COUNTERS.format(type="bigint", key="g"))
    before = int(engine.rows("select pg_relation_size('counters')")[0][0])
    record = await engine.migrate(a_spec(ONCE_MORE))
    assert record.state is State.SUCCEEDED, record.message
    after = int(engine.rows("select pg_relation_size('counters')")[0][0])
    assert after < before * 1.7  # plain batches: 2.0, and the last 4,000 rows of these are plain
    done = [s.rows_done for r in engine.seen for s in r.steps]
    assert all(b >= a for a, b in pairwise(done))


@pytest.mark.one_major
async def test_a_column_in_an_index_is_taken_in_plain_batches(engine: Engine) -> None:
    engine.database.psql(COUNTERS.format(type="bigint", key="g"))
    engine.database.psql("create index on counters ((n + 1))")
    record = await engine.migrate(a_spec(ONCE_MORE))
    assert record.state is State.SUCCEEDED, record.message
    done = sorted({s.rows_done for r in engine.seen for s in r.steps})
    assert done[1] == 1000  # a whole batch of neighbours; a wave has about as many, but never just so many
    assert engine.rows("select n, count(*) from counters group by n") == [(1, ROWS)]
