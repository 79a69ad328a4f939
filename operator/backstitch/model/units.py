# SPDX-License-Identifier: Apache-2.0
"""The units of work a step consists of: each is done or not done, never half, and names its own way back.

An operation turns into units (operations/base.py); the engine runs them with their ledger rows. Units are written
into the ledger as JSON before the first of them runs, so that a restarted operator continues what was planned.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from backstitch.model.base import Frozen

LockClass = Literal["exclusive", "validate", "none"]
"""exclusive: short lock_timeout, retried within an allowance. validate: runs long under a lock that lets
the application read and write, so no short statement limit. none: no lock on an existing table."""


class IndexProbe(Frozen):
    """Decides from the catalog whether a concurrent index statement has done its work."""

    schema_name: str
    index: str
    present: bool  # True: must be there and valid; False: must be gone


class DdlUnit(Frozen):
    """Statements that commit in one transaction together with their ledger row."""

    kind: Literal["ddl"] = "ddl"
    forward: tuple[str, ...]
    backward: tuple[str, ...]  # in the order to run
    lock: LockClass = "exclusive"
    table: str | None = None  # "schema.name" of the table it locks, for messages and sizes
    # Before `backward` and by itself: gives rows that the application has written what follows from what it wrote. They
    # stay the application's. Running it again does no harm.
    carry_back: tuple[str, ...] = ()
    # Before `backward` runs, values of these columns are copied to an archive table, if there are any:
    archive_columns: tuple[str, ...] = ()
    archive_where: str | None = None  # only of rows that fulfil this condition
    # Instead of `backward`, this new table is moved to quarantine when the application has put rows into it:
    archive_table: str | None = None
    # What finally removes the quarantined objects, once the revert window has ended:
    purge: tuple[str, ...] = ()


class ConcurrentUnit(Frozen):
    """One statement that PostgreSQL refuses inside a transaction: intent, statement, probe, done."""

    kind: Literal["concurrent"] = "concurrent"
    forward: str
    probe: IndexProbe
    backward: str  # also outside a transaction; its probe is the opposite of `probe`
    backward_after: tuple[str, ...] = ()  # transactional statements after `backward`: comment, CLUSTER flag …
    table: str | None = None


class BatchStatement(Frozen):
    """SQL text around the condition that picks one batch: `before` + condition + `after`."""

    before: str
    after: str = ""


class BatchUnit(Frozen):
    """A data change in key-set batches; the cursor moves in the batch's own transaction (never OFFSET)."""

    kind: Literal["batches"] = "batches"
    table: str  # "schema.name" whose key drives the batches
    key: tuple[str, ...] = ()  # empty: read from the catalog when the step starts
    where: str = "TRUE"  # rows of `table` that are meant
    statements: tuple[BatchStatement, ...]
    captures: tuple[str, ...]  # tables whose changed rows are kept as images
    batch_rows: int = 1000
    sets: tuple[str, ...] = ()  # columns that the only statement sets, an UPDATE of `table` alone
    # Only columns are written that this step made and that go on the way back. Without triggers of the application,
    # which could write more, no images are kept: they would be half of what is written, and never be read.
    own_columns: bool = False


class RowsUnit(Frozen):
    """Rows given by the user, inserted in batches; the cursor is the number of rows done."""

    kind: Literal["rows"] = "rows"
    table: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str | None, ...], ...]  # text in PostgreSQL's input form; None is NULL
    conflict: tuple[str, ...] = ()  # columns of the unique key
    on_conflict: Literal["update", "nothing", "fail"] = "update"
    batch_rows: int = 1000


class SqlUnit(Frozen):
    """A user's own SQL, one transaction. Without `down`, the reverse comes from the catalog and the row images."""

    kind: Literal["sql"] = "sql"
    statements: tuple[str, ...]
    down: tuple[str, ...] | None = None
    accepts: Literal["restoreBackup", "none"] | None = None  # the rung that stands in where there is no way back


Unit = Annotated[DdlUnit | ConcurrentUnit | BatchUnit | RowsUnit | SqlUnit, Field(discriminator="kind")]
