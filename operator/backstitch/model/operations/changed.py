# SPDX-License-Identifier: Apache-2.0
"""What will the facts be after a step? Small changes of one table, for plans that look several steps ahead."""

from __future__ import annotations

from collections.abc import Sequence

from backstitch.model.facts import Constraint, Facts, Index


def change_column(facts: Facts, written: str, column: str, **changes: object) -> Facts:
    """Give the facts with one column changed; as they were when the table or column is not known."""
    table = facts.table(written)
    if table is None:
        return facts
    columns = tuple(c.model_copy(update=changes) if c.name == column else c for c in table.columns)
    return facts.with_table(table.model_copy(update={"columns": columns}))


def with_constraint(facts: Facts, written: str, *new: Constraint) -> Facts:
    """Give the facts with constraints added to a table."""
    table = facts.table(written)
    if table is None:
        return facts
    return facts.with_table(table.model_copy(update={"constraints": (*table.constraints, *new)}))


def without_constraints(facts: Facts, written: str, names: Sequence[str]) -> Facts:
    """Give the facts without these constraints of a table and the indexes behind them."""
    table = facts.table(written)
    if table is None:
        return facts
    constraints = tuple(c for c in table.constraints if c.name not in names)
    indexes = tuple(i for i in table.indexes if i.constraint not in names)
    return facts.with_table(table.model_copy(update={"constraints": constraints, "indexes": indexes}))


def with_index(facts: Facts, written: str, index: Index) -> Facts:
    """Give the facts with an index added to a table."""
    table = facts.table(written)
    if table is None:
        return facts
    return facts.with_table(table.model_copy(update={"indexes": (*table.indexes, index)}))
