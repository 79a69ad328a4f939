# SPDX-License-Identifier: Apache-2.0
"""Told to stop at every place where a run listens, or cancelled at any moment: it says where, leaves nothing open, and
the next one ends as if nothing had happened."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace
from typing import Any

import pytest

from backstitch.engine.job import Job, World
from backstitch.engine.run import run
from backstitch.model.record import Record
from backstitch.model.states import RESTING, State
from tests.database.test_engine_forward import FULL_NAME, SHOP, assert_nothing_left
from tests.database.test_engine_rollback import NEVER, content
from tests.plugins.engine import Engine, a_spec

STRIDE = 3  # of the places where it listens
ENDS: dict[str, tuple[list[dict[str, Any]], State]] = {
    "succeeds": ([], State.SUCCEEDED),
    "rolls back": (NEVER, State.ROLLED_BACK),
}
LEDGER = "select reason, message from backstitch.migrations"


class Stopper:
    """Says at the n-th time it is asked, and from then on, that the process was told to end."""

    def __init__(self, at: int) -> None:
        self.at, self.asked = at, 0

    def __call__(self) -> bool:
        self.asked += 1
        return bool(self.at) and self.asked >= self.at


def a_job(checks: list[dict[str, Any]]) -> Job:
    return Job(namespace="shop", name="change", spec=a_spec(FULL_NAME, checks=checks), environment="development")


def start_anew(engine: Engine) -> None:
    engine.database.psql(
        "drop schema if exists backstitch, backstitch_quarantine cascade; drop table if exists users, notes"
    )
    engine.database.psql(SHOP)


@pytest.mark.parametrize("story", ENDS)
async def test_told_to_stop_anywhere_it_says_where_and_the_next_one_ends_well(engine: Engine, story: str) -> None:
    checks, end = ENDS[story]
    job, world = a_job(checks), await engine.world()
    start_anew(engine)
    calm = Stopper(0)
    assert (await run(job, replace(world, stopping=calm))).state is end
    goal = content(engine)
    assert calm.asked > 8
    for at in range(1, calm.asked + 1, STRIDE):
        start_anew(engine)
        stopped = await run(job, replace(world, stopping=Stopper(at)))
        assert stopped.state not in RESTING, f"at {at} it ended {stopped.state}"
        assert stopped.reason == "OperatorStopping", f"at {at}"
        if stopped.state is not State.ROLLING_BACK:  # there the reason is the rollback's
            assert engine.rows(LEDGER) == [("OperatorStopping", stopped.message)]
        assert_nothing_of_a_session(engine)
        record = await run(job, world)
        assert record.state is end, f"at {at}: {record.message}"
        assert "OperatorStopping" not in record.reason
        assert content(engine) == goal, f"at {at}"
        assert_nothing_left(engine)


def assert_nothing_of_a_session(engine: Engine) -> None:
    """A stopped process has let go of the lock, without anybody ending its sessions."""
    held = (
        "select 1 from pg_locks l join pg_stat_activity a using (pid) where application_name like 'backstitch/%' and "
    )
    assert engine.rows(held + "locktype = 'advisory' and datname = current_database()") == []


async def cancel_after(job: Job, world: World, records: int) -> None:
    """Run it until it has shown so many records, and cancel it a moment later."""
    shown, enough = 0, asyncio.Event()

    async def count(_: Record) -> None:
        nonlocal shown
        shown += 1
        if shown >= records:
            enough.set()

    task = asyncio.create_task(run(job, replace(world, observe=count)))
    waiting = asyncio.create_task(enough.wait())
    await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
    await asyncio.sleep(0.004 * records)  # somewhere in the statement that follows
    task.cancel()
    waiting.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        async with asyncio.timeout(8):
            await task


@pytest.mark.parametrize("story", ENDS)
async def test_cancelled_at_any_moment_it_goes_on_later(engine: Engine, story: str) -> None:
    checks, end = ENDS[story]
    job, world = a_job(checks), await engine.world()
    start_anew(engine)
    assert (await run(job, world)).state is end
    goal = content(engine)
    for seen in range(2, 26, 5):  # how many records it may show before
        start_anew(engine)
        await cancel_after(job, world, seen)
        record = await run(job, world)
        assert record.state is end, f"after {seen} records: {record.message}"
        assert content(engine) == goal, f"after {seen} records"
        assert_nothing_left(engine)
