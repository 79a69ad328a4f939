# SPDX-License-Identifier: Apache-2.0
"""What does the operator remember of each DatabaseMigration between two looks? A few words, not the object.

Filled from the watch and from full lists; it tells who is finished, who are the siblings on a target, and whether an
event says anything new. 1,000 finished objects cost about a megabyte here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from backstitch.adapters.kube import Key
from backstitch.core.decide import Asked
from backstitch.core.ordering import Sibling
from backstitch.model.names import CANCEL, CLOSE, FINALIZER, PAUSE, RETRY, ROLLBACK
from backstitch.model.states import RESTING, State


@dataclass(frozen=True, slots=True)
class Seen:
    """One DatabaseMigration as it was last seen."""

    key: Key
    uid: str
    created: str
    generation: int
    observed_generation: int
    target: str
    version: str
    depends_on: tuple[str, ...]
    state: State
    asked: Asked
    handled: tuple[str, ...]
    held: bool  # our finalizer is on it
    revert_until: datetime | None

    @property
    def is_settled(self) -> bool:
        """Tell whether the migration rests, for this very spec, and nobody asked for more."""
        asked = set(self.asked.tokens()) - set(self.handled)
        return self.state in RESTING and self.observed_generation == self.generation and not asked

    @property
    def is_finished(self) -> bool:
        """Tell whether nothing is to be done until somebody changes or asks something."""
        return self.is_settled and not self.held

    @property
    def said(self) -> tuple[object, ...]:
        """Give what people said with this object: an event in which only our own writes differ is no news."""
        return (self.uid, self.generation, self.asked)


def seen_of(body: dict[str, Any]) -> Seen:
    """Read what we remember from an object as the API server gives it."""
    metadata, spec, status = body["metadata"], body.get("spec") or {}, body.get("status") or {}
    annotations = metadata.get("annotations") or {}
    handled = status.get("handledRequests")
    return Seen(
        key=Key(metadata["namespace"], metadata["name"]),
        uid=metadata["uid"],
        created=metadata.get("creationTimestamp", ""),
        generation=metadata.get("generation", 1),
        observed_generation=status.get("observedGeneration", -1),
        target=str((spec.get("targetRef") or {}).get("name", "")),
        version=str(spec.get("version", "")),
        depends_on=tuple(str(ref.get("name", "")) for ref in spec.get("dependsOn") or []),
        state=_state(status.get("state")),
        asked=Asked(
            retry=annotations.get(RETRY),
            rollback=annotations.get(ROLLBACK),
            cancel=annotations.get(CANCEL),
            close=annotations.get(CLOSE),
            pause=annotations.get(PAUSE),
            deleted="deletionTimestamp" in metadata,
        ),
        handled=tuple(handled) if isinstance(handled, list) else (),
        held=FINALIZER in (metadata.get("finalizers") or ()),
        revert_until=_moment(status.get("revertUntil")),
    )


def _state(written: object) -> State:
    """Read a state; one that only another version of ours knows is looked at again, and the ledger says what is so."""
    return State(str(written)) if written in list(State) else State.PENDING


def _moment(written: object) -> datetime | None:
    try:
        moment = datetime.fromisoformat(written) if isinstance(written, str) else None
    except ValueError:
        return None
    return moment if moment is not None and moment.tzinfo is not None else None


class Registry:
    """All DatabaseMigrations the operator may see."""

    def __init__(self) -> None:
        self._seen: dict[Key, Seen] = {}
        self._to_recheck: set[Key] = set()

    def __len__(self) -> int:
        return len(self._seen)

    def __iter__(self) -> Iterator[Seen]:
        return iter(list(self._seen.values()))

    def get(self, key: Key) -> Seen | None:
        """Give what is known, or None when the object is not there."""
        return self._seen.get(key)

    def see(self, seen: Seen) -> bool:
        """Remember the object; True when people said something new, or work is left and it was not known."""
        before = self._seen.get(seen.key)
        self._seen[seen.key] = seen
        if before is None:
            return not seen.is_finished
        return before.said != seen.said

    def recheck(self, key: Key) -> None:
        """Have an object that rests looked at once more: its ledger says something new."""
        self._to_recheck.add(key)

    def take_recheck(self, key: Key) -> bool:
        """Tell whether an object was to be looked at once more; the next time it is not."""
        was = key in self._to_recheck
        self._to_recheck.discard(key)
        return was

    def forget(self, key: Key, uid: str | None = None) -> Seen | None:
        """Drop an object that is gone; with a uid only that very object, not a newer one of the same name."""
        known = self._seen.get(key)
        if known is None or (uid is not None and known.uid != uid):
            return None
        return self._seen.pop(key)

    def asked(self, key: Key, uid: str) -> Asked:
        """Give what people ask of this object now; an object that is gone was deleted."""
        known = self._seen.get(key)
        return known.asked if known is not None and known.uid == uid else Asked(deleted=True)

    def states(self) -> Iterator[tuple[str, str, State]]:
        """Give namespace, target and state of every object."""
        for seen in self:
            yield seen.key.namespace, seen.target, seen.state

    def of_target(self, namespace: str, target: str) -> list[Seen]:
        """Give the migrations of one target."""
        return [seen for seen in self if seen.target == target and seen.key.namespace == namespace]

    def siblings(self, seen: Seen) -> tuple[Sibling, ...]:
        """Give the other migrations of the same target that count for its order.

        An object on its way out that we don't hold is as good as gone; a spec changed after it rested is to be run.
        """
        return tuple(
            Sibling(other.key.name, other.version, _state_that_counts(other))
            for other in self.of_target(seen.key.namespace, seen.target)
            if other.key != seen.key and not (other.asked.deleted and not other.held)
        )

    def version_taken_by(self, seen: Seen) -> Seen | None:
        """Give the migration that has this one's version on the target, when that one comes first.

        Who has begun comes first, then who was created first, then the name.
        """
        rivals = [
            other
            for other in self.of_target(seen.key.namespace, seen.target)
            if other.key != seen.key and other.version == seen.version and not other.asked.deleted
        ]
        first = min([seen, *rivals], key=_precedence)
        return None if first is seen else first


def _precedence(seen: Seen) -> tuple[bool, str, str]:
    never_begun = seen.state in (State.PENDING, State.WAITING, State.REFUSED, State.AWAITING_APPROVAL)
    return never_begun, seen.created, seen.key.name


def _state_that_counts(seen: Seen) -> State:
    changed = seen.generation != seen.observed_generation
    return State.PENDING if changed and seen.state in (State.REFUSED, State.STOPPED, State.ROLLED_BACK) else seen.state
