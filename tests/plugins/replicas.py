# SPDX-License-Identifier: Apache-2.0
"""How does a test get two operators that share a Lease, and freeze, thaw and end one of them?"""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dev.apiserver import ApiServer
from tests.plugins.operator import OperatorProcess, Shop, eventually
from tests.plugins.pg import TestDatabase

LEASE = {"BACKSTITCH_LEASE_DURATION_S": "3", "BACKSTITCH_LEASE_RETRY_S": "0.5"}


class Replica(OperatorProcess):
    """One of several operators of one namespace."""

    def __init__(
        self, kubeconfig: Path, namespace: str, folder: Path, name: str, lease: dict[str, str] | None = None
    ) -> None:
        (folder / name).mkdir()
        settings = {"BACKSTITCH_LEASE_NAMESPACE": namespace, **(LEASE if lease is None else lease)}
        super().__init__(kubeconfig, (namespace,), folder / name, **settings)
        self.name = name

    @property
    def leads(self) -> bool:
        """Tell whether it answers and is no standby."""
        status, body = self.get("/readyz")
        return status == 200 and "standby" not in json.loads(body)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal, such as SIGSTOP."""
        os.kill(self.pid, number)

    def end(self, within_s: float = 20) -> int:
        """Wait until it has ended by itself; give the exit code."""
        assert self._process._child is not None
        return self._process._child.wait(within_s)

    def said(self, message: str) -> list[dict[str, Any]]:
        """Give the log lines with this message."""
        lines = [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]
        return [line for line in lines if line["message"] == message]


class Pair:
    """Two replicas and the shop they serve."""

    def __init__(self, shop: Shop, first: Replica, second: Replica) -> None:
        self.shop, self.first, self.second = shop, first, second

    def start(self) -> None:
        """Start both; the first one leads."""
        self.first.start()
        eventually(lambda: self.first.leads, what="a leader")
        self.second.start()
        assert not self.second.leads

    def holder(self) -> str:
        """Give who the database says has it."""
        return str(self.shop.rows("select holder from backstitch.fence")[0][0])

    def taken_over_after(self, holder: str, within_s: float = 40) -> float:
        """Wait until somebody else has the database; give the seconds that took."""
        began = time.monotonic()
        eventually(lambda: self.holder() != holder, within_s, "the takeover of the database")
        return time.monotonic() - began


@pytest.fixture
def pair(api_server: ApiServer, namespace: str, shop_database: TestDatabase, tmp_path: Path) -> Iterator[Pair]:
    """Two operators (not started) of a namespace of this test alone, with its target."""
    first, second = (Replica(api_server.kubeconfig, namespace, tmp_path, name) for name in ("first", "second"))
    shop = Shop(api_server, namespace, "shop", shop_database, first, tmp_path / "backups")
    shop.create_secret()
    shop.create_target("staging")
    yield Pair(shop, first, second)
    for each in (first, second):
        each.kill()
