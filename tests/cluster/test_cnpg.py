# SPDX-License-Identifier: Apache-2.0
"""Do CloudNativePG's own CRDs, on a real API server, take the objects we write, and not others?

Its operator does not run here: a player of its part sets what it would set in the status.
"""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest

from backstitch.adapters.clock import SystemClock
from backstitch.adapters.cnpg import CnpgBackups
from backstitch.adapters.conninfo import parse_url
from backstitch.adapters.kube_api import KubeApi
from backstitch.adapters.postgres import PostgresDatabase
from backstitch.core import cnpg
from backstitch.core.errors import BackupFailed, TargetError
from backstitch.model.backup_spec import CloudNativePG
from backstitch.model.point_in_time import RestorePoint
from dev.apiserver import ApiServer
from dev.cnpg import find_crds
from dev.processes import ServerError

pytestmark = pytest.mark.slow  # 30 s with the CRDs of 0.5 MB

SPEC = CloudNativePG(cluster="shop-db")
POINT = RestorePoint(
    name="backstitch_1f2e_7_abcd_00c0ffee", lsn="0/6000090", segment="000000010000000000000006", timeline=1,
    made_at=datetime(2026, 11, 24, tzinfo=UTC), backup=cnpg.short_name("shop-db", "m1"),
)  # fmt: skip
SOURCE: dict[str, Any] = {
    "apiVersion": cnpg.API_VERSION,
    "kind": "Cluster",
    "metadata": {"name": "shop-db"},
    "spec": {
        "instances": 3,
        "imageName": "ghcr.io/cloudnative-pg/postgresql:18.1",
        "storage": {"size": "10Gi", "storageClass": "fast"},
        "bootstrap": {"initdb": {"database": "shop", "owner": "shop", "secret": {"name": "shop-login"}}},
        "postgresql": {"parameters": {"max_connections": "300", "shared_preload_libraries_x": "no"}},
        "plugins": [
            {"name": cnpg.DEFAULT_PLUGIN, "isWALArchiver": True, "parameters": {"barmanObjectName": "shop-store"}}
        ],
    },
}


@pytest.fixture(scope="module")
def cnpg_server(api_server: ApiServer, tmp_path_factory: pytest.TempPathFactory) -> ApiServer:
    folder = tmp_path_factory.mktemp("cnpg")
    try:
        for file in find_crds():
            shutil.copyfile(file, folder / file.name)
    except ServerError as error:
        pytest.exit(f"CloudNativePG's CRDs are needed: {error}", returncode=3)
    api_server.install_crds(folder)
    return api_server


