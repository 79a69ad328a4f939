# SPDX-License-Identifier: Apache-2.0
"""How does a database URL and a place for backups become the ports the engine works through? For the command line.

The operator reads the same from Secrets (targets.py).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from backstitch.adapters.clock import SystemClock
from backstitch.adapters.conninfo import ConnectionSettings
from backstitch.adapters.dump import open_archiver
from backstitch.adapters.postgres import PostgresDatabase
from backstitch.adapters.storage import open_store
from backstitch.adapters.store_url import parse_store_url
from backstitch.core.errors import BackupFailed, TargetError, UsageError
from backstitch.core.policy import ENVIRONMENTS
from backstitch.core.ports import Archiver, ObjectStore
from backstitch.engine.job import OtherServer, World
from backstitch.model.spec import BackupStorage, Environment

NO_BACKUP = "none"


@dataclass(frozen=True)
class BackupPlan:
    """Where backups go, in the words of the person, and what to tell them about it."""

    storage: BackupStorage | None
    said: str
    asked: bool  # somebody named the place: then it is used, also where the environment asks for none


def state_dir(environ: Mapping[str, str]) -> Path:
    """Give the folder of the user's own for backups of development and for debug logs (XDG's rule)."""
    base = environ.get("XDG_STATE_HOME", "")
    return (Path(base) if base.startswith("/") else Path(environ.get("HOME") or "/tmp") / ".local/state") / "backstitch"


def plan_backup(
    given: str | None, in_file: BackupStorage | None, environment: Environment, environ: Mapping[str, str]
) -> BackupPlan:
    """Decide where backups go: what the person named, else what the file's target names, else development's folder.

    Raises UsageError where the environment asks for a backup and no place is known.
    """
    required = ENVIRONMENTS[environment].backup
    if given == NO_BACKUP:
        if required:
            raise UsageError(
                f"{environment} asks for a backup before every change; give --backup-to a place: "
                "file:///directory or s3://bucket/prefix."
            )
        return BackupPlan(None, "No backup is taken (--backup-to none).", asked=False)
    if given is not None:
        return BackupPlan(BackupStorage(url=given), f"Backups go to {given}.", asked=True)
    if in_file is not None:
        return BackupPlan(in_file, f"Backups go to {in_file.url}, as the MigrationTarget says.", asked=True)
    if required:
        raise UsageError(
            f"{environment} asks for a backup before every change, and no place for it is given. "
            "Add --backup-to file:///directory or --backup-to s3://bucket/prefix."
        )
    folder = f"file://{state_dir(environ).absolute()}/backups"
    return BackupPlan(
        BackupStorage(url=folder),
        f"Backups go to {folder} (the default in development; --backup-to changes it).",
        asked=False,
    )


def open_storage(storage: BackupStorage, environ: Mapping[str, str]) -> ObjectStore:
    """Give the store, with keys from AWS_* of the environment. Nothing is contacted yet. Raises UsageError."""
    location = parse_store_url(storage.url, endpoint=storage.endpoint, region=storage.region, keys=environ)
    if location.kind == "file":
        folder = Path(location.path)
        if not folder.exists():
            try:
                folder.mkdir(parents=True, mode=0o700)
            except OSError as error:
                raise UsageError(f"The backup folder {folder} cannot be made: {error.strerror}.") from None
    return open_store(location)


async def open_tools(database: PostgresDatabase, role: str | None, *, required: bool) -> tuple[Archiver | None, str]:
    """Give the dump tools of the server's version, or why there are none. Raises TargetError, BackupFailed."""
    session = await database.connect(purpose="look", read_only=True)
    try:
        version = session.server_version
    finally:
        await session.close()
    try:
        return await open_archiver(database, version, role=role), ""
    except BackupFailed as error:
        if required:
            raise
        return None, error.message


async def open_other_server(database: PostgresDatabase) -> OtherServer:
    """Give a server that copies for rehearsals are made on. Raises TargetError (`ToolsMissing` where it has none)."""
    session = await database.connect(purpose="look", read_only=True)
    try:
        version = session.server_version
    finally:
        await session.close()
    try:
        return OtherServer(database, await open_archiver(database, version))
    except BackupFailed as error:
        raise TargetError(error.message, reason=error.reason, retry=False) from None


def is_on_this_machine(host: str) -> bool:
    """Tell whether a host of the command line is a socket or a loopback address."""
    if host.startswith(("/", "@")) or host in ("localhost", ""):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def open_database(settings: ConnectionSettings, *, role: str | None = None) -> PostgresDatabase:
    """Give the database. Nothing is connected yet."""
    return PostgresDatabase.of(settings, role=role)


def open_world(database: PostgresDatabase) -> World:
    """Give the ports without a backup: to look, to plan, to roll back, to purge."""
    return World(database=database, clock=SystemClock())
