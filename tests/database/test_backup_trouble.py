# SPDX-License-Identifier: Apache-2.0
"""Does every trouble with a backup stop it with the reason, and leave nothing that looks complete?"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from backstitch.adapters.conninfo import parse_url
from backstitch.adapters.dump import PgArchiver
from backstitch.adapters.postgres import PostgresDatabase
from backstitch.core.errors import BackstitchError, BackupFailed, ConnectionLost, StorageError
from backstitch.core.ports import StoredObject
from backstitch.engine.backup import find_backup, prove_backup, scratch_owner, secure_backup, take_backup
from backstitch.engine.scratch import scratch_prefix
from tests.database.backups import KEYS, OURS, REQUEST, SHOP, ports_of, scratch_left, store_of
from tests.fakes import MemoryStore
from tests.plugins.pg import TestDatabase
from tests.plugins.proxy import PgProxy


@pytest.fixture
def shop(database: TestDatabase) -> TestDatabase:
    database.psql(SHOP)
    return database


@pytest.mark.parametrize("name", ["full.pgc", "schema.pgc"])
@pytest.mark.parametrize("damage", ["a byte", "the end", "more"])
async def test_damage_in_the_store_is_noticed(shop: TestDatabase, name: str, damage: str) -> None:
    ports = await ports_of(shop)
    manifest = await take_backup(REQUEST, ports)
    key, objects = f"shop/change/a1/{name}", store_of(ports).objects
    data = bytearray(objects[key])
    if damage == "a byte":
        data[len(data) // 2] ^= 1
    objects[key] = bytes(data[:-100] if damage == "the end" else data + b"x" if damage == "more" else data)
    with pytest.raises(BackupFailed, match=name) as caught:
        await prove_backup(manifest, ports)
    assert caught.value.reason == "BackupDamaged"
    assert KEYS[2] not in objects
    assert scratch_left(shop) == []


async def test_rows_that_do_not_come_back_are_noticed(shop: TestDatabase) -> None:
    ports = await ports_of(shop)
    manifest = await take_backup(REQUEST, ports)
    users = manifest.tables["public.users"].model_copy(update={"rows": 299})
    other = manifest.model_copy(update={"tables": {**manifest.tables, "public.users": users}})
    store_of(ports).objects[KEYS[1]] = other.model_dump_json(by_alias=True, indent=1).encode()
    with pytest.raises(BackupFailed, match=r"public\.users has 300 rows instead of 299") as caught:
        await prove_backup(other, ports)
    assert caught.value.reason == "RowsDiffer"


async def test_a_full_store_leaves_nothing(shop: TestDatabase) -> None:
    store = MemoryStore(full_after=2000)
    with pytest.raises(StorageError) as caught:
        await secure_backup(REQUEST, await ports_of(shop, store=store))
    assert caught.value.reason == "StorageFull"
    assert store.objects == {}
    assert scratch_left(shop) == []


class DyingStore(MemoryStore):
    """Fails at the nth put, as a store that goes away."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number
        self.puts = 0

    async def put(self, key: str, chunks: AsyncIterator[bytes]) -> StoredObject:
        self.puts += 1
        if self.puts == self.number:
            raise StorageError("the store is gone")
        return await super().put(key, chunks)


@pytest.mark.parametrize("number", [1, 2, 3])
async def test_a_store_that_goes_away_leaves_nothing_that_looks_complete(shop: TestDatabase, number: int) -> None:
    store = DyingStore(number)
    with pytest.raises(StorageError, match="the store is gone"):
        await secure_backup(REQUEST, await ports_of(shop, store=store))
    assert await find_backup(REQUEST, store) is None
    assert store.objects == {}
    assert scratch_left(shop) == []
    await secure_backup(REQUEST, await ports_of(shop, store=store))


