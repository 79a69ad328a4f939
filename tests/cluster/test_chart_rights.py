# SPDX-License-Identifier: Apache-2.0
"""Are the rights that the chart gives for some namespaces enough to run a migration there, and none elsewhere?"""

from __future__ import annotations

import json
from pathlib import Path

from dev.apiserver import ApiServer
from tests.plugins.helm import Helm
from tests.plugins.operator import OperatorProcess, Shop, eventually
from tests.plugins.pg import TestDatabase


def test_roles_in_one_namespace_are_enough_to_run_a_migration_there(
    api_server: ApiServer, namespace: str, helm: Helm, shop_database: TestDatabase, tmp_path: Path
) -> None:
    # the test's operator runs outside and comes as the user `operator`, not as the service account
    objects = helm.render(sets=["crds.install=false", f"watch.namespaces={{{namespace}}}"], namespace=namespace)
    rights = [each for each in objects if each["kind"] in {"Role", "RoleBinding"}]
    assert len(rights) == 2
    for each in rights:
        if each["kind"] == "RoleBinding":
            each["subjects"] = [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "operator"}]
        api_server.run_kubectl("apply", "--server-side", "-f", "-", stdin=json.dumps(each))
    operator = OperatorProcess(api_server.kubeconfig_for("operator"), (namespace,), tmp_path)
    shop = Shop(api_server, namespace, "shop", shop_database, operator, tmp_path / "backups")
    shop.create_secret()
    shop.create_target("staging")
    operator.start()
    try:
        shop.apply(
            shop.migration("m1", {"name": "add", "addColumn": {"table": "users", "column": "nick", "type": "text"}})
        )
        shop.wait("m1", "Succeeded")
        eventually(lambda: "finalizers" not in shop.read("m1")["metadata"], what="the finalizer's end")
        eventually(lambda: "Succeeded" in shop.kubectl("get", "events"), what="an event")
    finally:
        operator.stop()
    log = operator.log.read_text()
    assert "is forbidden" not in log
    assert '"level": "ERROR"' not in log
    for verb, resource, where, answer in (
        ("get", "secrets", namespace, "yes"),
        ("list", "secrets", namespace, "no"),
        ("get", "secrets", "default", "no"),
        ("list", "databasemigrations.backstitch.dev", "default", "no"),
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
