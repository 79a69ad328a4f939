# SPDX-License-Identifier: Apache-2.0
"""Does the command line, as a process on a real database, end with the right code and words, and keep secrets?"""

from __future__ import annotations

import contextlib
import json
import os
import pty
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml

from dev.processes import free_port
from dev.s3 import S3Server
from tests.plugins.pg import TestDatabase

OPERATOR = Path(__file__).parents[2] / "operator"
LIMIT_S = 120

ADD_NICK = {"name": "add", "addColumn": {"table": "users", "column": "nick", "type": "text"}}
FILL_NICK = {"name": "fill", "backfill": {"table": "users", "set": {"nick": "name || '!'"}, "where": "nick IS NULL"}}


def a_migration(name: str = "nick", *, steps: list[Any] | None = None, **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "backstitch.dev/v1alpha1",
        "kind": "DatabaseMigration",
        "metadata": {"name": name, "namespace": "shop"},
        "spec": {
            "targetRef": {"name": "shop"},
            "version": "1",
            "type": "schema",
            "phases": [{"name": "all", "steps": steps or [ADD_NICK, FILL_NICK]}],
            **spec,
        },
    }


def a_check(wanted: int) -> dict[str, Any]:
    return {
        "name": "how-many",
        "query": "SELECT count(*) FROM users",
        "expect": {"type": "number", "equals": wanted},
    }


@dataclass
class Done:
    """How a process ended."""

    code: int
    out: str
    err: str

    @property
    def state(self) -> str:
        return str(json.loads(self.out)["status"]["state"])


@dataclass
class Cli:
    """The command line with one database and one folder; everything it ever wrote is in `written`."""

    database: TestDatabase
    folder: Path
    written: list[str] = field(default_factory=list)

    @property
    def environment(self) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if k in ("PATH", "LANG") or k.startswith("BACKSTITCH_PG_BIN")}
        return {**kept, "PYTHONPATH": str(OPERATOR), "HOME": str(self.folder), "BACKSTITCH_DATABASE": self.database.url}

    def write(self, *documents: dict[str, Any], name: str = "m.yaml") -> str:
        path = self.folder / name
        path.write_text(yaml.safe_dump_all(documents))
        return str(path)

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "backstitch", *arguments],
            env={**self.environment, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def wait(self, process: subprocess.Popen[str]) -> Done:
        out, err = process.communicate(timeout=LIMIT_S)
        self.written += [out, err]
        return Done(process.returncode, out, err)

    def run(self, *arguments: str, **environment: str) -> Done:
        return self.wait(self.start(*arguments, **environment))


@pytest.fixture
def cli(database: TestDatabase, tmp_path: Path) -> Iterator[Cli]:
    """A shop of 2,500 users. Afterwards no output and no file holds the password or a stack trace."""
    database.psql(
        "CREATE TABLE users (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL);"
        "INSERT INTO users (name) SELECT 'user ' || n FROM generate_series(1, 2500) n;"
        "ANALYZE users"
    )
    made = Cli(database, tmp_path)
    yield made
    password = psycopg.conninfo.conninfo_to_dict(database.url)["password"]
    text = "\n".join(made.written)
    assert str(password) not in text
    assert "Traceback" not in text
    for path in tmp_path.rglob("*"):
        assert not path.is_file() or str(password).encode() not in path.read_bytes(), path


def nicks(database: TestDatabase) -> int:
    return int(database.psql("SELECT count(nick) FROM users")[0][0])


def columns(database: TestDatabase) -> list[str]:
    rows = database.psql(
        "SELECT column_name FROM information_schema.columns WHERE table_schema = 'public' AND table_name = 'users' "
        "ORDER BY ordinal_position"
    )
    return [str(row[0]) for row in rows]


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


def test_a_plan_shows_statements_and_touches_nothing(cli: Cli) -> None:
    done = cli.run("plan", cli.write(a_migration()))
    assert done.code == 0
    assert 'ADD COLUMN "nick"' in done.out
    assert columns(cli.database) == ["id", "name"]
    assert cli.database.psql("SELECT to_regnamespace('backstitch')") == [(None,)]


def test_a_rollback_within_the_window_is_0_and_proven(cli: Cli) -> None:
    assert cli.run("run", cli.write(a_migration())).code == 0
    done = cli.run("rollback", "nick", "-n", "shop", "-o", "json")
    assert (done.code, done.state) == (0, "RolledBack"), done.err
    assert columns(cli.database) == ["id", "name"]
    assert "there is nothing to undo" in cli.run("rollback", "nick", "-n", "shop").err


def test_purge_ends_what_can_be_rolled_back(cli: Cli) -> None:
    assert cli.run("run", cli.write(a_migration(rollback={"revertWindow": "1s"}))).code == 0
    deadline = time.monotonic() + 20
    while "gave up" not in (said := cli.run("purge").out):
        assert "No revert window has ended" in said
        assert time.monotonic() < deadline
    done = cli.run("rollback", "nick", "-n", "shop")
    assert done.code == 2
    assert "revert window has ended" in done.err
    assert nicks(cli.database) == 2500


def test_a_signal_stops_it_safely_and_the_same_command_goes_on(cli: Cli) -> None:
    file = cli.write(a_migration())
    with psycopg.connect(cli.database.url) as reader:
        reader.execute("SELECT count(*) FROM users")  # holds a lock that ADD COLUMN must wait for
        process = cli.start("run", file)
        seen = []
        assert process.stderr is not None
        while "waits for a lock held by" not in (line := process.stderr.readline()):
            assert line, "".join(seen)
            seen.append(line)
        process.send_signal(signal.SIGINT)
        done = cli.wait(process)
    assert done.code == 130
    assert "Stopping safely" in done.err
    assert "Run the same command again to continue" in done.err
    assert "nick is Migrating" in done.err
    assert "Migrating" in cli.run("status", "-n", "shop").out
    again = cli.run("run", file)
    assert again.code == 0, again.err
    assert nicks(cli.database) == 2500


def test_a_rollback_of_an_unfinished_one_undoes_it(cli: Cli) -> None:
    file = cli.write(
        a_migration(steps=[ADD_NICK, {"name": "slow", "sql": {"up": "SELECT pg_sleep(60)", "down": "SELECT 1"}}])
    )
    process = cli.start("run", file)
    assert process.stderr is not None
    while "step slow (sql): running" not in (line := process.stderr.readline()):
        assert line
    process.send_signal(signal.SIGTERM)
    assert cli.wait(process).code == 143
    done = cli.run("rollback", "nick", "-n", "shop", "-o", "json")
    assert (done.code, done.state) == (0, "RolledBack"), done.err
    assert columns(cli.database) == ["id", "name"]


def test_texts_of_config_maps_beside_it_are_used(cli: Cli) -> None:
    step = {"name": "note", "sql": {"upFrom": {"configMap": "texts", "key": "up.sql"}}}
    config_map = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "texts"},
        "data": {"up.sql": "UPDATE users SET name = 'x' WHERE id = 1"},
    }
    beside = cli.write(config_map, name="texts.yaml")
    done = cli.run("run", cli.write(a_migration(steps=[step])), "--with", beside)
    assert done.code == 0, done.err
    assert cli.database.psql("SELECT name FROM users WHERE id = 1") == [("x",)]