async def test_leftovers_of_a_killed_attempt_go_and_complete_ones_stay(shop: TestDatabase) -> None:
    ports = await ports_of(shop)
    await secure_backup(REQUEST.model_copy(update={"attempt": "a0"}), ports)
    objects = store_of(ports).objects
    beside = "shop/change/a0/lost/public.users.csv"  # what a rollback to that backup has exported
    for key in ("shop/change/dead/full.pgc", "shop/change/a1/full.pgc", "shop/other/a1/full.pgc", beside):
        objects[key] = b"half"
    await secure_backup(REQUEST, ports)
    kept = [*KEYS, *(key.replace("a1", "a0") for key in KEYS), "shop/other/a1/full.pgc", beside]
    assert sorted(objects) == sorted(kept)


async def test_a_dump_whose_server_goes_away_is_a_lost_connection(shop: TestDatabase, proxy: PgProxy) -> None:
    ports = await ports_of(shop, proxy.url)
    proxy.cut_when(lambda sql: sql.startswith("COPY"), fate="lost")
    with pytest.raises(ConnectionLost, match="pg_dump"):
        await take_backup(REQUEST, ports)
    assert store_of(ports).objects == {}


async def test_a_server_that_goes_away_during_the_proof_is_lost_and_the_proof_is_made_up_for(
    shop: TestDatabase, proxy: PgProxy
) -> None:
    ports = await ports_of(shop, proxy.url)
    proxy.cut_when(lambda sql: sql.startswith("COPY") and "FROM stdin" in sql, fate="lost")
    with pytest.raises(ConnectionLost, match="pg_restore"):
        await secure_backup(REQUEST, ports)
    assert proxy.sprung.is_set()
    found = await find_backup(REQUEST, ports.store)
    assert found is not None
    assert found[1] is None
    again = await secure_backup(REQUEST, ports)
    assert again.manifest == found[0]
    assert scratch_left(shop) == []


async def test_a_cancelled_backup_leaves_no_process_and_no_object(shop: TestDatabase) -> None:
    ports = await ports_of(shop)
    lock = await shop.connect()
    async with lock.transaction():
        await lock.execute("LOCK TABLE users IN ACCESS EXCLUSIVE MODE")  # the dump waits for it
        task = asyncio.create_task(secure_backup(REQUEST, ports))
        waiting = f"SELECT count(*) {OURS} AND wait_event_type = 'Lock'"
        for _ in range(200):
            if shop.psql(waiting) != [(0,)]:
                break
            await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(task, 30)
    assert store_of(ports).objects == {}
    assert scratch_left(shop) == []
    left = f"SELECT application_name {OURS}"
    for _ in range(100):
        if not shop.psql(left):
            break
        await asyncio.sleep(0.05)
    assert shop.psql(left) == []


