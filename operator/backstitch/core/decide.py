# SPDX-License-Identifier: Apache-2.0
"""What is to be done with a migration, from what the ledger says of it and what people ask: the joint of a pass."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from backstitch.model.states import RESTING, State


class Course(Enum):
    """What a pass does."""

    BEGIN = auto()  # a new attempt
    GO_ON = auto()  # the attempt that is under way
    ROLL_BACK = auto()  # a person asked for it, of an attempt that rests
    CLOSE = auto()  # a person ends the revert window of a migration that succeeded
    VERIFY_AGAIN = auto()  # a person asked for it, of an attempt that stopped at a check nobody could settle
    REST = auto()  # nothing
    REFUSE_CHANGED = auto()  # the name is taken by other content that succeeded
    STOP_BEFORE = auto()  # cancelled or deleted before anything was begun


@dataclass(frozen=True)
class Past:
    """The latest attempt, as the ledger has it."""

    state: State
    digest: str
    handled: tuple[str, ...]
    rolling_back: bool  # a rollback was begun


@dataclass(frozen=True)
class Asked:
    """What people ask now; tokens as the annotations hold them."""

    retry: str | None = None
    rollback: str | None = None
    cancel: str | None = None
    close: str | None = None
    pause: str | None = None  # no request but a state: it holds while the annotation is there
    deleted: bool = False

    def tokens(self) -> tuple[str, ...]:
        """Give every request in the form in which the ledger remembers it."""
        pairs = (("retry", self.retry), ("rollback", self.rollback), ("cancel", self.cancel), ("close", self.close))
        return tuple(f"{kind}:{token}" for kind, token in pairs if token)

    def is_new(self, kind: str, past: Past | None) -> bool:
        """Tell whether a request is there that was not acted on before."""
        token = getattr(self, kind)
        return bool(token) and (past is None or f"{kind}:{token}" not in past.handled)


def decide(past: Past | None, digest: str, asked: Asked) -> Course:
    """Give the course of this pass. The object's uid plays no part: content, name and requests do."""
    if past is None:
        return Course.STOP_BEFORE if asked.deleted or asked.cancel else Course.BEGIN
    if past.state not in RESTING:
        return Course.GO_ON
    if past.state in (State.SUCCEEDED, State.NEEDS_HELP):
        if asked.is_new("rollback", past):
            return Course.ROLL_BACK
        if past.state is State.SUCCEEDED and asked.is_new("close", past):
            return Course.CLOSE
        if past.state is State.NEEDS_HELP:
            if asked.is_new("retry", past):
                return Course.ROLL_BACK if past.rolling_back else Course.VERIFY_AGAIN
            return Course.REST
        return Course.REST if past.digest == digest or asked.deleted else Course.REFUSE_CHANGED
    # Stopped or RolledBack: quarantined until the content changes or a person asks again.
    if asked.deleted:
        return Course.REST
    again = past.digest != digest or asked.is_new("retry", past)
    if not again:
        return Course.REST
    return Course.STOP_BEFORE if asked.is_new("cancel", past) else Course.BEGIN
