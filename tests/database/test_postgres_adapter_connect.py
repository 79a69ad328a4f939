# SPDX-License-Identifier: Apache-2.0
"""Is a session pinned, and is every server that migrations cannot be run on refused with its reason?"""

from __future__ import annotations

import asyncio

import pytest

from backstitch.adapters.conninfo import parse_url
from backstitch.adapters.postgres import PostgresDatabase, application_name
from backstitch.core.errors import (
    StatementFailed,
    TargetError,
)
from tests.plugins.pg import TestDatabase
from tests.plugins.proxy import PgProxy


def target(url: str, **settings: str) -> PostgresDatabase:
    return PostgresDatabase.of(parse_url(url), **settings)


async def test_the_session_is_pinned_whatever_the_role_says(database: TestDatabase) -> None:
    for setting in (
        "timezone = 'Asia/Tokyo'",
        "datestyle = 'German'",
        "extra_float_digits = 0",
        "bytea_output = 'escape'",
        "search_path = 'nowhere'",
        "default_transaction_isolation = 'serializable'",
        "standard_conforming_strings = off",
        "statement_timeout = '1ms'",  # the last one: it would cut the others
    ):
        database.psql(f"ALTER ROLE app_owner IN DATABASE {database.name} SET {setting}")
    session = await target(database.url).connect(purpose="pinned")
    rows = await session.rows(
        "SELECT ('2026-01-02 03:04:05+00'::timestamptz)::text AS t, "
        "(0.1::float8 + 0.2)::text AS f, '\\x01'::bytea::text AS b, "
        "current_setting('search_path') AS p, current_setting('statement_timeout') AS s, "
        "current_setting('default_transaction_isolation') AS i, '\\' AS q, "
        "current_setting('client_connection_check_interval') AS c, "
        "current_setting('idle_in_transaction_session_timeout') AS x, current_setting('application_name') AS a"
    )
    await session.close()
    assert rows == [
        {
            "t": "2026-01-02 03:04:05+00",
            "f": "0.30000000000000004",
            "b": "\\x01",
            "p": "public",
            "s": "0",
            "i": "read committed",
            "q": "\\",
            "c": "2s",
            "x": "1min",
            "a": "backstitch/pinned",
        }
    ]


async def test_a_search_path_asked_for_in_the_url_holds(database: TestDatabase) -> None:
    session = await target(database.url + "?options=-c%20search_path%3Dapp,public").connect(purpose="x")
    assert (await session.rows("SHOW search_path")) == [{"search_path": "app,public"}]
    await session.close()


async def test_another_database_and_read_only(database: TestDatabase) -> None:
    session = await target(database.url).connect(purpose="x", database="postgres", read_only=True)
    assert (await session.rows("SELECT current_database() AS d"))[0]["d"] == "postgres"
    with pytest.raises(StatementFailed) as caught:
        await session.execute("CREATE TABLE t (a int)")
    assert caught.value.reason == "ReadOnlyTransaction"
    await session.close()


async def test_the_role_is_set_before_anything(database: TestDatabase) -> None:
    role = f"{database.name}_role"
    database.psql(f"CREATE ROLE {role}", superuser=True)
    try:
        with pytest.raises(TargetError) as caught:
            await target(database.url, role=role).connect(purpose="x")
        assert caught.value.reason == "PermissionLost"
        database.psql(f"GRANT {role} TO app_owner", superuser=True)
        session = await target(database.url, role=role).connect(purpose="x")
        assert await session.rows("SELECT current_user::text AS u") == [{"u": role}]
        await session.close()
    finally:
        database.psql(f"DROP ROLE {role}", superuser=True)


def test_a_long_purpose_is_cut_between_characters() -> None:
    assert len(application_name("ä" * 80).encode()) <= 63


async def refusal(target: PostgresDatabase, **how: str) -> TargetError:
    with pytest.raises(TargetError) as caught:
        await target.connect(purpose="x", **how)  # type: ignore[arg-type]
    return caught.value


async def test_a_wrong_password_is_named_and_not_shown(database: TestDatabase) -> None:
    password = database.url.split(":")[2].split("@")[0]
    error = await refusal(target(database.url.replace(password, "wrong-password")))
    assert error.reason == "WrongPassword"
    assert "wrong-password" not in error.message
    assert password not in error.message
    for part in (database.name, "app_owner", str(database.server.port), "127.0.0.1"):
        assert part in error.message


async def test_a_missing_database_is_named(database: TestDatabase) -> None:
    error = await refusal(target(database.url), database="no_such_database")
    assert error.reason == "DatabaseMissing"
    assert "no_such_database" in error.message


