# SPDX-License-Identifier: Apache-2.0
"""The linter: places in files, ignores with reasons, and its three forms."""

from __future__ import annotations

import json

import pytest

from backstitch.core.lint import LintReport, lint_text, to_json, to_sarif, to_text
from tests.unit.hazard_facts import shop

DOCUMENT = """\
apiVersion: backstitch.dev/v1alpha1
kind: DatabaseMigration
spec:
  phases:
  - name: first
    steps:
    - name: one
      sql:
        up: |
          -- é
          UPDATE orders SET status = 'x';

          CREATE INDEX orders_at ON orders (placed_at);
        down: "SELEC 1"
    - name: two
      sql: {up: "DROP TABLE orders"}
---
kind: DatabaseMigration
spec: {phases: [{name: a, steps: [{name: b, sql: {up: "BEGIN"}}]}]}
"""


def _places(report: LintReport) -> list[tuple[str, int]]:
    return [(f.id, f.line) for f in report.findings]


def test_findings_of_sql_have_their_line() -> None:
    report = lint_text("SELECT 1;\n\nDROP TABLE orders;\nCREATE INDEX i ON orders (status);\n", "a.sql")
    assert _places(report) == [("drop-table", 3), ("create-index-blocks-writes", 4)]
    assert report.statements == 3


def test_findings_of_documents_have_the_line_of_the_file() -> None:
    report = lint_text(DOCUMENT, "m.yaml")
    assert _places(report) == [
        ("update-without-where", 11),
        ("create-index-blocks-writes", 13),
        ("unparsable", 14),
        ("drop-table", 16),
        ("transaction-control", 19),
    ]


def test_a_down_may_drop_what_its_up_made() -> None:
    text = 'spec: {sql: {up: "CREATE TABLE a (id bigint PRIMARY KEY)", down: "DROP TABLE a"}}'
    assert lint_text(text, "a.yml").findings == ()


def test_an_ignore_with_a_reason_takes_back_what_it_names_for_its_statement_only() -> None:
    text = (
        "-- backstitch:ignore create-index-blocks-writes measured, 200 ms\n"
        "CREATE INDEX a ON orders (status);\n"
        "CREATE INDEX b ON orders (status);\n"
    )
    report = lint_text(text, "a.sql")
    assert _places(report) == [("create-index-blocks-writes", 3)]
    assert report.ignored == 1


@pytest.mark.parametrize(
    "comment, found",
    [
        ("-- backstitch:ignore create-index-blocks-writes", "ignore-without-reason"),
        ("-- backstitch:ignore", "ignore-without-reason"),
        ("-- backstitch:ignore drop-table because", "unused-ignore"),
    ],
)
def test_an_ignore_that_says_too_little_or_hits_nothing_is_reported(comment: str, found: str) -> None:
    report = lint_text(f"SELECT 1;\n{comment}\nCREATE INDEX a ON orders (status);\n", "a.sql")
    assert (found, 2) in _places(report)
    assert ("create-index-blocks-writes", 3) in _places(report)


def test_what_is_impossible_cannot_be_ignored() -> None:
    report = lint_text("-- backstitch:ignore transaction-control I know\nBEGIN;", "a.sql")
    assert [f.id for f in report.findings] == ["unused-ignore", "transaction-control"]


def test_facts_make_it_milder() -> None:
    text = "CREATE INDEX a ON countries (name)"
    assert [f.level for f in lint_text(text, "a.sql").findings] == ["error"]
    assert [f.level for f in lint_text(text, "a.sql", shop()).findings] == ["warning"]


@pytest.mark.parametrize(
    "text, path, found",
    [
        ("SELEC 1", "a.sql", "unparsable"),
        ("SELECT 1\0", "a.sql", "unparsable"),
        ("", "a.sql", "unparsable"),
        ("a: [", "a.yaml", "unreadable"),
        ("a: \0", "a.yaml", "unreadable"),
        ("[" * 5000, "a.yaml", "unreadable"),
    ],
)
def test_text_that_cannot_be_read_is_a_finding_that_blocks_everywhere(text: str, path: str, found: str) -> None:
    report = lint_text(text, path)
    assert [f.id for f in report.findings] == [found]
    assert report.blocking("development") == report.findings


def test_yaml_that_points_to_itself_ends() -> None:
    assert lint_text("a: &x [*x]", "a.yaml").findings == ()


def test_what_blocks_depends_on_the_environment() -> None:
    report = lint_text("CREATE INDEX i ON orders (status); DROP INDEX orders_status", "a.sql")
    assert report.blocking("development") == ()
    assert len(report.blocking("production")) == 2


def test_reports_add_up_and_as_text_have_one_line_a_finding() -> None:
    report = lint_text("DROP TABLE a", "a.sql") + lint_text("DROP VIEW b", "b.sql")
    lines = to_text(report).splitlines()
    assert lines[0].startswith("a.sql:1:1: error drop-table: ")
    assert lines[1].startswith("b.sql:1:1: warning drop-view: ")
    assert lines[2] == "2 statements: 1 error, 1 warning, 0 policy"


def test_json_has_every_finding() -> None:
    report = lint_text(DOCUMENT, "m.yaml")
    whole = json.loads(to_json(report))
    assert whole["statements"] == report.statements
    assert [(f["id"], f["line"]) for f in whole["findings"]] == _places(report)
    assert whole["findings"][0]["blocksIn"] == ["staging", "production"]


def test_sarif_refers_to_its_rules() -> None:
    report = lint_text("CREATE INDEX a ON orders (status, total, note, code);\nSELEC", "a.sql") + lint_text(
        DOCUMENT, "m.yaml"
    )
    document = json.loads(to_sarif(report, version="1.2.3"))
    (run,) = document["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert document["version"] == "2.1.0"
    assert run["tool"]["driver"]["semanticVersion"] == "1.2.3"
    assert len(run["results"]) == len(report.findings)
    for result, finding in zip(run["results"], report.findings, strict=True):
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"] == finding.id
        assert result["level"] in ("error", "warning", "note")
        place = result["locations"][0]["physicalLocation"]
        assert place["artifactLocation"]["uri"] == finding.path
        assert place["region"]["startLine"] == finding.line >= 1
