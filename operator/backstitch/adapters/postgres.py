# SPDX-License-Identifier: Apache-2.0
"""How is a session opened, and which servers are refused? core.ports.Database on psycopg.

Settings are pinned in the startup packet: one round trip less, and they win over ALTER ROLE and ALTER DATABASE … SET.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import Any

import psycopg
from psycopg.rows import dict_row
from psycopg.types.json import JsonbDumper

from backstitch.adapters.cafile import ca_file
from backstitch.adapters.conninfo import ConnectionSettings
from backstitch.adapters.refused import explain_refusal
from backstitch.adapters.session import PostgresSession
from backstitch.core.errors import TargetError
from backstitch.core.ports import Row
from backstitch.model.sql import MAX_IDENTIFIER_BYTES

SettingsSource = Callable[[], Awaitable[ConnectionSettings]]

OLDEST, NEWEST = 15, 19
_OPEN_LIMIT_S = 15.0  # the whole of connect: a door that accepts and then says nothing must not hold us
_NAME_BYTES = 63

_CLIENT = {
    "connect_timeout": "5",
    "keepalives": "1",
    "keepalives_idle": "15",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "30000",
    "client_encoding": "UTF8",
}

_PINNED = {
    "timezone": "UTC",
    "datestyle": "ISO",
    "intervalstyle": "postgres",
    "extra_float_digits": "1",
    "bytea_output": "hex",
    "xmlbinary": "base64",
    "lc_monetary": "C",
    "standard_conforming_strings": "on",
    "default_transaction_isolation": "read committed",
    "default_transaction_deferrable": "off",
    "statement_timeout": "0",  # a role's own limit would cut an index build; the engine sets limits per statement
    "lock_timeout": "0",
    "idle_session_timeout": "0",
    "idle_in_transaction_session_timeout": "60s",
    "client_connection_check_interval": "2s",  # else a backend outlives its client, with its locks
    "jit": "off",
}

_LOOK = """
SELECT pg_backend_pid() AS pid, current_setting('server_version_num')::int AS version,
       pg_is_in_recovery() AS in_recovery, current_setting('transaction_read_only')::bool AS read_only,
       CASE WHEN current_setting('server_version_num')::int >= 170000
            THEN set_config('transaction_timeout', '0', false) END AS unlimited
"""


class PostgresDatabase:
    """One target database. `settings` is read at every connect, so that a rotated password is picked up."""

    def __init__(self, settings: SettingsSource, *, name: str, role: str | None = None, mark: str = "") -> None:
        self._settings = settings
        self._name = name
        self._role = role
        self.mark = mark
        """Ends application_name of every session, see core/term.py."""

    def __repr__(self) -> str:
        return f"PostgresDatabase({self._name})"

    @classmethod
    def of(cls, settings: ConnectionSettings, *, role: str | None = None) -> PostgresDatabase:
        """Give the database of settings that do not change, such as a URL of the command line."""

        async def fixed() -> ConnectionSettings:
            return settings

        return cls(fixed, name=settings.dbname, role=role)

    @classmethod
    async def load(cls, settings: SettingsSource, *, role: str | None = None) -> PostgresDatabase:
        """Give the database whose name the settings say now; later settings must name the same one."""
        return cls(settings, name=(await settings()).dbname, role=role)

    @property
    def name(self) -> str:
        """Give the database's name."""
        return self._name

    async def settings(self) -> ConnectionSettings:
        """Read the settings as they are now. Raises TargetError when they name another database."""
        settings = await self._settings()
        if settings.dbname != self._name:
            raise TargetError(
                f"The connection settings now name database {settings.dbname!r} instead of {self._name!r}. "
                "A target is one database: make a new target for another one.",
                reason="DatabaseChanged",
                retry=False,
            )
        return settings

    async def connect(self, *, purpose: str, database: str | None = None, read_only: bool = False) -> PostgresSession:
        """Give a new direct session. Raises TargetError, see core.ports.Database."""
        settings = await self.settings()
        if database is not None:
            settings = settings.with_database(database)
        try:
            async with asyncio.timeout(_OPEN_LIMIT_S):
                connection = await self._open(settings, purpose, read_only=read_only)
        except TimeoutError:
            raise TargetError(f"{settings.where} did not answer within {_OPEN_LIMIT_S:.0f} s.") from None
        return PostgresSession(connection, where=settings.where, read_only=read_only)

    async def _open(
        self, settings: ConnectionSettings, purpose: str, *, read_only: bool
    ) -> psycopg.AsyncConnection[Row]:
        connection: psycopg.AsyncConnection[Row] | None = None
        try:
            connection = await psycopg.AsyncConnection.connect(
                **self._keywords(settings, purpose, read_only=read_only),
                autocommit=True,
                prepare_threshold=None,
                row_factory=dict_row,
            )
            _adapt(connection)
            await _refuse_unfit(connection, settings, read_only=read_only)
        except psycopg.Error as error:
            if connection is not None:
                await connection.close()
            raise explain_refusal(error, settings) from None
        except BaseException:
            if connection is not None:
                await connection.close()
            raise
        return connection

    def _keywords(self, settings: ConnectionSettings, purpose: str, *, read_only: bool) -> dict[str, Any]:
        keywords = {**settings.params, **_CLIENT, "application_name": application_name(purpose, self.mark)}
        # libpq tries the hosts in order and takes the primary; for one host our own check gives the better message
        keywords["target_session_attrs"] = "primary" if "," in settings.host else "any"
        pinned = dict(_PINNED)
        if read_only:
            pinned["default_transaction_read_only"] = "on"
        if self._role is not None:
            if len(self._role.encode()) > MAX_IDENTIFIER_BYTES:  # the server would cut it, and take another role
                raise TargetError(
                    f"ownerRole {self._role} is longer than {MAX_IDENTIFIER_BYTES} bytes, so there is no such role.",
                    reason="RoleMissing",
                    retry=False,
                )
            pinned["role"] = self._role
        asked = settings.params.get("options", "")
        # The last one wins: a search_path asked for in the settings holds, the pinned ones cannot be changed.
        keywords["options"] = f"{_option('search_path', 'public')} {asked} " + " ".join(
            _option(name, value) for name, value in pinned.items()
        )
        if settings.password is not None:
            keywords["password"] = settings.password
        if settings.ca_pem is not None:
            keywords["sslrootcert"] = str(ca_file(settings.ca_pem))
        return keywords


