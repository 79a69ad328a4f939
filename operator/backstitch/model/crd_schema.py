# SPDX-License-Identifier: Apache-2.0
"""How does a pydantic model become a structural schema that the API server takes? Called by model/crd.py.

The rules are those that were tried on a real API server: references inlined, Optional without null, closed unions
only, a bound on every string, list and map (else the estimated cost of CEL rules is refused), and no default anywhere
below `spec`: Argo CD compares lists whole and would show a server-filled default as out of sync for ever.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from pydantic import BaseModel

Schema = dict[str, Any]

MAX_STRING, MAX_ITEMS, MAX_PROPERTIES = 1000, 100, 100
"""Bounds where the model gives none."""

_DROPPED = frozenset(
    {"title", "examples", "deprecated", "readOnly", "writeOnly", "discriminator", "propertyNames", "$defs"}
)
_BOUNDED_BY_FORMAT = frozenset({"date-time", "date", "time", "duration"})


class NotStructural(TypeError):
    """A model says what a CRD cannot: a union, a recursion. The message names the place."""


def structural(model: type[BaseModel], *, extend: Callable[[str, Schema], None] | None = None) -> Schema:
    """Give the structural schema of a model.

    `extend(name, schema)` may add to the schema of each class (by its name), such as a rule. Raises NotStructural.
    """
    whole = model.model_json_schema(by_alias=True, mode="validation")
    definitions: Mapping[str, Schema] = whole.get("$defs", {})
    schema = _Converter(definitions, extend).convert(whole, model.__name__, ())
    if extend is not None:
        extend(model.__name__, schema)
    return schema


class _Converter:
    def __init__(self, definitions: Mapping[str, Schema], extend: Callable[[str, Schema], None] | None) -> None:
        self._definitions = definitions
        self._extend = extend

    def convert(self, given: Schema, path: str, open_refs: tuple[str, ...]) -> Schema:
        node = {key: value for key, value in given.items() if key not in _DROPPED}
        if "$ref" in node:
            return self._inline(node, path, open_refs)
        if len(node.get("allOf", [])) == 1:
            only = node.pop("allOf")[0]
            return self.convert({**only, **node}, path, open_refs)
        if "anyOf" in node or "oneOf" in node:
            return self._union(node, path, open_refs)
        _say_the_same_in_openapi(node)
        match node.get("type"):
            case "object":
                self._object(node, path, open_refs)
            case "array":
                self._array(node, path, open_refs)
            case "string":
                if "enum" in node:
                    node.setdefault("maxLength", max(len(value) for value in node["enum"]))
                elif node.get("format") not in _BOUNDED_BY_FORMAT:
                    node.setdefault("maxLength", MAX_STRING)
            case "integer":
                node.setdefault("format", "int64")
            case None if "x-kubernetes-preserve-unknown-fields" not in node:
                node["x-kubernetes-preserve-unknown-fields"] = True  # Any
        _drop_bounds_of_other_types(node)
        return node

    def _inline(self, node: Schema, path: str, open_refs: tuple[str, ...]) -> Schema:
        name = node.pop("$ref").rpartition("/")[2]
        if name in open_refs:
            raise NotStructural(f"{path}: {name} contains itself; a CRD cannot say that. Model it without recursion.")
        schema = self.convert({**self._definitions[name], **node}, path, (*open_refs, name))
        if self._extend is not None:
            self._extend(name, schema)
        return schema

    def _union(self, node: Schema, path: str, open_refs: tuple[str, ...]) -> Schema:
        members = [m for m in node.pop("anyOf", None) or node.pop("oneOf") if m.get("type") != "null"]
        if node.get("default", ...) is None:
            del node["default"]
        if len(members) == 1:
            return self.convert({**members[0], **node}, path, open_refs)
        if {m.get("type") for m in members} == {"integer", "string"} and len(members) == 2:
            text = next(m for m in members if m["type"] == "string")
            number = next(m for m in members if m["type"] == "integer")
            kept = {k: text[k] for k in ("pattern", "maxLength", "minLength") if k in text}
            kept |= {k: number[k] for k in ("minimum", "maximum") if k in number}
            return {**node, **kept, "x-kubernetes-int-or-string": True}
        raise NotStructural(
            f"{path}: a CRD has no unions but integer or string. Use a struct with optional members, one of them set."
        )

    def _object(self, node: Schema, path: str, open_refs: tuple[str, ...]) -> None:
        if "properties" in node:
            node.pop("additionalProperties", None)
            node["properties"] = {
                name: self.convert(value, f"{path}.{name}", open_refs) for name, value in node["properties"].items()
            }
            return
        values = node.pop("additionalProperties", None)
        if isinstance(values, dict) and values:
            node["additionalProperties"] = self.convert(values, f"{path}.*", open_refs)
            node.setdefault("maxProperties", MAX_PROPERTIES)
        elif values is not False:
            node["x-kubernetes-preserve-unknown-fields"] = True
        else:
            node["maxProperties"] = 0  # an operation without fields, written as {}

    def _array(self, node: Schema, path: str, open_refs: tuple[str, ...]) -> None:
        if "prefixItems" in node:
            raise NotStructural(f"{path}: a CRD has no tuples. Use a list of one kind of value.")
        node["items"] = self.convert(node.get("items", {}), f"{path}[]", open_refs)
        node.setdefault("maxItems", MAX_ITEMS)
        if node.pop("uniqueItems", False):
            node["x-kubernetes-list-type"] = "set"
        for key in ("name", "type"):
            if _is_key(node["items"], key) and "x-kubernetes-list-type" not in node:
                node["x-kubernetes-list-type"] = "map"
                node["x-kubernetes-list-map-keys"] = [key]
        node.setdefault("x-kubernetes-list-type", "atomic")
        without_defaults(node["items"])


def _is_key(item: Schema, key: str) -> bool:
    """Tell whether a list of these is a map by that field: named things, and conditions by their type.

    A thing that is nothing but a name (a reference) is no such thing: naming it twice is harmless.
    """
    properties = item.get("properties", {})
    if key not in item.get("required", []) or properties[key].get("type") != "string":
        return False
    return len(properties) > 1 if key == "name" else "lastTransitionTime" in properties


def without_defaults(schema: Schema) -> None:
    """Take the defaults out of a schema and everything below it; pydantic fills them in at read time."""
    schema.pop("default", None)
    for child in children(schema):
        without_defaults(child)


def children(schema: Schema) -> list[Schema]:
    """Give the schemas directly below this one."""
    below = list(schema.get("properties", {}).values())
    below += [schema[key] for key in ("items", "additionalProperties") if isinstance(schema.get(key), dict)]
    return below


def _say_the_same_in_openapi(node: Schema) -> None:
    """JSON schema's words that OpenAPI v3.0 does not have, said in its own."""
    if "const" in node:
        node["enum"] = [node.pop("const")]
    if node.get("default", ...) is None:
        del node["default"]
    for bound, plain in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        if isinstance(node.get(bound), int | float):
            node[plain], node[bound] = node[bound], True


def _drop_bounds_of_other_types(node: Schema) -> None:
    """A `max_length` on `Any` or a custom type leaks into JSON schema where it means nothing."""
    fits = {
        "string": {"maxLength", "minLength", "pattern"},
        "array": {"maxItems", "minItems"},
        "object": {"maxProperties", "minProperties"},
    }
    if node.get("x-kubernetes-int-or-string"):
        return
    for kind, bounds in fits.items():
        if node.get("type") != kind:
            for bound in bounds & node.keys():
                del node[bound]


def missing_descriptions(schema: Schema, path: str = "") -> list[str]:
    """Give the paths of all fields below this schema that have no description."""
    missing = []
    for name, field in schema.get("properties", {}).items():
        here = f"{path}.{name}" if path else name
        if not field.get("description", "").strip():
            missing.append(here)
        missing += missing_descriptions(field, here)
    for key, suffix in (("items", "[]"), ("additionalProperties", ".*")):
        if isinstance(schema.get(key), dict):
            missing += missing_descriptions(schema[key], path + suffix)
    return missing


def one_line(text: str) -> str:
    """Give a description as one line, as kubectl explain wraps it itself."""
    return re.sub(r"\s+", " ", text).strip()
