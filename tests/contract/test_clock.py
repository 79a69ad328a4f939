# SPDX-License-Identifier: Apache-2.0
"""Does every clock keep the promises of core.ports.Clock?"""

from __future__ import annotations

import asyncio

import pytest

from backstitch.adapters.clock import SystemClock
from backstitch.core.ports import Clock
from tests.fakes import FakeClock


@pytest.fixture(params=[SystemClock, FakeClock])
def clock(request: pytest.FixtureRequest) -> Clock:
    made: Clock = request.param()
    return made


async def test_time_is_utc_and_moves_with_sleep(clock: Clock) -> None:
    now, seconds = clock.now(), clock.monotonic()
    assert now.utcoffset() is not None
    assert now.tzname() == "UTC"
    await clock.sleep(0.01)
    assert clock.monotonic() >= seconds + 0.01
    assert (clock.now() - now).total_seconds() >= 0.005


async def test_a_sleep_can_be_cancelled(clock: Clock) -> None:
    task = asyncio.create_task(clock.sleep(3600))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
