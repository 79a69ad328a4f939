# SPDX-License-Identifier: Apache-2.0
"""What a MigrationTarget says of its backups, through the operator: second places, and backups by the clock."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.plugins.operator import Shop, eventually

ADD = {"name": "add", "addColumn": {"table": "users", "column": "nick", "type": "text"}}


def target_status(shop: Shop) -> dict[str, Any]:
    body = json.loads(shop.kubectl("get", "mt", shop.name, "-o", "json"))
    status: dict[str, Any] = body.get("status") or {}
    return status


def test_a_backup_by_the_clock_and_a_copy_before_the_change(shop: Shop, tmp_path: Path) -> None:
    second = tmp_path / "second"
    shop.create_target(
        "staging",
        backup={
            "url": f"file://{shop.backups}",
            "copies": [{"url": f"file://{second}", "required": True}],
            "schedule": {"full": "0 3 * * *", "timeZone": "Europe/Berlin"},
        },
    )
    eventually(
        lambda: "lastFinishedAt" in target_status(shop).get("scheduledBackups", {}),
        within_s=60,
        what="the first scheduled backup",
    )
    scheduled = target_status(shop)["scheduledBackups"]
    assert scheduled["lastKind"] == "full"
    assert scheduled["nextAt"][11:] in ("01:00:00Z", "02:00:00Z")  # three in Berlin
    assert scheduled["lastPlace"].startswith(f"file://{shop.backups}/{shop.namespace}/_scheduled/")
    shop.apply(shop.migration("m1", ADD))
    status = shop.wait("m1", "Succeeded")
    (copy,) = status["backup"]["copies"]
    assert (copy["url"], copy["required"], "verifiedAt" in copy) == (f"file://{second}", True, True)
    names = {path.relative_to(second).parts[1] for path in second.rglob("proof.json")}
    assert names == {"_scheduled", f"{shop.name}-m1"}
    assert shop.rows("select kind, state from backstitch.scheduled_backups") == [("full", "done")]


def test_a_schedule_that_cannot_be_is_said_on_the_target(shop: Shop) -> None:
    shop.create_target(backup={"url": f"file://{shop.backups}", "schedule": {"full": "every night at"}})
    eventually(
        lambda: "not a cron expression" in target_status(shop).get("message", ""), within_s=60, what="the trouble"
    )
