# SPDX-License-Identifier: Apache-2.0
"""How does a test run the command line as a process on a real database, and know that it kept its secrets?"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml

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
