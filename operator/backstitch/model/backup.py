# SPDX-License-Identifier: Apache-2.0
"""What is in a backup? The manifest that is written last and makes it one, and the proof that it can be restored."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from backstitch.model.base import Frozen

FULL, SCHEMA, MANIFEST, PROOF = "full.pgc", "schema.pgc", "manifest.json", "proof.json"
"""The objects of a backup, below its folder."""

SCHEDULED = "_scheduled"
"""In the place of a migration's name, for backups by the clock; no object of Kubernetes can have it."""


class TableDigest(Frozen):
    """The rows of a table: how many, and a 128-bit digest that does not depend on their order (hex).

    Comparable only between servers of the same major version (the hash functions may change between majors).
    """

    rows: int
    digest: str


class BackupObject(Frozen):
    """One object of the backup, as it was sent to the store."""

    key: str
    size: int
    sha256: str


class BackupRequest(Frozen):
    """Which backup is meant. The same `attempt` means the same backup, so that a restart finds it again."""

    namespace: str
    name: str
    attempt: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=100)
    version: str = ""  # of the migration
    schema_version: str | None = None  # of the database before it
    fingerprint: str = ""  # of the catalog before it

    @property
    def migration_folder(self) -> str:
        """Give the prefix of all backups of this migration."""
        return f"{self.namespace}/{self.name}/"

    @property
    def folder(self) -> str:
        """Give the prefix of this backup's objects."""
        return f"{self.migration_folder}{self.attempt}/"


class Manifest(Frozen):
    """A backup exists when its manifest exists and every object it lists is there."""

    format: Literal[1] = 1
    request: BackupRequest
    taken_at: datetime
    database: str
    system_identifier: str  # of the server's cluster; "" where the role may not read it
    timeline: int
    server_version: int  # server_version_num
    tool_version: str
    compression: str
    lsn: str
    snapshot: str  # pg_current_snapshot() of the dump: what was committed before it
    full: BackupObject
    schema_only: BackupObject
    tables: dict[str, TableDigest]  # "schema.table" -> rows in the dump's own snapshot
    supporting: tuple[str, ...] = ()  # functions of schema backstitch that triggers on dumped tables need

    @property
    def size(self) -> int:
        """Give the bytes of all objects."""
        return self.full.size + self.schema_only.size

    @property
    def rows(self) -> int:
        """Give the number of rows in all tables."""
        return sum(table.rows for table in self.tables.values())


class CopyRecord(Frozen):
    """The backup in a second place."""

    url: str = Field(description="Where; no credentials.", max_length=2000)
    required: bool | None = Field(default=None, description="true: without it no migration starts.")
    verified_at: datetime | None = Field(default=None, description="When it was read back and was equal.")
    message: str = Field(default="", description="Why it is not there.", max_length=500)


class Proof(Frozen):
    """The backup was read back, hashed, restored, and every table's digest was equal."""

    proven_at: datetime
    manifest_sha256: str
    tables: int
    rows: int
    owners_kept: bool  # False: this role may not give objects to all their owners, so the proof left owners out
    left_out: tuple[str, ...] = ()  # what this role may not create: "EXTENSION name", "EVENT TRIGGER name"
    milliseconds: dict[str, int]  # by stage
    copies: tuple[CopyRecord, ...] = ()  # in second places, read back there
