# SPDX-License-Identifier: Apache-2.0
"""Why did the server not let us in? libpq gives no SQLSTATE for a failed connect, so its English words are read."""

from __future__ import annotations

import re

import psycopg

from backstitch.adapters.conninfo import ConnectionSettings
from backstitch.core.errors import TargetError

# (pattern in the server's or libpq's words, reason, may it come back by itself, what to do). First match wins.
_TABLE: tuple[tuple[str, str, bool, str], ...] = (
    (
        r"unsupported startup parameter",
        "PoolerDetected",
        False,
        "That is a PgBouncer's answer. Session locks and settings need a direct connection; give the server's address.",
    ),
    (
        r"password authentication failed|no password supplied|empty password",
        "WrongPassword",
        True,  # a rotated Secret: the next connect reads it again
        "Check user and password; they are read again at the next try.",
    ),
    (r'database ".*" does not exist', "DatabaseMissing", True, "Create it or correct the name."),
    (
        r'database ".*" is not currently accepting connections',
        "DatabaseClosed",
        True,
        "Somebody set ALLOW_CONNECTIONS false on it.",
    ),
    (
        r"too many (connections|clients)|remaining connection slots",
        "TooManyConnections",
        True,
        "It will be tried again.",
    ),
    (r'role ".*" does not exist', "RoleMissing", True, "Create the role or correct the name."),
    (r"permission denied|not permitted to log in", "PermissionLost", True, "Grant the role what it needs."),
    (r"no pg_hba\.conf entry|pg_hba\.conf rejects", "NotAllowedIn", True, "Allow this client in pg_hba.conf."),
    (
        r"server does not support SSL",
        "NoTls",
        True,
        "TLS is asked for; switch it on in the server, or set sslMode to disable or prefer when that is meant.",
    ),
    (
        r"certificate|SSL error|root.crt",
        "TlsFailed",
        True,
        "Check the CA certificate and that the host name is in the server's certificate.",
    ),
    (r"starting up|shutting down|recovery mode|not yet accepting", "ServerStarting", True, "It will be tried again."),
    (
        r"could not translate host name|Name or service not known|nodename nor servname",
        "Unreachable",
        True,
        "Check the host name.",
    ),
    (
        r"session is read-only|is in hot standby|not in hot standby",
        "ReadOnlyServer",
        True,
        "No primary is among the hosts.",
    ),
)
_PREFIX = re.compile(
    r'^(connection failed:\s*)?(connection to server (at|on socket) ".*?"(, port \d+| \(.*?\))* failed:\s*)?'
)


def explain_refusal(error: psycopg.Error, settings: ConnectionSettings) -> TargetError:
    """Give the TargetError of a failed connect: reason, what to do, where; never the password."""
    words = _words(error)
    for pattern, reason, retry, advice in _TABLE:
        if re.search(pattern, words, re.IGNORECASE):
            return TargetError(f"Cannot connect to {settings.where}: {words} {advice}", reason=reason, retry=retry)
    return TargetError(
        f"Cannot connect to {settings.where}: {words} Check host, port and network.", reason="Unreachable"
    )


def _words(error: psycopg.Error) -> str:
    text = error.diag.message_primary or str(error)
    lines = [re.sub(r"^(FATAL|ERROR):\s*", "", _PREFIX.sub("", line)).strip() for line in text.splitlines()]
    sentence = "; ".join(dict.fromkeys(line for line in lines if line and not line.startswith("Multiple connection")))
    return sentence if sentence.endswith((".", "?")) else sentence + "."
