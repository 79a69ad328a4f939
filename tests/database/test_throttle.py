# SPDX-License-Identifier: Apache-2.0
"""Does a backfill rest while something is behind, go on by itself, and heed limits that are changed meanwhile?"""

from __future__ import annotations

from dataclasses import replace

import pytest

from backstitch.engine.job import Job, World
from backstitch.engine.run import run
from backstitch.engine.throttle import why_rest
from backstitch.model.lock_policy import Throttle, bytes_of
from backstitch.model.record import Record
from backstitch.model.spec import TargetPolicy
from backstitch.model.states import State
from tests.database.test_engine_forward import SHOP
from tests.plugins.engine import Engine, a_spec

FILL = [
    {"name": "fill", "backfill": {"table": "users", "set": {"first_name": "'x'"}, "where": "true", "batchRows": 500}}
]
NOTHING = {"lag_s": None, "slot_bytes": None, "files": None, "vacuum": False}


@pytest.mark.parametrize(
    ("limits", "found", "said"),
    [
        (Throttle(), {"lag_s": 1e6, "slot_bytes": 1 << 50, "files": 10**6}, None),
        (Throttle(max_replication_lag="5s"), {"lag_s": 5.0}, None),
        (Throttle(max_replication_lag="5s"), {"lag_s": 6.4}, "a standby replays 6 s late (limit 5s)"),
        (Throttle(max_slot_retained="1MB"), {"slot_bytes": 1 << 20}, None),
        (
            Throttle(max_slot_retained="1MB"),
            {"slot_bytes": 3 << 20},
            "a replication slot keeps 3 MB of WAL (limit 1MB)",
        ),
        (Throttle(max_archive_backlog=2), {"files": 2}, None),
        (Throttle(max_archive_backlog=0), {"files": 1}, "1 WAL files wait to be archived (limit 0)"),
        (Throttle(max_archive_backlog=0, max_slot_retained="1kB", max_replication_lag="1s"), {}, None),
    ],
)
def test_a_limit_holds_where_it_is_set_and_passed(limits: Throttle, found: dict[str, object], said: str | None) -> None:
    assert why_rest(limits, {**NOTHING, **found}) == said


def test_sizes_are_powers_of_two() -> None:
    assert [bytes_of(s) for s in ("1kB", "2MB", "3GB", "1TB")] == [1024, 2 << 20, 3 << 30, 1 << 40]
    with pytest.raises(ValueError, match="is not a size"):
        bytes_of("12")


async def test_a_backfill_rests_while_a_slot_keeps_too_much_and_goes_on_when_it_is_gone(engine: Engine) -> None:
    engine.database.psql(SHOP)
    slot = f"slot_{engine.database.name}"
    engine.database.psql(f"select pg_create_physical_replication_slot('{slot}', true)", superuser=True)
    engine.database.psql("create table filler as select repeat('x', 900) from generate_series(1, 3000)")
    rested: list[Record] = []

    def watch(record: Record) -> None:
        if record.reason == "Throttled" and not rested:
            rested.append(record)
            engine.database.psql(f"select pg_drop_replication_slot('{slot}')", superuser=True)

    engine.on_record = watch
    record = await engine.migrate(a_spec(FILL), policy=TargetPolicy(throttle=Throttle(max_slot_retained="1MB")))
    assert record.state is State.SUCCEEDED, record.message
    assert "a replication slot keeps" in rested[0].steps[0].message
    assert rested[0].steps[0].rows_done < 2500
    assert (record.reason, record.steps[0].message) == ("Succeeded", "")
    assert engine.rows("select count(*) from users where first_name = 'x'") == [(2500,)]


@pytest.mark.one_major
async def test_limits_can_be_changed_while_it_rests(engine: Engine) -> None:
    engine.database.psql(SHOP)
    slot = f"slot_{engine.database.name}"
    engine.database.psql(f"select pg_create_physical_replication_slot('{slot}', true)", superuser=True)
    engine.database.psql("create table filler as select repeat('x', 900) from generate_series(1, 3000)")
    limits = Throttle(max_slot_retained="1MB")

    async def now() -> Throttle:
        return limits

    def watch(record: Record) -> None:
        nonlocal limits
        if record.reason == "Throttled":
            limits = Throttle(max_slot_retained="1TB", pause_ms=1)

    engine.on_record = watch
    world: World = replace(await engine.world(), throttle=now)
    record = await run(Job(namespace="shop", name="change", spec=a_spec(FILL), environment="development"), world)
    engine.database.psql(f"select pg_drop_replication_slot('{slot}')", superuser=True)
    assert record.state is State.SUCCEEDED, record.message
    assert any(r.reason == "Throttled" for r in engine.seen)


async def test_the_archive_is_as_far_behind_as_the_server_says(engine: Engine) -> None:
    """What we count from positions is what is counted from the segment's number."""
    file = "'0000000100000002000000A1'"
    behind = engine.rows(
        f"select floor(pg_wal_lsn_diff('2/A4000010', (substr({file}, 9, 8) || '/' || to_hex((('x' || substr({file}, "
        "17, 8))::bit(32)::bigint * 16777216)))::pg_lsn) / 16777216)::int - 1"
    )
    assert behind == [(2,)]
