# SPDX-License-Identifier: Apache-2.0
"""Does a real API server take our CRDs, explain them, and refuse what the models refuse?"""

from __future__ import annotations

import copy
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from backstitch.core.view import status_of
from backstitch.model.crd import KINDS, NOT_STARTED
from backstitch.model.record import Record, StepRecord
from backstitch.model.spec import MigrationSpec
from backstitch.model.states import State
from dev.apiserver import ApiServer
from dev.processes import ServerError

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SPEC: dict[str, Any] = {
    "targetRef": {"name": "shop"},
    "version": "20260101.1",
    "type": "schema",
    "phases": [
        {
            "name": "expand",
            "steps": [
                {"name": "one", "addColumn": {"table": "users", "column": "a", "type": "text"}},
                {"name": "two", "addColumn": {"table": "users", "column": "b", "type": "text"}},
            ],
            "checks": [{"name": "filled", "noNulls": {"table": "users", "columns": ["a"]}}],
        },
        {
            "name": "contract",
            "steps": [{"name": "three", "addColumn": {"table": "users", "column": "c", "type": "text"}}],
        },
    ],
    "checks": [{"name": "nobody-lost", "rowsUnchanged": {"table": "users"}}],
}


def a_migration(name: str, **changes: Any) -> dict[str, Any]:
    return {
        "apiVersion": "backstitch.dev/v1alpha1",
        "kind": "DatabaseMigration",
        "metadata": {"name": name},
        "spec": {**copy.deepcopy(SPEC), **changes},
    }


class Cluster:
    """kubectl in one namespace, with documents in and out."""

    def __init__(self, server: ApiServer, namespace: str) -> None:
        self._server, self._namespace = server, namespace

    def run(self, *arguments: str, stdin: str | None = None) -> str:
        return self._server.run_kubectl("-n", self._namespace, *arguments, stdin=stdin)

    def apply(self, document: dict[str, Any], *options: str) -> str:
        return self.run("apply", "--validate=strict", *options, "-f", "-", stdin=json.dumps(document))

    def refusal(self, document: dict[str, Any]) -> str:
        with pytest.raises(ServerError) as refused:
            self.apply(document)
        return str(refused.value)

    def write_status(self, name: str, state: State, *, resource: str = "dbm", **changes: Any) -> None:
        record = Record(namespace=self._namespace, name=name, version="20260101.1", state=state, **changes)
        status = status_of(record, MigrationSpec.model_validate(SPEC), 1, None, NOW)
        patch = json.dumps({"status": status})
        self.run("patch", resource, name, "--subresource=status", "--type=merge", "-p", patch)


@pytest.fixture
def cluster(api_server: ApiServer, namespace: str) -> Cluster:
    return Cluster(api_server, namespace)


@pytest.mark.parametrize("kind", KINDS, ids=lambda k: k.kind)
def test_the_server_finds_nothing_wrong_with_the_schema(api_server: ApiServer, kind: Any) -> None:
    crd = json.loads(api_server.run_kubectl("get", "crd", f"{kind.plural}.backstitch.dev", "-o", "json"))
    conditions = {c["type"]: c["status"] for c in crd["status"]["conditions"]}
    assert conditions == {"NamesAccepted": "True", "Established": "True"}
    assert crd["status"]["acceptedNames"]["shortNames"] == list(kind.short_names)


def test_kubectl_explains_fields(api_server: ApiServer) -> None:
    said = api_server.run_kubectl("explain", "databasemigrations.spec.phases.steps.addColumn.type")
    assert "PostgreSQL type, such as" in said
    assert "one change of one target" in api_server.run_kubectl("explain", "dbm.spec")
    assert "Where it is in its life cycle" in api_server.run_kubectl("explain", "dbm.status.state")


def test_a_good_one_is_taken_and_is_not_yet_observed(cluster: Cluster) -> None:
    cluster.apply(a_migration("good"))
    got = json.loads(cluster.run("get", "dbm", "good", "-o", "json"))
    assert got["spec"] == SPEC, "the server must not fill anything in"
    assert got["status"] == {"observedGeneration": -1}


REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("unknown-field", {"colour": "blue"}, 'unknown field "spec.colour"'),
    ("no-phases", {"phases": []}, "should have at least 1 items"),
    ("bad-version", {"version": "one two"}, "spec.version in body should match"),
    ("bad-type", {"type": "magic"}, "Unsupported value"),
    ("bad-deadline", {"deadline": "soon"}, "spec.deadline in body should match"),
    (
        "two-operations",
        {
            "phases": [
                {
                    "name": "p",
                    "steps": [
                        {
                            "name": "s",
                            "addColumn": {"table": "t", "column": "c", "type": "text"},
                            "sql": {"up": "SELECT 1"},
                        }
                    ],
                }
            ]
        },
        "a step needs exactly one operation",
    ),
    ("no-operation", {"phases": [{"name": "p", "steps": [{"name": "s"}]}]}, "a step needs exactly one operation"),
    ("phase-twice", {"phases": [SPEC["phases"][1], SPEC["phases"][1]]}, 'Duplicate value: {"name":"contract"}'),
    (
        "step-twice-in-a-phase",
        {"phases": [{"name": "p", "steps": SPEC["phases"][1]["steps"] * 2}]},
        'Duplicate value: {"name":"three"}',
    ),
    (
        "step-twice-in-two-phases",
        {"phases": [SPEC["phases"][1], {**SPEC["phases"][1], "name": "again"}]},
        "every step needs its own name, in all phases",
    ),
    (
        "check-in-a-phase-and-at-the-end",
        {"checks": [{"name": "filled", "rowsUnchanged": {"table": "users"}}]},
        "every check needs its own name",
    ),
    (
        "two-kinds-of-check",
        {"checks": [{"name": "x", "rowsUnchanged": {"table": "t"}, "uniqueHolds": {"table": "t"}}]},
        "a check needs exactly one of",
    ),
]


