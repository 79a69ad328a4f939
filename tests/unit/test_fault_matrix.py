# SPDX-License-Identifier: Apache-2.0
"""Is every row of the fault matrix there, and does every test that it names exist?"""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROWS = [
    [cell.strip() for cell in line.strip("|").split(" | ")]
    for line in (ROOT / "docs" / "fault-matrix.md").read_text().splitlines()
    if re.match(r"\| \d+ \|", line)
]
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


def functions_of(path: Path) -> set[str]:
    return {
        node.name
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }


def test_all_eighty_are_there_in_order() -> None:
    assert [row[0] for row in ROWS] == [str(number) for number in range(1, 81)]
    assert all(len(row) == 4 for row in ROWS)


@pytest.mark.parametrize("row", ROWS, ids=[row[0] for row in ROWS])
def test_a_row_names_tests_that_exist_or_says_why_there_is_none(row: list[str]) -> None:
    named = NAMED.findall(row[3])
    if not named:
        assert row[3].startswith("**No test.** ")
        assert len(row[3]) > 40
    for file, name in named:
        assert (ROOT / file).exists(), file
        assert name in functions_of(ROOT / file), f"{file} has no {name}"
    assert row[3].count("::") == len(named), "a name that is not file::test"


def test_few_rows_have_no_test() -> None:
    assert len([row for row in ROWS if row[3].startswith("**No test.**")]) <= 6
