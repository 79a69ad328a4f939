# SPDX-License-Identifier: Apache-2.0
"""Are the rights that the chart gives for some namespaces enough to run a migration there, and none elsewhere?"""

from __future__ import annotations

import json
from pathlib import Path

from dev.apiserver import ApiServer
from tests.plugins.helm import Helm
from tests.plugins.operator import OperatorProcess, Shop, assert_rights_are_enough
from tests.plugins.pg import TestDatabase


def test_roles_in_one_namespace_are_enough_to_run_a_migration_there(
    api_server: ApiServer, namespace: str, helm: Helm, shop_database: TestDatabase, tmp_path: Path
) -> None:
    # the test's operator runs outside and comes as the user `operator`, not as the service account
    objects = helm.render(sets=["crds.install=false", f"watch.namespaces={{{namespace}}}"], namespace=namespace)
    rights = [each for each in objects if each["kind"] in {"Role", "RoleBinding"}]
    assert len(rights) == 4
    for each in rights:
        if each["kind"] == "RoleBinding":
            each["subjects"] = [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "operator"}]
        api_server.run_kubectl("apply", "--server-side", "-f", "-", stdin=json.dumps(each))
    lease = {"BACKSTITCH_LEASE_NAMESPACE": namespace}
    operator = OperatorProcess(api_server.kubeconfig_for("operator"), (namespace,), tmp_path, **lease)
    shop = Shop(api_server, namespace, "shop", shop_database, operator, tmp_path / "backups")
    assert_rights_are_enough(shop)
    for verb, resource, where, answer in (
        ("get", "secrets", namespace, "yes"),
        ("list", "secrets", namespace, "no"),
        ("get", "secrets", "default", "no"),
        ("create", "leases.coordination.k8s.io", namespace, "yes"),
        ("delete", "leases.coordination.k8s.io", namespace, "no"),
        ("create", "leases.coordination.k8s.io", "default", "no"),
        ("list", "databasemigrations.backstitch.dev", "default", "no"),
        ("list", "migrationapprovals.backstitch.dev", namespace, "yes"),
        ("create", "migrationapprovals.backstitch.dev", namespace, "no"),
        ("update", "migrationapprovals.backstitch.dev", namespace, "no"),
        ("list", "migrationapprovals.backstitch.dev", "default", "no"),
        ("update", "leases.coordination.k8s.io", namespace, "no"),  # but its own, by name
        ("delete", "databasemigrations.backstitch.dev", namespace, "no"),
        ("create", "migrationtargets.backstitch.dev", namespace, "no"),
        ("create", "pods", namespace, "no"),
        ("update", "secrets", namespace, "no"),
    ):
        asked = f"{verb} {resource} in {where}"
        attributes = {"verb": verb, "resource": resource.partition(".")[0], "namespace": where}
        attributes["group"] = resource.partition(".")[2]
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SubjectAccessReview",
            "spec": {"user": "operator", "resourceAttributes": attributes},
        }
        found = api_server.run_kubectl("create", "-f", "-", "-o", "json", stdin=json.dumps(review))
        assert ("yes" if json.loads(found)["status"]["allowed"] else "no") == answer, asked
