# SPDX-License-Identifier: Apache-2.0
"""Is the server's certificate checked as the TLS rules say, for sessions and for dumps?

PostgreSQL 15 only: the build of 18 that the tests use has no TLS (its answer to a demand for TLS is tested too).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from backstitch.adapters.conninfo import ConnectionSettings, parse_secret
from backstitch.adapters.dump import open_archiver
from backstitch.adapters.postgres import PostgresDatabase
from backstitch.core.errors import TargetError
from dev.pgbinaries import server_user
from dev.postgres import PostgresServer
from tests.plugins.pg import TestDatabase

_CERTIFICATES = """
set -e
openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.crt -subj /CN=test-ca -days 2
openssl req -newkey rsa:2048 -nodes -keyout server.key -out server.csr -subj /CN=localhost
echo subjectAltName=DNS:localhost > names
openssl x509 -req -in server.csr -CA ca.crt -CAkey ca.key -CAcreateserial -out server.crt -days 2 -extfile names
openssl req -x509 -newkey rsa:2048 -nodes -keyout other.key -out other.crt -subj /CN=other-ca -days 2
chmod 600 server.key
"""


@dataclass
class TlsServer:
    server: PostgresServer
    folder: Path

    def settings(self, *, host: str = "localhost", ca: str | None = None) -> ConnectionSettings:
        data = {"host": host, "port": str(self.server.port), "dbname": "postgres", "user": self.server.superuser}
        pem = (self.folder / f"{ca}.crt").read_text() if ca else None
        return parse_secret({**data, "password": self.server.superuser_password}, ca_pem=pem)


@pytest.fixture(scope="module")
def tls() -> Iterator[TlsServer]:
    folder = Path(tempfile.mkdtemp(prefix="backstitch-tls-", dir="/tmp"))
    folder.chmod(0o755)
    try:
        subprocess.run(["/bin/sh", "-c", _CERTIFICATES], cwd=folder, check=True, capture_output=True)
        user = server_user()
        shutil.chown(folder / "server.key", user.pw_uid if user else os.geteuid())
        files = {"ssl_cert_file": str(folder / "server.crt"), "ssl_key_file": str(folder / "server.key")}
        with PostgresServer(15, settings={"ssl": "on", **files}) as server:
            yield TlsServer(server, folder)
    finally:
        shutil.rmtree(folder)


@pytest.mark.parametrize("ca, mode", [("ca", "verify-full"), (None, "require")])
async def test_sessions_and_dumps_are_encrypted(tls: TlsServer, ca: str | None, mode: str) -> None:
    settings = tls.settings(ca=ca)
    assert settings.params["sslmode"] == mode
    database = PostgresDatabase.of(settings)
    session = await database.connect(purpose="tls")
    assert await session.rows("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()") == [{"ssl": True}]
    archiver = await open_archiver(database, session.server_version)
    await session.close()
    assert b"".join([chunk async for chunk in archiver.dump(snapshot=None, schema_only=True)]).startswith(b"PGDMP")


@pytest.mark.parametrize("host, ca", [("127.0.0.1", "ca"), ("localhost", "other")], ids=["other name", "other CA"])
async def test_a_certificate_that_is_not_the_servers_is_refused(tls: TlsServer, host: str, ca: str) -> None:
    with pytest.raises(TargetError, match="certificate") as caught:
        await PostgresDatabase.of(tls.settings(host=host, ca=ca)).connect(purpose="tls")
    assert caught.value.reason == "TlsFailed"


async def test_a_server_without_tls_is_refused(database: TestDatabase) -> None:
    host = {"host": "127.0.0.1", "port": str(database.server.port), "dbname": database.name}
    with pytest.raises(TargetError, match="sslMode") as caught:
        await PostgresDatabase.of(parse_secret({**host, "user": "app_owner", "password": "x"})).connect(purpose="tls")
    assert caught.value.reason == "NoTls"
