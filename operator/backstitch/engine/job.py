# SPDX-License-Identifier: Apache-2.0
"""What the engine is given: the job (what to run) and the world (through which ports)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace

from backstitch.core.decide import Asked as Requests
from backstitch.core.ordering import Sibling
from backstitch.core.permission import Permit
from backstitch.core.point_in_time import PhysicalBackups
from backstitch.core.policy import Rules, rules_for
from backstitch.core.ports import Archiver, Clock, Database, ObjectStore
from backstitch.core.term import Term
from backstitch.engine.copies import StoreCopy
from backstitch.model.backup import TableDigest
from backstitch.model.backup_spec import BackupProof
from backstitch.model.lock_policy import Throttle
from backstitch.model.record import Record
from backstitch.model.rehearsal_spec import RehearsalSpec
from backstitch.model.spec import Environment, MigrationSpec, TargetPolicy
from backstitch.model.workload import Workload

__all__ = ["Job", "Requests", "World", "ignore"]


@dataclass(frozen=True)
class Job:
    """One migration on one target."""

    namespace: str
    name: str
    spec: MigrationSpec
    environment: Environment
    sources: dict[str, str] = field(default_factory=dict)  # "configmap/key" -> text
    policy: TargetPolicy | None = None
    backup_keep: int = 10
    proof: BackupProof = "dump"  # what must be proven before the first change
    siblings: tuple[Sibling, ...] = ()  # other migrations of the target, as the cluster knows them
    owner_role: str | None = None
    rehearsal: RehearsalSpec | None = None  # what the target says of rehearsals
    on_copy: bool = False  # this is the rehearsal: no backup, and no rehearsal of its own
    workload: Workload | None = None  # on a copy: what the application sends to the target
    whole_copy: bool = True  # False: the copy is smaller than the target
    rows_known: Mapping[str, TableDigest] | None = None  # on a copy: the rows it was compared with a moment ago
    permit: Permit = field(default_factory=Permit)  # whose yes it has
    follows: str | None = None  # these are the contract phases of the migration of this name

    @property
    def rules(self) -> Rules:
        """Give the rules of this job's environment and target."""
        rules = rules_for(self.environment, self.policy, self.rehearsal)
        return replace(rules, backup=False, rehearsal=False, approvals=0) if self.on_copy else rules


async def ignore(_: Record) -> None:
    """An observer that looks away."""


def never() -> bool:
    """Give False."""
    return False


@dataclass(frozen=True)
class OtherServer:
    """A server that copies are made on instead of the target's."""

    database: Database
    archiver: Archiver


@dataclass(frozen=True)
class World:
    """The ports one run works through."""

    database: Database
    clock: Clock
    archiver: Archiver | None = None
    store: ObjectStore | None = None
    observe: Callable[[Record], Awaitable[None]] = ignore
    requests: Callable[[], Requests] = Requests
    term: Term | None = None
    """With it, sessions that earlier holders of the same Lease have left are ended; without it they are waited for."""
    stopping: Callable[[], bool] = never
    """Tells that this process was told to end: stop at the next place where nothing is half done."""
    other_server: OtherServer | None = None
    """Where rehearsal.place otherServer makes its copies."""
    physical: PhysicalBackups | None = None
    """The backups of the whole server, where backup.method is pgBackRest or cloudNativePG."""
    copies: tuple[StoreCopy, ...] = ()
    """Second places of `store`."""
    throttle: Callable[[], Awaitable[Throttle | None]] | None = None
    """Reads anew when backfills rest; without it the job's policy says so once and for all."""
