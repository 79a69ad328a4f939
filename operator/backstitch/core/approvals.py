# SPDX-License-Identifier: Apache-2.0
"""Is a plan approved: whose yes counts, whose does not and why?

Who created an approval was checked by the API server (a ValidatingAdmissionPolicy of the chart); here it is counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from backstitch.model.approval import DEFAULT_VALID_FOR
from backstitch.model.approval_policy import ApprovalPolicy
from backstitch.model.duration import parse_duration


@dataclass(frozen=True, slots=True)
class Approval:
    """One person's yes, as the cluster (or the command line) has it."""

    name: str
    approver: str
    plan_digest: str
    created: datetime
    valid_for: str | None = None
    rehearsal_digest: str | None = None


@dataclass(frozen=True)
class Approved:
    """How far a plan is approved."""

    by: tuple[str, ...]  # approvers whose yes counts, each once
    needed: int
    void: tuple[str, ...] = ()  # what does not count, and why

    @property
    def is_enough(self) -> bool:
        """Tell whether the migration may begin."""
        return len(self.by) >= self.needed

    def message(self, plan_digest: str, migration: str) -> str:
        """Say what is missing, or who approved, for people."""
        if not self.needed:
            return "The target's policy asks for no approval."
        if self.is_enough:
            return f"Approved by {', '.join(self.by)}."
        have = f" ({len(self.by)} so far: {', '.join(self.by)})" if self.by else ""
        void = f" Not counted: {'; '.join(self.void)}." if self.void else ""
        people = "1 approval" if self.needed == 1 else f"{self.needed} approvals"
        return (
            f"The plan needs {people}{have}. Read it, then say yes to digest {plan_digest}: "
            f"kubectl dbmigrations approve {migration} (a MigrationApproval), or --approve on the command line.{void}"
        )


def count_approvals(
    approvals: Sequence[Approval],
    policy: ApprovalPolicy | None,
    needed: int,
    *,
    plan_digest: str,
    author: str | None,
    now: datetime,
    rehearsal_digest: str | None = None,
) -> Approved:
    """Count whose yes holds for this plan at `now` (aware)."""
    by: list[str] = []
    void: list[str] = []
    for approval in sorted(approvals, key=lambda a: (a.created, a.name)):
        why_not = _why_void(approval, policy, plan_digest, author, now, rehearsal_digest)
        if why_not:
            void.append(f"{approval.name} ({why_not})")
        elif approval.approver in by:
            void.append(f"{approval.name} ({approval.approver} has said yes already)")
        else:
            by.append(approval.approver)
    return Approved(tuple(by), needed, tuple(void))


def _why_void(
    approval: Approval,
    policy: ApprovalPolicy | None,
    plan_digest: str,
    author: str | None,
    now: datetime,
    rehearsal_digest: str | None,
) -> str:
    if approval.plan_digest != plan_digest:
        return f"it is for plan {approval.plan_digest[:12]}, and the plan is {plan_digest[:12]} now"
    if approval.rehearsal_digest and rehearsal_digest and approval.rehearsal_digest != rehearsal_digest:
        return "it is for another rehearsal report"
    valid = parse_duration(approval.valid_for or DEFAULT_VALID_FOR)
    if policy and policy.valid_for:
        valid = min(valid, parse_duration(policy.valid_for))
    if now >= approval.created + valid:
        return "it has expired"
    if policy and policy.approvers and approval.approver not in policy.approvers:
        return f"{approval.approver} is not among the approvers of the target"
    if policy and policy.not_author:
        if author is None:
            return "the migration names no author (annotation backstitch.dev/author), and the author may not approve"
        if approval.approver == author:
            return f"{author} is the author"
    return ""
