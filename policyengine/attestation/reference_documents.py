"""ReferenceValues documents as plain JSON values, for those who verify evidence without a policy repository."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from policyengine.errors import PolicyEngineError, quoted
from policyengine.model.endorsements import ReferenceComponent, ReferenceValues, Release
from policyengine.model.times import InvalidTimeError, parse_moment

MAX_RELEASES = 4096  # a model with weekly releases reaches this in 78 years

_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)


class ReferenceValuesError(PolicyEngineError):
    """A document that is not of kind ReferenceValues; `fields["path"]` says where."""

    code = "reference.invalid"


def reference_values(document: object) -> ReferenceValues:
    """Return the reference values of `document`: kind ReferenceValues, or its `spec` alone.

    A `until` without a time ends at the start of that day, UTC. Raises ReferenceValuesError.
    """
    spec = _spec(document)
    releases = _list(spec, "releases", "spec")
    if len(releases) > MAX_RELEASES:
        raise _invalid(f"more than {MAX_RELEASES} releases", "spec.releases")
    models = tuple(_text(model, f"spec.models[{index}]") for index, model in enumerate(_list(spec, "models", "spec")))
    return ReferenceValues(models=models, releases=tuple(_releases(releases)))


def _spec(document: object) -> Mapping[str, Any]:
    whole = _fields(document, "document")
    if "spec" not in whole:
        return whole
    if whole.get("kind") != "ReferenceValues":
        raise _invalid("the document is not of kind `ReferenceValues`", "kind")
    return _fields(whole["spec"], "spec")


def _releases(releases: list[Any]) -> Iterator[Release]:
    for index, item in enumerate(releases):
        path = f"spec.releases[{index}]"
        fields = _fields(item, path, known={"version", "svn", "components", "corim", "until"})
        yield Release(
            version=_text(fields.get("version"), f"{path}.version"),
            svn=_svn(fields.get("svn"), f"{path}.svn"),
            components=tuple(_components(_list(fields, "components", path), f"{path}.components")),
            corim=_optional_text(fields.get("corim"), f"{path}.corim"),
            until=_moment(fields.get("until"), f"{path}.until"),
        )


def _components(components: list[Any], path: str) -> Iterator[ReferenceComponent]:
    for index, item in enumerate(components):
        fields = _fields(item, f"{path}[{index}]", known={"name", "sha256"})
        sha256 = _text(fields.get("sha256"), f"{path}[{index}].sha256")
        if not _SHA256.fullmatch(sha256):
            raise _invalid("not 64 lowercase hex digits", f"{path}[{index}].sha256")
        yield ReferenceComponent(name=_text(fields.get("name"), f"{path}[{index}].name"), sha256=sha256)


def _fields(value: object, path: str, *, known: frozenset[str] | set[str] = frozenset()) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise _invalid("not a mapping", path)
    unknown = sorted(set(value) - known) if known else []
    if unknown:
        raise _invalid(f"unknown key {quoted(str(unknown[0]))}", path)
    return value


def _list(fields: Mapping[str, Any], key: str, path: str) -> list[Any]:
    value = fields.get(key)
    if not isinstance(value, list):
        raise _invalid("not a list", f"{path}.{key}")
    return value


def _text(value: object, path: str) -> str:
    if isinstance(value, str) and value:
        return value
    raise _invalid("not a text", path)


def _optional_text(value: object, path: str) -> str | None:
    return None if value is None else _text(value, path)


def _svn(value: object, path: str) -> int | None:
    if value is None or (type(value) is int and value >= 0):
        return value
    raise _invalid("not a whole number", path)


def _moment(value: object, path: str) -> datetime | None:
    if value is None:
        return None
    try:
        return parse_moment(_text(value, path))
    except InvalidTimeError as cause:
        raise _invalid("neither a date nor an RFC 3339 time with a zone", path) from cause


def _invalid(reason: str, path: str) -> ReferenceValuesError:
    return ReferenceValuesError(f"reference values: {reason} at `{path}`", path=path)
