# SPDX-License-Identifier: Apache-2.0
"""How is a plan cut down to what fits into a status and a screen?"""

from __future__ import annotations

from backstitch.core.plan import Plan, PlannedStep
from backstitch.model.conditions import shorten
from backstitch.model.plan_short import MAX_STATEMENT, MAX_STATEMENTS, MAX_STEPS, PlannedStepShort, PlanShort


def short_plan(plan: Plan) -> PlanShort:
    """Give the plan in short; every cut is counted, so that nobody takes a part for the whole."""
    return PlanShort(
        steps=[_short_step(step) for step in plan.steps[:MAX_STEPS]],
        more=len(plan.steps) - MAX_STEPS if len(plan.steps) > MAX_STEPS else None,
    )


def _short_step(step: PlannedStep) -> PlannedStepShort:
    statements = step.statements
    return PlannedStepShort(
        name=step.name,
        statements=[shorten(text, MAX_STATEMENT) for text in statements[:MAX_STATEMENTS]],
        more=len(statements) - MAX_STATEMENTS if len(statements) > MAX_STATEMENTS else None,
        hazards=[shorten(f"{h.level}: {h.message} ({h.id})", 1000) for h in step.hazards[:20]] or None,
        later=None if step.certain else True,
    )
