# SPDX-License-Identifier: Apache-2.0
"""Is there one leader at a time, does a dead one lose the Lease in time, and does no clock but our own matter?"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from backstitch.adapters.kube import MIGRATIONS, Cluster, Key
from backstitch.adapters.kube_api import NotLeading
from backstitch.app.lease import Lease, LeaseLost, LeaseTimes
from dev.apiserver import ApiServer
from tests.fakes import FakeClock

NAME = "backstitch"
TIMES = LeaseTimes(duration_s=15, retry_s=0.05)


@pytest.fixture
async def cluster(api_server: ApiServer, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Cluster]:
    monkeypatch.setenv("KUBECONFIG", str(api_server.kubeconfig))
    made = await Cluster.connect()
    yield made
    await made.close()


def a_lease(cluster: Cluster, namespace: str, identity: str, clock: FakeClock) -> Lease:
    return Lease(cluster.leases, clock, namespace, NAME, identity, TIMES)


async def acquired(lease: Lease) -> bool:
    """Tell whether it can be had now."""
    stop = asyncio.Event()
    task = asyncio.create_task(lease.acquire(stop))
    await asyncio.sleep(0.3)
    stop.set()
    return await task


async def kept(lease: Lease) -> None:
    """Renew it a few times."""
    stop = asyncio.Event()
    task = asyncio.create_task(lease.keep(stop))
    await asyncio.sleep(0.3)
    stop.set()
    await task


async def test_only_one_of_many_gets_it(cluster: Cluster, namespace: str) -> None:
    leases = [a_lease(cluster, namespace, f"pod-{n}", FakeClock()) for n in range(5)]
    won = await asyncio.gather(*(acquired(each) for each in leases))
    assert sorted(won) == [False] * 4 + [True]
    (winner,) = [each for each in leases if each.term is not None]
    assert winner.is_fresh
    assert winner.term is not None
    assert winner.term.number == 1


async def test_a_holder_that_renews_keeps_it_however_long_others_wait(cluster: Cluster, namespace: str) -> None:
    ours, theirs = FakeClock(), FakeClock()
    holder, standby = a_lease(cluster, namespace, "a", ours), a_lease(cluster, namespace, "b", theirs)
    assert await acquired(holder)
    for _ in range(3):
        assert not await acquired(standby)
        theirs.advance(14)
        ours.advance(14)
        await kept(holder)
    assert holder.is_fresh


async def test_a_silent_holder_loses_it_after_its_duration_and_ends(cluster: Cluster, namespace: str) -> None:
    ours, theirs = FakeClock(), FakeClock()
    holder, standby = a_lease(cluster, namespace, "a", ours), a_lease(cluster, namespace, "b", theirs)
    assert await acquired(holder)
    assert not await acquired(standby)
    theirs.advance(14.9)
    assert not await acquired(standby)
    theirs.advance(0.2)
    assert await acquired(standby)
    assert standby.term is not None
    assert standby.term.number == 2
    assert standby.term.is_after(holder.term)
    ours.advance(15)
    assert not holder.is_fresh  # also before it has looked
    with pytest.raises(LeaseLost, match="held by b now"):
        await kept(holder)
    assert holder.term is None


@pytest.mark.parametrize("skew", [timedelta(hours=-1), timedelta(hours=1)])
async def test_a_wrong_clock_of_the_day_changes_nothing(cluster: Cluster, namespace: str, skew: timedelta) -> None:
    wrong, right = FakeClock(datetime.now(UTC) + skew), FakeClock(datetime.now(UTC))
    holder, standby = a_lease(cluster, namespace, "a", wrong), a_lease(cluster, namespace, "b", right)
    assert await acquired(holder)
    assert not await acquired(standby)  # though its renewTime is an hour old, or in an hour
    right.advance(15.1)
    assert await acquired(standby)


async def test_a_released_lease_is_had_at_once(cluster: Cluster, namespace: str) -> None:
    holder, standby = a_lease(cluster, namespace, "a", FakeClock()), a_lease(cluster, namespace, "b", FakeClock())
    assert await acquired(holder)
    assert not await acquired(standby)
    await holder.release()
    await holder.release()
    assert await acquired(standby)
    assert standby.term is not None
    assert standby.term.number == 2


async def test_a_lease_that_was_labelled_or_deleted_is_still_ours(
    cluster: Cluster, api_server: ApiServer, namespace: str
) -> None:
    holder = a_lease(cluster, namespace, "a", FakeClock())
    assert await acquired(holder)
    api_server.run_kubectl("label", "lease", NAME, "-n", namespace, "by=somebody")
    await kept(holder)
    api_server.run_kubectl("delete", "lease", NAME, "-n", namespace)
    await kept(holder)
    assert holder.is_fresh
    lease = json.loads(api_server.run_kubectl("get", "lease", NAME, "-n", namespace, "-o", "json"))
    assert lease["spec"]["holderIdentity"] == "a"


async def test_without_a_fresh_hold_nothing_is_written(cluster: Cluster, api_server: ApiServer, namespace: str) -> None:
    target = {
        "apiVersion": "backstitch.dev/v1alpha1",
        "kind": "MigrationTarget",
        "metadata": {"name": "t", "namespace": namespace},
        "spec": {"environment": "development", "secretRef": {"name": "s"}},
    }
    api_server.run_kubectl("apply", "-f", "-", stdin=json.dumps(target))
    clock = FakeClock()
    holder = a_lease(cluster, namespace, "a", clock)
    assert await acquired(holder)
    cluster.may_write = lambda: holder.is_fresh
    key = Key(namespace, "t")
    body = await cluster.read("migrationtargets", key)
    assert body is not None
    uid = body["metadata"]["uid"]
    assert await cluster.apply_status("migrationtargets", key, uid, {"reachable": True})
    clock.advance(15)
    with pytest.raises(NotLeading):
        await cluster.apply_status("migrationtargets", key, uid, {"reachable": False}, patience_s=0.5)
    with pytest.raises(NotLeading):
        await cluster.add_finalizer("migrationtargets", key, uid)
    assert await cluster.read(MIGRATIONS, key) is None  # reading is free
