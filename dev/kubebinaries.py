# SPDX-License-Identifier: Apache-2.0
"""Where are etcd, kube-apiserver and kubectl, and how are they built when a machine has none?

Looked up in KUBEBUILDER_ASSETS, then in the user's cache; else built with Go from dev/kube (pinned by its go.sum) into
that cache. `python -m dev.kubebinaries` does the same ahead of time.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from dev.processes import ServerError

NAMES = ("etcd", "kube-apiserver", "kubectl")
_PACKAGES = {
    "etcd": "go.etcd.io/etcd/server/v3",
    "kube-apiserver": "k8s.io/kubernetes/cmd/kube-apiserver",
    "kubectl": "k8s.io/kubernetes/cmd/kubectl",
}
_SOURCE = Path(__file__).parent / "kube"
_BUILD_LIMIT_S = 3600


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
    pinned = re.search(r"k8s\.io/kubernetes v(\S+)", (_SOURCE / "go.mod").read_text())
    if pinned is None:
        raise ServerError(f"{_SOURCE / 'go.mod'} requires no k8s.io/kubernetes: restore it from git")
    return pinned[1]


def cache_dir() -> Path:
    """Where built programs of the pinned version are kept, over every clone of the project."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "backstitch" / f"kube-{kubernetes_version()}"


def is_complete(folder: Path) -> bool:
    """Whether all three programs are in a folder."""
    return all((folder / name).exists() for name in NAMES)


def _build(name: str, cache: Path) -> None:
    go = shutil.which("go") or shutil.which("/usr/local/go/bin/go")
    if go is None:
        raise ServerError(
            "the cluster tests need a Kubernetes API server, and there is no Go here to build one. Do one of these: "
            "set BACKSTITCH_KUBECONFIG to the kubeconfig of a cluster that tests may fill (kind create cluster); "
            "set KUBEBUILDER_ASSETS to a folder with etcd, kube-apiserver and kubectl; or install Go"
        )
    say = f"Building {name} (Kubernetes {kubernetes_version()}; all three take about 6 minutes the first time) ..."
    print(say, file=sys.stderr, flush=True)
    begun = time.monotonic()
    unfinished = cache / f"{name}.building-{os.getpid()}"
    try:
        built = subprocess.run(
            [go, "build", "-trimpath", "-buildvcs=false", f"-ldflags={_ldflags()}", "-o", unfinished, _PACKAGES[name]],
            cwd=_SOURCE,
            env={**os.environ, "CGO_ENABLED": "0", "GOFLAGS": ""},
            capture_output=True,
            text=True,
            check=False,
            timeout=_BUILD_LIMIT_S,
        )
        if built.returncode:
            raise ServerError(f"building {name} failed:\n{built.stderr[-3000:]}")
        unfinished.rename(cache / name)
    finally:
        unfinished.unlink(missing_ok=True)
    print(f"Built {name} in {time.monotonic() - begun:.0f} s", file=sys.stderr, flush=True)


def _ldflags() -> str:
    """The version stamps; without them every program says v0.0.0 and a chart's kubeVersion check means nothing."""
    version = kubernetes_version()
    major, minor, _ = version.split(".")
    stamps = {"gitVersion": f"v{version}", "gitMajor": major, "gitMinor": minor}
    packages = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
    return " ".join(["-s", "-w", *(f"-X {p}.{k}={v}" for p in packages for k, v in stamps.items())])


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("The build was stopped"))  # so that go ends with us
    try:
        print(find_kube_binaries())
    except ServerError as error:
        sys.exit(str(error))
