# SPDX-License-Identifier: Apache-2.0
"""How do several columns become one, or one several? What splitColumn and mergeColumns do, said once."""

from __future__ import annotations

from dataclasses import dataclass

from backstitch.model.facts import Column, Facts
from backstitch.model.in_step import InStep, mentions
from backstitch.model.operations.base import StepContext
from backstitch.model.operations.shapes import beside, dry_pass, refuse_expressions, refuse_shapes, table_of
from backstitch.model.sql import parse_name
from backstitch.model.units import Unit


@dataclass(frozen=True)
class Reshaped:
    """Old columns, new ones with their types, and the expressions between them."""

    table: str
    old: tuple[str, ...]
    new: tuple[str, ...]
    types: tuple[str, ...]
    up: tuple[str, ...]
    down: tuple[str, ...]
    dry_pass: bool


def _kept(context: StepContext, what: Reshaped) -> InStep:
    table = table_of(context.facts, parse_name(what.table))
    others = [c.name for c in table.columns if c.name not in (*what.old, *what.new)]
    return InStep(
        name=context.reserved("_step"),
        step=context.step,
        column=what.old[0],
        table=table.name,
        old=what.old,
        new=what.new,
        old_as=what.old,
        new_as=what.new,
        new_types=what.types,
        new_defaults=(None,) * len(what.new),
        up=what.up,
        down=what.down,
        seen=tuple(c for c in others if any(mentions(e, c) for e in (*what.up, *what.down))),
    )


def refuse_reshape(context: StepContext, what: Reshaped) -> tuple[str, ...]:
    """Give the reasons why it cannot run."""
    return (*refuse_shapes(context.facts, what.table, what.old, what.new), *refuse_expressions((*what.up, *what.down)))


def forward_reshape(context: StepContext, what: Reshaped) -> tuple[Unit, ...]:
    """Give the units."""
    kept = _kept(context, what)
    table = table_of(context.facts, parse_name(what.table))
    return (*((dry_pass(table, kept, not_null=False),) if what.dry_pass else ()), *beside(table, kept))


def after_reshape(context: StepContext, what: Reshaped) -> Facts:
    """Give the facts afterwards."""
    table = context.facts.table(what.table)
    if table is None:
        return context.facts
    new = tuple(Column(name=c, type=t) for c, t in zip(what.new, what.types, strict=True))
    changed = {"columns": (*table.columns, *new), "in_step": (*table.in_step, _kept(context, what))}
    return context.facts.with_table(table.model_copy(update=changed))
