# SPDX-License-Identifier: Apache-2.0
"""How is outside input made bad? Seeded changes of good texts and of plain data; the same seed gives the same input."""

from __future__ import annotations

import copy
import random
from typing import Any

HOSTILE = [
    "",
    " ",
    "\0",
    "\ud800",
    "\u202e",
    "🐘",
    "ünïcode",
    '"; DROP TABLE users; --',
    "'; SELECT pg_sleep(9); --",
    "%s %(x)s {} {0} $1 $$ ${x}",
    "\\",
    "\\copy a from b",
    "\r\n",
    "--",
    "/*",
    "*/",
    "$$",
    "$a$",
    "'",
    '"',
    ";",
    "(" * 60,
    "[" * 60,
    "{" * 60,
    "a: &a [*a]",
    "<<: *a",
    "!!python/object:os.system {}",
    "-- migrate:up",
    "-- +goose Down",
    "---- create above / drop below ----",
    "999999999999999999d",
    "999999999d",
    "0s",
    "1e999",
    "-1",
    "9" * 400,
    "0 0 31 2 *",
    "* * * * *",
    "0 0 * * 8#9",
    "*/0 * * * *",
    "Europe/../Berlin",
    "../../etc/passwd",
    "2026-13-45T99:99:99Z",
    "9999-12-31T23:59:59Z",
    "0001-01-01T00:00:00+14:00",
    "NaN",
    "null",
    "true",
]
VALUES: list[Any] = [
    *HOSTILE,
    None,
    True,
    False,
    0,
    -1,
    2**63,
    10**30,
    1.5,
    float("inf"),
    [],
    {},
    [[]],
    {"": {}},
    ["x"],
]


def text(rng: random.Random, good: list[str]) -> str:
    """Give a text: one of the good ones with a few changes, two spliced, deep nesting, or noise."""
    how = rng.random()
    if how < 0.04:
        return "".join(chr(rng.choice([rng.randrange(128), rng.randrange(0x110000)])) for _ in range(rng.randrange(80)))
    if how < 0.07:
        piece = rng.choice(["(", "SELECT (", "1+", "NOT ", "a: {", "- ", "[", "/*", "CASE WHEN ", "a.", "'", '"'])
        return piece * rng.choice([10, 300, 3000])
    found = rng.choice(good)
    if how < 0.15:
        other = rng.choice(good)
        found = found[: rng.randrange(len(found) + 1)] + other[rng.randrange(len(other) + 1) :]
    for _ in range(rng.choice([1, 1, 2, 4])):
        at, until = sorted((rng.randrange(len(found) + 1), rng.randrange(len(found) + 1)))
        until = min(until, at + 40)
        middle = rng.choice(["", rng.choice(HOSTILE), found[at:until] * 2, chr(rng.randrange(0x3000))])
        found = found[:at] + middle + found[rng.choice([at, until]) :]
    return found


def plain(rng: random.Random, good: Any, times: int = 2) -> Any:
    """Give a copy of plain data with some values replaced, removed, or given a neighbour nobody knows."""
    whole = copy.deepcopy(good)
    for _ in range(rng.randint(1, times)):
        holders = [each for each in _holders(whole) if each]
        if not holders:
            return whole
        holder = rng.choice(holders)
        key = rng.choice(list(holder)) if isinstance(holder, dict) else rng.randrange(len(holder))
        match rng.random():
            case p if p < 0.15:
                del holder[key]
            case p if p < 0.25 and isinstance(holder, dict):
                holder[rng.choice(HOSTILE)] = rng.choice(VALUES)
            case p if p < 0.45 and isinstance(holder[key], str):
                holder[key] = text(rng, [holder[key]])
            case _:
                holder[key] = copy.deepcopy(rng.choice(VALUES))
    return whole


def _holders(value: Any) -> list[Any]:
    found: list[Any] = []
    if isinstance(value, dict | list):
        found.append(value)
        for below in value.values() if isinstance(value, dict) else value:
            found += _holders(below)
    return found
