"""Document shapes: JSON Schema 2020-12 per kind, and its errors as diagnostics at the offending key or value.

The schemas are data in language/schemas, the same files that editors use. They share definitions through `$ref` to
common.json; those are put in place once at load, which also halves the time of a validation.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import lru_cache
from importlib import resources
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError
from jsonschema.validators import extend

from policyengine.language.diagnostics import did_you_mean
from policyengine.language.nodes import Document, Fields, Scalar, at, plain
from policyengine.language.schema_errors import diagnostics_of
from policyengine.model.diagnostic import Diagnostic, Level

KINDS = (
    "Binding",
    "CertificateProfile",
    "ControlCatalog",
    "FactSchema",
    "Fleet",
    "Party",
    "Policy",
    "PolicyTest",
    "ReferenceValues",
    "TrustAnchors",
    "Waiver",
)


def _unique_items(_: object, wanted: bool, items: object, __: object) -> Iterator[ValidationError]:  # noqa: FBT001 - called by jsonschema
    """Yield an error if a list has an item twice; in linear time, where jsonschema's own compares every two items."""
    if wanted and isinstance(items, list) and len({(type(item), str(item)) for item in items}) < len(items):
        yield ValidationError("repeated item")


_Validator = extend(Draft202012Validator, {"uniqueItems": _unique_items})  # type: ignore[no-untyped-call]  # the stubs leave it bare
# What the part of a document that was not read may still put right.
_OF_THE_REST = frozenset({"required", "type", "minItems", "minProperties"})
_COMMON = "common.json#/$defs/"
_OWN = "#/$defs/"


def schema_text(name: str) -> str:
    """Return the JSON Schema of a kind (or `common`) as it travels in the wheel."""
    return resources.files("policyengine.language").joinpath("schemas", f"{name}.json").read_text(encoding="utf-8")


def check_shape(document: Document) -> tuple[Diagnostic, ...]:
    """Return what in `document` differs from the shape of its kind."""
    if not isinstance(document.root, Fields):
        if document.cut:
            return ()
        return (_refused(document, "schema.type", "a document must be a mapping of keys", "start with `apiVersion:`"),)
    kind = kind_of(document)
    if kind is None:
        return () if document.cut and at(document.root, "kind") is None else (_unknown_kind(document),)
    found = _validator(kind).iter_errors(plain(document.root))
    if document.cut:
        found = (error for error in found if error.validator not in _OF_THE_REST)
    return tuple(one for error in found for one in diagnostics_of(document, error))


def kind_of(document: Document) -> str | None:
    """Return the document's kind, or None when it is missing or unknown."""
    kind = at(document.root, "kind")
    known = isinstance(kind, Scalar) and isinstance(kind.value, str) and kind.value in KINDS
    return str(kind.value) if known and isinstance(kind, Scalar) else None


def _unknown_kind(document: Document) -> Diagnostic:
    kind = at(document.root, "kind")
    if kind is None:
        return _refused(document, "schema.missing-key", "the key `kind` is missing", "known: " + ", ".join(KINDS))
    shown = str(kind.value)[:80] if isinstance(kind, Scalar) else ""
    return Diagnostic(
        file=document.file,
        line=kind.line,
        column=kind.column,
        code="schema.kind",
        severity=Level.ERROR,
        message=f"there is no kind `{shown}`",
        help=did_you_mean(shown, KINDS),
    )


def _refused(document: Document, code: str, message: str, advice: str) -> Diagnostic:
    place = document.place(document.root)
    return Diagnostic(
        file=place.file,
        line=place.line,
        column=place.column,
        code=code,
        severity=Level.ERROR,
        message=message,
        help=advice,
    )


@lru_cache(maxsize=len(KINDS))
def schema_of(kind: str) -> Mapping[str, Any]:
    """Return the JSON Schema of `kind` with every reference put in place."""
    shared = json.loads(schema_text("common"))["$defs"]
    resolved: Mapping[str, Any] = _resolved(json.loads(schema_text(kind)), shared)
    return resolved


def editor_schema() -> Mapping[str, Any]:
    """Return one JSON Schema (2020-12) for documents of every kind, for editors: `kind` says which shape is meant."""
    shapes = [{"if": {"properties": {"kind": {"const": kind}}}, "then": schema_of(kind)} for kind in KINDS]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A document of a policy repository",
        "type": "object",
        "required": ["apiVersion", "kind", "metadata"],
        "properties": {"kind": {"enum": list(KINDS)}},
        "allOf": shapes,
    }


@lru_cache(maxsize=len(KINDS))
def _validator(kind: str) -> Any:
    return _Validator(schema_of(kind))


def _resolved(schema: Any, shared: Mapping[str, Any]) -> Any:
    """Return `schema` with every `$ref` replaced by what it names; keys beside it win. The schemas have no cycles."""
    if isinstance(schema, list):
        return [_resolved(item, shared) for item in schema]
    if not isinstance(schema, dict):
        return schema
    own = {_strict(key): _resolved(value, shared) for key, value in schema.items() if key != "$ref"}
    if isinstance(own.get("pattern"), str):
        own["pattern"] = _strict(own["pattern"])
    if "$ref" not in schema:
        return own
    name = str(schema["$ref"]).removeprefix(_COMMON).removeprefix(_OWN)
    return {**_resolved(shared[name], shared), **own}


def _strict(pattern: str) -> str:
    r"""Return `pattern` with a final `$` that means the end, as in ECMA-262: Python's also matches before a last LF."""
    return pattern[:-1] + r"\Z" if pattern.endswith("$") and pattern.startswith("^") else pattern
