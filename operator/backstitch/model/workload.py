# SPDX-License-Identifier: Apache-2.0
"""Which statements does the application send, and what does the server say of one of them at one moment?

`WorkloadQuery` is what people write in a spec; the others are what engine/workload.py reads and core/workload.py
compares. They go into the ledger as the baseline of the check workloadStillWorks.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from backstitch.model.base import Frozen
from backstitch.model.check_kinds import Query, TableName

QuerySource = Literal["pg_stat_statements", "spec"]
Allowed = Literal["fails", "resultTypeChanged", "indexLost", "sequentialScan"]
QueryName = Annotated[str, Field(min_length=1, max_length=63)]

MAX_QUERIES = 200


class WorkloadQuery(Frozen):
    """One statement of the application, as people write it down."""

    name: QueryName = Field(description="Name, unique in the list.")
    query: Query = Field(
        description="One statement as the application sends it, with $1, $2 … for its parameters. It is prepared and "
        "explained, never run; it may write."
    )
    role: str | None = Field(
        default=None,
        description="The role the application sends it as; its rights and row security count. Default: ours.",
        min_length=1,
        max_length=63,
    )


class WorkloadStillWorks(Frozen):
    """The application's own statements still work."""

    tables: list[TableName] | None = Field(
        default=None,
        description="Only statements that name one of these tables (or a view of it); default: the tables that the "
        "migration touches.",
        min_length=1,
        max_length=50,
    )
    queries: list[QueryName] | None = Field(
        default=None,
        description="Names from spec.workload: only these, and pg_stat_statements is not asked. Default: all of both.",
        min_length=1,
        max_length=100,
    )
    allow: list[Allowed] | None = Field(
        default=None,
        description="What may happen to a statement: fails, resultTypeChanged, indexLost, sequentialScan. It is named "
        "all the same.",
        max_length=4,
    )


class AppQuery(Frozen):
    """One statement of the application, from either source."""

    text: str
    source: QuerySource
    name: str | None = None  # of one in the spec
    role: str | None = None  # None: the role we connect as
    calls: int | None = None
    search_path: str | None = None  # what its role has in this database, as the setting is written

    @property
    def title(self) -> str:
        """Give its name, or the statement's beginning on one line."""
        line = " ".join(self.text.split())
        return self.name or (line if len(line) <= 80 else line[:79] + "…")


class Workload(Frozen):
    """The application's statements, and what a reader must know of where they come from."""

    queries: tuple[AppQuery, ...] = ()
    notes: tuple[str, ...] = ()  # sentences: what could not be read, what was left out


class QuerySeen(Frozen):
    """What the server says of one statement: its result's columns and its generic plan, or why there is neither."""

    untried: str = ""  # why it cannot be prepared by itself
    error: str = ""  # the server's words, where it does not work
    columns: tuple[str, ...] = ()  # "name type"
    indexes: dict[str, tuple[str, ...]] = Field(default_factory=dict)  # by "schema.table" of the plan
    scans: tuple[str, ...] = ()  # tables the plan reads from end to end
    note: str = ""  # such as: it was tried as another role
