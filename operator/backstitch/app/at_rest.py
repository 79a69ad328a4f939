# SPDX-License-Identifier: Apache-2.0
"""Which objects rest in the cluster although their ledger says something new? Asked at each look at a target.

A migration that another one, or the command line, has taken back; one whose rollback was begun by somebody who is gone;
contract phases whose time has come or that were cut off.
"""

from __future__ import annotations

from backstitch.adapters.kube import Key
from backstitch.app.registry import Registry
from backstitch.engine.contract import is_contract_due
from backstitch.engine.ledger import Entry
from backstitch.model.revert import CONTRACT_SUFFIX
from backstitch.model.states import RESTING, State


def owner_of(entry: Entry) -> Key:
    """Give the object that an attempt in the ledger belongs to; contract phases belong to their migration's."""
    return Key(entry.namespace, entry.name.removesuffix(CONTRACT_SUFFIX))


def out_of_step(registry: Registry, target: Key, entries: list[Entry]) -> list[Key]:
    """Give the objects of this target that are to be looked at once more."""
    by_name = {(e.namespace, e.name): e for e in entries}
    found = []
    for entry in entries:
        key = owner_of(entry)
        seen = registry.get(key)
        if seen is None or not seen.is_settled or seen.target != target.name or key.namespace != target.namespace:
            continue
        if entry.name.endswith(CONTRACT_SUFFIX):
            if entry.state not in RESTING:
                found.append(key)
            continue
        moved = seen.state in (State.SUCCEEDED, State.NEEDS_HELP) and entry.state is not seen.state
        contract = by_name.get((entry.namespace, entry.name + CONTRACT_SUFFIX))
        if moved or (contract is None and is_contract_due(entry)):
            found.append(key)
    return list(dict.fromkeys(found))
