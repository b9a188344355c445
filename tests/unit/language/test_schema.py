from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from policyengine.language.schema import KINDS, schema_text
from tests.unit.language.repository import base, compiled

ALL = (*KINDS, "common")


def parts(schema: Any) -> Iterator[dict[str, Any]]:
    if isinstance(schema, dict):
        yield schema
        for value in schema.values():
            yield from parts(value)
    if isinstance(schema, list):
        for value in schema:
            yield from parts(value)


@pytest.mark.parametrize("name", ALL)
def test_a_schema_is_valid_json_schema_2020_12(name: str) -> None:
    Draft202012Validator.check_schema(json.loads(schema_text(name)))


@pytest.mark.parametrize("name", ALL)
def test_every_property_is_described_for_editors(name: str) -> None:
    for part in parts(json.loads(schema_text(name))):
        for key, value in part.get("properties", {}).items() if isinstance(part.get("properties"), dict) else ():
            assert not isinstance(value, dict) or "description" in value, f"{name}: {key}"


@pytest.mark.parametrize("name", ALL)
def test_every_mapping_with_properties_refuses_other_keys(name: str) -> None:
    for part in parts(json.loads(schema_text(name))):
        if isinstance(part.get("properties"), dict) and "type" in part:
            assert "additionalProperties" in part


@pytest.mark.parametrize("name", ALL)
def test_every_reference_between_schemas_leads_somewhere(name: str) -> None:
    shared = json.loads(schema_text("common"))["$defs"]
    for part in parts(json.loads(schema_text(name))):
        if "$ref" in part:
            assert part["$ref"].rpartition("/")[2] in shared


@pytest.mark.parametrize("kind", KINDS)
def test_an_unknown_key_is_refused_in_every_kind(kind: str) -> None:
    path, text = next((path, text) for path, text in base().items() if f"kind: {kind}\n".encode() in text)
    changed = text.replace(b"metadata:", b"colour: red\nmetadata:", 1)
    assert "schema.unknown-key" in [one.code for one in compiled({path: changed}).diagnostics]


def test_a_line_feed_at_the_end_of_a_name_does_not_slip_through() -> None:
    """Python's `$` also matches before a last line feed; ECMA-262's, which JSON Schema means, does not."""
    text = base()["controls/etsi.yaml"].replace(b"{name: etsi}", b'{name: "etsi\\n"}')
    assert "schema.pattern" in [one.code for one in compiled({"controls/etsi.yaml": text}).diagnostics]
