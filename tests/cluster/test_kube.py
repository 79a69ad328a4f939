# SPDX-License-Identifier: Apache-2.0
"""Does the Kubernetes adapter do on a real API server what app/ relies on?"""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from backstitch.adapters.clock import SystemClock
from backstitch.adapters.kube import MIGRATIONS, TARGETS, Cluster, Key
from backstitch.adapters.kube_api import ApiError, Gone, KubeApi, Stale, path_of
from backstitch.app.events import EventPoster
from backstitch.app.status_writer import StatusWriter
from backstitch.model.names import FINALIZER
from backstitch.model.record import Record
from backstitch.model.states import State
from dev.apiserver import ApiServer


@pytest_asyncio.fixture
async def cluster(api_server: ApiServer, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Cluster]:
    monkeypatch.setenv("KUBECONFIG", str(api_server.kubeconfig))
    connected = await Cluster.connect()
    yield connected
    await connected.close()


@pytest.fixture
def migration(api_server: ApiServer, namespace: str) -> Key:
    return create(api_server, Key(namespace, "m1"))


def create(api_server: ApiServer, key: Key) -> Key:
    body = {
        "apiVersion": "backstitch.dev/v1alpha1",
        "kind": "DatabaseMigration",
        "metadata": {"name": key.name, "namespace": key.namespace},
        "spec": {
            "targetRef": {"name": "main"},
            "version": "1",
            "type": "schema",
            "phases": [
                {"name": "p", "steps": [{"name": "s", "addColumn": {"table": "t", "column": "c", "type": "text"}}]}
            ],
        },
    }
    api_server.run_kubectl("create", "-f", "-", stdin=json.dumps(body))
    return key


async def uid_of(cluster: Cluster, key: Key) -> str:
    body = await cluster.read(MIGRATIONS, key)
    assert body is not None
    uid: str = body["metadata"]["uid"]
    return uid


def a_status(state: str, **more: Any) -> dict[str, Any]:
    return {"observedGeneration": 1, "state": state, **more}


async def test_an_object_that_is_not_there_reads_as_none(cluster: Cluster, namespace: str) -> None:
    assert await cluster.read(MIGRATIONS, Key(namespace, "nobody")) is None
    assert await cluster.read_secret(Key(namespace, "nobody")) is None
    assert await cluster.read_config_map(Key(namespace, "nobody")) is None


async def test_a_secret_is_decoded_once(cluster: Cluster, api_server: ApiServer, namespace: str) -> None:
    # a value that is itself base64 must not be decoded a second time
    api_server.run_kubectl("create", "secret", "generic", "s", "-n", namespace, "--from-literal=password=c2VjcmV0")
    assert await cluster.read_secret(Key(namespace, "s")) == {"password": b"c2VjcmV0"}


async def test_config_map_texts_are_read(cluster: Cluster, api_server: ApiServer, namespace: str) -> None:
    api_server.run_kubectl("create", "configmap", "sql", "-n", namespace, "--from-literal=up.sql=SELECT 1")
    assert await cluster.read_config_map(Key(namespace, "sql")) == {"up.sql": "SELECT 1"}


async def test_a_status_is_replaced_whole_and_stays_ours(cluster: Cluster, migration: Key) -> None:
    uid = await uid_of(cluster, migration)
    assert await cluster.apply_status(MIGRATIONS, migration, uid, a_status("Waiting", message="first", phase="p"))
    assert await cluster.apply_status(MIGRATIONS, migration, uid, a_status("Migrating", message="second"))
    body = await cluster.read(MIGRATIONS, migration)
    assert body is not None
    assert body["status"] == a_status("Migrating", message="second")


async def test_a_status_that_was_decided_on_an_older_object_is_not_written(
    cluster: Cluster, api_server: ApiServer, migration: Key
) -> None:
    body = await cluster.read(MIGRATIONS, migration)
    assert body is not None
    uid, seen = body["metadata"]["uid"], body["metadata"]["resourceVersion"]
    version = await cluster.apply_status(MIGRATIONS, migration, uid, a_status("Waiting"), seen=seen)
    assert version not in {None, seen}
    with pytest.raises(Stale):
        await cluster.apply_status(MIGRATIONS, migration, uid, a_status("Migrating"), seen=seen)
    assert await cluster.apply_status(MIGRATIONS, migration, uid, a_status("Migrating"), seen=version)


