# SPDX-License-Identifier: Apache-2.0
"""What earlier migrations of this database, as its ledger has them, mean for one that wants to begin."""

from __future__ import annotations

from datetime import datetime

from backstitch.core.ordering import Sibling, version_key
from backstitch.core.ports import Session
from backstitch.engine.job import Job
from backstitch.engine.ledger import Entry
from backstitch.engine.ledger_schema import ACTIVE
from backstitch.engine.shape import adopted
from backstitch.model.revert import CONTRACT_SUFFIX
from backstitch.model.states import State


def schema_version(entries: list[Entry], taken_in: tuple[datetime, str] | None = None) -> str | None:
    """Give the version of what came last, by the server's clock: a migration that succeeded, or an existing database
    that was taken in (`taken_in`: when, and at which version)."""
    done = [] if taken_in is None else [taken_in]
    done += [
        (e.finished_at, e.version)
        for e in entries
        if e.state is State.SUCCEEDED and e.finished_at is not None and not e.name.endswith(CONTRACT_SUFFIX)
    ]
    return max(done)[1] if done else None


async def version_now(session: Session, entries: list[Entry]) -> str | None:
    """Give the schema version of a database, see `schema_version`."""
    return schema_version(entries, await adopted(session))


def refused_by_history(job: Job, entries: list[Entry]) -> tuple[str, str] | None:
    """Give (reason, message) where the ledger forbids this migration for good, or None."""
    for e in entries:
        if e.name == job.name and e.namespace != job.namespace:
            return (
                "NameTaken",
                f"A migration named {job.name} from namespace {e.namespace} is in this database's ledger ({e.state}). "
                "One database, one name: give this one another name.",
            )
    if job.follows is not None:
        return None  # its turn was that of the migration whose contract phases these are
    above = [
        e
        for e in entries
        if e.state is State.SUCCEEDED and e.name != job.name and version_key(e.version) >= version_key(job.spec.version)
    ]
    if not above:
        return None
    latest = max(above, key=lambda e: version_key(e.version))
    return (
        "VersionNotAbove",
        f"Version {job.spec.version} is not above {latest.version}, which {latest.name} has brought here already. "
        "Give this migration a higher version.",
    )


def siblings_of(job: Job, entries: list[Entry]) -> tuple[Sibling, ...]:
    """Give the other migrations of the target: the cluster's, and the ledger's word where it knows better."""
    if job.follows is not None:
        return ()
    known = {s.name: s for s in job.siblings}
    for e in entries:
        if e.name not in known or e.state in ACTIVE or e.state is State.SUCCEEDED:
            known[e.name] = Sibling(e.name, e.version, e.state)
    return tuple(known.values())
