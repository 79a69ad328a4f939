# SPDX-License-Identifier: Apache-2.0
"""How does one entry of a document's `verification` become a check, and a check such an entry?"""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import Any

from pydantic import ValidationError

from backstitch.core.errors import UsageError
from backstitch.core.read_errors import explain
from backstitch.model.checks import KINDS, Check
from backstitch.model.expectation import Expect
from backstitch.model.orchestration import MeasuredCheck, Verification
from backstitch.model.record import Record

_NAMED = {field: kind for kind, field in KINDS.items() if kind != "query"}
# Text that a person may mean as something else: 0, true, > 5, 3 rows.
_AMBIGUOUS = re.compile(
    r"^\s*([<>=!]=?.*|[-+]?\.?[0-9][0-9_.,eE+-]*|true|false|yes|no|null|[0-9]+ rows?|no rows?|empty)\s*$", re.IGNORECASE
)


def to_check(given: Verification, where: str) -> Check:
    """Give the check. Raises UsageError with the field and what was expected."""
    plain: dict[str, Any] = {
        "name": given.name,
        "description": given.description,
        "report_only": given.report_only,
        "attempts": given.attempts,
    }
    renamed = {}
    if given.check is not None:
        field = given.check if given.check in _NAMED else KINDS.get(given.check)
        if field is None or field == "query":
            near = get_close_matches(given.check, list(_NAMED), n=1, cutoff=0.6)
            hint = f" Did you mean {near[0]}?" if near else ""
            raise UsageError(f"{where}.check: unknown check {given.check!r}.{hint} Known: {', '.join(_NAMED)}.")
        if given.query is not None or given.expected is not None:
            raise UsageError(f"{where}: {given.check} takes details; query and expected belong to a check without it.")
        plain[field] = given.details or {}
        renamed[field] = "details"
    else:
        if given.query is None or given.expected is None:
            missing = "query" if given.query is None else "expected"
            raise UsageError(f"{where}.{missing}: is required (or `check` with the name of a check of Backstitch).")
        if given.details is not None:
            raise UsageError(f"{where}.details: they belong to `check`; a query has `expected`.")
        plain |= {"query": given.query, "expect": _expect(given.expected, where)}
        renamed["expect"] = "expected"
    try:
        return Check.model_validate(plain)
    except ValidationError as error:
        raise UsageError("; ".join(explain(error, Check, prefix=(where,), renamed=renamed))) from None


def _expect(expected: object, where: str) -> dict[str, Any]:
    match expected:
        case bool():
            return {"type": "boolean", "equals": expected}
        case int() | float():
            return {"type": "number", "equals": expected}
        case str() if _AMBIGUOUS.match(expected):
            raise UsageError(
                f"{where}.expected: the text {expected!r} may mean several things. Write a number or true without "
                "quotes, {type: number, min: 1} for a bound, {rows: 3} or {empty: true} for rows, or {type: string, "
                'equals: "…"} for exactly this text.'
            )
        case str():
            return {"type": "string", "equals": expected}
        case dict():
            return expected
        case _:
            raise UsageError(
                f"{where}.expected: expected a number, true or false, text, or {{type: …, equals: …}}; found "
                f"{expected!r}. Put dates in quotes."
            )


def to_verification(check: Check, phase: str | None, record: Record | None) -> Verification:
    """Give the entry of a check, with what it found when the record knows."""
    found = next((c for c in record.checks if c.name == check.name), None) if record is not None else None
    field = KINDS[check.kind]
    common: dict[str, Any] = {
        "name": check.name,
        "phase": phase,
        "description": check.description,
        "report_only": check.report_only,
        "attempts": check.attempts,
        "measured": None
        if found is None
        else MeasuredCheck(
            outcome=found.outcome, value=found.value, message=found.message or None, attempts=found.attempts
        ),
    }
    if check.expect is not None:
        return Verification(**common, query=check.query, expected=_expected(check.expect))
    details = getattr(check, field).model_dump(mode="json", by_alias=False, exclude_none=True)
    return Verification(**common, check=field, details=details or None)


def _expected(expect: Expect) -> Any:
    """Give the shortest writing that reads back as the same."""
    plain = expect.model_dump(mode="json", by_alias=False, exclude_none=True)
    if set(plain) != {"type", "equals"} or expect.equals is None:
        return plain
    text = expect.equals
    if expect.type == "boolean":
        return text == "true"
    if expect.type == "string":
        return plain if _AMBIGUOUS.match(text) else text
    for number in (int, float):
        try:
            if str(number(text)) == text:
                return number(text)
        except ValueError:
            continue
    return plain
