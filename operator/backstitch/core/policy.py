# SPDX-License-Identifier: Apache-2.0
"""What each environment asks and forbids: one table, made stricter by the target's own policy, never looser."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from backstitch.model.duration import parse_duration
from backstitch.model.lock_policy import EndBlockers, Throttle
from backstitch.model.rehearsal_spec import RehearsalSpec
from backstitch.model.spec import Environment, MigrationSpec, TargetPolicy


@dataclass(frozen=True)
class Rules:
    """The rules one migration runs under."""

    environment: Environment
    backup: bool  # a full backup, proven, before the first change
    destructive: bool  # dropTable, dropColumn and deleteRows may be used (they go to quarantine or keep images)
    reset: bool  # the spec may ask to empty the database first
    seed: bool  # migrations of type seed may run
    approvals: int  # so many people must say yes to the plan
    hazards_block: bool  # a hazard of level error refuses the plan
    lock_timeout_ms: int = 800  # below deadlock_timeout (1 s): in most deadlocks we give up first
    lock_allowance_s: float = 60.0
    queue_allowance_ms: int = 300  # so long may the application queue behind a statement of ours
    end_blockers: EndBlockers = field(default_factory=EndBlockers)
    throttle: Throttle = field(default_factory=Throttle)
    rollback_on_delete: bool = True
    drift_waits: bool = False  # nothing begins while the schema is not as the last migration left it
    rehearsal: bool = False  # the whole migration and its rollback run on a copy first
    rehearsal_waived: str = ""  # why not, where the environment asks for it and the target has no room


ENVIRONMENTS: dict[Environment, Rules] = {
    "development": Rules(
        "development", backup=False, destructive=True, reset=True, seed=True, approvals=0, hazards_block=False
    ),
    "staging": Rules(
        "staging", backup=True, destructive=True, reset=False, seed=True, approvals=0, hazards_block=False
    ),
    "production": Rules(
        "production",
        backup=True,
        destructive=True,
        reset=False,
        seed=True,
        approvals=1,
        hazards_block=True,
        drift_waits=True,
        rehearsal=True,
    ),
}


def rules_for(environment: Environment, policy: TargetPolicy | None, rehearsal: RehearsalSpec | None = None) -> Rules:
    """Give the environment's row, with what the target's policy makes stricter.

    A policy cannot switch the backup off outside development: that would make the environment looser.
    """
    rules = _with_rehearsal(ENVIRONMENTS[environment], rehearsal)
    if policy is None:
        return rules
    if policy.backup is not None:
        rules = replace(rules, backup=policy.backup == "full" or rules.backup)
    if policy.allow_destructive is not None:
        rules = replace(rules, destructive=policy.allow_destructive and rules.destructive)
    if policy.lock_timeout_ms is not None:
        rules = replace(rules, lock_timeout_ms=policy.lock_timeout_ms)
    if policy.lock_allowance is not None:
        rules = replace(rules, lock_allowance_s=parse_duration(policy.lock_allowance).total_seconds())
    if policy.queue_allowance_ms is not None:
        rules = replace(rules, queue_allowance_ms=policy.queue_allowance_ms)
    if policy.end_blockers is not None:
        rules = replace(rules, end_blockers=policy.end_blockers)
    if policy.throttle is not None:
        rules = replace(rules, throttle=policy.throttle)
    if policy.approval is not None and policy.approval.required is not None:
        # also 0 in production: the MigrationTarget is the platform team's own word
        rules = replace(rules, approvals=policy.approval.required)
    if policy.drift is not None:
        rules = replace(rules, drift_waits=policy.drift == "wait")
    if policy.on_delete is not None:
        rules = replace(rules, rollback_on_delete=policy.on_delete == "rollback")
    return rules


def _with_rehearsal(rules: Rules, spec: RehearsalSpec | None) -> Rules:
    """A target may ask for rehearsals; it can do without what its environment asks for only by saying why, aloud."""
    if spec is None:
        return rules
    if spec.no_room:
        return replace(rules, rehearsal=False, rehearsal_waived=spec.no_room if rules.rehearsal else "")
    wanted = rules.rehearsal or spec.required is not False
    return replace(rules, rehearsal=wanted, backup=rules.backup or wanted)  # the copy is made from the backup


def refuse(spec: MigrationSpec, rules: Rules) -> tuple[str, ...]:
    """Give the reasons why this environment does not allow the migration; () when it does."""
    reasons = []
    if spec.reset and not rules.reset:
        reasons.append(
            f"reset empties the database and exists for development only; this target is {rules.environment}. "
            "Remove `reset` from the spec."
        )
    if spec.type == "seed" and not rules.seed:
        reasons.append(f"Migrations of type seed are not allowed in {rules.environment}.")
    if not rules.destructive:
        reasons += [
            f"Step {step.name}: {step.operation.kind} takes something away, and this target does not allow that "
            "(policy.allowDestructive is false). Ask the owner of the MigrationTarget."
            for _, step in spec.steps()
            if step.operation.destructive
        ]
    return tuple(reasons)