async def test_a_status_for_an_object_that_is_gone_or_another_says_so(
    cluster: Cluster, api_server: ApiServer, migration: Key
) -> None:
    assert not await cluster.apply_status(MIGRATIONS, migration, "another-uid", a_status("Waiting"))
    uid = await uid_of(cluster, migration)
    api_server.run_kubectl("delete", "dbm", migration.name, "-n", migration.namespace)
    assert not await cluster.apply_status(MIGRATIONS, migration, uid, a_status("Waiting"))
    assert await cluster.read(MIGRATIONS, migration) is None


async def test_a_status_that_the_crd_refuses_is_an_error_at_once(cluster: Cluster, migration: Key) -> None:
    uid = await uid_of(cluster, migration)
    async with asyncio.timeout(5):
        with pytest.raises(ApiError, match="Unsupported value") as caught:
            await cluster.apply_status(MIGRATIONS, migration, uid, a_status("Nonsense"), patience_s=60)
    assert not caught.value.retry


async def test_the_finalizer_holds_a_deleted_object_until_it_is_removed(
    cluster: Cluster, api_server: ApiServer, migration: Key
) -> None:
    uid = await uid_of(cluster, migration)
    assert await cluster.add_finalizer(MIGRATIONS, migration, uid) == "held"
    assert await cluster.add_finalizer(MIGRATIONS, migration, uid) == "held"
    api_server.run_kubectl("delete", "dbm", migration.name, "-n", migration.namespace, "--wait=false")
    body = await cluster.read(MIGRATIONS, migration)
    assert body is not None
    assert body["metadata"]["finalizers"] == [FINALIZER]
    await cluster.remove_finalizer(MIGRATIONS, migration, uid)
    assert await cluster.read(MIGRATIONS, migration) is None
    await cluster.remove_finalizer(MIGRATIONS, migration, uid)
    assert await cluster.add_finalizer(MIGRATIONS, migration, uid) == "gone"


async def test_an_object_on_its_way_out_cannot_be_held_and_others_finalizers_stay(
    cluster: Cluster, api_server: ApiServer, migration: Key
) -> None:
    uid = await uid_of(cluster, migration)
    where = ("dbm", migration.name, "-n", migration.namespace)
    api_server.run_kubectl("patch", *where, "--type=merge", "-p", '{"metadata":{"finalizers":["example.org/mine"]}}')
    await cluster.add_finalizer(MIGRATIONS, migration, uid)
    await cluster.remove_finalizer(MIGRATIONS, migration, uid)
    body = await cluster.read(MIGRATIONS, migration)
    assert body is not None
    assert body["metadata"]["finalizers"] == ["example.org/mine"]
    api_server.run_kubectl("delete", *where, "--wait=false")
    assert await cluster.add_finalizer(MIGRATIONS, migration, uid) == "deleting"
    api_server.run_kubectl("patch", *where, "--type=merge", "-p", '{"metadata":{"finalizers":null}}')


async def test_finalizers_survive_writers_that_change_the_object_meanwhile(
    cluster: Cluster, api_server: ApiServer, migration: Key
) -> None:
    uid = await uid_of(cluster, migration)
    await asyncio.gather(
        cluster.add_finalizer(MIGRATIONS, migration, uid),
        *(
            asyncio.to_thread(
                api_server.run_kubectl, "label", "dbm", migration.name, "-n", migration.namespace, f"x{n}=y"
            )
            for n in range(4)
        ),
    )
    body = await cluster.read(MIGRATIONS, migration)
    assert body is not None
    assert body["metadata"]["finalizers"] == [FINALIZER]
    assert len(body["metadata"]["labels"]) == 4
    await cluster.remove_finalizer(MIGRATIONS, migration, uid)


