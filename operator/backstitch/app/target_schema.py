# SPDX-License-Identifier: Apache-2.0
"""Is a target's schema what was left, and has a person accepted what it is? Part of a look at a MigrationTarget.

The steady look costs one query; the whole schema is read when that says something moved, and once an hour.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

from backstitch.adapters.kube import TARGETS
from backstitch.app import events
from backstitch.app.migration_pass import Parts
from backstitch.app.targets import Target
from backstitch.core.errors import Refused
from backstitch.core.ports import Session
from backstitch.engine.adopt import adopt
from backstitch.engine.job import World
from backstitch.engine.ledger import Entry
from backstitch.engine.ledger_schema import ACTIVE
from backstitch.engine.shape import find_drift, latest_shape_id, signature
from backstitch.model.conditions import ConditionStatus, ConditionType, Reason
from backstitch.model.drift import Drift
from backstitch.model.names import ADOPT
from backstitch.model.states import State

logger = logging.getLogger(__name__)

WHOLE_EVERY_S = 3600.0
_BY_SPEC = "adopt:spec"


@dataclass(frozen=True)
class SchemaSeen:
    """What a look at a schema has found."""

    drift: Drift | None  # None: nobody has taken it down yet

    @property
    def said(self) -> tuple[ConditionStatus, Reason, str]:
        """Give status, reason and message of the condition Drifted."""
        if self.drift is None:
            return "Unknown", Reason.SCHEMA_NOT_KNOWN, (
                f"No migration has ended here yet; the annotation {ADOPT} or spec.adopt takes an existing database in."
            )  # fmt: skip
        if not self.drift.is_there:
            return "False", Reason.SCHEMA_AS_LEFT, str(self.drift)
        return "True", Reason.SCHEMA_CHANGED, f"{self.drift} The annotation {ADOPT} accepts it."

    @property
    def lines(self) -> list[str] | None:
        """Give the objects for the status."""
        return list(self.drift.lines()) if self.drift is not None and self.drift.is_there else None


@dataclass(frozen=True)
class _Known:
    signature: str
    shape: int | None
    at: float
    seen: SchemaSeen


class TargetSchemas:
    """Looks at the schemas of all targets, and remembers what they were."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._known: dict[str, _Known] = {}

    async def look(self, session: Session, target: Target, entries: list[Entry]) -> SchemaSeen | None:
        """Compare; None while a migration is changing the schema. Raises DatabaseError."""
        if any(e.state in ACTIVE and e.state is not State.NEEDS_HELP for e in entries):
            return None
        now = self._parts.clock.monotonic()
        shape, moved = await latest_shape_id(session), await signature(session)
        known = self._known.get(target.identity)
        if known is None or (known.signature, known.shape) != (moved, shape) or now - known.at > WHOLE_EVERY_S:
            known = _Known(moved, shape, now, SchemaSeen(await find_drift(session)))
            self._known[target.identity] = known
        return known.seen

    def tell(self, body: dict[str, Any], target: Target, seen: SchemaSeen) -> None:
        """Tell metrics, and people when it is news."""
        is_there = seen.drift is not None and seen.drift.is_there
        self._parts.metrics.drifted(target.key.namespace, target.key.name, is_there=is_there)
        if is_there and not _was_drifted(body):
            message = seen.said[2]
            logger.warning("drifted", extra={"target": target.key.name, "detail": message})
            self._parts.events.post(
                TARGETS, target.key, body["metadata"]["uid"], ConditionType.DRIFTED, message, type_=events.WARNING
            )

    @staticmethod
    def handled(body: dict[str, Any]) -> list[str]:
        """Give the requests of this target that were acted on so far."""
        return list((body.get("status") or {}).get("handledRequests") or ())

    def is_asked(self, body: dict[str, Any]) -> bool:
        """Tell whether a person asks for the database to be taken in: anew, or at its first look by the spec."""
        token = (body["metadata"].get("annotations") or {}).get(ADOPT)
        asked = bool(token) and f"adopt:{token}" not in self.handled(body)
        return asked or ("adopt" in body["spec"] and _BY_SPEC not in self.handled(body))

    async def adopt(self, body: dict[str, Any], target: Target) -> list[str]:
        """Take the database in; give the requests that were acted on so far, this one too.

        Called within a turn. Raises TargetError when it cannot be now.
        """
        token = (body["metadata"].get("annotations") or {}).get(ADOPT)
        asked = [_BY_SPEC, *([f"adopt:{token}"] if token else [])]
        how = target.spec.adopt
        try:
            done = await adopt(
                World(database=target.database, clock=self._parts.clock, term=self._parts.term()),
                source=how.from_ if how else None,
                version=how.version if how else None,
            )
        except Refused as error:
            message, type_, reason = error.message, events.WARNING, error.reason
        else:
            message = f"The schema as it is now is known: {done.objects} objects, version {done.version or 'none'}."
            type_, reason = events.NORMAL, "Adopted"
        logger.info("adopt", extra={"target": target.key.name, "reason": reason, "detail": message})
        self._parts.events.post(TARGETS, target.key, body["metadata"]["uid"], reason, message, type_=type_)
        return list(dict.fromkeys([*self.handled(body), *asked]))[-20:]


def _was_drifted(body: dict[str, Any]) -> bool:
    conditions = (body.get("status") or {}).get("conditions") or []
    return any(c.get("type") == ConditionType.DRIFTED and c.get("status") == "True" for c in conditions)
