# SPDX-License-Identifier: Apache-2.0
"""Are statements shown without people's data, classed by what they lock, and added up by what they are?"""

from __future__ import annotations

import pytest

from backstitch.core.trace import (
    MAX_TEXT,
    MODES,
    blocks,
    class_of_sql,
    measured_class,
    merged,
    planned_class,
    planned_classes,
    without_literals,
)
from backstitch.model.rehearsal import LockSeen, StatementTrace
from backstitch.model.units import BatchStatement, BatchUnit, DdlUnit, RowsUnit, SqlUnit


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("UPDATE t SET a = 'Ada O''Neil', b = 17 WHERE c2 = 3.5", "UPDATE t SET a = ?, b = ? WHERE c2 = ?"),
        ("SELECT E'x', $tag$ secret $tag$, $$ two $$", "SELECT ?, ?, ?"),
        ("SELECT 1 -- Ada\n, /* Bob */ 2", "SELECT ? , ?"),
        ('ALTER TABLE "t 9" ADD COLUMN "1st" text', 'ALTER TABLE "t 9" ADD COLUMN "1st" text'),
        ("UPDATE t SET a = $1", "UPDATE t SET a = $1"),
    ],
)
def test_values_are_not_shown(text: str, shown: str) -> None:
    assert without_literals(text) == shown


def test_long_statements_are_cut() -> None:
    assert len(without_literals("SELECT " + "a, " * 500)) == MAX_TEXT


@pytest.mark.parametrize(
    ("sql", "found"),
    [
        ("UPDATE users SET a = 1", "rows"),
        ("SELECT count(*) FROM users", "none"),
        ("SELECT do_things()", "unknown"),
        ("DO $$ BEGIN EXECUTE 'ALTER TABLE users ADD a int'; END $$", "unknown"),
        ("CREATE TABLE a (id int)", "none"),
        ("CREATE TABLE a (id int REFERENCES users)", "exclusive"),
        ("CREATE VIEW v AS SELECT 1", "none"),
        ("ALTER TABLE users VALIDATE CONSTRAINT c", "validate"),
        ("ALTER TABLE users ADD a int", "exclusive"),
        ("CREATE INDEX i ON users (a)", "exclusive"),
        ("CREATE INDEX CONCURRENTLY i ON users (a)", "validate"),
        ("COMMENT ON TABLE users IS 'x'", "validate"),
        ("UPDATE users SET a = 1; ALTER TABLE users ADD b int", "exclusive"),
        ("this is no SQL", "unknown"),
    ],
)
def test_classes_of_raw_sql(sql: str, found: str) -> None:
    assert class_of_sql(sql) == found


def test_every_mode_has_a_class_and_stronger_ones_block_more() -> None:
    found = [measured_class([LockSeen(relation="t", mode=mode, held_ms=1)]) for mode in MODES]
    assert found == ["none", "none", "rows", "validate", "exclusive", "exclusive", "exclusive", "exclusive"]
    assert "reads" in blocks("AccessExclusiveLock")
    assert "reads" not in blocks("ExclusiveLock")
    assert "writes" in blocks("ShareLock")
    assert "writes" not in blocks("ShareUpdateExclusiveLock")
    assert measured_class([]) == "none"


def test_a_traced_statement_is_found_in_its_plan() -> None:
    long = "UPDATE t SET a = '" + "x" * 10 + "'" + ", b = b" * 80 + " WHERE "
    batch = planned_classes(BatchUnit(table="public.t", statements=(BatchStatement(before=long),), captures=()))
    assert planned_class(without_literals(long + "ROW(id) > ROW('7')"), batch) == "rows"
    ddl = planned_classes(DdlUnit(forward=("ALTER TABLE t ADD a int DEFAULT 5",), backward=("x",), lock="exclusive"))
    assert planned_class(without_literals("ALTER TABLE t ADD a int DEFAULT 5"), ddl) == "exclusive"
    assert planned_class("CREATE TABLE other ()", ddl) == ""
    rows = planned_classes(RowsUnit(table="public.t", columns=("a",), rows=(("1",),)))
    assert planned_class("INSERT INTO public.t (a) SELECT ?", rows) == "rows"
    assert planned_classes(SqlUnit(statements=("DO $$ BEGIN END $$",))) == {"DO ?": "unknown"}


def test_batches_are_one_line() -> None:
    def run(held: float, mode: str) -> StatementTrace:
        lock = LockSeen(relation="t", mode=mode, held_ms=held)
        return StatementTrace(
            direction="forward", phase="p", step="fill", statement="UPDATE t", started_ms=0, duration_ms=10,
            locks=(lock,), rows=5, wal_bytes=7, measured_class=measured_class([lock]),
        )  # fmt: skip

    (one,) = merged([run(3, "RowExclusiveLock"), run(9, "RowExclusiveLock"), run(1, "ShareLock")])
    assert (one.runs, one.rows, one.wal_bytes, one.duration_ms) == (3, 15, 21, 30)
    assert [(lock.mode, lock.held_ms) for lock in one.locks] == [("RowExclusiveLock", 9), ("ShareLock", 1)]
    assert one.measured_class == "exclusive"
    other = run(1, "ShareLock").model_copy(update={"direction": "reverse"})
    assert len(merged([run(1, "ShareLock"), other])) == 2
