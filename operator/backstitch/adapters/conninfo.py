# SPDX-License-Identifier: Apache-2.0
"""How do a URL or a Secret become connection settings? Every shape people have, and the TLS rules.

Shapes: a `uri` (CloudNativePG's `fqdn-uri` preferred), or host, port, dbname, user or username, password as
CloudNativePG, Crunchy, Zalando (host and dbname given beside it) and Service Binding write them. Nothing here
puts a password into a message or a repr.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict

from backstitch.core.errors import TargetError, UsageError

DEFAULT_PORT = "5432"
_SSL_STRENGTH = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
_URIS = ("fqdn-uri", "uri", "url", "DATABASE_URL")  # jdbc-uri, fqdn-jdbc-uri: the same again for Java; never read
_FIELDS = {
    "host": ("host",),
    "port": ("port",),
    "dbname": ("dbname", "database"),
    "user": ("user", "username"),
    "password": ("password",),
}
_ENCODED = (
    "A password with special characters must be percent-encoded (@ as %40, / as %2F, : as %3A, # as %23, % as %25)."
)
_CA_KEYS = ("ca.crt", "certificates")  # `certificates`: Service Binding's name for it


@dataclass(frozen=True, repr=False)
class ConnectionSettings:
    """Where a database is and who we are there. `params` are libpq's keywords, without the password."""

    params: Mapping[str, str]
    password: str | None = field(default=None, repr=False)
    ca_pem: str | None = None  # text of the CA certificates; libpq wants a file, the adapter makes one

    def __repr__(self) -> str:
        return f"ConnectionSettings({self.where}, sslmode={self.params.get('sslmode', '')})"

    @property
    def host(self) -> str:
        """Give the host as written (several with commas between), or the socket's directory."""
        return self.params.get("host") or self.params.get("hostaddr", "")

    @property
    def port(self) -> str:
        """Give the port as written."""
        return self.params.get("port", DEFAULT_PORT)

    @property
    def dbname(self) -> str:
        """Give the database's name."""
        return self.params.get("dbname", "")

    @property
    def user(self) -> str:
        """Give the role that logs in."""
        return self.params.get("user", "")

    @property
    def where(self) -> str:
        """Give host, port, database and user for people; no password in it."""
        return f"{self.host}:{self.port}/{self.dbname} as {self.user}"

    def with_database(self, name: str) -> ConnectionSettings:
        """Give the same settings for another database of the server."""
        return replace(self, params={**self.params, "dbname": name})


def parse_url(url: str, *, ssl_mode: str | None = None, ca_pem: str | None = None) -> ConnectionSettings:
    """Read what a person gave on the command line: a postgresql:// URL or `host=… dbname=…`.

    On a loopback address or a socket the URL's own sslmode holds (libpq's default when it has none); elsewhere
    TLS is required unless `ssl_mode` says otherwise. Raises UsageError; the message never repeats the URL.
    """
    try:
        params = _read_uri(url)
    except ValueError as error:
        raise UsageError(f"The database URL cannot be read: {error}") from None
    password = params.pop("password", None)
    missing = [name for name in ("dbname", "user") if not params.get(name)]
    if missing:
        raise UsageError(
            f"The database URL names no {' and no '.join(missing)}; "
            "write postgresql://USER@HOST:PORT/DATABASE (the password may come from PGPASSWORD or ~/.pgpass)."
        )
    if not params.get("host") and not params.get("hostaddr"):
        params["host"] = "localhost"
    if _is_local(params) and ssl_mode is None and ca_pem is None:
        params.setdefault("sslmode", "prefer")
    else:
        params["sslmode"] = _ssl_mode(ssl_mode, params.get("sslmode"), has_ca=bool(ca_pem or params.get("sslrootcert")))
    return ConnectionSettings(_complete(params), password, ca_pem)


