# SPDX-License-Identifier: Apache-2.0
"""What do `drift`, `adopt` and `close` say and do, as processes on a real database?"""

from __future__ import annotations

import json

import pytest

from tests.plugins.cli import Cli, a_migration, columns

pytestmark = pytest.mark.one_major


def test_drift_is_named_and_adopt_accepts_it(cli: Cli) -> None:
    done = cli.run("drift")
    assert done.code == 2
    assert "`backstitch adopt` does it" in done.out
    assert cli.run("run", cli.write(a_migration())).code == 0
    assert cli.run("drift").code == 0
    cli.database.psql("create table by_hand (id int)")
    done = cli.run("drift", "-o", "json")
    assert done.code == 2
    assert json.loads(done.out)["added"] == ["table public.by_hand"]
    asked = cli.run("adopt", "--dry-run")
    assert "added: table public.by_hand" in asked.out
    assert "Would know the schema" in asked.out
    assert cli.run("drift").code == 2
    assert "Knows the schema" in cli.run("adopt").out
    assert cli.run("drift").code == 0
    assert "Nothing to do" in cli.run("adopt").out


def test_an_existing_database_is_taken_in_and_two_histories_must_be_chosen_from(cli: Cli) -> None:
    cli.database.psql("create table schema_migrations (version bigint primary key, dirty boolean not null)")
    cli.database.psql("insert into schema_migrations values (7, false)")
    cli.database.psql("create table alembic_version (version_num varchar(32) primary key)")
    cli.database.psql("insert into alembic_version values ('ae1027a6acf')")
    done = cli.run("adopt")
    assert done.code == 2
    assert "Choose one with --from" in done.err
    done = cli.run("adopt", "--from", "golang-migrate", "-o", "json")
    assert done.code == 0, done.err
    assert (json.loads(done.out)["version"], json.loads(done.out)["changed"]) == ("7", True)


def test_close_ends_the_window_and_runs_the_contract_phases(cli: Cli) -> None:
    made = a_migration()
    made["spec"]["phases"].append(
        {
            "name": "away",
            "contract": True,
            "steps": [{"name": "drop-name", "dropColumn": {"table": "users", "column": "name"}}],
        }
    )
    assert cli.run("run", cli.write(made)).code == 0
    assert columns(cli.database) == ["id", "name", "nick"]
    done = cli.run("close", "nick", "-n", "shop")
    assert done.code == 0, done.err
    assert "step drop-name (dropColumn): done" in done.err
    assert columns(cli.database)[:1] == ["id"]
    assert "name" not in columns(cli.database)
    back = cli.run("rollback", "nick", "-n", "shop")
    assert back.code == 0, back.err
    assert "step drop-name (dropColumn): undone" in back.err  # the contract phases have a window of their own
    assert columns(cli.database) == ["id", "name", "nick"]
    assert "revert window has ended" in cli.run("rollback", "nick", "-n", "shop").err
