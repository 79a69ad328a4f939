# SPDX-License-Identifier: Apache-2.0
"""What does a status say when the engine could not even be asked? Pure functions: records to wait with, and trouble."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from backstitch.core.view import previous_conditions, status_of
from backstitch.model.conditions import ABNORMAL, Condition, ConditionType, Reason, set_conditions, shorten
from backstitch.model.record import Record
from backstitch.model.spec import MigrationSpec, NameRef
from backstitch.model.states import RESTING, State

BEFORE = frozenset({State.PENDING, State.WAITING, State.AWAITING_APPROVAL}) | RESTING
"""States in which nothing is under way: a status may be made anew without losing what only the ledger knows."""

NO_SPEC = MigrationSpec.model_construct(target_ref=NameRef(name="-"), version="-", type="schema", phases=[])
"""Stands for a spec that could not be read, where a status is made."""


def plain_record(namespace: str, name: str, version: str, state: State, reason: str, message: str) -> Record:
    """Give a record that does not come from the ledger: waiting, or refused before the database was asked."""
    return Record(namespace=namespace, name=name, version=version, state=state, reason=reason, message=message)


def status_in_trouble(
    previous: Mapping[str, Any],
    record: Record,
    spec: MigrationSpec,
    generation: int,
    now: datetime,
    *,
    comes_back: bool,
) -> dict[str, Any]:
    """Give a status that says why the operator cannot work now, with `record`'s reason and message.

    What is under way keeps its state, steps and backup as they were last seen. `comes_back`: it is tried again by
    itself (Reconciling); else a person must mend something (Stalled).
    """
    under_way = State(previous.get("state", State.PENDING)) not in BEFORE
    base = dict(previous) if under_way else status_of(record, spec, generation, previous, now)
    message = shorten(record.message)
    reason = Reason.UNREACHABLE if comes_back else Reason.UNFIT

    def condition(type_: ConditionType, status: str) -> Condition:
        return Condition.model_validate(
            {
                "type": type_,
                "status": status,
                "reason": reason,
                "message": message,
                "observed_generation": generation,
                "last_transition_time": now,
            }
        )

    replaced = {ConditionType.READY, *ABNORMAL}
    kept = [c for c in previous_conditions(base) if c.type not in replaced]
    trouble = ConditionType.RECONCILING if comes_back else ConditionType.STALLED
    conditions = set_conditions(
        previous_conditions(previous), [condition(ConditionType.READY, "False"), *kept, condition(trouble, "True")]
    )
    return {
        **base,
        "observedGeneration": generation,
        "reason": shorten(record.reason, 64),
        "message": message,
        "conditions": [c.to_plain() for c in conditions],
    }