async def test_a_port_nobody_listens_on_is_unreachable() -> None:
    error = await refusal(target("postgresql://u:p@127.0.0.1:9/d"))
    assert (error.reason, error.retry) == ("Unreachable", True)
    assert "127.0.0.1:9" in error.message


async def test_a_host_without_an_address_is_unreachable() -> None:
    error = await refusal(target("postgresql://u:p@no-such-host.invalid/d"))
    assert error.reason == "Unreachable"
    assert "no-such-host.invalid" in error.message


async def test_a_database_that_is_closed_is_named(database: TestDatabase) -> None:
    session = await target(database.url).connect(purpose="close", database="postgres")
    await session.execute(f"ALTER DATABASE {database.name} ALLOW_CONNECTIONS false")
    await session.close()
    assert (await refusal(target(database.url))).reason == "DatabaseClosed"


async def test_too_many_connections_come_back(database: TestDatabase) -> None:
    database.psql(f"ALTER DATABASE {database.name} CONNECTION LIMIT 0")
    error = await refusal(target(database.url))
    assert (error.reason, error.retry) == ("TooManyConnections", True)


async def test_a_read_only_database_is_refused_except_for_reading(database: TestDatabase) -> None:
    database.psql(f"ALTER DATABASE {database.name} SET default_transaction_read_only = on")
    error = await refusal(target(database.url))
    assert error.reason == "ReadOnlyServer"
    session = await target(database.url).connect(purpose="x", read_only=True)
    await session.close()


async def test_a_pooler_is_detected(database: TestDatabase, proxy: PgProxy, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pooler hands out a key of its own: BackendKeyData (K) does not name the process that answers."""
    passed = proxy._pass_answers

    async def other_key(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        write = writer.write

        def rewriting(data: bytes) -> None:
            for head in (b"K\0\0\0\x0c", b"K\0\0\0\x28"):
                at = data.find(head)
                if at >= 0:
                    data = data[: at + 5] + (4242).to_bytes(4, "big") + data[at + 9 :]
            write(data)

        monkeypatch.setattr(writer, "write", rewriting)
        await passed(reader, writer)

    monkeypatch.setattr(proxy, "_pass_answers", other_key)
    error = await refusal(target(proxy.url))
    assert (error.reason, error.retry) == ("PoolerDetected", False)


@pytest.mark.parametrize("version, reason", [("14.9", "ServerTooOld"), ("20.1", "ServerTooNew")])
async def test_an_unsupported_major_is_refused(
    database: TestDatabase, proxy: PgProxy, monkeypatch: pytest.MonkeyPatch, version: str, reason: str
) -> None:
    """The server's ParameterStatus is rewritten on the way, because no such server is here."""
    passed = proxy._pass_answers
    real = database.server.version.encode()

    async def other_version(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        write = writer.write

        def rewriting(data: bytes) -> None:
            at = data.find(b"server_version\0")
            if at >= 0:
                end = data.index(b"\0", at + 15)
                data = data[: at + 15] + version.encode().ljust(end - at - 15) + data[end:]
            write(data)

        monkeypatch.setattr(writer, "write", rewriting)
        await passed(reader, writer)

    assert real
    monkeypatch.setattr(proxy, "_pass_answers", other_version)
    error = await refusal(target(proxy.url))
    assert (error.reason, error.retry) == (reason, False)
    assert version.split(".", maxsplit=1)[0] in error.message


async def test_a_deaf_server_is_given_up(database: TestDatabase, proxy: PgProxy) -> None:
    proxy.black_hole()
    error = await refusal(target(proxy.url))
    assert error.reason == "Unreachable"


async def test_credentials_are_read_at_each_connect(database: TestDatabase) -> None:
    urls = ["postgresql://app_owner:old@127.0.0.1:9/" + database.name, database.url]

    async def settings() -> object:
        return parse_url(urls.pop(0))

    rotated = PostgresDatabase(settings, name=database.name)  # type: ignore[arg-type]
    with pytest.raises(TargetError):
        await rotated.connect(purpose="x")
    session = await rotated.connect(purpose="x")
    await session.close()


async def test_settings_that_name_another_database_are_refused(database: TestDatabase) -> None:
    async def settings() -> object:
        return parse_url(database.url)

    error = await refusal(PostgresDatabase(settings, name="other"))  # type: ignore[arg-type]
    assert (error.reason, error.retry) == ("DatabaseChanged", False)


async def test_no_repr_holds_the_password(database: TestDatabase) -> None:
    session = await target(database.url).connect(purpose="x")
    await session.close()
    password = database.url.split(":")[2].split("@")[0]
    settings = parse_url(database.url)
    assert settings.password == password
    for thing in (session, target(database.url), settings):
        assert password not in repr(thing)
