# SPDX-License-Identifier: Apache-2.0
"""What is in a YAML file: DatabaseMigrations, MigrationTargets, migration_orchestration blocks, ConfigMaps with SQL?

Strict where YAML is treacherous: a key given twice, a version that becomes a number, `no` that becomes false, aliases
that unfold without end. Every problem is said with file, document, line, field and what was expected.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from backstitch.core.errors import UsageError
from backstitch.core.orchestration import to_migration
from backstitch.core.read_errors import Place, explain
from backstitch.model.base import Frozen
from backstitch.model.names import API_VERSION
from backstitch.model.orchestration import BLOCK, Orchestration
from backstitch.model.spec import DatabaseMigration, Metadata, MigrationTarget

MAX_BYTES = 1024 * 1024  # what etcd could hold is less
MAX_NODES = 200_000  # after aliases are unfolded


class ConfigMap(Frozen):
    """A ConfigMap, for SQL that a migration takes from there."""

    model_config = ConfigDict(extra="ignore")

    api_version: Literal["v1"]
    kind: Literal["ConfigMap"]
    metadata: Metadata
    data: dict[str, str] = Field(default_factory=dict)


Document = DatabaseMigration | MigrationTarget | Orchestration | ConfigMap

_KINDS: dict[str, type[DatabaseMigration | MigrationTarget | ConfigMap]] = {
    "DatabaseMigration": DatabaseMigration,
    "MigrationTarget": MigrationTarget,
    "ConfigMap": ConfigMap,
}


def read_document(text: str, file: str = "input") -> tuple[Document, ...]:
    """Give the documents of a YAML text, in order; empty ones are left out.

    Raises UsageError: not YAML, too large, nothing in it, a kind that is not ours, or a field that is wrong.
    """
    size = len(text.encode(errors="surrogatepass"))
    if size > MAX_BYTES:
        raise UsageError(
            f"{file}: {size} bytes, more than the {MAX_BYTES} a document may have. Put long SQL into a ConfigMap."
        )
    documents: list[Document] = []
    for number, node in enumerate(_nodes(text, file), start=1):
        where = f"{file}, document {number}"
        _refuse_bombs(node, where)
        plain = _construct(node, where)
        if plain is not None:
            documents.append(_document(plain, node, where))
    if not documents:
        raise UsageError(f"{file}: there is no document in it. Expected {_expected()}.")
    return tuple(documents)


def _expected() -> str:
    return f"a DatabaseMigration or MigrationTarget (apiVersion: {API_VERSION}), or a {BLOCK} block"


class _Loader(yaml.SafeLoader):
    """SafeLoader that refuses a key given twice, and keys that are not text."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: dict[str, int] = {}
        for key, _ in node.value:
            line = key.start_mark.line + 1
            if key.tag == "tag:yaml.org,2002:merge":
                continue
            if not isinstance(key, yaml.ScalarNode) or key.tag != "tag:yaml.org,2002:str":
                written = key.value if isinstance(key, yaml.ScalarNode) else "a list or mapping"
                raise _Bad(line, f"the key {written} is no text to YAML. Put it in quotes.")
            if key.value in seen:
                raise _Bad(line, f"the key {key.value} is given twice, first in line {seen[key.value]}. Keep one.")
            seen[key.value] = line
        return super().construct_mapping(node, deep=deep)


class _Bad(Exception):
    """Carries a place and a sentence to where the file's name is known."""

    def __init__(self, line: int, sentence: str) -> None:
        super().__init__(sentence)
        self.line = line
        self.sentence = sentence


def _nodes(text: str, file: str) -> list[yaml.Node]:
    nul = text.find("\0")
    if nul >= 0:
        raise UsageError(f"{file}, line {text.count(chr(10), 0, nul) + 1}: there is a NUL byte in the text. Remove it.")
    try:
        return [n for n in yaml.compose_all(text, Loader=_Loader) if n is not None]
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f", line {mark.line + 1}" if mark is not None else ""
        raise UsageError(f"{file}{line}: this is not YAML: {error.problem or error.context}.") from None
    except yaml.reader.ReaderError as error:
        at = text.count("\n", 0, error.position) + 1
        raise UsageError(
            f"{file}, line {at}: a character there may not stand in YAML ({error.reason}). Remove it."
        ) from None
    except RecursionError:
        raise UsageError(f"{file}: it is nested too deeply to be a migration.") from None