async def test_scratch_databases_of_dead_runs_are_dropped_and_of_others_kept(shop: TestDatabase) -> None:
    ports = await ports_of(shop)
    ours = scratch_prefix(scratch_owner(REQUEST, ports.database))
    dead, used = f"{ours}proof_dead", f"{ours}proof_used"
    other = scratch_prefix(f"shop/other@{shop.name}") + "proof_dead"
    for name in (dead, used, other):
        shop.psql(f"CREATE DATABASE {name}")
    session = await ports.database.connect(purpose="x", database=used)
    try:
        await secure_backup(REQUEST, ports)
        assert sorted(scratch_left(shop)) == sorted([used, other])
    finally:
        await session.close()
        for name in (used, other):
            shop.psql(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def poor_role(shop: TestDatabase) -> Iterator[str]:
    role = f"{shop.name}_poor"
    shop.psql(f"CREATE ROLE {role} LOGIN PASSWORD 'pw'", superuser=True)
    yield shop.url.replace("app_owner:" + shop.url.split(":")[2].split("@")[0], f"{role}:pw")
    shop.psql(f"DROP OWNED BY {role}; DROP ROLE {role}", superuser=True)


async def test_a_role_without_createdb_is_told_so(shop: TestDatabase, poor_role: str) -> None:
    shop.psql(f"GRANT pg_read_all_data TO {shop.name}_poor", superuser=True)
    with pytest.raises(BackupFailed, match="CREATEDB") as caught:
        await secure_backup(REQUEST, await ports_of(shop, poor_role))
    assert caught.value.reason == "CreatedbMissing"


async def test_a_role_that_may_not_read_is_told_so(shop: TestDatabase, poor_role: str) -> None:
    ports = await ports_of(shop, poor_role)
    with pytest.raises(BackupFailed, match="permission denied"):
        await take_backup(REQUEST, ports)
    assert store_of(ports).objects == {}


async def test_owners_that_cannot_be_kept_do_not_stop_the_proof(shop: TestDatabase) -> None:
    shop.psql("CREATE TABLE foreigner AS SELECT 1 AS a; GRANT SELECT ON foreigner TO app_owner", superuser=True)
    _, proof = await secure_backup(REQUEST, await ports_of(shop))
    assert (proof.owners_kept, proof.tables) == (False, 4)


async def test_what_only_a_superuser_may_create_is_left_out_of_the_proof_and_said(shop: TestDatabase) -> None:
    shop.psql("CREATE EXTENSION pageinspect; COMMENT ON EXTENSION pageinspect IS 'x'", superuser=True)
    shop.psql("CREATE FUNCTION e() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END'", superuser=True)
    shop.psql("CREATE EVENT TRIGGER ev ON ddl_command_end EXECUTE FUNCTION e()", superuser=True)
    shop.psql("CREATE EXTENSION hstore; CREATE TABLE h AS SELECT 'a=>1'::hstore AS h")  # trusted: restored
    _, proof = await secure_backup(REQUEST, await ports_of(shop))
    assert proof.left_out == ("EVENT TRIGGER ev", "EXTENSION pageinspect")
    assert proof.tables == 4


async def test_an_extension_that_tables_need_and_the_role_may_not_create_is_named(shop: TestDatabase) -> None:
    shop.psql("CREATE EXTENSION bloom; CREATE TABLE b (a int); CREATE INDEX ON b USING bloom (a)", superuser=True)
    shop.psql("ALTER TABLE b OWNER TO app_owner", superuser=True)
    with pytest.raises(BackupFailed, match="bloom") as caught:
        await secure_backup(REQUEST, await ports_of(shop))
    assert "superuser" in caught.value.message
    assert scratch_left(shop) == []


async def test_a_backup_of_a_copy_is_not_taken_for_ours(shop: TestDatabase) -> None:
    ports = await ports_of(shop)
    manifest, _ = await secure_backup(REQUEST, ports)
    other = manifest.model_copy(update={"database": "staging"})
    store_of(ports).objects[KEYS[1]] = other.model_dump_json(by_alias=True, indent=1).encode()
    with pytest.raises(BackupFailed, match="another database") as caught:
        await secure_backup(REQUEST, ports)
    assert caught.value.reason == "BackupOfAnother"


async def test_a_trigger_of_ours_that_is_still_there_does_not_stop_the_proof(shop: TestDatabase) -> None:
    shop.psql("CREATE FUNCTION backstitch.capture() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'")
    shop.psql(
        "CREATE TRIGGER backstitch_x AFTER INSERT ON users FOR EACH STATEMENT EXECUTE FUNCTION backstitch.capture()"
    )
    manifest, _ = await secure_backup(REQUEST, await ports_of(shop))
    assert len(manifest.supporting) == 1


async def test_no_password_is_in_argv_or_a_message(shop: TestDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
    password = shop.url.split(":")[2].split("@")[0]
    seen: list[str] = []
    started = asyncio.create_subprocess_exec

    async def noting(*arguments: str, **how: object) -> object:
        seen.extend(arguments)
        return await started(*arguments, **how)  # type: ignore[arg-type]

    monkeypatch.setattr(asyncio, "create_subprocess_exec", noting)
    await secure_backup(REQUEST, await ports_of(shop))
    assert any("pg_dump" in argument for argument in seen)
    assert not any(password in argument for argument in seen)
    wrong = parse_url(shop.url.replace(password, "wrong-password"))
    real = (await ports_of(shop)).archiver
    assert isinstance(real, PgArchiver)
    archiver = PgArchiver(PostgresDatabase.of(wrong), real._tools)
    with pytest.raises(BackstitchError) as caught:
        async for _ in archiver.dump(snapshot=None, schema_only=True):
            pass
    assert "wrong-password" not in caught.value.message
