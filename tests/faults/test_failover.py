# SPDX-License-Identifier: Apache-2.0
"""The primary dies in the middle and a real streaming replica is promoted: the migration goes on there, each step once.

A synchronous replica has all of it. An asynchronous one may lack the newest commits; the lost changes and the ledger's
rows of them are lost together, so what is done again was not there.
"""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from backstitch.model.record import Record
from backstitch.model.states import State
from dev.pgbinaries import server_user
from dev.postgres import PostgresServer
from dev.processes import Process, free_port, run_as
from tests.database.test_engine_forward import FULL_NAME, SHOP
from tests.plugins.engine import Engine, a_spec
from tests.plugins.pg import TestDatabase
from tests.plugins.proxy import PgProxy

LAST = "- name: last\n  steps: [{name: note, sql: {up: \"insert into notes (body) values ('once')\"}}]\n"


class Replica:
    """A streaming replica of a server, which can be promoted."""

    def __init__(self, server: PostgresServer) -> None:
        self._server, self._user = server, server_user()
        self._folder = Path(tempfile.mkdtemp(prefix="backstitch-standby-", dir="/tmp"))
        if self._user is not None:
            shutil.chown(self._folder, self._user.pw_uid, self._user.pw_gid)
        self.port = free_port()
        source = server.url() + "?application_name=replica"
        copied = subprocess.run(
            [str(server.bin_dir / "pg_basebackup"), "-d", source, "-D", str(self._folder / "data"), "-R",
             "-X", "stream", "--checkpoint=fast", "--no-sync"],
            capture_output=True, text=True, check=False, cwd="/", **run_as(self._user),
        )  # fmt: skip
        assert copied.returncode == 0, copied.stderr
        self._process = Process(
            "standby", [str(server.bin_dir / "postgres"), "-D", str(self._folder / "data"), "-p", str(self.port)],
            self._folder / "standby.log", user=self._user, remove_if_orphaned=self._folder,
        )  # fmt: skip
        self._process.start()
        self._process.wait_until(self._streams, within_s=30)

    def url(self, name: str = "postgres") -> str:
        """Its database, as the superuser."""
        return self._server.url(name).replace(f":{self._server.port}/", f":{self.port}/")

    def run(self, query: str) -> None:
        """Run a statement there."""
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(query)

    def promote(self) -> None:
        """Make it the primary; returns when it takes writes."""
        self.run("select pg_promote(true, 30)")

    def stop(self) -> None:
        """End it and remove its data."""
        self._process.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _streams(self) -> bool:
        with psycopg.connect(self._server.url(), autocommit=True) as primary:
            found = primary.execute("select count(*) from pg_stat_replication where state = 'streaming'").fetchone()
        return found == (1,)


@pytest.fixture
def replica(own_database: TestDatabase) -> Iterator[Replica]:
    """A replica of the server of this test alone."""
    own_database.psql(SHOP)
    made = Replica(own_database.server)
    try:
        yield made
    finally:
        made.stop()


@pytest.mark.parametrize("kind", ["synchronous", "asynchronous, newest commits lost"])
async def test_a_promoted_replica_is_gone_on_with(
    own_database: TestDatabase, replica: Replica, tmp_path: Path, kind: str
) -> None:
    server = own_database.server
    if kind == "synchronous":
        for setting in ("alter system set synchronous_standby_names = 'replica'", "select pg_reload_conf()"):
            own_database.psql(setting, superuser=True)
    door = PgProxy(own_database)
    await door.open()
    engine = Engine(own_database, f"file://{tmp_path}/backups", through=door.url)
    failed_over = False

    async def fail_over() -> None:
        await door.refuse()
        door.cut_all()
        await asyncio.to_thread(server.kill)
        await asyncio.to_thread(replica.promote)
        door._target = (server.host, replica.port)
        await door.open()

    switching: list[asyncio.Task[None]] = []

    def watch(record: Record) -> None:
        nonlocal failed_over
        if failed_over or record.state is not State.MIGRATING:
            return
        if record.steps[0].state == "done" and kind != "synchronous" and not record.steps[1].rows_done:
            replica.run("alter system set primary_conninfo = ''")  # from here on it hears nothing
            replica.run("select pg_reload_conf()")
        if record.steps[1].rows_done:
            failed_over = True
            switching.append(asyncio.create_task(fail_over()))

    engine.on_record = watch
    try:
        record = await engine.migrate(a_spec(FULL_NAME + LAST), environment="staging")
        await asyncio.gather(*switching)
        assert failed_over
        assert record.state is State.SUCCEEDED, record.message
        with psycopg.connect(replica.url(own_database.name), autocommit=True) as there:
            assert there.execute("select count(*) from notes where body = 'once'").fetchone() == (1,)
            assert there.execute("select count(*) from users where full_name is null").fetchone() == (0,)
            assert there.execute("select count(*) from users").fetchone() == (2500,)
            assert there.execute("select count(*) from backstitch.migrations").fetchone() == (1,)
    finally:
        await door.stop()
        (server.data_dir / "postgresql.auto.conf").write_text("")  # it is started once more, to be tidied up
