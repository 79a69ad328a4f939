# SPDX-License-Identifier: Apache-2.0
"""Where does the demo get a Kubernetes API server from, and what does it do while one is being built?

In this order: the cluster of BACKSTITCH_KUBECONFIG, a kind cluster that runs here, the programs of KUBEBUILDER_ASSETS
or of the user's cache, and else those same programs, built with Go in the background.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from types import TracebackType

from dev import demo_screen as screen
from dev.apiserver import ApiServer
from dev.demo_stories import ROOT
from dev.kubebinaries import cache_dir, is_complete
from dev.processes import ServerError, tail


class Kubernetes:
    """An API server for the demo; `with` stops what was started."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="backstitch-demo-kube-"))
        self._log = self._folder / "build.log"
        self._build: subprocess.Popen[bytes] | None = None
        self.api = ApiServer()

    def begin(self) -> bool:
        """Tell whether one can be had at once; if not, begin to build it."""
        if not self.api.is_external and (kind := self._kind_kubeconfig()) is not None:
            os.environ["BACKSTITCH_KUBECONFIG"] = str(kind)
        if self.api.is_external or "KUBEBUILDER_ASSETS" in os.environ or is_complete(cache_dir()):
            return True
        with self._log.open("wb") as output:
            self._build = subprocess.Popen(
                [sys.executable, "-m", "dev.kubebinaries"],
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return False

    def start(self) -> ApiServer:
        """Wait for the build, if there is one, and start the API server.

        Raises:
            ServerError: it cannot be had here; the message says what to do.
        """
        if self._build is not None:
            shown = 0
            while True:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self._build.wait(1)
                lines = self._log.read_text().splitlines()
                for line in lines[shown:]:
                    if line.startswith(("Building", "Built")):
                        screen.output(line)
                shown = len(lines)
                if self._build.poll() is not None:
                    break
            if self._build.returncode:
                raise ServerError(tail(self._log))
        return self.api.start()

    def where(self) -> str:
        """Say what kind of server this is."""
        if str(self.api.kubeconfig).startswith(str(self._folder)):
            return "a kind cluster that runs here"
        if self.api.is_external:
            return "the cluster of BACKSTITCH_KUBECONFIG"
        return "etcd and kube-apiserver of its own, on 127.0.0.1"

    def _kind_kubeconfig(self) -> Path | None:
        """The kubeconfig of the first kind cluster, if kind and kubectl are here and one runs."""
        kind = shutil.which("kind")
        if kind is None or shutil.which("kubectl") is None:
            return None
        found = subprocess.run([kind, "get", "clusters"], capture_output=True, text=True, check=False, timeout=30)
        names = found.stdout.split() if found.returncode == 0 else []
        if not names:
            return None
        path = self._folder / "kubeconfig"
        path.touch(0o600)
        argv = [kind, "export", "kubeconfig", "--name", names[0], "--kubeconfig", str(path)]
        exported = subprocess.run(argv, capture_output=True, check=False, timeout=30)
        return path if exported.returncode == 0 else None

    def __enter__(self) -> Kubernetes:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._build is not None and self._build.poll() is None:
            os.killpg(self._build.pid, signal.SIGTERM)  # Go and its compilers too
            self._build.wait()
        self.api.stop()
        shutil.rmtree(self._folder, ignore_errors=True)
