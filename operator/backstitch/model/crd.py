# SPDX-License-Identifier: Apache-2.0
"""What are the CRDs of our three kinds? Made from the pydantic models; crds/ is its output.

`backstitch crd` prints it, a test compares it with the files, crd_schema.py does the schemas.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml
from pydantic import BaseModel

from backstitch.model.approval import ApprovalSpec
from backstitch.model.crd_schema import Schema, children, one_line, structural
from backstitch.model.names import GROUP, VERSION
from backstitch.model.operations import OPERATIONS
from backstitch.model.spec import MigrationSpec, TargetSpec
from backstitch.model.states import State
from backstitch.model.status import MigrationStatus, TargetStatus

NOT_STARTED = (
    State.PENDING,
    State.WAITING,
    State.AWAITING_APPROVAL,
    State.REFUSED,
    State.STOPPED,
    State.ROLLED_BACK,
)
"""States in which the spec may change: nothing of it is in the database."""


@dataclass(frozen=True)
class Kind:
    """What makes one CRD different from another."""

    kind: str
    plural: str
    singular: str
    short_names: tuple[str, ...]
    description: str
    spec: type[BaseModel]
    status: type[BaseModel] | None  # None: nobody reports on it
    columns: tuple[tuple[str, str, str, int], ...]  # name, type, JSON path, priority (1: only with -o wide)
    selectable: tuple[str, ...]
    rules: tuple[Mapping[str, str], ...] = ()
    max_name: int = 52  # leaves room for suffixes of what is derived from it


def _frozen_once_started() -> Mapping[str, str]:
    states = ", ".join(f"'{state}'" for state in NOT_STARTED)
    return {
        "rule": "!has(oldSelf.status) || !has(oldSelf.status.state) || "
        f"oldSelf.status.state in [{states}] || self.spec == oldSelf.spec",
        "message": "the spec is frozen once the migration has started; make a new DatabaseMigration with a higher "
        "version, or roll this one back first (annotation backstitch.dev/rollback)",
        "messageExpression": "'this migration is ' + oldSelf.status.state + ' and its spec is frozen: what ran must "
        "stay readable. Make a new DatabaseMigration with a higher version, or roll this one back first (annotation "
        "backstitch.dev/rollback)'",
    }


_CONDITION = '.status.conditions[?(@.type=="{}")].status'

MIGRATION = Kind(
    kind="DatabaseMigration",
    plural="databasemigrations",
    singular="databasemigration",
    # the plural again as a short name: it still resolves when another group has a kind of that plural
    short_names=("dbm", "dbmigration", "dbmigrations"),
    description="One change of one PostgreSQL database. It ends Succeeded, or RolledBack and proven equal.",
    spec=MigrationSpec,
    status=MigrationStatus,
    columns=(
        ("Target", "string", ".spec.targetRef.name", 0),
        ("Version", "string", ".spec.version", 0),
        ("State", "string", ".status.state", 0),
        ("Phase", "string", ".status.phase", 0),
        ("Progress", "string", ".status.progress", 0),
        ("Ready", "string", _CONDITION.format("Ready"), 0),
        ("Age", "date", ".metadata.creationTimestamp", 0),
        ("Backup", "string", ".status.backup.place", 1),
        ("Revert until", "string", ".status.revertUntil", 1),
        ("Message", "string", ".status.message", 1),
    ),
    selectable=(".spec.version", ".spec.targetRef.name", ".status.state"),
    rules=(_frozen_once_started(),),
)

TARGET = Kind(
    kind="MigrationTarget",
    plural="migrationtargets",
    singular="migrationtarget",
    short_names=("mt",),
    description="One PostgreSQL database that migrations may change, and the rules for that.",
    spec=TargetSpec,
    status=TargetStatus,
    columns=(
        ("Environment", "string", ".spec.environment", 0),
        ("Database", "string", ".status.database", 0),
        ("Server", "string", ".status.serverVersion", 0),
        ("Schema", "string", ".status.schemaVersion", 0),
        ("Active", "string", ".status.activeMigration", 0),
        ("Ready", "string", _CONDITION.format("Ready"), 0),
        ("Age", "date", ".metadata.creationTimestamp", 0),
        ("Last", "string", ".status.lastMigration.name", 1),
        ("Message", "string", ".status.message", 1),
    ),
    selectable=(".spec.environment",),
)

APPROVAL = Kind(
    kind="MigrationApproval",
    plural="migrationapprovals",
    singular="migrationapproval",
    short_names=("dbma",),
    description="One person's yes to one plan of one DatabaseMigration. Never edited: delete it and make a new one.",
    spec=ApprovalSpec,
    status=None,
    columns=(
        ("Migration", "string", ".spec.migrationRef.name", 0),
        ("Approver", "string", ".spec.approver", 0),
        ("Plan", "string", ".spec.planDigest", 0),
        ("Age", "date", ".metadata.creationTimestamp", 0),
        ("Comment", "string", ".spec.comment", 1),
    ),
    selectable=(".spec.migrationRef.name",),
    max_name=253,
    rules=(
        {
            "rule": "self.spec == oldSelf.spec",
            "message": "an approval is never edited: delete it and make a new one",
        },
    ),
)

KINDS = (MIGRATION, TARGET, APPROVAL)


def _rules(name: str) -> tuple[Mapping[str, str], ...]:
    """Give the rules that a class gets besides those its own config has."""
    match name:
        case "Step":
            words = tuple(OPERATIONS)
            given = ", ".join(f"has(self.{word})" for word in words)
            return (
                {
                    "rule": f"[{given}].filter(x, x).size() == 1",
                    "message": f"a step needs exactly one operation of: {', '.join(words)}",
                },
            )
        case "MigrationSpec":
            # one list of names per phase, so that each name is looked up instead of compared field by field
            unique = "!has(self.phases) || self.phases.all(p, self.phases.all(q, p.name == q.name || {test}))"
            steps = "!p.steps.exists(s, q.steps.exists(t, t.name == s.name))"
            checks = "!has(p.checks) || !has(q.checks) || !p.checks.exists(c, q.checks.exists(d, d.name == c.name))"
            at_end = (
                "!has(self.checks) || !has(self.phases) || !self.phases.exists(p, has(p.checks) && "
                "p.checks.exists(c, self.checks.exists(d, d.name == c.name)))"
            )
            return (
                {"rule": unique.format(test=steps), "message": "every step needs its own name, in all phases"},
                {"rule": unique.format(test=checks), "message": "every check needs its own name, in all phases"},
                {
                    "rule": at_end,
                    "message": "every check needs its own name, those at the end too",
                },
            )
        case "TargetSpec":
            backup = (
                "self.environment == 'development' || "
                "(has(self.backup) && !(has(self.policy) && has(self.policy.backup) && self.policy.backup == 'none'))"
            )
            return ({"rule": backup, "message": "staging and production need spec.backup, and policy.backup not none"},)
        case _:
            return ()


def _add_rules(name: str, schema: Schema) -> None:
    present = schema.get("x-kubernetes-validations", [])
    new = [dict(rule) for rule in _rules(name) if rule["rule"] not in {r["rule"] for r in present}]
    if present or new:
        schema["x-kubernetes-validations"] = [*present, *new]


def _tidy(schema: Schema) -> Schema:
    if "description" in schema:
        schema["description"] = one_line(schema["description"])
    for child in children(schema):
        _tidy(child)
    return schema


def _spec_schema(model: type[BaseModel]) -> Schema:
    return _tidy(structural(model, extend=_add_rules))


def _status_schema(model: type[BaseModel]) -> Schema:
    schema = _tidy(structural(model, extend=_add_rules))
    for child in children(schema):
        child.pop("default", None)  # only the whole has one: without it kstatus calls a new object done
    return schema


def make_crd(kind: Kind) -> dict[str, Any]:
    """Give one CustomResourceDefinition as plain data. Raises NotStructural for a model that a CRD cannot say."""
    schema: Schema = {
        "type": "object",
        "description": kind.description,
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string", "description": f"{GROUP}/{VERSION}."},
            "kind": {"type": "string", "description": f"{kind.kind}."},
            "metadata": {"type": "object", "properties": {"name": {"type": "string", "maxLength": kind.max_name}}},
            "spec": _spec_schema(kind.spec),
        },
    }
    if kind.status is not None:
        schema["properties"]["status"] = _status_schema(kind.status)
    if kind.rules:
        schema["x-kubernetes-validations"] = [dict(rule) for rule in kind.rules]
    columns = [
        {"name": name, "type": type_, "jsonPath": path} | ({"priority": priority} if priority else {})
        for name, type_, path, priority in kind.columns
    ]
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{kind.plural}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": kind.kind,
                "listKind": f"{kind.kind}List",
                "plural": kind.plural,
                "singular": kind.singular,
                "shortNames": list(kind.short_names),
                "categories": ["db"],
            },
            "versions": [
                {
                    "name": VERSION,
                    "served": True,
                    "storage": True,
                    **({"subresources": {"status": {}}} if kind.status is not None else {}),
                    "additionalPrinterColumns": columns,
                    "selectableFields": [{"jsonPath": path} for path in kind.selectable],
                    "schema": {"openAPIV3Schema": schema},
                }
            ],
        },
    }


class _Dumper(yaml.SafeDumper):
    """YAML without anchors: shared parts are written out where they are used."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def crd_yaml(kind: Kind) -> str:
    """Give one CRD as the text of its file."""
    head = "# Generated from the models in operator/backstitch/model by `backstitch crd`. Do not edit.\n---\n"
    return head + yaml.dump(make_crd(kind), Dumper=_Dumper, sort_keys=False, width=120, allow_unicode=True)


def crd_files() -> dict[str, str]:
    """Give the text of every file of crds/ by its name."""
    return {f"{GROUP}_{kind.plural}.yaml": crd_yaml(kind) for kind in KINDS}
