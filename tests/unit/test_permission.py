# SPDX-License-Identifier: Apache-2.0
"""What keeps a planned migration from beginning, in which order, and when does it look again?"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from backstitch.core.approvals import Approval
from backstitch.core.permission import NotYet, Permit, approvals_from, count, why_not_begin
from backstitch.model.spec import TargetPolicy
from backstitch.model.states import State

PLAN = "a" * 64
NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
WINDOW: dict[str, Any] = {"windows": [{"cron": "20 12 * * *", "duration": "1h"}]}


def ask(permit: Permit, needed: int = 0, **policy: Any) -> NotYet | None:
    rules = TargetPolicy.model_validate(policy) if policy else None
    approved = count(permit, rules, needed, plan_digest=PLAN, now=NOW)
    return why_not_begin(permit, rules, approved, migration="full-name", plan_digest=PLAN, now=NOW)


YES = Approval(name="y", approver="ana", plan_digest=PLAN, created=NOW)


def test_nothing_in_the_way() -> None:
    assert ask(Permit()) is None
    assert ask(Permit(approvals=(YES,)), needed=1) is None


@pytest.mark.parametrize(
    ("permit", "needed", "policy", "state", "reason"),
    [
        (Permit(), 1, {}, State.AWAITING_APPROVAL, "AwaitingApproval"),
        (Permit(paused=True, target_suspended=True), 1, WINDOW, State.AWAITING_APPROVAL, "AwaitingApproval"),
        (Permit(paused=True, target_suspended=True), 0, WINDOW, State.WAITING, "Paused"),
        (Permit(target_suspended=True), 0, WINDOW, State.WAITING, "TargetSuspended"),
        (Permit(), 0, WINDOW, State.WAITING, "OutsideWindow"),
    ],
)
def test_one_reason_at_a_time_the_persons_own_first(
    permit: Permit, needed: int, policy: dict[str, Any], state: State, reason: str
) -> None:
    not_yet = ask(permit, needed, **policy)
    assert not_yet is not None
    assert (not_yet.state, not_yet.reason) == (state, reason)
    assert not_yet.again_after_s >= 1


def test_it_looks_again_when_the_window_opens() -> None:
    not_yet = ask(Permit(), **WINDOW)
    assert not_yet is not None
    assert not_yet.again_after_s == 20 * 60


def test_approvals_are_read_as_the_api_server_writes_them() -> None:
    body: dict[str, Any] = {
        "metadata": {"name": "y", "creationTimestamp": "2026-11-24T12:00:00Z"},
        "spec": {"migrationRef": {"name": "full-name"}, "planDigest": PLAN, "approver": "ana", "validFor": "1h"},
    }
    leaving = {**body, "metadata": {**body["metadata"], "deletionTimestamp": "2026-11-24T12:00:01Z"}}
    assert approvals_from([body, leaving]) == (
        Approval(name="y", approver="ana", plan_digest=PLAN, created=NOW, valid_for="1h"),
    )
