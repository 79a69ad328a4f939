# SPDX-License-Identifier: Apache-2.0
"""Does the tree keep the rules that no other tool checks: sizes, headers, honest tests, nothing of one machine?"""

from __future__ import annotations

import ast
import os
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MAX_LINES = 300


def _files_of_the_project() -> list[Path]:
    """What git tracks or would track, that is there."""
    listed = subprocess.run(
        ["git", "-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    files = [ROOT / os.fsdecode(name) for name in listed.stdout.split(b"\0") if name]
    return [file for file in files if file.is_file()]


FILES = _files_of_the_project()
PYTHON = [file for file in FILES if file.suffix == ".py"]
OPERATOR = [file for file in PYTHON if file.is_relative_to(ROOT / "operator")]


def _named(files: list[Path]) -> list[str]:
    return sorted(str(file.relative_to(ROOT)) for file in files)


def test_the_source_folder_is_no_package_because_its_name_is_one_of_the_standard_library() -> None:
    assert OPERATOR
    assert not (ROOT / "operator" / "__init__.py").exists()


def test_no_file_of_the_operator_is_longer_than_the_limit() -> None:
    assert _named([file for file in OPERATOR if len(file.read_text().splitlines()) > MAX_LINES]) == []


def test_every_python_file_begins_with_the_licence_line() -> None:
    first = "# SPDX-License-Identifier: Apache-2.0\n"
    assert _named([file for file in PYTHON if not file.read_text().startswith(first)]) == []


def test_every_python_file_says_which_question_it_answers() -> None:
    silent = [file for file in PYTHON if not ast.get_docstring(ast.parse(file.read_text()))]
    assert _named(silent) == []


def test_no_drawer_files() -> None:
    drawers = {"utils", "util", "helpers", "common", "misc"}
    assert _named([file for file in PYTHON if drawers & {file.stem, *file.relative_to(ROOT).parts}]) == []


@pytest.mark.parametrize(
    "what, pattern",
    [
        ("a mock", r"^\s*(from|import)\s+(unittest\.mock|mock|pytest_mock)\b|from unittest import .*\bmock\b"),
        ("a skip", r"pytest\.(skip|xfail|importorskip)\b|pytest\.mark\.(skip|skipif|xfail)\b"),
        ("a retry of flaky tests", r"mark\.flaky|--reruns"),
    ],
)
def test_tests_hold_no(what: str, pattern: str) -> None:
    tests = [file for file in PYTHON if file.is_relative_to(ROOT / "tests") and file != Path(__file__)]
    assert _named([file for file in tests if re.search(pattern, file.read_text(), re.MULTILINE)]) == [], what


@pytest.mark.parametrize(
    "what, pattern",
    [
        ("a path of one machine", r"(?<![\w.$}])/(root|home/\w+|Users/\w+|work)/"),
        ("the address of a package registry", r"https?://[^\s\"']*(/simple\b|/artifactory/|/repository/|/nexus/)"),
        ("an index to install from", r"^\s*(--extra-index-url|--index-url|-i|--find-links)\s"),
        ("open work without an issue", r"\b(TO" + r"DO|FIX" + r"ME|XX" + r"X)\b(?!\(#\d+\))"),
    ],
)
def test_no_tracked_file_holds(what: str, pattern: str) -> None:
    found = []
    for file in FILES:
        if file == Path(__file__) or file.suffix in {".sum", ".png", ".svg", ".gif"}:
            continue
        found += [
            f"{file.relative_to(ROOT)}: {match[0].strip()}"
            for match in re.finditer(pattern, file.read_text(errors="replace"), re.MULTILINE)
        ]
    assert found == [], what


def test_make_knows_what_the_readers_are_told() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert {"help", "setup", "check", "test", "demo", "faults", "fmt", "clean", "lock"} <= targets


def test_make_without_a_target_lists_every_target() -> None:
    listed = subprocess.run(
        ["make", "--no-print-directory"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"^  make (\w+)", listed, re.MULTILINE)) == targets


def test_ci_is_executable_and_runs_the_tests_the_slow_suites_and_the_demo() -> None:
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    stages = re.findall(r"^stage \w+ \d+ (make .+)$", script.read_text(), re.MULTILINE)
    assert stages == ["make setup", "make test", "make slow", "make demo"]


def test_the_lock_pins_versions_and_names_no_place_to_get_them() -> None:
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    assert lines
    assert [line for line in lines if not re.fullmatch(r"[A-Za-z0-9._-]+==[\w.+!]+", line)] == []


def test_the_lock_holds_every_requirement_of_the_project() -> None:
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [
        *project["dependencies"],
        *(each for extra in project["optional-dependencies"].values() for each in extra),
    ]
    names = {_normal(re.split(r"[\[<>=~! ;]", requirement)[0]) for requirement in wanted} - {project["name"]}
    locked = {_normal(line.split("==")[0]) for line in (ROOT / "requirements.lock").read_text().splitlines()}
    assert names - locked == set()


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
