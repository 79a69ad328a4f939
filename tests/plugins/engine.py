# SPDX-License-Identifier: Apache-2.0
"""A whole migration in one call: the real engine on a real database, with a directory as the backup store."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from backstitch.adapters.clock import SystemClock
from backstitch.adapters.conninfo import parse_url
from backstitch.adapters.dump import open_archiver
from backstitch.adapters.postgres import PostgresDatabase
from backstitch.adapters.storage import open_store
from backstitch.adapters.store_url import parse_store_url
from backstitch.engine.job import Job, Requests, World
from backstitch.engine.run import run
from backstitch.model.record import Record
from backstitch.model.rehearsal_spec import RehearsalSpec
from backstitch.model.spec import Environment, MigrationSpec, TargetPolicy
from tests.plugins.pg import TestDatabase

HEAD = {"targetRef": {"name": "shop"}, "version": "1", "type": "schema"}


NOT_REHEARSED = RehearsalSpec(no_room="this test is about something else")
NOBODY_ASKED = TargetPolicy.model_validate({"approval": {"required": 0}})
"""For production, where the test is not about approvals."""


def a_spec(phases: str | list[Any], **changes: Any) -> MigrationSpec:
    """Give a spec from the YAML of its phases, or of the steps of its only phase."""
    given = yaml.safe_load(phases) if isinstance(phases, str) else phases
    if given and "steps" not in given[0]:
        given = [{"name": "only", "steps": given}]
    return MigrationSpec.model_validate({**HEAD, "phases": given, **changes})


@dataclass
class Engine:
    """Runs migrations on one database and remembers what was observed."""

    database: TestDatabase
    store_url: str
    seen: list[Record] = field(default_factory=list)
    on_record: Callable[[Record], None] | None = None
    requests: Requests = field(default_factory=Requests)
    through: str | None = None  # another way to the database, such as a door that breaks

    async def _observe(self, record: Record) -> None:
        self.seen.append(record)
        if self.on_record is not None:
            self.on_record(record)

    async def world(self) -> World:
        """Give the ports a run works through."""
        database = PostgresDatabase.of(parse_url(self.through or self.database.url))
        return World(
            database=database,
            clock=SystemClock(),
            archiver=await open_archiver(database, self.database.server.major * 10000),
            store=open_store(parse_store_url(self.store_url)),
            observe=self._observe,
            requests=lambda: self.requests,
        )

    async def migrate(
        self, spec: MigrationSpec, *, name: str = "change", environment: Environment = "development", **job: Any
    ) -> Record:
        """Run one migration to rest. In production nobody is asked for a yes and nothing is rehearsed, unless the test
        gives a policy or says how."""
        job.setdefault("rehearsal", NOT_REHEARSED)
        if environment == "production":
            job.setdefault("policy", NOBODY_ASKED)
        return await run(
            Job(namespace="shop", name=name, spec=spec, environment=environment, **job), await self.world()
        )

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Run a query as the application would."""
        return self.database.psql(query)


@pytest.fixture
def engine(database: TestDatabase, tmp_path: Path) -> Engine:
    """A fresh database and an engine on it."""
    return Engine(database, f"file://{tmp_path}/backups")
