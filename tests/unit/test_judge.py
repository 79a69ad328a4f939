# SPDX-License-Identifier: Apache-2.0
"""Does every comparison of a check say passed, failed, error or inconclusive where it should?"""

from __future__ import annotations

from decimal import Decimal

import pytest

from backstitch.core.judge import (
    Answer,
    RowsSeen,
    describe,
    judge,
    judge_count,
    judge_none,
    judge_rows_given,
    judge_rows_unchanged,
    judge_time,
    settle,
)
from backstitch.model.check_kinds import RowCount
from backstitch.model.checks import CheckResult
from backstitch.model.expectation import Expect


def expect(**fields: object) -> Expect:
    return Expect.model_validate(fields)


def answer(text: str | None, category: str = "N", type_name: str = "bigint") -> Answer:
    return Answer(rows=1, columns=1, category=category, type=type_name, text=text)


@pytest.mark.parametrize(
    "fields, text, outcome",
    [
        ({"equals": 0}, "0", "passed"),
        ({"equals": 0}, "0.00", "passed"),
        ({"equals": 0}, "1", "failed"),
        ({"equals": 0.1}, "0.1", "passed"),
        ({"equals": "9007199254740993"}, "9007199254740992", "failed"),  # equal as floats
        ({"equals": 9007199254740993}, "9007199254740993", "passed"),
        ({"equals": 100, "threshold": 5}, "105", "passed"),
        ({"equals": 100, "threshold": 5}, "95", "passed"),
        ({"equals": 100, "threshold": 5}, "105.01", "failed"),
        ({"equals": 100, "threshold": 5}, "94", "failed"),
        ({"min": 3}, "3", "passed"),
        ({"min": 3}, "2.999", "failed"),
        ({"max": 3}, "3", "passed"),
        ({"max": 3}, "4", "failed"),
        ({"min": 1, "max": 3}, "2", "passed"),
        ({"min": 1, "max": 3}, "0", "failed"),
        ({"min": 1}, "NaN", "failed"),
        ({"max": 1}, "-Infinity", "failed"),
        ({}, "7", "passed"),
        ({}, None, "failed"),
        ({"equals": 0}, None, "failed"),
    ],
)
def test_numbers(fields: dict[str, object], text: str | None, outcome: str) -> None:
    assert judge(expect(type="number", **fields), answer(text)).outcome == outcome


@pytest.mark.parametrize(
    "wanted, text, outcome",
    [(True, "true", "passed"), (True, "false", "failed"), (False, "false", "passed"), ("true", "true", "passed")],
)
def test_booleans(wanted: object, text: str, outcome: str) -> None:
    assert judge(expect(type="boolean", equals=wanted), answer(text, "B", "boolean")).outcome == outcome


def test_strings_are_compared_as_they_are() -> None:
    wanted = expect(type="string", equals="open")
    assert judge(wanted, answer("open", "S", "text")).outcome == "passed"
    assert judge(wanted, answer("open ", "S", "text")).outcome == "failed"
    assert judge(wanted, answer("Open", "S", "text")).outcome == "failed"


@pytest.mark.parametrize("category, type_name", [("S", "text"), ("B", "boolean"), ("D", "date")])
def test_a_value_of_another_type_is_an_error_and_no_failure(category: str, type_name: str) -> None:
    verdict = judge(expect(type="number", equals=0), answer("0", category, type_name))
    assert verdict.outcome == "error"
    assert type_name in verdict.message
    assert "number" in verdict.message


def test_more_than_one_value_is_an_error() -> None:
    wanted = expect(type="number", equals=0)
    assert judge(wanted, Answer(rows=2, category="N", text="0")).outcome == "error"
    several = judge(wanted, Answer(rows=1, columns=3, category="N", text="0"))
    assert several.outcome == "error"
    assert "3 columns" in several.message


def test_no_row_is_a_failure() -> None:
    assert judge(expect(type="number", equals=0), Answer(rows=0)).outcome == "failed"


def test_a_long_value_is_cut_in_the_verdict_but_not_in_the_comparison() -> None:
    long = "x" * 500
    verdict = judge(expect(type="string", equals=long), answer(long, "S", "text"))
    assert verdict.outcome == "passed"
    assert verdict.value is not None
    assert len(verdict.value) == 200
    assert verdict.expected is not None
    assert len(verdict.expected) <= 200


@pytest.mark.parametrize(
    "fields, given, outcome",
    [
        ({"empty": True}, 0, "passed"),
        ({"empty": True}, 1, "failed"),
        ({"empty": False}, 1, "passed"),
        ({"empty": False}, 0, "failed"),
        ({"rows": 3}, 3, "passed"),
        ({"rows": 3}, 4, "failed"),
        ({"rows": 0}, 0, "passed"),
    ],
)
def test_rows(fields: dict[str, object], given: int, outcome: str) -> None:
    assert judge_rows_given(expect(**fields), given).outcome == outcome