def application_name(purpose: str, mark: str = "") -> str:
    """Give `backstitch/<purpose> <mark>`, the purpose cut so that the server keeps all of the mark."""
    tail = f" {mark}" if mark else ""
    return f"backstitch/{purpose}".encode()[: _NAME_BYTES - len(tail)].decode(errors="ignore") + tail


def _option(name: str, value: str) -> str:
    escaped = re.sub(r"[\\ \t\n\r\f\v]", r"\\\g<0>", value)  # the server ends an option at white space of any kind
    return f"-c {name}={escaped}"


def _adapt(connection: psycopg.AsyncConnection[Row]) -> None:
    connection.adapters.register_dumper(dict, JsonbDumper)


async def _refuse_unfit(
    connection: psycopg.AsyncConnection[Row], settings: ConnectionSettings, *, read_only: bool
) -> None:
    """Raise TargetError for a server that migrations cannot be run on."""
    major = connection.pgconn.server_version // 10000
    if major < OLDEST:
        raise TargetError(
            f"{settings.where} runs PostgreSQL {major}; {OLDEST} to {NEWEST} are supported. Upgrade the server first.",
            reason="ServerTooOld",
            retry=False,
        )
    if major > NEWEST:
        raise TargetError(
            f"{settings.where} runs PostgreSQL {major}; {OLDEST} to {NEWEST} are supported. "
            "Use a newer version of Backstitch.",
            reason="ServerTooNew",
            retry=False,
        )
    found = await _one(connection, _LOOK)
    again = await _one(connection, "SELECT pg_backend_pid() AS pid")
    if {found["pid"], again["pid"]} != {connection.pgconn.backend_pid}:
        raise TargetError(
            f"{settings.where} is behind a connection pooler: the server process that answers is not the one that was "
            "connected. Session locks and settings need a direct connection; give the server's own address.",
            reason="PoolerDetected",
            retry=False,
        )
    if found["in_recovery"]:
        raise TargetError(
            f"{settings.where} is a standby (in recovery) and takes no writes; give the primary's address.",
            reason="ReadOnlyServer",
        )
    if found["read_only"] and not read_only:
        raise TargetError(
            f"{settings.where} is read-only (default_transaction_read_only is on); "
            "some providers set that when the disk is full.",
            reason="ReadOnlyServer",
        )


async def _one(connection: psycopg.AsyncConnection[Row], sql: Any) -> Row:
    row = await (await connection.execute(sql)).fetchone()
    assert row is not None
    return row
