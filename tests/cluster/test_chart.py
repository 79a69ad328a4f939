# SPDX-License-Identifier: Apache-2.0
"""Does the chart render what it promises, does a real API server take it, and does it agree with manifests/?"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from backstitch.app.metrics import Metrics
from backstitch.app.settings import PREFIX, OperatorSettings, read_settings
from backstitch.model.states import State
from dev.apiserver import ApiServer
from dev.chart import documented_values, stale
from dev.processes import ServerError
from tests.plugins.helm import CHART, MONITORING, Helm

ROOT = Path(__file__).parents[2]
CLUSTER_WIDE = {"ClusterRole", "ClusterRoleBinding", "CustomResourceDefinition", "Namespace", "PriorityClass"}
OF_THE_CHART = {
    "app.kubernetes.io/instance",
    "app.kubernetes.io/version",
    "app.kubernetes.io/managed-by",
    "helm.sh/chart",
}
VALUES = ("plain", "namespaced", "everything")


def of_kind(objects: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [each for each in objects if each["kind"] == kind]


def pod_of(objects: list[dict[str, Any]]) -> dict[str, Any]:
    (deployment,) = of_kind(objects, "Deployment")
    spec: dict[str, Any] = deployment["spec"]["template"]["spec"]
    return spec


def without_labels_of_the_chart(content: Any) -> Any:
    if isinstance(content, dict):
        return {key: without_labels_of_the_chart(value) for key, value in content.items() if key not in OF_THE_CHART}
    if isinstance(content, list):
        return [without_labels_of_the_chart(each) for each in content]
    return content


def by_name(objects: list[dict[str, Any]]) -> dict[tuple[str, str], dict[str, Any]]:
    return {(each["kind"], each["metadata"]["name"]): without_labels_of_the_chart(each) for each in objects}


def test_the_generated_files_are_fresh() -> None:
    assert stale() == []


def test_the_manifests_are_the_charts_plain_rendering(helm: Helm) -> None:
    files = [ROOT / "manifests" / name for name in ("rbac.yaml", "deployment.yaml", "admission.yaml")]
    plain = [each for file in files for each in yaml.safe_load_all(file.read_text())]
    assert by_name(helm.render("plain")) == by_name(plain)


@pytest.fixture
def restricted(api_server: ApiServer, namespace: str) -> str:
    api_server.run_kubectl("label", "namespace", namespace, "pod-security.kubernetes.io/enforce=restricted")
    api_server.run_kubectl("label", "namespace", namespace, "pod-security.kubernetes.io/warn=restricted")
    return namespace


def dry_run(api_server: ApiServer, objects: list[dict[str, Any]]) -> subprocess.CompletedProcess[str]:
    argv = [str(api_server.kubectl), f"--kubeconfig={api_server.kubeconfig}", "apply", "--server-side"]
    # the CRDs are there already, by the hand of somebody else than Helm
    argv += ["--force-conflicts", "--dry-run=server", "--validate=strict", "-f", "-"]
    stdin = "---\n".join(json.dumps(each) + "\n" for each in objects)
    return subprocess.run(argv, input=stdin, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize("values", VALUES)
def test_the_api_server_takes_it_in_a_restricted_namespace_without_a_warning(
    api_server: ApiServer, restricted: str, helm: Helm, values: str
) -> None:
    sets = [f"watch.namespaces={{{restricted}}}"] if values == "namespaced" else []
    objects = helm.render(values, sets=sets, namespace=restricted)
    done = dry_run(api_server, objects)
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr
    assert len(done.stdout.splitlines()) == len(objects)
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "try", "namespace": restricted}}
    spec = pod_of(objects) | {"serviceAccountName": "default"}  # admission of a bare pod looks for the account
    spec.pop("priorityClassName", None)
    api_server.run_kubectl("create", "serviceaccount", "default", f"--namespace={restricted}")
    api_server.run_kubectl("create", "--dry-run=server", "-f", "-", stdin=json.dumps(pod | {"spec": spec}))
    del spec["containers"][0]["securityContext"]["capabilities"]
    with pytest.raises(ServerError, match="violates PodSecurity"):
        api_server.run_kubectl("create", "--dry-run=server", "-f", "-", stdin=json.dumps(pod | {"spec": spec}))


def test_the_pod_has_no_rights_on_its_node(helm: Helm) -> None:
    pod = pod_of(helm.render("everything"))
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    (container,) = pod["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert {"name": "USER", "value": "backstitch"} in container["env"]


def test_namespaced_there_is_nothing_cluster_wide(helm: Helm) -> None:
    objects = helm.render("namespaced", kinds=MONITORING)
    assert {each["kind"] for each in objects} & CLUSTER_WIDE == set()
    rules = of_kind(helm.render("plain"), "ClusterRole")
    (wide,) = [each["rules"] for each in rules if each["metadata"]["name"] == "backstitch-operator"]
    roles = [each for each in of_kind(objects, "Role") if not each["metadata"]["name"].endswith("-lease")]
    assert {each["metadata"]["namespace"]: each["rules"] for each in roles} == {"shop": wide, "billing": wide}
    bindings = [each for each in of_kind(objects, "RoleBinding") if not each["metadata"]["name"].endswith("-lease")]
    assert [each["metadata"]["namespace"] for each in bindings] == ["shop", "billing"]
    for each in bindings:
        assert each["roleRef"]["kind"] == "Role"
        assert each["subjects"] == [{"kind": "ServiceAccount", "name": "backstitch", "namespace": "backstitch"}]
    assert {"name": "BACKSTITCH_NAMESPACES", "value": "shop,billing"} in pod_of(objects)["containers"][0]["env"]


def test_secrets_are_only_read_by_name(helm: Helm) -> None:
    for values in VALUES:
        for role in [each for each in helm.render(values) if each["kind"] in {"Role", "ClusterRole"}]:
            for rule in role["rules"]:
                assert "*" not in rule["verbs"] + rule["resources"] + rule["apiGroups"]
                if "secrets" in rule["resources"]:
                    assert rule["verbs"] == ["get"]


def test_an_uninstall_keeps_the_crds(helm: Helm) -> None:
    crds = of_kind(helm.render(), "CustomResourceDefinition")
    assert len(crds) == len(list((ROOT / "crds").glob("*.yaml")))
    for crd in crds:
        assert crd["metadata"].pop("annotations") == {"helm.sh/resource-policy": "keep"}
        assert crd == yaml.safe_load((ROOT / "crds" / f"{source_of(crd)}.yaml").read_text())
    assert of_kind(helm.render(sets=["crds.install=false"]), "CustomResourceDefinition") == []


def source_of(crd: Mapping[str, Any]) -> str:
    plural, _, group = crd["metadata"]["name"].partition(".")
    return f"{group}_{plural}"


@pytest.mark.parametrize(
    "wrong, named",
    [
        ("replica=2", "replica"),
        ("image.pullPolicy=Sometimes", "pullPolicy"),
        ("watch.namespace=shop", "namespace"),
        ("settings.maxRuning=3", "maxRuning"),
        ("settings.maxRunning=0", "maxRunning"),
        ("metrics.podMonitor.intervall=3s", "intervall"),
        ("extraEnv[0].nam=A", "nam"),
        ("image.digest=abc", "digest"),
        ("tmpSize=64", "tmpSize"),
    ],
)
def test_a_wrong_value_is_refused_by_name(helm: Helm, wrong: str, named: str) -> None:
    done = helm.run("template", "backstitch", str(CHART), f"--set={wrong}")
    assert done.returncode != 0
    assert "schema" in done.stderr
    assert named in done.stderr


def test_the_schema_is_closed_and_knows_every_value() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())
    assert schema["additionalProperties"] is False
    for value in documented_values():
        part = schema
        for name in value.path.split("."):
            assert part["additionalProperties"] is False, value.path
            part = part["properties"][name]


def test_the_linter_is_content(helm: Helm) -> None:
    for values in VALUES:
        done = helm.run("lint", "--strict", str(CHART), f"--values={CHART / 'ci' / values}.yaml")
        assert done.returncode == 0, done.stdout + done.stderr


def test_every_setting_of_the_chart_reaches_the_operator(helm: Helm) -> None:
    sets = ["watch.namespaces={shop,billing}"]
    environment = {
        each["name"]: each["value"]
        for each in pod_of(helm.render("everything", sets=sets))["containers"][0]["env"]
        if each["name"].startswith(PREFIX)
    }
    wanted: dict[str, Any] = {"namespaces": ("shop", "billing"), "log_level": "debug", "max_running": 4, "grace_s": 30}
    wanted |= {"resync_s": 300, "probe_s": 30, "look_again_s": 5}
    wanted |= {"lease_name": "stitches", "lease_namespace": "backstitch", "lease_duration_s": 20, "lease_retry_s": 2.5}
    assert read_settings(environment).model_dump() == OperatorSettings(**wanted).model_dump()
    beside = {"http_port", "http_host"}  # fixed: the probes and the policy name the port
    assert {name.removeprefix(PREFIX).lower() for name in environment} == set(OperatorSettings.model_fields) - beside


def test_every_override_of_the_pod_is_used(helm: Helm) -> None:
    values = yaml.safe_load((CHART / "ci" / "everything.yaml").read_text())
    pod = pod_of(helm.render("everything"))
    container = pod["containers"][0]
    for name in ("nodeSelector", "tolerations", "affinity", "priorityClassName", "imagePullSecrets"):
        assert pod[name] == values[name]
    assert container["resources"] == values["resources"]
    assert container["envFrom"] == values["extraEnvFrom"]
    assert values["extraEnv"][0] in container["env"]
    assert values["extraVolumes"][0] in pod["volumes"]
    assert values["extraVolumeMounts"][0] in container["volumeMounts"]
    assert container["image"] == f"registry.example.com/backstitch@{values['image']['digest']}"
    assert pod["serviceAccountName"] == "migrator"


def test_what_needs_two_pods_is_there_only_with_two(helm: Helm) -> None:
    one, two = helm.render(sets=["replicas=1"]), helm.render()
    assert of_kind(one, "PodDisruptionBudget") == []
    assert "topologySpreadConstraints" not in pod_of(one)
    assert of_kind(one, "Deployment")[0]["spec"]["replicas"] == 1
    assert of_kind(one, "Deployment")[0]["spec"]["strategy"] == {"type": "Recreate"}
    assert of_kind(two, "Deployment")[0]["spec"]["replicas"] == 2
    assert of_kind(two, "Deployment")[0]["spec"]["strategy"] == {"type": "RollingUpdate"}
    (budget,) = of_kind(two, "PodDisruptionBudget")
    labels = of_kind(two, "Deployment")[0]["spec"]["template"]["metadata"]["labels"]
    assert budget["spec"]["selector"]["matchLabels"].items() <= labels.items()
    assert pod_of(two)["topologySpreadConstraints"][0]["topologyKey"] == "kubernetes.io/hostname"


def test_the_kinds_of_the_prometheus_operator_are_rendered_where_they_exist(helm: Helm) -> None:
    kinds = {"PodMonitor", "PrometheusRule"}
    assert {each["kind"] for each in helm.render()} & kinds == set()
    assert {each["kind"] for each in helm.render(kinds=MONITORING)} & kinds == kinds


def exported_names() -> set[str]:
    names: set[str] = set()
    for family in Metrics().registry.collect():
        suffixes = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count")}.get(family.type, ("",))
        names |= {family.name + suffix for suffix in suffixes}
    return names


def queries(helm: Helm) -> dict[str, str]:
    objects = helm.render("everything", kinds=MONITORING)
    (rule,) = of_kind(objects, "PrometheusRule")
    alerts = {each["alert"]: each["expr"] for group in rule["spec"]["groups"] for each in group["rules"]}
    (dashboard,) = of_kind(objects, "ConfigMap")
    panels = json.loads(dashboard["data"]["backstitch.json"])["panels"]
    return alerts | {panel["title"]: target["expr"] for panel in panels for target in panel["targets"]}


def test_alerts_and_panels_ask_for_metrics_and_states_that_exist(helm: Helm) -> None:
    asked = queries(helm)
    assert len(asked) > 12
    for title, query in asked.items():
        names = set(re.findall(r"\bbackstitch_\w+", query))
        assert names, title
        assert names <= exported_names(), title
        for states in re.findall(r'state=~?"([^"]+)"', query):
            assert set(states.split("|")) <= {str(state) for state in State}, title
        assert query.count("(") == query.count(")"), title


def test_installed_and_removed_on_a_real_api_server(api_server: ApiServer, restricted: str, helm: Helm) -> None:
    where = (f"--kubeconfig={api_server.kubeconfig}", f"--namespace={restricted}")
    sets = (f"--set=fullnameOverride={restricted}", "--set=image.repository=registry.example.com/backstitch")
    installed = helm.run("install", "backstitch", str(CHART), *where, *sets, "--take-ownership")
    assert installed.returncode == 0, installed.stderr
    assert "Warning" not in installed.stderr
    notes = installed.stdout.partition("NOTES:")[2]
    commands = re.findall(r"^ {5}(kubectl .*)$", notes, re.MULTILINE)
    assert len(commands) == 3
    for sample in re.findall(r"manifests/\S+\.yaml", notes):
        assert (ROOT / sample).exists(), sample
    assert api_server.run_kubectl("get", "deployments", "-n", restricted, "-o", "name") == (
        f"deployment.apps/{restricted}\n"
    )
    upgraded = helm.run("upgrade", "backstitch", str(CHART), *where, *sets, "--set=settings.logLevel=debug")
    assert upgraded.returncode == 0, upgraded.stderr
    removed = helm.run("uninstall", "backstitch", *where)
    assert removed.returncode == 0, removed.stderr
    assert api_server.run_kubectl("get", "deployments", "-n", restricted, "-o", "name") == ""
    assert api_server.run_kubectl("get", "clusterroles", f"{restricted}-operator", "--ignore-not-found") == ""
    crds = api_server.run_kubectl("get", "crds", "-o", "name").split()
    assert "customresourcedefinition.apiextensions.k8s.io/databasemigrations.backstitch.dev" in crds
    assert "customresourcedefinition.apiextensions.k8s.io/migrationtargets.backstitch.dev" in crds
