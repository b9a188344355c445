"""Facts from outside: strict, typed, bounded; ill-typed input is refused with the fact's path (DESIGN section 5)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from policyengine.decision.facts_json import json_text, trimmed
from policyengine.decision.kept import Kept
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
KEPT_SCHEMAS = 16  # one per bundle in memory
KEPT_TEXTS, MAX_KEPT_TEXT = 512, 8192  # lists of one group kept read, and bytes of one
KEPT_TEXT_BYTES = 1024 * 1024  # of all of them: what is read of a text takes up to 25 times as much, so some 25 MB

_ZERO = 0.0  # makes 0.0 of -0.0: RFC 8785 section 3.2.2.3 writes both `0`, and facts of one name must be one

_SOURCES = {source.name.lower(): source for source in Source}
_DOCUMENT_KEYS = frozenset({"device_id", "facts", "provenance"})
_PROVENANCE_KEYS = frozenset({"source", "observed_at", "received_at", "evidence_digest", "complete", "reporter"})


class FactError(PolicyEngineError):
    """Facts that cannot be believed to be facts; `code` says why and `path` where.

    Codes: `facts.shape`, `facts.undeclared`, `facts.type`, `facts.bound`, `facts.text`, `facts.number`, `facts.time`,
    `facts.source`, `facts.provenance`, `facts.device-id`.
    """

    code = "facts.invalid"

    def __init__(self, message: str, *, code: str, path: _Path) -> None:
        self.code, self.path = code, _dotted(path)
        super().__init__(message, path=self.path)


def read_facts(document: object, *, schema: FactSchema) -> Facts:
    """Return the facts of the facts file `document` (parsed JSON, DESIGN section 11); raises FactError."""
    outer = _object(document, "", _DOCUMENT_KEYS)
    missing = sorted(_DOCUMENT_KEYS - outer.keys())
    if missing:
        raise FactError(f"key `{missing[0]}` is missing", code="facts.shape", path="")
    values = read_groups(outer["facts"], schema=schema)
    return facts_of(outer["device_id"], values, outer["provenance"], schema=schema)


def facts_of(device: object, values: Mapping[str, object], provenance: object, *, schema: FactSchema) -> Facts:
    """Return facts whose groups read_groups returned, with what a facts file says beside them; raises FactError."""
    origins = _provenances(provenance, schema)
    _check_covered(values, origins)
    return Facts(device_id=_device(device, values), values=values, provenance=origins)


def _object(value: object, path: _Path, allowed: frozenset[str] | None = None) -> Mapping[str, object]:
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


def read_groups(value: object, *, schema: FactSchema) -> dict[str, object]:
    """Return the fact groups of the JSON object `value`, for a caller that knows their provenance; raises FactError."""
    readers, read = _readers(schema).groups, dict[str, object]()
    for name, content in _object(value, "facts").items():
        reader = readers.get(name)
        if reader is None:
            raise FactError(f"fact {quoted(name)} is not declared", code="facts.undeclared", path=_safe(name))
        read[name] = reader(content, name)
    return read


def _safe(path: str) -> str:
    return path[:128].encode("ascii", "backslashreplace").decode()


_Path = str | tuple["_Path", str | int]  # a fact's path, put together only for a refusal
_Read = Callable[[object, _Path], object]


def _dotted(path: _Path) -> str:
    if isinstance(path, str):
        return path
    above, step = path
    return f"{_dotted(above)}[{step}]" if isinstance(step, int) else f"{_dotted(above)}.{_safe(step)}"


class _Readers:
    """A reader for each group that a schema declares, made once: looking types up cost more than reading by them."""

    def __init__(self, schema: FactSchema) -> None:
        self._schema = schema
        self.prefixes: set[str] = set()  # paths found to be of facts or groups: as many as are declared
        self.groups = {name: self._group(declared.type, declared.maximum) for name, declared in schema.roots.items()}

    def _group(self, kind: Type, maximum: int | None) -> _Read:
        read = self._of(kind, maximum)
        return _once(read) if kind.kind is Kind.LIST else read

    def _of(self, kind: Type, maximum: int | None) -> _Read:
        scalar = _SCALARS.get(kind.kind)
        if scalar is not None:
            return scalar
        if kind.kind is Kind.STRUCT:
            fields = self._schema.structs[kind.name]
            return _struct({name: self._of(declared.type, declared.maximum) for name, declared in fields.items()})
        if kind.kind is Kind.LIST:
            return _list(self._of(kind.parameters[0], None), maximum or MAX_ITEMS)
        if kind.kind is Kind.MAP:
            return _map(self._of(kind.parameters[1], None), maximum or MAX_ITEMS)
        return _no_fact(kind)


def _struct(fields: Mapping[str, _Read]) -> _Read:
    def read(value: object, path: _Path) -> dict[str, object]:
        found: dict[str, object] = {}
        for name, content in _object(value, path).items():
            field = fields.get(name)
            if field is None:
                raise FactError(f"fact {quoted(name)} is not declared", code="facts.undeclared", path=(path, name))
            found[name] = field(content, (path, name))
        return found

    return read


def _list(element: _Read, limit: int) -> _Read:
    def read(value: object, path: _Path) -> tuple[object, ...]:
        if not isinstance(value, list | tuple):
            raise FactError("a list is expected", code="facts.type", path=path)
        _check_count(len(value), limit, path)
        return tuple([element(item, (path, at)) for at, item in enumerate(value)])

    return read


def _once(read: _Read) -> _Read:
    """Return `read` for what many devices say alike, as the list of their software: each text is read once.

    INVARIANT: what `read` makes of a value follows from its JSON text, and nothing changes facts that were read.
    """
    known = Kept[bytes, object](entries=KEPT_TEXTS, size=KEPT_TEXT_BYTES)

    def remembering(value: object, path: _Path) -> object:
        text = json_text(value)
        if text is None or len(text) > MAX_KEPT_TEXT:
            return read(value, path)
        found = known.get(text)
        if found is None:
            found = read(value, path)
            known.keep(trimmed(text), found, len(text))
        return found

    return remembering


def _map(element: _Read, limit: int) -> _Read:
    def read(value: object, path: _Path) -> dict[str, object]:
        content = _object(value, path)
        _check_count(len(content), limit, path)
        return {_text(key, path): element(item, (path, key)) for key, item in content.items()}

    return read


def _no_fact(kind: Type) -> _Read:
    def read(_value: object, path: _Path) -> object:
        raise FactError(f"a fact cannot have type {kind.kind.value}", code="facts.type", path=path)

    return read


def _readers(schema: FactSchema) -> _Readers:
    known = _READERS.get(id(schema))
    if known is None or known[0] is not schema:
        if len(_READERS) >= KEPT_SCHEMAS:
            _READERS.clear()
        known = _READERS[id(schema)] = (schema, _Readers(schema))
    return known[1]


# By identity: a schema is a frozen value, made once per bundle, and too large to be hashed for each device.
_READERS: dict[int, tuple[FactSchema, _Readers]] = {}


def _check_count(count: int, limit: int, path: _Path) -> None:
    if count > limit:
        raise FactError(f"{count} items, the limit is {limit}", code="facts.bound", path=path)


def _text(value: object, path: _Path) -> str:
    if not isinstance(value, str):
        raise FactError("text is expected", code="facts.type", path=path)
    if len(value) > MAX_TEXT:
        raise FactError(f"the text is longer than {MAX_TEXT} characters", code="facts.bound", path=path)
    if "\0" in value:
        raise FactError("the text holds a NUL character", code="facts.text", path=path)
    if not value.isascii() and any("\ud800" <= sign <= "\udfff" for sign in value):
        raise FactError("the text holds a lone surrogate", code="facts.text", path=path)
    return value


def _bool(value: object, path: _Path) -> bool:
    if value is True or value is False:
        return value
    raise FactError("true or false is expected", code="facts.type", path=path)


def _int(value: object, path: _Path) -> int:
    if type(value) is not int:
        raise FactError("a whole number is expected", code="facts.type", path=path)
    if abs(value) > MAX_INTEGER:
        raise FactError("the number is beyond 2^53 - 1", code="facts.number", path=path)
    return value


def _double(value: object, path: _Path) -> float:
    if type(value) is int:
        return float(_int(value, path))
    if not isinstance(value, float):
        raise FactError("a number is expected", code="facts.type", path=path)
    if not math.isfinite(value):
        raise FactError("the number is not finite", code="facts.number", path=path)
    return value + _ZERO


def _timestamp(value: object, path: _Path) -> datetime:
    if isinstance(value, datetime) and value.tzinfo is not None:
        return value
    try:
        return parse_timestamp(_text(value, path))
    except InvalidTimeError as cause:
        raise FactError(cause.message, code="facts.time", path=path) from cause


def _duration(value: object, path: _Path) -> timedelta:
    if isinstance(value, timedelta):
        return value
    try:
        return parse_duration(_text(value, path))
    except InvalidTimeError as cause:
        raise FactError(cause.message, code="facts.time", path=path) from cause


_SCALARS: Mapping[Kind, _Read] = {
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
    read: dict[int, Provenance] = {}  # stored facts share one entry among all the paths it is for
    found, prefixes = {}, _readers(schema).prefixes
    for path, entry in entries.items():
        known = read.get(id(entry))
        if known is None:
            known = read[id(entry)] = _provenance(entry, path)
        if path not in prefixes:
            _check_prefix(path, schema)
            prefixes.add(path)
        found[path] = known
    return found


def _check_prefix(path: str, schema: FactSchema) -> None:
    """Raise FactError unless facts or groups stand below `path`; a list or map has one provenance as a whole."""
    if path == "":
        return
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
        reporter=_reporter(entry["reporter"], where) if "reporter" in entry else None,
    )


def _reporter(value: object, where: str) -> DeviceId:
    try:
        return device_id(_text(value, where))
    except InvalidNameError as cause:
        raise FactError(cause.message, code="facts.provenance", path=where) from cause


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
