# SPDX-License-Identifier: Apache-2.0
"""Where is the Helm that renders the chart, and how is it built when a machine has none?

HELM names one; else the one on PATH if its version is the pinned one; else the user's cache; else it is built with Go
from dev/helm (pinned by its go.sum) into that cache. `python -m dev.helm` does the same ahead of time.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from pathlib import Path

from dev.gobuild import build_program, find_go, pinned_version, user_cache
from dev.kubebinaries import cache_dir, kubernetes_version, stop_with_its_children
from dev.processes import ServerError

_SOURCE = Path(__file__).parent / "helm"
_NO_GO = (
    "the chart's tests need Helm {version}, and there is no Go here to build it. Do one of these: put that version on "
    "PATH, name a Helm 3 with HELM=/path/to/helm, or install Go"
)


def helm_version() -> str:
    """The version pinned in dev/helm/go.mod, for example "3.22.0"."""
    return pinned_version(_SOURCE, "helm.sh/helm/v3")


def ready_helm() -> Path | None:
    """The path of a Helm that needs no build, or None. Raises ServerError when HELM names none."""
    if named := os.environ.get("HELM"):
        found = shutil.which(named)
        if found is None:
            raise ServerError(f"HELM={named} is no program: correct it or unset it")
        return Path(found)
    if (on_path := shutil.which("helm")) and _version_of(on_path) == helm_version():
        return Path(on_path)
    cached = _cached()
    return cached if cached.exists() else None


def find_helm() -> Path:
    """The path of helm; builds it when it must, which takes minutes.

    Waits for the same lock as the API server's build: two compilers at once would only slow each other down.

    Raises:
        ServerError: there is none and it can't be built here, or the build failed (its output is in the message).
    """
    if ready := ready_helm():
        return ready
    helm = _cached()
    helm.parent.mkdir(parents=True, exist_ok=True)
    cache_dir().mkdir(parents=True, exist_ok=True)
    with (cache_dir() / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not helm.exists():
            version = helm_version()
            build_program(
                find_go(_NO_GO.format(version=version)),
                _SOURCE,
                "helm.sh/helm/v3/cmd/helm",
                helm,
                _ldflags(),
                f"Building helm {version} (about 4 minutes the first time) ...",
            )
    return helm


def _cached() -> Path:
    return user_cache() / f"helm-{helm_version()}" / "helm"


def _ldflags() -> str:
    """The version stamps; without those of Kubernetes, `helm template` pretends to be on 1.20 and our chart refuses."""
    major, minor, _ = kubernetes_version().split(".")
    stamps = {"internal/version.version": f"v{helm_version()}"}
    for package in ("pkg/chartutil", "pkg/lint/rules"):
        stamps |= {f"{package}.k8sVersionMajor": major, f"{package}.k8sVersionMinor": minor}
    return " ".join(["-s", "-w", *(f"-X helm.sh/helm/v3/{name}={value}" for name, value in stamps.items())])


def _version_of(helm: str) -> str:
    asked = subprocess.run(
        [helm, "version", "--template", "{{.Version}}"], capture_output=True, text=True, check=False, timeout=30
    )
    return asked.stdout.strip().removeprefix("v").partition("+")[0]


if __name__ == "__main__":
    stop_with_its_children()
    try:
        print(find_helm())
    except ServerError as error:
        sys.exit(str(error))
