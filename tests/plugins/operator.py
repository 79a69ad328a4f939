# SPDX-License-Identifier: Apache-2.0
"""How does a test get the operator as a real process, with a namespace, a database and a target for it?

`shop` is a stage of one test (its own database and target) served by an operator that a module shares; `own_shop` comes
with a namespace and an operator of its own, which the test may kill and start again.
"""

from __future__ import annotations

import base64
import json
import secrets
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from dev.apiserver import ApiServer
from dev.postgres import PostgresServer
from dev.processes import Process, free_port
from tests.plugins.pg import PgCluster, TestDatabase, majors_of

_START_S = 60.0
_POLL_S = 0.05
API_VERSION = "backstitch.dev/v1alpha1"


class OperatorProcess:
    """`python -m backstitch operator`, watching some namespaces; its log is kept over restarts."""

    def __init__(self, kubeconfig: Path, namespaces: tuple[str, ...], folder: Path, **environment: str) -> None:
        self.port = free_port()
        self.log = folder / "operator.log"
        self._process = Process(
            "operator",
            [sys.executable, "-m", "backstitch", "operator"],
            self.log,
            env={
                "KUBECONFIG": str(kubeconfig),
                "PYTHONPATH": str(Path(__file__).parents[2] / "operator"),
                "BACKSTITCH_NAMESPACES": ",".join(namespaces),
                "BACKSTITCH_HTTP_HOST": "127.0.0.1",
                "BACKSTITCH_HTTP_PORT": str(self.port),
                "BACKSTITCH_PROBE_S": "2",
                "BACKSTITCH_LOOK_AGAIN_S": "1",
                "BACKSTITCH_GRACE_S": "10",
                **environment,
            },
        )

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    def start(self) -> None:
        """Start it, and return when it is ready."""
        self._process.start()
        self._process.wait_until(lambda: self.get("/readyz")[0] == 200, within_s=_START_S)

    def stop(self) -> float:
        """Ask it to end (SIGTERM); gives the seconds that took."""
        began = time.monotonic()
        self._process.stop()
        return time.monotonic() - began

    def kill(self) -> None:
        """End it as a power cut would."""
        self._process.kill()

    def get(self, path: str) -> tuple[int, str]:
        """Ask its HTTP server; status 0 when it does not answer."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=2) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError:
            return 0, ""


@dataclass
class Shop:
    """A target with its database, and short ways to run migrations on it."""

    api: ApiServer
    namespace: str
    name: str
    database: TestDatabase
    operator: OperatorProcess
    backups: Path
    secret: str = field(init=False)

    def __post_init__(self) -> None:
        self.secret = f"{self.name}-db"

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        """Run kubectl in the namespace."""
        return self.api.run_kubectl("-n", self.namespace, *arguments, stdin=stdin)

    def apply(self, *objects: dict[str, Any]) -> None:
        """Apply objects, in their order, in one call."""
        self.kubectl("apply", "-f", "-", stdin="\n---\n".join(json.dumps(each) for each in objects))

    def create_secret(self, uri: str | None = None) -> None:
        """Create or replace the Secret with the connection settings."""
        text = base64.b64encode((uri or self.database.url).encode()).decode()
        self.apply(
            {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": self.secret}, "data": {"uri": text}},
        )

    def create_target(self, environment: str = "development", **spec: Any) -> None:
        """Create or replace the MigrationTarget."""
        self.apply(
            {
                "apiVersion": API_VERSION,
                "kind": "MigrationTarget",
                "metadata": {"name": self.name},
                "spec": {
                    "environment": environment,
                    "secretRef": {"name": self.secret, "sslMode": "prefer"},
                    "backup": {"url": f"file://{self.backups}"},
                    **spec,
                },
            }
        )

    def migration(self, name: str, *steps: dict[str, Any], version: str = "1", **spec: Any) -> dict[str, Any]:
        """A DatabaseMigration of this target with one phase of these steps."""
        return {
            "apiVersion": API_VERSION,
            "kind": "DatabaseMigration",
            "metadata": {"name": f"{self.name}-{name}"},
            "spec": {
                "targetRef": {"name": self.name},
                "version": version,
                "type": "schema",
                "phases": [{"name": "only", "steps": list(steps)}],
                **spec,
            },
        }

    def read(self, name: str) -> dict[str, Any]:
        """A DatabaseMigration as it is now; {} when it is gone."""
        text = self.kubectl("get", "dbm", f"{self.name}-{name}", "--ignore-not-found", "-o", "json")
        read: dict[str, Any] = json.loads(text) if text.strip() else {}
        return read

    def wait(self, name: str, state: str, *, within_s: int = 60) -> dict[str, Any]:
        """Wait until a migration is in a state, and give its status; a failure shows the whole object and the log."""
        return self.wait_for(name, "{.status.state}", state, within_s=within_s)

    def wait_for(self, name: str, path: str, value: str, *, within_s: int = 60) -> dict[str, Any]:
        """Wait until a field of a migration has a value, and give its status."""
        try:
            self.kubectl("wait", f"--for=jsonpath={path}={value}", f"dbm/{self.name}-{name}", f"--timeout={within_s}s")
        except Exception as error:
            log = "\n".join(self.operator.log.read_text().splitlines()[-40:])
            raise AssertionError(f"{error}\n{json.dumps(self.read(name), indent=1)}\n{log}") from error
        status: dict[str, Any] = self.read(name)["status"]
        return status

    def annotate(self, name: str, annotation: str, value: str) -> None:
        """Set an annotation of our group."""
        self.kubectl("annotate", "--overwrite", f"dbm/{self.name}-{name}", f"backstitch.dev/{annotation}={value}")

    def delete(self, name: str, *, wait: bool = True) -> None:
        """Delete a migration and wait until it is gone."""
        self.kubectl("delete", "dbm", f"{self.name}-{name}", f"--wait={str(wait).lower()}", "--timeout=60s")

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Ask the database."""
        return self.database.psql(query)

    def columns(self, table: str) -> set[str]:
        """The columns of a table."""
        return {
            name
            for (name,) in self.rows(
                f"select attname from pg_attribute where attrelid = '{table}'::regclass and attnum > 0 "
                "and not attisdropped"
            )
        }


