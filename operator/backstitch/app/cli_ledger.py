# SPDX-License-Identifier: Apache-2.0
"""How do `status`, `rollback`, `export` and `purge` work with what a database's ledger knows of its migrations?"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from pathlib import Path

from backstitch.adapters.conninfo import parse_url
from backstitch.app.cli_documents import read_files
from backstitch.app.cli_outcome import OK, REFUSED
from backstitch.app.cli_run import Given, give_record, parse_limit, show_run
from backstitch.app.output import give, give_json, say
from backstitch.app.wiring import open_database, open_world
from backstitch.core.errors import UsageError
from backstitch.core.orchestration import from_migration, to_yaml
from backstitch.engine.contract import with_contract
from backstitch.engine.job import Job, Requests, World
from backstitch.engine.ledger import Entry, latest_entries, latest_entry
from backstitch.engine.ledger_schema import ledger_exists
from backstitch.engine.recall import recall
from backstitch.engine.rehearsal_ledger import rehearsal_of_plan
from backstitch.engine.run import purge
from backstitch.model.names import API_VERSION
from backstitch.model.record import Record
from backstitch.model.spec import DatabaseMigration, Environment
from backstitch.model.states import RESTING, State


async def rollback_name(name: str, given: Given) -> int:
    """Undo a migration that this database knows. Exit code 0 when it is undone and proven."""
    settings = parse_url(given.database)
    world = open_world(open_database(settings, role=given.role))
    entry, before = await read_ledger(world, name, given.namespace)
    if before.state in (State.ROLLED_BACK, State.STOPPED):
        say(f"{name} is {before.state} already; there is nothing to undo.")
        give_record(before, entry.whole, given)
        return OK
    job = Job(
        namespace=entry.namespace,
        name=entry.name,
        spec=entry.whole,
        environment=environment_of(entry),
        sources=entry.sources,
        owner_role=given.role,
    )
    requests = Requests(rollback=secrets.token_hex(8))
    note = f"Rolling back {name} {entry.version} on {settings.where}."
    code = await show_run(job, world, requests, given, [note], limit_s=parse_limit(given.wait))
    _, after = await read_ledger(world, name, entry.namespace)
    if after.state is State.ROLLED_BACK:
        return OK
    if after.contract != before.contract and after.contract and after.contract.state is State.ROLLED_BACK:
        return OK  # what was undone are the contract phases; the migration itself stays
    return REFUSED if after.state is before.state and before.state in RESTING else code


async def status_of_name(name: str, given: Given) -> int:
    """Show what the database's ledger knows of a migration."""
    entry, record = await read_ledger(open_world(open_database(parse_url(given.database))), name, given.namespace)
    give_record(record, entry.whole, given)
    return OK


async def list_migrations(given: Given) -> int:
    """Show every migration the database's ledger knows, oldest first."""
    session = await open_world(open_database(parse_url(given.database))).database.connect(
        purpose="status", read_only=True
    )
    try:
        entries = await latest_entries(session) if await ledger_exists(session) else []
    finally:
        await session.close()
    if given.namespace is not None:
        entries = [e for e in entries if e.namespace == given.namespace]
    rows = [
        {"namespace": e.namespace, "name": e.name, "version": e.version, "state": e.state.value, "message": e.message}
        for e in entries
    ]
    if given.output == "json":
        give_json(rows)
    else:
        lines = [f"{r['namespace']}/{r['name']}  {r['version']}  {r['state']}  {r['message']}".rstrip() for r in rows]
        give("\n".join(lines) or "This database knows no migrations.")
    return OK


async def export(what: str, file: Path | None, given: Given) -> int:
    """Give a migration of a file, or one the ledger knows by its name, as a migration_orchestration document."""
    record: Record | None = None
    if file is not None:
        documents = read_files([file, *given.beside])
        migration = documents.only_migration(what)
        target = documents.target_of(migration)
        environment = given.environment or documents.environments.get(migration.metadata.name)
        environment = environment or (target.spec.environment if target else "development")
        if given.database:
            namespace = given.namespace or migration.metadata.namespace
            try:
                _, record = await read_ledger(
                    open_world(open_database(parse_url(given.database))), migration.metadata.name, namespace
                )
            except UsageError:
                say("The database has not run it yet, so nothing was measured.")
    elif given.database:
        entry, record = await read_ledger(open_world(open_database(parse_url(given.database))), what, given.namespace)
        environment = given.environment or environment_of(entry)
        migration = DatabaseMigration.model_validate(
            {
                "apiVersion": API_VERSION,
                "kind": "DatabaseMigration",
                "metadata": {"name": entry.name, "namespace": entry.namespace},
                "spec": entry.whole.to_plain(),
            }
        )
    else:
        raise UsageError(f"{what} is no file; to export a migration by its name, give --database too.")
    rehearsal = None
    if given.database:
        where = open_world(open_database(parse_url(given.database))).database
        namespace = given.namespace or migration.metadata.namespace
        rehearsal = await rehearsal_of_plan(where, namespace, migration.metadata.name, None)
    document = from_migration(migration, environment, record, rehearsal)
    if given.output == "json":
        give_json(document.to_plain())
    else:
        give(to_yaml(document).rstrip("\n"))
    return OK


async def purge_database(given: Given) -> int:
    """Give up what migrations keep whose revert window has ended."""
    names = await purge(open_world(open_database(parse_url(given.database))))
    if given.output == "json":
        give_json({"purged": names})
    else:
        give("\n".join(f"{name}: gave up what its rollback needed." for name in names) or "No revert window has ended.")
    return OK


def environment_of(entry: Entry) -> Environment:
    """Give the environment the ledger has; one that it does not know counts as production."""
    known: Mapping[str, Environment] = {"development": "development", "staging": "staging"}
    return known.get(entry.environment, "production")


async def read_ledger(world: World, name: str, namespace: str | None) -> tuple[Entry, Record]:
    """Give what the ledger knows of a migration. Raises UsageError, TargetError."""
    session = await world.database.connect(purpose="status", read_only=True)
    try:
        entry = await latest_entry(session, namespace or "default", name) if await ledger_exists(session) else None
        if entry is not None:
            return entry, await with_contract(session, entry, await recall(session, entry))
    finally:
        await session.close()
    raise unknown(name, namespace)


def unknown(name: str, namespace: str | None) -> UsageError:
    """Give the error for a name that the ledger does not have."""
    return UsageError(
        f"The database knows no migration {name} in namespace {namespace or 'default'}. "
        "Another --namespace? `backstitch status` without a name lists what it knows."
    )
