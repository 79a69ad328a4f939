# SPDX-License-Identifier: Apache-2.0
"""`python -m dev.docs` writes the pages of docs/ that are made from the code: operations, checks, hazards, life cycle.

tests/unit/test_docs.py fails when one of them is stale.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from backstitch.core.hazards_document import hazards_markdown
from backstitch.model import expectation
from backstitch.model.checks import KINDS, Check
from backstitch.model.operations import OPERATIONS, Operation
from backstitch.model.states import RESTING, TOUCHED, TRANSITIONS, Event, State
from backstitch.model.states_diagram import diagram

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
_EXAMPLES = ROOT / "tests" / "data" / "hazards"
_SAMPLES = ROOT / "manifests" / "samples"
_MADE = "<!-- Made by `python -m dev.docs` from {source}; do not edit. -->"


def pages() -> dict[str, str]:
    """Give every generated page by its file name."""
    return {
        "operations.md": _operations(),
        "checks.md": _checks(),
        "hazards.md": hazards_markdown(_hazard_examples()),
        "life-cycle.md": _life_cycle(),
    }


def _hazard_examples() -> dict[str, tuple[str, str]]:
    return {
        folder.name: ((folder / "bad.sql").read_text(), (folder / "good.sql").read_text())
        for folder in _EXAMPLES.iterdir()
        if folder.is_dir()
    }


def _operations() -> str:
    lines = [
        "# Operations",
        "",
        _MADE.format(source="the models in operator/backstitch/model/operations"),
        "",
        "A step has a name and exactly one of these. Each says what it does and how it goes back; each is planned",
        "against the live catalog, and refused before anything is touched when it cannot work.",
        "",
        "| Operation | What it does | Changes rows | Takes something away |",
        "|---|---|---|---|",
    ]
    for kind, operation in OPERATIONS.items():
        flags = [("yes" if flag else "") for flag in (operation.data, operation.destructive)]
        lines.append(f"| [{kind}](#{kind.lower()}) | {_first_sentence(operation)} | {flags[0]} | {flags[1]} |")
    for kind, operation in OPERATIONS.items():
        lines += ["", f"## {kind}", "", _module_sentence(operation), "", *_fields(operation), *_samples(kind)]
    return "\n".join(lines) + "\n"


def _checks() -> str:
    lines = [
        "# Checks",
        "",
        _MADE.format(source="operator/backstitch/model/checks.py, check_kinds.py and expectation.py"),
        "",
        "Checks stand below a phase (`phases[].checks`, run when its steps are done) or at the end (`spec.checks`).",
        "Each has a name and exactly one kind. They run in a read-only transaction. A check that **failed** rolls the",
        "migration back; one that gave an **error** is tried again, and after its attempts is **inconclusive**: the",
        "migration stops for a person. With `reportOnly: true` a result is shown and decides nothing.",
        "",
        *_fields(Check, only=("name", "description", "reportOnly", "attempts")),
    ]
    for kind, field in KINDS.items():
        info = Check.model_fields[field]
        lines += ["", f"## {kind}", "", info.description or ""]
        if kind == "query":
            lines += ["", "`expect` says what it must give:", "", *_fields(expectation.Expect)]
        elif (model := _model_in(info.annotation)) is not None:
            lines += ["", *_fields(model)]
        lines += _samples(kind)
    return "\n".join(lines) + "\n"


def _life_cycle() -> str:
    lines = [
        "# Life cycle",
        "",
        _MADE.format(source="operator/backstitch/model/states.py"),
        "",
        "One table, (state, event) to state; everything else looks it up. What is not listed changes nothing.",
        "",
        "```mermaid",
        diagram().rstrip(),
        "```",
        "",
        f"Resting, nothing leaves them by itself: {_names(RESTING)}. The database may differ from its start only in: "
        f"{_names(TOUCHED)}.",
        "",
        "| In | when | it becomes |",
        "|---|---|---|",
        *(f"| {before} | {event} | {after} |" for (before, event), after in TRANSITIONS.items()),
        "",
        "Held by tests over this table: once the database was touched the only ends are Succeeded, RolledBack and",
        "NeedsHelp; Migrating is entered only from a proven backup; Succeeded only from checks that hold; a resting",
        "state can be reached from every state.",
    ]
    unused = [event for event in Event if event not in {e for _, e in TRANSITIONS}]
    assert not unused, f"events without a transition: {unused}"
    return "\n".join(lines) + "\n"


def _names(states: frozenset[State]) -> str:
    return ", ".join(state for state in State if state in states)


def _first_sentence(operation: type[Operation]) -> str:
    return _cell((operation.__doc__ or "").strip().splitlines()[0])


def _module_sentence(operation: type[Operation]) -> str:
    text = inspect.cleandoc(sys.modules[operation.__module__].__doc__ or "").partition(": ")[2]
    text = " ".join(text.split("\n\n")[0].split())
    return text[:1].upper() + text[1:]


def _fields(model: type[BaseModel], *, only: tuple[str, ...] = ()) -> list[str]:
    """Give the table of a model's fields, with those of the models in it indented by their names."""
    rows = [row for row in _rows(model, "") if not only or row[0] in only]
    head = ["| Field | Type | Required | Meaning |", "|---|---|---|---|"]
    return [*head, *(f"| `{name}` | {type_} | {needed} | {meaning} |" for name, type_, needed, meaning in rows)]


def _rows(model: type[BaseModel], prefix: str) -> Iterator[tuple[str, str, str, str]]:
    for name, info in model.model_fields.items():
        shown = f"{prefix}{info.alias or name}"
        meaning = _cell(info.description or "")
        yield shown, _type(info), "yes" if info.is_required() else "", meaning
        inner = _model_in(info.annotation)
        if inner is not None and not prefix.count("."):
            yield from _rows(inner, f"{shown}{'[]' if _is_list(info.annotation) else ''}.")


def _type(info: FieldInfo) -> str:
    text = str(info.annotation).replace("typing.", "")
    if words := re.findall(r"Literal\[([^\]]*)\]", text):
        return _cell(words[0].replace("'", "`"))
    if _model_in(info.annotation) is not None:
        return "list of objects" if _is_list(info.annotation) else "object"
    names = {"str": "text", "int": "integer", "bool": "true or false", "Decimal": "number"}
    found = [word for key, word in names.items() if re.search(rf"\b{key}\b", text)]
    kind = found[-1] if found else "any"
    if "dict[" in text:
        return f"map of {kind}"
    return f"list of {kind}" if _is_list(info.annotation) else kind


def _is_list(annotation: Any) -> bool:
    return "list[" in str(annotation)


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if inspect.isclass(annotation) and issubclass(annotation, BaseModel):
        return annotation
    for part in get_args(annotation):
        if (found := _model_in(part)) is not None:
            return found
    return None


def _samples(word: str) -> list[str]:
    used = [path.name for path in sorted(_SAMPLES.glob("*.yaml")) if re.search(rf"\b{word}:", path.read_text())]
    links = ", ".join(f"[{name}](../manifests/samples/{name})" for name in used[:4])
    return ["", f"Samples: {links}."] if used else []


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    for file, content in pages().items():
        (DOCS / file).write_text(content, encoding="utf-8")
        print(f"docs/{file} written")
