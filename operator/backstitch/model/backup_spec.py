# SPDX-License-Identifier: Apache-2.0
"""What does a target say about its backups: where they go, how they are made, how often, and where copies are?"""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator, model_validator

from backstitch.model.base import Frozen
from backstitch.model.cron import check_cron, check_zone

BackupMethod = Literal["dump", "pgBackRest", "cloudNativePG"]
BackupProof = Literal["dump", "restore", "archived"]
BackupKind = Literal["full", "incremental"]


class PgBackRest(Frozen):
    """How pgBackRest is reached."""

    stanza: str = Field(
        description="The stanza of this server.", min_length=1, max_length=63, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$"
    )
    config_secret_name: str | None = Field(
        default=None, description="Secret with pgbackrest.conf; without it configFile is used.", max_length=253
    )
    config_file: str | None = Field(
        default=None,
        description="Path of pgbackrest.conf where the operator runs; default /etc/pgbackrest.conf.",
        max_length=500,
        pattern=r"^/",
    )
    side_folder: str | None = Field(
        default=None,
        description="Empty or missing folder, where the operator runs, into which a second server is restored. "
        "Needed for proof: restore and for rollback.strategy pointInTime; it must hold the whole server.",
        max_length=500,
        pattern=r"^/.+",
    )


class CloudNativePG(Frozen):
    """Which Cluster of CloudNativePG this database is on."""

    cluster: str = Field(description="Name of the Cluster, in the same namespace.", min_length=1, max_length=50)
    method: Literal["barmanObjectStore", "plugin"] | None = Field(
        default=None, description="How CloudNativePG takes the backup; default plugin."
    )
    plugin: str | None = Field(
        default=None, description="Name of the plugin; default barman-cloud.cloudnative-pg.io.", max_length=253
    )


class BackupSchedule(Frozen):
    """When backups are taken besides those before migrations. Missed times are made up for once."""

    full: str | None = Field(
        default=None, description="Cron of five fields for full backups, such as `0 3 * * 0`.", max_length=100
    )
    incremental: str | None = Field(
        default=None, description="Cron of five fields for incremental ones; not with method dump.", max_length=100
    )
    time_zone: str | None = Field(
        default=None, description="IANA name such as Europe/Berlin; default UTC.", min_length=1, max_length=64
    )
    keep: int | None = Field(default=None, description="How many scheduled dumps are kept; default 24.", ge=1, le=10000)

    @field_validator("full", "incremental")
    @classmethod
    def _can_be_read(cls, value: str | None) -> str | None:
        return value if value is None else check_cron(value)

    @field_validator("time_zone")
    @classmethod
    def _is_a_zone(cls, value: str | None) -> str | None:
        return value if value is None else check_zone(value)

    @model_validator(mode="after")
    def _says_something(self) -> BackupSchedule:
        if self.full is None and self.incremental is None:
            raise ValueError("a schedule needs full or incremental")
        return self


class StoragePlace(Frozen):
    """A place for backups."""

    url: str = Field(description="file:///path or s3://bucket/prefix.", min_length=1, max_length=1000)
    endpoint: str | None = Field(default=None, description="Endpoint of an S3-compatible server.", max_length=500)
    region: str | None = Field(default=None, description="Region; default us-east-1.", max_length=63)
    secret_name: str | None = Field(
        default=None, description="Secret with accessKeyId and secretAccessKey (or AWS_*).", max_length=253
    )


class BackupCopy(StoragePlace):
    """A second place: what the first holds is copied there and read back."""

    required: bool | None = Field(
        default=None, description="true: without this copy a backup does not count, and no migration starts."
    )


class BackupStorage(StoragePlace):
    """Where backups go, and how they are made."""

    keep: int | None = Field(default=None, description="How many backups are kept; default 10.", ge=1, le=10000)
    method: BackupMethod | None = Field(
        default=None,
        description="dump (default): pg_dump into url. pgBackRest and cloudNativePG: besides, a physical backup and a "
        "restore point whose WAL was seen archived, before each migration.",
    )
    proof: BackupProof | None = Field(
        default=None,
        description="What must be proven before the first change. dump (default): a dump, restored and compared. "
        "restore: the physical backup, restored to the point on a second server and compared; no dump. archived: "
        "backup complete and WAL archived, nothing restored; not in production.",
    )
    pg_back_rest: PgBackRest | None = Field(default=None, description="For method pgBackRest.")
    cloud_native_pg: CloudNativePG | None = Field(
        default=None, description="For method cloudNativePG.", alias="cloudNativePG"
    )
    schedule: BackupSchedule | None = Field(default=None, description="Backups by the clock.")
    copies: list[BackupCopy] | None = Field(
        default=None, description="Second places that get a verified copy of each dump.", max_length=5
    )

    @model_validator(mode="after")
    def _fits_together(self) -> BackupStorage:
        method = self.method or "dump"
        if method == "pgBackRest" and self.pg_back_rest is None:
            raise ValueError("method pgBackRest needs pgBackRest.stanza")
        if method == "cloudNativePG" and self.cloud_native_pg is None:
            raise ValueError("method cloudNativePG needs cloudNativePG.cluster")
        if method == "dump" and (self.proof or "dump") != "dump":
            raise ValueError(f"proof: {self.proof} needs method pgBackRest or cloudNativePG")
        if self.proof == "restore" and self.pg_back_rest is not None and self.pg_back_rest.side_folder is None:
            raise ValueError("proof: restore needs pgBackRest.sideFolder, where the second server is restored")
        if method == "dump" and self.schedule is not None and self.schedule.incremental is not None:
            raise ValueError("a dump is always full: schedule.incremental needs method pgBackRest or cloudNativePG")
        return self