@pytest.mark.parametrize(
    "fields, words",
    [
        ({"type": "number", "equals": 0}, "number 0"),
        ({"type": "number", "equals": 5, "threshold": 0.5}, "number 5 ± 0.5"),
        ({"type": "number", "min": 1, "max": 2}, "number at least 1 and at most 2"),
        ({"type": "string", "equals": "a"}, "string 'a'"),
        ({"type": "boolean", "equals": False}, "boolean false"),
        ({"rows": 1}, "1 row"),
        ({"empty": True}, "no row"),
    ],
)
def test_expectations_in_words(fields: dict[str, object], words: str) -> None:
    assert describe(expect(**fields)) == words


def test_row_count_limits() -> None:
    exact = RowCount.model_validate({"table": "t", "equals": 3})
    assert [judge_count(exact, n).outcome for n in (2, 3, 4)] == ["failed", "passed", "failed"]
    between = RowCount.model_validate({"table": "t", "min": 2, "max": 3})
    assert [judge_count(between, n).outcome for n in (1, 2, 3, 4)] == ["failed", "passed", "passed", "failed"]


def test_nothing_wrong_passes() -> None:
    assert judge_none(0, "Wrong rows").outcome == "passed"
    assert judge_none(2, "Wrong rows").message == "Wrong rows: 2."
    assert judge_none(2, "Wrong rows", "in t").message == "Wrong rows: 2 (in t)."


def test_time_against_before_allows_for_noise() -> None:
    def outcome(now: float, before: float | None, factor: str | None = "2", max_ms: int | None = None) -> str:
        wanted = Decimal(factor) if factor else None
        return judge_time(median_ms=now, before_ms=before, factor=wanted, max_ms=max_ms).outcome

    assert outcome(200, 100) == "passed"
    assert outcome(201, 100) == "failed"
    assert outcome(4, 0.1) == "passed"  # 40 times as long, and still nothing that a person would notice
    assert outcome(6, 0.1) == "failed"
    assert outcome(10, None) == "inconclusive"
    assert outcome(10, None, factor=None, max_ms=10) == "passed"
    assert outcome(11, None, factor=None, max_ms=10) == "failed"
    assert outcome(150, 100, max_ms=120) == "failed"


START = RowsSeen(rows=10, digest="a", table_id=1, file_id=1)


@pytest.mark.parametrize(
    "now, own, outcome, says",
    [
        (START, (0, 0), "passed", ""),
        (START, (4, 4), "passed", ""),  # the same rows were put back
        (START, (1, 0), "failed", "inserted 1 row"),
        (RowsSeen(12, "b", 1, 1), (0, 0), "passed", "application wrote"),
        (RowsSeen(8, "b", 1, 1), (0, 0), "passed", "application wrote"),
        (RowsSeen(8, "b", 1, 1), (0, 2), "failed", "deleted 2 rows"),
        (RowsSeen(12, "b", 1, 1), (2, 0), "failed", "inserted 2 rows"),
        (RowsSeen(10, "b", 1, 1), (3, 3), "failed", "other keys"),
        (RowsSeen(11, "b", 1, 1), (3, 3), "inconclusive", "application wrote too"),
        (RowsSeen(0, "b", 1, 2), (0, 0), "inconclusive", "truncated, rewritten"),
        (RowsSeen(12, "b", 1, 2), (0, 0), "passed", "application wrote"),
        (RowsSeen(10, "b", 2, 2), (0, 0), "failed", "another table"),
        (RowsSeen(10, "a", 2, 2), (0, 0), "passed", ""),  # rebuilt under the same name with the same rows
    ],
)
def test_rows_unchanged(now: RowsSeen, own: tuple[int, int], outcome: str, says: str) -> None:
    verdict = judge_rows_unchanged("public.t", START, now, own)
    assert verdict.outcome == outcome
    assert says in verdict.message


def test_rows_unchanged_trusts_no_images_that_are_not_there() -> None:
    other = RowsSeen(9, "b", 1, 1)
    assert judge_rows_unchanged("t", START, other, (0, 0)).outcome == "passed"
    unsure = judge_rows_unchanged("t", START, other, (0, 0), all_captured=False)
    assert unsure.outcome == "inconclusive"
    assert "`down`" in unsure.message
    assert judge_rows_unchanged("t", START, START, (0, 0), all_captured=False).outcome == "passed"
    assert judge_rows_unchanged("t", START, other, (0, 1), all_captured=False).outcome == "failed"


def result(outcome: str, *, report_only: bool = False) -> CheckResult:
    return CheckResult.model_validate({"name": "c", "outcome": outcome, "report_only": report_only})


@pytest.mark.parametrize(
    "outcomes, settled",
    [
        ([], "passed"),
        (["passed", "passed"], "passed"),
        (["passed", "failed", "inconclusive"], "failed"),
        (["error", "failed"], "failed"),
        (["passed", "inconclusive"], "inconclusive"),
        (["passed", "error"], "inconclusive"),
    ],
)
def test_settle(outcomes: list[str], settled: str) -> None:
    assert settle(result(o) for o in outcomes) == settled


@pytest.mark.parametrize("outcome", ["failed", "error", "inconclusive"])
def test_what_is_only_reported_never_counts(outcome: str) -> None:
    assert settle([result("passed"), result(outcome, report_only=True)]) == "passed"
