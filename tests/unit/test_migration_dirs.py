# SPDX-License-Identifier: Apache-2.0
"""Are the migrations of other tools found as those tools would run them: order, directions, transaction?"""

import pytest

from backstitch.core.errors import UsageError
from backstitch.core.migration_dirs import Migration, read_migrations


def _names(files: dict[str, str]) -> list[str]:
    return [m.name for m in read_migrations(files).migrations]


def test_golang_migrate_counts_and_pairs_the_two_directions() -> None:
    found = read_migrations({"10_b.up.sql": "B", "9_a.up.sql": "A", "9_a.down.sql": "undo A", "readme.sql": "x"})

    assert found.tool == "golang-migrate"
    assert found.migrations == (Migration("9_a", "A", "undo A"), Migration("10_b", "B"))


def test_the_order_can_be_asked_for() -> None:
    files = {"10_b.up.sql": "B", "9_a.up.sql": "A"}

    assert [m.name for m in read_migrations(files, "name").migrations] == ["10_b", "9_a"]
    assert [m.name for m in read_migrations(files, "number").migrations] == ["9_a", "10_b"]


def test_diesel_has_a_folder_for_each_and_may_switch_the_transaction_off() -> None:
    found = read_migrations(
        {
            "2024-02_b/up.sql": "B",
            "2024-02_b/metadata.toml": "run_in_transaction = false\n",
            "2024-01_a/up.sql": "A",
            "2024-01_a/down.sql": "undo A",
        }
    )

    assert found.tool == "diesel"
    assert found.migrations == (
        Migration("2024-01_a", "A", "undo A"),
        Migration("2024-02_b", "B", transactional=False),
    )


def test_prisma_goes_forward_only_unless_somebody_wrote_a_down() -> None:
    found = read_migrations(
        {"migration_lock.toml": "", "2_b/migration.sql": "B", "1_a/migration.sql": "A", "1_a/down.sql": "undo A"}
    )

    assert found.tool == "prisma"
    assert found.migrations == (Migration("1_a", "A", "undo A"), Migration("2_b", "B"))


def test_sqlx_says_in_the_first_line_that_it_wants_no_transaction() -> None:
    found = read_migrations({"2_index.sql": "-- no-transaction\nCREATE INDEX CONCURRENTLY …", "1_table.sql": "A"})

    assert [(m.name, m.transactional) for m in found.migrations] == [("1_table", True), ("2_index", False)]


def test_flyway_goes_by_version_then_repeatables_by_description() -> None:
    files = {
        "V10__c.sql": "",
        "V2__b.sql": "",
        "V1.5.1__x.sql": "",
        "sub/V1_5__a.sql": "",
        "R__zz.sql": "",
        "R__aa.sql": "",
    }

    assert _names(files) == ["V1_5__a", "V1.5.1__x", "V2__b", "V10__c", "R__aa", "R__zz"]


def test_flyway_undo_belongs_to_the_same_version_and_a_baseline_is_left_out() -> None:
    found = read_migrations(
        {"V1.0__a.sql": "A", "U1__a.sql": "undo A", "B1__all.sql": "", "V2__b.sql": "B", "V2__b.sql.conf": "x=1\n"}
    )

    assert found.migrations == (Migration("V1.0__a", "A", "undo A"), Migration("V2__b", "B"))
    assert "B1__all" in found.notes[0]


def test_flyway_configuration_switches_the_transaction_off() -> None:
    found = read_migrations({"V1__a.sql": "A", "V1__a.sql.conf": "executeInTransaction=false\n"})

    assert not found.migrations[0].transactional


def test_dbmate_parts_a_file_at_its_markers() -> None:
    found = read_migrations(
        {
            "1_a.sql": "-- by hand\n-- migrate:up\nCREATE TABLE a ();\n\n-- migrate:down\nDROP TABLE a;\n",
            "2_b.sql": "-- migrate:up transaction:false\nVACUUM;\n",
        }
    )

    assert found.tool == "dbmate"
    assert found.migrations == (
        Migration("1_a", "CREATE TABLE a ();\n", "DROP TABLE a;"),
        Migration("2_b", "VACUUM;", None, transactional=False),
    )


def test_goose_statement_markers_are_comments_to_us() -> None:
    text = (
        "-- +goose Up\n-- +goose StatementBegin\nDO $$ BEGIN; END $$;\n-- +goose StatementEnd\n"
        "-- +goose Down\nSELECT 1;"
    )
    found = read_migrations({"00002_b.sql": "-- +goose NO TRANSACTION\n-- +goose Up\nVACUUM;", "00001_a.sql": text})

    assert found.tool == "goose"
    assert found.migrations == (
        Migration("00001_a", "DO $$ BEGIN; END $$;", "SELECT 1;"),
        Migration("00002_b", "VACUUM;", None, transactional=False),
    )


