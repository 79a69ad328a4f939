# SPDX-License-Identifier: Apache-2.0
"""Is our corpus of migrations whole: every operation of the DDL table, every tool's layout, a verdict for each?"""

from __future__ import annotations

import pytest

from tests.corpus import FOLDER, History, coverage, histories

OPERATIONS = 134
_IDS = [h.name for h in histories()]


def test_every_operation_of_the_ddl_table_is_done_by_a_migration_or_says_why_not() -> None:
    rows = coverage()
    named = {h.name: {m.name for m in h.directory.migrations} for h in histories()}

    assert sorted(rows) == list(range(1, OPERATIONS + 1))
    empty = [f"row {n}, {row['what']}" for n, row in rows.items() if not row.get("files") and not row.get("instead")]
    assert not empty
    missing = [f for row in rows.values() for f in row.get("files", []) if not (FOLDER / f).is_file()]
    assert not missing
    strangers = [f for row in rows.values() for f in row.get("files", []) if f.split("/")[0] not in named]
    assert not strangers


@pytest.mark.parametrize("history", histories(), ids=_IDS)
def test_every_migration_has_a_verdict_that_may_be(history: History) -> None:
    names = [m.name for m in history.directory.migrations]

    assert list(history.expected) == names
    for name, expected in history.expected.items():
        assert expected.computed.split("[")[0] in ("Identical", "IdenticalExcept", "Refused"), name
        assert (expected.computed == "Refused") == bool(expected.reason), f"{name}: a refusal says why"
    downs = {m.name for m in history.directory.migrations if m.down is not None}
    unjudged = {n for n, e in history.expected.items() if e.computed == "Refused"}
    assert {n for n, e in history.expected.items() if e.down} <= downs
    assert downs - unjudged <= {n for n, e in history.expected.items() if e.down}


def test_the_corpus_is_large_and_written_as_people_write() -> None:
    all_of_them = histories()
    migrations = [m for h in all_of_them for m in h.directory.migrations]
    tools = {h.directory.tool for h in all_of_them}
    downs = [e.down for h in all_of_them for e in h.expected.values() if e.down]

    assert len(migrations) >= 200
    assert tools >= {"golang-migrate", "diesel", "prisma", "flyway", "dbmate", "goose", "sqitch"}
    assert downs.count("Different") >= 20, "authors' ways back are subtly wrong at times"
    assert downs.count("Failed") >= 2
