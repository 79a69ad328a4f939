# SPDX-License-Identifier: Apache-2.0
"""Is the whole database put back to its backup, the old one kept, and finished after a kill at any call?"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from typing import Any

import psycopg
import pytest
from psycopg import sql

from backstitch.core.errors import RollbackFailed, TargetError
from backstitch.core.ports import Database, Prepared, Session
from backstitch.engine.backup import BackupPorts, secure_backup
from backstitch.engine.restore import Restore, Stage, reopen_interrupted
from backstitch.model.backup import Manifest
from tests.database.backups import REQUEST, SHOP, ports_of, store_of
from tests.plugins.pg import TestDatabase

MIGRATED = """
DROP VIEW happy; ALTER TABLE users DROP COLUMN notes; UPDATE users SET name = 'migrated' WHERE id < 10;
INSERT INTO orders (user_id, note) SELECT 1, 'written later' FROM generate_series(1, 5);
CREATE TABLE added (a int); INSERT INTO backstitch.migrations VALUES (7);
"""


@pytest.fixture
def shop(database: TestDatabase) -> Iterator[TestDatabase]:
    database.psql(SHOP)
    yield database
    with psycopg.connect(database.server.url(), autocommit=True) as connection:
        left = connection.execute(
            "SELECT datname FROM pg_database WHERE starts_with(datname, %s) OR starts_with(datname, 'backstitch_rest')",
            [f"{database.name}_before_rollback"],
        )
        for (name,) in left.fetchall():
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


async def migrated(shop: TestDatabase) -> tuple[Manifest, BackupPorts]:
    ports = await ports_of(shop)
    manifest, _ = await secure_backup(REQUEST, ports)
    shop.psql(MIGRATED)
    return manifest, ports


def is_restored(shop: TestDatabase) -> bool:
    return (
        shop.psql("SELECT count(notes), count(*) FROM users WHERE name <> 'migrated'") == [(300, 300)]
        and shop.psql("SELECT count(*) FROM orders") == [(300,)]
        and shop.psql("SELECT to_regclass('added')::text") == [(None,)]
        and shop.psql("SELECT a FROM backstitch.migrations") == [(7,)]
        and shop.psql("SELECT last_value FROM orders_id_seq") == [(305,)]
    )


async def test_the_database_is_put_back_and_the_old_one_kept(shop: TestDatabase) -> None:
    shop.psql(f"ALTER DATABASE {shop.name} SET search_path = \"$user\", 'Odd name', public")
    shop.psql(f"ALTER ROLE app_owner IN DATABASE {shop.name} SET work_mem = '7MB'")
    shop.psql(f"ALTER DATABASE {shop.name} SET application_name = 'it''s \"me\"'")
    shop.psql(f"COMMENT ON DATABASE {shop.name} IS 'the shop'")
    shop.psql(f"REVOKE ALL ON DATABASE {shop.name} FROM PUBLIC")
    shop.psql(f"GRANT CONNECT ON DATABASE {shop.name} TO pg_monitor WITH GRANT OPTION")
    manifest, ports = await migrated(shop)
    restore = Restore(manifest, ports)
    before = await restore.losses()
    report = await restore.run()
    assert is_restored(shop)
    assert report.losses == before
    assert [(loss.table, loss.rows_in_backup, loss.rows_before_restore) for loss in before] == [
        ("public.added", None, 0),
        ("public.orders", 300, 305),
        ("public.users", 300, 300),
    ]
    assert report.not_carried_over == ()
    assert shop.psql("SHOW work_mem") == [("7MB",)]
    assert shop.psql("SHOW application_name") == [('it\'s "me"',)]
    assert shop.psql("SHOW search_path") == [('"$user", "Odd name", public',)]
    settings = "SELECT datacl::text, shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = "
    assert shop.psql(f"{settings} '{shop.name}'") == shop.psql(f"{settings} '{report.kept_as}'")
    kept = await ports.database.connect(purpose="look", database=report.kept_as)
    assert (await kept.rows("SELECT count(*) AS n FROM orders")) == [{"n": 305}]
    await kept.close()
    assert await restore.stage() is Stage.SWAPPED
    assert await restore.run() == report


async def test_an_application_that_writes_is_cut_and_comes_back(shop: TestDatabase) -> None:
    manifest, ports = await migrated(shop)
    stop, lost = asyncio.Event(), 0

    async def application() -> None:
        nonlocal lost
        while not stop.is_set():
            try:
                connection = await shop.connect()
                while not stop.is_set():
                    await connection.execute("UPDATE users SET paid = 1 WHERE id = 1")
                    await asyncio.sleep(0)
            except Exception:
                lost += 1
                await asyncio.sleep(0.02)

    task = asyncio.create_task(application())
    report = await Restore(manifest, ports).run()
    connection = await shop.connect()
    assert await (await connection.execute("SELECT count(*) FROM orders")).fetchone() == (300,)
    stop.set()
    await task
    assert lost > 0
    assert report.kept_as.endswith(tuple("0123456789abcdef"))


async def test_a_backup_that_is_gone_leaves_the_database_as_it_is(shop: TestDatabase) -> None:
    manifest, ports = await migrated(shop)
    store_of(ports).objects.clear()
    with pytest.raises(RollbackFailed, match="not there"):
        await Restore(manifest, ports).run()
    assert shop.psql("SELECT count(*) FROM orders") == [(305,)]


async def test_prepared_transactions_stop_it_before_anything(shop: TestDatabase) -> None:
    manifest, ports = await migrated(shop)
    shop.psql("BEGIN; UPDATE users SET paid = 2; PREPARE TRANSACTION 'pending one'")
    with pytest.raises(RollbackFailed, match="pending one") as caught:
        await Restore(manifest, ports).run()
    assert caught.value.reason == "PreparedTransactions"
    assert shop.psql("SELECT count(*) FROM orders") == [(305,)]


async def test_sessions_that_cannot_be_ended_are_named_and_the_database_opens_again(shop: TestDatabase) -> None:
    manifest, ports = await migrated(shop)
    superuser = await shop.connect(superuser=True)

    class Impatient:
        now, monotonic = ports.clock.now, ports.clock.monotonic

        async def sleep(self, seconds: float) -> None:
            await asyncio.sleep(seconds / 20)

    with pytest.raises(RollbackFailed, match="postgres"):
        await Restore(manifest, replace(ports, clock=Impatient())).run()
    assert shop.psql("SELECT count(*) FROM orders") == [(305,)]
    await superuser.close()
    await Restore(manifest, ports).run()
    assert is_restored(shop)


async def test_owners_that_cannot_be_kept_stop_it(shop: TestDatabase) -> None:
    shop.psql("CREATE TABLE foreigner (a int); GRANT SELECT ON foreigner TO app_owner", superuser=True)
    manifest, ports = await migrated(shop)
    with pytest.raises(RollbackFailed, match="owners"):
        await Restore(manifest, ports).run()
    assert shop.psql("SELECT count(*) FROM orders") == [(305,)]


class Killed(BaseException):
    """The process ends here: nothing that runs afterwards reaches the server."""


class KillSwitch:
    """Counts the calls to the database and kills at call `at`, before or after it; later calls are killed too."""

    def __init__(self, at: int, *, after: bool) -> None:
        self.at, self.after, self.calls = at, after, 0

    def before_call(self) -> None:
        self.calls += 1
        if self.calls > self.at or (self.calls == self.at and not self.after):
            raise Killed

    def after_call(self) -> None:
        if self.calls >= self.at:
            raise Killed


class MortalSession:
    def __init__(self, session: Session, switch: KillSwitch) -> None:
        self._session, self._switch = session, switch

    pid = property(lambda self: self._session.pid)
    server_version = property(lambda self: self._session.server_version)

    async def rows(self, sql: str, params: Sequence[object] | None = None) -> list[dict[str, Any]]:
        self._switch.before_call()
        rows = await self._session.rows(sql, params)
        self._switch.after_call()
        return rows

    async def execute(self, sql: str, params: Sequence[object] | None = None) -> int:
        self._switch.before_call()
        count = await self._session.execute(sql, params)
        self._switch.after_call()
        return count

    async def prepare(self, name: str, sql: str) -> Prepared:
        return await self._session.prepare(name, sql)

    def copy_out(self, sql: str) -> AsyncIterator[bytes]:
        return self._session.copy_out(sql)

    async def copy_in(self, sql: str, chunks: AsyncIterator[bytes]) -> int:
        return await self._session.copy_in(sql, chunks)

    def transaction(self) -> AbstractAsyncContextManager[None]:
        return self._transaction()

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[None]:
        async with self._session.transaction():
            yield
            self._switch.before_call()  # COMMIT
        self._switch.after_call()

    async def cancel(self) -> None:
        await self._session.cancel()

    async def close(self) -> None:
        await self._session.close()


class MortalDatabase:
    def __init__(self, database: Database, switch: KillSwitch) -> None:
        self._database, self._switch, self.name = database, switch, database.name

    async def connect(self, *, purpose: str, database: str | None = None, read_only: bool = False) -> Session:
        self._switch.before_call()
        session = await self._database.connect(purpose=purpose, database=database, read_only=read_only)
        return MortalSession(session, self._switch)


async def come_back(database: Database) -> None:
    """What a restarted operator does first: connect, and open a door that a killed swap left closed."""
    try:
        session = await database.connect(purpose="back")
    except TargetError as error:
        if error.reason != "DatabaseClosed" or not await reopen_interrupted(database):
            raise
    else:
        await session.close()


@pytest.mark.slow
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
async def test_a_kill_at_every_call_ends_restored(shop: TestDatabase, after: bool) -> None:
    """One story, killed at call 1, 2, 3 … until a run ends by itself; each kill is followed by a fresh run."""
    manifest, ports = await migrated(shop)
    kills = 0
    while True:
        kills += 1
        switch = KillSwitch(kills, after=after)
        try:
            await Restore(manifest, replace(ports, database=MortalDatabase(ports.database, switch))).run()
        except Killed:
            pass
        else:
            break
        await come_back(ports.database)
        report = await Restore(manifest, ports).run()
        assert is_restored(shop), f"killed at call {kills}"
        # back to the start for the next kill
        session = await ports.database.connect(purpose="again", database="postgres")
        await session.execute(f'DROP DATABASE "{shop.name}" WITH (FORCE)')
        await session.execute(f'ALTER DATABASE "{report.kept_as}" RENAME TO "{shop.name}"')
        await session.close()
    assert kills > 30
