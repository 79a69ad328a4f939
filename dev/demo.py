# SPDX-License-Identifier: Apache-2.0
"""`python -m dev.demo` (make demo): three migrations of a shop, live, on real servers; all of it is removed afterwards.

KEEP=1 leaves all of it running until Ctrl-C. `--without-cluster` tells the stories on the command line only. The exit
code is 0 only when every story ended as it should and each claim held.
"""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from types import FrameType
from typing import NoReturn

from dev import demo_cluster, demo_laptop
from dev import demo_screen as screen
from dev.demo_cluster import Stage
from dev.demo_kubernetes import Kubernetes
from dev.demo_screen import Claims
from dev.demo_shop import Shop, make_shop
from dev.postgres import PostgresServer
from dev.processes import ServerError

POSTGRES_MAJOR = 18


def main() -> int:
    """Run the demo; gives the exit code."""
    for number in (signal.SIGINT, signal.SIGTERM):  # a shell's background job ignores SIGINT unless it is asked not to
        signal.signal(number, _stop)
    begun = time.monotonic()
    claims = Claims()
    try:
        with ExitStack() as stack:
            _play(stack, claims, with_cluster="--without-cluster" not in sys.argv[1:])
            screen.title("The end")
            seconds = time.monotonic() - begun
            screen.explain(f"{claims.held} claims held and {claims.failed} did not, in {seconds:.0f} s.")
            if os.environ.get("KEEP", "0") in ("", "0"):
                screen.step("Stopping and removing everything (KEEP=1 make demo leaves it running)")
    except KeyboardInterrupt:
        screen.step("Stopped; everything is removed")
        return 130
    except ServerError as error:
        screen.bad(str(error))
        return 1
    return 1 if claims.failed or not claims.held else 0


def _play(stack: ExitStack, claims: Claims, *, with_cluster: bool) -> None:
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="backstitch-demo-")))
    screen.title("Backstitch: every migration ends Succeeded, or RolledBack and proven equal")
    screen.explain(
        "Three migrations of a shop with half a million rows: one that succeeds, one that is wrong and goes back by "
        "itself, one that is refused. Real PostgreSQL, real Kubernetes API; an application writes all the while. "
        "Everything lives in temporary folders and on 127.0.0.1, and is removed at the end."
    )
    kubernetes = stack.enter_context(Kubernetes())
    is_there = kubernetes.begin() if with_cluster else False
    server, shop = _start_shop(stack)
    if not is_there:
        if with_cluster:
            screen.step("There is no API server on this machine yet: one is built in the background (minutes, once)")
            screen.explain("Meanwhile, the same three stories without Kubernetes:")
        demo_laptop.tell_stories(shop.copy("shop_laptop"), folder / "backups-of-the-laptop", claims)
    if not with_cluster:
        return
    screen.title("In a cluster: GitOps")
    screen.step("Starting a Kubernetes API server" if is_there else "Waiting for the API server to be built")
    api = kubernetes.start()
    screen.explain(f"It is {kubernetes.where()}.")
    stage = Stage(api, shop, folder)
    stack.callback(stage.take_down)
    stage.set_up()
    demo_cluster.tell_stories(stage, shop, claims)
    if os.environ.get("KEEP", "0") not in ("", "0"):
        _keep(stage, shop, server)


def _start_shop(stack: ExitStack) -> tuple[PostgresServer, Shop]:
    screen.step(f"Starting PostgreSQL {POSTGRES_MAJOR} (an embedded one, in a temporary folder)")
    server = stack.enter_context(PostgresServer(POSTGRES_MAJOR))
    screen.step("Filling the shop: customers, products, orders and their lines")
    shop = make_shop(server)
    screen.explain(f"PostgreSQL {server.version} with {shop.rows():,} rows in 4 tables.")
    return server, shop


def _keep(stage: Stage, shop: Shop, server: PostgresServer) -> None:
    screen.title("Everything keeps running: try it by hand, in another terminal")
    kubectl = f"{stage.api.kubectl} --kubeconfig {stage.api.kubeconfig} -n {demo_cluster.NAMESPACE}"
    screen.explain("Put this into your shell first:")
    screen.command(f'alias k="{kubectl}"')
    screen.explain("Then, for example:")
    for command in (
        "k get dbmigrations -w",
        "k explain dbmigration.spec.phases.steps",
        "k annotate dbm full-name backstitch.dev/rollback=please   # undo what succeeded",
        "k apply -f manifests/samples/add-column.yaml",
        f"tail -f {stage.log}",
        f"curl -s {stage.metrics} | grep backstitch",
    ):
        screen.command(command)
    screen.explain(
        f"The database (its URL, with the password, is in the Secret shop-database): {shop.name}, port "
        f"{server.port}. Connect with:"
    )
    screen.command('psql "$(k get secret shop-database -o jsonpath={.data.uri} | base64 -d)"')
    screen.step("Ctrl-C stops and removes all of it")
    while True:
        signal.pause()


def _stop(number: int, frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
