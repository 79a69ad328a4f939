# SPDX-License-Identifier: Apache-2.0
"""Contract phases: when the revert window of a migration has ended, they run as an attempt of their own.

The migration itself is Succeeded since its other phases held, so it holds nobody up in the meantime. The attempt has
its own row in the ledger (the migration's name and `.contract`), its own proven backup, proof and revert window; where
it rolls back, the migration is what it was before: Succeeded, with its contract phases to come.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace

from backstitch.core.decide import Asked
from backstitch.core.ports import Session
from backstitch.engine.job import Job, World
from backstitch.engine.ledger import Entry, latest_entry
from backstitch.engine.recall import recall
from backstitch.model.record import ContractRecord, Record, StepRecord
from backstitch.model.revert import CONTRACT_SUFFIX, contract_of
from backstitch.model.spec import MigrationSpec
from backstitch.model.states import RESTING, State

RunHere = Callable[[Job, World], Awaitable[Record]]


async def with_contract(session: Session, entry: Entry, record: Record) -> Record:
    """Give a migration's record with what its ledger says of its contract phases; touches nothing."""
    later = contract_of(entry.whole)
    if later is None:
        return record
    begun = await latest_entry(session, entry.namespace, entry.name + CONTRACT_SUFFIX)
    return joined(record, later, await recall(session, begun) if begun else None)


def is_contract_due(entry: Entry) -> bool:
    """Tell whether a migration has contract phases and its revert window has ended, by the server's clock."""
    ended = entry.state is State.SUCCEEDED and entry.revert_until is not None and not entry.revertible
    return ended and contract_of(entry.whole) is not None


async def speaks_of_contract(session: Session, entry: Entry) -> bool:
    """Tell whether a request to roll a migration back is one for its contract phases: those were the last that ran."""
    if contract_of(entry.whole) is None:
        return False
    begun = await latest_entry(session, entry.namespace, entry.name + CONTRACT_SUFFIX)
    return begun is not None and begun.state not in (State.ROLLED_BACK, State.STOPPED)


async def run_contract(job: Job, world: World, entry: Entry, record: Record, run_here: RunHere) -> Record:
    """Run the contract phases of a migration for which they are due; nothing happens when they are done.

    `record` is the migration's own; gives that of the whole.
    """
    later = contract_of(entry.whole)
    assert later is not None

    def requests() -> Asked:
        """Leave out what the migration itself has acted on."""
        asked = world.requests()
        old = f"cancel:{asked.cancel}" in entry.handled
        return replace(asked, cancel=None) if old else asked

    async def observe(inner: Record) -> None:
        await world.observe(joined(record, later, inner))

    return joined(
        record,
        later,
        await run_here(
            replace(job, name=job.name + CONTRACT_SUFFIX, spec=later, follows=job.name, siblings=()),
            replace(world, observe=observe, requests=requests),
        ),
    )


def joined(record: Record, later: MigrationSpec, inner: Record | None) -> Record:
    """Give the record of the whole, from that of the migration and that of its contract phases."""
    planned = tuple(StepRecord(name=s.name, phase=p, operation=s.operation.kind) for p, s in later.steps())
    steps = (*record.steps, *(inner.steps if inner else planned))
    if inner is None:
        return record.model_copy(update={"steps": steps, "contract": ContractRecord()})
    under_way = inner.state not in RESTING
    return record.model_copy(
        update={
            "steps": steps,
            "contract": ContractRecord(state=inner.state, reason=inner.reason, message=inner.message),
            "phase": inner.phase or record.phase,
            "checks": (*record.checks, *inner.checks),
            "blockers": inner.blockers,
            "handled_requests": tuple(sorted({*record.handled_requests, *inner.handled_requests})),
            "again_after_s": inner.again_after_s if under_way else None,
        }
    )
