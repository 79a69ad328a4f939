# SPDX-License-Identifier: Apache-2.0
"""Can a change of a column's type be taken back without losing anything?

The catalog shows both types but not the USING expression. What is answered here holds for a change that keeps the
values as they are; the engine's row digests see one that does not.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from backstitch.model.catalog import Catalog

_INTEGERS = {"smallint": 0, "integer": 1, "bigint": 2}
_TEXTS = {"text", "character varying", "character", "citext", "name"}
_TYPE = re.compile(
    r"^(?P<base>[^(\[]+?)\s*(?:\((?P<mods>[^)]*)\))?(?P<tail>\s*(?:with|without) time zone)?(?P<array>(\[\])*)$"
)
# Types whose text form gives back exactly the value: text is a safe stop on the way.
_PLAIN = {"uuid", "inet", "cidr", "macaddr", "json", "date", "boolean", "xml", "bytea", "interval"}


@dataclass(frozen=True)
class Known:
    """The enums and domains of one catalog, by the name that format_type() gives them."""

    labels: dict[str, tuple[str, ...]]
    bases: dict[str, str]

    @classmethod
    def of(cls, catalog: Catalog) -> Known:
        """Find them."""
        types = [o for o in catalog.objects if o.key.kind in ("type", "domain")]
        names = {o.id: type_name(o.key.schema, o.key.name) for o in types}
        return cls(
            {names[o.id]: tuple(o.fields["labels"]) for o in types if "labels" in o.fields},
            {names[o.id]: o.fields["base"] for o in types if "base" in o.fields},
        )

    def base(self, of: Type) -> Type:
        """Give what a domain is made of; any other type as it is."""
        for _ in range(16):
            if of.base not in self.bases:
                break
            of = replace(parse(self.bases[of.base]), array=of.array)
        return of


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
    if found["base"].endswith(".citext"):
        return Type("citext", (), bool(found["array"]))
    return Type(f"{found['base']} {tail}".strip(), numbers, bool(found["array"]))


def keeps_values(old: Type, new: Type, before: Known, after: Known) -> bool:
    """Tell whether every value of `old` (in the catalog before) has its own value in `new` that gives it back."""
    if old.array != new.array:
        return False
    old, new = before.base(old), after.base(new)
    labels = before.labels.keys() | after.labels.keys()
    if old.base in before.labels and new.base in after.labels:
        return set(before.labels[old.base]) <= set(after.labels[new.base])
    if old.base == new.base:
        return _same_base(old, new)
    if old.base in _INTEGERS:
        larger = new.base in _INTEGERS and _INTEGERS[new.base] > _INTEGERS[old.base]
        return (
            larger
            or (new.base == "numeric" and not new.mods)
            or _any_text(new)
            or (new.base == "double precision" and old.base != "bigint")
        )
    if old.base in before.labels:
        return _any_text(new)
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


def type_name(schema: str, name: str) -> str:
    """Give a type's name as format_type() writes it with an empty search_path."""
    return ".".join(
        p if re.fullmatch(r"[a-z_][a-z0-9_]*", p) else '"' + p.replace('"', '""') + '"' for p in (schema, name)
    )
