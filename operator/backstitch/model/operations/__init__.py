# SPDX-License-Identifier: Apache-2.0
"""One file per operation; OPERATIONS maps the word in the YAML to its class."""

from backstitch.model.operations.add_column import AddColumn
from backstitch.model.operations.base import Operation, StepContext
from backstitch.model.operations.run_sql import RunSql

OPERATIONS: dict[str, type[Operation]] = {op.kind: op for op in (AddColumn, RunSql)}

__all__ = ["OPERATIONS", "Operation", "StepContext"]
