# SPDX-License-Identifier: Apache-2.0
"""Does every sample end as it says? Each is run by the command line, under the rules of production, on a small shop.

A sample says its end in the annotation backstitch.dev/ends (an orchestration block in a comment). It finds the shop of
shop.sql, and what a file of its own name with .sql adds to it.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from backstitch.model.checks import KINDS
from backstitch.model.operations import OPERATIONS
from tests.plugins.pg import TestDatabase

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "manifests" / "samples"
TARGET = FOLDER / "target.yaml"
SAMPLES = sorted(path for path in FOLDER.glob("*.yaml") if path != TARGET)
EXIT_CODES = {"Succeeded": 0, "Refused": 2, "RolledBack": 3}
LIMIT_S = 120


def end_of(sample: Path) -> str:
    """The end a sample says it comes to."""
    found = re.search(r"backstitch\.dev/ends: (\w+)", sample.read_text())
    assert found is not None, f"{sample.name} does not say how it ends"
    return found[1]


def run(sample: Path, database: TestDatabase, backups: Path) -> tuple[int, dict[str, Any], str]:
    """Read its plan, say yes to it and run it through the command line; gives exit code, status, and what it said."""
    _, plan, _ = call("plan", sample, database)
    code, document, said = call(
        *("run", sample, database, "--backup-to", f"file://{backups}", "--approve", plan["digest"]),
        *("--without-rehearsal", "the sample shows what happens in production itself"),
    )
    return code, document.get("status", {}), said


def call(verb: str, sample: Path, database: TestDatabase, *options: str) -> tuple[int, dict[str, Any], str]:
    """Call `backstitch` in production; gives exit code, the JSON, and what it said."""
    done = subprocess.run(
        [
            *[sys.executable, "-m", "backstitch", verb, str(sample), "--with", str(TARGET)],
            *["--environment", "production", "-o", "json", *options],
        ],
        env={**os.environ, "BACKSTITCH_DATABASE": database.url, "PYTHONPATH": str(ROOT / "operator")},
        capture_output=True,
        text=True,
        check=False,
        timeout=LIMIT_S,
    )
    return done.returncode, json.loads(done.stdout or "{}"), done.stderr


def fill(database: TestDatabase, sample: Path) -> None:
    """Make the shop, and what this sample needs besides."""
    for file in (FOLDER / "shop.sql", sample.with_suffix(".sql")):
        if file.exists():
            database.psql(file.read_text())


@pytest.mark.parametrize("sample", SAMPLES, ids=[path.stem for path in SAMPLES])
def test_a_sample_ends_as_it_says(sample: Path, database: TestDatabase, tmp_path: Path) -> None:
    fill(database, sample)
    code, status, said = run(sample, database, tmp_path)
    assert (status.get("state"), code) == (end_of(sample), EXIT_CODES[end_of(sample)]), said
    if status["state"] == "RolledBack":
        assert status["rollback"]["verdict"] == "Identical", said


def test_the_samples_show_every_operation_and_every_check() -> None:
    texts = "\n".join(path.read_text() for path in SAMPLES)
    assert [kind for kind in OPERATIONS if not re.search(rf"\b{kind}:", texts)] == []
    # schemaIs needs the fingerprint of somebody's own database
    assert [kind for kind in KINDS if kind != "schemaIs" and not re.search(rf"\b{kind}:", texts)] == []


def test_samples_have_names_and_versions_of_their_own() -> None:
    read = [
        document
        for path in SAMPLES
        for document in yaml.safe_load_all(path.read_text())
        if document.get("kind") == "DatabaseMigration"
    ]
    names = [document["metadata"]["name"] for document in read]
    versions = [document["spec"]["version"] for document in read]
    assert len(set(names)) == len(names)
    assert len(set(versions)) == len(versions)
    assert [path.stem for path in SAMPLES if path.stem not in names] == ["orchestration"]


@pytest.mark.one_major
def test_a_rehearsal_stops_a_sample_that_would_have_to_go_back(database: TestDatabase, tmp_path: Path) -> None:
    sample = FOLDER / "failing-check.yaml"
    fill(database, sample)
    place = ("--backup-to", f"file://{tmp_path}")
    code, report, said = call("rehearse", sample, database, *place)
    assert code == 4, said
    assert {g["name"]: g["result"] for g in report["gates"]}["checks"] == "broken"
    assert report["verdict"] == "Identical"
    assert database.psql("select count(*) from pg_namespace where nspname like 'backstitch%'") == [(0,)]
    assert list(tmp_path.rglob("*.pgc")) == []
    _, plan, _ = call("plan", sample, database)
    code, document, said = call("run", sample, database, *place, "--approve", plan["digest"])
    assert (document["status"]["state"], document["status"]["reason"], code) == ("Stopped", "RehearsalFailed", 4), said
    assert document["status"]["rehearsal"]["result"] == "NotProven"
    conditions = {c["type"]: (c["status"], c["reason"]) for c in document["status"]["conditions"]}
    assert conditions["Rehearsed"] == ("False", "RehearsalNotProven")
    _, plan, _ = call("plan", sample, database)
    assert plan["rehearsal"]["verdict"] == "Identical"


@pytest.mark.one_major
def test_rehearse_shows_what_it_saw(database: TestDatabase, tmp_path: Path) -> None:
    sample = FOLDER / "add-column.yaml"
    fill(database, sample)
    place = ("--backup-to", f"file://{tmp_path}")
    done = subprocess.run(
        [sys.executable, "-m", "backstitch", "rehearse", str(sample), "--database", database.url, *place, "--save"],
        env={**os.environ, "PYTHONPATH": str(ROOT / "operator")},
        capture_output=True,
        text=True,
        check=False,
        timeout=LIMIT_S,
    )
    assert done.returncode == 0, done.stderr
    assert "AccessExclusive public." in done.stdout
    assert "gate lockBudget: held." in done.stdout
    assert done.stdout.rstrip().endswith("Every gate held: it may touch the database.")
    planned = subprocess.run(
        [sys.executable, "-m", "backstitch", "plan", str(sample), "--database", database.url],
        env={**os.environ, "PYTHONPATH": str(ROOT / "operator")},
        capture_output=True,
        text=True,
        check=False,
        timeout=LIMIT_S,
    )
    assert "(rehearsed)" in planned.stdout, planned.stderr
