# SPDX-License-Identifier: Apache-2.0
"""Whose yes counts?"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from backstitch.core.approvals import Approval, Approved, count_approvals
from backstitch.model.approval import ApprovalSpec
from backstitch.model.approval_policy import ApprovalPolicy

PLAN = "a" * 64
OTHER = "b" * 64
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


def yes(approver: str, *, ago: timedelta = timedelta(hours=1), **changes: object) -> Approval:
    given: dict[str, object] = {"name": f"by-{approver}", "approver": approver, "plan_digest": PLAN}
    return Approval(**{**given, "created": NOW - ago, **changes})  # type: ignore[arg-type]


def count(*approvals: Approval, needed: int = 1, author: str | None = "dora", **policy: object) -> Approved:
    return count_approvals(
        approvals, ApprovalPolicy.model_validate(policy), needed, plan_digest=PLAN, author=author, now=NOW
    )


def test_one_yes_to_this_very_plan_is_enough() -> None:
    approved = count(yes("ana"))
    assert approved.is_enough
    assert approved.message(PLAN, "full-name") == "Approved by ana."


def test_no_yes_says_what_to_do() -> None:
    approved = count()
    assert not approved.is_enough
    assert "kubectl dbmigrations approve full-name" in approved.message(PLAN, "full-name")
    assert PLAN in approved.message(PLAN, "full-name")


def test_nobody_is_asked_where_the_policy_asks_for_none() -> None:
    assert count(needed=0).is_enough


def test_n_of_m_needs_different_people() -> None:
    approved = count(yes("ana"), yes("ana", name="again"), needed=2)
    assert not approved.is_enough
    assert "ana has said yes already" in approved.message(PLAN, "m")
    assert count(yes("ana"), yes("bo"), needed=2).by == ("ana", "bo")


@pytest.mark.parametrize(
    ("approval", "policy", "why"),
    [
        (yes("ana", plan_digest=OTHER), {}, "it is for plan bbbbbbbbbbbb"),
        (yes("ana", ago=timedelta(hours=24)), {}, "expired"),
        (yes("ana", valid_for="30m"), {}, "expired"),
        (yes("ana", ago=timedelta(hours=9), valid_for="5d"), {"validFor": "8h"}, "expired"),
        (yes("eve"), {"approvers": ["ana"]}, "not among the approvers"),
        (yes("dora"), {"notAuthor": True}, "dora is the author"),
    ],
)
def test_what_does_not_count_is_named_with_its_reason(approval: Approval, policy: dict[str, Any], why: str) -> None:
    approved = count(approval, **policy)
    assert not approved.is_enough
    assert why in approved.message(PLAN, "m")


def test_an_unknown_author_cannot_be_told_from_the_approver() -> None:
    assert "names no author" in count(yes("ana"), author=None, notAuthor=True).message(PLAN, "m")
    assert count(yes("ana"), author=None).is_enough


def test_a_yes_to_another_report_does_not_count() -> None:
    approved = count_approvals(
        [yes("ana", rehearsal_digest=OTHER)], None, 1, plan_digest=PLAN, author=None, now=NOW, rehearsal_digest=PLAN
    )
    assert "another rehearsal report" in approved.message(PLAN, "m")


@pytest.mark.parametrize("digest", ["", "A" * 64, "a" * 63, "a" * 64 + "\n"])
def test_a_digest_that_cannot_be_one_is_refused(digest: str) -> None:
    with pytest.raises(ValidationError):
        ApprovalSpec.model_validate({"migrationRef": {"name": "m"}, "approver": "ana", "planDigest": digest})
