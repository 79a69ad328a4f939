# SPDX-License-Identifier: Apache-2.0
"""What may a person write inside createTable and addConstraint: foreign keys, unique keys, and their SQL clauses."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from backstitch.model.base import Frozen
from backstitch.model.facts import Constraint, Facts, Table
from backstitch.model.operations.refusals import column_set, refuse_columns, refuse_table
from backstitch.model.operations.words import Identifier, TableName
from backstitch.model.sql import columns_sql, parse_name

Action = Literal["noAction", "restrict", "cascade", "setNull", "setDefault"]
_ACTIONS: dict[Action, str] = {
    "noAction": "NO ACTION",
    "restrict": "RESTRICT",
    "cascade": "CASCADE",
    "setNull": "SET NULL",
    "setDefault": "SET DEFAULT",
}
Deferrable = Literal["initiallyImmediate", "initiallyDeferred"]
_DEFERRABLE: dict[Deferrable, str] = {
    "initiallyImmediate": " DEFERRABLE INITIALLY IMMEDIATE",
    "initiallyDeferred": " DEFERRABLE INITIALLY DEFERRED",
}


def deferrable_sql(value: Deferrable | None) -> str:
    """Give the clause, with a space before it, or nothing."""
    return _DEFERRABLE[value] if value is not None else ""


class ForeignKey(Frozen):
    """Values of these columns must be there in the referenced table."""

    columns: list[Identifier] = Field(description="Columns of this table, in order.", min_length=1, max_length=32)
    references: TableName = Field(description="Referenced table, as `table` or `schema.table`.")
    referenced_columns: list[Identifier] = Field(
        description="Columns of the referenced table, in order; a primary or unique key.", min_length=1, max_length=32
    )
    on_delete: Action | None = Field(
        default=None, description="What happens here when a referenced row is deleted. Default noAction."
    )
    on_update: Action | None = Field(
        default=None, description="What happens here when a referenced key is changed. Default noAction."
    )
    deferrable: Deferrable | None = Field(
        default=None, description="Checked at the end of a transaction instead of each statement. Default: not."
    )

    @model_validator(mode="after")
    def _same_number(self) -> ForeignKey:
        if len(self.columns) != len(self.referenced_columns):
            raise ValueError(
                f"`columns` has {len(self.columns)} names and `referencedColumns` {len(self.referenced_columns)}; "
                "they must be as many"
            )
        return self

    @property
    def sql(self) -> str:
        """Give the constraint's clause."""
        target = f"{parse_name(self.references).sql} ({columns_sql(self.referenced_columns)})"
        text = f"FOREIGN KEY ({columns_sql(self.columns)}) REFERENCES {target}"
        if self.on_update is not None:
            text += f" ON UPDATE {_ACTIONS[self.on_update]}"
        if self.on_delete is not None:
            text += f" ON DELETE {_ACTIONS[self.on_delete]}"
        return text + deferrable_sql(self.deferrable)

    def refuse(self, facts: Facts, own: Table | None) -> tuple[str, ...]:
        """Refuse what it points at: a table, columns or a key that is not there. `own` is the table it stands on."""
        to_itself = own is not None and str(own.qualified) == str(parse_name(self.references))
        target = own if to_itself else facts.table(self.references)
        reasons = [] if to_itself else list(refuse_table(facts, self.references, ("table", "partitioned", "partition")))
        reasons += refuse_columns(target, self.referenced_columns)
        if reasons or target is None or not target.certain:
            return tuple(reasons)
        if not column_set(target, self.referenced_columns):
            return (
                f"{target.qualified} has no primary or unique key on ({', '.join(self.referenced_columns)}), which a "
                "foreign key needs. Add one with addConstraint unique first.",
            )
        return ()

    def as_constraint(self, name: str, *, validated: bool = True) -> Constraint:
        """Give it as a fact."""
        return Constraint(
            name=name,
            kind="foreignKey",
            definition=self.sql,
            columns=tuple(self.columns),
            validated=validated,
            references=str(parse_name(self.references)),
        )


class UniqueKey(Frozen):
    """No two rows have the same values in these columns."""

    columns: list[Identifier] = Field(description="Columns, in order.", min_length=1, max_length=32)
    nulls_not_distinct: bool | None = Field(
        default=None, description="true: two NULLs are the same value. Default false."
    )
    deferrable: Deferrable | None = Field(
        default=None, description="Checked at the end of a transaction instead of each row. Default: not."
    )

    @property
    def nulls_sql(self) -> str:
        """Give the clause about NULLs, with a space before it, or nothing."""
        return " NULLS NOT DISTINCT" if self.nulls_not_distinct else ""

    @property
    def sql(self) -> str:
        """Give the constraint's clause for a new table."""
        nulls = self.nulls_sql.removeprefix(" ") + " " if self.nulls_sql else ""
        return f"UNIQUE {nulls}({columns_sql(self.columns)}){deferrable_sql(self.deferrable)}"
