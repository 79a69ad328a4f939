# SPDX-License-Identifier: Apache-2.0
"""Does a status tell what becomes of phases that wait for the end of the revert window?"""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from backstitch.core.view_contract import contract_condition
from backstitch.model.record import ContractRecord, Record
from backstitch.model.spec import MigrationSpec
from backstitch.model.states import State

NOW = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
PHASE = {"name": "now", "steps": [{"name": "a", "sql": {"up": "SELECT 1"}}]}
LATER = {"name": "later", "contract": True, "steps": [{"name": "b", "sql": {"up": "SELECT 1"}}]}
HEAD = {"targetRef": {"name": "shop"}, "version": "1", "type": "schema"}


def record(state: State, contract: State | None = None, message: str = "") -> Record:
    return Record(
        namespace="shop",
        name="m",
        version="1",
        state=state,
        revert_until=NOW,
        contract=ContractRecord(state=contract, message=message),
    )


@pytest.mark.parametrize(
    ("state", "contract", "status", "reason", "words"),
    [
        (State.MIGRATING, None, "False", "NotStarted", "cannot go back"),
        (State.SUCCEEDED, None, "False", "RevertWindowOpen", "2026-01-02 03:04 UTC"),
        (State.SUCCEEDED, State.MIGRATING, "False", "Running", "later is Migrating"),
        (State.SUCCEEDED, State.WAITING, "False", "Waiting", "because"),
        (State.SUCCEEDED, State.ROLLED_BACK, "False", "RolledBack", "backstitch.dev/retry"),
        (State.SUCCEEDED, State.REFUSED, "False", "Refused", "because"),
        (State.SUCCEEDED, State.SUCCEEDED, "True", "AllStepsDone", "later is done"),
    ],
)
def test_the_condition_of_each_moment(
    state: State, contract: State | None, status: str, reason: str, words: str
) -> None:
    spec = MigrationSpec.model_validate({**HEAD, "phases": [PHASE, LATER]})
    (found,) = contract_condition(record(state, contract, "because"), spec, 3, NOW)
    assert (found.status, found.reason, found.observed_generation) == (status, reason, 3)
    assert words in found.message


def test_a_migration_without_such_phases_has_no_such_condition() -> None:
    spec = MigrationSpec.model_validate({**HEAD, "phases": [PHASE]})
    assert contract_condition(record(State.SUCCEEDED), spec, 3, NOW) == ()
