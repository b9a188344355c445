"""Facts from outside: strict, typed, bounded; ill-typed input is refused with the fact's path (DESIGN section 5)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from policyengine.decision.messages import found
from policyengine.errors import PolicyEngineError, quoted
from policyengine.model.canonical import MAX_INTEGER
from policyengine.model.facts import Facts, Provenance, Source
from policyengine.model.ids import DeviceId, Digest, InvalidNameError, device_id, digest
from policyengine.model.schema import FactSchema, UnknownFactError
from policyengine.model.times import InvalidTimeError, parse_duration, parse_timestamp
from policyengine.model.types import Kind, Type

MAX_TEXT = 65_536  # characters of one fact; a certificate subject or log line is far shorter
MAX_ITEMS = 4096  # of a list or map whose declaration names no bound
MAX_PROVENANCE = 256

_SOURCES = {source.name.lower(): source for source in Source}
_DOCUMENT_KEYS = frozenset({"device_id", "facts", "provenance"})
_PROVENANCE_KEYS = frozenset({"source", "observed_at", "received_at", "evidence_digest", "complete"})


class FactError(PolicyEngineError):
    """Facts that cannot be believed to be facts; `code` says why and `path` where.

    Codes: `facts.shape`, `facts.undeclared`, `facts.type`, `facts.bound`, `facts.text`, `facts.number`, `facts.time`,
    `facts.source`, `facts.provenance`, `facts.device-id`.
    """

    code = "facts.invalid"

    def __init__(self, message: str, *, code: str, path: str) -> None:
        super().__init__(message, path=path)
        self.code, self.path = code, path


def read_facts(document: object, *, schema: FactSchema) -> Facts:
    """Return the facts of the facts file `document` (parsed JSON, DESIGN section 11); raises FactError."""
    outer = _object(document, "", _DOCUMENT_KEYS)
    missing = sorted(_DOCUMENT_KEYS - outer.keys())
    if missing:
        raise FactError(f"key `{missing[0]}` is missing", code="facts.shape", path="")
    values = _groups(outer["facts"], schema)
    provenance = _provenances(outer["provenance"], schema)
    _check_covered(values, provenance)
    return Facts(device_id=_device(outer["device_id"], values), values=values, provenance=provenance)


def _object(value: object, path: str, allowed: frozenset[str] | None = None) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise FactError("an object is expected", code="facts.shape" if allowed else "facts.type", path=path)
    for key in value:
        if allowed is not None and key not in allowed:
            raise FactError(f"key {quoted(key)} is not known here", code="facts.shape", path=path)
    return value


def _device(value: object, values: Mapping[str, object]) -> DeviceId:
    if not isinstance(value, str):
        raise FactError("device_id is not text", code="facts.device-id", path="device_id")
    try:
        name = device_id(value)
    except InvalidNameError as cause:
        raise FactError(cause.message, code="facts.device-id", path="device_id") from cause
    own = found(values, "device.id")
    if own is not None and own != name:
        raise FactError("device.id differs from device_id", code="facts.device-id", path="device.id")
    return name


def _groups(value: object, schema: FactSchema) -> dict[str, object]:
    read: dict[str, object] = {}
    for name, content in _object(value, "facts").items():
        declared = schema.roots.get(name)
        if declared is None:
            raise FactError(f"fact {quoted(name)} is not declared", code="facts.undeclared", path=_safe(name))
        read[name] = _Reader(schema).value(content, declared.type, name, declared.maximum)
    return read


def _safe(path: str) -> str:
    return path[:128].encode("ascii", "backslashreplace").decode()


class _Reader:
    """Reads values by their declared types."""

    def __init__(self, schema: FactSchema) -> None:
        self._schema = schema

    def value(self, value: object, kind: Type, path: str, maximum: int | None) -> object:
        """Return `value` as a fact of type `kind`; raises FactError."""
        scalar = _SCALARS.get(kind.kind)
        if scalar is not None:
            return scalar(value, path)
        if kind.kind is Kind.STRUCT:
            return self._struct(value, kind, path)
        if kind.kind is Kind.LIST:
            return self._list(value, kind, path, maximum)
        if kind.kind is Kind.MAP:
            return self._map(value, kind, path, maximum)
        raise FactError(f"a fact cannot have type {kind.kind.value}", code="facts.type", path=path)

    def _struct(self, value: object, kind: Type, path: str) -> dict[str, object]:
        fields, read = self._schema.structs[kind.name], dict[str, object]()
        for name, content in _object(value, path).items():
            declared = fields.get(name)
            if declared is None:
                raise FactError(
                    f"fact {quoted(name)} is not declared", code="facts.undeclared", path=f"{path}.{_safe(name)}"
                )
            read[name] = self.value(content, declared.type, f"{path}.{name}", declared.maximum)
        return read

    def _list(self, value: object, kind: Type, path: str, maximum: int | None) -> tuple[object, ...]:
        if not isinstance(value, list | tuple):
            raise FactError("a list is expected", code="facts.type", path=path)
        _check_count(len(value), maximum, path)
        element = kind.parameters[0]
        return tuple(self.value(item, element, f"{path}[{at}]", None) for at, item in enumerate(value))

    def _map(self, value: object, kind: Type, path: str, maximum: int | None) -> dict[str, object]:
        content = _object(value, path)
        _check_count(len(content), maximum, path)
        element = kind.parameters[1]
        return {
            _text(key, path): self.value(item, element, f"{path}.{_safe(key)}", None) for key, item in content.items()
        }


def _check_count(count: int, maximum: int | None, path: str) -> None:
    limit = maximum or MAX_ITEMS
    if count > limit:
        raise FactError(f"{count} items, the limit is {limit}", code="facts.bound", path=path)


def _text(value: object, path: str) -> str:
    if not isinstance(value, str):
        raise FactError("text is expected", code="facts.type", path=path)
    if len(value) > MAX_TEXT:
        raise FactError(f"the text is longer than {MAX_TEXT} characters", code="facts.bound", path=path)
    if "\0" in value:
        raise FactError("the text holds a NUL character", code="facts.text", path=path)
    if not value.isascii() and any("\ud800" <= sign <= "\udfff" for sign in value):
        raise FactError("the text holds a lone surrogate", code="facts.text", path=path)
    return value


def _bool(value: object, path: str) -> bool:
    if value is True or value is False:
        return value
    raise FactError("true or false is expected", code="facts.type", path=path)


def _int(value: object, path: str) -> int:
    if type(value) is not int:
        raise FactError("a whole number is expected", code="facts.type", path=path)
    if abs(value) > MAX_INTEGER:
        raise FactError("the number is beyond 2^53 - 1", code="facts.number", path=path)
    return value


def _double(value: object, path: str) -> float:
    if type(value) is int:
        return float(_int(value, path))
    if not isinstance(value, float):
        raise FactError("a number is expected", code="facts.type", path=path)
    if not math.isfinite(value):
        raise FactError("the number is not finite", code="facts.number", path=path)
    return value


def _timestamp(value: object, path: str) -> datetime:
    if isinstance(value, datetime) and value.tzinfo is not None:
        return value
    try:
        return parse_timestamp(_text(value, path))
    except InvalidTimeError as cause:
        raise FactError(cause.message, code="facts.time", path=path) from cause


def _duration(value: object, path: str) -> timedelta:
    if isinstance(value, timedelta):
        return value
    try:
        return parse_duration(_text(value, path))
    except InvalidTimeError as cause:
        raise FactError(cause.message, code="facts.time", path=path) from cause


_SCALARS: Mapping[Kind, Callable[[object, str], object]] = {
    Kind.BOOL: _bool,
    Kind.INT: _int,
    Kind.DOUBLE: _double,
    Kind.STRING: _text,
    Kind.VERSION: _text,
    Kind.TIMESTAMP: _timestamp,
    Kind.DURATION: _duration,
}


def _provenances(value: object, schema: FactSchema) -> dict[str, Provenance]:
    entries = _object(value, "provenance")
    if len(entries) > MAX_PROVENANCE:
        raise FactError(f"{len(entries)} entries, the limit is {MAX_PROVENANCE}", code="facts.bound", path="provenance")
    return {_prefix(path, schema): _provenance(entry, path) for path, entry in entries.items()}


def _prefix(path: str, schema: FactSchema) -> str:
    """Return `path` if facts or groups stand below it; a list or map has one provenance as a whole."""
    if path == "":
        return path
    steps = tuple(path.split("."))
    try:
        schema.field(steps)
        outer = [schema.type_of(steps[:size]).kind for size in range(1, len(steps))]
    except UnknownFactError as cause:
        raise FactError(
            "no fact is declared at this path", code="facts.undeclared", path=f"provenance.{_safe(path)}"
        ) from cause
    if any(kind is not Kind.STRUCT for kind in outer):
        raise FactError("the path goes into a list or map", code="facts.provenance", path=f"provenance.{_safe(path)}")
    return path


def _provenance(value: object, path: str) -> Provenance:
    where = f"provenance.{_safe(path)}" if path else "provenance"
    entry = _object(value, where, _PROVENANCE_KEYS)
    source = entry.get("source")
    if not isinstance(source, str) or source not in _SOURCES:
        raise FactError(f"source is not one of {', '.join(_SOURCES)}", code="facts.source", path=where)
    if "observed_at" not in entry:
        raise FactError("observed_at is missing", code="facts.provenance", path=where)
    return Provenance(
        source=_SOURCES[source],
        observed_at=_timestamp(entry["observed_at"], f"{where}.observed_at"),
        received_at=_timestamp(entry["received_at"], f"{where}.received_at") if "received_at" in entry else None,
        evidence_digest=_evidence(entry["evidence_digest"], where) if "evidence_digest" in entry else None,
        complete=_bool(entry.get("complete", False), f"{where}.complete"),
    )


def _evidence(value: object, where: str) -> Digest:
    try:
        return digest(_text(value, where))
    except InvalidNameError as cause:
        raise FactError(cause.message, code="facts.provenance", path=where) from cause


def _check_covered(values: Mapping[str, object], provenance: Mapping[str, Provenance]) -> None:
    if "" in provenance:
        return
    for name, value in values.items():
        _check_below(name, value, provenance)


def _check_below(path: str, value: object, provenance: Mapping[str, Provenance]) -> None:
    if path in provenance:
        return
    if not isinstance(value, dict) or not any(key.startswith(path + ".") for key in provenance):
        raise FactError("the fact has no provenance", code="facts.provenance", path=path)
    for name, inner in value.items():
        _check_below(f"{path}.{_safe(name)}", inner, provenance)
