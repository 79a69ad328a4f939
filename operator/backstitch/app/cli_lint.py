# SPDX-License-Identifier: Apache-2.0
"""Which files does `backstitch lint` look at, and what is wrong with their documents? core/lint.py judges the SQL."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from backstitch.app.cli_documents import read_text
from backstitch.core.errors import UsageError
from backstitch.core.hazard import EVERYWHERE
from backstitch.core.lint import Finding, LintReport, lint_text
from backstitch.core.orchestration import to_migration
from backstitch.core.policy import ENVIRONMENTS, refuse
from backstitch.core.read_document import read_document
from backstitch.model.orchestration import BLOCK, Orchestration
from backstitch.model.spec import DatabaseMigration, Environment, MigrationSpec

YAML = (".yaml", ".yml")
SUFFIXES = (*YAML, ".sql")
_OURS = re.compile(rf"^(kind:\s*['\"]?(DatabaseMigration|MigrationTarget)\b|{BLOCK}:)", re.MULTILINE)
_LINE = re.compile(r"\bline (\d+)")


def lint_paths(paths: Iterable[Path], environment: Environment) -> LintReport:
    """Give what is wrong in files and folders, for one environment. Raises UsageError: nothing is there to look at."""
    report = LintReport()
    for path in _files(paths):
        text = read_text(path)
        if path.suffix in YAML:
            if not _OURS.search(text):
                continue  # other objects of the same folder are none of our business
            report += _documents(text, str(path), environment)
        report += lint_text(text, str(path))
    return report


def blocks(report: LintReport, environment: Environment) -> bool:
    """Tell whether a migration with these findings would be refused in this environment."""
    rules = ENVIRONMENTS[environment]
    return any(set(f.blocks_in) == set(EVERYWHERE) or rules.hazards_block for f in report.blocking(environment))


def _files(paths: Iterable[Path]) -> list[Path]:
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            found += sorted(p for p in path.rglob("*") if p.suffix in SUFFIXES and p.is_file())
        elif path.exists():
            found.append(path)
        else:
            raise UsageError(f"{path} does not exist.")
    if not found:
        raise UsageError(f"No {', '.join(SUFFIXES)} file was found.")
    return found


def _documents(text: str, path: str, environment: Environment) -> LintReport:
    try:
        documents = read_document(text, path)
    except UsageError as error:
        said = _LINE.search(error.message)
        return LintReport((_finding("invalid-document", path, int(said.group(1)) if said else 1, error.message),))
    findings = []
    for document in documents:
        if isinstance(document, Orchestration):
            document = to_migration(document).migration  # noqa: PLW2901 - the same thing in its other form
        if isinstance(document, DatabaseMigration):
            line = _line_of_name(text, document.metadata.name)
            findings += [_finding("environment", path, line, reason) for reason in _refused(document.spec, environment)]
    return LintReport(tuple(findings))


def _refused(spec: MigrationSpec, environment: Environment) -> tuple[str, ...]:
    return refuse(spec, ENVIRONMENTS[environment])


def _line_of_name(text: str, name: str) -> int:
    found = re.search(rf"\bname:\s*['\"]?{re.escape(name)}\b", text)
    return text.count("\n", 0, found.start()) + 1 if found else 1


def _finding(rule: str, path: str, line: int, message: str) -> Finding:
    return Finding(rule, "error", path, line, message, blocks_in=EVERYWHERE)
