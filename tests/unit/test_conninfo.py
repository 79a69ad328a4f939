# SPDX-License-Identifier: Apache-2.0
"""Is every shape of URL and Secret understood, are the TLS rules kept, and does no password come out?"""

from __future__ import annotations

import pytest

from backstitch.adapters.conninfo import ConnectionSettings, parse_secret, parse_url
from backstitch.core.errors import BackstitchError, TargetError, UsageError

PASSWORD = "s3cr3t-p@ss/word"
ENCODED = "s3cr3t-p%40ss%2Fword"

CLOUDNATIVE = {
    "username": "app",
    "user": "app",
    "password": PASSWORD,
    "dbname": "shop",
    "host": "shop-rw",
    "port": "5432",
    "uri": f"postgresql://app:{ENCODED}@shop-rw.shop:5432/shop",
    "fqdn-uri": f"postgresql://app:{ENCODED}@shop-rw.shop.svc.cluster.local:5432/shop",
    "jdbc-uri": f"jdbc:postgresql://shop-rw.shop:5432/shop?password={ENCODED}&user=app",
    "fqdn-jdbc-uri": f"jdbc:postgresql://shop-rw.shop.svc:5432/shop?password={ENCODED}&user=app",
    "pgpass": f"shop-rw:5432:shop:app:{PASSWORD}",
}
CRUNCHY = {
    "user": "app",
    "password": PASSWORD,
    "dbname": "shop",
    "host": "shop-primary.shop.svc",
    "port": "5432",
    "uri": f"postgresql://app:{ENCODED}@shop-primary.shop.svc:5432/shop",
    "verifier": "SCRAM-SHA-256$...",
    "pgbouncer-host": "shop-pgbouncer.shop.svc",
    "pgbouncer-port": "5432",
    "pgbouncer-uri": f"postgresql://app:{ENCODED}@shop-pgbouncer.shop.svc:5432/shop",
}
SERVICE_BINDING = {
    "type": "postgresql",
    "provider": "acme",
    "host": "db.acme",
    "port": "5433",
    "database": "shop",
    "username": "app",
    "password": PASSWORD,
    "certificates": "-----BEGIN CERTIFICATE-----",
}


@pytest.mark.parametrize(
    "data, given, host, port",
    [
        (CLOUDNATIVE, {}, "shop-rw.shop.svc.cluster.local", "5432"),
        ({k: v for k, v in CLOUDNATIVE.items() if k != "fqdn-uri"}, {}, "shop-rw.shop", "5432"),
        (CRUNCHY, {}, "shop-primary.shop.svc", "5432"),
        (SERVICE_BINDING, {}, "db.acme", "5433"),
        ({"username": "app", "password": PASSWORD}, {"host": "shop.zalando", "dbname": "shop"}, "shop.zalando", "5432"),
        ({"username": "app", "password": PASSWORD}, {"host": "h", "port": 6432, "dbname": "shop"}, "h", "6432"),
        ({"host": "h", "user": "app", "password": PASSWORD + "\n", "dbname": "shop\n"}, {}, "h", "5432"),
        ({"uri": "postgres://app@h/shop", "password": PASSWORD}, {}, "h", "5432"),
        ({"uri": f"postgresql://app:{ENCODED}@h:1/*"}, {"dbname": "shop"}, "h", "1"),
        ({k: v.encode() for k, v in CRUNCHY.items()}, {}, "shop-primary.shop.svc", "5432"),
    ],
    ids=[
        "cloudnative-pg fqdn",
        "cloudnative-pg uri",
        "crunchy",
        "service binding",
        "zalando",
        "port beside it",
        "newlines",
        "uri without password",
        "superuser of cloudnative-pg",
        "bytes",
    ],
)
def test_a_secret_of_each_producer_is_understood(
    data: dict[str, str | bytes], given: dict[str, object], host: str, port: str
) -> None:
    settings = parse_secret(data, **given)  # type: ignore[arg-type]
    assert (settings.host, settings.port, settings.dbname, settings.user) == (host, port, "shop", "app")
    assert settings.password == PASSWORD
    assert PASSWORD not in repr(settings) + str(settings) + settings.where + str(settings.params)


def test_what_the_secret_says_wins_over_what_stands_beside_it() -> None:
    assert parse_secret(CRUNCHY, host="other", dbname="other").host == "shop-primary.shop.svc"


