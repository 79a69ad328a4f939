# SPDX-License-Identifier: Apache-2.0
"""How long is it from `kubectl apply` to Succeeded, and how much memory does the operator hold? Prints two tables.

`PYTHONPATH=operator:. python -m tests.bench.bench_operator [--runs 10] [--objects 1000]`: real PostgreSQL 18, real API
server, the operator as a process; a staging target, so with a proven backup of a small database. Apply is a create by
this process, so that kubectl's own start (about 0.1 s) is not in it.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import secrets
import statistics
import tempfile
import time
from datetime import datetime
from pathlib import Path
from typing import Any

from backstitch.adapters.kube import MIGRATIONS, Cluster, Key
from backstitch.adapters.kube_api import KubeApi, path_of
from backstitch.model.names import GROUP, VERSION
from dev.apiserver import ApiServer
from dev.postgres import PostgresServer
from tests.plugins.operator import SAMPLE, OperatorProcess, Shop
from tests.plugins.pg import PgCluster

_CRDS = Path(__file__).parents[2] / "crds"
_POLL_S = 0.005
_FINISHED = "finished"


def memory_mb(pid: int) -> float:
    """Resident memory of a process."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024


async def create(api: KubeApi, body: dict[str, Any], namespace: str) -> None:
    """Create a DatabaseMigration."""
    path = path_of(MIGRATIONS, group=GROUP, version=VERSION, namespace=namespace)
    await api.request("POST", path, body=body)


async def one_run(api: KubeApi, cluster: Cluster, shop: Shop, number: int) -> dict[str, float]:
    """Seconds of one migration by stage, from the request to create it until its status says Succeeded."""
    step = {"name": "add", "addColumn": {"table": "users", "column": f"c{number}", "type": "text"}}
    body = shop.migration(f"r{number}", step, version=str(number + 1))
    key = Key(shop.namespace, body["metadata"]["name"])
    began, began_at = time.perf_counter(), time.time()
    await create(api, body, shop.namespace)
    applied = time.perf_counter() - began
    while True:
        read = await cluster.read(MIGRATIONS, key)
        status = (read or {}).get("status", {})
        if status.get("state") == "Succeeded":
            break
        assert status.get("state") in (None, "Waiting", "BackingUp", "Migrating", "Verifying"), status
        await asyncio.sleep(_POLL_S)
    total = time.perf_counter() - began
    backup_s = status["backup"]["durationMs"] / 1000
    started, finished = (datetime.fromisoformat(status[field]).timestamp() for field in ("startedAt", "finishedAt"))
    return {
        "create object": applied,
        "until backup begins": started - began_at - applied - backup_s,
        "backup, proven": backup_s,
        "migrate and verify": finished - started,
        "until status is seen": total - (finished - began_at),
        "total": total,
    }


async def measure(shop: Shop, runs: int, objects: int) -> None:
    cluster = await Cluster.connect()
    api = await KubeApi.connect()
    operator = shop.operator
    operator.start()
    try:
        await asyncio.sleep(3)
        rest = memory_mb(operator.pid)
        await one_run(api, cluster, shop, 0)  # imports, and finding the tools
        warm = memory_mb(operator.pid)
        found = [await one_run(api, cluster, shop, number) for number in range(1, runs + 1)]
        print(f"\napply to Succeeded, one addColumn, staging, n={runs}, {platform.machine()}, {os.cpu_count()} cores")
        print(f"load average {os.getloadavg()[0]:.1f}\n\n{'stage':<24}{'median s':>10}{'max s':>10}")
        for stage in found[0]:
            values = [each[stage] for each in found]
            print(f"{stage:<24}{statistics.median(values):>10.3f}{max(values):>10.3f}")
        after = memory_mb(operator.pid)
        await fill(api, cluster, shop, objects)
        await asyncio.sleep(5)
        running = memory_mb(operator.pid)
        operator.stop()
        began = time.perf_counter()
        operator.start()
        started = time.perf_counter() - began
        await asyncio.sleep(8)
        print(f"\n{'operator':<44}{'resident MB':>12}")
        for what, value in (
            ("at rest, no objects", rest),
            ("after the first migration", warm),
            (f"after {runs + 1} migrations", after),
            (f"and {objects} finished objects seen", running),
            (f"restarted over them (ready after {started:.1f} s)", memory_mb(operator.pid)),
        ):
            print(f"{what:<44}{value:>12.0f}")
    finally:
        operator.stop()
        await cluster.close()
        await api.close()


async def fill(api: KubeApi, cluster: Cluster, shop: Shop, objects: int) -> None:
    """Create finished objects: the status of a real one, on a target that nobody serves."""
    real = await cluster.read(MIGRATIONS, Key(shop.namespace, f"{shop.name}-r0"))
    assert real is not None
    gate = asyncio.Semaphore(8)

    async def one(number: int) -> None:
        async with gate:
            name = f"{_FINISHED}-{number}"
            body = {**real, "metadata": {"name": name, "namespace": shop.namespace}}
            body.pop("status")
            body["spec"] = {**real["spec"], "targetRef": {"name": _FINISHED}, "version": f"1.{number}"}
            await create(api, body, shop.namespace)
            key = Key(shop.namespace, name)
            read = await cluster.read(MIGRATIONS, key)
            assert read is not None
            await cluster.apply_status(MIGRATIONS, key, read["metadata"]["uid"], real["status"])

    await asyncio.gather(*(one(number) for number in range(objects)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--objects", type=int, default=1000)
    arguments = parser.parse_args()
    with ApiServer() as api, tempfile.TemporaryDirectory() as folder:
        api.run_kubectl("apply", "--server-side", "-f", str(_CRDS))
        api.run_kubectl("wait", "--for=condition=Established", "--timeout=60s", "-f", str(_CRDS))
        namespace = f"bench-{secrets.token_hex(3)}"
        api.run_kubectl("create", "namespace", namespace)
        os.environ["KUBECONFIG"] = str(api.kubeconfig)
        pg = PgCluster(PostgresServer(18))
        try:
            database = pg.create("bench")
            database.psql(SAMPLE)
            operator = OperatorProcess(api.kubeconfig, (namespace,), Path(folder))
            shop = Shop(api, namespace, "bench", database, operator, Path(folder) / "backups")
            shop.create_secret()
            shop.create_target("staging")
            asyncio.run(measure(shop, arguments.runs, arguments.objects))
        finally:
            pg.admin.close()
            pg.server.stop()


if __name__ == "__main__":
    main()
