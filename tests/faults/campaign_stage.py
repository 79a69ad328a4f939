# SPDX-License-Identifier: Apache-2.0
"""The servers of a campaign, with doors in front of them, and two operators that are started again when they end."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import tempfile
import threading
import time
from collections.abc import Coroutine, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from urllib.parse import urlsplit

from dev.apiserver import ApiServer
from dev.postgres import PostgresServer
from dev.processes import ServerError
from dev.s3 import S3Server
from tests.plugins.door import Door
from tests.plugins.pg import PgCluster, TestDatabase
from tests.plugins.proxy import PgProxy
from tests.plugins.replicas import LEASE, Replica

ROOT = Path(__file__).parents[2]
NAMESPACE = "campaign"


class Network:
    """The door between operators and PostgreSQL, in a thread of its own."""

    def __init__(self, server: PostgresServer) -> None:
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, daemon=True).start()
        self.proxy = PgProxy(cast(TestDatabase, SimpleNamespace(server=server)))
        self.do(self.proxy.open())
        self.port = self.proxy._port

    def do(self, work: Coroutine[Any, Any, None]) -> None:
        """Carry out a method that waits."""
        asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    def call(self, method: Any, *arguments: Any) -> None:
        """Carry out a method that does not wait."""

        async def it() -> None:
            method(*arguments)

        self.do(it())

    def url(self, url: str) -> str:
        """Give a database URL that leads through the door."""
        parts = urlsplit(url)
        return parts._replace(netloc=f"{parts.netloc.rpartition('@')[0]}@127.0.0.1:{self.port}").geturl()

    def close(self) -> None:
        """Shut it."""
        with contextlib.suppress(Exception):
            self.do(self.proxy.stop())
        self._loop.call_soon_threadsafe(self._loop.stop)


class Stage:
    """Everything a campaign runs on. `calm` keeps faults away while somebody judges."""

    def __init__(self, major: int) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="backstitch-campaign-"))
        self.calm = threading.Lock()
        self.deviations: list[str] = []
        self.restarts = 0
        self._done = threading.Event()
        self._down: set[str] = set()
        with contextlib.ExitStack() as started:
            started.callback(shutil.rmtree, self.folder, ignore_errors=True)
            self.api = ApiServer()
            started.callback(self.api.stop)
            self.api.start()
            self.api.install_crds(ROOT / "crds")
            self.server = PostgresServer(major, durable=False)
            started.callback(self.server.stop)
            self.cluster = PgCluster(self.server)
            self.s3 = started.enter_context(S3Server())
            self.bucket = self.s3.create_bucket("campaign")
            self.network = Network(self.server)
            started.callback(self.network.close)
            self.api_door = Door(int(self.api.url.rpartition(":")[2]))
            started.callback(self.api_door.close)
            self.api.run_kubectl("create", "namespace", NAMESPACE)
            self.operators = self._make_operators(rivals=False)
            started.callback(self._end_operators)
            self._watch = threading.Thread(target=self._keep_operators, daemon=True)
            self._stack = started.pop_all()

    def start(self) -> None:
        """Start the operators."""
        for operator in self.operators:
            operator._process.start()
        self._watch.start()

    def make_rivals(self) -> None:
        """Replace the operators by two that do not know of one another: both lead, only the fence is between them."""
        old, self.operators = self.operators, []
        for operator in old:
            operator.kill()
        self.operators = self._make_operators(rivals=True)
        for operator in self.operators:
            operator._process.start()

    def close(self) -> None:
        """Stop everything."""
        self._done.set()
        if self._watch.is_alive():
            self._watch.join(30)
        self._stack.close()

    @contextlib.contextmanager
    def down(self, operator: Replica) -> Iterator[None]:
        """Leave this operator alone meanwhile: who ends it looks at how it ended."""
        self._down.add(operator.name)
        try:
            yield
        finally:
            self._down.discard(operator.name)

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        """Run kubectl in the campaign's namespace; again while the API server is away."""
        deadline = time.monotonic() + 90
        while True:
            try:
                return self.api.run_kubectl("-n", NAMESPACE, *arguments, stdin=stdin)
            except ServerError as error:
                if time.monotonic() > deadline or "BadRequest" in str(error) or "Invalid" in str(error):
                    raise
                time.sleep(0.5)

    def apply(self, *objects: dict[str, Any]) -> None:
        """Apply objects."""
        self.kubectl("apply", "-f", "-", stdin="\n---\n".join(json.dumps(each) for each in objects))

    def leader(self) -> Replica:
        """Give the operator that leads, or the first one."""
        return next((each for each in self.operators if each.leads), self.operators[0])

    def _make_operators(self, *, rivals: bool) -> list[Replica]:
        kubeconfig = self.folder / "kubeconfig"
        kubeconfig.touch(0o600)
        text = self.api.kubeconfig.read_text()
        kubeconfig.write_text(text.replace(self.api.url, f"https://127.0.0.1:{self.api_door.port}"))
        made = []
        for name in ("rival-1", "rival-2") if rivals else ("first", "second"):
            lease = LEASE | ({"BACKSTITCH_LEASE_NAME": name} if rivals else {})
            made.append(Replica(kubeconfig, NAMESPACE, self.folder, name, lease))
        return made

    def _end_operators(self) -> None:
        for operator in self.operators:
            operator.kill()

    def _keep_operators(self) -> None:
        """Start again what has ended, as a kubelet does."""
        while not self._done.wait(0.5):
            for operator in list(self.operators):
                if operator.name not in self._down and not operator._process.is_running:
                    self.restarts += 1
                    operator._process.start()
