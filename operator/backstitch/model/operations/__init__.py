# SPDX-License-Identifier: Apache-2.0
"""One file per operation; OPERATIONS maps the word in the YAML to its class."""

from backstitch.model.operations.add_column import AddColumn
from backstitch.model.operations.add_constraint import AddConstraint
from backstitch.model.operations.backfill import Backfill
from backstitch.model.operations.base import Operation, StepContext
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

OPERATIONS: dict[str, type[Operation]] = {
    op.kind: op
    for op in (
        CreateTable,
        DropTable,
        RenameTable,
        AddColumn,
        DropColumn,
        RenameColumn,
        ChangeType,
        SplitColumn,
        MergeColumns,
        DropOldShape,
        SetNotNull,
        DropNotNull,
        SetDefault,
        AddConstraint,
        DropConstraint,
        CreateIndex,
        DropIndex,
        Backfill,
        MoveRows,
        Upsert,
        UpdateRows,
        DeleteRows,
        RunSql,
    )
}

__all__ = ["OPERATIONS", "Operation", "StepContext"]
