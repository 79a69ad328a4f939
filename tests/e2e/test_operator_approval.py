# SPDX-License-Identifier: Apache-2.0
"""Two people and an operator: one writes, one approves, and what is not approved does not begin. Real tokens."""

from __future__ import annotations

import json
import subprocess
from typing import Any

from tests.plugins.operator import API_VERSION, Shop, condition, eventually

ADD = {"name": "add", "addColumn": {"table": "users", "column": "nick", "type": "text"}}
ASKS = {"approval": {"required": 1, "approvers": ["approver"], "notAuthor": True}}


def approve(shop: Shop, user: str, name: str, digest: str, approver: str | None = None) -> str:
    """Create an approval in somebody's name; gives what the server says against it."""
    body = {
        "apiVersion": API_VERSION,
        "kind": "MigrationApproval",
        "metadata": {"name": f"{shop.name}-{name}-{user}"},
        "spec": {
            "migrationRef": {"name": f"{shop.name}-{name}"},
            "planDigest": digest,
            "approver": approver or user,
        },
    }
    kubeconfig = f"--kubeconfig={shop.api.kubeconfig_for(user)}"
    argv = [str(shop.api.kubectl), kubeconfig, "-n", shop.namespace, "create", "-f", "-"]
    done = subprocess.run(argv, input=json.dumps(body), capture_output=True, text=True, check=False, timeout=30)
    return done.stderr if done.returncode else ""


def let_approve(shop: Shop, *users: str) -> None:
    """Give users the right to create approvals in the namespace."""
    resource = "--resource=migrationapprovals.backstitch.dev"
    shop.kubectl("create", "role", f"{shop.name}-approver", "--verb=create,get,delete", resource)
    for user in users:
        shop.kubectl("create", "rolebinding", f"{shop.name}-{user}", f"--role={shop.name}-approver", f"--user={user}")


def written_by(user: str, migration: dict[str, Any]) -> dict[str, Any]:
    """The migration with its author's name on it."""
    migration["metadata"]["annotations"] = {"backstitch.dev/author": user}
    return migration


def test_it_begins_with_the_yes_of_the_right_person_to_the_right_plan(shop: Shop) -> None:
    shop.create_target("staging", policy=ASKS)
    let_approve(shop, "approver", "developer")
    shop.apply(written_by("developer", shop.migration("m1", ADD)))
    status = shop.wait("m1", "AwaitingApproval")
    digest = status["planDigest"]
    assert "ADD COLUMN" in status["plan"]["steps"][0]["statements"][0]
    assert condition(status, "Approved")["status"] == "False"
    assert "finalizers" not in shop.read("m1")["metadata"]  # nothing was touched, so nothing is held

    assert "forbidden" in approve(shop, "stranger", "m1", digest)
    assert approve(shop, "developer", "m1", digest) == ""
    eventually(lambda: "not among the approvers" in shop.read("m1")["status"]["message"], what="the yes refused")
    shop.kubectl("delete", "migrationapprovals", f"{shop.name}-m1-developer")
    assert approve(shop, "approver", "m1", "0" * 64) == ""
    eventually(lambda: "it is for plan 000000000000" in shop.read("m1")["status"]["message"], what="another plan")
    assert "nick" not in shop.columns("users")

    shop.kubectl("delete", "migrationapprovals", f"{shop.name}-m1-approver")
    assert approve(shop, "approver", "m1", digest) == ""
    done = shop.wait("m1", "Succeeded")
    assert done["approvedBy"] == ["approver"]
    assert condition(done, "Approved")["message"] == "Approved by approver."
    assert "nick" in shop.columns("users")


def test_an_edit_voids_the_yes_and_a_pause_holds_what_is_approved(shop: Shop) -> None:
    shop.create_target("staging", policy=ASKS)
    let_approve(shop, "approver")
    migration = written_by("developer", shop.migration("m1", ADD))
    shop.apply(migration)
    digest = shop.wait("m1", "AwaitingApproval")["planDigest"]
    edited = {"name": "add", "addColumn": {"table": "users", "column": "alias", "type": "text"}}
    migration["spec"]["phases"][0]["steps"] = [edited]
    shop.apply(migration)
    eventually(lambda: shop.read("m1")["status"]["planDigest"] != digest, what="another digest")
    assert approve(shop, "approver", "m1", digest) == ""
    eventually(lambda: "Not counted" in shop.read("m1")["status"]["message"], what="the void yes")

    shop.annotate("m1", "pause", "lunch")
    shop.kubectl("delete", "migrationapprovals", f"{shop.name}-m1-approver")
    assert approve(shop, "approver", "m1", shop.read("m1")["status"]["planDigest"]) == ""
    shop.wait_for("m1", "{.status.reason}", "Paused")
    assert not {"nick", "alias"} & shop.columns("users")
    shop.kubectl("annotate", f"dbm/{shop.name}-m1", "backstitch.dev/pause-")
    shop.wait("m1", "Succeeded")
    assert "alias" in shop.columns("users")
