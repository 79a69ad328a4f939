# SPDX-License-Identifier: Apache-2.0
"""Does a round trip tell the truth about the migrations of other tools, and leave the server as it was?"""

from __future__ import annotations

from pathlib import Path

import pytest

from backstitch.adapters.clock import SystemClock
from backstitch.adapters.conninfo import parse_url
from backstitch.adapters.postgres import PostgresDatabase
from backstitch.app.cli_roundtrip import lines_of, read_files
from backstitch.core.migration_dirs import Migration, read_migrations
from backstitch.engine.roundtrip import roundtrip
from backstitch.engine.roundtrip_result import MigrationResult, count
from tests.plugins.pg import TestDatabase

_FOLDER = Path(__file__).parent.parent / "data" / "roundtrip"


async def judge(database: TestDatabase, *migrations: Migration, superuser: bool = False) -> list[MigrationResult]:
    url = database.superuser_url if superuser else database.url
    return await roundtrip(PostgresDatabase.of(parse_url(url)), migrations, SystemClock())


async def _one(database: TestDatabase, setup: str, up: str, down: str | None = None) -> MigrationResult:
    first, second = await judge(database, Migration("setup", setup), Migration("it", up, down))
    assert first.computed.verdict == "Identical", first
    return second


def _verdicts(results: list[MigrationResult]) -> dict[str, str]:
    return {r.name: r.computed.verdict for r in results}


@pytest.mark.parametrize("tool", ["diesel", "sqlx", "prisma", "flyway", "dbmate", "goose", "sqitch"])
async def test_the_history_of_each_tool_comes_back_identical(database: TestDatabase, tool: str) -> None:
    results = await judge(database, *read_migrations(read_files(_FOLDER / tool)).migrations)

    assert len(results) >= 2
    assert set(_verdicts(results).values()) == {"Identical"}, results


async def test_a_golang_migrate_history_with_all_that_people_do(database: TestDatabase) -> None:
    found = read_migrations(read_files(_FOLDER / "golang-migrate"))
    results = await judge(database, *found.migrations, superuser=True)

    others = {name: verdict for name, verdict in _verdicts(results).items() if verdict != "Identical"}
    assert others == {
        "7_enum_value": "IdenticalExcept",
        "11_no_key_rows": "Refused",
        "12_broken": "Failed",
        "13_narrow": "Failed",
        "14_narrower": "Failed",
        "16_role": "Refused",
    }
    assert count(results).to_plain() == {
        "identical": 11,
        "identicalExcept": 1,
        "different": 0,
        "refused": 2,
        "failed": 3,
    }


async def test_nothing_is_left_on_the_server_and_the_database_is_not_touched(database: TestDatabase) -> None:
    database.psql("CREATE TABLE mine (id int PRIMARY KEY); INSERT INTO mine VALUES (1)")
    shared = (
        "SELECT datname::text, datacl::text FROM pg_database WHERE datname LIKE 'backstitch%' "
        f"OR datname = '{database.name}' UNION ALL SELECT rolname, '' FROM pg_roles ORDER BY 1"
    )
    before = database.psql(shared)
    results = await judge(
        database,
        Migration("1", "DROP TABLE IF EXISTS mine; CREATE ROLE roundtrip_made; CREATE TABLE theirs (a int)"),
        Migration(
            "2", f'GRANT CONNECT ON DATABASE "{database.name}" TO roundtrip_made; GRANT SELECT ON theirs TO public'
        ),
        Migration("3", "DO $$ BEGIN EXECUTE 'ALTER ROLE app_owner CONNECTION LIMIT 7'; END $$"),
        Migration("4", "DROP TABLE theirs"),
        superuser=True,
    )

    assert _verdicts(results) == {"1": "Refused", "2": "Refused", "3": "Refused", "4": "Identical"}
    assert "acts on the whole server" in results[1].computed.reason
    assert "role app_owner" in results[2].computed.reason
    assert database.psql(shared) == before
    assert database.psql("SELECT * FROM mine") == [(1,)]


async def test_rows_that_a_drop_takes_away_come_back(database: TestDatabase) -> None:
    result = await _one(
        database,
        "CREATE TABLE a (id int PRIMARY KEY, x text UNIQUE, y int); CREATE TABLE b (id int PRIMARY KEY, "
        "a_id int REFERENCES a); CREATE VIEW v AS SELECT x FROM a; INSERT INTO a VALUES (1, 'x', 2); "
        "INSERT INTO b VALUES (1, 1)",
        "ALTER TABLE a DROP COLUMN y; ALTER TABLE a DROP COLUMN x CASCADE; DROP TABLE a, b",
    )

    assert result.computed.verdict == "Identical", result
    assert "quarantine" in result.notes[0]


async def test_tables_that_hold_each_other_are_dropped_together(database: TestDatabase) -> None:
    result = await _one(
        database,
        "CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE b (id int PRIMARY KEY, a_id int REFERENCES a); "
        "ALTER TABLE a ADD COLUMN b_id int REFERENCES b; INSERT INTO a VALUES (1); INSERT INTO b VALUES (1, 1)",
        "DROP TABLE a, b",
    )

    assert result.computed.verdict == "Identical", result