def test_sqitch_goes_by_its_plan_and_knows_reworked_changes_by_their_tag() -> None:
    plan = (
        "%project=x\n\nzebra 2024-01-01T00:00:00Z A <a@b> # first\n"
        "ant [zebra] 2024-01-02T00:00:00Z A <a@b> # uses it\n@v1 2024-01-02T00:00:00Z A <a@b> # tag\n"
        "zebra [zebra@v1] 2024-01-03T00:00:00Z A <a@b> # again\n@v2 2024-01-04T00:00:00Z A <a@b>\n"
    )
    found = read_migrations(
        {
            "sqitch.plan": plan,
            "deploy/zebra.sql": "Z2",
            "deploy/zebra@v1.sql": "Z1",
            "revert/zebra@v1.sql": "undo Z1",
            "deploy/ant.sql": "A",
            "verify/ant.sql": "SELECT 1",
        }
    )

    assert found.tool == "sqitch"
    assert found.migrations == (Migration("zebra@v1", "Z1", "undo Z1"), Migration("ant", "A"), Migration("zebra", "Z2"))


def test_a_change_of_the_plan_without_a_script_is_noted() -> None:
    found = read_migrations({"sqitch.plan": "a 2024-01-01T00:00:00Z\n"})

    assert found.migrations == ()
    assert "deploy/a.sql is not there" in found.notes[0]


def test_a_folder_around_the_migrations_is_looked_through() -> None:
    assert _names({"db/migrations/1_a.up.sql": "A", "docs/readme.md": ""}) == ["1_a"]


def test_what_is_no_known_layout_is_said() -> None:
    with pytest.raises(UsageError, match="No migrations were recognised"):
        read_migrations({"notes/readme.md": ""})


def test_of_two_folders_with_migrations_none_is_guessed() -> None:
    with pytest.raises(UsageError, match="Give the folder"):
        read_migrations({"a/1_a.up.sql": "A", "b/1_b.up.sql": "B"})


def test_of_several_kinds_of_database_only_postgres_is_taken() -> None:
    found = read_migrations(
        {
            "1_a.up.sql": "A",
            "1_a.cockroach.up.sql": "not A",
            "2_b.postgres.up.sql": "B",
            "2_b.up.sql": "not B",
            "2_b.all.down.sql": "undo B",
            "3_c.mysql.up.sql": "not C",
        }
    )

    assert found.migrations == (Migration("1_a", "A"), Migration("2_b", "B", "undo B"))
    assert found.notes == ("Files for cockroach, mysql were left out.",)


def test_a_folder_for_each_kind_of_database() -> None:
    found = read_migrations({"mysql/1_a.up.sql": "not A", "postgres/1_a.up.sql": "A", "sqlite3/1_a.up.sql": "not A"})

    assert found.migrations == (Migration("1_a", "A"),)


def test_numbered_folders_run_one_after_the_other() -> None:
    files = {"10/1_c.up.sql": "C", "2/2_b.up.sql": "B", "2/1_a.up.sql": "A"}

    assert _names(files) == ["2/1_a", "2/2_b", "10/1_c"]


def test_two_files_for_a_migration_as_other_tools_name_them() -> None:
    found = read_migrations({"002.do.b.sql": "B", "001.do.a.sql": "A", "001.undo.a.sql": "undo A"})
    dashed = read_migrations({"1-a-up.sql": "A", "1-a-down.sql": "undo A"})
    back = read_migrations({"1-a.sql": "A", "1-a.rollback.sql": "undo A", "2-b.sql": "B"})

    assert found.migrations == (Migration("001.a", "A", "undo A"), Migration("002.b", "B"))
    assert dashed.migrations == (Migration("1-a", "A", "undo A"),)
    assert back.migrations == (Migration("1-a", "A", "undo A"), Migration("2-b", "B"))


@pytest.mark.parametrize(
    "text",
    [
        "-- Up Migration\nA\n-- Down Migration\nundo A",
        "-- rambler up\nA\n-- rambler down\nundo A",
        "# --- !Ups\nA\n# --- !Downs\nundo A",
        "A\n---- create above / drop below ----\nundo A",
        "A\n-- //@UNDO\nundo A",
    ],
)
def test_other_marks_in_one_file(text: str) -> None:
    found = read_migrations({"1_a.sql": text})

    assert found.migrations == (Migration("1_a", "A", "undo A"),)


def test_the_tools_own_table_is_known_where_a_migration_speaks_of_it() -> None:
    asks = read_migrations({"1_a/up.sql": "CREATE TRIGGER t AFTER INSERT ON __diesel_schema_migrations …"})
    does_not = read_migrations({"1_a/up.sql": "A"})

    assert asks.own_table.startswith("CREATE TABLE __diesel_schema_migrations (")
    assert does_not.own_table == ""
