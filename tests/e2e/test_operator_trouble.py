# SPDX-License-Identifier: Apache-2.0
"""Killed, stopped, deleted in the middle: does every migration still come to one of its two ends, and no secret out?

The middle is held by a lock of the test: the second step waits for it, in state Migrating, as long as the test likes.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.plugins.door import Door
from tests.plugins.operator import OperatorProcess, Shop, condition, eventually

STEPS = (
    {"name": "bump", "sql": {"up": "UPDATE users SET name = name || '!' WHERE id <= 50"}},
    {"name": "add", "addColumn": {"table": "orders", "column": "note", "type": "text"}},
    {"name": "last", "addColumn": {"table": "users", "column": "nick", "type": "text"}},
)
RENAME = {"name": "rename", "sql": {"up": "UPDATE users SET name = 'x'"}}
BUMPED = "select count(*) from users where name like '%!'"


@contextlib.contextmanager
def held(shop: Shop) -> Iterator[None]:
    """Hold a lock on orders that lets dumps and readers through, but no ALTER TABLE."""
    with psycopg.connect(shop.database.url) as connection:
        connection.execute("lock table orders in share mode")
        yield


def in_the_middle(shop: Shop, name: str = "m1") -> None:
    """Return when the first step is done and the second one waits for its lock."""
    shop.wait_for(name, "{.status.steps[0].state}", "done")
    shop.wait_for(name, "{.status.steps[1].state}", "running")


def heard(shop: Shop, what: str, name: str = "m1") -> None:
    """Return when the operator has heard what was asked of a migration; only then may the test let it go on."""

    def is_heard() -> bool:
        lines = [json.loads(line) for line in shop.operator.log.read_text().splitlines()]
        return any(
            line["message"] == "asked" and line["object"] == f"{shop.name}-{name}" and what in json.dumps(line)
            for line in lines
        )

    eventually(is_heard, what=f"hearing {what}")


def test_killed_in_the_middle_it_goes_on_and_succeeds(own_shop: Shop) -> None:
    own_shop.operator.start()
    with held(own_shop):
        own_shop.apply(own_shop.migration("m1", *STEPS))
        in_the_middle(own_shop)
        own_shop.operator.kill()
        own_shop.operator.start()
        in_the_middle(own_shop)
    own_shop.wait("m1", "Succeeded")
    assert own_shop.rows(BUMPED) == [(50,)]
    assert "note" in own_shop.columns("orders")


def test_stopped_in_the_middle_it_ends_in_time_and_goes_on_later(own_shop: Shop) -> None:
    own_shop.operator.start()
    with held(own_shop):
        own_shop.apply(own_shop.migration("m1", *STEPS))
        in_the_middle(own_shop)
        assert own_shop.operator.stop() < 10
        assert own_shop.rows(BUMPED) == [(50,)]
    own_shop.operator.start()
    own_shop.wait("m1", "Succeeded")
    assert own_shop.rows(BUMPED) == [(50,)]


def test_deleted_in_the_middle_it_is_rolled_back_and_then_gone(shop: Shop) -> None:
    with held(shop):
        shop.apply(shop.migration("m1", *STEPS))
        in_the_middle(shop)
        shop.delete("m1", wait=False)
        heard(shop, '"deleted": true')
    eventually(lambda: shop.read("m1") == {}, what="the object's end")
    assert shop.rows(BUMPED) == [(0,)]
    assert "note" not in shop.columns("orders")


def test_deleted_in_the_middle_it_is_finished_where_policy_says_so(shop: Shop) -> None:
    shop.create_target(policy={"onDelete": "finish"})
    with held(shop):
        shop.apply(shop.migration("m1", *STEPS))
        in_the_middle(shop)
        shop.delete("m1", wait=False)
        heard(shop, '"deleted": true')
    eventually(lambda: shop.read("m1") == {}, what="the object's end")
    assert shop.rows(BUMPED) == [(50,)]
    assert "note" in shop.columns("orders")


def test_deleted_while_the_operator_is_down_it_is_held_and_then_settled(own_shop: Shop) -> None:
    own_shop.operator.start()
    with held(own_shop):
        own_shop.apply(own_shop.migration("m1", *STEPS))
        in_the_middle(own_shop)
        own_shop.operator.kill()
        own_shop.delete("m1", wait=False)
    assert own_shop.read("m1")["metadata"]["deletionTimestamp"]
    own_shop.operator.start()
    eventually(lambda: own_shop.read("m1") == {}, what="the object's end")
    assert own_shop.rows(BUMPED) == [(0,)]


def test_removed_by_force_it_is_settled_from_the_ledger(own_shop: Shop) -> None:
    own_shop.operator.start()
    with held(own_shop):
        own_shop.apply(own_shop.migration("m1", *STEPS))
        in_the_middle(own_shop)
        own_shop.operator.kill()
        own_shop.delete("m1", wait=False)
        own_shop.kubectl("patch", "dbm", "shop-m1", "--type=merge", "-p", '{"metadata":{"finalizers":null}}')
        assert own_shop.read("m1") == {}
    own_shop.operator.start()
    eventually(
        lambda: own_shop.rows("select state from backstitch.migrations") == [("RolledBack",)], what="the ledger's end"
    )
    assert own_shop.rows(BUMPED) == [(0,)]


def test_the_api_server_is_away_and_the_migration_goes_on_without_it(own_shop: Shop, tmp_path: Path) -> None:
    door = Door(int(own_shop.api.url.rpartition(":")[2]))
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(
        own_shop.api.kubeconfig.read_text().replace(own_shop.api.url, f"https://127.0.0.1:{door.port}")
    )
    own_shop.create_target("staging")
    own_shop.operator = OperatorProcess(kubeconfig, (own_shop.namespace,), tmp_path)
    own_shop.operator.start()
    try:
        with held(own_shop):
            own_shop.apply(own_shop.migration("m1", *STEPS))
            in_the_middle(own_shop)
            door.shut()
        state = "select state from backstitch.migrations"
        eventually(lambda: own_shop.rows(state) == [("Succeeded",)], what="success in the ledger")
        assert own_shop.read("m1")["status"]["state"] == "Migrating"
        door.open()
        own_shop.wait("m1", "Succeeded")
        eventually(lambda: "finalizers" not in own_shop.read("m1")["metadata"], what="the finalizer's end")
        own_shop.apply(
            own_shop.migration("m2", {"name": "b", "sql": {"up": "UPDATE users SET name = 'x'"}}, version="2")
        )
        own_shop.wait("m2", "Succeeded")  # it watches again
    finally:
        own_shop.operator.stop()
        door.close()


def test_an_untouched_object_is_gone_at_once_when_deleted(shop: Shop) -> None:
    shop.kubectl("delete", "secret", shop.secret)
    shop.apply(shop.migration("m1", *STEPS))
    shop.wait_for("m1", "{.status.reason}", "SecretMissing")
    shop.delete("m1")
    assert shop.read("m1") == {}


def test_cancelled_in_the_middle_it_is_rolled_back(shop: Shop) -> None:
    with held(shop):
        shop.apply(shop.migration("m1", *STEPS))
        in_the_middle(shop)
        shop.annotate("m1", "cancel", "stop-it")
        heard(shop, "cancel:stop-it")
    status = shop.wait("m1", "RolledBack")
    assert condition(status, "RolledBack")["reason"] == "Identical"
    assert shop.rows(BUMPED) == [(0,)]


def test_one_at_a_time_on_a_database_and_the_other_says_for_whom_it_waits(shop: Shop) -> None:
    with held(shop):
        shop.apply(shop.migration("m1", *STEPS))
        in_the_middle(shop)
        shop.apply(shop.migration("m2", RENAME, version="2"))
        status = shop.wait("m2", "Waiting")
        assert f"{shop.name}-m1" in status["message"]
    shop.wait("m2", "Succeeded")
    assert shop.read("m1")["status"]["state"] == "Succeeded"


def test_the_api_server_hears_of_a_target_that_is_away_and_back(shop: Shop) -> None:
    shop.create_secret(shop.database.url.replace(shop.database.name, "nowhere"))
    reachable = "{.status.reachable}"
    shop.kubectl("wait", f"--for=jsonpath={reachable}=false", f"mt/{shop.name}", "--timeout=30s")
    target = json.loads(shop.kubectl("get", "mt", shop.name, "-o", "json"))
    assert condition(target["status"], "Reachable")["status"] == "False"
    assert "nowhere" in target["status"]["message"]
    shop.create_secret()
    shop.kubectl("wait", f"--for=jsonpath={reachable}=true", f"mt/{shop.name}", "--timeout=30s")


def test_no_secret_in_any_log_event_or_object(own_shop: Shop) -> None:
    password = own_shop.database.url.partition("://")[2].partition("@")[0].partition(":")[2]
    assert len(password) > 10
    own_shop.operator.start()
    own_shop.create_secret(own_shop.database.url.replace(password, password[::-1]))
    own_shop.apply(own_shop.migration("m1", *STEPS))
    own_shop.wait_for("m1", "{.status.reason}", "WrongPassword")
    own_shop.create_secret()
    own_shop.wait("m1", "Succeeded")
    own_shop.apply(own_shop.migration("m2", {"name": "b", "sql": {"up": "SELECT nonsense"}}, version="2"))
    own_shop.wait("m2", "RolledBack")
    sinks = {
        "objects": own_shop.kubectl("get", "dbm,mt,events", "-o", "json"),
        "log": own_shop.operator.log.read_text(),
        "metrics": own_shop.operator.get("/metrics")[1],
        "readyz": own_shop.operator.get("/readyz")[1],
        "ledger": str(own_shop.rows("select m::text from backstitch.migrations m")),
        "argv": Path(f"/proc/{own_shop.operator.pid}/cmdline").read_text(),
    }
    for sink, text in sinks.items():
        assert text, sink
        assert password not in text, sink
        assert password[::-1] not in text, sink


def test_health_ready_and_metrics(shop: Shop) -> None:
    shop.apply(shop.migration("m1", STEPS[0]))
    shop.wait("m1", "Succeeded")
    operator = shop.operator
    assert operator.get("/healthz")[0] == 200
    assert json.loads(operator.get("/readyz")[1]) == {"ready": True}
    label = f'namespace="{shop.namespace}"'
    counted = f'backstitch_outcomes_total{{{label},state="Succeeded",target="{shop.name}"}} 1.0'
    eventually(lambda: counted in operator.get("/metrics")[1], what="the count")
    assert f"{shop.name}-m1" not in operator.get("/metrics")[1]


@pytest.mark.parametrize("variable, value", [("BACKSTITCH_HTTP_PORT", "eighty"), ("BACKSTITCH_MAX_RUNNING", "0")])
def test_a_wrong_environment_is_explained_and_ends_it(own_shop: Shop, variable: str, value: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "backstitch", "operator"],
        env={**os.environ, variable: value, "PYTHONPATH": "operator"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 1
    assert variable in done.stderr
    assert "Traceback" not in done.stderr
