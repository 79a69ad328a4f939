# SPDX-License-Identifier: Apache-2.0
"""Does a report answer the three questions in every state, keep to itself, and survive hostile names?"""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

import pytest

from backstitch.core.report import render_report
from backstitch.core.report_data import Report, hazards_of
from backstitch.core.report_html import Html, join, tag
from backstitch.core.report_words import answers_of
from backstitch.model.record import BackupRecord, RollbackRecord
from backstitch.model.rehearsal import QueryFinding
from backstitch.model.states import State
from tests.plugins.engine import a_spec
from tests.unit.report_facts import a_record, a_rehearsal, a_report, at, rolled_back

HOSTILE = "</pre></style></title><script>alert(1)</script>\"'&<img src=x onerror=alert(2)>\u202eevil\x00\x1b[31m"
VOID = {"meta", "br"}


class Page(HTMLParser):
    """Reads a page strictly: every element closed in its turn; keeps text, elements and attributes."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(page)
        self.close()
        assert self.open == [], f"not closed: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open[-1:] == [tag], f"</{tag}> closes {self.open[-3:]}"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.words.append(data)

    @property
    def said(self) -> str:
        return " ".join(" ".join(self.words).split())


def read(report: Report, **options: Any) -> Page:
    return Page(render_report(report, **options))


ANSWERS: list[tuple[Report, str, str, str]] = [
    (a_report(), "Succeeded", "Yes. Every check held.", "backstitch rollback full-name -n shop"),
    (a_report(purged=True), "Succeeded", "is proven: restored into a scratch", "Nothing."),
    (a_report(made_at=at(100_000)), "Succeeded", "Yes.", "The revert window has ended."),
    (
        a_report(rolled_back()),
        "the database is as it was before",
        "proven identical to the start (9 tables",
        "Mend the",
    ),
    (
        a_report(rolled_back(rollback=RollbackRecord(verdict="IdenticalExcept", exceptions=("sequence x",)))),
        "Rolled back, with exceptions",
        "sequence x",
        "--retry",
    ),
    (a_report(a_record(state=State.REFUSED, message="No table user.")), "it was not begun", "Nothing in the", "Change"),
    (
        a_report(a_record(state=State.STOPPED)),
        "before the first change",
        "Nothing in the database was",
        "cause is gone",
    ),
    (
        a_report(rolled_back(state=State.NEEDS_HELP, rollback=RollbackRecord(verdict="Different", differences=("t",)))),
        "A person must look",
        "NOT as before: t",
        "Undo it",
    ),
    (a_report(a_record(state=State.MIGRATING, finished_at=None)), "Running its steps", "So far yes", "Wait."),
    (a_report(a_record(backup=BackupRecord(place="", waived="development"))), "Succeeded", "No backup", "Nothing."),
]


@pytest.mark.parametrize(("report", "headline", "safe", "todo"), ANSWERS, ids=[f"{a[1]}-{a[3][:8]}" for a in ANSWERS])
def test_the_three_questions_are_answered_first(report: Report, headline: str, safe: str, todo: str) -> None:
    said = read(report).said
    beginning = said[: said.index(" Steps ")] if " Steps " in said else said
    assert headline in beginning
    assert safe in beginning
    assert todo in beginning


@pytest.mark.parametrize("state", list(State))
def test_every_state_has_its_words(state: State) -> None:
    report = a_report(a_record(state=state, rollback=None, finished_at=None, started_at=None))
    assert all(answer.lead for answer in answers_of(report))
    assert read(report).elements


def test_data_is_not_called_safe_without_proof() -> None:
    for rollback in (None, RollbackRecord(cause="x")):
        said = read(a_report(rolled_back(rollback=rollback))).said
        assert "no proof on record" in said
        assert "proven equal" not in said
        assert "as it was before" not in said


def test_rows_that_only_an_export_has_are_not_passed_over() -> None:
    rollback = RollbackRecord(verdict="Identical", rung=4, tables_proven=9, rows_lost=31, cost=("31 rows of orders",))
    said = read(a_report(rolled_back(rollback=rollback))).said
    assert "what was written since is not" in said[: said.index("Timeline")]
    assert "31 rows written by the application since the backup are only in the exported files" in said
    assert "31 rows of orders" in said


def test_a_backup_that_was_not_restored_is_not_called_restored() -> None:
    backup = BackupRecord(place="stanza shop", proven=True, method="pgBackRest", proof="archived")
    said = read(a_report(a_record(backup=backup))).said
    assert "not restored" in said
    assert "restored into" not in said


def test_it_shows_the_whole_record() -> None:
    said = read(a_report(rolled_back(), rehearsal=a_rehearsal())).said
    for words in (
        "shop/full-name on shop (production)",
        "UPDATE users SET full_name = first_name || ' ' || last_name",
        "49990 rows",
        "10 rows are gone.",
        "public.users 7",
        "s3://backups/shop/full-name/manifest.json",
        "waited 300 ms for locks",
        "Locks are short enough",
        "AccessExclusiveLock on public.users, 25 ms: reads, writes, DDL, vacuum wait",
        "SELECT id FROM users WHERE lower(email) = $1",
        "120,431 calls",
        "1 of 3 tries work as before",
        "UPDATE without WHERE",
        "Use backfill",
    ):
        assert words in said


def test_the_rehearsal_alone_says_first_whether_it_is_proven() -> None:
    proven = a_rehearsal(gates=tuple(g.model_copy(update={"result": "held"}) for g in a_rehearsal().gates))
    cases = [
        (a_rehearsal(), "1 of 4 gates are broken"),
        (proven, "Rehearsed and proven"),
        (a_rehearsal(failure="Step fill failed: division by zero."), "The rehearsal failed"),
    ]
    for rehearsal, words in cases:
        said = read(a_report(rehearsal=rehearsal), rehearsal_only=True).said
        assert words in said[:400]
        assert "What to do next?" not in said


def test_it_loads_nothing_and_runs_nothing() -> None:
    page = render_report(a_report(rolled_back(), rehearsal=a_rehearsal()))
    elements = Page(page).elements
    assert not {e for e, _ in elements} & {"script", "link", "img", "iframe", "object", "form", "base", "a"}
    attributes = {name for _, attrs in elements for name in attrs}
    assert not attributes & {"href", "src", "srcset", "action", "background"}
    assert not any(name.startswith("on") for name in attributes)
    assert "@import" not in page
    assert "url(" not in page
    policy = next(a for e, a in elements if a.get("http-equiv") == "Content-Security-Policy")
    assert policy["content"] == "default-src 'none'; style-src 'unsafe-inline'"


def hostile(value: Any) -> Any:
    """Give the same data with a hostile text in every free text of it."""
    match value:
        case dict():
            return {k: (v if k in KEPT else hostile(v)) for k, v in value.items()}
        case list():
            return [hostile(v) for v in value]
        case str():
            return HOSTILE
    return value


KEPT = {"method", "proof", "state", "verdict", "outcome", "direction", "result", "source", "lock",
        "made_at", "started_at", "finished_at",
        "created_at", "revert_until", "taken_at", "again_after_s"}  # fmt: skip


def test_hostile_names_stay_text() -> None:
    plain = a_report(rolled_back(), rehearsal=a_rehearsal()).model_dump(mode="json")
    data = hostile(plain)
    for gate, kept in zip(data["rehearsal"]["gates"], plain["rehearsal"]["gates"], strict=True):
        gate["name"] = kept["name"]
    page = render_report(Report.model_validate(data))
    read_page = Page(page)
    assert not {e for e, _ in read_page.elements} & {"script", "img"}
    assert page.count("<style>") == page.count("</style>") == 1
    assert "alert(1)" in read_page.said, "it is shown, as text"
    assert not re.search("[\x00\x1b\u202e]", page)


def test_only_this_file_makes_html() -> None:
    assert tag("p", "<b>", title='"><x') == '<p title="&quot;&gt;&lt;x">&lt;b&gt;</p>'
    assert join("a<b", Html("<br>"), None, 3) == "a&lt;b<br>3"


def test_a_long_rehearsal_stays_a_page() -> None:
    one = a_rehearsal()
    many = tuple(one.statements[n % 5].model_copy(update={"started_ms": n * 10.0}) for n in range(500))
    queries = tuple(
        QueryFinding(query=f"SELECT {n}", source="spec", phase="p", verdict="fails", detail="no") for n in range(300)
    )
    page = render_report(a_report(rehearsal=a_rehearsal(statements=many, queries=queries)))
    assert "460 shorter ones are not drawn" in Page(page).said
    assert "200 more are in the JSON" in Page(page).said


def test_a_query_that_is_broken_after_several_phases_is_one_row() -> None:
    query = a_rehearsal().queries[0]
    later = query.model_copy(update={"phase": "contract"})
    said = read(a_report(rehearsal=a_rehearsal(queries=(query, later)))).said
    assert said.count(query.query) == 1
    assert "switch, contract" in said


def test_hazards_come_from_the_sql_of_the_spec() -> None:
    spec = a_spec([{"name": "all", "sql": {"up": "UPDATE users SET a = 1"}}, {"name": "broken", "sql": {"up": "no"}}])
    found = hazards_of(spec, {})
    assert {h.step for h in found} == {"all"}
    assert all(h.safe for h in found)
