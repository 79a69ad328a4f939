# SPDX-License-Identifier: Apache-2.0
"""Is a planned migration let begin, by people and by the clock?"""

from __future__ import annotations

from dataclasses import replace

from backstitch.core.approvals import Approved
from backstitch.core.permission import NotYet, count, why_not_begin
from backstitch.engine.job import Job, World


def ask_to_begin(job: Job, world: World, plan_digest: str) -> tuple[Approved, NotYet | None]:
    """Give whose yes the plan has, and why it may not begin now.

    A rehearsal on a copy asks nobody. Contract phases were read and approved with the whole migration, so they keep to
    windows and pauses only.
    """
    if job.on_copy:
        return Approved((), 0), None
    now = world.clock.now()
    needed = 0 if job.follows else job.rules.approvals
    permit = replace(job.permit, paused=world.requests().pause is not None)
    approved = count(permit, job.policy, needed, plan_digest=plan_digest, now=now)
    return approved, why_not_begin(permit, job.policy, approved, migration=job.name, plan_digest=plan_digest, now=now)