async def test_partitions_go_to_quarantine_one_by_one(database: TestDatabase) -> None:
    setup = (
        "CREATE TABLE ev (id int, at date, PRIMARY KEY (id, at)) PARTITION BY RANGE (at); CREATE INDEX ON ev (at); "
        "CREATE TABLE ev_1 PARTITION OF ev FOR VALUES FROM ('2024-01-01') TO ('2025-01-01'); "
        "CREATE TABLE ev_d PARTITION OF ev DEFAULT; INSERT INTO ev VALUES (1, '2024-02-02'), (2, '2020-01-01')"
    )

    one = await _one(database, setup, "DROP TABLE ev_1")
    all_of_them = await _one(database, setup, "DROP TABLE ev")

    assert (one.computed.verdict, all_of_them.computed.verdict) == ("Identical", "Identical"), (one, all_of_them)


async def test_serial_and_identity_columns_keep_their_numbers_when_they_are_dropped(database: TestDatabase) -> None:
    result = await _one(
        database,
        "CREATE TABLE s (id serial, n int PRIMARY KEY); CREATE TABLE i (id int GENERATED ALWAYS AS IDENTITY, "
        "n int PRIMARY KEY); INSERT INTO s (n) VALUES (7); INSERT INTO i (n) VALUES (7)",
        "ALTER TABLE s DROP COLUMN id; ALTER TABLE i DROP COLUMN id",
    )

    assert result.computed.verdict == "Identical", result


async def test_rows_written_after_a_rename_come_back(database: TestDatabase) -> None:
    result = await _one(
        database,
        "CREATE TABLE a (id int PRIMARY KEY, x text); INSERT INTO a VALUES (1, 'x')",
        "ALTER TABLE a RENAME COLUMN x TO y; UPDATE a SET y = 'z'; ALTER TABLE a RENAME TO b; DELETE FROM b",
    )

    assert result.computed.verdict == "Identical", result
    assert "piece by piece" in result.notes[0]


async def test_an_enum_value_used_at_once_is_run_statement_by_statement(database: TestDatabase) -> None:
    result = await _one(
        database,
        "CREATE TYPE e AS ENUM ('a'); CREATE TABLE t (id int PRIMARY KEY, e e); INSERT INTO t VALUES (1, 'a')",
        "ALTER TYPE e ADD VALUE 'b'; UPDATE t SET e = 'b'",
    )

    assert result.computed.verdict == "IdenticalExcept", result
    assert result.computed.exceptions == ("enumValueAdded",)


async def test_a_change_of_type_that_loses_something_goes_back_from_a_copy_of_the_rows(database: TestDatabase) -> None:
    result = await _one(
        database,
        "CREATE TABLE t (id int PRIMARY KEY, at timestamptz); INSERT INTO t VALUES (1, '2024-01-01 12:34')",
        "ALTER TABLE t ALTER COLUMN at TYPE date",
    )

    assert result.computed.verdict == "Identical", result
    assert "copied into quarantine" in result.notes[0]


async def test_what_holds_the_time_of_the_run_is_not_taken_for_a_difference(database: TestDatabase) -> None:
    result = await _one(
        database,
        "CREATE TABLE t (id int PRIMARY KEY, at timestamptz)",
        "CREATE VIEW young AS SELECT id FROM t WHERE at > timestamptz 'now' - interval '1 day'",
    )

    assert result.computed.verdict == "Identical", result


async def test_the_authors_down_is_judged_beside(database: TestDatabase) -> None:
    setup = "CREATE TABLE t (id int PRIMARY KEY, n int); INSERT INTO t VALUES (1, 5)"
    up = "UPDATE t SET n = n / 2; ALTER TABLE t ADD COLUMN x int"

    lossy = await _one(database, setup, up, "ALTER TABLE t DROP COLUMN x; UPDATE t SET n = n * 2")
    broken = await _one(database, setup, up, "ALTER TABLE t DROP COLUMN nothing")
    right = await _one(database, setup, up, "ALTER TABLE t DROP COLUMN x; UPDATE t SET n = 5")

    assert [r.computed.verdict for r in (lossy, broken, right)] == ["Identical"] * 3
    assert [r.down.verdict for r in (lossy, broken, right) if r.down] == ["Different", "Failed", "Identical"]
    assert any("other values" in line for line in lines_of(lossy))


async def test_a_failure_does_not_hide_what_comes_later(database: TestDatabase) -> None:
    results = await judge(
        database,
        Migration("1", "CREATE TABLE a (id int)"),
        Migration("2", "CREATE TABLE b (id int); SELECT 1/0"),
        Migration("3", "CREATE TABLE b (id int)"),
    )

    assert _verdicts(results) == {"1": "Identical", "2": "Failed", "3": "Identical"}
    assert "division by zero" in results[1].computed.reason


async def test_an_empty_migration_is_identical(database: TestDatabase) -> None:
    assert _verdicts(await judge(database, Migration("1", "-- nothing yet\n"))) == {"1": "Identical"}
