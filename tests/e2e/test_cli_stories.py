# SPDX-License-Identifier: Apache-2.0
"""What do plan, rollback, purge, signals, stores, files beside and export do, as processes on a real database?"""

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

import psycopg
import yaml

from dev.processes import free_port
from dev.s3 import S3Server
from tests.plugins.cli import ADD_NICK, LIMIT_S, Cli, a_check, a_migration, columns, nicks


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
        seen: list[str] = []
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


def test_a_migration_orchestration_block_is_run_like_a_migration(cli: Cli) -> None:
    block = cli.folder / "block.yaml"
    exported = cli.run("export", cli.write(a_migration(checks=[a_check(2500)])), "--environment", "development")
    block.write_text(exported.out)
    done = cli.run("run", str(block), "-o", "json")
    assert (done.code, done.state) == (0, "Succeeded"), done.err
    assert nicks(cli.database) == 2500
    measured = yaml.safe_load(cli.run("export", str(block), "--database", cli.database.url).out)
    assert measured["migration_orchestration"]["migration_steps"][1]["measured"]["state"] == "done"


def test_killed_outright_it_goes_on_where_the_ledger_says(cli: Cli) -> None:
    file = cli.write(a_migration(checks=[a_check(2500)]))
    process = cli.start("run", file)
    assert process.stderr is not None
    while "step fill (backfill): running" not in (line := process.stderr.readline()):
        assert line
    process.kill()
    assert cli.wait(process).code == -signal.SIGKILL
    done = cli.run("run", file, "-o", "json")
    assert (done.code, done.state) == (0, "Succeeded"), done.err
    assert json.loads(done.out)["status"]["attempt"] == 1
    assert nicks(cli.database) == 2500
