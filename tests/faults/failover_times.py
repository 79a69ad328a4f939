# SPDX-License-Identifier: Apache-2.0
"""`PYTHONPATH=operator:. python -m tests.faults.failover_times`: how long does a database wait for the next leader?

From the signal to the leader, which is in the middle of a migration, until the other one has the database; with the
Lease's default times. A tool and not a test; its last table is in docs/reliability.md.
"""

from __future__ import annotations

import secrets
import signal
import statistics
import sys
import tempfile
from pathlib import Path

from dev.apiserver import ApiServer
from dev.postgres import PostgresServer
from tests.e2e.test_operator_trouble import STEPS, held, in_the_middle
from tests.plugins.operator import SAMPLE, Shop
from tests.plugins.pg import PgCluster
from tests.plugins.replicas import Pair, Replica

ROOT = Path(__file__).parents[2]
SIGNALS = (signal.SIGTERM, signal.SIGKILL, signal.SIGSTOP)
REPEATS = 3


def measure(api: ApiServer, cluster: PgCluster, folder: Path, number: signal.Signals) -> float:
    """Give the seconds of one takeover."""
    name = f"failover-{secrets.token_hex(3)}"
    (folder / name).mkdir()
    api.run_kubectl("create", "namespace", name)
    with cluster.fresh_database() as database:
        database.psql(SAMPLE)
        first, second = (Replica(api.kubeconfig, name, folder / name, each, lease={}) for each in ("first", "second"))
        shop = Shop(api, name, "shop", database, first, folder / name / "backups")
        shop.create_secret()
        shop.create_target("staging")
        pair = Pair(shop, first, second)
        try:
            pair.start()
            with held(shop):
                shop.apply(shop.migration("m1", *STEPS))
                in_the_middle(shop)
                before = pair.holder()
                first.signal(number)
                took = pair.taken_over_after(before, 120)
            shop.wait("m1", "Succeeded", within_s=120)
        finally:
            first.kill()
            second.kill()
    return took


def main() -> int:
    """Measure each a few times and print a table."""
    with tempfile.TemporaryDirectory(prefix="backstitch-failover-") as folder:
        api, server = ApiServer(), PostgresServer(18)
        try:
            api.start()
            api.install_crds(ROOT / "crds")
            cluster = PgCluster(server)
            print("| Signal | Shortest | Median | Longest |\n|---|---|---|---|", flush=True)
            for number in SIGNALS:
                took = [measure(api, cluster, Path(folder), number) for _ in range(REPEATS)]
                print(
                    f"| {number.name} | {min(took):.1f} s | {statistics.median(took):.1f} s | {max(took):.1f} s |",
                    flush=True,
                )
        finally:
            api.stop()
            server.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
