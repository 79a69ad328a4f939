# SPDX-License-Identifier: Apache-2.0
"""Is every object looked at when it must be, never twice at once, and never in a hot loop?"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from backstitch.adapters.kube import Key
from backstitch.app.supervisor import Supervisor, Work, backoff_s
from backstitch.app.turns import Turns
from backstitch.core.errors import TargetError

A, B = Key("shop", "a"), Key("shop", "b")


def quick(failures: int, jitter: float) -> float:
    return 0.02 * failures


def supervise(work: Work, *, at_once: int = 8, errors: list[str] | None = None) -> Supervisor:
    on_error = errors.append if errors is not None else (lambda _: None)
    return Supervisor(work, at_once=at_once, on_error=on_error, backoff=quick)


async def eventually(condition: Callable[[], bool], within_s: float = 5.0) -> None:
    async with asyncio.timeout(within_s):
        while not condition():  # noqa: ASYNC110 -- the conditions are plain values of what is tested
            await asyncio.sleep(0.005)


def counted(then: Callable[[Key, int], Awaitable[float | None]]) -> tuple[Work, list[Key]]:
    passes: list[Key] = []

    async def work(key: Key) -> float | None:
        passes.append(key)
        return await then(key, len(passes))

    return work, passes


async def finished(_: Key, __: int) -> float | None:
    return None


async def test_a_finished_object_costs_no_task_and_no_timer() -> None:
    work, passes = counted(finished)
    supervisor = supervise(work)
    for number in range(100):
        supervisor.wake(Key("shop", f"m{number}"))
    await eventually(lambda: len(passes) == 100 and supervisor.busy == 0)
    assert supervisor.waiting == 0


async def test_who_waits_has_a_timer_and_no_task_and_is_looked_at_again() -> None:
    async def wait_once(_: Key, number: int) -> float | None:
        return 0.15 if number == 1 else None

    work, passes = counted(wait_once)
    supervisor = supervise(work)
    supervisor.wake(A)
    await eventually(lambda: supervisor.waiting == 1)
    assert supervisor.busy == 0
    await eventually(lambda: passes == [A, A])


async def test_a_wake_during_a_pass_gives_exactly_one_more_pass() -> None:
    go_on = asyncio.Event()

    async def hold_first(_: Key, number: int) -> float | None:
        if number == 1:
            await go_on.wait()
        return None

    work, passes = counted(hold_first)
    supervisor = supervise(work)
    supervisor.wake(A)
    await eventually(lambda: len(passes) == 1)
    for _ in range(50):
        supervisor.wake(A)
    go_on.set()
    await eventually(lambda: len(passes) == 2 and supervisor.busy == 0 and supervisor.waiting == 0)


async def test_a_wake_ends_a_long_wait() -> None:
    async def wait_long(_: Key, number: int) -> float | None:
        return 3600 if number == 1 else None

    work, passes = counted(wait_long)
    supervisor = supervise(work)
    supervisor.wake(A)
    await eventually(lambda: supervisor.waiting == 1)
    supervisor.wake(A)
    await eventually(lambda: len(passes) == 2)


async def test_errors_back_off_and_are_counted_and_success_forgets_them(caplog: pytest.LogCaptureFixture) -> None:
    errors: list[str] = []

    async def fail_thrice(_: Key, number: int) -> float | None:
        if number <= 2:
            raise TargetError("db:5432 does not answer.")
        if number == 3:
            raise ZeroDivisionError
        return None

    work, passes = counted(fail_thrice)
    supervisor = supervise(work, errors=errors)
    supervisor.wake(A)
    await eventually(lambda: len(passes) == 4 and supervisor.busy == 0)
    assert errors == ["Unreachable", "Unreachable", "Bug"]
    assert supervisor.waiting == 0
    assert [r.getMessage() for r in caplog.records].count("pass failed") == 2


async def test_a_pass_that_asks_to_be_called_at_once_makes_no_hot_loop() -> None:
    async def at_once(_: Key, __: int) -> float | None:
        return 0.0

    work, passes = counted(at_once)
    supervisor = supervise(work)
    supervisor.wake(A)
    await asyncio.sleep(0.35)
    await supervisor.stop(1)
    assert 2 <= len(passes) <= 5


async def test_a_failing_object_that_is_woken_all_the_time_makes_no_hot_loop() -> None:
    async def fail(_: Key, __: int) -> float | None:
        supervisor.wake(A)
        raise TargetError("no.")

    work, passes = counted(fail)
    supervisor = Supervisor(work, at_once=1)
    supervisor.wake(A)
    await asyncio.sleep(0.5)
    await supervisor.stop(1)
    assert len(passes) == 1


@pytest.mark.parametrize("failures, wanted", [(1, 5), (2, 10), (4, 40), (5, 60), (5000, 60)])
def test_backoff_goes_from_5_to_60_seconds(failures: int, wanted: float) -> None:
    assert backoff_s(failures, 1.0) == wanted


async def test_passes_at_once_are_bounded() -> None:
    running, most = 0, 0
    go_on = asyncio.Event()

    async def hold(_: Key, __: int) -> float | None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await go_on.wait()
        running -= 1
        return None

    work, passes = counted(hold)
    supervisor = supervise(work, at_once=3)
    for number in range(10):
        supervisor.wake(Key("shop", f"m{number}"))
    await eventually(lambda: running == 3)
    go_on.set()
    await eventually(lambda: len(passes) == 10 and supervisor.busy == 0)
    assert most == 3


async def test_stop_cancels_and_waits_until_passes_have_tidied_up() -> None:
    tidied: list[Key] = []

    async def hold(key: Key, _: int) -> float | None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.01)
            tidied.append(key)
        return None

    work, passes = counted(hold)
    supervisor = supervise(work)
    supervisor.wake(A)
    supervisor.wake(B)
    await eventually(lambda: len(passes) == 2)
    await supervisor.stop(5)
    assert sorted(tidied) == [A, B]
    supervisor.wake(A)
    await asyncio.sleep(0.02)
    assert len(passes) == 2


async def test_stop_lets_passes_come_to_an_end_first_and_begins_none_that_waited() -> None:
    told, ended, cancelled = asyncio.Event(), [], []

    async def hold(key: Key, _: int) -> float | None:
        try:
            await (told if key == A else asyncio.Event()).wait()
            ended.append(key)
        except asyncio.CancelledError:
            cancelled.append(key)
            raise
        return None

    work, passes = counted(hold)
    supervisor = supervise(work, at_once=2)
    for key in (A, B, Key("shop", "queued")):
        supervisor.wake(key)
    await eventually(lambda: len(passes) == 2)
    told.set()
    await supervisor.stop(5, patience_s=0.2)
    assert (ended, cancelled) == ([A], [B])
    assert passes == [A, B]


def test_one_migration_per_database_and_the_waiting_are_woken_in_order() -> None:
    woken: list[Key] = []
    turns = Turns(8, woken.append)
    first, second, third = Key("shop", "first"), Key("shop", "second"), Key("other", "third")
    assert turns.why_wait(first, "db/shop") is None
    with turns.take(first, "db/shop"):
        for other in (second, third):
            busy = turns.why_wait(other, "db/shop")
            assert busy is not None
            assert busy.reason == "DatabaseBusy"
            assert "first" in busy.message
        assert turns.why_wait(Key("shop", "elsewhere"), "db/crm") is None
        assert woken == []
    assert woken == [second, third]
    assert turns.why_wait(second, "db/shop") is None


def test_only_so_many_run_at_once() -> None:
    turns = Turns(1, lambda _: None)
    with turns.take(A, "db/one"):
        busy = turns.why_wait(B, "db/two")
    assert busy is not None
    assert busy.reason == "OperatorBusy"
    assert turns.why_wait(B, "db/two") is None
