# SPDX-License-Identifier: Apache-2.0
"""Do a rollback by another object, contract phases, drift and adoption work in a cluster, and does it show?"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.plugins.operator import Shop, condition, eventually

ADD = {"name": "add", "addColumn": {"table": "users", "column": "nick", "type": "text"}}
AWAY = {
    "name": "away",
    "contract": True,
    "steps": [{"name": "drop-name", "dropColumn": {"table": "users", "column": "name"}}],
}


def back(shop: Shop, name: str, of: str, version: str) -> dict[str, Any]:
    made = shop.migration(name, version=version, type="rollback", rollbackOf={"name": f"{shop.name}-{of}"})
    del made["spec"]["phases"]
    return made


def target(shop: Shop) -> dict[str, Any]:
    status: dict[str, Any] = json.loads(shop.kubectl("get", "mt", shop.name, "-o", "json")).get("status", {})
    return status


def test_a_rollback_migration_succeeds_and_the_named_one_shows_that_it_went_back(shop: Shop) -> None:
    shop.create_target("staging")
    shop.apply(shop.migration("m1", ADD))
    shop.wait("m1", "Succeeded")
    shop.apply(back(shop, "m2", "m1", "2"))
    status = shop.wait("m2", "Succeeded")
    assert status["rollback"]["verdict"] == "Identical"
    assert "nick" not in shop.columns("users")
    named = shop.wait("m1", "RolledBack")
    assert condition(named, "RolledBack")["reason"] == "Identical"
    eventually(lambda: target(shop).get("schemaVersion") == "2", what="the target's schema version")
    shop.apply(shop.migration("m1", ADD), back(shop, "m2", "m1", "2"))  # as a sync does it again
    assert "nick" not in shop.columns("users")
    shop.apply(back(shop, "m3", "nobody", "3"))
    assert shop.wait("m3", "Refused")["reason"] == "NothingToRollBack"


def test_what_the_command_line_took_back_is_shown_in_the_cluster(shop: Shop) -> None:
    shop.apply(shop.migration("m1", ADD))
    shop.wait("m1", "Succeeded")
    done = subprocess.run(
        [sys.executable, "-m", "backstitch", "rollback", f"{shop.name}-m1", "-n", shop.namespace],
        env={"BACKSTITCH_DATABASE": shop.database.url, "PYTHONPATH": str(Path(__file__).parents[2] / "operator")},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    shop.wait("m1", "RolledBack")


def test_contract_phases_wait_and_run_when_a_person_closes_the_window(shop: Shop) -> None:
    made = shop.migration("m1", ADD)
    made["spec"]["phases"].append(AWAY)
    shop.apply(made)
    status = shop.wait("m1", "Succeeded")
    assert condition(status, "Contracted")["reason"] == "RevertWindowOpen"
    assert condition(status, "Ready")["status"] == "True"
    assert status["progress"] == "1/2 50%"
    assert "name" in shop.columns("users")
    shop.annotate("m1", "close-revert-window", "yes")
    shop.kubectl("wait", "--for=condition=Contracted", f"dbm/{shop.name}-m1", "--timeout=60s")
    status = shop.read("m1")["status"]
    assert (status["state"], status["progress"]) == ("Succeeded", "2/2 100%")
    assert "name" not in shop.columns("users")
    assert "close:yes" in status["handledRequests"]


def test_contract_phases_run_by_themselves_when_the_window_has_ended(shop: Shop) -> None:
    made = shop.migration("m1", ADD, rollback={"revertWindow": "1s"})
    made["spec"]["phases"].append(AWAY)
    shop.apply(made)
    shop.kubectl("wait", "--for=condition=Contracted", f"dbm/{shop.name}-m1", "--timeout=60s")
    assert "name" not in shop.columns("users")


def test_an_event_tells_when_a_revert_window_has_ended(shop: Shop) -> None:
    shop.apply(shop.migration("m1", ADD, rollback={"revertWindow": "1s"}))
    shop.wait("m1", "Succeeded")
    eventually(
        lambda: (
            "RevertWindowEnded"
            in shop.kubectl("get", "events", "--field-selector", f"involvedObject.name={shop.name}-m1")
        ),
        what="the event",
    )
    assert shop.rows("select count(*) from backstitch.migrations where purged_at is null") == [(0,)]


def test_drift_is_shown_and_accepted_by_annotation(shop: Shop) -> None:
    shop.apply(shop.migration("m1", ADD))
    shop.wait("m1", "Succeeded")
    eventually(lambda: condition(target(shop), "Drifted").get("reason") == "SchemaAsLeft", what="no drift")
    shop.rows("create table by_hand (id int)")
    eventually(lambda: condition(target(shop), "Drifted").get("status") == "True", what="the drift")
    assert target(shop)["drift"] == ["added: table public.by_hand"]
    sample = f'backstitch_target_drifted{{namespace="{shop.namespace}",target="{shop.name}"}}'
    assert f"{sample} 1.0" in shop.operator.get("/metrics")[1]
    assert "Drifted" in shop.kubectl("get", "events", "--field-selector", f"involvedObject.name={shop.name}")
    shop.kubectl("annotate", f"mt/{shop.name}", "backstitch.dev/adopt=seen")
    eventually(lambda: condition(target(shop), "Drifted").get("status") == "False", what="the adoption")
    assert "drift" not in target(shop)
    assert f"{sample} 0.0" in shop.operator.get("/metrics")[1]


def test_an_existing_database_is_taken_in_by_the_targets_spec(shop: Shop) -> None:
    shop.rows(
        "create table schema_migrations (version bigint not null primary key, dirty boolean not null); "
        "insert into schema_migrations values (42, false)"
    )
    shop.create_target(adopt={"from": "golang-migrate"})
    eventually(lambda: target(shop).get("schemaVersion") == "42", what="the version")
    shop.apply(shop.migration("m1", ADD, version="43", assume={"schemaVersion": "42"}))
    shop.wait("m1", "Succeeded")
