"""Types as JSON documents and back: `"bool"`, `{"list": "string"}`, `{"map": ["string", "int"]}`."""

from __future__ import annotations

from policyengine.errors import PolicyEngineError
from policyengine.model.types import Kind, Type

_PARAMETERS = {Kind.LIST: 1, Kind.OPTIONAL: 1, Kind.MAP: 2}
_NAMED = (Kind.STRUCT, Kind.ABSTRACT)
MAX_DEPTH = 32


class ExpressionDocumentError(PolicyEngineError):
    """A stored expression or type that is not what we write; `path` says where."""

    code = "bundle.expression"

    def __init__(self, message: str, *, path: str) -> None:
        super().__init__(f"{message} at `{path}`", path=path)


def type_to_document(kind: Type) -> object:
    """Return the JSON form of `kind`; it is canonical: equal types give equal documents."""
    name = kind.kind.value
    inner = [type_to_document(parameter) for parameter in kind.parameters]
    if kind.kind in _NAMED:
        return {name: [kind.name, *inner]}
    if kind.kind in _PARAMETERS:
        return {name: inner}
    return name


def type_from_document(document: object, path: str = "type", depth: int = 0) -> Type:
    """Return the type that `document` stands for; raises ExpressionDocumentError."""
    if depth > MAX_DEPTH:
        raise ExpressionDocumentError("type nests too deeply", path=path)
    if isinstance(document, str):
        return _simple(document, path)
    if not isinstance(document, dict) or len(document) != 1:
        raise ExpressionDocumentError("a type is a name or an object of one key", path=path)
    ((name, parts),) = document.items()
    kind = _kind(name, path)
    if not isinstance(parts, list):
        raise ExpressionDocumentError("a type's parameters are a list", path=path)
    label = parts[:1] if kind in _NAMED else []
    inner = tuple(type_from_document(part, path, depth + 1) for part in parts[len(label) :])
    _check(kind, label, inner, path)
    return Type(kind=kind, parameters=inner, name=label[0] if label else "")


def _simple(name: str, path: str) -> Type:
    kind = _kind(name, path)
    if kind in _PARAMETERS or kind in _NAMED:
        raise ExpressionDocumentError(f"type `{name}` lacks its parameters", path=path)
    return Type(kind=kind)


def _kind(name: str, path: str) -> Kind:
    try:
        return Kind(name)
    except ValueError as cause:
        raise ExpressionDocumentError(f"no type is called `{name}`", path=path) from cause


def _check(kind: Kind, label: list[object], inner: tuple[Type, ...], path: str) -> None:
    if kind in _NAMED:
        is_good = bool(label) and isinstance(label[0], str) and (kind is Kind.ABSTRACT or not inner)
    else:
        is_good = _PARAMETERS.get(kind, -1) == len(inner)
    if not is_good:
        raise ExpressionDocumentError(f"type `{kind.value}` has wrong parameters", path=path)
