# SPDX-License-Identifier: Apache-2.0
"""Method pgBackRest on a real repository: stanza, full and incremental backups, a point seen archived, a second server
restored to it."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest

from backstitch.adapters.clock import SystemClock
from backstitch.core.errors import BackupFailed
from backstitch.core.ports import ObjectStore, StoredObject
from backstitch.engine.job import Job
from backstitch.engine.restore_point import make_restore_point
from backstitch.engine.run import run
from backstitch.model.approval_policy import ApprovalPolicy
from backstitch.model.point_in_time import RestorePoint
from backstitch.model.record import Record
from backstitch.model.rehearsal_spec import RehearsalSpec
from backstitch.model.spec import TargetPolicy
from backstitch.model.states import State
from tests.database.test_engine_forward import FULL_NAME, SHOP
from tests.database.test_engine_rollback import NEVER, content
from tests.plugins.engine import a_spec
from tests.plugins.physical import PhysicalEngine

pytestmark = pytest.mark.slow

RESTORED = {"proof": "restore"}
AT_ONCE: dict[str, Any] = {
    "policy": TargetPolicy(approval=ApprovalPolicy(required=0)),
    "rehearsal": RehearsalSpec(no_room="the test of a gate"),
}


def in_maintenance(engine: PhysicalEngine, sql: str) -> None:
    with psycopg.connect(engine.database.server.url(), autocommit=True) as admin:
        admin.execute(sql)


async def test_from_a_full_backup_to_a_second_server_at_the_point(physical_engine: PhysicalEngine) -> None:
    """The tool itself: what is written before the point is on the second server, what came after is not."""
    engine, backups = physical_engine, physical_engine.backups()
    engine.database.psql("create table t as select g as a from generate_series(1, 100) g")
    full = await backups.back_up("full", "one")
    more = await backups.back_up("incremental", "two")
    assert (full.kind, more.kind) == ("full", "incremental")
    assert await backups.back_up("incremental", "two") == more  # found by its mark, as after a kill
    assert await backups.newest() == more
    engine.database.psql("insert into t values (101)")
    point = await make_restore_point((await engine.world()).database, backups, SystemClock(), mark="x", backup=more)
    engine.database.psql("insert into t values (102)")
    assert point.archived_as >= point.segment
    assert await backups.archived_up_to(point.timeline) >= point.segment
    async with backups.side_server(point) as side:
        there = await side.database.connect(purpose="test")
        assert await there.rows("select count(*) as n, max(a) as m from t") == [{"n": 101, "m": 101}]
        assert await there.rows("show archive_mode") == [{"archive_mode": "off"}]
        await there.close()
    assert engine.stanza is not None
    assert not (engine.stanza.folder / "side").exists()
    assert engine.stanza.run("check") == ""


async def test_a_dump_and_a_point(physical_engine: PhysicalEngine) -> None:
    engine = physical_engine
    engine.database.psql(SHOP)
    record = await engine.migrate(a_spec(FULL_NAME), environment="staging")
    assert record.state is State.SUCCEEDED, record.message
    assert record.backup is not None
    assert (record.backup.proven, record.backup.proof, record.backup.method) == (True, "dump", "pgBackRest")
    assert record.backup.restore_point is not None
    assert record.backup.place.startswith("file://")


async def test_archived_alone_is_not_called_proven_and_not_taken_in_production(
    physical_engine: PhysicalEngine,
) -> None:
    engine = physical_engine
    engine.database.psql(SHOP)
    record = await engine.migrate(a_spec(FULL_NAME), environment="production", proof="archived", **AT_ONCE)
    assert (record.state, record.reason) == (State.STOPPED, "ProofTooWeak"), record.message
    record = await engine.migrate(a_spec(FULL_NAME), name="other", environment="staging", proof="archived")
    assert record.state is State.SUCCEEDED, record.message
    assert record.backup is not None
    assert (record.backup.proven, record.backup.proof) == (False, "archived")


async def test_wal_that_does_not_arrive_stops_it_before_the_first_change(
    physical_engine: PhysicalEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """archive_command says yes and stores nothing: the server believes it, the repository does not."""
    engine = physical_engine
    engine.database.psql(SHOP)
    monkeypatch.setattr("backstitch.engine.restore_point.ARCHIVE_LIMIT_S", 3.0)
    ((command,),) = engine.database.psql("SHOW archive_command")
    await engine.backups().back_up("incremental", "before")
    backup = await engine.backups().newest()
    assert backup is not None
    engine.database.psql("ALTER SYSTEM SET archive_command = '/bin/true'", superuser=True)
    engine.database.psql("SELECT pg_reload_conf()", superuser=True)
    try:
        with pytest.raises(BackupFailed, match="holds WAL up to 0000") as caught:
            await make_restore_point(
                (await engine.world()).database, engine.backups(), SystemClock(), mark="x", backup=backup
            )
        assert caught.value.reason == "NotArchived"
    finally:
        engine.database.psql("ALTER SYSTEM SET archive_command = '" + command + "'", superuser=True)
        engine.database.psql("SELECT pg_reload_conf()", superuser=True)
        assert engine.stanza is not None
        engine.stanza.run("backup", "--type=full")  # its WAL has a hole now: what comes later starts from here


async def test_proven_by_a_second_server_and_rung_five_through_another(physical_engine: PhysicalEngine) -> None:
    engine = physical_engine
    engine.database.psql(SHOP)
    before = content(engine)
    other = f"{engine.database.name}_other"
    engine.database.psql(f"CREATE DATABASE {other}")
    elsewhere = engine.database.url.replace(engine.database.name, other)

    def of_another_database(record: Record) -> None:
        if record.state is State.VERIFYING:
            engine.on_record = None
            with psycopg.connect(elsewhere, autocommit=True) as app:
                app.execute("create table kept as select 1 as a")

    engine.on_record = of_another_database
    spec = a_spec(FULL_NAME, checks=NEVER, rollback={"strategy": "pointInTime"})
    record = await engine.migrate(spec, environment="staging", **RESTORED)
    assert record.state is State.ROLLED_BACK, record.message
    assert record.rollback is not None
    assert (record.rollback.rung, record.rollback.verdict) == (5, "Identical"), record.rollback.differences
    assert content(engine) == before
    assert [s.state for s in record.steps] == ["undone"] * 3
    backup = record.backup
    assert backup is not None
    assert (backup.proven, backup.proof, backup.method) == (True, "restore", "pgBackRest")
    assert backup.restore_point is not None
    assert backup.restore_point.archived_as >= backup.restore_point.segment
    assert backup.side is not None
    assert (backup.side.tables, backup.side.rows, backup.side.moving) == (2, 2510, ())
    with psycopg.connect(elsewhere) as app:  # only this database went back
        assert app.execute("select a from kept").fetchall() == [(1,)]
    assert engine.stanza is not None
    assert not (engine.stanza.folder / "side").exists()


class Killed(BaseException):
    """As if the process had been killed: nobody may catch it."""


class KillingStore:
    """A store in whose `put` of a point's manifest the process is killed, before or after it is there.

    What the dying process would still tidy up does not reach it: a killed one tidies nothing.
    """

    def __init__(self, inner: ObjectStore, moment: str) -> None:
        self.inner, self.moment, self.url = inner, moment, inner.url
        self.get, self.list = inner.get, inner.list
        self.dead = False

    async def put(self, key: str, chunks: AsyncIterator[bytes]) -> StoredObject:
        if "-point/manifest.json" not in key:
            return await self.inner.put(key, chunks)
        if self.moment == "after":
            await self.inner.put(key, chunks)
        self.dead = True
        raise Killed

    async def delete(self, key: str) -> None:
        if not self.dead:
            await self.inner.delete(key)


@pytest.mark.parametrize("moment", ["before", "after"])
async def test_rung_five_goes_on_after_a_kill(physical_engine: PhysicalEngine, moment: str) -> None:
    engine = physical_engine
    engine.database.psql(SHOP)
    before = content(engine)
    spec = a_spec(FULL_NAME, checks=NEVER, rollback={"strategy": "pointInTime"})
    job = Job(namespace="shop", name="change", spec=spec, environment="staging", proof="archived")
    world = await engine.world()
    assert world.store is not None
    with pytest.raises(Killed):
        await run(job, replace(world, store=KillingStore(world.store, moment)))
    assert engine.rows("select state from backstitch.migrations") == [("RollingBack",)]
    engine.without_side = moment == "after"  # what was taken off the second server is enough then
    record = await run(job, await engine.world())
    assert record.state is State.ROLLED_BACK, record.message
    assert record.rollback is not None
    assert (record.rollback.rung, record.rollback.verdict) == (5, "Identical"), record.rollback.differences
    assert content(engine) == before


async def test_rung_five_asks_before_it_loses_rows(physical_engine: PhysicalEngine) -> None:
    engine = physical_engine
    engine.database.psql(SHOP)

    def application(record: Record) -> None:
        if record.state is State.VERIFYING:
            engine.on_record = None
            engine.database.psql("insert into notes (body) values ('precious')")

    engine.on_record = application
    spec = a_spec(FULL_NAME, checks=NEVER, rollback={"strategy": "pointInTime"})
    record = await engine.migrate(spec, environment="staging", proof="archived")
    assert (record.state, record.reason) == (State.NEEDS_HELP, "DataLossNotAccepted"), record.message
    assert "1 in public.notes" in record.message
    assert engine.rows("select count(*) from notes where body = 'precious'") == [(1,)]


async def test_without_a_place_for_a_second_server_a_person_gets_the_commands(physical_engine: PhysicalEngine) -> None:
    engine = physical_engine
    engine.database.psql(SHOP)
    engine.without_side = True
    spec = a_spec(FULL_NAME, checks=NEVER, rollback={"strategy": "pointInTime"})
    record = await engine.migrate(spec, environment="staging")
    assert (record.state, record.reason) == (State.NEEDS_HELP, "RestoreByHand"), record.message
    assert record.backup is not None
    assert record.backup.restore_point is not None
    assert f"--type=name --target={record.backup.restore_point.name}" in record.message
    assert "transactions of the whole server" in record.message


async def test_what_a_restore_point_needs_is_said(physical_engine: PhysicalEngine) -> None:
    engine = physical_engine
    engine.database.psql(SHOP)
    function = "EXECUTE ON FUNCTION pg_create_restore_point(text)"
    in_maintenance(engine, f"REVOKE {function} FROM app_owner")
    try:
        record = await engine.migrate(a_spec(FULL_NAME), environment="staging", **RESTORED)
    finally:
        in_maintenance(engine, f"GRANT {function} TO app_owner")
    assert (record.state, record.reason) == (State.STOPPED, "RestorePointDenied")
    assert "in database postgres: GRANT EXECUTE ON FUNCTION pg_create_restore_point(text)" in record.message


async def test_a_side_folder_that_is_not_ours_is_left_alone(physical_engine: PhysicalEngine) -> None:
    engine = physical_engine
    assert engine.stanza is not None
    precious = engine.stanza.folder / "side" / "precious"
    precious.parent.mkdir()
    precious.write_text("of somebody")
    backup = await engine.backups().back_up("incremental", "x")
    point = RestorePoint(
        name="nowhere", lsn="0/0", segment="0" * 24, timeline=1, made_at=backup.taken_at, backup=backup.label
    )
    with pytest.raises(BackupFailed, match="not made by us") as caught:
        async with engine.backups().side_server(point):
            pass
    assert caught.value.reason == "SideFolderInUse"
    assert precious.read_text() == "of somebody"
    precious.unlink()
    engine.database.psql("create table later (a int)")
    with pytest.raises(BackupFailed, match="does not hold the WAL of that point") as caught:
        async with engine.backups().side_server(point):
            pass
    assert caught.value.reason == "PointNotReached"
    assert not precious.parent.exists()


async def test_no_key_is_in_argv(physical_engine: PhysicalEngine) -> None:
    """A configuration from a Secret is a file that only we can read, and gone afterwards."""
    assert physical_engine.stanza is not None
    text = physical_engine.stanza.config.read_text()
    from backstitch.adapters.pgbackrest import PgBackRestBackups
    from backstitch.model.backup_spec import PgBackRest

    world = await physical_engine.world()
    backups = PgBackRestBackups(PgBackRest(stanza="shop"), world.database, SystemClock(), config=text)  # type: ignore[arg-type]
    with backups._call() as call:
        file = Path(call.config)
        assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)
        assert file.stat().st_uid == os.geteuid()
        assert file.read_text() == text
    assert not file.exists()
    assert await backups.newest() is not None
