# SPDX-License-Identifier: Apache-2.0
"""What does an error of the server or the driver mean for us? One table, and messages without anybody's data."""

from __future__ import annotations

import re

import psycopg

from backstitch.core.errors import (
    BackstitchError,
    ConnectionLost,
    DatabaseError,
    LockNotAvailable,
    StatementFailed,
    TargetError,
    Transient,
)

# SQLSTATE, or its first two letters -> (class, reason). The longer key wins. Codes: PostgreSQL's appendix A.
_TABLE: dict[str, tuple[type[DatabaseError], str]] = {
    "55P03": (LockNotAvailable, "LockNotAvailable"),
    "40P01": (Transient, "Deadlock"),
    "40001": (Transient, "SerializationFailure"),
    "53300": (Transient, "TooManyConnections"),
    "40003": (ConnectionLost, "ConnectionLost"),
    "08": (ConnectionLost, "ConnectionLost"),
    "57P01": (ConnectionLost, "ServerShutdown"),
    "57P02": (ConnectionLost, "ServerCrashed"),
    "57P03": (ConnectionLost, "ServerStarting"),
    "57P05": (ConnectionLost, "SessionTimeout"),
    "25P03": (ConnectionLost, "IdleInTransaction"),
    "25P04": (ConnectionLost, "TransactionTimeout"),
    "57014": (StatementFailed, "QueryCancelled"),
    "53100": (StatementFailed, "DiskFull"),
    "53200": (StatementFailed, "OutOfMemory"),
    "58": (StatementFailed, "ServerIoError"),
    "42501": (StatementFailed, "PermissionLost"),
    "42601": (StatementFailed, "SyntaxError"),
    "42P01": (StatementFailed, "TableMissing"),
    "42703": (StatementFailed, "ColumnMissing"),
    "3F000": (StatementFailed, "SchemaMissing"),
    "42P07": (StatementFailed, "AlreadyExists"),
    "42701": (StatementFailed, "AlreadyExists"),
    "42710": (StatementFailed, "AlreadyExists"),
    "42P04": (StatementFailed, "AlreadyExists"),
    "42P06": (StatementFailed, "AlreadyExists"),
    "2BP01": (StatementFailed, "StillNeeded"),
    "55006": (StatementFailed, "ObjectInUse"),
    "25P02": (StatementFailed, "TransactionAborted"),
    "25006": (StatementFailed, "ReadOnlyTransaction"),
    "0A": (StatementFailed, "NotSupported"),
    "22": (StatementFailed, "BadValue"),
    "23": (StatementFailed, "ConstraintViolated"),
    "XX": (StatementFailed, "ServerInternalError"),
}
_CONCURRENT_CATALOG = ("tuple concurrently updated", "tuple concurrently deleted")  # XX000, elog: never translated
_DETAIL_IS_A_ROW = ("23502", "23514", "44000")  # "Failing row contains (…)"
_KEY_VALUES = re.compile(r"=\(.*\)", re.DOTALL)  # "Key (email)=(a@b.c) already exists."


def classify(sqlstate: str, message: str = "") -> tuple[type[DatabaseError], str]:
    """Give the class and the reason of an SQLSTATE; unknown ones are StatementFailed."""
    if sqlstate == "XX000" and any(text in message for text in _CONCURRENT_CATALOG):
        return Transient, "ConcurrentCatalogUpdate"
    return _TABLE.get(sqlstate) or _TABLE.get(sqlstate[:2]) or (StatementFailed, "StatementFailed")


def translate(error: psycopg.Error, *, closed: bool, read_only: bool, where: str) -> BackstitchError:
    """Give our error for one of the driver's. `closed`: the connection is gone now; `read_only`: we asked for that."""
    sqlstate = error.sqlstate or ""
    message = describe(error)
    if sqlstate == "25006" and not read_only:
        return TargetError(f"{where} takes no writes now: {message}", reason="ReadOnlyServer")
    kind, reason = classify(sqlstate, error.diag.message_primary or "")
    if closed and kind is not ConnectionLost:
        kind, reason = ConnectionLost, "ConnectionLost"
    if kind is ConnectionLost:
        message = f"The connection to {where} was lost: {message}"
    return kind(message, sqlstate=sqlstate, reason=reason)


def describe(error: psycopg.Error) -> str:
    """Give the server's words with detail, hint and the object, without values of rows; or the driver's."""
    diag = error.diag
    if not diag.message_primary:
        return _first_line(str(error)) or type(error).__name__
    parts = [_sentence(diag.message_primary)]
    if diag.message_detail and error.sqlstate not in _DETAIL_IS_A_ROW:
        parts.append(_sentence(_KEY_VALUES.sub("=(…)", diag.message_detail)))
    if diag.message_hint:
        parts.append(_sentence(diag.message_hint))
    table = ".".join(part for part in (diag.schema_name, diag.table_name) if part)
    named = {"table": table, "column": diag.column_name, "constraint": diag.constraint_name, "type": diag.datatype_name}
    objects = [f"{what} {name}" for what, name in named.items() if name and not _says(diag.message_primary, name)]
    if diag.statement_position and diag.message_primary:
        objects.append(f"character {diag.statement_position}")
    return " ".join(parts) + (f" ({', '.join(objects)})" if objects else "")


def _says(message: str, name: str) -> bool:
    return f'"{name}"' in message


def _sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?")) else text + "."


def _first_line(text: str) -> str:
    return text.strip().partition("\n")[0].strip()
