# SPDX-License-Identifier: Apache-2.0
"""What will the facts be after a step? Small changes of one table, for plans that look several steps ahead."""

from __future__ import annotations

from collections.abc import Sequence

from backstitch.model.facts import Constraint, Facts, Index, Table


def with_changed(facts: Facts, table: Table) -> Facts:
    """Give the facts with a table as it is now. What changes in a partitioned table changes in its partitions too:
    facts do not say whose partitions they are, so all are looked at again when a later step's turn comes."""
    facts = facts.with_table(table)
    if table.kind == "partitioned":
        for other in facts.tables.values():
            if other.kind == "partition":
                facts = facts.with_table(other.model_copy(update={"certain": False}))
    return facts


def change_column(facts: Facts, written: str, column: str, **changes: object) -> Facts:
    """Give the facts with one column changed; as they were when the table or column is not known."""
    table = facts.table(written)
    if table is None:
        return facts
    columns = tuple(c.model_copy(update=changes) if c.name == column else c for c in table.columns)
    return with_changed(facts, table.model_copy(update={"columns": columns}))


def with_constraint(facts: Facts, written: str, *new: Constraint) -> Facts:
    """Give the facts with constraints added to a table."""
    table = facts.table(written)
    if table is None:
        return facts
    return with_changed(facts, table.model_copy(update={"constraints": (*table.constraints, *new)}))


def without_constraints(facts: Facts, written: str, names: Sequence[str]) -> Facts:
    """Give the facts without these constraints of a table and the indexes behind them."""
    table = facts.table(written)
    if table is None:
        return facts
    constraints = tuple(c for c in table.constraints if c.name not in names)
    indexes = tuple(i for i in table.indexes if i.constraint not in names)
    return with_changed(facts, table.model_copy(update={"constraints": constraints, "indexes": indexes}))


def with_index(facts: Facts, written: str, index: Index) -> Facts:
    """Give the facts with an index added to a table."""
    table = facts.table(written)
    if table is None:
        return facts
    return with_changed(facts, table.model_copy(update={"indexes": (*table.indexes, index)}))
