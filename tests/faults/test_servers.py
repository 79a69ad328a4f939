# SPDX-License-Identifier: Apache-2.0
"""Servers that go away, fill up, only read, or hide behind a pooler: real ones, each broken for real."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from backstitch.core.errors import TargetError
from backstitch.engine.job import Requests
from backstitch.model.record import Record
from backstitch.model.states import State
from dev.pgbinaries import server_user
from dev.pgbouncer import PgBouncer
from dev.processes import Process, free_port, run_as
from tests.database.test_engine_forward import FULL_NAME, SHOP, assert_nothing_left
from tests.database.test_engine_rollback import NEVER, content
from tests.plugins.engine import Engine, a_spec
from tests.plugins.pg import TestDatabase


@pytest.fixture
def own_engine(own_database: TestDatabase, tmp_path: Path) -> Engine:
    """An engine on a durable server of its own, to be broken."""
    return Engine(own_database, f"file://{tmp_path}/backups")


@pytest.mark.parametrize(
    "checks, moment",
    [
        ([], State.BACKING_UP),
        ([], State.MIGRATING),
        ([], State.VERIFYING),
        (NEVER, State.BACKING_UP),
        (NEVER, State.VERIFYING),
        (NEVER, State.ROLLING_BACK),
    ],
    ids=lambda value: ("rolls-back" if value else "succeeds") if isinstance(value, list) else str(value),
)
async def test_a_server_that_is_killed_and_comes_back_changes_nothing_in_the_end(
    own_engine: Engine, checks: list[dict[str, object]], moment: State
) -> None:
    own_engine.database.psql(SHOP)
    before = content(own_engine)
    kills = 0

    def kill(record: Record) -> None:
        nonlocal kills
        if record.state is moment and kills < 2:
            kills += 1
            own_engine.database.server.kill()
            own_engine.database.server.start()

    own_engine.on_record = kill
    record = await own_engine.migrate(a_spec(FULL_NAME, checks=checks), environment="production")
    if checks:
        assert record.state is State.ROLLED_BACK, record.message
        assert content(own_engine) == before
    else:
        assert record.state is State.SUCCEEDED, record.message
        assert own_engine.rows("select count(*) from users where full_name is null") == [(0,)]
    assert kills
    assert_nothing_left(own_engine)


async def test_a_server_that_is_down_for_a_while_is_waited_for(own_engine: Engine) -> None:
    own_engine.database.psql(SHOP)
    server = own_engine.database.server
    started: list[asyncio.Task[None]] = []

    async def come_back() -> None:
        await asyncio.sleep(3)
        await asyncio.to_thread(server.start)

    def halt(record: Record) -> None:
        if record.state is State.MIGRATING and not started:
            server.halt()
            started.append(asyncio.create_task(come_back()))

    own_engine.on_record = halt
    record = await own_engine.migrate(a_spec(FULL_NAME))
    await started[0]
    assert record.state is State.SUCCEEDED, record.message


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A file system of 24 MiB that the server may write to. Mounting needs root, as CI is."""
    assert os.geteuid() == 0, "this test mounts a small file system: run it as root"
    folder = Path(tempfile.mkdtemp(prefix="backstitch-disk-", dir="/tmp"))
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(folder)], check=True)
    try:
        user = server_user()
        if user is not None:
            shutil.chown(folder, user.pw_uid, user.pw_gid)
        folder.chmod(0o700)
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
        folder.rmdir()


async def test_a_full_disk_of_the_database_ends_rolled_back(own_engine: Engine, small_disk: Path) -> None:
    own_engine.database.psql(f"create tablespace small location '{small_disk}'", superuser=True)
    own_engine.database.psql("grant create on tablespace small to public", superuser=True)
    own_engine.database.psql(SHOP)
    own_engine.database.psql(
        "create table big (id bigint primary key, pad text) tablespace small;"
        "insert into big select g, repeat(md5(g::text), 20) from generate_series(1, 12000) g"
    )
    own_engine.database.psql("vacuum big")  # as autovacuum has done to any table of some age
    before = own_engine.rows("select sum(hashtext(b::text)) from big b")
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(4 << 20))
    steps = [
        {"name": "note", "sql": {"up": "update notes set body = upper(body)"}},
        {
            "name": "fill-up",
            "backfill": {"table": "big", "set": {"pad": "repeat(pad, 3)"}},
        },  # waves leave little behind: the rows themselves are too big
    ]
    record = await own_engine.migrate(a_spec(steps))
    assert record.reason == "DiskFull", record.message
    if record.state is State.NEEDS_HELP:  # a way back writes rows too; somebody makes room and asks again
        ballast.unlink()
        own_engine.requests = Requests(rollback="there is room now")
        record = await own_engine.migrate(a_spec(steps))
    assert record.state is State.ROLLED_BACK, record.message
    assert own_engine.rows("select sum(hashtext(b::text)) from big b") == before
    assert own_engine.rows("select count(*) from notes where body = upper(body)") == [(0,)]


async def test_a_read_only_replica_is_refused_by_name(own_engine: Engine) -> None:
    server = own_engine.database.server
    user = server_user()
    folder = Path(tempfile.mkdtemp(prefix="backstitch-standby-", dir="/tmp"))
    if user is not None:
        shutil.chown(folder, user.pw_uid, user.pw_gid)
    command = [str(server.bin_dir / "pg_basebackup"), "-d", server.url(), "-D", str(folder / "data"), "-R"]

    def copy() -> subprocess.CompletedProcess[str]:
        options = ["-X", "stream", "--checkpoint=fast", "--no-sync"]
        return subprocess.run(
            [*command, *options], capture_output=True, text=True, check=False, cwd="/", **run_as(user)
        )

    copied = await asyncio.to_thread(copy)
    assert copied.returncode == 0, copied.stderr
    port = free_port()
    standby = Process(
        "standby", [str(server.bin_dir / "postgres"), "-D", str(folder / "data"), "-p", str(port)],
        folder / "standby.log", user=user, remove_if_orphaned=folder,
    )  # fmt: skip
    try:
        standby.start()
        here = own_engine.database.url
        own_engine.through = here.replace(f":{urlsplit(here).port}/", f":{port}/")
        for _ in range(100):
            with pytest.raises(TargetError) as refused:
                await own_engine.migrate(a_spec(FULL_NAME))
            if refused.value.reason == "ReadOnlyServer":
                break
            await asyncio.sleep(0.1)
        assert refused.value.reason == "ReadOnlyServer"
        assert str(port) in refused.value.message
    finally:
        standby.stop()
        shutil.rmtree(folder, ignore_errors=True)


async def test_a_transaction_pooler_is_refused_and_a_direct_host_asked_for(engine: Engine) -> None:
    engine.database.psql(SHOP)
    pooler = PgBouncer(engine.database.url)
    try:
        engine.through = pooler.url
        with pytest.raises(TargetError) as refused:
            await engine.migrate(a_spec(FULL_NAME))
        assert refused.value.reason == "PoolerDetected"
        assert not refused.value.retry
        assert "direct" in refused.value.message
    finally:
        pooler.stop()
    assert engine.rows("select to_regclass('backstitch.migrations')") == [(None,)]
