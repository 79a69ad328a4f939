# SPDX-License-Identifier: Apache-2.0
"""On what is a migration rehearsed? A scratch database made from the proven backup, compared, and cut off from outside.

A copy must not act on anything but itself: it has no publications and subscriptions, its foreign servers lose their
user mappings, and extensions that reach other servers by a statement are taken off it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from backstitch.core.errors import BackupFailed, DatabaseError
from backstitch.core.gates import size_in_bytes
from backstitch.core.ports import Database, Session
from backstitch.engine.backup import BackupPorts, Stages, scratch_owner
from backstitch.engine.job import World
from backstitch.engine.prove import Rights, restore_and_compare, restore_rights
from backstitch.engine.rehearse_sample import fill_sample
from backstitch.engine.scratch import drop_leftovers, scratch_database
from backstitch.model.backup import Manifest
from backstitch.model.rehearsal_spec import RehearsalSpec, SampleSpec
from backstitch.model.sql import quote_ident

DEFAULT_MAX_SIZE = "10Gi"
DEFAULT_SAMPLE_ROWS = 10_000
REACHES_OUT = ("dblink", "http", "pg_net", "plsh", "pg_cron")
"""Extensions that let a statement act outside its database."""

_SIZE = (
    "SELECT coalesce(sum(pg_table_size(c.oid)), 0)::bigint AS bytes FROM pg_class c "
    "JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'm') AND n.nspname NOT LIKE 'pg\\_%' "
    "AND n.nspname NOT IN ('information_schema', 'backstitch', 'backstitch_quarantine')"
)


@dataclass(frozen=True)
class Copy:
    """A copy, ready to be migrated."""

    database: Database  # the server it is on
    name: str
    place: str
    scale: float = 1.0  # production's size over the copy's


@asynccontextmanager
async def copy_of(manifest: Manifest, world: World, spec: RehearsalSpec) -> AsyncIterator[Copy]:
    """Give a copy of the target as its backup has it; it is dropped at the end, whatever happens.

    Raises BackupFailed, StorageError, TargetError, ConnectionLost.
    """
    ports = _ports(world, spec)
    owner = scratch_owner(manifest.request, world.database)
    async with scratch_database(ports.database, purpose="rehearse", owner=owner) as name:
        place, size = spec.place or "sameServer", await _size(world.database, None)
        if place == "sample" and size > size_in_bytes((spec.sample or SampleSpec()).max_size or DEFAULT_MAX_SIZE):
            limit = (spec.sample or SampleSpec()).max_rows_per_table or DEFAULT_SAMPLE_ROWS
            await fill_sample(manifest, ports, name, limit, await restore_rights(ports.database))
        else:
            place = "sameServer" if place == "sample" else place
            # another server's roles cannot be asked for the target's owners: pg_restore tells
            rights = Rights(keep_owners=True) if place == "otherServer" else await restore_rights(ports.database)
            timed = Stages(ports.clock).timed
            await restore_and_compare(manifest, name, ports.database, ports.archiver, ports.store, timed, rights=rights)
        session = await ports.database.connect(purpose="rehearsal-copy", database=name)
        try:
            await cut_off(session)
            await session.execute("ANALYZE")
        except DatabaseError as error:
            raise BackupFailed(f"The copy could not be made ready: {error.message}", reason=error.reason) from error
        finally:
            await session.close()
        scale = max(1.0, size / max(1, await _size(ports.database, name))) if place == "sample" else 1.0
        yield Copy(ports.database, name, place, scale)
    session = await ports.database.connect(purpose="rehearsal-leftovers")
    try:
        await drop_leftovers(session, owner)  # of dead runs, whose sessions were still ending when this one began
    finally:
        await session.close()


async def cut_off(session: Session) -> None:
    """Take away what would let the copy act on anything but itself, and triggers of ours that came with the backup."""
    await session.rows("SELECT set_config('search_path', 'pg_catalog', false)")  # regclass then names the schema
    mappings = await session.rows("SELECT srvname::text AS server, usename::text AS role FROM pg_user_mappings")
    for mapping in mappings:
        role = "PUBLIC" if mapping["role"] == "public" else quote_ident(mapping["role"])
        await session.execute(f"DROP USER MAPPING FOR {role} SERVER {quote_ident(mapping['server'])}")
    triggers = await session.rows(
        "SELECT tgname::text AS name, tgrelid::regclass::text AS rel FROM pg_trigger "
        "WHERE tgname LIKE 'backstitch\\_%' AND NOT tgisinternal AND tgparentid = 0"
    )
    for trigger in triggers:  # of the target's other migrations: their ledger is not here
        await session.execute(f"DROP TRIGGER {quote_ident(trigger['name'])} ON {trigger['rel']}")
    found = await session.rows(
        "SELECT extname::text AS name FROM pg_extension WHERE extname = ANY(%s)", [list(REACHES_OUT)]
    )
    for extension in found:
        await session.execute(f"DROP EXTENSION {quote_ident(extension['name'])}")


def _ports(world: World, spec: RehearsalSpec) -> BackupPorts:
    if world.archiver is None or world.store is None:
        raise BackupFailed(
            "A rehearsal needs a backup to make its copy from, and no place for it is given. Set spec.backup of the "
            "MigrationTarget (or --backup-to on the command line).",
            reason="NoBackupStorage",
        )
    if spec.place != "otherServer":
        return BackupPorts(world.database, world.archiver, world.store, world.clock)
    if world.other_server is None:
        raise BackupFailed(
            "rehearsal.place is otherServer, but rehearsal.secretRef names no server to make the copy on.",
            reason="NoRehearsalServer",
        )
    return BackupPorts(world.other_server.database, world.other_server.archiver, world.store, world.clock)


async def _size(database: Database, name: str | None) -> int:
    session = await database.connect(purpose="rehearsal-size", database=name, read_only=True)
    try:
        return int((await session.rows(_SIZE))[0]["bytes"])
    finally:
        await session.close()
