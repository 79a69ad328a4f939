# SPDX-License-Identifier: Apache-2.0
"""The closed set of verification checks, as people write them, and what a check that ran has to say."""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict, Field, model_validator

from backstitch.model.base import Frozen
from backstitch.model.check_kinds import (
    ColumnsEqual,
    NoDuplicates,
    NoInvalidIndexes,
    NoNulls,
    NoOrphans,
    NoSequentialScan,
    OfTable,
    Query,
    QueryUsesIndex,
    QueryWithin,
    RowCount,
    SchemaIs,
)
from backstitch.model.expectation import Expect
from backstitch.model.workload import WorkloadStillWorks

CheckOutcome = Literal["passed", "failed", "error", "inconclusive"]
"""As Argo Rollouts has them. error: it could not be evaluated as written. inconclusive: a person must look."""

KINDS = {
    "query": "query",
    "noNulls": "no_nulls",
    "noDuplicates": "no_duplicates",
    "noOrphans": "no_orphans",
    "foreignKeysHold": "foreign_keys_hold",
    "uniqueHolds": "unique_holds",
    "rowsUnchanged": "rows_unchanged",
    "rowCount": "row_count",
    "columnsEqual": "columns_equal",
    "noInvalidIndexes": "no_invalid_indexes",
    "schemaIs": "schema_is",
    "queryUsesIndex": "query_uses_index",
    "noSequentialScan": "no_sequential_scan",
    "queryWithin": "query_within",
    "workloadStillWorks": "workload_still_works",
}
"""The word in the YAML of every kind, and the field that holds it."""

DEFAULT_ATTEMPTS = 3

_EXACTLY_ONE = f"[{', '.join(f'has(self.{kind})' for kind in KINDS)}].filter(x, x).size() == 1"


class Check(Frozen):
    """One verification; exactly one kind is set."""

    model_config = ConfigDict(
        json_schema_extra={
            "x-kubernetes-validations": [
                {"rule": _EXACTLY_ONE, "message": f"a check needs exactly one of: {', '.join(KINDS)}"},
                {"rule": "has(self.query) == has(self.expect)", "message": "query and expect belong together"},
            ]
        }
    )

    name: str = Field(description="Name, unique within the migration.", min_length=1, max_length=63)
    description: str | None = Field(default=None, description="One line for people.", max_length=500)
    report_only: bool | None = Field(
        default=None, description="true: the result is shown and never stops or rolls back the migration."
    )
    attempts: int | None = Field(
        default=None,
        description="How often it is tried when the database cannot answer; default 3. A check that fails is not "
        "tried again.",
        ge=1,
        le=20,
    )
    query: Query | None = Field(
        default=None, description="One SELECT of your own. It runs in a read-only transaction. Needs expect."
    )
    expect: Expect | None = Field(default=None, description="What the query must give.")
    no_nulls: NoNulls | None = Field(default=None, description="No NULL in these columns.")
    no_duplicates: NoDuplicates | None = Field(default=None, description="No two rows agree in these columns.")
    no_orphans: NoOrphans | None = Field(default=None, description="Every row finds the row it points at.")
    foreign_keys_hold: OfTable | None = Field(
        default=None,
        description="Every foreign key of the table, and every one that points at it, holds for all rows; also "
        "those that PostgreSQL has not validated.",
    )
    unique_holds: OfTable | None = Field(
        default=None, description="Every unique constraint and index of the table holds; the rows themselves are read."
    )
    rows_unchanged: OfTable | None = Field(
        default=None,
        description="The migration added no row to the table and lost none. What the application wrote meanwhile "
        "is allowed.",
    )
    row_count: RowCount | None = Field(default=None, description="The number of rows in a table.")
    columns_equal: ColumnsEqual | None = Field(
        default=None, description="An old and a new column (or expression) agree in every row."
    )
    no_invalid_indexes: NoInvalidIndexes | None = Field(
        default=None, description="No index was left half built; {} means in the whole database."
    )
    schema_is: SchemaIs | None = Field(default=None, description="The catalog has this fingerprint.")
    query_uses_index: QueryUsesIndex | None = Field(
        default=None, description="The planner would use this index for this query."
    )
    no_sequential_scan: NoSequentialScan | None = Field(
        default=None, description="The planner would not read whole tables for this query."
    )
    query_within: QueryWithin | None = Field(
        default=None, description="The query takes no longer than allowed, or than before the migration."
    )
    workload_still_works: WorkloadStillWorks | None = Field(
        default=None,
        description="The statements the application sends (pg_stat_statements, spec.workload) still parse, give the "
        "same columns and keep their indexes. They are prepared and explained, never run; {} means all.",
    )

    @model_validator(mode="after")
    def _exactly_one_kind(self) -> Check:
        given = [kind for kind, field in KINDS.items() if getattr(self, field) is not None]
        if len(given) != 1:
            found = " and ".join(given) if given else "none"
            raise ValueError(
                f"check {self.name!r} must have exactly one kind, found {found}; choose one of: {', '.join(KINDS)}"
            )
        if (self.query is None) != (self.expect is None):
            there, missing = ("expect", "query") if self.query is None else ("query", "expect")
            raise ValueError(
                f"check {self.name!r} has {there} without {missing}; the two belong together, for example "
                "query: SELECT count(*) FROM t, expect: {type: number, equals: 0}"
            )
        return self

    @property
    def kind(self) -> str:
        """Give the word of the kind that is set, such as `noNulls`."""
        return next(kind for kind, field in KINDS.items() if getattr(self, field) is not None)


class CheckResult(Frozen):
    """What a check found, as the ledger, the status and the terminal show it."""

    name: str
    outcome: CheckOutcome
    phase: str | None = None  # None: a check of the whole migration
    value: str | None = None  # what was found, as text
    expected: str | None = None  # what was wanted, in words
    message: str = ""
    report_only: bool = False
    attempts: int = 1
