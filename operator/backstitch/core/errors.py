# SPDX-License-Identifier: Apache-2.0
"""The error tree: a class says what happens next, its `reason` is what status conditions show.

BackstitchError
├── UsageError            the command line or a file is wrong; nothing was started
├── Refused               this migration cannot be run as written; nothing was touched
├── Fenced                another operator took over this database; stop at once
├── TargetError           the database cannot be worked with (unreachable, pooler, too old, read-only)
├── DatabaseError         the server answered a statement with an error
│   ├── LockNotAvailable    a lock was not to be had in the time allowed: try again
│   ├── Transient           the same statement may work in a moment (deadlock, shutdown, too many connections)
│   ├── ConnectionLost      the connection is gone; a statement in flight may or may not have run
│   └── StatementFailed     trying again gives the same answer
├── CommitUnknown         the connection was lost while COMMIT was in flight: ask the ledger
├── StepFailed            a step cannot be done for good: roll back
├── BackupFailed          no proven backup: nothing may be touched
├── StorageError          the object store did not do what was asked
└── RollbackFailed        undoing stopped; a person must look
"""

from __future__ import annotations


class BackstitchError(Exception):
    """Anything this software raises on purpose. `message` is a sentence a tired person can act on."""

    reason = "Error"

    def __init__(self, message: str, *, reason: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        if reason is not None:
            self.reason = reason


class UsageError(BackstitchError):
    """The command line, a file or the environment is wrong. Exit code 1."""

    reason = "WrongUsage"


class Refused(BackstitchError):
    """The migration cannot be run as written. Nothing in the database was touched."""

    reason = "Refused"


class Fenced(BackstitchError):
    """The lease row no longer has our epoch: another operator runs this database now."""

    reason = "TakenOver"


class TargetError(BackstitchError):
    """The database cannot be worked with; `retry` says whether it may come back by itself."""

    reason = "Unreachable"

    def __init__(self, message: str, *, reason: str | None = None, retry: bool = True) -> None:
        super().__init__(message, reason=reason)
        self.retry = retry


class DatabaseError(BackstitchError):
    """The server answered with an error. `sqlstate` is its five-letter code."""

    reason = "DatabaseError"

    def __init__(self, message: str, *, sqlstate: str = "", reason: str | None = None) -> None:
        super().__init__(message, reason=reason)
        self.sqlstate = sqlstate


class LockNotAvailable(DatabaseError):
    """55P03: lock_timeout passed. The transaction is rolled back; try again within the allowance."""

    reason = "LockNotAvailable"


class Transient(DatabaseError):
    """Deadlock, serialization failure, too many connections, concurrent catalog update."""

    reason = "Transient"


class ConnectionLost(DatabaseError):
    """The connection is gone. Outside COMMIT an open transaction is rolled back by the server."""

    reason = "ConnectionLost"


class StatementFailed(DatabaseError):
    """The statement is wrong for this database; trying again gives the same answer."""

    reason = "StatementFailed"


class CommitUnknown(BackstitchError):
    """COMMIT was sent and no answer came. Only the ledger knows; reconnect and look."""

    reason = "CommitUnknown"


class StepFailed(BackstitchError):
    """A step cannot be done for good. The migration rolls back."""

    reason = "StepFailed"


class BackupFailed(BackstitchError):
    """There is no proven backup, so nothing may be touched."""

    reason = "BackupFailed"


class StorageError(BackstitchError):
    """The object store did not do what was asked; nothing that looks complete was left."""

    reason = "StorageError"


class RollbackFailed(BackstitchError):
    """Undoing stopped. The database is consistent, but not what it was: a person must look."""

    reason = "RollbackFailed"
