# SPDX-License-Identifier: Apache-2.0
"""What does a person read when a file does not fit the models: which field, what was found, what was expected?"""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from typing import Annotated, Any, NamedTuple, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from backstitch.model.duration import DURATION

MAX_ERRORS = 10
MAX_VALUE = 60


class Place(NamedTuple):
    """Where in a text a value stands, and how it is written there."""

    line: int
    written: str | None  # a scalar without its quotes


Locate = Callable[[Sequence[str | int]], Place | None]

_FOUND = {bool: "true or false", int: "a number", float: "a number", str: "text", list: "a list", dict: "a mapping"}

# By pydantic's error type. {found} is the value, {size} the length of a text, the rest comes with the error.
_SENTENCES = {
    "missing": "is required, and is not there.",
    "string_too_short": "is too short: at least {min_length} character(s), found {size}.",
    "string_too_long": "is too long: at most {max_length} characters, found {size}.",
    "too_short": "needs at least {min_length} of them, found {actual_length}.",
    "too_long": "takes at most {max_length} of them, found {actual_length}.",
    "list_type": "expected a list, found {found}. Write [ … ], or a line with a dash for each.",
    "dict_type": "expected a mapping (key: value), found {found}.",
    "model_type": "expected a mapping (key: value), found {found}.",
    "int_type": "expected a whole number, found {found}.",
    "int_parsing": "expected a whole number, found {found}.",
    "int_from_float": "expected a whole number, found {found}.",
    "bool_type": "expected true or false, found {found}.",
    "bool_parsing": "expected true or false, found {found}.",
    "greater_than_equal": "expected at least {ge}, found {found}.",
    "less_than_equal": "expected at most {le}, found {found}.",
}


def explain(
    error: ValidationError,
    model: type[BaseModel],
    *,
    prefix: tuple[str, ...] = (),
    renamed: Mapping[str, str] | None = None,
    locate: Locate | None = None,
) -> list[str]:
    """Give one sentence per problem, at most ten, each beginning with line (where known) and field.

    `renamed` maps beginnings of a path (`sql.up`) to what the document calls them; with it, names are snake_case.
    """
    problems = error.errors(include_url=False)
    said = []
    for problem in problems[:MAX_ERRORS]:
        loc = tuple(problem["loc"])
        place = locate(loc) if locate is not None else None
        line = f"line {place.line}: " if place is not None else ""
        names = loc if renamed is None else _python_names(model, loc)
        path = _path(names, prefix, renamed or {})
        said.append(f"{line}{path + ': ' if path else ''}{_sentence(problem, model, loc, place, renamed is not None)}")
    if len(problems) > MAX_ERRORS:
        said.append(f"… and {len(problems) - MAX_ERRORS} more")
    return said


def _path(loc: Sequence[str | int], prefix: tuple[str, ...], renamed: Mapping[str, str]) -> str:
    path = ""
    for part in loc:
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else part
    for old, new in renamed.items():
        if path == old or path.startswith((f"{old}.", f"{old}[")):
            path = new + path.removeprefix(old)
            break
    before = ".".join(prefix)
    return f"{before}.{path}" if before and path else before or path


def _sentence(
    problem: ErrorDetails, model: type[BaseModel], loc: tuple[str | int, ...], place: Place | None, snake: bool
) -> str:
    kind, found, ctx = problem["type"], problem["input"], problem.get("ctx", {})
    match kind:
        case "extra_forbidden":
            return _unknown(model, loc, snake)
        case "literal_error":
            wanted = str(ctx["expected"]).replace("'", "")
            near = get_close_matches(str(found), wanted.replace(" or ", ", ").split(", "), n=1, cutoff=0.6)
            return f"expected {wanted}, found {_shown(found)}." + (f" Did you mean {near[0]}?" if near else "")
        case "string_type":
            return _no_text(found, place)
        case "value_error":
            return f"{str(problem['msg']).removeprefix('Value error, ').rstrip('.')}."
        case "string_pattern_mismatch":
            return f"{_shown(found)} is not of the form expected ({_form(str(ctx['pattern']))})."
        case _:
            if kind not in _SENTENCES:
                return f"{problem['msg'].rstrip('.')}; found {_shown(found)}."
            size = len(found) if isinstance(found, str) else 0
            return _SENTENCES[kind].format(**{**ctx, "found": _shown(found), "size": size})


def _no_text(found: object, place: Place | None) -> str:
    if found is None:
        return "expected text, found nothing."
    if isinstance(found, list | dict):
        return f"expected text, found {_shown(found)}."
    written = place.written if place is not None and place.written is not None else str(found)
    what = _FOUND.get(type(found), "a date")
    return f'expected text, and YAML reads {written} as {what}. Put it in quotes: "{written}".'


def _unknown(model: type[BaseModel], loc: tuple[str | int, ...], snake: bool) -> str:
    holder = _model_at(model, loc[:-1])
    if holder is None:
        return "unknown field."
    known = [name if snake else field.alias or name for name, field in holder.model_fields.items()]
    near = get_close_matches(str(loc[-1]), known, n=1, cutoff=0.6)
    return f"unknown field. Did you mean {near[0]}?" if near else f"unknown field. Known: {', '.join(known)}."


def _form(pattern: str) -> str:
    forms = {
        DURATION: "a duration such as 90s, 5m, 1h30m",
        "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$": "small letters, digits and dashes, such as add-full-name",
    }
    return forms.get(pattern, pattern)


def _shown(found: object) -> str:
    if isinstance(found, list | dict):
        return _FOUND[type(found)]
    if found is None:
        return "nothing"
    if isinstance(found, bool):
        return str(found).lower()
    text = repr(found) if isinstance(found, str) else str(found)
    return text if len(text) <= MAX_VALUE else text[:MAX_VALUE] + "…"


def _step_into(annotation: Any) -> Any:
    """Give the model, list or dict inside Optional and Annotated."""
    while True:
        if get_origin(annotation) is Annotated:
            annotation = get_args(annotation)[0]
        elif get_origin(annotation) in (Union, types.UnionType):
            annotation = next(a for a in get_args(annotation) if a is not type(None))
        else:
            return annotation


def _field(model: type[BaseModel], part: str) -> str | None:
    return next((n for n, f in model.model_fields.items() if part in (n, f.alias)), None)


def _walk(model: type[BaseModel], loc: Sequence[str | int]) -> tuple[list[str | int], Any]:
    """Give the path in Python's names, as far as the models go, and the type at its end."""
    at: Any = model
    names: list[str | int] = []
    for part in loc:
        name: str | int = part
        if isinstance(at, type) and issubclass(at, BaseModel):
            field = _field(at, str(part))
            name = field or part
            at = _step_into(at.model_fields[field].annotation) if field is not None else None
        elif get_origin(at) in (list, dict, tuple):
            at = _step_into(get_args(at)[1 if get_origin(at) is dict else 0])
        names.append(name)
    return names, at


def _python_names(model: type[BaseModel], loc: Sequence[str | int]) -> list[str | int]:
    return _walk(model, loc)[0]


def _model_at(model: type[BaseModel], loc: Sequence[str | int]) -> type[BaseModel] | None:
    found = _walk(model, loc)[1]
    return found if isinstance(found, type) and issubclass(found, BaseModel) else None
