"""Every body in the OpenAPI description has an example, and each example is one that its schema allows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jsonschema

from api.description import describe
from api.selection import JSON, PART
from tests.unit.api import fakes

DOCUMENT = describe(fakes.application(fakes.services()))
Body = tuple[str, dict[str, Any]]


def bodies() -> Iterator[Body]:
    for path, item in DOCUMENT["paths"].items():
        for method, operation in item.items():
            answers = {status: answer for status, answer in operation["responses"].items() if status.startswith("2")}
            for name, holder in (*answers.items(), ("request", operation.get("requestBody", {}))):
                for media_type, body in holder.get("content", {}).items():
                    if media_type in {JSON, PART}:
                        yield f"{method} {path} {name} {media_type}", body


BODIES = dict(bodies())


def test_every_json_body_has_an_example() -> None:
    """Issue 6 item 3."""
    assert [name for name, body in BODIES.items() if "example" not in body] == []


def test_every_example_is_what_its_schema_allows() -> None:
    wrong = {}
    for name, body in BODIES.items():
        validator = jsonschema.Draft202012Validator(body["schema"] | {"components": DOCUMENT["components"]})
        wrong |= {f"{name}: {error.message}": error.instance for error in validator.iter_errors(body["example"])}
    assert wrong == {}
