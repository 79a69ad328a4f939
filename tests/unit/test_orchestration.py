# SPDX-License-Identifier: Apache-2.0
"""Is a migration the same after it was written as a `migration_orchestration` document and read back?"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from backstitch.core.errors import UsageError
from backstitch.core.orchestration import from_migration, to_migration, to_yaml
from backstitch.core.read_document import read_document
from backstitch.model.checks import CheckResult
from backstitch.model.orchestration import Orchestration
from backstitch.model.record import BackupRecord, Record, RollbackRecord, StepRecord
from backstitch.model.states import State

DATA = Path(__file__).parent.parent / "data" / "orchestration"
FULL = (DATA / "full_name.yaml").read_text()


def the_document(text: str) -> Orchestration:
    (document,) = read_document(text)
    assert isinstance(document, Orchestration)
    return document


def changed(change: Any) -> Orchestration:
    """The full document after a change of its plain data."""
    plain = yaml.safe_load(FULL)["migration_orchestration"]
    change(plain)
    return Orchestration.model_validate(plain)


@pytest.mark.parametrize("file", sorted(DATA.glob("*.yaml")), ids=lambda f: f.stem)
def test_every_sample_survives_the_round_trip(file: Path) -> None:
    first = to_migration(the_document(file.read_text()))
    written = to_yaml(from_migration(first.migration, first.environment))
    assert to_migration(the_document(written)) == first


def test_the_document_says_what_the_migration_does() -> None:
    migration, environment = to_migration(the_document(FULL))
    spec = migration.spec
    assert environment == "production"
    assert (migration.metadata.name, migration.metadata.namespace) == ("full-name", "shop")
    assert spec.target_ref.name == "shop-db"
    assert [(phase, s.name, s.operation.kind) for phase, s in spec.steps()] == [
        ("expand", "add-full-name", "addColumn"),
        ("expand", "audit-note", "sql"),
        ("switch", "step-3", "setNotNull"),
    ]
    note = spec.phases[0].steps[1]
    assert note.description == "Write down what was done"
    assert note.sql is not None
    assert note.sql.up == "INSERT INTO notes (what)\nVALUES ('full_name added');\n"
    assert note.sql.down == "DELETE FROM notes WHERE what = 'full_name added'"
    assert [c.name for c in spec.phases[0].checks or []] == ["column-there"]
    assert [c.kind for c in spec.checks or []] == ["rowsUnchanged", "query", "query", "query", "query"]
    assert [c.expect.to_plain() for c in spec.checks or [] if c.expect] == [
        {"type": "boolean", "equals": "true"},
        {"type": "number", "min": 45, "max": 55},
        {"type": "string", "equals": "open"},
        {"empty": True},
    ]
    assert spec.assume is not None
    assert spec.assume.row_counts == {"users": 50}
    assert spec.rollback is not None
    assert (spec.rollback.strategy, spec.rollback.revert_window) == ("auto", "24h")
    assert [f.state for f in spec.follow_ups or []] == ["pending", "completed"]


def test_a_rollback_for_the_whole_belongs_to_the_only_sql_step() -> None:
    migration, _ = to_migration(the_document((DATA / "plain_sql.yaml").read_text()))
    step = migration.spec.phases[0].steps[0]
    assert step.sql is not None
    assert step.sql.down == "DELETE FROM shops WHERE id = 1"


def test_the_tables_a_person_wrote_come_out_again() -> None:
    document = the_document(FULL)
    again = from_migration(*to_migration(document))
    assert document.target_state is not None
    assert again.target_state == document.target_state
    assert again.migration.annotations is None


def test_without_them_the_tables_are_those_of_the_steps() -> None:
    document = changed(lambda d: d["target_state"].pop("tables"))
    again = from_migration(*to_migration(document))
    assert again.target_state is not None
    assert [t.model_dump(exclude_none=True) for t in again.target_state.tables or []] == [
        {
            "name": "users",
            "action": "alter",
            "details": ["add-full-name: add_column", "step-3: set_not_null"],
        }
    ]


def set_in(*path: Any, to: Any) -> Any:
    def change(plain: Any) -> None:
        for part in path[:-1]:
            plain = plain[part]
        plain[path[-1]] = to

    return change


@pytest.mark.parametrize(
    "change, says",
    [
        (set_in("target_state", "schema_version", to="7"), "target_state.schema_version is '7'"),
        (set_in("migration_steps", 1, "step", to=5), "migration_steps[1].step: expected 2, found 5"),
        (set_in("migration_steps", 2, "operation", to="set_not_nul"), "Did you mean set_not_null?"),
        (
            set_in("migration_steps", 0, "details", "colum", to="x"),
            "migration_steps[0].details.colum: unknown field. Did you mean column?",
        ),
        (set_in("migration_steps", 0, "details", to={"table": "t"}), "migration_steps[0].details.column: is required"),
        (set_in("migration_steps", 0, "sql", to="SELECT 1"), "migration_steps[0].sql: add_column writes its own"),
        (set_in("migration_steps", 0, "rollback", to="SELECT 1"), "migration_steps[0].rollback: add_column writes"),
        (
            set_in("migration_steps", 2, "name", to="Not A Name"),
            "migration_steps[2].name: 'Not A Name' is not of the form",
        ),
        (set_in("migration_steps", 2, "name", to="add-full-name"), "used more than once"),
        (set_in("migration_steps", 1, "phase", to="other"), "verification"),
        (set_in("rollback_plan", "strategy", to="point_in_time"), "Expected reverse_sql or restore_backup"),
        (set_in("rollback_plan", "sql", to="SELECT 1"), "exactly one SQL step without a rollback"),
        (set_in("rollback_plan", "revert_window", to="soon"), "spec.rollback.revertWindow: 'soon' is not of the form"),
        (
            set_in("verification", 1, "check", to="row_unchanged"),
            "verification[1].check: unknown check 'row_unchanged'. Did you mean rows_unchanged?",
        ),
        (set_in("verification", 1, "check", to="query"), "unknown check 'query'"),
        (set_in("verification", 1, "query", to="SELECT 1"), "takes details"),
        (
            set_in("verification", 1, "details", to={"tabel": "t"}),
            "verification[1].details.tabel: unknown field. Did you mean table?",
        ),
        (set_in("verification", 2, "details", to={}), "a query has `expected`"),
        (set_in("verification", 2, "query", to=None), "verification[2].query: is required"),
        (set_in("verification", 2, "expected", to=None), "verification[2].expected: is required"),
        (set_in("verification", 2, "expected", to="0"), "may mean several things"),
        (set_in("verification", 2, "expected", to="> 3"), "{type: number, min: 1}"),
        (set_in("verification", 2, "expected", to="True"), "may mean several things"),
        (set_in("verification", 2, "expected", to=[1]), "expected a number, true or false, text"),
        (
            set_in("verification", 2, "expected", to={"type": "nmber"}),
            "verification[2].expected.type: expected number, boolean or string",
        ),
        (set_in("verification", 0, "phase", to="expnd"), "no step has phase 'expnd'"),
        (set_in("migration", "search_path", to=["x"] * 11), "spec.searchPath: takes at most 10 of them, found 11"),
    ],
)
def test_what_does_not_fit_is_said_with_its_field(change: Any, says: str) -> None:
    if says == "verification":  # a phase that comes back after another
        document = changed(change)
        plain = document.model_dump()
        plain["migration_steps"][2]["phase"] = "expand"
        document, says = Orchestration.model_validate(plain), "phase 'expand' was left before"
    else:
        document = changed(change)
    with pytest.raises(UsageError) as refused:
        to_migration(document)
    assert says in refused.value.message


def test_what_was_measured_is_filled_in_and_ignored_when_read() -> None:
    first = to_migration(the_document(FULL))
    start = datetime(2026, 11, 21, 3, 0, tzinfo=UTC)
    record = Record(
        namespace="shop",
        name="full-name",
        version="20261121.1",
        state=State.ROLLED_BACK,
        reason="CheckFailed",
        message="nobody-lost failed",
        steps=(
            StepRecord(name="audit-note", phase="expand", operation="sql", state="undone", rows_done=7, duration_ms=12),
        ),
        checks=(CheckResult(name="nobody-lost", outcome="failed", value="49 rows", message="One is gone."),),
        backup=BackupRecord(place="s3://b/shop/1/manifest.json", bytes=9, sha256="ab", proven=True, taken_at=start),
        rollback=RollbackRecord(verdict="Identical"),
        started_at=start,
        finished_at=start.replace(minute=1),
    )
    document = from_migration(first.migration, first.environment, record)
    written = yaml.safe_load(to_yaml(document))["migration_orchestration"]
    assert written["migration_steps"][1]["measured"] == {
        "state": "undone",
        "rows": 7,
        "duration_ms": 12,
        "lock_waited_ms": 0,
    }
    assert "measured" not in written["migration_steps"][0]
    assert written["verification"][1]["measured"] == {
        "outcome": "failed",
        "value": "49 rows",
        "message": "One is gone.",
        "attempts": 1,
    }
    assert written["backup"]["place"] == "s3://b/shop/1/manifest.json"
    assert written["backup"]["proven"] is True
    assert written["result"]["state"] == "RolledBack"
    assert written["result"]["duration_ms"] == 60_000
    assert written["result"]["rows_changed"] == 7
    assert written["result"]["rollback_verdict"] == "Identical"
    assert to_migration(the_document(to_yaml(document))) == first
