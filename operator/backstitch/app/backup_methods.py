# SPDX-License-Identifier: Apache-2.0
"""How does what a target says of its backups become ports: the physical method's tool, and second places?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from backstitch.adapters.cnpg import CnpgBackups
from backstitch.adapters.pgbackrest import PgBackRestBackups
from backstitch.adapters.postgres import PostgresDatabase
from backstitch.adapters.storage import open_store
from backstitch.adapters.store_url import parse_store_url
from backstitch.app.targets import Target, Targets
from backstitch.core.errors import TargetError, UsageError
from backstitch.core.point_in_time import PhysicalBackups
from backstitch.engine.copies import StoreCopy
from backstitch.engine.job import World
from backstitch.model.backup_spec import BackupStorage

CONFIG_KEY = "pgbackrest.conf"


async def with_backups(world: World, targets: Targets, target: Target) -> World:
    """Give the world with what the target's backup section adds. Raises NotThere, TargetError (`StorageInvalid`)."""
    if target.spec.backup is None:
        return world
    return replace(world, physical=await _physical(world, targets, target), copies=await _copies(targets, target))


def with_file_backups(
    world: World, backup: BackupStorage, database: PostgresDatabase, environ: Mapping[str, str], *, role: str | None
) -> World:
    """Give the world of the command line with what a MigrationTarget in a file adds. Raises UsageError."""
    if backup.method == "cloudNativePG":
        raise UsageError(
            "The MigrationTarget has backup.method cloudNativePG, whose objects are written by the operator in the "
            "cluster. Run the migration there, or give --backup-to a place for a dump."
        )
    copies = []
    for copy in backup.copies or []:
        location = parse_store_url(copy.url, endpoint=copy.endpoint, region=copy.region, keys=environ)
        copies.append(StoreCopy(open_store(location), required=bool(copy.required)))
    physical = None
    if backup.method == "pgBackRest" and backup.pg_back_rest is not None:
        physical = PgBackRestBackups(backup.pg_back_rest, database, world.clock, role=role)
    return replace(world, physical=physical, copies=tuple(copies))


async def _copies(targets: Targets, target: Target) -> tuple[StoreCopy, ...]:
    assert target.spec.backup is not None
    made = []
    for copy in target.spec.backup.copies or []:
        keys = await targets.secret(target, copy.secret_name, "second place of backups") if copy.secret_name else {}
        try:
            location = parse_store_url(copy.url, endpoint=copy.endpoint, region=copy.region, keys=keys)
        except UsageError as error:
            raise TargetError(error.message, reason="StorageInvalid", retry=False) from None
        made.append(StoreCopy(open_store(location), required=bool(copy.required)))
    return tuple(made)


async def _physical(world: World, targets: Targets, target: Target) -> PhysicalBackups | None:
    backup = target.spec.backup
    assert backup is not None
    role = target.spec.owner_role
    if backup.method == "pgBackRest" and backup.pg_back_rest is not None:
        config = None
        if backup.pg_back_rest.config_secret_name:
            name = backup.pg_back_rest.config_secret_name
            secret = await targets.secret(target, name, "pgBackRest's configuration")
            if CONFIG_KEY not in secret:
                raise TargetError(f"Secret {name} has no key {CONFIG_KEY}.", reason="SecretIncomplete")
            config = secret[CONFIG_KEY].decode("utf-8", "replace")
        return PgBackRestBackups(backup.pg_back_rest, target.database, world.clock, config=config, role=role)
    if backup.method == "cloudNativePG" and backup.cloud_native_pg is not None:
        return CnpgBackups(
            backup.cloud_native_pg, targets.api, target.key.namespace, target.database, world.clock, role=role
        )
    return None
