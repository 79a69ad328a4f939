# SPDX-License-Identifier: Apache-2.0
"""When does a condition's transition time move, and what may never stand together?"""

from __future__ import annotations

import ast
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from backstitch.model.conditions import Condition, ConditionStatus, ConditionType, Reason, set_conditions, shorten

START = datetime(2026, 1, 1, tzinfo=UTC)


def a_condition(
    type_: ConditionType = ConditionType.READY,
    status: ConditionStatus = "False",
    *,
    reason: Reason = Reason.WAITING,
    after_s: int = 0,
) -> Condition:
    return Condition(
        type=type_,
        status=status,
        reason=reason,
        message=f"After {after_s} s.",
        observed_generation=1,
        last_transition_time=START + timedelta(seconds=after_s),
    )


def test_the_time_stays_while_the_status_value_stays() -> None:
    (written,) = set_conditions([a_condition()], [a_condition(reason=Reason.MIGRATING, after_s=9)])
    assert written.last_transition_time == START
    assert (written.reason, written.message) == (Reason.MIGRATING, "After 9 s.")


def test_the_time_moves_with_the_status_value() -> None:
    (written,) = set_conditions([a_condition()], [a_condition(status="True", after_s=9)])
    assert written.last_transition_time == START + timedelta(seconds=9)


def test_a_condition_that_is_not_given_again_is_gone() -> None:
    before = [a_condition(), a_condition(ConditionType.RECONCILING, "True")]
    assert [c.type for c in set_conditions(before, [a_condition()])] == [ConditionType.READY]


@pytest.mark.parametrize(
    "wrong",
    [
        [a_condition(ConditionType.RECONCILING, "True"), a_condition(ConditionType.STALLED, "True")],
        [a_condition(ConditionType.STALLED, "False")],
    ],
    ids=["both", "not-true"],
)
def test_abnormal_conditions_are_alone_and_true(wrong: list[Condition]) -> None:
    with pytest.raises(ValueError, match="at most one of Reconciling, Stalled"):
        set_conditions([], wrong)


def test_a_long_message_is_cut_and_says_so() -> None:
    assert shorten("a" * 3000) == "a" * 1999 + "…"
    assert shorten("nul\0byte") == "nulbyte"


def test_reasons_of_errors_are_camel_case() -> None:
    """They become `status.reason`, which machines match on."""
    found = set()
    for path in (Path(__file__).parents[2] / "operator").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.keyword) and node.arg == "reason" and isinstance(node.value, ast.Constant):
                found.add(str(node.value.value))
    assert found
    assert [r for r in found if not (r.isalnum() and r[0].isupper() and len(r) <= 64)] == []
