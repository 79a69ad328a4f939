# SPDX-License-Identifier: Apache-2.0
"""What does the engine run for one DatabaseMigration: its spec, its target's rules, and whose yes it has?"""

from __future__ import annotations

from typing import Any

from backstitch.adapters.kube import Cluster
from backstitch.app.registry import Registry, Seen
from backstitch.app.targets import Target
from backstitch.core.permission import Permit, approvals_from
from backstitch.core.policy import rules_for
from backstitch.engine.job import Job
from backstitch.model.names import AUTHOR
from backstitch.model.spec import MigrationSpec


async def job_of(
    cluster: Cluster,
    registry: Registry,
    seen: Seen,
    body: dict[str, Any],
    spec: MigrationSpec,
    target: Target,
    sources: dict[str, str],
) -> Job:
    """Give the job. Approvals are read only where the target asks for some. Raises ApiError."""
    return Job(
        namespace=seen.key.namespace,
        name=seen.key.name,
        spec=spec,
        environment=target.spec.environment,
        sources=sources,
        policy=target.spec.policy,
        backup_keep=target.keep,
        proof=target.proof,
        siblings=registry.siblings(seen),
        owner_role=target.spec.owner_role,
        rehearsal=target.spec.rehearsal,
        permit=await _permit(cluster, seen, body, target),
    )


async def _permit(cluster: Cluster, seen: Seen, body: dict[str, Any], target: Target) -> Permit:
    asked = not seen.held and rules_for(target.spec.environment, target.spec.policy).approvals > 0
    approvals = approvals_from(await cluster.approvals_of(seen.key)) if asked else ()
    author = (body["metadata"].get("annotations") or {}).get(AUTHOR)
    return Permit(approvals=approvals, author=author, target_suspended=bool(target.spec.suspend))
