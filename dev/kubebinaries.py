# SPDX-License-Identifier: Apache-2.0
"""Where are etcd, kube-apiserver and kubectl, and how are they built when a machine has none?

Looked up in KUBEBUILDER_ASSETS, then in the user's cache; else built with Go from dev/kube (pinned by its go.sum) into
that cache. `python -m dev.kubebinaries` does the same ahead of time.
"""

from __future__ import annotations

import fcntl
import os
import signal
import sys
from pathlib import Path

from dev.gobuild import build_program, find_go, pinned_version, user_cache
from dev.processes import ServerError

NAMES = ("etcd", "kube-apiserver", "kubectl")
_PACKAGES = {
    "etcd": "go.etcd.io/etcd/server/v3",
    "kube-apiserver": "k8s.io/kubernetes/cmd/kube-apiserver",
    "kubectl": "k8s.io/kubernetes/cmd/kubectl",
}
_SOURCE = Path(__file__).parent / "kube"


def find_kube_binaries() -> Path:
    """The folder that holds the three programs; builds them when it must, which takes minutes.

    Two runs at once don't collide: the second waits and finds what the first has built. A build that is cut off
    leaves no half file, and the next one goes on after the programs that were complete.

    Raises:
        ServerError: they are nowhere and can't be built here, or the build failed (its output is in the message).
    """
    if assets := os.environ.get("KUBEBUILDER_ASSETS"):
        if missing := [name for name in NAMES if not (Path(assets) / name).exists()]:
            raise ServerError(f"KUBEBUILDER_ASSETS={assets} holds no {', '.join(missing)}: correct it or unset it")
        return Path(assets)
    cache = cache_dir()
    if not is_complete(cache):
        cache.mkdir(parents=True, exist_ok=True)
        with (cache / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            for name in NAMES:
                if not (cache / name).exists():
                    _build(name, cache)
    return cache


def kubernetes_version() -> str:
    """The version pinned in dev/kube/go.mod, for example "1.36.3"."""
    return pinned_version(_SOURCE, "k8s.io/kubernetes")


def cache_dir() -> Path:
    """Where built programs of the pinned version are kept, over every clone of the project."""
    return user_cache() / f"kube-{kubernetes_version()}"


def is_complete(folder: Path) -> bool:
    """Whether all three programs are in a folder."""
    return all((folder / name).exists() for name in NAMES)


def _build(name: str, cache: Path) -> None:
    go = find_go(
        "the cluster tests need a Kubernetes API server, and there is no Go here to build one. Do one of these: "
        "set BACKSTITCH_KUBECONFIG to the kubeconfig of a cluster that tests may fill (kind create cluster); "
        "set KUBEBUILDER_ASSETS to a folder with etcd, kube-apiserver and kubectl; or install Go"
    )
    notice = f"Building {name} (Kubernetes {kubernetes_version()}; all three take about 6 minutes the first time) ..."
    build_program(go, _SOURCE, _PACKAGES[name], cache / name, _ldflags(), notice)


def _ldflags() -> str:
    """The version stamps; without them every program says v0.0.0 and a chart's kubeVersion check means nothing."""
    version = kubernetes_version()
    major, minor, _ = version.split(".")
    stamps = {"gitVersion": f"v{version}", "gitMajor": major, "gitMinor": minor}
    packages = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
    return " ".join(["-s", "-w", *(f"-X {p}.{k}={v}" for p in packages for k, v in stamps.items())])


def stop_with_its_children() -> None:
    """Make SIGTERM an exit, so that the compiler ends with us."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("The build was stopped"))


if __name__ == "__main__":
    stop_with_its_children()
    try:
        print(find_kube_binaries())
    except ServerError as error:
        sys.exit(str(error))
