# SPDX-License-Identifier: Apache-2.0
"""docs/hazards.md, made from the table of hazards and the examples the tests run."""

from __future__ import annotations

from collections.abc import Mapping

from backstitch.core.hazards import RULES, Rule

_INTRO = """# Hazards of SQL

<!-- Made from the table of hazards by the code; do not edit. -->

`backstitch lint` and every plan look for these in `sql` steps. **error** refuses a migration where the line
"Refuses in" says so, **warning** is shown, **policy** is a house rule for information. On a table that is new in the
same migration nothing about locks is said; where "By size" is yes, an error is only a warning on a small table.
Take one back, with the reason, in a comment before the statement: `-- backstitch:ignore <id> <reason>`.
"""


def hazards_markdown(examples: Mapping[str, tuple[str, str]]) -> str:
    """Give the page. `examples` has a bad and a good script by id; a rule without them raises KeyError."""
    lines = [_INTRO, "| id | level | refuses in | when |", "|---|---|---|---|"]
    lines += [f"| [{r.id}](#{r.id}) | {r.level} | {', '.join(r.blocks_in) or '–'} | {_cell(r.when)} |" for r in RULES]
    parts = ["\n".join(lines) + "\n", *(_section(rule, *examples[rule.id]) for rule in RULES)]
    return "\n".join(parts)


def _section(rule: Rule, bad: str, good: str) -> str:
    rows = [
        f"## {rule.id}",
        "",
        f"{rule.when[:1].upper()}{rule.when[1:]}: {rule.effect}.",
        "",
        f"- Level: {rule.level}. By size: {'yes' if rule.by_size else 'no'}. "
        f"Refuses in: {', '.join(rule.blocks_in) or 'no environment'}.",
        f"- Lock: {rule.lock}. Cost: {rule.cost}.",
        f"- Instead: {rule.safe}.",
        "",
        "```sql",
        "-- bad",
        bad.strip(),
        "-- good",
        good.strip(),
        "```",
        "",
    ]
    return "\n".join(rows)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
