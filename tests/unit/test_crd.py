# SPDX-License-Identifier: Apache-2.0
"""Are the CRDs what the models say, fresh, and structural? The API server's own opinion is in tests/cluster."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pytest
import yaml
from pydantic import BaseModel, Field

from backstitch.model import crd_schema
from backstitch.model.checks import KINDS as CHECK_KINDS
from backstitch.model.crd import KINDS, MIGRATION, crd_files, make_crd
from backstitch.model.crd_schema import MAX_STRING, NotStructural, Schema, children, missing_descriptions, structural
from backstitch.model.operations import OPERATIONS

CRDS = Path(__file__).parents[2] / "crds"


def schema_of(kind: Any) -> Schema:
    schema: Schema = make_crd(kind)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return schema


def walk(schema: Schema) -> Iterator[Schema]:
    yield schema
    for child in children(schema):
        yield from walk(child)


@pytest.mark.parametrize("name", crd_files())
def test_the_file_is_what_the_generator_gives(name: str) -> None:
    """Stale? Run `backstitch crd --write crds`."""
    assert (CRDS / name).read_text() == crd_files()[name]


def test_there_is_no_other_file() -> None:
    assert {path.name for path in CRDS.iterdir()} == set(crd_files())


@pytest.mark.parametrize("kind", KINDS, ids=lambda k: k.kind)
def test_every_field_has_a_description(kind: Any) -> None:
    properties = schema_of(kind)["properties"]
    assert missing_descriptions(properties["spec"], "spec") == []
    assert missing_descriptions(properties.get("status", {}), "status") == []


@pytest.mark.parametrize("kind", KINDS, ids=lambda k: k.kind)
def test_everything_that_can_grow_has_a_bound(kind: Any) -> None:
    properties = schema_of(kind)["properties"]
    for node in [*walk(properties["spec"]), *walk(properties.get("status", {}))]:
        if node.get("type") == "string":
            assert "maxLength" in node or node.get("format") == "date-time", node
        if node.get("type") == "array":
            assert "maxItems" in node, node
        if "additionalProperties" in node:
            assert "maxProperties" in node, node


def test_every_bound_is_the_models_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the models take what the server refuses, and `backstitch lint` says fine to what cannot be applied."""
    before = [make_crd(kind) for kind in KINDS]
    for bound in ("MAX_STRING", "MAX_ITEMS", "MAX_PROPERTIES"):
        monkeypatch.setattr(crd_schema, bound, 7777)
    assert [make_crd(kind) for kind in KINDS] == before


@pytest.mark.parametrize("kind", KINDS, ids=lambda k: k.kind)
def test_nothing_below_spec_has_a_default(kind: Any) -> None:
    """Argo CD compares lists whole: a default filled in by the server would be a difference for ever."""
    assert [node for node in walk(schema_of(kind)["properties"]["spec"]) if "default" in node] == []


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.status], ids=lambda k: k.kind)
def test_a_new_object_is_not_taken_for_a_finished_one(kind: Any) -> None:
    assert schema_of(kind)["properties"]["status"]["default"] == {"observedGeneration": -1}


@pytest.mark.parametrize("kind", KINDS, ids=lambda k: k.kind)
def test_the_text_has_no_anchors_and_only_words_of_openapi(kind: Any) -> None:
    text = crd_files()[f"backstitch.dev_{kind.plural}.yaml"]
    assert "&id" not in text
    assert yaml.safe_load(text) == make_crd(kind)
    unknown = {"$ref", "$defs", "const", "anyOf", "title", "propertyNames", "discriminator", "uniqueItems"}
    for node in walk(schema_of(kind)):
        assert not unknown & node.keys()


def test_every_operation_and_every_check_can_be_written() -> None:
    spec = schema_of(MIGRATION)["properties"]["spec"]
    step = spec["properties"]["phases"]["items"]["properties"]["steps"]["items"]
    check = spec["properties"]["checks"]["items"]
    assert set(OPERATIONS) <= set(step["properties"])
    assert set(CHECK_KINDS) <= set(check["properties"])
    rules = [rule["rule"] for rule in step["x-kubernetes-validations"]]
    assert any(all(f"has(self.{word})" in rule for word in OPERATIONS) for rule in rules)


def test_named_things_are_maps_by_name() -> None:
    spec = schema_of(MIGRATION)["properties"]["spec"]["properties"]
    steps = spec["phases"]["items"]["properties"]["steps"]
    for named in (spec["phases"], steps, spec["checks"]):
        assert named["x-kubernetes-list-type"] == "map"
        assert named["x-kubernetes-list-map-keys"] == ["name"]
    assert spec["dependsOn"]["x-kubernetes-list-type"] == "atomic"


class Inner(BaseModel):
    """Something inside."""

    name: str = Field(description="Name.")
    size: int | str = Field(default=1, description="A number or a percentage.")


class Outer(BaseModel):
    """Something with all that pydantic writes and a CRD cannot have."""

    inner: Inner | None = Field(default=None, description="One of these.")
    many: list[Inner] = Field(default_factory=list, description="Several of these.")
    fixed: Literal["one"] = Field(description="Always one.")
    above: float = Field(gt=0, description="A number.")
    by_name: dict[str, int] | None = Field(default=None, description="Numbers.")
    different: set[str] | None = Field(default=None, description="Words.")


def test_optional_unions_constants_and_sets_become_structural() -> None:
    properties = structural(Outer)["properties"]
    assert properties["inner"]["type"] == "object"
    assert properties["inner"]["description"] == "One of these."
    assert "default" not in properties["inner"]
    assert properties["many"]["items"]["properties"]["size"] == {
        "description": "A number or a percentage.",
        "x-kubernetes-int-or-string": True,
    }
    assert properties["many"]["x-kubernetes-list-map-keys"] == ["name"]
    assert properties["fixed"]["enum"] == ["one"]
    assert (properties["above"]["minimum"], properties["above"]["exclusiveMinimum"]) == (0, True)
    assert properties["by_name"]["additionalProperties"]["type"] == "integer"
    assert properties["different"]["x-kubernetes-list-type"] == "set"
    assert properties["different"]["items"]["maxLength"] == MAX_STRING


class Recursive(BaseModel):
    """A thing that holds itself."""

    below: list[Recursive] = Field(default_factory=list, description="More.")


class Either(BaseModel):
    """A union that no CRD can say."""

    value: int | list[str] = Field(description="Either.")


@pytest.mark.parametrize(("model", "said"), [(Recursive, "contains itself"), (Either, "Either.value: a CRD has no")])
def test_what_a_crd_cannot_say_is_an_error_that_names_the_place(model: type[BaseModel], said: str) -> None:
    with pytest.raises(NotStructural, match=said):
        structural(model)
