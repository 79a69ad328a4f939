# SPDX-License-Identifier: Apache-2.0
"""Does the command line, as a process on a real database, end with the right code and the right words?"""

from __future__ import annotations

import json
import secrets

import psycopg
import pytest

from tests.plugins.cli import ADD_NICK, Cli, a_check, a_migration, columns, nicks


def test_one_that_succeeds_shows_each_change_and_leaves_with_0(cli: Cli) -> None:
    file = cli.write(a_migration(checks=[a_check(2500)]))
    done = cli.run("run", file)
    assert done.code == 0, done.err
    for words in (
        "Backups go to file://",
        "(the default in development; --backup-to changes it)",
        "step add (addColumn): done",
        "2,500 of about 2,500 rows",
        "check how-many passed: found 2500",
        "Succeeded:",
        "It can be rolled back until",
    ):
        assert words in done.err
    assert done.out == ""
    assert nicks(cli.database) == 2500
    assert list((cli.folder / ".local/state/backstitch/backups").rglob("manifest.json"))
    again = cli.run("run", file)
    assert again.code == 0
    assert "nothing was done now" in again.err


def test_a_check_that_fails_rolls_back_and_leaves_with_3(cli: Cli) -> None:
    done = cli.run("run", cli.write(a_migration(checks=[a_check(5)])), "-o", "json")
    assert (done.code, done.state) == (3, "RolledBack")
    assert columns(cli.database) == ["id", "name"]
    status = json.loads(done.out)["status"]
    assert status["rollback"]["verdict"] == "Identical"
    assert status["checks"][0]["value"] == "2500"
    assert "check how-many failed: found 2500, expected" in done.err
    assert "run it with --retry" in cli.run("status", "nick", "-n", "shop").out


def test_one_that_does_not_fit_is_refused_with_2_and_a_near_name(cli: Cli) -> None:
    step = {"name": "add", "addColumn": {"table": "user", "column": "nick", "type": "text"}}
    file = cli.write(a_migration(steps=[step]))
    done = cli.run("run", file, "-o", "json")
    assert (done.code, done.state) == (2, "Refused")
    assert "Did you mean public.users?" in done.err
    assert cli.database.psql("SELECT to_regnamespace('backstitch')") == [(None,)], "nothing was touched"
    assert cli.run("plan", file).code == 2


def test_one_that_cannot_be_settled_leaves_with_4(cli: Cli) -> None:
    failing = {"name": "bad", "sql": {"up": "UPDATE users SET name = (1 / (id - id))::text"}}
    done = cli.run(
        "run", cli.write(a_migration(steps=[ADD_NICK, failing], rollback={"strategy": "none"})), "-o", "json"
    )
    assert (done.code, done.state) == (4, "NeedsHelp"), done.err


USAGE: list[tuple[str, list[str], str]] = [
    ("no-file", ["run"], "Missing argument"),
    ("unknown-option", ["run", "x.yaml", "--frobnicate"], "No such option"),
    ("unknown-command", ["fly"], "No such command"),
    ("file-missing", ["run", "nowhere.yaml"], "nowhere.yaml cannot be read: No such file"),
    ("bad-wait", ["run", "{file}", "--wait", "soon"], "is not a duration"),
    ("bad-store", ["run", "{file}", "--backup-to", "ftp://x"], "neither file:// nor s3://"),
    ("bad-database", ["run", "{file}", "--database", "mysql://u:pw-secret@h/d"], "must begin with postgresql://"),
    ("remote-without-environment", ["run", "{file}", "--database", "postgresql://u@db.test/d"], "--environment"),
    ("production-without-backup", ["run", "{file}", "--environment", "production"], "asks for a backup"),
    ("production-backup-none", ["run", "{file}", "--environment", "production", "--backup-to", "none"], "asks for a"),
    ("unknown-name", ["status", "nobody"], "knows no migration nobody"),
    ("export-of-nothing", ["export", "nobody", "--database", ""], "is no file"),
]


@pytest.mark.parametrize(("arguments", "said"), [u[1:] for u in USAGE], ids=[u[0] for u in USAGE])
def test_wrong_usage_leaves_with_1_and_says_why(cli: Cli, arguments: list[str], said: str) -> None:
    file = cli.write(a_migration())
    done = cli.run(*(a.format(file=file) for a in arguments))
    assert done.code == 1
    assert said in done.err
    assert "pw-secret" not in done.err


def test_a_field_nobody_knows_is_wrong_usage_with_its_line(cli: Cli) -> None:
    step = {"name": "add", "addColumn": {"table": "users", "colum": "nick", "type": "text"}}
    done = cli.run("run", cli.write(a_migration(steps=[step])))
    assert done.code == 1
    assert "unknown field. Did you mean column?" in done.err
    assert "line " in done.err


def test_a_wrong_password_is_said_without_it(cli: Cli) -> None:
    wrong = f"wrong-{secrets.token_hex(8)}"
    url = psycopg.conninfo.make_conninfo(cli.database.url, password=wrong)
    done = cli.run("run", cli.write(a_migration()), "-o", "json", BACKSTITCH_DATABASE=url)
    assert done.code == 4
    assert json.loads(done.out)["error"]["reason"] == "WrongPassword"
    assert wrong not in done.out + done.err
