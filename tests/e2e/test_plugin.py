# SPDX-License-Identifier: Apache-2.0
"""Does `kubectl dbmigrations` do what a person wants of it, in their name? The real kubectl, plugin and operator."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.test_operator_approval import ADD, ASKS, let_approve, written_by
from tests.plugins.operator import Shop

BUMP = {"name": "bump", "sql": {"up": "UPDATE users SET name = name || '!' WHERE id <= 50"}}


class Kubectl:
    """`kubectl dbmigrations` as one of the API server's users."""

    def __init__(self, shop: Shop, user: str) -> None:
        self._shop = shop
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        self._env = {**os.environ, "PATH": path, "KUBECONFIG": str(shop.api.kubeconfig_for(user))}

    def __call__(self, *arguments: str, code: int = 0) -> str:
        """Call it; gives what it says on both streams."""
        argv = [str(self._shop.api.kubectl), "dbmigrations", "-n", self._shop.namespace, *arguments]
        done = subprocess.run(
            argv, env=self._env, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=90
        )
        assert done.returncode == code, f"{done.returncode}: {done.stdout}{done.stderr}"
        return done.stdout + done.stderr


@pytest.fixture
def kubectl(shop: Shop) -> Kubectl:
    """Ana's kubectl, who may look at migrations, write requests on them, and approve."""
    verbs = "--verb=get,list,watch,patch"
    resources = "--resource=databasemigrations.backstitch.dev,migrationtargets.backstitch.dev"
    shop.kubectl("create", "role", f"{shop.name}-person", verbs, resources)
    shop.kubectl("create", "rolebinding", f"{shop.name}-person", f"--role={shop.name}-person", "--user=approver")
    let_approve(shop, "approver")
    return Kubectl(shop, "approver")


def test_from_the_plan_to_the_end(shop: Shop, kubectl: Kubectl) -> None:
    shop.create_target("staging", policy=ASKS)
    shop.apply(written_by("developer", shop.migration("m1", ADD)))
    name = f"{shop.name}-m1"
    digest = shop.wait("m1", "AwaitingApproval")["planDigest"]
    said = kubectl("plan", name)
    assert digest in said
    assert "ADD COLUMN" in said
    assert "give --digest" in kubectl("approve", name, code=1)
    assert "The plan has digest" in kubectl("approve", name, "--digest", "0" * 64, code=1)
    assert f"approver approves plan {digest[:12]}" in kubectl("approve", name, "--digest", digest, "--comment", "fine")
    said = kubectl("status", name, "-w")
    assert "Succeeded" in said
    assert "✓ add (addColumn)" in said
    assert "\x1b[" not in kubectl("status", name)  # no colours where nobody looks
    assert "holds a plan only while it waits" in kubectl("plan", name, code=1)

    assert json.loads(kubectl("status", name, "-o", "json"))["status"]["approvedBy"] == ["approver"]
    assert name in kubectl("history", "--target", shop.name)
    assert kubectl("history", "--target", "another", "-o", "json").strip() == "[]"
    assert "RolledBack" in kubectl("rollback", name, "--wait", code=3)
    assert "Identical" in kubectl("diff", name)
    assert "There is no DatabaseMigration none" in kubectl("status", "none", code=1)


def test_pause_resume_and_cancel(shop: Shop, kubectl: Kubectl) -> None:
    shop.create_target("staging", policy=ASKS)
    shop.apply(written_by("developer", shop.migration("m1", BUMP)))
    name = f"{shop.name}-m1"
    shop.wait("m1", "AwaitingApproval")
    kubectl("pause", name)
    assert "paused by a person" in kubectl("status", name)
    kubectl("approve", name, "--digest", shop.read("m1")["status"]["planDigest"])
    shop.wait_for("m1", "{.status.reason}", "Paused")
    kubectl("resume", name)
    shop.wait("m1", "Succeeded")

    shop.apply(written_by("developer", shop.migration("m2", ADD, version="2")))
    shop.wait("m2", "AwaitingApproval")
    kubectl("cancel", f"{shop.name}-m2", "--wait", code=4)
    assert "nick" not in shop.columns("users")


def test_the_api_server_says_no_in_the_persons_name(shop: Shop) -> None:
    said = Kubectl(shop, "stranger")("history", code=4)
    assert 'User "stranger" cannot list' in said
    assert "service account" not in said


def test_it_completes_commands_and_names(shop: Shop, kubectl: Kubectl) -> None:
    shop.create_target("development")
    shop.apply(shop.migration("m1", ADD))

    def complete(*words: str) -> list[str]:
        env: dict[str, Any] = kubectl._env
        done = subprocess.run(
            [str(Path(sys.executable).parent / "kubectl_complete-dbmigrations"), "-n", shop.namespace, *words],
            env=env, capture_output=True, text=True, check=True, timeout=30,
        )  # fmt: skip
        return [line.split("\t")[0] for line in done.stdout.splitlines()]

    assert complete("re") == ["resume", "retry", ":4"]
    assert f"{shop.name}-m1" in complete("status", "")
    assert complete("status", "nothing-begins-so") == [":4"]
