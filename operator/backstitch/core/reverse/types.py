# SPDX-License-Identifier: Apache-2.0
"""Can a change of a column's type be taken back without losing anything?

The catalog shows both types but not the USING expression. What is answered here holds for a change that keeps the
values as they are; the engine's row digests see one that does not.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_INTEGERS = {"smallint": 0, "integer": 1, "bigint": 2}
_TEXTS = {"text", "character varying", "character", "citext", '"citext"', "public.citext", "name"}
_TYPE = re.compile(
    r"^(?P<base>[^(\[]+?)\s*(?:\((?P<mods>[^)]*)\))?(?P<tail>\s*(?:with|without) time zone)?(?P<array>(\[\])*)$"
)
# Types whose text form gives back exactly the value: text is a safe stop on the way.
_PLAIN = {"uuid", "inet", "cidr", "macaddr", "json", "date", "boolean", "xml", "bytea", "interval"}


@dataclass(frozen=True)
class Type:
    """A type as format_type() writes it, taken apart."""

    base: str
    mods: tuple[int, ...]
    array: bool


def parse(text: str) -> Type:
    """Take a type apart; what is not understood is all base."""
    found = _TYPE.match(text)
    if not found:
        return Type(text, (), False)
    mods = found["mods"]
    numbers = tuple(int(m) for m in mods.split(",")) if mods and re.fullmatch(r"[\d,\s-]+", mods) else ()
    tail = (found["tail"] or "").strip()
    return Type(f"{found['base']} {tail}".strip(), numbers, bool(found["array"]))


def keeps_values(old: Type, new: Type, labels: dict[str, tuple[str, ...]], bases: dict[str, str]) -> bool:
    """Tell whether every value of `old` has its own value in `new` that gives it back.

    `labels` are the labels of enums, `bases` the base types of domains, by name, of both catalogs.
    """
    if old.array != new.array:
        return False
    if old.base in bases or new.base in bases:
        old = parse(bases[old.base]) if old.base in bases else old
        new = parse(bases[new.base]) if new.base in bases else new
    if old.base == new.base and old.base not in labels:
        return _same_base(old, new)
    if old.base in _INTEGERS:
        larger = new.base in _INTEGERS and _INTEGERS[new.base] > _INTEGERS[old.base]
        return (
            larger
            or (new.base == "numeric" and not new.mods)
            or _any_text(new)
            or (new.base == "double precision" and old.base != "bigint")
        )
    if old.base in labels:
        return _any_text(new) or (new.base in labels and set(labels[old.base]) <= set(labels[new.base]))
    if old.base in _TEXTS:
        return (
            (_any_text(new) and old.base != "character")
            or new.base in labels
            or (old.base == "character" and new.base in _TEXTS and not _shorter(old, new))
            or (new.base in _TEXTS and bool(old.mods) and bool(new.mods) and not _shorter(old, new))
        )
    if old.base in _PLAIN and _any_text(new):
        return True
    return (old.base, new.base) in {
        ("jsonb", "json"),
        ("jsonb", "text"),
        ("cidr", "inet"),
        ("real", "double precision"),
        ("date", "timestamp without time zone"),
        ("date", "timestamp with time zone"),
        ("timestamp without time zone", "timestamp with time zone"),  # sessions of ours are in UTC
        ("timestamp with time zone", "timestamp without time zone"),
        ("numeric", "text"),
        ("bit", "bit varying"),
        ("oid", "bigint"),
    } and not new.mods


def _same_base(old: Type, new: Type) -> bool:
    if not new.mods or old.mods == new.mods:
        return True
    if not old.mods:
        return False
    if old.base == "numeric":
        scale_old, scale_new = (*old.mods, 0)[1], (*new.mods, 0)[1]
        return scale_new >= scale_old and new.mods[0] - scale_new >= old.mods[0] - scale_old
    return not _shorter(old, new)


def _shorter(old: Type, new: Type) -> bool:
    return bool(new.mods) and (not old.mods or new.mods[0] < old.mods[0])


def _any_text(new: Type) -> bool:
    return new.base in _TEXTS and new.base not in ("character", "name") and not new.mods


def needs_using(now: Type, was: Type) -> bool:
    """Tell whether the way back needs a cast through text: without one, PostgreSQL casts by assignment and refuses
    what does not fit."""
    numbers = {*_INTEGERS, "numeric", "real", "double precision"}
    times = {"date", "timestamp without time zone", "timestamp with time zone"}
    groups = (numbers, times, _TEXTS, {"bit", "bit varying"}, {"inet", "cidr"}, {"json", "jsonb"} - {"jsonb"})
    return not (now.base == was.base or any(now.base in g and was.base in g for g in groups))


def rounds(now: Type, was: Type) -> bool:
    """Tell whether the assignment cast back may change a value silently; then it must be looked at first."""
    if now.base == was.base and now.base in _TEXTS | {"bit varying", "bit"}:
        return False
    return now.base in {"numeric", "double precision", "real"} or "time" in now.base or now.base == "inet"
