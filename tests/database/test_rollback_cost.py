# SPDX-License-Identifier: Apache-2.0
"""What an undo will leave or archive is counted before anything is undone, and a limit of the spec stops it."""

from __future__ import annotations

import psycopg

from backstitch.model.record import Record
from backstitch.model.spec import MigrationSpec
from backstitch.model.states import State
from tests.database.test_engine_forward import FULL_NAME, SHOP
from tests.database.test_engine_rollback import NEVER
from tests.plugins.engine import Engine, a_spec


def _three_rows_later(engine: Engine) -> None:
    def application(record: Record) -> None:
        if record.state is State.VERIFYING and record.steps_done == len(record.steps):
            engine.on_record = None
            with psycopg.connect(engine.database.url, autocommit=True) as app:
                app.execute("update users set full_name = 'mine' where id in (1, 2, 3)")

    engine.database.psql(SHOP)
    engine.on_record = application


def _spec(**rollback: object) -> MigrationSpec:
    return a_spec(FULL_NAME, checks=NEVER, rollback=rollback)


async def test_it_is_told_before_anything_is_undone(engine: Engine) -> None:
    _three_rows_later(engine)
    record = await engine.migrate(_spec())
    assert record.state is State.ROLLED_BACK, record.message
    told = next(r for r in engine.seen if r.rollback and r.rollback.cost)
    assert told.rollback is not None
    assert [s.state for s in told.steps] == ["done"] * 3
    assert "3 rows of public.users were written by the application since" in told.rollback.cost[0]
    assert any("values of public.users.full_name, which goes" in line for line in told.rollback.cost)


async def test_more_rows_than_the_spec_allows_stop_it_untouched(engine: Engine) -> None:
    _three_rows_later(engine)
    record = await engine.migrate(_spec(maxKeptRows=2))
    assert (record.state, record.reason) == (State.NEEDS_HELP, "TooManyKept"), record.message
    assert "3 rows that the migration changed" in record.message
    assert [s.state for s in record.steps] == ["done"] * 3
    assert engine.rows("select count(*) from users where full_name = 'mine'") == [(3,)]


async def test_as_many_as_it_allows_do_not(engine: Engine) -> None:
    _three_rows_later(engine)
    record = await engine.migrate(_spec(maxKeptRows=3))
    assert record.state is State.ROLLED_BACK, record.message
