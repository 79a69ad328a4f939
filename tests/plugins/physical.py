# SPDX-License-Identifier: Apache-2.0
"""How does a test get a server whose WAL goes to a real pgBackRest repository, and an engine that uses it?

PostgreSQL 15 only: Debian bookworm's pgBackRest 2.45 knows no later one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from backstitch.adapters.clock import SystemClock
from backstitch.adapters.conninfo import parse_url
from backstitch.adapters.pgbackrest import PgBackRestBackups
from backstitch.adapters.postgres import PostgresDatabase
from backstitch.engine.job import World
from backstitch.model.backup_spec import PgBackRest
from dev.pgbackrest import Stanza
from dev.postgres import PostgresServer
from dev.processes import ServerError
from tests.plugins.engine import Engine
from tests.plugins.pg import OWNER, PgCluster, TestDatabase

MAJOR = 15


@dataclass
class PhysicalEngine(Engine):
    """An engine whose target has method pgBackRest."""

    stanza: Stanza | None = None
    without_side: bool = False  # no place for a second server

    def backups(self, *, through: str | None = None) -> PgBackRestBackups:
        """Give the adapter as the operator makes it."""
        assert self.stanza is not None
        return PgBackRestBackups(
            PgBackRest(
                stanza=self.stanza.name,
                config_file=str(self.stanza.config),
                side_folder=None if self.without_side else str(self.stanza.folder / "side"),
            ),
            PostgresDatabase.of(parse_url(through or self.database.url)),
            SystemClock(),
        )

    async def world(self) -> World:
        """Give the ports a run works through, with the physical backups."""
        return replace(await super().world(), physical=self.backups())


@pytest.fixture(scope="session")
def archived_cluster() -> Iterator[tuple[PgCluster, Stanza]]:
    """A server of the session whose WAL is archived by pgBackRest; our role may make restore points."""
    try:
        server = PostgresServer(MAJOR)
        stanza = Stanza(server)
    except ServerError as error:
        pytest.exit(f"PostgreSQL {MAJOR} with pgBackRest is needed and could not be had: {error}", returncode=3)
    try:
        stanza.start()
        cluster = PgCluster(server)
        # in the maintenance database: in the target the grant would be in its dumps
        cluster.admin.execute(f"GRANT EXECUTE ON FUNCTION pg_create_restore_point(text), pg_switch_wal() TO {OWNER}")
        yield cluster, stanza
        cluster.admin.close()
    finally:
        server.stop()
        stanza.stop()


@pytest.fixture
def archived_database(archived_cluster: tuple[PgCluster, Stanza]) -> Iterator[tuple[TestDatabase, Stanza]]:
    """A fresh database on that server."""
    cluster, stanza = archived_cluster
    with cluster.fresh_database() as made:
        yield made, stanza


@pytest.fixture
def physical_engine(
    archived_database: tuple[TestDatabase, Stanza], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> PhysicalEngine:
    """An engine on such a database."""
    database, stanza = archived_database
    monkeypatch.setenv("PGPASSFILE", str(stanza.pgpass))
    return PhysicalEngine(database, f"file://{tmp_path}/backups", stanza=stanza)
