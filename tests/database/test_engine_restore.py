# SPDX-License-Identifier: Apache-2.0
"""strategy restoreBackup through the engine: the backup takes the place of the database, never silently at a loss."""

from __future__ import annotations

import psycopg

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