@pytest.fixture
async def api(cnpg_server: ApiServer, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[KubeApi]:
    monkeypatch.setenv("KUBECONFIG", str(cnpg_server.kubeconfig))
    made = await KubeApi.connect()
    yield made
    await made.close()


def backups(api: KubeApi, namespace: str, spec: CloudNativePG = SPEC) -> CnpgBackups:
    database = PostgresDatabase.of(parse_url("postgresql://shop:x@127.0.0.1:1/shop"))
    return CnpgBackups(spec, api, namespace, database, SystemClock())


def apply(server: ApiServer, body: dict[str, Any], namespace: str, *options: str) -> dict[str, Any]:
    said = server.run_kubectl(
        "apply", "--server-side", "--namespace", namespace, "-o", "json", "-f", "-", *options, stdin=json.dumps(body)
    )
    answer: dict[str, Any] = json.loads(said)
    return answer


def set_status(server: ApiServer, kind: str, name: str, namespace: str, status: dict[str, Any]) -> None:
    """What CloudNativePG's operator would do."""
    server.run_kubectl(
        "patch", kind, name, "--namespace", namespace, "--subresource=status", "--type=merge",
        "-p", json.dumps({"status": status}),
    )  # fmt: skip


@pytest.mark.parametrize(
    "spec", [SPEC, SPEC.model_copy(update={"method": "barmanObjectStore"})], ids=["plugin", "barman"]
)
def test_the_crds_take_what_we_write(cnpg_server: ApiServer, namespace: str, spec: CloudNativePG) -> None:
    source = json.loads(json.dumps(SOURCE))
    source["metadata"]["namespace"] = namespace
    source["spec"]["backup"] = {
        "barmanObjectStore": {"destinationPath": "s3://b/", "s3Credentials": {"inheritFromIAMRole": True}}
    }
    backup = cnpg.backup_object(spec, namespace, "m1")
    backup_done = {**backup, "status": {"backupId": "20261124T120000"}}
    for body in (source, backup, cnpg.recovery_cluster(spec, source, backup_done, POINT)):
        stored = apply(cnpg_server, body, namespace, "--dry-run=server", "--validate=strict")
        for field, value in body["spec"].items():  # nothing was pruned
            assert contains(stored["spec"][field], value), field


def contains(stored: Any, written: Any) -> bool:
    """The server fills in defaults; it must not leave out anything."""
    if isinstance(written, dict):
        return all(key in stored and contains(stored[key], value) for key, value in written.items())
    if isinstance(written, list):
        return len(stored) == len(written) and all(map(contains, stored, written))
    return bool(stored == written)


def test_and_not_others(cnpg_server: ApiServer, namespace: str) -> None:
    body = cnpg.backup_object(SPEC, namespace, "m1")
    for wrong, said in (
        ({**body, "spec": {**body["spec"], "method": "guess"}}, "spec.method"),
        ({**body, "spec": {"method": "plugin"}}, "spec.cluster"),
        ({**body, "spec": {**body["spec"], "restorePoint": "x"}}, "restorePoint"),
    ):
        with pytest.raises(ServerError, match=said):
            apply(cnpg_server, wrong, namespace, "--dry-run=server", "--validate=strict")


def test_a_recovery_needs_an_archive_and_the_backups_id() -> None:
    source = {**SOURCE, "metadata": {"name": "shop-db", "namespace": "n"}}
    backup = {"metadata": {"name": "b"}, "status": {"backupId": "1"}}
    made = cnpg.recovery_cluster(SPEC, source, backup, POINT)
    assert made["spec"]["instances"] == 1
    assert made["spec"]["externalClusters"] == [
        {
            "name": "origin",
            "plugin": {
                "name": cnpg.DEFAULT_PLUGIN,
                "parameters": {"serverName": "shop-db", "barmanObjectName": "shop-store"},
            },
        }
    ]
    assert "plugins" not in made["spec"]  # it archives nothing: its WAL would land in the source's archive
    assert made["spec"]["postgresql"] == {"parameters": {"max_connections": "300"}}
    recovery = made["spec"]["bootstrap"]["recovery"]
    assert recovery["recoveryTarget"] == {"backupID": "1", "targetName": POINT.name, "targetTLI": "1"}
    assert (recovery["database"], recovery["owner"], recovery["secret"]) == ("shop", "shop", {"name": "shop-login"})
    assert len(made["metadata"]["name"]) <= 50
    with pytest.raises(BackupFailed, match="no archive of method plugin"):
        cnpg.recovery_cluster(SPEC, {**source, "spec": {**source["spec"], "plugins": []}}, backup, POINT)
    with pytest.raises(BackupFailed, match="backupId"):
        cnpg.recovery_cluster(SPEC, source, {"metadata": {"name": "b"}}, POINT)


async def test_a_backup_is_asked_for_once_and_awaited(cnpg_server: ApiServer, namespace: str, api: KubeApi) -> None:
    ports = backups(api, namespace)
    name = cnpg.short_name("shop-db", "m1")
    asking = asyncio.create_task(ports.back_up("incremental", "m1"))
    await eventually_there(cnpg_server, "backups.postgresql.cnpg.io", name, namespace)
    done = {
        "phase": "completed", "backupId": "20261124T120000", "startedAt": "2026-11-24T12:00:00Z",
        "stoppedAt": "2026-11-24T12:01:00Z",
    }  # fmt: skip
    set_status(cnpg_server, "backups.postgresql.cnpg.io", name, namespace, done)
    first = await asking
    assert (first.label, first.mark) == (name, "m1")
    assert await ports.back_up("incremental", "m1") == first  # as after a kill
    assert await ports.newest() == first
    failing = asyncio.create_task(ports.back_up("full", "m2"))
    other = cnpg.short_name("shop-db", "m2")
    await eventually_there(cnpg_server, "backups.postgresql.cnpg.io", other, namespace)
    set_status(cnpg_server, "backups.postgresql.cnpg.io", other, namespace, {"phase": "failed", "error": "no bucket"})
    with pytest.raises(BackupFailed, match="no bucket"):
        await failing
    assert await ports.newest() == first


async def test_a_second_cluster_is_asked_for_and_taken_away(
    cnpg_server: ApiServer, namespace: str, api: KubeApi
) -> None:
    apply(cnpg_server, SOURCE, namespace)
    apply(cnpg_server, cnpg.backup_object(SPEC, namespace, "m1"), namespace)
    set_status(cnpg_server, "backups.postgresql.cnpg.io", POINT.backup, namespace, {"backupId": "1"})
    name = cnpg.short_name("shop-db", POINT.name)

    async def use() -> None:
        async with backups(api, namespace).side_server(POINT):
            pytest.fail("no server runs here")

    using = asyncio.create_task(use())
    await eventually_there(cnpg_server, "clusters.postgresql.cnpg.io", name, namespace)
    healthy = {"phase": cnpg.HEALTHY, "readyInstances": 1}
    set_status(cnpg_server, "clusters.postgresql.cnpg.io", name, namespace, healthy)
    with pytest.raises(TargetError, match=r"127\.0\.0\.1:1"):  # it asks the first server for its version
        await using
    with pytest.raises(ServerError, match="not found"):
        cnpg_server.run_kubectl("get", "clusters.postgresql.cnpg.io", name, "--namespace", namespace)


async def eventually_there(server: ApiServer, kind: str, name: str, namespace: str) -> None:
    for _ in range(100):
        try:
            await asyncio.to_thread(server.run_kubectl, "get", kind, name, "--namespace", namespace)
        except ServerError:
            await asyncio.sleep(0.1)
        else:
            return
    pytest.fail(f"{kind} {name} was not written")
