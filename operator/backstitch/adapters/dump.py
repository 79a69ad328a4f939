# SPDX-License-Identifier: Apache-2.0
"""How are dumps made and restored as streams? core.ports.Archiver on pg_dump and pg_restore.

The password goes through the child's environment, never through argv. Nothing is spooled to local disk.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, aclosing
from pathlib import Path

from psycopg.conninfo import make_conninfo

from backstitch.adapters.archive_list import read_contents, without
from backstitch.adapters.cafile import ca_file
from backstitch.adapters.child import running
from backstitch.adapters.conninfo import ConnectionSettings
from backstitch.adapters.postgres import PostgresDatabase, application_name
from backstitch.adapters.tools import Tools, find_tools

LEDGER_SCHEMA = "backstitch"
_LOCK_WAIT = "60s"  # a dump must not wait for ever behind an exclusive lock, with others queuing behind it
_PASSED_ON = ("PATH", "HOME", "LANG", "LD_LIBRARY_PATH", "TMPDIR", "KRB5CCNAME", "PGPASSFILE")
_GZIP = "1"  # a dump holds locks against DDL: time is worth more than the last tenth of size
_ZSTD = "zstd:3"
_PINNED = "-c client_connection_check_interval=2s -c lc_monetary=C"  # money's text must read the same in the copy


class PgArchiver:
    """pg_dump and pg_restore of one target database, with the tools of its server's major version."""

    def __init__(self, database: PostgresDatabase, tools: Tools, *, role: str | None = None) -> None:
        self._database = database
        self._tools = tools
        self._role = role

    @property
    def tool_version(self) -> str:
        """Give the version of pg_dump."""
        return self._tools.version

    @property
    def compression(self) -> str:
        """Give how dumps are compressed."""
        return self._tools.compression

    async def dump(self, *, snapshot: str | None, schema_only: bool) -> AsyncGenerator[bytes, None]:
        """Stream a custom-format dump of everything but the ledger. Raises BackupFailed at its end."""
        options = [f"--exclude-schema={LEDGER_SCHEMA}", f"--lock-wait-timeout={_LOCK_WAIT}"]
        if schema_only:
            options.append("--schema-only")
        if snapshot is not None:
            options.append(f"--snapshot={snapshot}")
        async with aclosing(self._dump(options, schema_only=schema_only)) as chunks:
            async for chunk in chunks:
                yield chunk

    async def dump_ledger(self) -> AsyncGenerator[bytes, None]:
        """Stream a custom-format dump of the ledger's schema only."""
        options = [f"--schema={LEDGER_SCHEMA}", f"--lock-wait-timeout={_LOCK_WAIT}"]
        async with aclosing(self._dump(options, schema_only=False)) as chunks:
            async for chunk in chunks:
                yield chunk

    async def restore(
        self, chunks: AsyncIterator[bytes], *, database: str, keep_owners: bool = True, leave_out: Sequence[str] = ()
    ) -> None:
        """Restore a custom-format dump into an existing empty database of the same server.

        `keep_owners=False` leaves out owners and grants: everything belongs to the role that restores.
        `leave_out` names entries to leave out with their comments, such as `EXTENSION postgis`.
        Raises BackupFailed at the first error, with what to do about the usual ones.
        """
        settings = (await self._database.settings()).with_database(database)
        arguments = [
            self._tools.pg_restore,
            "--exit-on-error",
            "--no-password",
            "--no-publications",  # the copy must publish and subscribe to nothing
            "--no-subscriptions",
            *([] if keep_owners else ["--no-owner", "--no-acl"]),
            *self._role_option(),
            f"--dbname={_conninfo(settings, application_name('restore', self._database.mark))}",
        ]
        # Commits need not wait for the disk here: the copy counts only after it was compared.
        environment = _environment(settings, "-c synchronous_commit=off -c statement_timeout=0")
        async with AsyncExitStack() as stack:
            if leave_out:
                contents, chunks = await read_contents(self._tools.pg_restore, chunks, environment)
                folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="backstitch-list-")))
                (folder / "list").write_text(without(contents, leave_out))
                arguments.append(f"--use-list={folder / 'list'}")
            child = await stack.enter_async_context(running("pg_restore", arguments, environment, takes_input=True))
            await child.feed(chunks)
            await child.finish()

    async def _dump(self, options: list[str], *, schema_only: bool) -> AsyncGenerator[bytes, None]:
        settings = await self._database.settings()
        name = application_name("dump-schema" if schema_only else "dump", self._database.mark)
        arguments = [
            self._tools.pg_dump,
            "--format=custom",
            f"--compress={_ZSTD if self._tools.zstd else _GZIP}",
            "--no-password",
            *options,
            *self._role_option(),
            f"--dbname={_conninfo(settings, name)}",
        ]
        async with running("pg_dump", arguments, _environment(settings, ""), takes_input=False) as child:
            async with aclosing(child.output()) as chunks:
                async for chunk in chunks:
                    yield chunk
            await child.finish()

    def _role_option(self) -> list[str]:
        return [f"--role={self._role}"] if self._role is not None else []


async def open_archiver(
    database: PostgresDatabase,
    server_version: int,
    *,
    role: str | None = None,
    environment: Mapping[str, str] | None = None,
) -> PgArchiver:
    """Give the archiver of a database whose server_version_num is known. Raises BackupFailed (`ToolsMissing`)."""
    return PgArchiver(database, await find_tools(server_version // 10000, environment), role=role)


def _conninfo(settings: ConnectionSettings, name: str) -> str:
    params = {name: value for name, value in settings.params.items() if name not in ("options", "application_name")}
    params.update(
        application_name=name,
        keepalives_idle="15",
        keepalives_interval="5",
        keepalives_count="3",
        connect_timeout="10",
        client_encoding="UTF8",
    )
    if "," in settings.host:
        params["target_session_attrs"] = "primary"
    if settings.ca_pem is not None:
        params["sslrootcert"] = str(ca_file(settings.ca_pem))
    return make_conninfo("", **params)


def _environment(settings: ConnectionSettings, options: str) -> dict[str, str]:
    environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    environment["LC_ALL"] = "C"  # its messages are read
    asked = settings.params.get("options", "")
    environment["PGOPTIONS"] = f"{asked} {options} {_PINNED}".strip()
    password = settings.password or os.environ.get("PGPASSWORD")
    if password is not None:
        environment["PGPASSWORD"] = password
    return environment