def parse_secret(
    data: Mapping[str, str | bytes],
    *,
    host: str | None = None,
    port: int | None = None,
    dbname: str | None = None,
    ssl_mode: str | None = None,
    ca_pem: str | None = None,
) -> ConnectionSettings:
    """Read a Secret's data (decoded). The keyword arguments fill in what the Secret does not say.

    Raises TargetError: `SecretIncomplete` (the message lists the keys that are missing and those that are there,
    never a value), or `PoolerDetected` when the only address is a PgBouncer's.
    """
    texts = {key: _text(value) for key, value in data.items()}
    uri_key = next((key for key in _URIS if texts.get(key)), None)
    params: dict[str, str] = {}
    if uri_key is not None:
        try:
            params = _read_uri(texts[uri_key])
        except ValueError as error:
            raise TargetError(
                f"Key {uri_key!r} of the Secret cannot be read: {error}", reason="SecretInvalid"
            ) from None
    for name, keys in _FIELDS.items():
        value = next((texts[key] for key in keys if texts.get(key)), None)
        if value and not params.get(name):
            params[name] = value
    if params.get("dbname") == "*":  # CloudNativePG's superuser Secret: any database, so none is named
        del params["dbname"]
    for name, value in {"host": host, "port": str(port) if port else None, "dbname": dbname}.items():
        if value and not params.get(name):
            params[name] = value
    _refuse_incomplete(params, texts)
    ca = ca_pem or next((texts[key] for key in _CA_KEYS if texts.get(key)), None)
    password = params.pop("password", None)
    params["sslmode"] = _ssl_mode(ssl_mode, params.get("sslmode"), has_ca=bool(ca))
    return ConnectionSettings(_complete(params), password, ca)


def _refuse_incomplete(params: Mapping[str, str], texts: Mapping[str, str]) -> None:
    has_host = bool(params.get("host") or params.get("hostaddr"))
    if not has_host and any(key.startswith("pgbouncer-") for key in texts):
        raise TargetError(
            "The Secret has only a PgBouncer address (pgbouncer-host or pgbouncer-uri). Migrations need a direct "
            "session: put the server's own host into the Secret, or give secretRef.host.",
            reason="PoolerDetected",
            retry=False,
        )
    missing = [name for name in ("dbname", "user", "password") if not params.get(name)]
    if not has_host:
        missing.insert(0, "host")
    if missing:
        raise TargetError(
            f"The Secret does not say {', '.join(missing)} (its keys: {', '.join(sorted(texts)) or 'none'}). "
            "Give `uri`, or host, port, dbname, user or username, and password; "
            "host, port and dbname may also stand in secretRef.",
            reason="SecretIncomplete",
        )


def _read_uri(uri: str) -> dict[str, str]:
    """Read a libpq URI or keyword string. Raises ValueError with a message that repeats nothing of it."""
    uri = uri.strip()
    scheme, separator, _ = uri.partition("://")
    if separator and scheme not in ("postgresql", "postgres"):
        known = scheme if scheme.replace("+", "").isalnum() and len(scheme) <= 30 else "something else"
        raise ValueError(f"it must begin with postgresql:// (it begins with {known}://).")
    # libpq would take the rest of such a password for a host, port or database, and those are shown
    authority, _, path = uri.partition("://")[2].partition("/") if separator else ("", "", "")
    if authority.count("@") > 1 or "@" in path.partition("?")[0]:
        raise ValueError(f"there is an @ too many. {_ENCODED}")
    try:
        params = {key: str(value) for key, value in conninfo_to_dict(uri).items() if value is not None}
    except ProgrammingError:
        raise ValueError(f"libpq does not understand it. {_ENCODED}") from None
    if not all(port.isdecimal() or not port for port in params.get("port", "").split(",")):
        raise ValueError(f"the port is no number. {_ENCODED}")
    for key in ("sslpassword", "passfile", "service"):
        params.pop(key, None)  # they would bring settings from files of this machine
    return params


def _complete(params: dict[str, str]) -> dict[str, str]:
    params.setdefault("port", DEFAULT_PORT)
    params.setdefault("gssencmode", "disable")
    return {key: value for key, value in params.items() if value != ""}


def _ssl_mode(asked: str | None, written: str | None, *, has_ca: bool) -> str:
    """Only the explicit field may go below the default; a URL may only be stricter."""
    if asked is not None:
        return asked
    floor = "verify-full" if has_ca else "require"
    if written in _SSL_STRENGTH and _SSL_STRENGTH.index(written) > _SSL_STRENGTH.index(floor):
        return written
    return floor


def _is_local(params: Mapping[str, str]) -> bool:
    for host in (params.get("hostaddr") or params.get("host", "")).split(","):
        if host.startswith(("/", "@")) or host in ("localhost", ""):
            continue
        try:
            if not ipaddress.ip_address(host).is_loopback:
                return False
        except ValueError:
            return False
    return True


def _text(value: str | bytes) -> str:
    # A newline at the end is what `echo … | base64` leaves; no host, name or password of anybody ends with one.
    return (value.decode("utf-8", "replace") if isinstance(value, bytes) else value).strip("\r\n")
