# SPDX-License-Identifier: Apache-2.0
"""Which hazards a script has: the whole table of them, and the search over it.

What a hazard means for a migration is decided in core/policy.py; each row says in which environments it refuses.
A table that is new in the same migration has no users, so rows about locks do not apply to it; rows that only cost
time become warnings on a small table.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from backstitch.core import (
    hazards_add_column,
    hazards_change_column,
    hazards_constraints,
    hazards_indexes,
    hazards_new_tables,
    hazards_objects,
    hazards_rows,
    hazards_session,
    hazards_tables,
    hazards_types,
)
from backstitch.core.hazard import SMALL_ROWS, Found, Hazard, Level, Look, Rule
from backstitch.core.hazard_ignores import take_back
from backstitch.model.facts import Facts
from backstitch.model.script import Statement, split
from backstitch.model.script_effects import created_relations, facts_after
from backstitch.model.sql import DEFAULT_SCHEMA, QualifiedName

__all__ = ["RULES", "Hazard", "Level", "Rule", "find_hazards", "find_script_hazards"]

SMALL_BYTES = 32 * 1024 * 1024

RULES: tuple[Rule, ...] = (
    *hazards_add_column.RULES,
    *hazards_change_column.RULES,
    *hazards_constraints.RULES,
    *hazards_indexes.RULES,
    *hazards_tables.RULES,
    *hazards_new_tables.RULES,
    *hazards_rows.RULES,
    *hazards_objects.RULES,
    *hazards_types.RULES,
    *hazards_session.RULES,
)


def find_hazards(
    statements: Sequence[Statement], facts: Facts | None = None, created: Iterable[QualifiedName] = ()
) -> tuple[Hazard, ...]:
    """Give the hazards of statements that run one after the other in one step, in order.

    `created` are tables that earlier steps of the same migration make. Without facts nothing is known of sizes, keys
    and indexes: every table is taken to be large.
    """
    new = frozenset(created)
    found: list[Hazard] = []
    before: dict[str, list[Statement]] = {}
    for statement in statements:
        look = Look(statement, before, facts, new)
        for rule in RULES:
            found += [_hazard(rule, place, look) for place in rule.find(look)]
        before.setdefault(statement.node.kind, []).append(statement)
        new |= frozenset(created_relations(statement))
        facts = facts_after((statement,), facts) if facts is not None else None
    return tuple(found)


def find_script_hazards(
    text: str,
    facts: Facts | None = None,
    created: Iterable[QualifiedName] = (),
    default_schema: str = DEFAULT_SCHEMA,
) -> tuple[Hazard, ...]:
    """Give the hazards of a text, without those an ignore comment takes back. Raises ScriptError when it is not SQL."""
    statements = split(text, default_schema)
    return take_back(find_hazards(statements, facts, created), statements).kept


def is_small(facts: Facts | None, table: QualifiedName | None) -> bool:
    """Tell whether a table is known to be so small that scanning or rewriting it takes milliseconds.

    A table that was never analysed has -1 rows in the catalog; then its bytes decide alone.
    """
    known = facts.tables.get(str(table)) if facts is not None and table is not None else None
    return known is not None and known.estimated_rows <= SMALL_ROWS and known.bytes <= SMALL_BYTES


def _hazard(rule: Rule, place: Found, look: Look) -> Hazard:
    lowered = rule.by_size and rule.level == "error" and is_small(look.facts, place.table)
    small = "; the table is small, so it is over at once" if lowered else ""
    return Hazard(
        id=rule.id,
        level="warning" if lowered else rule.level,
        line=look.statement.line,
        message=f"{rule.when}: {place.what}. {rule.effect[:1].upper()}{rule.effect[1:]}{small}. Instead: {rule.safe}.",
        table=str(place.table) if place.table is not None else None,
        statement=look.statement.excerpt,
        lock=rule.lock,
        cost=rule.cost,
        safe=rule.safe,
        blocks_in=() if lowered else rule.blocks_in,
    )
