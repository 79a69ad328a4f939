# SPDX-License-Identifier: Apache-2.0
"""Which statements concern a migration, what is said of one, and when does the gate hold? Pure rules."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from backstitch.core.workload import (
    allowed_by,
    compare,
    is_about,
    queries_of,
    touched_tables,
    why_not_tried,
    workload_gate,
)
from backstitch.engine.workload import read_plan
from backstitch.model.rehearsal import QueryFinding
from backstitch.model.spec import TargetPolicy
from backstitch.model.workload import AppQuery, QuerySeen, Workload
from tests.plugins.engine import a_spec

QUERY = AppQuery(text="SELECT 1", source="spec", name="q")
BY_INDEX = QuerySeen(columns=("id integer",), indexes={"public.t": ("t_a",)})
SCANS = QuerySeen(columns=("id integer",), scans=("public.t",))


def sql(up: str) -> Any:
    return a_spec([{"name": "s", "sql": {"up": up}}])


TOUCHED = [
    ("UPDATE users SET a = 1; ALTER TABLE shop.orders ADD b int", {"public.users", "shop.orders"}),
    ("DROP TABLE old", {"public.old"}),
    ("DO $$ BEGIN END $$", None),
    ("DROP INDEX users_email", None),
    ("SELECT tidy_up()", None),
    ("ALTER TYPE mood ADD VALUE 'calm'", None),
    ("this is no sql", None),
]


@pytest.mark.parametrize(("up", "tables"), TOUCHED, ids=[t[0] for t in TOUCHED])
def test_raw_sql_that_may_touch_anything_says_so(up: str, tables: set[str] | None) -> None:
    found = touched_tables(sql(up), {})
    assert (None if found is None else set(found)) == tables


def test_operations_name_their_tables_and_texts_of_configmaps_are_read() -> None:
    spec = a_spec(
        [
            {"name": "a", "addColumn": {"table": "users", "column": "x", "type": "text"}},
            {"name": "b", "sql": {"upFrom": {"configMap": "files", "key": "b.sql"}}},
        ]
    )
    found = touched_tables(spec, {"files/b.sql": "UPDATE things SET a = 1"})
    assert set(found or ()) == {"public.users", "public.things"}
    assert touched_tables(spec, {}) is None


ABOUT = [
    ("SELECT * FROM users", True),
    ("SELECT * FROM public.users u", True),
    ("SELECT * FROM shop.users", False),
    ("WITH users AS (SELECT 1) SELECT * FROM users", False),
    ("SELECT 'users'", False),
    ("SELECT (SELECT 1 FROM users)", True),
    ("INSERT INTO a SELECT 1 FROM users", True),
    ("SELECT FROM users WHERE (", True),
    ("SELECT FROM people WHERE (", False),
]


@pytest.mark.parametrize(("text", "about"), ABOUT, ids=[a[0] for a in ABOUT])
def test_a_statement_is_about_the_tables_it_names(text: str, about: bool) -> None:
    assert is_about(text, frozenset({"public.users"})) is about


def test_any_table_of_the_application_counts_when_all_do() -> None:
    assert is_about("SELECT * FROM anything", None)
    assert is_about("SELECT FROM anything WHERE (", None)
    assert not is_about("SAVEPOINT $1", None), "the server takes the name out, and then it does not parse"
    assert not is_about("SELECT 1", None)
    assert not is_about("SELECT * FROM pg_catalog.pg_class", None)
    assert not is_about("SELECT * FROM pg_stat_activity", None)


NOT_TRIED = [
    ("SELECT a FROM t WHERE b = $1", ""),
    ("INSERT INTO t VALUES ($1) ON CONFLICT DO NOTHING RETURNING a", ""),
    ("WITH x AS (DELETE FROM t RETURNING *) SELECT * FROM x", ""),
    ("VALUES (1)", ""),
    ("SELECT a FROM t WHERE (b = ", "does not parse"),
    ("COPY t TO STDOUT", "COPY cannot be prepared"),
    ("CREATE TABLE x AS SELECT 1", "cannot be prepared"),
    ("BEGIN", "BEGIN cannot be prepared"),
    ("DO $$ BEGIN END $$", "cannot be prepared"),
    ("SELECT 1; SELECT 2", "2 statements"),
]


@pytest.mark.parametrize(("text", "reason"), NOT_TRIED, ids=[n[0] for n in NOT_TRIED])
def test_what_cannot_be_prepared_is_named(text: str, reason: str) -> None:
    found = why_not_tried(text)
    assert reason in found
    assert bool(found) is bool(reason)


SAID = [
    ("same", BY_INDEX, BY_INDEX, 1e6, "works"),
    ("large", BY_INDEX, SCANS, 1e6, "sequentialScan"),
    ("just-large", BY_INDEX, SCANS, 10_000, "sequentialScan"),
    ("small", BY_INDEX, SCANS, 9_999, "indexLost"),
    ("always-scanned", SCANS, SCANS, 1e6, "works"),
    ("better-now", SCANS, BY_INDEX, 1e6, "works"),
    ("other-index", BY_INDEX, QuerySeen(columns=("id integer",), indexes={"public.t": ("t_b",)}), 1e6, "works"),
    ("moved", BY_INDEX, QuerySeen(columns=("id integer",), indexes={"public.t2": ("t2_a",)}), 1e6, "works"),
    ("gone", BY_INDEX, QuerySeen(error="no table"), 1e6, "fails"),
    ("renamed-column", BY_INDEX, QuerySeen(columns=("no integer",)), 1e6, "resultTypeChanged"),
    ("never-worked", QuerySeen(error="no table"), BY_INDEX, 1e6, "notTried"),
]


@pytest.mark.parametrize(("before", "after", "rows", "verdict"), [s[1:] for s in SAID], ids=[s[0] for s in SAID])
def test_what_is_said_of_one(before: QuerySeen, after: QuerySeen, rows: float, verdict: str) -> None:
    finding = compare(QUERY, before, after, phase="p", rows={"public.t": rows})
    assert finding.verdict == verdict
    assert bool(finding.detail) is (verdict != "works")


def finding(verdict: str, source: str = "pg_stat_statements", query: str = "SELECT 1") -> QueryFinding:
    return QueryFinding.model_validate(
        {"query": query, "source": source, "phase": "p", "verdict": verdict, "detail": "why"}
    )


GATES = [
    ([finding("works")], "held"),
    ([finding("works"), finding("notTried", query="VACUUM t")], "held"),
    ([finding("works"), finding("notTried", "spec", "q: nonsense")], "unproven"),
    ([finding("notTried")], "unproven"),
    ([], "unproven"),
    ([finding("works"), finding("fails")], "broken"),
    ([finding("indexLost")], "held"),
]


@pytest.mark.parametrize(("findings", "result"), GATES)
def test_the_gate(findings: list[QueryFinding], result: str) -> None:
    gate = workload_gate(findings, Workload(notes=("Some were hidden.",)), frozenset({"indexLost"}))
    assert gate.result == result
    assert "Some were hidden." in gate.message


def test_what_every_check_allows_is_allowed() -> None:
    def checks(*wanted: dict[str, Any]) -> list[dict[str, Any]]:
        return [{"name": f"c{n}", "workloadStillWorks": w} for n, w in enumerate(wanted)]

    step = [{"name": "s", "sql": {"up": "SELECT 1"}}]
    assert allowed_by(a_spec(step)) is None
    both = a_spec(step, checks=checks({"allow": ["fails", "indexLost"]}, {"allow": ["indexLost"]}))
    assert set(allowed_by(both) or ()) == {"indexLost"}
    assert allowed_by(a_spec(step, checks=checks({}))) == frozenset()
    only_shown = [{**checks({})[0], "reportOnly": True}]
    assert allowed_by(a_spec(step, checks=only_shown)) is None


def test_the_migrations_list_wins_over_the_targets_by_name() -> None:
    policy = TargetPolicy.model_validate(
        {"workload": [{"name": "a", "query": "SELECT 1"}, {"name": "b", "query": "SELECT 2", "role": "web"}]}
    )
    spec = a_spec([{"name": "s", "sql": {"up": "SELECT 1"}}], workload=[{"name": "a", "query": "SELECT 3"}])
    assert {(q.name, q.text, q.role) for q in queries_of(spec, policy)} == {
        ("a", "SELECT 3", None),
        ("b", "SELECT 2", "web"),
    }


def test_two_queries_of_one_name_are_an_error() -> None:
    one = {"name": "a", "query": "SELECT 1"}
    with pytest.raises(ValidationError, match="query name 'a' is used more than once"):
        a_spec([{"name": "s", "sql": {"up": "SELECT 1"}}], workload=[one, one])


def test_an_index_of_a_bitmap_belongs_to_the_table_above_it() -> None:
    bitmap = {
        "Node Type": "Bitmap Heap Scan",
        "Schema": "public",
        "Relation Name": "t",
        "Plans": [{"Node Type": "BitmapOr", "Plans": [{"Node Type": "Bitmap Index Scan", "Index Name": "t_a"}]}],
    }
    scan = {"Node Type": "Seq Scan", "Schema": "public", "Relation Name": "u"}
    assert read_plan({"Node Type": "Nested Loop", "Plans": [bitmap, scan]}) == ({"public.t": ("t_a",)}, ("public.u",))