def test_a_target_in_the_file_says_environment_and_backups(cli: Cli) -> None:
    target = {
        "apiVersion": "backstitch.dev/v1alpha1",
        "kind": "MigrationTarget",
        "metadata": {"name": "shop"},
        "spec": {
            "environment": "staging",
            "secretRef": {"name": "unused-here"},
            "backup": {"url": f"file://{cli.folder}/kept"},
        },
    }
    done = cli.run("run", cli.write(target, a_migration()))
    assert done.code == 0, done.err
    assert "(staging)" in done.err
    assert list((cli.folder / "kept").rglob("manifest.json"))


def test_backups_in_a_bucket_take_their_keys_from_the_environment(cli: Cli, s3_server: S3Server, bucket: str) -> None:
    keys = {
        "AWS_ACCESS_KEY_ID": s3_server.access_key,
        "AWS_SECRET_ACCESS_KEY": s3_server.secret_key,
        "AWS_ENDPOINT_URL": s3_server.endpoint,
    }
    done = cli.run("run", cli.write(a_migration()), "--backup-to", f"s3://{bucket}/kept", "-o", "json", **keys)
    assert done.code == 0, done.err
    assert json.loads(done.out)["status"]["backup"]["place"].startswith(f"s3://{bucket}/kept/")
    assert s3_server.secret_key not in done.out + done.err


def test_a_store_that_does_not_answer_stops_it_before_the_first_change(cli: Cli) -> None:
    keys = {
        "AWS_ACCESS_KEY_ID": "id-of-a-key",
        "AWS_SECRET_ACCESS_KEY": secrets.token_hex(16),
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{free_port()}",
    }
    done = cli.run("run", cli.write(a_migration()), "--backup-to", "s3://bucket/kept", "-o", "json", **keys)
    assert (done.code, done.state) == (4, "Stopped"), done.err
    assert keys["AWS_SECRET_ACCESS_KEY"] not in done.out + done.err
    assert columns(cli.database) == ["id", "name"]


def test_one_whose_turn_does_not_come_waits_as_long_as_told(cli: Cli) -> None:
    file = cli.write(a_migration(dependsOn=[{"name": "before"}]))
    done = cli.run("run", file, "--wait", "0s", "-o", "json")
    assert (done.code, done.state) == (4, "Waiting"), done.err
    assert "Waits for migration before, which is not there yet." in done.err
    assert "nothing was touched" in done.err


def test_on_a_terminal_it_draws_steps_and_leaves_the_last_view(cli: Cli) -> None:
    terminal, slave = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "backstitch", "run", cli.write(a_migration(checks=[a_check(2500)])), "-o", "json"],
        env={**cli.environment, "TERM": "xterm", "COLUMNS": "160", "LINES": "40"},
        stdout=subprocess.PIPE,
        stderr=slave,
        text=True,
    )
    os.close(slave)
    drawn = b""
    with contextlib.suppress(OSError):  # EIO: the other side is closed
        while part := os.read(terminal, 65536):
            drawn += part
    os.close(terminal)
    out, _ = process.communicate(timeout=LIMIT_S)
    text = drawn.decode(errors="replace")
    cli.written.append(text)
    assert process.returncode == 0, text
    assert json.loads(out)["status"]["state"] == "Succeeded"
    assert "✓ add" in text
    assert "✓ fill" in text
    assert "2,500 of about 2,500 rows" in text
    assert "✓ how-many passed: found 2500" in text
    assert "Succeeded" in text
    assert "It can be rolled back until" in text[-300:]


def test_an_export_is_a_document_that_can_be_planned_again(cli: Cli) -> None:
    assert cli.run("run", cli.write(a_migration(checks=[a_check(2500)]))).code == 0
    exported = cli.run("export", "nick", "-n", "shop")
    assert exported.code == 0, exported.err
    block = yaml.safe_load(exported.out)["migration_orchestration"]
    assert block["migration_steps"][1]["measured"]["rows"] == 2500
    path = cli.folder / "exported.yaml"
    path.write_text(exported.out)
    again = cli.run("export", str(path))
    assert [s["operation"] for s in yaml.safe_load(again.out)["migration_orchestration"]["migration_steps"]] == [
        "add_column",
        "backfill",
    ]
