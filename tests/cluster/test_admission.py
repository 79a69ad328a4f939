# SPDX-License-Identifier: Apache-2.0
"""Do the chart's admission policies keep people to their own names and Secrets? Real users, real tokens."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import pytest

from dev.apiserver import ApiServer
from tests.plugins.helm import Helm

PLAN = "a" * 64
ANA, DORA, EVE = "approver", "developer", "stranger"


class Person:
    """kubectl in somebody's name."""

    def __init__(self, api_server: ApiServer, namespace: str, user: str) -> None:
        self._api = api_server
        self._namespace = namespace
        self.user = user

    def apply(self, body: dict[str, Any], verb: str = "create", *, only_ask: bool = False) -> str:
        """Give what the server says against it; empty when it took it, or would take it."""
        argv = [
            str(self._api.kubectl), f"--kubeconfig={self._api.kubeconfig_for(self.user)}",
            f"--namespace={self._namespace}", verb, "-f", "-",
            *(["--dry-run=server"] if only_ask else []),
        ]  # fmt: skip
        done = subprocess.run(argv, input=json.dumps(body), capture_output=True, text=True, check=False, timeout=30)
        return done.stderr if done.returncode else ""


def ours(kind: str, name: str, spec: dict[str, Any], **annotations: str) -> dict[str, Any]:
    metadata: dict[str, Any] = {"name": name}
    if annotations:
        metadata["annotations"] = {f"backstitch.dev/{key}": value for key, value in annotations.items()}
    return {"apiVersion": "backstitch.dev/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec}


def approval(name: str, approver: str) -> dict[str, Any]:
    return ours("MigrationApproval", name, {"migrationRef": {"name": "m"}, "planDigest": PLAN, "approver": approver})


def migration(name: str, target: str = "shop", column: str = "c", **annotations: str) -> dict[str, Any]:
    step = {"name": "add", "addColumn": {"table": "users", "column": column, "type": "text"}}
    spec = {"targetRef": {"name": target}, "version": "1", "type": "schema"}
    return ours("DatabaseMigration", name, {**spec, "phases": [{"name": "p", "steps": [step]}]}, **annotations)


def target(name: str, secret: str) -> dict[str, Any]:
    return ours("MigrationTarget", name, {"environment": "development", "secretRef": {"name": secret}})


@pytest.fixture
def people(api_server: ApiServer, namespace: str, helm: Helm) -> Iterator[dict[str, Person]]:
    """The policies, bound to this namespace only, and three people: ana approves, dora writes, eve writes too."""
    api_server.run_kubectl("label", "namespace", namespace, f"policies={namespace}")
    objects = [
        each
        for each in helm.render(
            sets=[f"admission.namespaceSelector.matchLabels.policies={namespace}", f"fullnameOverride={namespace}"]
        )
        if each["kind"].startswith("ValidatingAdmissionPolicy") or each["metadata"]["name"].endswith("-approver")
    ]
    assert len(objects) == 9
    for each in objects:
        api_server.run_kubectl("apply", "--server-side", "-f", "-", stdin=json.dumps(each))
    every = "--verb=get,list,create,update,patch"
    api_server.run_kubectl(
        "-n", namespace, "create", "role", "writer", every,
        "--resource=databasemigrations.backstitch.dev,migrationtargets.backstitch.dev",
    )  # fmt: skip
    api_server.run_kubectl("-n", namespace, "create", "role", "key", "--verb=get", "--resource=secrets",
                           "--resource-name=shop-db")  # fmt: skip
    bind = ("-n", namespace, "create", "rolebinding")
    for user in (DORA, EVE):
        api_server.run_kubectl(*bind, f"writer-{user}", "--role=writer", f"--user={user}")
    api_server.run_kubectl(*bind, "key-dora", "--role=key", f"--user={DORA}")
    api_server.run_kubectl(*bind, "ana", f"--clusterrole={namespace}-approver", f"--user={ANA}")
    api_server.run_kubectl("-n", namespace, "create", "-f", "-", stdin=json.dumps(target("shop", "shop-db")))
    found = {user: Person(api_server, namespace, user) for user in (ANA, DORA, EVE)}
    _wait_until_they_hold(found)
    yield found
    for each in objects:
        api_server.run_kubectl("delete", each["kind"], each["metadata"]["name"])


def _wait_until_they_hold(people: dict[str, Person]) -> None:
    """A policy takes a moment until it is compiled, its parameters listed and the rights known."""
    deadline = time.monotonic() + 30
    denied: set[str] = set()
    while time.monotonic() < deadline:
        probes = {
            "approver": (people[ANA], approval("probe", EVE)),
            "author": (people[DORA], migration("probe", author=ANA)),
            "target": (people[EVE], target("probe", "shop-db")),
            "migration": (people[EVE], migration("probe")),
        }
        for name, (who, what) in probes.items():
            if "ValidatingAdmissionPolicy" in who.apply(what, only_ask=True):
                denied.add(name)
        if len(denied) == len(probes):
            return
        time.sleep(0.1)
    pytest.fail(f"only these policies ever denied anything: {sorted(denied)}")


def test_each_policy_denies_in_words_and_lets_through_what_is_right(people: dict[str, Person]) -> None:
    ana, dora, eve = people[ANA], people[DORA], people[EVE]

    assert ana.apply(approval("own", ANA)) == ""
    assert f"you are {ANA}: an approval is given in one's own name only" in ana.apply(approval("forged", DORA))
    assert "cannot create resource" in dora.apply(approval("no-right", DORA))

    assert dora.apply(migration("signed", author=DORA)) == ""
    assert f"may not make {ANA} the author" in dora.apply(migration("forged", author=ANA))
    assert "may not make nobody the author" in dora.apply(migration("signed"), verb="replace")

    assert "you may not read Secret shop-db" in eve.apply(target("mine", "shop-db"))
    said = eve.apply(migration("theirs"))
    assert "a migration runs SQL with the rights of Secret shop-db of target shop, which you may not read" in said
    assert "which you may not read" in eve.apply(migration("signed", column="d", author=DORA), verb="replace")
    assert eve.apply(migration("elsewhere", target="not-there")) == ""


def test_an_approval_is_never_edited(people: dict[str, Person], api_server: ApiServer, namespace: str) -> None:
    assert people[ANA].apply(approval("kept", ANA)) == ""
    api_server.run_kubectl(
        "-n", namespace, "create", "rolebinding", "ana-all", "--clusterrole=cluster-admin", f"--user={ANA}"
    )
    other = approval("kept", ANA)
    other["spec"]["planDigest"] = "b" * 64
    assert "an approval is never edited" in people[ANA].apply(other, verb="replace")
