# SPDX-License-Identifier: Apache-2.0
"""dropOldShape: ends what renameColumn, changeType, splitColumn or mergeColumns began. Only the new shape is left.

The trigger goes, and the old columns are parked until the revert window has ended. On the way back old values are made
again from the new ones, in rows that were written since, before anybody can see the old columns.
"""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from backstitch.model.facts import Facts, Table
from backstitch.model.in_step import InStep
from backstitch.model.operations.base import Operation, StepContext
from backstitch.model.operations.drop_column import DropColumn, purge_parked
from backstitch.model.operations.refusals import refuse_table
from backstitch.model.operations.reverse import check_not_null, drop_constraint, validate_constraint
from backstitch.model.operations.shape_copies import not_valid, set_not_null
from backstitch.model.operations.shapes import table_of
from backstitch.model.operations.words import Identifier, TableName
from backstitch.model.sql import parse_name, quote_ident
from backstitch.model.units import DdlUnit, Unit


class DropOldShape(Operation):
    """Drops the old shape of columns that are kept in step; it can come back until the revert window ends."""

    kind: ClassVar[str] = "dropOldShape"
    destructive: ClassVar[bool] = True

    table: TableName = Field(description="Table, as `table` or `schema.table`.")
    column: Identifier = Field(
        description="Column that the earlier step named as the old one; of mergeColumns, the first of them."
    )

    def tables(self) -> tuple[str, ...]:
        return (self.table,)

    def _kept(self, facts: Facts) -> InStep | None:
        table = facts.table(self.table)
        return next((k for k in table.in_step if k.column == self.column), None) if table is not None else None

    def refuse(self, context: StepContext) -> tuple[str, ...]:
        table = context.facts.table(self.table)
        reasons = refuse_table(context.facts, self.table, ("table",))
        if reasons or table is None:
            return reasons
        kept = self._kept(context.facts)
        if kept is None:
            known = ", ".join(k.column for k in table.in_step) or "none"
            return (
                f"Column {self.column} of {table.qualified} is not kept in step with a new shape (there: {known}). "
                "renameColumn, changeType, splitColumn and mergeColumns make one.",
            ) if table.certain else ()  # fmt: skip
        if kept.hidden:
            return ()
        drops = zip(self._drops(kept), self._contexts(context, kept), strict=True)
        return tuple(reason for drop, each in drops for reason in drop.refuse(each))

    def _drops(self, kept: InStep) -> list[DropColumn]:
        return [DropColumn(table=self.table, column=c) for c in kept.old]

    def _contexts(self, context: StepContext, kept: InStep) -> list[StepContext]:
        """Give a context for each old column, with reserved names of its own and the facts as they are by then."""
        found = []
        for n, drop in enumerate(self._drops(kept)):
            found.append(context.model_copy(update={"token": f"{context.token}_{n}"}))
            context = context.model_copy(update={"facts": drop.after(found[-1])})
        return found

    def forward(self, context: StepContext) -> tuple[Unit, ...]:
        name = parse_name(self.table)
        kept = self._kept(context.facts)
        if kept is None:
            return (DdlUnit(forward=(), backward=(), table=str(name)),)
        before: tuple[Unit, ...]
        if kept.hidden:
            before, park = _let_go(table_of(context.facts, name), kept, context.reserved("_n"))
            parked = kept
            park = park.model_copy(update={"forward": (kept.trigger_gone(name), *park.forward)})
        else:
            contexts = self._contexts(context, kept)
            drops = [d.forward(c) for d, c in zip(self._drops(kept), contexts, strict=True)]
            before = tuple(u for units in drops for u in units[:-1])
            parks = [u for units in drops if isinstance(u := units[-1], DdlUnit)]
            parked = kept.model_copy(update={"old": tuple(c.reserved() for c in contexts), "way": "down"})
            # In one transaction: the trigger names the columns, so it changes with their names.
            park = DdlUnit(
                forward=(kept.trigger_gone(name), *(s for u in parks for s in u.forward)),
                backward=(
                    parked.trigger_gone(name),
                    *(s for u in reversed(parks) for s in u.backward),
                    *kept.made(name),
                ),
                table=str(name),
                purge=tuple(s for u in parks for s in u.purge),
            )
        return (
            *before,
            park,
            # Going back begins with these: rows that are written get old values again, then those written since.
            DdlUnit(forward=(), backward=(), carry_back=(parked.old_again(name),), lock="validate", table=str(name)),
            DdlUnit(
                forward=(),
                backward=parked.made(name, filling=True),
                table=str(name),
                purge=(kept.function_gone(),),
            ),
        )

    def after(self, context: StepContext) -> Facts:
        kept = self._kept(context.facts)
        facts = context.facts
        if kept is None:
            return facts
        if not kept.hidden:
            for drop, each in zip(self._drops(kept), self._contexts(context, kept), strict=True):
                facts = drop.after(each)
        table = facts.table(self.table)
        assert table is not None
        return facts.with_table(table.model_copy(update={"in_step": tuple(k for k in table.in_step if k != kept)}))

    def done_when(self, facts: Facts) -> bool:
        return facts.table(self.table) is not None and self._kept(facts) is None


def _let_go(table: Table, kept: InStep, proof: str) -> tuple[tuple[Unit, ...], DdlUnit]:
    """Give what lets rows be written without old columns that are hidden already: nothing asks anything of them."""
    name = table.qualified
    alter = f"ALTER TABLE {name.sql}"
    old = quote_ident(kept.old[0])
    proven = (
        (set_not_null(table, kept.old[0], kept.not_null_name), drop_constraint(table, proof)) if kept.not_null else ()
    )
    validated = [k.name for k in kept.held if k.validated] + ([proof] if kept.not_null else [])
    before = (
        *((DdlUnit(forward=(), backward=proven, table=str(name)),) if proven else ()),
        *(
            DdlUnit(forward=(), backward=(validate_constraint(table, k),), lock="validate", table=str(name))
            for k in validated
        ),
    )
    return before, DdlUnit(
        forward=(
            *(drop_constraint(table, k.name) for k in kept.held),
            *((f"{alter} ALTER COLUMN {old} DROP NOT NULL",) if kept.not_null else ()),
        ),
        backward=(
            *((check_not_null(table, kept.old[0], proof),) if kept.not_null else ()),
            *(f"{alter} ADD CONSTRAINT {quote_ident(k.name)} {not_valid(k.definition)}" for k in kept.held),
            kept.function(),
        ),
        table=str(name),
        purge=tuple(purge_parked(c) for c in kept.old),
    )