@pytest.mark.parametrize(
    "data, words",
    [
        ({}, "host, dbname, user, password"),
        ({"username": "app", "password": PASSWORD}, "host, dbname"),
        ({"jdbc-uri": CLOUDNATIVE["jdbc-uri"]}, "host, dbname, user, password"),
        ({"host": "h", "dbname": "d", "user": "u"}, "password"),
    ],
    ids=["empty", "zalando alone", "jdbc only", "no password"],
)
def test_an_incomplete_secret_says_what_is_missing(data: dict[str, str], words: str) -> None:
    with pytest.raises(TargetError, match=words) as caught:
        parse_secret(data)
    assert caught.value.reason == "SecretIncomplete"
    assert PASSWORD not in caught.value.message
    assert ENCODED not in caught.value.message


def test_a_secret_with_only_a_pooler_is_refused() -> None:
    only_pooler = {k: v for k, v in CRUNCHY.items() if k not in ("host", "port", "uri")}
    with pytest.raises(TargetError, match="PgBouncer") as caught:
        parse_secret(only_pooler)
    assert caught.value.reason == "PoolerDetected"
    assert caught.value.retry is False


@pytest.mark.parametrize(
    "written, asked, ca, expected",
    [
        ("", None, None, "require"),
        ("?sslmode=disable", None, None, "require"),
        ("?sslmode=prefer", None, None, "require"),
        ("?sslmode=verify-full", None, None, "verify-full"),
        ("", None, "PEM", "verify-full"),
        ("?sslmode=require", None, "PEM", "verify-full"),
        ("?sslmode=verify-full", "disable", None, "disable"),
        ("", "prefer", "PEM", "prefer"),
        ("", "verify-ca", "PEM", "verify-ca"),
    ],
)
def test_tls_is_never_weaker_than_the_field_says(
    written: str, asked: str | None, ca: str | None, expected: str
) -> None:
    uri = f"postgresql://app:{ENCODED}@db.example/shop{written}"
    assert parse_secret({"uri": uri}, ssl_mode=asked, ca_pem=ca).params["sslmode"] == expected
    assert parse_url(uri, ssl_mode=asked, ca_pem=ca).params["sslmode"] == expected


@pytest.mark.parametrize(
    "url, expected",
    [
        ("postgresql://u:p@127.0.0.1/d", "prefer"),
        ("postgresql://u:p@localhost/d?sslmode=disable", "disable"),
        ("postgresql://u:p@[::1]/d?sslmode=verify-full", "verify-full"),
        ("postgresql://u@/d?host=/var/run/postgresql", "prefer"),
        ("host=/tmp dbname=d user=u", "prefer"),
        ("postgresql://u:p@10.0.0.1/d?sslmode=disable", "require"),
        ("postgresql://u:p@localhost,10.0.0.1/d?sslmode=disable", "require"),
    ],
)
def test_a_url_of_the_command_line_is_trusted_on_this_machine_only(url: str, expected: str) -> None:
    assert parse_url(url).params["sslmode"] == expected


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://app:{PASSWORD}%zz@h/d",
        f"mysql://app:{ENCODED}@h/d",
        f"jdbc:postgresql://h/d?password={ENCODED}",
        f"postgresql://app:{ENCODED}@h",
        f"postgresql://h/d?password={ENCODED}",
        f"postgresql://app:{ENCODED}@h/d?nonsense={ENCODED}",
        f"just {PASSWORD}",
        "",
    ],
)
def test_a_wrong_url_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_url(url)
    assert PASSWORD not in caught.value.message
    assert ENCODED not in caught.value.message
    assert caught.value.__cause__ is None


def test_a_wrong_uri_in_a_secret_does_not_come_out() -> None:
    with pytest.raises(BackstitchError) as caught:
        parse_secret({"uri": f"http://app:{ENCODED}@h/d"})
    assert ENCODED not in caught.value.message
    assert "begin with postgresql://" in caught.value.message


@pytest.mark.parametrize(
    "written", ["s3@cret", "s3/cret", "s3/cret@5", "s3?x@cret", "5/s3", "5?x/s3@cret", "s3@cret/5"]
)
def test_no_part_of_a_password_that_is_not_encoded_is_taken_for_a_host_or_database(written: str) -> None:
    with pytest.raises(TargetError, match="percent-encoded"):
        parse_secret({"uri": f"postgresql://app:{written}@db/shop", "password": "x", "user": "y", "dbname": "z"})


def test_another_database_keeps_the_rest() -> None:
    settings: ConnectionSettings = parse_url(f"postgresql://app:{ENCODED}@h:1/d").with_database("other")
    assert (settings.host, settings.port, settings.dbname, settings.password) == ("h", "1", "other", PASSWORD)


@pytest.mark.parametrize("key", ["service", "passfile", "sslpassword"])
def test_a_uri_cannot_name_files_of_this_machine(key: str) -> None:
    assert key not in parse_secret({"uri": f"postgresql://app:{ENCODED}@h/d?{key}=/etc/passwd"}).params