def condition(status: dict[str, Any], type_: str) -> dict[str, Any]:
    """One condition of a status; {} when it has none of that type."""
    return next((c for c in status.get("conditions", []) if c["type"] == type_), {})


def eventually(condition: Callable[[], bool], within_s: float = 30.0, what: str = "it") -> None:
    """Poll until something holds; fails when it does not in time."""
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not come to hold within {within_s:.0f} s"
        time.sleep(_POLL_S)


def assert_rights_are_enough(shop: Shop) -> None:
    """Run one migration with a proven backup through the shop's operator, which nothing was forbidden meanwhile."""
    shop.create_secret()
    shop.create_target("staging")
    shop.operator.start()
    try:
        shop.apply(
            shop.migration("m1", {"name": "add", "addColumn": {"table": "users", "column": "nick", "type": "text"}})
        )
        shop.wait("m1", "Succeeded")
        eventually(lambda: "finalizers" not in shop.read("m1")["metadata"], what="the finalizer's end")
        eventually(lambda: "Succeeded" in shop.kubectl("get", "events"), what="an event")
    finally:
        shop.operator.stop()
    log = shop.operator.log.read_text().splitlines()
    assert [line for line in log if "is forbidden" in line] == []
    assert [line for line in log if '"level": "ERROR"' in line and "(re)initializing" not in line] == []


SAMPLE = """
create table users (id int primary key, name text not null);
insert into users select n, 'name ' || n from generate_series(1, 200) n;
create table orders (id int primary key, user_id int references users);
insert into orders select n, n from generate_series(1, 200) n;
"""


@pytest.fixture(scope="session")
def newest_pg(request: pytest.FixtureRequest, pg_clusters: dict[int, PgCluster]) -> PgCluster:
    """The server of the first major asked for: the operator does not care which, the engine's tests do."""
    major = majors_of(request.config)[0]
    if major not in pg_clusters:
        pg_clusters[major] = PgCluster(PostgresServer(major))
    return pg_clusters[major]


@pytest.fixture
def shop_database(newest_pg: PgCluster) -> Iterator[TestDatabase]:
    """A database with two tables of 200 rows."""
    made = newest_pg.create(f"test_{secrets.token_hex(6)}")
    made.psql(SAMPLE)
    yield made
    made.close()
    newest_pg.drop(made)


@pytest.fixture(scope="module")
def shared_namespace(api_server: ApiServer) -> Iterator[str]:
    name = f"shared-{secrets.token_hex(5)}"
    api_server.run_kubectl("create", "namespace", name)
    yield name
    api_server.run_kubectl("delete", "namespace", name, "--wait=false")


@pytest.fixture(scope="module")
def shared_operator(
    api_server: ApiServer, shared_namespace: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[OperatorProcess]:
    """One operator for the tests of a module."""
    operator = OperatorProcess(api_server.kubeconfig, (shared_namespace,), tmp_path_factory.mktemp("operator"))
    operator.start()
    yield operator
    operator.stop()


@pytest.fixture
def shop(
    api_server: ApiServer,
    shared_namespace: str,
    shared_operator: OperatorProcess,
    shop_database: TestDatabase,
    tmp_path: Path,
) -> Shop:
    """A target of its own in the module's namespace, with its Secret."""
    made = Shop(
        api_server,
        shared_namespace,
        f"shop-{secrets.token_hex(3)}",
        shop_database,
        shared_operator,
        tmp_path / "backups",
    )
    made.create_secret()
    made.create_target()
    return made


@pytest.fixture
def own_shop(api_server: ApiServer, namespace: str, shop_database: TestDatabase, tmp_path: Path) -> Iterator[Shop]:
    """A namespace, a target and an operator (not started) of this test alone."""
    operator = OperatorProcess(api_server.kubeconfig, (namespace,), tmp_path)
    made = Shop(api_server, namespace, "shop", shop_database, operator, tmp_path / "backups")
    made.create_secret()
    made.create_target()
    yield made
    operator.stop()
