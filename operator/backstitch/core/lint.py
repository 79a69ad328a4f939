# SPDX-License-Identifier: Apache-2.0
"""What `backstitch lint` says about a file: a report, and the report as text, JSON and SARIF 2.1.0.

Takes SQL files and YAML files with DatabaseMigration documents (their `sql` steps). A comment
`-- backstitch:ignore <id> <reason>` takes back what it names; one that does not is reported.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import yaml

from backstitch.core.hazard import EVERYWHERE, Hazard, Level
from backstitch.core.hazard_ignores import take_back
from backstitch.core.hazards import RULES, find_hazards
from backstitch.model.facts import Facts
from backstitch.model.script import ScriptError, Statement, split
from backstitch.model.script_effects import created_tables
from backstitch.model.script_rules import forbidden
from backstitch.model.spec import Environment

_RANK: dict[Level, int] = {"error": 0, "warning": 1, "policy": 2}
_SARIF_LEVEL: dict[Level, str] = {"error": "error", "warning": "warning", "policy": "note"}

# Findings that are about the text and not in the table of hazards.
_TEXT_RULES: dict[str, str] = {
    "unparsable": "text that PostgreSQL's parser does not take",
    "refused": "a statement that a sql step does not take",
    "ignore-without-reason": "backstitch:ignore without a rule or a reason",
    "unused-ignore": "backstitch:ignore that takes nothing back",
    "unreadable": "a YAML file that cannot be read",
}


@dataclass(frozen=True)
class Finding:
    """One thing the linter says."""

    id: str
    level: Level
    path: str
    line: int  # in the file
    message: str
    column: int = 1
    statement: str = ""
    blocks_in: tuple[Environment, ...] = ()


@dataclass(frozen=True)
class LintReport:
    """What was found in one or more files, in the order of files and lines."""

    findings: tuple[Finding, ...] = ()
    statements: int = 0
    ignored: int = 0  # findings that an ignore comment takes back

    def __add__(self, other: LintReport) -> LintReport:
        return LintReport(
            self.findings + other.findings, self.statements + other.statements, self.ignored + other.ignored
        )

    def blocking(self, environment: Environment) -> tuple[Finding, ...]:
        """Give the findings that refuse a migration in this environment."""
        return tuple(f for f in self.findings if environment in f.blocks_in)


def lint_text(text: str, path: str, facts: Facts | None = None) -> LintReport:
    """Lint one file's text; a path that ends in .yaml or .yml is read as documents. Never raises for what is in it."""
    if not path.endswith((".yaml", ".yml")):
        return _lint_sql(text, path, facts)
    report = LintReport()
    try:
        for key, script, line in _scripts(text):
            part = _lint_sql(script, path, facts) if key == "up" else _lint_down(script, path)
            moved = tuple(replace(f, line=f.line + line - 1) for f in part.findings)
            report += replace(part, findings=moved)
    except (yaml.YAMLError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark is not None else 1
        problem = getattr(error, "problem", None) or "it is nested too deeply or has characters YAML does not take"
        report += LintReport((_text_finding("unreadable", path, line, f"The file is not YAML: {problem}."),))
    return report


def to_text(report: LintReport) -> str:
    """Give the report for a terminal, one finding a line, and a last line with the numbers."""
    lines = [f"{f.path}:{f.line}:{f.column}: {f.level} {f.id}: {f.message}" for f in report.findings]
    counts = [f"{sum(f.level == level for f in report.findings)} {level}" for level in _RANK]
    tail = f", {report.ignored} ignored" if report.ignored else ""
    lines.append(f"{report.statements} statements: {', '.join(counts)}{tail}")
    return "\n".join(lines) + "\n"


def to_json(report: LintReport) -> str:
    """Give the report as one JSON object."""
    findings = [
        {
            "id": f.id,
            "level": f.level,
            "path": f.path,
            "line": f.line,
            "column": f.column,
            "message": f.message,
            "statement": f.statement,
            "blocksIn": list(f.blocks_in),
        }
        for f in report.findings
    ]
    whole = {"statements": report.statements, "ignored": report.ignored, "findings": findings}
    return json.dumps(whole, indent=2, ensure_ascii=False) + "\n"


def to_sarif(report: LintReport, version: str = "0") -> str:
    """Give the report as SARIF 2.1.0, which code hosts show beside the changed lines. `version` is the tool's."""
    known = {rule.id: rule for rule in RULES}
    used = sorted({f.id for f in report.findings})
    rules: list[dict[str, object]] = []
    for name in used:
        rule = known.get(name)
        described: dict[str, object] = {
            "id": name,
            "shortDescription": {"text": rule.when if rule else _TEXT_RULES.get(name, name)},
        }
        if rule is not None:
            described["help"] = {"text": f"Lock: {rule.lock}. Cost: {rule.cost}. Instead: {rule.safe}."}
            described["defaultConfiguration"] = {"level": _SARIF_LEVEL[rule.level]}
        rules.append(described)
    results = [
        {
            "ruleId": f.id,
            "ruleIndex": used.index(f.id),
            "level": _SARIF_LEVEL[f.level],
            "message": {"text": f.message},
            "locations": [
                {
                    "physicalLocation": {
                        "artifactLocation": {"uri": f.path.replace("\\", "/")},
                        "region": {"startLine": f.line, "startColumn": f.column},
                    }
                }
            ],
        }
        for f in report.findings
    ]
    driver = {"name": "backstitch", "semanticVersion": version, "rules": rules}
    document = {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": results}],
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _lint_sql(text: str, path: str, facts: Facts | None) -> LintReport:
    try:
        statements = split(text)
    except ScriptError as error:
        message = f"{error.reason[:1].upper()}{error.reason[1:]}"
        return LintReport((_text_finding("unparsable", path, error.line, message, error.column),))
    taken = take_back(find_hazards(statements, facts), statements)
    found = [_hazard_finding(hazard, path) for hazard in taken.kept]
    said = {(h.line, h.statement) for h in (*taken.kept, *taken.ignored) if h.level == "error"}
    found += _refusals(statements, path, said)
    found += [Finding(r.id, "warning", path, r.line, r.message) for r in taken.remarks]
    found.sort(key=lambda f: (f.line, _RANK[f.level], f.id))
    return LintReport(tuple(found), len(statements), len(taken.ignored))


def _lint_down(text: str, path: str) -> LintReport:
    """Only parse it: a way back may drop what its `up` has made, which RunSql judges with both at hand."""
    try:
        return LintReport(statements=len(split(text)))
    except ScriptError as error:
        message = f"down: {error.reason}"
        return LintReport((_text_finding("unparsable", path, error.line, message, error.column),))


def _hazard_finding(hazard: Hazard, path: str) -> Finding:
    return Finding(
        id=hazard.id,
        level=hazard.level,
        path=path,
        line=hazard.line,
        message=hazard.message,
        statement=hazard.statement,
        blocks_in=hazard.blocks_in,
    )


def _refusals(statements: Sequence[Statement], path: str, said: set[tuple[int, str]]) -> Iterator[Finding]:
    """Give what a `sql` step refuses and no hazard of level error has already said."""
    created = created_tables(statements)
    for statement in statements:
        reason = forbidden(statement, created)
        if reason and (statement.line, statement.excerpt) not in said:
            message = f"{reason[:1].upper()}{reason[1:]}"
            yield replace(_text_finding("refused", path, statement.line, message), statement=statement.excerpt)


def _text_finding(name: str, path: str, line: int, message: str, column: int = 1) -> Finding:
    return Finding(name, "error", path, line, message, column, blocks_in=EVERYWHERE)


def _scripts(text: str) -> Iterator[tuple[str, str, int]]:
    """Give each inline `up` and `down` of a `sql` step, with its key and the line its text begins on."""
    for document in yaml.compose_all(text, Loader=yaml.SafeLoader):
        yield from _walk_yaml(document)


def _walk_yaml(root: yaml.Node | None) -> Iterator[tuple[str, str, int]]:
    waiting = [root] if root is not None else []
    seen: set[int] = set()  # an alias of YAML may point to what it is in
    while waiting:
        node = waiting.pop(0)
        if id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            waiting = [*node.value, *waiting]
        elif isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                if isinstance(key, yaml.ScalarNode) and key.value == "sql" and isinstance(value, yaml.MappingNode):
                    yield from _texts(value)
            waiting = [*(value for _, value in node.value), *waiting]


def _texts(step: yaml.MappingNode) -> Iterator[tuple[str, str, int]]:
    for key, value in step.value:
        if isinstance(value, yaml.ScalarNode) and isinstance(key, yaml.ScalarNode) and key.value in ("up", "down"):
            block = value.style in ("|", ">")
            yield key.value, value.value, value.start_mark.line + (2 if block else 1)