@pytest.mark.parametrize(("changes", "said"), [r[1:] for r in REFUSED], ids=[r[0] for r in REFUSED])
def test_what_is_wrong_is_refused_with_the_reason(cluster: Cluster, changes: dict[str, Any], said: str) -> None:
    assert said in cluster.refusal(a_migration("wrong", **changes))


def test_a_name_that_leaves_no_room_is_refused(cluster: Cluster) -> None:
    assert "may not be more than 52" in cluster.refusal(a_migration("n" * 53))


@pytest.mark.parametrize("state", State)
def test_the_spec_is_frozen_once_started(cluster: Cluster, state: State) -> None:
    cluster.apply(a_migration("one"))
    cluster.write_status("one", state)
    other = a_migration("one", description="Another")
    if state in NOT_STARTED:
        cluster.apply(other)
    else:
        said = cluster.refusal(other)
        assert f"this migration is {state} and its spec is frozen" in said
        assert "Make a new DatabaseMigration with a higher version" in said
    cluster.run("label", "dbm", "one", "team=shop")
    cluster.run("annotate", "dbm", "one", "backstitch.dev/rollback=please")


def test_kubectl_get_shows_where_it_is(cluster: Cluster) -> None:
    cluster.apply(a_migration("full-name"))
    steps = tuple(
        StepRecord(name=n, phase="expand", operation="addColumn", state="done" if n == "one" else "running")
        for n in ("one", "two")
    )
    cluster.write_status("full-name", State.MIGRATING, phase="expand", steps=steps)
    for word in ("databasemigrations", "dbmigrations", "dbmigration", "dbm", "db"):
        header, row = cluster.run("get", word).strip().splitlines()
        assert header.split() == ["NAME", "TARGET", "VERSION", "STATE", "PHASE", "PROGRESS", "READY", "AGE"]
        assert row.split()[1:5] == ["shop", "20260101.1", "Migrating", "expand"]
        assert "1/2 50%" in row
    wide = cluster.run("get", "dbm", "-o", "wide")
    assert "BACKUP" in wide
    assert "REVERT UNTIL" in wide
    assert "Runs its steps." in wide


def test_kubectl_waits_for_ready_and_selects_by_field(cluster: Cluster) -> None:
    cluster.apply(a_migration("done"))
    cluster.apply(a_migration("other", version="2"))
    cluster.write_status("done", State.SUCCEEDED)
    cluster.run("wait", "--for=condition=Ready", "--timeout=5s", "dbm/done")
    with pytest.raises(ServerError, match="timed out"):
        cluster.run("wait", "--for=condition=Ready", "--timeout=1s", "dbm/other")
    assert cluster.run("get", "dbm", "--field-selector=status.state=Succeeded", "-o", "name").split() == [
        "databasemigration.backstitch.dev/done"
    ]
    assert "other" in cluster.run("get", "dbm", "--field-selector=spec.version=2,spec.targetRef.name=shop")


def test_a_whole_status_survives_the_server(cluster: Cluster) -> None:
    """Nothing of it is pruned, nothing refused."""
    cluster.apply(a_migration("whole"))
    cluster.write_status("whole", State.ROLLED_BACK, message="Check filled failed.")
    got = json.loads(cluster.run("get", "dbm", "whole", "-o", "json"))["status"]
    record = Record(namespace="", name="whole", version="20260101.1", state=State.ROLLED_BACK)
    record = record.model_copy(update={"message": "Check filled failed."})
    assert got == status_of(record, MigrationSpec.model_validate(SPEC), 1, None, NOW)


TARGETS: list[tuple[str, dict[str, Any], str | None]] = [
    ("development", {"environment": "development"}, None),
    ("production", {"environment": "production", "backup": {"url": "s3://b/p"}}, None),
    ("no-backup", {"environment": "production"}, "staging and production need spec.backup"),
    (
        "backup-off",
        {"environment": "staging", "backup": {"url": "s3://b/p"}, "policy": {"backup": "none"}},
        "staging and production need spec.backup",
    ),
    ("unknown", {"environment": "lab"}, "Unsupported value"),
]


@pytest.mark.parametrize(("spec", "said"), [t[1:] for t in TARGETS], ids=[t[0] for t in TARGETS])
def test_a_target_outside_development_has_a_backup(cluster: Cluster, spec: dict[str, Any], said: str | None) -> None:
    document = {
        "apiVersion": "backstitch.dev/v1alpha1",
        "kind": "MigrationTarget",
        "metadata": {"name": "shop"},
        "spec": {"secretRef": {"name": "shop-db"}, **spec},
    }
    if said is None:
        cluster.apply(document)
        assert spec["environment"] in cluster.run("get", "mt")
    else:
        assert said in cluster.refusal(document)
