# SPDX-License-Identifier: Apache-2.0
"""What do people see of phases that wait for the end of the revert window? One condition, and a few words."""

from __future__ import annotations

from datetime import datetime

from backstitch.model.conditions import Condition, ConditionStatus, ConditionType, Reason, shorten
from backstitch.model.names import CLOSE, RETRY
from backstitch.model.record import Record
from backstitch.model.spec import MigrationSpec
from backstitch.model.states import State

_ENDED = {
    State.ROLLED_BACK: Reason.ROLLED_BACK,
    State.REFUSED: Reason.REFUSED,
    State.STOPPED: Reason.STOPPED,
    State.NEEDS_HELP: Reason.NEEDS_HELP,
    State.WAITING: Reason.WAITING,
}


def contract_condition(record: Record, spec: MigrationSpec, generation: int, now: datetime) -> tuple[Condition, ...]:
    """Give the condition Contracted; () for a migration without contract phases."""
    names = ", ".join(p.name for p in spec.phases if p.contract)
    if not names:
        return ()
    status, reason, message = _said(record, names)
    return (
        Condition(
            type=ConditionType.CONTRACTED,
            status=status,
            reason=reason,
            message=shorten(message),
            observed_generation=generation,
            last_transition_time=now,
        ),
    )


def _said(record: Record, names: str) -> tuple[ConditionStatus, Reason, str]:
    inner = record.contract
    if record.state is not State.SUCCEEDED:
        return "False", Reason.NOT_STARTED, f"Of phase {names}: it runs when the rest has succeeded and cannot go back."
    if inner is None or inner.state is None:
        until = f"{record.revert_until:%Y-%m-%d %H:%M} UTC" if record.revert_until else "its end"
        return "False", Reason.REVERT_WINDOW_OPEN, (
            f"Phase {names} waits until the migration cannot be rolled back any more: {until}. The annotation {CLOSE} "
            "(`backstitch close`) ends that now."
        )  # fmt: skip
    if inner.state is State.SUCCEEDED:
        return "True", Reason.ALL_STEPS_DONE, f"Phase {names} is done and its checks hold."
    if inner.state in _ENDED:
        retry = "" if inner.state is State.WAITING else f" The annotation {RETRY} tries it again."
        said = f"Phase {names} is {inner.state}: {inner.message.rstrip('.')}. The rest of the migration stands.{retry}"
        return "False", _ENDED[inner.state], said
    return "False", Reason.RUNNING, f"Phase {names} is {inner.state}."
