# SPDX-License-Identifier: Apache-2.0
"""moveRows: rows of one table are written into another, in batches by key, and deleted from the first if asked."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field, model_validator

from backstitch.model.facts import Facts
from backstitch.model.operations.base import Operation, StepContext
from backstitch.model.operations.batches import (
    DEFAULT_BATCH_ROWS,
    BatchRows,
    Conflict,
    reached,
    refuse_reached,
    sequence_units,
    where_sql,
)
from backstitch.model.operations.refusals import (
    column_set,
    refuse_columns,
    refuse_keyless,
    refuse_table,
    refuse_written_columns,
)
from backstitch.model.operations.words import Condition, Expression, Identifier, TableName, cel
from backstitch.model.sql import columns_sql, parse_name, quote_ident
from backstitch.model.units import BatchStatement, BatchUnit, Unit


class MoveRows(Operation):
    """Copies rows from one table into another; with delete: true they leave the first one in the same statement."""

    model_config = cel(("self.from != self.to", "from and to must be two tables"))
    kind: ClassVar[str] = "moveRows"
    data: ClassVar[bool] = True

    from_table: TableName = Field(alias="from", description="Table the rows come from.")
    to: TableName = Field(description="Table the rows go to.")
    columns: Annotated[dict[Identifier, Expression], Field(min_length=1, max_length=200)] | None = Field(
        default=None,
        description="By column of `to`: its value, as an SQL expression over a row of `from`. Default: every column of "
        "`from`, by its name.",
    )
    where: Condition | None = Field(
        default=None, description="Only rows of `from` that fulfil this SQL condition. Default: all."
    )
    delete: bool | None = Field(default=None, description="true: the rows leave `from`. Default false.")
    conflict: Conflict | None = Field(
        default=None, description="What happens when `to` has a row with that key already. Default: the step fails."
    )
    batch_rows: BatchRows | None = Field(
        default=None, description="Rows in the first batch; later ones adapt to the time they take. Default 1000."
    )

    @model_validator(mode="after")
    def _nothing_gets_lost(self) -> MoveRows:
        if parse_name(self.from_table) == parse_name(self.to):
            raise ValueError("`from` and `to` must be two tables")
        if self.delete and self.conflict is not None and self.conflict.action == "nothing":
            raise ValueError("with `delete: true`, conflict action nothing would lose rows; use update or fail")
        return self

    def tables(self) -> tuple[str, ...]:
        return (self.from_table, self.to)

    def refuse(self, context: StepContext) -> tuple[str, ...]:
        facts = context.facts
        source, target = facts.table(self.from_table), facts.table(self.to)
        reasons = [*refuse_table(facts, self.from_table), *refuse_table(facts, self.to)]
        reasons += refuse_reached(facts, self.from_table, "DELETE") if self.delete else refuse_keyless(source)
        reasons += refuse_reached(facts, self.to, "UPDATE")
        if source is None or target is None:
            return tuple(reasons)
        if self.columns is None and source.certain and target.certain:
            missing = refuse_columns(target, [c.name for c in source.columns if not c.generated])
            if missing:
                reasons += (*missing, f"Say with `columns` which columns of {target.qualified} get what.")
        else:
            reasons += refuse_written_columns(target, list(self.columns or {}))
        if self.conflict is not None:
            reasons += refuse_columns(target, self.conflict.columns)
            if target.certain and not column_set(target, self.conflict.columns):
                reasons.append(
                    f"{target.qualified} has no unique key on ({', '.join(self.conflict.columns)}), so conflicts on it "
                    "cannot be seen. Name the columns of one, or add it with addConstraint unique."
                )
        return tuple(reasons)

    def _mapping(self, facts: Facts) -> dict[str, str]:
        if self.columns is not None:
            return {column: f"({expression})" for column, expression in self.columns.items()}
        source, target = facts.table(self.from_table), facts.table(self.to)
        computed = {c.name for c in target.columns if c.generated} if target is not None else set()
        names = [c.name for c in source.columns if c.name not in computed] if source is not None else []
        qualifier = quote_ident(parse_name(self.from_table).name)
        return {name: f"{qualifier}.{quote_ident(name)}" for name in names}

    def forward(self, context: StepContext) -> tuple[Unit, ...]:
        facts = context.facts
        source, target = parse_name(self.from_table), parse_name(self.to)
        mapping = self._mapping(facts)
        known = facts.table(self.to)
        numbered = known is not None and any(c.identity and c.name in mapping for c in known.columns)
        insert = f"INSERT INTO {target.sql} ({columns_sql(list(mapping))}) "
        insert += f"{'OVERRIDING SYSTEM VALUE ' if numbered else ''}SELECT {', '.join(mapping.values())} FROM "
        where = where_sql(self.where)
        if self.delete:
            # One statement: a row that begins to fulfil the condition meanwhile is either moved or left, never lost.
            moved = quote_ident(source.name)
            statement = BatchStatement(
                before=f"WITH {moved} AS (DELETE FROM {source.sql} WHERE {where} AND ",
                after=f" RETURNING *) {insert}{moved}{self._on_conflict(list(mapping))}",
            )
            captures = (*reached(facts, self.from_table, "DELETE"), *reached(facts, self.to, "UPDATE"))
        else:
            statement = BatchStatement(
                before=f"{insert}{source.sql} WHERE {where} AND ", after=self._on_conflict(list(mapping))
            )
            captures = reached(facts, self.to, "UPDATE")
        driving = facts.table(self.from_table)
        return (
            BatchUnit(
                table=str(source),
                key=driving.key if driving is not None else (),
                where=where,
                statements=(statement,),
                captures=tuple(dict.fromkeys(captures)),
                batch_rows=self.batch_rows or DEFAULT_BATCH_ROWS,
            ),
            *sequence_units(facts, self.to, list(mapping)),
        )

    def _on_conflict(self, columns: list[str]) -> str:
        if self.conflict is None or self.conflict.action == "fail":
            return ""
        head = f" ON CONFLICT ({columns_sql(self.conflict.columns)}) DO "
        sets = [f"{quote_ident(c)} = EXCLUDED.{quote_ident(c)}" for c in columns if c not in self.conflict.columns]
        if self.conflict.action == "nothing" or not sets:
            return f"{head}NOTHING"
        return f"{head}UPDATE SET {', '.join(sets)}"
