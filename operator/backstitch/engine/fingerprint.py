# SPDX-License-Identifier: Apache-2.0
"""Is the schema what it was? Hashes of a catalog, and a comparison that names what differs."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from backstitch.model.catalog import Catalog, CatalogObject, Comparison, ExceptionName, Fingerprint

_MISSING = "nothing"
_LONG = 200


def fingerprint(catalog: Catalog) -> Fingerprint:
    """Give one SHA-256 per object and one for all. Positions of sequences are not in it, ours neither."""
    hashes = {str(o.key): _digest([list(o.key), o.fields]) for o in catalog.objects}
    return Fingerprint(total=_digest(sorted(hashes.items())), objects=dict(sorted(hashes.items())))


def compare(before: Catalog, after: Catalog) -> Comparison:
    """Tell whether `after` is `before`: Identical, IdenticalExcept what the closed list allows, or Different.

    `differences` name object and field with both values. A sequence that has moved on is a note; one that has gone
    back would give out numbers twice, so that is a difference.
    """
    differences: list[str] = []
    notes: list[str] = []
    exceptions: set[ExceptionName] = set()
    different = False
    for key in sorted(before.by_key.keys() | after.by_key.keys()):
        old, new = before.by_key.get(key), after.by_key.get(key)
        if old is None or new is None:
            differences.append(f"{key}: {'is new' if old is None else 'is gone'}")
            different = True
            continue
        for name in sorted(old.fields.keys() | new.fields.keys()):
            was, now = old.fields.get(name), new.fields.get(name)
            if was == now:
                continue
            differences.append(f"{key}: {name} was {_show(was, now)}, is {_show(now, was)}")
            exception = _exception(old, name, was, now)
            if exception is None:
                different = True
            else:
                exceptions.add(exception)
        at_before, at_after = old.soft.get("position"), new.soft.get("position")
        if at_before is not None and at_after != at_before:
            went_back = at_after is None or _went_back(old, at_before, at_after)
            text = f"{key}: last number was {at_before}, is {_MISSING if at_after is None else at_after}"
            (differences if went_back else notes).append(text)
            different = different or went_back
    verdict = "Different" if different else "IdenticalExcept" if exceptions else "Identical"
    return Comparison(
        verdict=verdict,
        exceptions=tuple(sorted(exceptions)),
        differences=tuple(differences),
        notes=tuple(notes),
    )


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def _exception(old: CatalogObject, name: str, was: Any, now: Any) -> ExceptionName | None:
    if old.key.kind == "column" and name == "position":
        return "columnOrder"
    if name == "local" and was is False and now is True:
        return "inheritedLocally"
    if name == "labels" and was is not None and now is not None:
        rest = iter(now)
        if all(label in rest for label in was):  # all are there, in the same order
            return "enumValueAdded"
    return None


def _went_back(old: CatalogObject, was: int, now: int) -> bool:
    parameters = old.fields.get("identity") or old.fields
    if parameters.get("cycle"):
        return False
    return now < was if parameters.get("increment", 1) > 0 else now > was


def _show(value: object, other: object) -> str:
    """Give a value for people; of a long one the part where the other begins to differ."""
    if value is None:
        return _MISSING
    text, that = _text(value), _text(other)
    if len(text) <= _LONG:
        return text
    same = next((n for n, (a, b) in enumerate(zip(text, that, strict=False)) if a != b), min(len(text), len(that)))
    start = max(0, min(same - _LONG // 2, len(text) - _LONG))
    return f"{'…' if start else ''}{text[start : start + _LONG]}{'…' if start + _LONG < len(text) else ''}"


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
