# SPDX-License-Identifier: Apache-2.0
"""`PYTHONPATH=operator:. python -m tests.faults.operator_crash_points`: every crash point at the Kubernetes API.

The two stories go through the operator, killed with SIGKILL before its first and after each of its calls of the API,
started again, and are judged by the oracle of story.py. A tool and not a test: the operator is a new process twice a
point, so it takes minutes. Exit code 1 where anything deviates. Its last table is in docs/reliability.md.
"""

from __future__ import annotations

import json
import secrets
import sys
import tempfile
import time
from pathlib import Path

from dev.apiserver import ApiServer
from dev.postgres import PostgresServer
from dev.processes import Process
from tests.faults.story import ENDS, START, STORIES, content, deviations
from tests.plugins.operator import API_VERSION, OperatorProcess, Shop, eventually
from tests.plugins.pg import PgCluster, TestDatabase

ROOT = Path(__file__).parents[2]
LIMIT_S = 60
Played = tuple[list[str], list[str], list[object]]


class Stage:
    """The servers, and one try at a time."""

    def __init__(self, api: ApiServer, cluster: PgCluster, folder: Path) -> None:
        self.api, self.cluster, self.folder = api, cluster, folder

    def play(self, story: str, at: int, moment: str, goal: list[object] | None) -> Played:
        """Run a story with one crash. Gives what was wrong, the first process's calls, and the content at the end."""
        name = f"crash-{secrets.token_hex(4)}"
        folder = self.folder / name
        folder.mkdir()
        database = self.cluster.create(name.replace("-", "_"))
        self.api.run_kubectl("create", "namespace", name)
        try:
            database.psql(START)
            shop = self._shop(name, database, folder, story)
            calls = self._first(shop, folder, story, at, moment)
            if at:
                shop.operator.start()
                shop.wait("it", ENDS[story], within_s=LIMIT_S)
                eventually(lambda: not _held(shop), 10, "the finalizer's end")  # it goes just after the last status
                shop.operator.stop()
            ended = content(database)
            wrong = deviations(database, story, goal if goal is not None else ended)
            found = shop.read("it")
            if found["status"]["state"] != ENDS[story]:
                wrong.append(f"the object says {found['status']['state']}")
            if _held(shop):
                wrong.append("a finalizer of ours is left on a resting object")
            return [f"{story} {moment} call {at}: {w}" for w in wrong], calls, ended
        finally:
            database.close()
            self.cluster.drop(database)
            self.api.run_kubectl("delete", "namespace", name, "--wait=false")

    def _shop(self, name: str, database: TestDatabase, folder: Path, story: str) -> Shop:
        operator = OperatorProcess(self.api.kubeconfig, (name,), folder)
        shop = Shop(self.api, name, "shop", database, operator, folder / "backups")
        shop.create_secret()
        shop.create_target(
            "production",
            policy={"approval": {"required": 0}},
            rehearsal={"noRoom": "its crash points are tried without the operator"},
        )
        spec = {**STORIES[story].to_plain(), "targetRef": {"name": "shop"}}
        shop.apply(
            {"apiVersion": API_VERSION, "kind": "DatabaseMigration", "metadata": {"name": "shop-it"}, "spec": spec}
        )
        return shop

    def _first(self, shop: Shop, folder: Path, story: str, at: int, moment: str) -> list[str]:
        calls = folder / "calls"
        calls.touch()
        settings = {"CRASH_AT": str(at), "CRASH_MOMENT": moment, "CRASH_CALLS": str(calls)}
        process = Process(
            "crashing operator",
            [sys.executable, "-m", "tests.faults.crashing_operator"],
            folder / "crashing.log",
            env={
                "KUBECONFIG": str(self.api.kubeconfig),
                "PYTHONPATH": f"{ROOT / 'operator'}:{ROOT}",
                "BACKSTITCH_NAMESPACES": shop.namespace,
                "BACKSTITCH_HTTP_HOST": "127.0.0.1",
                "BACKSTITCH_HTTP_PORT": str(shop.operator.port),
                **settings,
            },
        )
        process.start()
        deadline = time.monotonic() + LIMIT_S
        try:
            while process.is_running and time.monotonic() < deadline:
                if not at and shop.read("it").get("status", {}).get("state") == ENDS[story] and not _held(shop):
                    break
                time.sleep(0.1)
            done = calls.read_text().splitlines()
        finally:
            process.stop()
        return done


def _held(shop: Shop) -> bool:
    """Tell whether a finalizer of ours is on the object."""
    return any(f.startswith("backstitch.dev") for f in shop.read("it")["metadata"].get("finalizers", []))


def main() -> int:
    """Try every point of both stories; give the exit code."""
    deviating: list[str] = []
    with tempfile.TemporaryDirectory(prefix="backstitch-crash-") as folder:
        api, server = ApiServer(), PostgresServer(18)
        try:
            api.start()
            api.install_crds(ROOT / "crds")
            stage = Stage(api, PgCluster(server), Path(folder))
            for story in STORIES:
                wrong, calls, goal = stage.play(story, 0, "before", None)
                points = [(1, "before"), *((n, "after") for n in range(1, len(calls) + 1))]
                for at, moment in points:
                    wrong += stage.play(story, at, moment, goal)[0]
                print(f"{story}: {len(calls)} calls, {len(points)} crash points, {len(wrong)} deviations", flush=True)
                print(json.dumps(sorted(set(calls)), indent=1))
                deviating += wrong
        finally:
            api.stop()
            server.stop()
    print("\n".join(deviating))
    return 1 if deviating else 0


if __name__ == "__main__":
    sys.exit(main())
