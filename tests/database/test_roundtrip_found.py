# SPDX-License-Identifier: Apache-2.0
"""What our own corpus of migrations has found: each was Different, refused without need, or left something behind."""

from __future__ import annotations

import pytest

from backstitch.core.migration_dirs import Migration
from backstitch.engine.roundtrip_result import MigrationResult
from tests.database.test_roundtrip import judge
from tests.plugins.pg import TestDatabase


async def _last(database: TestDatabase, *texts: str, superuser: bool = False) -> MigrationResult:
    """Judge texts as migrations in order; those before the last must be Identical."""
    migrations = [Migration(str(n), text) for n, text in enumerate(texts)]
    *first, last = await judge(database, *migrations, superuser=superuser)
    assert {r.computed.verdict for r in first} <= {"Identical"}, first
    return last


async def test_rows_that_name_the_numbers_of_a_sequence_come_back_and_go_forward_again(database: TestDatabase) -> None:
    result = await _last(
        database,
        "CREATE TABLE a (id serial PRIMARY KEY, x text); CREATE TABLE b (a_id int PRIMARY KEY REFERENCES a)",
        "INSERT INTO a (x) VALUES ('one'), ('two'); INSERT INTO b VALUES (1), (2)",
    )

    assert result.computed.verdict == "Identical", result


@pytest.mark.parametrize(
    ("old", "value", "new", "using"),
    [
        ("timestamp", "'2024-07-01 12:00'", "timestamptz", "x AT TIME ZONE 'Europe/Berlin'"),
        ("date", "'2024-07-01'", "text", "to_char(x, 'DD.MM.YYYY')"),
        ("bit(8)", "B'10101010'", "bit(16)", "(x || B'00000000')::bit(16)"),
        ("int", "7", "bigint", "x * 100"),
        ("timestamp", "'2024-07-01 12:34'", "timestamptz", "x::date"),
        ("int", "7", "bigint", "x::bigint"),
    ],
)
async def test_values_computed_by_using_come_back(
    database: TestDatabase, old: str, value: str, new: str, using: str
) -> None:
    result = await _last(
        database,
        f"CREATE TABLE t (id int PRIMARY KEY, x {old}); INSERT INTO t VALUES (1, {value}), (2, NULL)",
        f"ALTER TABLE t ALTER COLUMN x TYPE {new} USING {using}",
    )

    assert result.computed.verdict == "Identical", result
    assert any("copied" in note for note in result.notes) == (using != "x::bigint")


async def test_values_computed_inside_a_do_block_come_back(database: TestDatabase) -> None:
    result = await _last(
        database,
        "CREATE TABLE t (id int PRIMARY KEY, x timestamp); INSERT INTO t VALUES (1, '2024-07-01 12:00')",
        "DO $$ BEGIN EXECUTE 'ALTER TABLE t ALTER x TYPE timestamptz USING x AT TIME ZONE ''Asia/Tokyo'''; END $$",
    )

    assert result.computed.verdict == "Identical", result


async def test_a_table_whose_rows_the_role_may_not_all_see_is_refused_and_the_rest_goes_on(
    database: TestDatabase,
) -> None:
    forced = (
        "CREATE TABLE t (id int PRIMARY KEY, x int); INSERT INTO t VALUES (1, 1), (2, 2); "
        "CREATE POLICY few ON t USING (id = 1); ALTER TABLE t ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY"
    )
    texts = (forced, "UPDATE t SET x = 5", "ALTER TABLE t NO FORCE ROW LEVEL SECURITY", "UPDATE t SET x = 6")
    migrations = [Migration(str(n), text) for n, text in enumerate(texts)]

    results = await judge(database, *migrations)
    bypassing = await judge(database, *migrations, superuser=True)

    assert [r.computed.verdict for r in results] == ["Identical", "Refused", "Refused", "Identical"], results
    assert "BYPASSRLS" in results[1].computed.reason
    assert {r.computed.verdict for r in bypassing} == {"Identical"}, bypassing


async def test_a_prepared_transaction_is_never_made(database: TestDatabase) -> None:
    texts = ("CREATE TABLE t (id int)", "DROP TABLE t; PREPARE TRANSACTION 'orphan'", "CREATE TABLE u (id int)")

    results = await judge(database, *(Migration(str(n), text) for n, text in enumerate(texts)), superuser=True)
    odd = await judge(database, Migration("1", "SELECT 1; \\bad PREPARE TRANSACTION 'orphan'"), superuser=True)

    assert [r.computed.verdict for r in results] == ["Identical", "Refused", "Identical"], results
    assert "PREPARE TRANSACTION" in results[1].computed.reason
    assert odd[0].computed.verdict == "Failed"
    assert database.psql("SELECT gid FROM pg_prepared_xacts") == []


async def test_a_setting_of_the_database_is_refused_and_later_migrations_are_not(database: TestDatabase) -> None:
    setting = "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET work_mem = ''8MB''', current_database()); END $$"

    results = await judge(database, Migration("1", setting), Migration("2", "CREATE TABLE t (id int)"), superuser=True)

    assert [r.computed.verdict for r in results] == ["Refused", "Identical"], results
    assert "work_mem" in results[0].computed.reason or "setting" in results[0].computed.reason


async def test_what_cannot_be_in_a_transaction_goes_beside_tables_that_others_inherit_from(
    database: TestDatabase,
) -> None:
    setup = (
        "CREATE TABLE a (id int PRIMARY KEY, x int); CREATE TABLE b (y int) INHERITS (a); "
        "CREATE TABLE c (id int PRIMARY KEY); INSERT INTO a VALUES (1, 1); INSERT INTO b VALUES (2, 2, 2)"
    )

    result = await _last(database, setup, "VACUUM a; CREATE INDEX CONCURRENTLY ON c (id); INSERT INTO c VALUES (1)")
    writes = await _last(database, setup, "VACUUM c; UPDATE a SET x = 5")

    assert result.computed.verdict == "Identical", result
    assert writes.computed.verdict == "Refused", writes


async def test_a_key_of_a_renamed_partition_gets_its_name_back(database: TestDatabase) -> None:
    result = await _last(
        database,
        "CREATE TABLE ev (id smallint, at int, x text, PRIMARY KEY (id, at), UNIQUE (at, id)) PARTITION BY RANGE (at); "
        "CREATE TABLE ev_1 PARTITION OF ev FOR VALUES FROM (0) TO (10); CREATE TABLE ev_2 PARTITION OF ev DEFAULT; "
        "INSERT INTO ev VALUES (1, 2, 'a'), (2, 20, 'b'); ALTER TABLE ev_1 RENAME TO ev_old; "
        "ALTER TABLE ev_2 RENAME CONSTRAINT ev_2_pkey TO my_own_key",
        "ALTER TABLE ev ALTER COLUMN id TYPE int",
    )

    assert result.computed.verdict == "Identical", result