def _refuse_bombs(root: yaml.Node, where: str) -> None:
    """Count the values with aliases unfolded. Not recursive; a node inside itself is refused."""
    sizes: dict[int, int] = {}
    open_nodes: set[int] = set()
    waiting: list[tuple[yaml.Node, bool]] = [(root, False)]
    while waiting:
        node, done = waiting.pop()
        below = _below(node)
        if done:
            open_nodes.discard(id(node))
            sizes[id(node)] = 1 + sum(sizes[id(b)] for b in below)
            if sizes[id(node)] > MAX_NODES:
                raise UsageError(f"{where}: more than {MAX_NODES} values once its aliases are unfolded. Write less.")
        elif id(node) in open_nodes:
            line = node.start_mark.line + 1
            raise UsageError(f"{where}, line {line}: an alias stands inside its own anchor. Write the value out.")
        elif id(node) not in sizes:
            open_nodes.add(id(node))
            waiting.append((node, True))
            waiting.extend((b, False) for b in below)


def _below(node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        return [n for pair in node.value for n in pair]
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []


def _construct(node: yaml.Node, where: str) -> Any:
    loader = _Loader("")
    try:
        return loader.construct_document(node)
    except _Bad as bad:
        raise UsageError(f"{where}, line {bad.line}: {bad.sentence}") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f", line {mark.line + 1}" if mark is not None else ""
        raise UsageError(f"{where}{line}: {error.problem or error.context}.") from None
    except (ValueError, OverflowError) as error:  # a date or number that cannot be
        raise UsageError(f"{where}: a value cannot be read: {error}. Put it in quotes if it is text.") from None
    except RecursionError:
        raise UsageError(f"{where}: it is nested too deeply to be a migration.") from None
    finally:
        loader.dispose()


def _document(plain: Any, node: yaml.Node, where: str) -> Document:
    if not isinstance(plain, dict):
        raise UsageError(f"{where}: expected {_expected()}.")
    if BLOCK in plain:
        others = sorted(set(plain) - {BLOCK})
        if others:
            raise UsageError(f"{where}: {others[0]} stands beside {BLOCK}; that block is a document of its own.")
        return _orchestration(plain[BLOCK], node, where)
    kind = plain.get("kind")
    model = _KINDS.get(kind) if isinstance(kind, str) else None
    if model is None:
        found = f"kind: {kind}" if kind is not None else "neither kind nor that block"
        raise UsageError(f"{where}: expected {_expected()}; found {found}.")
    found_document: Document = _validate(model, plain, node, where, ())
    return found_document


def _orchestration(plain: Any, node: yaml.Node, where: str) -> Orchestration:
    document: Orchestration = _validate(Orchestration, plain, node, where, (BLOCK,))
    try:
        to_migration(document)
    except UsageError as error:
        raise UsageError(f"{where}: {BLOCK}.{error.message}") from None
    return document


def _validate(model: type[BaseModel], plain: Any, node: yaml.Node, where: str, prefix: tuple[str, ...]) -> Any:
    def locate(loc: Sequence[str | int]) -> Place | None:
        return _place(node, (*prefix, *loc))

    try:
        return model.model_validate(plain)
    except ValidationError as error:
        said = explain(error, model, prefix=prefix, locate=locate)
        raise UsageError(f"{where}, {said[0]}" if len(said) == 1 else f"{where}:\n  " + "\n  ".join(said)) from None


def _place(node: yaml.Node, loc: Sequence[str | int]) -> Place | None:
    """Find a field in the text; for one that is not there, what would hold it."""
    for part in loc:
        if isinstance(node, yaml.MappingNode):
            below = next((v for k, v in node.value if k.value == part), None)
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            below = node.value[part]
        else:
            below = None
        if below is None:
            return Place(node.start_mark.line + 1, None)
        node = below
    written = node.value if isinstance(node, yaml.ScalarNode) else None
    return Place(node.start_mark.line + 1, written)
