# SPDX-License-Identifier: Apache-2.0
"""May a planned migration begin now: is it approved, paused, suspended, in its window?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from backstitch.core.approvals import Approval, Approved, count_approvals
from backstitch.core.windows import why_shut
from backstitch.model.spec import TargetPolicy
from backstitch.model.states import State

LONGEST_SLEEP_S = 3600.0  # a clock may be set and a policy changed: look again at least so often
APPROVAL_SLEEP_S = 300.0  # an approval wakes the migration at once; this is for a wake that got lost


@dataclass(frozen=True)
class Permit:
    """What the cluster, or the command line, says about beginning."""

    approvals: tuple[Approval, ...] = ()
    author: str | None = None
    paused: bool = False  # the engine asks for it anew
    target_suspended: bool = False


@dataclass(frozen=True)
class NotYet:
    """Why a migration does not begin."""

    state: State
    reason: str
    message: str
    again_after_s: float


def count(permit: Permit, policy: TargetPolicy | None, needed: int, *, plan_digest: str, now: datetime) -> Approved:
    """Count the approvals of a plan."""
    return count_approvals(
        permit.approvals,
        policy.approval if policy else None,
        needed,
        plan_digest=plan_digest,
        author=permit.author,
        now=now,
    )


def why_not_begin(
    permit: Permit,
    policy: TargetPolicy | None,
    approved: Approved,
    *,
    migration: str,
    plan_digest: str,
    now: datetime,
) -> NotYet | None:
    """Give None when the migration may begin at `now` (aware).

    A missing approval comes first: it is the one thing a person has to do, and it may be done while others hold.
    """
    if not approved.is_enough:
        return NotYet(
            State.AWAITING_APPROVAL, "AwaitingApproval", approved.message(plan_digest, migration), APPROVAL_SLEEP_S
        )
    if permit.paused:
        return NotYet(
            State.WAITING,
            "Paused",
            "A person paused this migration before it began. Resume it: take away annotation backstitch.dev/pause.",
            LONGEST_SLEEP_S,
        )
    if permit.target_suspended:
        return NotYet(
            State.WAITING,
            "TargetSuspended",
            "The target is suspended (spec.suspend of the MigrationTarget); nothing begins on it until that is lifted.",
            LONGEST_SLEEP_S,
        )
    shut = why_shut((policy.windows if policy else None) or (), (policy.freezes if policy else None) or (), now)
    if shut is None:
        return None
    sleep_s = LONGEST_SLEEP_S if shut.until is None else min(LONGEST_SLEEP_S, (shut.until - now).total_seconds())
    return NotYet(State.WAITING, shut.reason, shut.message, max(1.0, sleep_s))


def approvals_from(bodies: Sequence[dict[str, object]]) -> tuple[Approval, ...]:
    """Read MigrationApprovals as the API server gives them; what it let through is well formed."""
    found = []
    for body in bodies:
        meta, spec = body["metadata"], body["spec"]
        assert isinstance(meta, dict)
        assert isinstance(spec, dict)
        if "deletionTimestamp" in meta:
            continue
        found.append(
            Approval(
                name=str(meta["name"]),
                approver=str(spec["approver"]),
                plan_digest=str(spec["planDigest"]),
                created=datetime.fromisoformat(str(meta["creationTimestamp"])),
                valid_for=spec.get("validFor"),
                rehearsal_digest=spec.get("rehearsalDigest"),
            )
        )
    return tuple(found)
