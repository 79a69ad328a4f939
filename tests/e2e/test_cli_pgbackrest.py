# SPDX-License-Identifier: Apache-2.0
"""The command line on the database's own machine with a target whose method is pgBackRest, on a real repository."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dev.pgbackrest import Stanza
from tests.plugins.cli import ADD_NICK, FILL_NICK, Cli, a_check, a_migration, columns
from tests.plugins.pg import TestDatabase

pytestmark = pytest.mark.slow


def a_target(stanza: Stanza, folder: Path, **backup: Any) -> dict[str, Any]:
    return {
        "apiVersion": "backstitch.dev/v1alpha1",
        "kind": "MigrationTarget",
        "metadata": {"name": "shop", "namespace": "shop"},
        "spec": {
            "environment": "staging",
            "secretRef": {"name": "shop"},
            "backup": {
                "url": f"file://{folder}/backups",
                "method": "pgBackRest",
                "proof": "restore",
                "pgBackRest": {
                    "stanza": stanza.name,
                    "configFile": str(stanza.config),
                    "sideFolder": str(stanza.folder / "side"),
                },
                **backup,
            },
        },
    }


def test_proven_by_a_second_server_and_back_through_one(
    archived_database: tuple[TestDatabase, Stanza], tmp_path: Path
) -> None:
    database, stanza = archived_database
    database.psql(
        "CREATE TABLE users (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL);"
        "INSERT INTO users (name) SELECT 'user ' || n FROM generate_series(1, 2500) n"
    )
    cli = Cli(database, tmp_path)
    migration = a_migration(steps=[ADD_NICK, FILL_NICK], checks=[a_check(7)], rollback={"strategy": "pointInTime"})
    file = cli.write(migration, a_target(stanza, tmp_path))
    done = cli.run("run", file, "-o", "json", PGPASSFILE=str(stanza.pgpass))
    assert (done.code, done.state) == (3, "RolledBack"), done.err
    status = json.loads(done.out)["status"]
    assert (status["backup"]["proven"], status["backup"]["proof"]) == (True, "restore")
    assert (status["rollback"]["rung"], status["rollback"]["verdict"]) == (5, "Identical")
    assert columns(database) == ["id", "name"]
    assert "proven by a restored server, restore point backstitch_" in done.err


def test_cloudnativepg_needs_the_cluster(archived_database: tuple[TestDatabase, Stanza], tmp_path: Path) -> None:
    database, stanza = archived_database
    cli = Cli(database, tmp_path)
    target = a_target(stanza, tmp_path, method="cloudNativePG", proof="dump", cloudNativePG={"cluster": "shop-db"})
    done = cli.run("run", cli.write(a_migration(), target))
    assert done.code == 1
    assert "written by the operator in the cluster" in done.err
