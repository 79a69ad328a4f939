# SPDX-License-Identifier: Apache-2.0
"""Whose turn it is on one target: by version, by dependsOn, and one at a time."""

from __future__ import annotations

import re
from dataclasses import dataclass

from backstitch.model.spec import MigrationSpec
from backstitch.model.states import RESTING, State

VersionKey = tuple[tuple[int, int, str], ...]


def version_key(version: str) -> VersionKey:
    """Give a key that orders versions: parts that are numbers compare as numbers and before words."""
    return tuple(
        (0, int(part), "") if part.isdigit() else (1, 0, part) for part in re.findall(r"[0-9]+|[A-Za-z]+", version)
    )


@dataclass(frozen=True)
class Sibling:
    """Another migration of the same target, as the cluster or the ledger knows it."""

    name: str
    version: str
    state: State


def why_wait(name: str, spec: MigrationSpec, siblings: tuple[Sibling, ...]) -> tuple[str, str] | None:
    """Give (reason, message) why this migration must wait, or None when its turn has come.

    A lower version that failed does not hold the others up for ever unless they name it in dependsOn: a person
    decides what becomes of it.
    """
    others = {s.name: s for s in siblings if s.name != name}
    for ref in spec.depends_on or []:
        other = others.get(ref.name)
        if other is None:
            return "DependencyMissing", f"Waits for migration {ref.name}, which is not there yet."
        if other.state is not State.SUCCEEDED:
            return "DependencyNotDone", f"Waits for migration {ref.name}, which is {other.state}."
    earlier = [
        s for s in others.values() if version_key(s.version) < version_key(spec.version) and s.state not in RESTING
    ]
    if earlier:
        first = min(earlier, key=lambda s: version_key(s.version))
        return "EarlierVersion", f"Waits for version {first.version} ({first.name}), which is {first.state}."
    return None
