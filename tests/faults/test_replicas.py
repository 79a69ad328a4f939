# SPDX-License-Identifier: Apache-2.0
"""Two operators, one of which ends, dies or freezes in the middle: the other goes on, and a frozen one that wakes up
does nothing."""

from __future__ import annotations

import signal

import psycopg
import pytest

from tests.e2e.test_operator_trouble import BUMPED, STEPS, held, in_the_middle
from tests.plugins.operator import eventually
from tests.plugins.replicas import Pair


def succeeded_once(pair: Pair) -> None:
    status = pair.shop.wait("m1", "Succeeded")
    assert status["steps"][0]["state"] == "done"
    assert pair.shop.rows(BUMPED) == [(50,)]
    assert "note" in pair.shop.columns("orders")
    assert pair.shop.rows("select count(*) from backstitch.migrations") == [(1,)]


def test_stopped_it_hands_over_in_order(pair: Pair) -> None:
    pair.start()
    with held(pair.shop):
        pair.shop.apply(pair.shop.migration("m1", *STEPS))
        in_the_middle(pair.shop)
        before = pair.holder()
        pair.first.signal(signal.SIGTERM)
        assert pair.first.end() == 0
        (said,) = pair.shop.rows("select state, reason, message from backstitch.migrations")
        assert said == ("Migrating", "OperatorStopping", said[2])
        assert "in step add" in said[2]
        assert pair.shop.read("m1")["status"]["reason"] == "OperatorStopping"
        assert pair.taken_over_after(before) < 10
        in_the_middle(pair.shop)
        assert pair.shop.rows("select reason from backstitch.migrations") == [("",)]
    succeeded_once(pair)
    assert pair.second.leads


def test_killed_it_is_replaced_when_its_lease_is_over(pair: Pair) -> None:
    pair.start()
    with held(pair.shop):
        pair.shop.apply(pair.shop.migration("m1", *STEPS))
        in_the_middle(pair.shop)
        before = pair.holder()
        pair.first.kill()
        assert pair.taken_over_after(before) < 20
        in_the_middle(pair.shop)
    succeeded_once(pair)


@pytest.mark.parametrize("thawed", ["in the middle", "at the end"])
def test_frozen_it_is_replaced_and_does_nothing_when_it_wakes_up(pair: Pair, thawed: str) -> None:
    pair.start()
    with held(pair.shop):
        pair.shop.apply(pair.shop.migration("m1", *STEPS))
        in_the_middle(pair.shop)
        before = pair.holder()
        pair.first.signal(signal.SIGSTOP)  # it keeps its sessions, and the advisory lock with them
        assert pair.taken_over_after(before) < 20
        now = pair.holder()
        in_the_middle(pair.shop)
        if thawed == "in the middle":
            pair.first.signal(signal.SIGCONT)
            assert pair.first.end() == 1
            assert pair.holder() == now
            in_the_middle(pair.shop)
    succeeded_once(pair)
    if thawed == "at the end":
        eventually(lambda: "finalizers" not in pair.shop.read("m1")["metadata"], what="the finalizer's end")
        ended = pair.shop.read("m1")
        pair.first.signal(signal.SIGCONT)
        assert pair.first.end() == 1
        assert pair.shop.read("m1") == ended
        assert pair.holder() == now
    assert pair.first.said("lost the Lease")
    assert pair.second.said("ended a session of an earlier leader")
    assert pair.second.leads


def test_sessions_of_others_are_left_alone_by_a_new_leader(pair: Pair) -> None:
    url = pair.shop.database.url
    with (
        psycopg.connect(url, application_name="backstitch/shop/by-hand", autocommit=True) as by_hand,
        psycopg.connect(url, application_name="backstitch/shop/x #0a1b2c3d.1", autocommit=True) as other_cluster,
    ):
        pair.start()
        pair.shop.apply(pair.shop.migration("m1", STEPS[0]))
        pair.shop.wait("m1", "Succeeded")
        pair.first.kill()
        eventually(lambda: pair.second.leads, what="the second one to lead")
        pair.shop.apply(pair.shop.migration("m2", STEPS[1], version="2"))
        pair.shop.wait("m2", "Succeeded")
        for session in (by_hand, other_cluster):
            assert session.execute("select 1").fetchone() == (1,)


def test_frozen_while_it_builds_an_index_it_is_replaced(pair: Pair) -> None:
    pair.start()
    step = {"name": "by", "createIndex": {"table": "users", "name": "users_name", "columns": ["name"]}}
    builds = (
        "select pid from pg_stat_activity where query like 'CREATE INDEX CONCURRENTLY%' and wait_event_type = 'Lock'"
    )
    with psycopg.connect(pair.shop.database.url) as blocker:
        blocker.execute("update users set name = name where id = 1")  # the build waits for it
        pair.shop.apply(pair.shop.migration("m1", step))
        eventually(lambda: bool(pair.shop.rows(builds)), what="the build to wait")
        (stale,) = pair.shop.rows(builds)
        before = pair.holder()
        pair.first.signal(signal.SIGSTOP)
        assert pair.taken_over_after(before) < 20
        eventually(
            lambda: stale not in pair.shop.rows("select pid from pg_stat_activity"), what="the old session's end"
        )
    pair.shop.wait("m1", "Succeeded")
    assert pair.shop.rows("select indisvalid from pg_index where indexrelid = 'users_name'::regclass") == [(True,)]
    assert pair.shop.rows("select count(*) from pg_index where not indisvalid") == [(0,)]
    pair.first.signal(signal.SIGCONT)
    assert pair.first.end() == 1
