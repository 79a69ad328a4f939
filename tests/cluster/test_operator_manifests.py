# SPDX-License-Identifier: Apache-2.0
"""Are the plain manifests accepted as they stand, and are the rights in them enough, and no more?"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from dev.apiserver import ApiServer
from tests.plugins.operator import OperatorProcess, Shop, assert_rights_are_enough
from tests.plugins.pg import TestDatabase

MANIFESTS = Path(__file__).parents[2] / "manifests"
FILES = ("namespace.yaml", "rbac.yaml", "deployment.yaml")


@pytest.fixture(scope="module")
def installed(api_server: ApiServer) -> ApiServer:
    api_server.run_kubectl("apply", "--server-side", "-f", str(MANIFESTS / "namespace.yaml"))
    api_server.run_kubectl("apply", "--server-side", "-f", str(MANIFESTS / "rbac.yaml"))
    return api_server


@pytest.fixture
def bound(installed: ApiServer) -> Iterator[ApiServer]:
    """The user `operator` has exactly the rights of the operator's service account."""
    installed.run_kubectl(
        "create", "clusterrolebinding", "test-operator", "--clusterrole=backstitch-operator", "--user=operator"
    )
    role = ("--role=backstitch-lease", "--user=operator", "--namespace=backstitch")
    installed.run_kubectl("create", "rolebinding", "test-operator", *role)
    yield installed
    installed.run_kubectl("delete", "clusterrolebinding", "test-operator")
    installed.run_kubectl("delete", "rolebinding", "test-operator", "--namespace=backstitch")


@pytest.mark.parametrize("file", FILES)
def test_the_api_server_takes_them_without_a_warning(installed: ApiServer, file: str) -> None:
    done = subprocess.run(
        [
            str(installed.kubectl),
            f"--kubeconfig={installed.kubeconfig}",
            "apply",
            "--server-side",
            "--dry-run=server",
            "--validate=strict",
            "-f",
            str(MANIFESTS / file),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr  # such as: would violate PodSecurity "restricted"


def test_the_pod_itself_is_let_into_a_restricted_namespace(installed: ApiServer) -> None:
    deployment = next(yaml.safe_load_all((MANIFESTS / "deployment.yaml").read_text()))
    pod: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "try", "namespace": "backstitch"},
        "spec": deployment["spec"]["template"]["spec"],
    }
    created = installed.run_kubectl("create", "--dry-run=server", "-f", "-", stdin=json.dumps(pod))
    assert "created" in created
    del pod["spec"]["containers"][0]["securityContext"]["capabilities"]
    with pytest.raises(Exception, match="violates PodSecurity"):
        installed.run_kubectl("create", "--dry-run=server", "-f", "-", stdin=json.dumps(pod))


def test_the_operator_runs_a_migration_with_just_these_rights(
    bound: ApiServer, namespace: str, shop_database: TestDatabase, tmp_path: Path
) -> None:
    lease = {"BACKSTITCH_LEASE_NAMESPACE": "backstitch"}  # no namespaces: all of the cluster
    operator = OperatorProcess(bound.kubeconfig_for("operator"), (), tmp_path, **lease)
    shop = Shop(bound, namespace, "shop", shop_database, operator, tmp_path / "backups")
    assert_rights_are_enough(shop)


@pytest.mark.parametrize(
    "verb, resource, allowed",
    [
        ("get", "secrets", True),
        ("list", "secrets", False),
        ("watch", "secrets", False),
        ("list", "configmaps", False),
        ("delete", "databasemigrations", False),
        ("create", "databasemigrations", False),
        ("patch", "migrationtargets", False),
        ("patch", "databasemigrations/status", True),
        ("create", "pods", False),
        ("list", "namespaces", False),
        ("list", "customresourcedefinitions", False),
        ("create", "leases", False),  # in all namespaces; in its own it may
    ],
)
def test_the_operators_rights_end_there(bound: ApiServer, verb: str, resource: str, allowed: bool) -> None:
    done = subprocess.run(
        [
            str(bound.kubectl),
            f"--kubeconfig={bound.kubeconfig_for('operator')}",
            *("auth", "can-i", verb, resource.partition("/")[0], "-A"),
            *([f"--subresource={resource.partition('/')[2]}"] if "/" in resource else []),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.strip() == ("yes" if allowed else "no"), done.stderr
