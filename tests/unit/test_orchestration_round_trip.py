# SPDX-License-Identifier: Apache-2.0
"""Does any migration at all, written as a document and as YAML text, come back as the same?"""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backstitch.core.orchestration import from_migration, to_migration, to_yaml
from backstitch.core.read_document import read_document
from backstitch.model.spec import DatabaseMigration

# What YAML can hold, line breaks of every kind and text that looks like something else included.
texts = st.one_of(
    st.sampled_from(
        ["yes", "0", "1.10", "null", "2026-11-21", "- a", "a: b", "#x", "line\nline\n", " x ", "|", "\u2028", "\x85"]
    ),
    st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), min_size=1, max_size=40),
)
names = st.from_regex(r"[a-z0-9]([-a-z0-9]{0,10}[a-z0-9])?", fullmatch=True)
identifiers = st.from_regex(r"[a-z_][a-z0-9_]{0,10}", fullmatch=True)
expressions = st.sampled_from(["a > 0", "b = 'no: 1 # x'", "a\n> 0", "'\u2028' = c"])
durations = st.sampled_from(["90s", "5m", "1h30m", "2d"])
numbers = st.one_of(st.integers(-(10**20), 10**20), st.floats(allow_nan=False, allow_infinity=False))


def sometimes(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | strategy


def fields(required: dict[str, Any], **optional: Any) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(required, optional=optional)


operations = st.one_of(
    st.builds(lambda o: {"sql": o}, fields({"up": texts}, down=texts)),
    st.just({"sql": {"upFrom": {"configMap": "c", "key": "k"}, "downFrom": {"configMap": "c", "key": "d"}}}),
    st.builds(
        lambda o: {"addColumn": o},
        fields({"table": identifiers, "column": identifiers, "type": st.just("text")}, default=expressions),
    ),
    st.builds(lambda t: {"dropTable": {"table": t}}, identifiers),
    st.builds(lambda t, n: {"renameTable": {"table": t, "to": n}}, identifiers, identifiers),
    st.builds(
        lambda t, w: {"backfill": {"table": t, "set": {"fullName": "a || b"}, "where": w}}, identifiers, expressions
    ),
)
expectations = st.one_of(
    st.builds(lambda n: {"type": "number", "equals": n}, numbers),
    st.builds(lambda n: {"type": "number", "equals": n, "threshold": 0.5}, numbers),
    st.builds(lambda n: {"type": "number", "min": n}, numbers),
    st.builds(lambda b: {"type": "boolean", "equals": b}, st.booleans()),
    st.builds(lambda t: {"type": "string", "equals": t}, st.one_of(texts, st.just(""))),
    st.sampled_from([{"type": "string"}, {"rows": 0}, {"empty": False}, {"type": "number", "equals": "1.500"}]),
)
kinds = st.one_of(
    st.builds(lambda q, e: {"query": q, "expect": e}, texts, expectations),
    st.builds(lambda t: {"noNulls": {"table": t, "columns": ["a", "b"]}}, identifiers),
    st.builds(lambda t: {"rowCount": {"table": t, "min": 0}}, identifiers),
    st.just({"noInvalidIndexes": {}}),
    st.builds(lambda f: {"queryWithin": {"query": "SELECT 1", "factor": f, "maxMs": 3}}, st.floats(1, 1000)),
)


@st.composite
def migrations(draw: st.DrawFn) -> DatabaseMigration:
    def some(strategy: st.SearchStrategy[Any], most: int) -> Any:
        return draw(st.lists(strategy, min_size=1, max_size=most))

    count = iter(range(10_000))

    def step() -> dict[str, Any]:
        more = draw(fields({}, description=texts, estimatedTime=durations))
        operation = draw(operations)
        if "sql" in operation:
            accepted = {"accept": st.sampled_from(["none", "restoreBackup"]), "reason": texts}
            more |= draw(fields({}, irreversible=st.fixed_dictionaries(accepted)))
        return {"name": f"s{next(count)}", **more, **operation}

    def checks() -> Any:
        drawn = draw(
            sometimes(
                st.lists(
                    st.tuples(
                        kinds, fields({}, description=texts, attempts=st.integers(1, 20), reportOnly=st.booleans())
                    ),
                    min_size=1,
                    max_size=3,
                )
            )
        )
        return None if drawn is None else [{"name": f"check {next(count)}", **kind, **more} for kind, more in drawn]

    phases = [
        {"name": name, "steps": [step() for _ in range(draw(st.integers(1, 3)))], "checks": checks()}
        for name in draw(st.lists(names, min_size=1, max_size=3, unique=True))
    ]
    for phase in phases[draw(st.integers(1, 3)) :]:
        phase["contract"] = True
    spec = draw(
        fields(
            {
                "targetRef": st.fixed_dictionaries({"name": names}),
                "version": st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,10}", fullmatch=True),
                "type": st.sampled_from(["schema", "data", "seed", "rollback"]),
                "phases": st.just(phases),
            },
            description=texts,
            project=texts,
            dependsOn=st.lists(st.fixed_dictionaries({"name": names}), max_size=2),
            assume=fields(
                {},
                schemaVersion=texts,
                tables=st.lists(texts, max_size=2),
                rowCounts=st.dictionaries(texts, st.integers(0, 10**12), max_size=2),
                drift=st.booleans(),
            ),
            searchPath=st.lists(texts, max_size=2),
            deadline=durations,
            rollback=fields(
                {},
                strategy=st.sampled_from(["auto", "restoreBackup", "none"]),
                acceptDataLoss=st.booleans(),
                revertWindow=durations,
            ),
            risks=st.lists(
                st.fixed_dictionaries(
                    {"risk": texts, "mitigation": texts, "severity": st.sampled_from(["critical", "low"])}
                ),
                max_size=2,
            ),
            followUps=st.lists(
                fields({"task": texts}, owner=texts, state=st.sampled_from(["pending", "completed"])), max_size=2
            ),
            reset=st.booleans(),
        )
    )
    metadata = draw(
        fields(
            {"name": names},
            namespace=names,
            labels=st.dictionaries(texts, texts, max_size=2),
            annotations=st.dictionaries(texts | st.just("backstitch.dev/target-tables"), texts, max_size=2),
        )
    )
    spec["checks"] = checks()
    plain = {"apiVersion": "backstitch.dev/v1alpha1", "kind": "DatabaseMigration", "metadata": metadata, "spec": spec}
    return DatabaseMigration.model_validate(plain)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(migrations(), st.sampled_from(["development", "staging", "production"]))
def test_any_migration_survives_the_round_trip(migration: DatabaseMigration, environment: Any) -> None:
    document = from_migration(migration, environment)
    text = to_yaml(document)
    (read,) = read_document(text)
    assert read == document
    again = to_migration(document)
    assert (again.migration, again.environment) == (migration, environment)
    assert from_migration(*again) == document


def test_a_migration_that_takes_another_back_is_the_same_again() -> None:
    migration = DatabaseMigration.model_validate(
        {
            "apiVersion": "backstitch.dev/v1alpha1",
            "kind": "DatabaseMigration",
            "metadata": {"name": "undo"},
            "spec": {
                "targetRef": {"name": "shop"},
                "version": "2",
                "type": "rollback",
                "rollbackOf": {"name": "full-name"},
            },
        }
    )
    document = from_migration(migration, "staging")
    assert to_migration(document).migration == migration
