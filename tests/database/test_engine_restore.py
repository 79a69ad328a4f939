# SPDX-License-Identifier: Apache-2.0
"""strategy restoreBackup through the engine: the backup takes the place of the database, never silently at a loss."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg

from backstitch.core.ports import Archiver
from backstitch.engine.job import Job, Requests
from backstitch.engine.run import run
from backstitch.model.record import Record
from backstitch.model.states import State
from tests.database.test_engine_forward import FULL_NAME, SHOP
from tests.database.test_engine_rollback import NEVER, content
from tests.plugins.engine import Engine, a_spec


async def test_the_backup_takes_the_place_of_the_database_and_it_is_proven(engine: Engine) -> None:
    engine.database.psql(SHOP)
    before = content(engine)
    spec = a_spec(FULL_NAME, checks=NEVER, rollback={"strategy": "restoreBackup"})
    record = await engine.migrate(spec, environment="production")
    assert record.state is State.ROLLED_BACK, record.message
    assert record.rollback is not None
    assert record.rollback.rung == 4
    assert record.rollback.verdict != "Different"
    assert content(engine) == before
    kept = record.rollback.archived[0].removeprefix("database ")
    assert engine.rows(f"select count(*) from pg_database where datname = '{kept}'") == [(1,)]
    assert [s.state for s in record.steps] == ["undone"] * 3


async def test_what_the_application_wrote_is_not_given_up_without_a_yes(engine: Engine) -> None:
    engine.database.psql(SHOP)

    def application(record: Record) -> None:
        if record.state is State.VERIFYING:
            engine.on_record = None
            with psycopg.connect(engine.database.url, autocommit=True) as app:
                app.execute("insert into notes (body) values ('precious')")

    engine.on_record = application
    spec = a_spec(FULL_NAME, checks=NEVER, rollback={"strategy": "restoreBackup"})
    record = await engine.migrate(spec, environment="production")
    assert (record.state, record.reason) == (State.NEEDS_HELP, "DataLossNotAccepted"), record.message
    assert "1 in public.notes" in record.message
    assert engine.rows("select count(*) from notes where body = 'precious'") == [(1,)]


def _two_notes(engine: Engine) -> None:
    def application(record: Record) -> None:
        if record.state is State.VERIFYING:
            engine.on_record = None
            with psycopg.connect(engine.database.url, autocommit=True) as app:
                app.execute("insert into notes (body) values ('precious'), ('also')")

    engine.on_record = application


async def test_the_yes_is_to_a_number_and_what_is_lost_is_exported(engine: Engine) -> None:
    engine.database.psql(SHOP)
    before = content(engine)
    _two_notes(engine)
    limits = {"strategy": "restoreBackup", "acceptDataLoss": True, "maxLostRows": 1}
    spec = a_spec(FULL_NAME, checks=NEVER, rollback=limits)
    record = await engine.migrate(spec, environment="production")
    assert (record.state, record.reason) == (State.NEEDS_HELP, "DataLossNotAccepted"), record.message
    assert "would lose 2 rows" in record.message
    assert "a yes was given to 1" in record.message
    engine.requests = Requests(rollback="monday lose=2")
    record = await engine.migrate(spec, environment="production")
    assert record.state is State.ROLLED_BACK, record.message
    assert record.rollback is not None
    assert (record.rollback.rung, record.rollback.rows_lost) == (4, 2)
    assert record.rollback.pause_ms is not None
    assert content(engine) == before
    exported = next(line for line in record.rollback.archived if line.endswith("lost/public.notes.csv"))
    text = (Path(engine.store_url.removeprefix("file://")) / exported).read_text()
    assert "precious" in text
    assert "also" in text
    kept = record.rollback.archived[0].removeprefix("database ")
    with psycopg.connect(engine.database.server.url(kept)) as old:
        assert old.execute("select count(*) from pg_trigger where tgname like 'backstitch_app%'").fetchone() == (0,)


async def test_a_row_written_after_the_counting_stops_it_too(engine: Engine) -> None:
    """Between the first count and the fence another row came: the number behind the fence is what counts."""
    engine.database.psql(SHOP)
    database = engine.database

    class LateArchiver:
        def __init__(self, inner: Archiver) -> None:
            self._inner = inner

        def __getattr__(self, name: str) -> Any:
            return getattr(self._inner, name)

        def dump_ledger(self) -> AsyncIterator[bytes]:
            database.psql("insert into notes (body) values ('late')")
            return self._inner.dump_ledger()

    world = await engine.world()
    assert world.archiver is not None
    spec = a_spec(FULL_NAME, checks=NEVER, rollback={"strategy": "restoreBackup"})
    job = Job(namespace="shop", name="change", spec=spec, environment="staging")
    record = await run(job, replace(world, archiver=LateArchiver(world.archiver)))
    assert (record.state, record.reason) == (State.NEEDS_HELP, "DataLossNotAccepted"), record.message
    assert engine.rows("select count(*) from notes where body = 'late'") == [(1,)]
    assert engine.rows("select count(*) from pg_trigger where tgname like 'backstitch_app%'") == [(0,)]
