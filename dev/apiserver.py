# SPDX-License-Identifier: Apache-2.0
"""How is a real Kubernetes API server started on loopback, with users, RBAC and nothing else?

There is no kubelet, scheduler or controller manager: pods never run, owned objects are not collected, and a
deleted namespace stays Terminating. BACKSTITCH_KUBECONFIG names a cluster to use instead (kind, or any other that
may be filled).
"""

from __future__ import annotations

import os
import secrets
import shutil
import ssl
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from dev.kubebinaries import find_kube_binaries
from dev.processes import Process, ServerError, free_port

_START_LIMIT_S = 90
_CRD_LIMIT_S = 60

ADMIN = "admin"
USERS: Mapping[str, Sequence[str]] = {
    ADMIN: ("system:masters",),
    "operator": (),
    "developer": (),
    "approver": (),
    "viewer": (),
    "stranger": (),
}
"""Users with a token, and their groups; but for admin they may do only what a test binds to them by RBAC."""


class ApiServer:
    """An API server of our own, or the one that BACKSTITCH_KUBECONFIG names.

    Attributes:
        kubeconfig: path of the kubeconfig of the admin (mode 0600).
        url: `https://127.0.0.1:<port>`.
        kubectl: path of the kubectl that fits.
    """

    def __init__(self, users: Mapping[str, Sequence[str]] = USERS) -> None:
        self._users = dict(users)
        self._tokens = {user: secrets.token_hex(16) for user in self._users}
        self._processes: list[Process] = []
        self._folder: Path | None = None
        self.kubeconfig = Path()
        self.url = ""
        self.kubectl = Path("kubectl")

    @property
    def is_external(self) -> bool:
        """Whether this is a cluster somebody else started."""
        return "BACKSTITCH_KUBECONFIG" in os.environ

    def start(self) -> ApiServer:
        """Start etcd and the API server, and return when /readyz says ok (4 s); nothing to do for an external one.

        Raises:
            ServerError: no programs, or one of them ended or was not ready in time; its log is in the message.
        """
        if self.is_external:
            self._use_external(Path(os.environ["BACKSTITCH_KUBECONFIG"]))
            return self
        programs = find_kube_binaries()
        self.kubectl = programs / "kubectl"
        folder = self._folder_for_files()
        try:
            etcd_url = self._start_etcd(programs, folder)
            self._start_api_server(programs, folder, etcd_url)
        except BaseException:
            self.stop()
            raise
        self.kubeconfig = self.kubeconfig_for(ADMIN)
        return self

    def stop(self) -> None:
        """Stop both processes and remove the folder. May be called twice."""
        for process in reversed(self._processes):
            process.stop()
        self._processes = []
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    def token(self, user: str) -> str:
        """The bearer token of one of `USERS`.

        Raises:
            ServerError: no such user, or the cluster is an external one.
        """
        if self.is_external:
            raise ServerError("users with tokens exist only on our own API server: unset BACKSTITCH_KUBECONFIG")
        if user not in self._tokens:
            raise ServerError(f"the API server knows no user {user!r}: add it to USERS in dev/apiserver.py")
        return self._tokens[user]

    def kubeconfig_for(self, user: str) -> Path:
        """The kubeconfig (mode 0600) of one of `USERS`."""
        if self.is_external and user == ADMIN:
            return self.kubeconfig
        token = self.token(user)
        if self._folder is None:
            raise ServerError("the API server was not started")
        path = self._folder / f"kubeconfig-{user}"
        content = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "test", "cluster": {"server": self.url, "certificate-authority": str(self._ca)}}],
            "users": [{"name": user, "user": {"token": token}}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": user}}],
            "current-context": "test",
        }
        path.touch(0o600)
        path.write_text(yaml.safe_dump(content))
        return path

    def run_kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        """Run kubectl as admin and return its output.

        Raises:
            ServerError: it failed; its error output is in the message.
        """
        # a discovery cache of our own: the user's may describe another server that once had this port
        cache = f"--cache-dir={self._folder_for_files() / 'kubectl-cache'}"
        argv = [str(self.kubectl), "--kubeconfig", str(self.kubeconfig), cache, *arguments]
        done = subprocess.run(argv, input=stdin, capture_output=True, text=True, check=False, timeout=120)
        if done.returncode:
            raise ServerError(f"kubectl {' '.join(arguments)}: {done.stderr.strip()}")
        return done.stdout

    def install_crds(self, folder: Path) -> None:
        """Apply the CRDs of a folder and return when they are served, discoverable and explained.

        "Established" comes earlier than discovery and OpenAPI, so a kubectl that asked at once would not know them.

        Raises:
            ServerError: the server refuses one, or they were not there within a minute.
        """
        files = sorted(folder.glob("*.yaml"))
        self.run_kubectl("apply", "--server-side", "--force-conflicts", "-f", str(folder))
        # no `kubectl wait`: it fails when it comes before the first condition is there
        crds = [each for file in files for each in yaml.safe_load_all(file.read_text()) if each]
        deadline = time.monotonic() + _CRD_LIMIT_S
        while missing := [crd["metadata"]["name"] for crd in crds if not self._is_explained(crd["spec"])]:
            if time.monotonic() > deadline:
                raise ServerError(f"the API server did not publish {', '.join(missing)} within {_CRD_LIMIT_S} s")
            time.sleep(0.1)
        # Asking anew, also for kubectl's cache: the one that `apply` filled doesn't know the new resources.
        self.run_kubectl("api-resources", "-o", "name")

    def _is_explained(self, spec: dict[str, Any]) -> bool:
        path = f"apis/{spec['group']}/{spec['versions'][0]['name']}"
        try:
            discovered = self.run_kubectl("get", "--raw", f"/{path}")
            documented = self.run_kubectl("get", "--raw", f"/openapi/v3/{path}")
        except ServerError:
            return False
        return f'"name":"{spec["names"]["plural"]}"' in discovered and f'"{spec["names"]["kind"]}"' in documented

    def _folder_for_files(self) -> Path:
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="backstitch-kube-"))
        return self._folder

    def __enter__(self) -> ApiServer:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def _ca(self) -> Path:
        # the self-signed certificate file also contains its CA
        return (self._folder or Path()) / "certs" / "apiserver.crt"

    def _use_external(self, kubeconfig: Path) -> None:
        found = shutil.which("kubectl")
        self.kubectl = Path(found) if found else find_kube_binaries() / "kubectl"
        self.kubeconfig = kubeconfig
        content: dict[str, Any] = yaml.safe_load(kubeconfig.read_text())
        contexts = {each["name"]: each["context"] for each in content["contexts"]}
        clusters = {each["name"]: each["cluster"] for each in content["clusters"]}
        self.url = clusters[contexts[content["current-context"]]["cluster"]]["server"]

    def _start_etcd(self, programs: Path, folder: Path) -> str:
        clients, peers = f"http://127.0.0.1:{free_port()}", f"http://127.0.0.1:{free_port()}"
        etcd = self._process(
            folder,
            [
                str(programs / "etcd"),
                f"--data-dir={folder / 'etcd'}",
                f"--listen-client-urls={clients}",
                f"--advertise-client-urls={clients}",
                f"--listen-peer-urls={peers}",
                f"--initial-advertise-peer-urls={peers}",
                f"--initial-cluster=default={peers}",
                "--unsafe-no-fsync",
                "--log-level=warn",
            ],
        )
        etcd.wait_until(lambda: _answers(f"{clients}/health", None), within_s=_START_LIMIT_S)
        return clients

    def _start_api_server(self, programs: Path, folder: Path, etcd_url: str) -> None:
        port = free_port()
        self.url = f"https://127.0.0.1:{port}"
        key = folder / "service-accounts.key"
        _make_key(key)
        tokens = folder / "tokens.csv"
        tokens.touch(0o600)
        tokens.write_text(
            "".join(
                f'{self._tokens[user]},{user},{number},"{",".join(groups)}"\n'
                for number, (user, groups) in enumerate(self._users.items(), start=1)
            )
        )
        server = self._process(
            folder,
            [
                str(programs / "kube-apiserver"),
                f"--etcd-servers={etcd_url}",
                f"--cert-dir={folder / 'certs'}",
                "--bind-address=127.0.0.1",
                "--advertise-address=127.0.0.1",
                "--endpoint-reconciler-type=none",  # no Endpoints object may hold a loopback address
                f"--secure-port={port}",
                "--service-cluster-ip-range=192.0.2.0/24",
                "--service-account-issuer=https://kubernetes.default.svc",
                f"--service-account-key-file={key}",
                f"--service-account-signing-key-file={key}",
                f"--token-auth-file={tokens}",
                "--authorization-mode=RBAC",
            ],
        )
        server.wait_until(
            lambda: self._ca.exists() and _answers(f"{self.url}/readyz", self._ca), within_s=_START_LIMIT_S
        )

    def _process(self, folder: Path, argv: list[str]) -> Process:
        name = Path(argv[0]).name
        process = Process(name, argv, folder / f"{name}.log", remove_if_orphaned=folder)
        self._processes.append(process)
        process.start()
        return process


def _make_key(path: Path) -> None:
    openssl = shutil.which("openssl")
    if openssl is None:
        raise ServerError("openssl is needed to make the key that signs service account tokens: install it")
    made = subprocess.run([openssl, "genrsa", "-out", str(path), "2048"], capture_output=True, text=True, check=False)
    if made.returncode:
        raise ServerError(f"openssl made no key: {made.stderr}")


def _answers(url: str, ca: Path | None) -> bool:
    try:
        context = ssl.create_default_context(cafile=str(ca)) if ca else None
        with urllib.request.urlopen(url, timeout=2, context=context) as answer:
            return bool(answer.status == 200)
    except (OSError, urllib.error.URLError, ssl.SSLError):
        return False
