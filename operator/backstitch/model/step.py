# SPDX-License-Identifier: Apache-2.0
"""One step of a migration: a name, exactly one operation, and what people should expect of it."""

from __future__ import annotations

from pydantic import ConfigDict, Field, model_validator

from backstitch.model.base import Frozen
from backstitch.model.operations import OPERATIONS, Operation
from backstitch.model.operations.add_column import AddColumn
from backstitch.model.operations.add_constraint import AddConstraint
from backstitch.model.operations.backfill import Backfill
from backstitch.model.operations.change_type import ChangeType
from backstitch.model.operations.create_index import CreateIndex
from backstitch.model.operations.create_table import CreateTable
from backstitch.model.operations.delete_rows import DeleteRows
from backstitch.model.operations.drop_column import DropColumn
from backstitch.model.operations.drop_constraint import DropConstraint
from backstitch.model.operations.drop_index import DropIndex
from backstitch.model.operations.drop_not_null import DropNotNull
from backstitch.model.operations.drop_old_shape import DropOldShape
from backstitch.model.operations.drop_table import DropTable
from backstitch.model.operations.merge_columns import MergeColumns
from backstitch.model.operations.move_rows import MoveRows
from backstitch.model.operations.rename_column import RenameColumn
from backstitch.model.operations.rename_table import RenameTable
from backstitch.model.operations.run_sql import RunSql
from backstitch.model.operations.set_default import SetDefault
from backstitch.model.operations.set_not_null import SetNotNull
from backstitch.model.operations.split_column import SplitColumn
from backstitch.model.operations.update_rows import UpdateRows
from backstitch.model.operations.upsert import Upsert
from backstitch.model.revert import STEP_RULES, Irreversible

STEP_NAME = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"


class Step(Frozen):
    """One step; exactly one operation is set."""

    model_config = ConfigDict(json_schema_extra=STEP_RULES)

    name: str = Field(description="Name, unique within the migration.", min_length=1, max_length=63, pattern=STEP_NAME)
    description: str | None = Field(default=None, description="One line for people.", max_length=500)
    estimated_time: str | None = Field(default=None, description="What the author expects, such as 5m.", max_length=50)
    irreversible: Irreversible | None = Field(
        default=None, description="With sql: it may run although it has no way back of its own."
    )
    sql: RunSql | None = Field(default=None, description="Run SQL as written.")
    create_table: CreateTable | None = Field(default=None, description="Create a table.")
    drop_table: DropTable | None = Field(
        default=None, description="Drop a table; it is kept in quarantine until the revert window ends."
    )
    rename_table: RenameTable | None = Field(default=None, description="Rename a table.")
    add_column: AddColumn | None = Field(default=None, description="Add a column.")
    drop_column: DropColumn | None = Field(
        default=None, description="Drop a column; it is kept in place, hidden, until the revert window ends."
    )
    rename_column: RenameColumn | None = Field(
        default=None, description="Give a column a second name, both in step until dropOldShape."
    )
    change_type: ChangeType | None = Field(
        default=None, description="Change a column's type, the old values in step until dropOldShape."
    )
    split_column: SplitColumn | None = Field(
        default=None, description="Give a column a second shape of several columns, both in step until dropOldShape."
    )
    merge_columns: MergeColumns | None = Field(
        default=None, description="Give several columns a second shape of one, both in step until dropOldShape."
    )
    drop_old_shape: DropOldShape | None = Field(
        default=None,
        description="End keeping two shapes in step; the old columns are kept until the revert window ends.",
    )
    set_not_null: SetNotNull | None = Field(default=None, description="Make a column NOT NULL.")
    drop_not_null: DropNotNull | None = Field(default=None, description="Let a column be NULL.")
    set_default: SetDefault | None = Field(default=None, description="Set or drop the default of a column.")
    add_constraint: AddConstraint | None = Field(default=None, description="Add a check, foreign key or unique key.")
    drop_constraint: DropConstraint | None = Field(default=None, description="Drop a constraint.")
    create_index: CreateIndex | None = Field(default=None, description="Create an index without blocking.")
    drop_index: DropIndex | None = Field(default=None, description="Drop an index without blocking.")
    backfill: Backfill | None = Field(default=None, description="Fill columns of existing rows, in batches.")
    move_rows: MoveRows | None = Field(default=None, description="Copy or move rows into another table, in batches.")
    upsert: Upsert | None = Field(default=None, description="Insert or update given rows.")
    update_rows: UpdateRows | None = Field(default=None, description="Change rows, in batches.")
    delete_rows: DeleteRows | None = Field(default=None, description="Delete rows, in batches.")

    @model_validator(mode="after")
    def _exactly_one_operation(self) -> Step:
        given = self.given()
        if len(given) != 1:
            found = " and ".join(given) if given else "none"
            raise ValueError(
                f"step {self.name!r} must have exactly one operation, found {found}; "
                f"choose one of: {', '.join(OPERATIONS)}"
            )
        if self.irreversible is not None and self.sql is None:
            raise ValueError(
                f"step {self.name!r}: irreversible is for sql; {given[0]} always has a way back, so leave it out"
            )
        return self

    def given(self) -> list[str]:
        """Give the words of the operations that are set."""
        return [kind for kind, field in _FIELDS.items() if getattr(self, field) is not None]

    @property
    def operation(self) -> Operation:
        """Give the step's one operation."""
        value = getattr(self, _FIELDS[self.given()[0]])
        assert isinstance(value, Operation)
        return value


_FIELDS = {str(field.alias): name for name, field in Step.model_fields.items() if field.alias in OPERATIONS}