async def test_lists_come_in_pages_and_are_complete(
    cluster: Cluster, api_server: ApiServer, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backstitch.adapters.kube._PAGE", "2")
    for number in range(5):
        create(api_server, Key(namespace, f"m{number}"))
    names = [body["metadata"]["name"] async for body in cluster.list_objects(MIGRATIONS, namespace)]
    assert names == [f"m{number}" for number in range(5)]
    assert [body async for body in cluster.list_objects(TARGETS, namespace)] == []


async def test_rights_that_are_missing_are_named_at_once(
    api_server: ApiServer, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(api_server.kubeconfig_for("stranger")))
    cluster = await Cluster.connect()
    try:
        async with asyncio.timeout(5):
            with pytest.raises(ApiError, match=r"cannot get resource \"secrets\".*rbac\.yaml"):
                await cluster.read_secret(Key(namespace, "s"))
    finally:
        await cluster.close()


async def test_an_api_server_that_is_down_is_retried_for_the_time_given(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(
        json.dumps(
            {
                "clusters": [{"name": "x", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
                "contexts": [{"name": "x", "context": {"cluster": "x", "user": "x"}}],
                "users": [{"name": "x", "user": {}}],
                "current-context": "x",
            }
        )
    )
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig))
    api = await KubeApi.connect()
    try:
        began = asyncio.get_running_loop().time()
        with pytest.raises(ApiError, match="did not answer") as caught:
            await api.request("GET", "/version", patience_s=1)
        took = asyncio.get_running_loop().time() - began
    finally:
        await api.close()
    assert caught.value.retry
    assert 0.3 < took < 3


async def test_no_kubeconfig_and_no_service_account_is_explained(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "nothing-here"))
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    with pytest.raises(ApiError, match="set KUBECONFIG"):
        await KubeApi.connect()


async def test_an_unknown_kind_is_gone(cluster: Cluster) -> None:
    with pytest.raises(Gone):
        await KubeApi.request(cluster._api, "GET", path_of("nothings", group="backstitch.dev", version="v1alpha1"))


async def test_events_are_seen_on_the_object_and_a_flood_is_cut(
    cluster: Cluster, api_server: ApiServer, migration: Key
) -> None:
    uid = await uid_of(cluster, migration)
    poster = EventPoster(cluster, SystemClock())
    poster.start()
    for number in range(100):
        poster.post(MIGRATIONS, migration, uid, "Migrating", f"step {number}")
    for _ in range(5):
        poster.post(MIGRATIONS, migration, uid, "Migrating", "step 24")  # the same as the last one posted
    await poster.stop(20)
    found = json.loads(
        api_server.run_kubectl(
            "get", "events", "-n", migration.namespace, "-o", "json", f"--field-selector=involvedObject.uid={uid}"
        )
    )["items"]
    assert len(found) == 25
    assert "step 0" in api_server.run_kubectl("describe", "dbm", migration.name, "-n", migration.namespace)


async def test_a_writer_shows_state_changes_at_once_and_the_newest_of_a_flood(cluster: Cluster, migration: Key) -> None:
    uid = await uid_of(cluster, migration)
    written: list[int] = []

    def render(record: Record, _: dict[str, Any]) -> dict[str, Any]:
        written.append(record.attempt)
        return a_status(record.state.value, message=record.message)

    async def shown(wanted: dict[str, Any]) -> None:
        async with asyncio.timeout(5):
            while True:
                body = await cluster.read(MIGRATIONS, migration)
                assert body is not None
                if body["status"] == wanted:
                    return
                await asyncio.sleep(0.01)

    def a_record(state: State, message: str) -> Record:
        return Record(namespace=migration.namespace, name=migration.name, version="1", state=state, message=message)

    async with StatusWriter(cluster, migration, uid, {}, render, every_s=30) as writer:
        writer.observe(a_record(State.BACKING_UP, "begun"))
        await shown(a_status("BackingUp", message="begun"))
        for number in range(1000):
            writer.observe(a_record(State.BACKING_UP, f"{number} bytes"))
            await asyncio.sleep(0)
        assert len(written) <= 2
        writer.observe(a_record(State.MIGRATING, "begun"))
        await shown(a_status("Migrating", message="begun"))  # not after 30 s
    await writer.write_record(a_record(State.SUCCEEDED, "done"), patience_s=5)
    await shown(a_status("Succeeded", message="done"))
