# SPDX-License-Identifier: Apache-2.0
"""What does the command line do that needs no database: lint, crd, export, and errors of its own?"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from backstitch.app import cli_ledger
from backstitch.app.cli import main
from backstitch.app.wiring import is_on_this_machine, plan_backup
from backstitch.core.errors import UsageError
from backstitch.model.crd import KINDS, crd_files

MIGRATION = """\
apiVersion: backstitch.dev/v1alpha1
kind: DatabaseMigration
metadata: {name: full-name, namespace: shop}
spec:
  targetRef: {name: shop}
  version: "1"
  type: schema
  phases:
  - name: expand
    steps:
    - name: index
      sql:
        up: |
          SELECT 1;
          CREATE INDEX users_name ON users (name);
"""


def leave(*arguments: str) -> int:
    with pytest.raises(SystemExit) as left:
        main(list(arguments))
    assert isinstance(left.value.code, int)
    return left.value.code


def test_lint_finds_a_blocking_statement_at_its_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "m.yaml"
    path.write_text(MIGRATION)
    assert leave("lint", str(path)) == 2
    said = capsys.readouterr().out
    assert f"{path}:15:" in said
    assert "CONCURRENTLY" in said
    assert leave("lint", str(path), "--environment", "development") == 0


def test_lint_takes_folders_and_passes_over_other_objects(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "deployment.yaml").write_text("apiVersion: apps/v1\nkind: Deployment\n")
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "x.sql").write_text("SELEKT 1;")
    assert leave("lint", str(tmp_path), "-o", "json") == 2
    findings = json.loads(capsys.readouterr().out)["findings"]
    assert [Path(f["path"]).name for f in findings] == ["x.sql"]


def test_lint_says_what_is_wrong_with_a_document(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "m.yaml"
    path.write_text(MIGRATION.replace("  type: schema\n", "  typ: schema\n"))
    assert leave("lint", str(path), "-o", "sarif") == 2
    result = json.loads(capsys.readouterr().out)["runs"][0]["results"][0]
    assert result["ruleId"] == "invalid-document"
    assert "Did you mean type?" in result["message"]["text"]


def test_lint_of_nothing_is_wrong_usage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert leave("lint", str(tmp_path)) == 1
    assert "file was found" in capsys.readouterr().err


def test_crd_prints_what_kubectl_applies(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert leave("crd") == 0
    names = [d["metadata"]["name"] for d in yaml.safe_load_all(capsys.readouterr().out) if d]
    assert names == [f"{kind.plural}.backstitch.dev" for kind in KINDS]
    assert leave("crd", "--write", str(tmp_path)) == 0
    assert {p.name: p.read_text() for p in tmp_path.iterdir()} == crd_files()


def test_help_and_version_are_no_errors(capsys: pytest.CaptureFixture[str]) -> None:
    assert leave("--help") == 0
    assert leave("--version") == 0
    assert "3 RolledBack" in " ".join(capsys.readouterr().out.split())


def test_export_of_a_file_needs_no_database(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "m.yaml"
    path.write_text(MIGRATION)
    assert leave("export", str(path)) == 0
    assert yaml.safe_load(capsys.readouterr().out)["migration_orchestration"]["migration"]["name"] == "full-name"


def test_a_fault_of_ours_is_one_line_and_a_private_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object) -> int:
        raise KeyError("postgresql://app:hidden-word@host/db")

    monkeypatch.setattr(cli_ledger, "export", broken)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert leave("export", "x") == 4
    said = capsys.readouterr().err
    assert said.startswith("Error (Unexpected): KeyError")
    assert said.count("\n") == 1
    assert "Traceback" not in said
    (kept,) = (tmp_path / "backstitch").iterdir()
    assert str(kept) in said
    assert kept.stat().st_mode & 0o777 == 0o600
    assert "Traceback" in kept.read_text()
    assert "hidden-word" not in said + kept.read_text()
    assert leave("export", "x", "--debug") == 4
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("host", "here"),
    [
        ("localhost", True),
        ("127.0.0.1", True),
        ("::1", True),
        ("/run/pg", True),
        ("db.test", False),
        ("192.0.2.1", False),
    ],
)
def test_only_loopback_and_sockets_are_this_machine(host: str, here: bool) -> None:
    assert is_on_this_machine(host) is here


def test_development_has_a_default_place_for_backups_and_production_has_none() -> None:
    plan = plan_backup(None, None, "development", {"XDG_STATE_HOME": "/state"})
    assert plan.storage is not None
    assert plan.storage.url == "file:///state/backstitch/backups"
    assert plan_backup("none", None, "development", {}).storage is None
    for given in (None, "none"):
        with pytest.raises(UsageError, match="asks for a backup"):
            plan_backup(given, None, "production", {})
