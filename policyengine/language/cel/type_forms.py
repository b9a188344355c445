"""Types and declarations as JSON, for `policyengine cel eval`: `"int"`, `{"list": "dyn"}`, `{"map": [K, V]}`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from policyengine.errors import PolicyEngineError
from policyengine.language.cel.functions import Function, Overload
from policyengine.model.types import DYN, TYPE, Kind, Type, list_of, map_of, optional_of

MAX_DEPTH = 16
_SIMPLE: Mapping[str, Type] = {
    **{kind.value: Type(kind=kind) for kind in Kind if kind.value not in ("version", "struct", "abstract", "optional")},
    "any": DYN,
    "list": list_of(DYN),
    "map": map_of(DYN, DYN),
}
_OPTIONAL = "optional_type"


class TypeFormError(PolicyEngineError):
    """A type or declaration that is not of the form it must have; `path` says where."""

    code = "cel.type-form"

    def __init__(self, message: str, *, path: str) -> None:
        super().__init__(f"{message} at `{path}`", path=path)


@dataclass(frozen=True, slots=True, kw_only=True)
class Declarations:
    """The names that a caller declares."""

    variables: Mapping[str, Type]
    functions: tuple[Function, ...]


def read_declarations(document: object, path: str = "type_env") -> Declarations:
    """Return what `{"variables": {name: type}, "functions": [...]}` declares; raises TypeFormError."""
    if not isinstance(document, dict):
        raise TypeFormError("declarations are an object", path=path)
    variables, functions = document.get("variables") or {}, document.get("functions") or []
    if not isinstance(variables, dict) or not isinstance(functions, list):
        raise TypeFormError("`variables` is an object and `functions` a list", path=path)
    return Declarations(
        variables={name: read_type(form, f"{path}.variables.{name}") for name, form in variables.items()},
        functions=tuple(_function(form, f"{path}.functions[{at}]") for at, form in enumerate(functions)),
    )


def _function(form: object, path: str) -> Function:
    match form:
        case {"name": str(name), "overloads": list(overloads)}:
            return Function(name=name, overloads=tuple(_overload(each, f"{path}.overloads") for each in overloads))
        case _:
            raise TypeFormError("a function has `name` and `overloads`", path=path)


def _overload(form: object, path: str) -> Overload:
    match form:
        case {"id": str(name), "params": list(parameters), "result": result, **rest}:
            return Overload(
                id=name,
                parameters=tuple(read_type(each, f"{path}.params") for each in parameters),
                result=read_type(result, f"{path}.result"),
                member=rest.get("instance") is True,
            )
        case _:
            raise TypeFormError("an overload has `id`, `params` and `result`", path=path)


def read_type(form: object, path: str, depth: int = 0) -> Type:
    """Return the type that `form` stands for; raises TypeFormError. What we cannot check is `dyn`."""
    if depth > MAX_DEPTH:
        raise TypeFormError("the type nests too deeply", path=path)
    match form:
        case str() if form in _SIMPLE:
            return _SIMPLE[form]
        case {"list": element}:
            return list_of(read_type(element, path, depth + 1))
        case {"map": [key, value]}:
            return map_of(read_type(key, path, depth + 1), read_type(value, path, depth + 1))
        case {"abstract": str(name), **rest}:
            return _abstract(name, rest.get("params") or [], path, depth)
        case {"type": _}:
            return TYPE
        case {"wrapper": _} | {"message": _} | {"param": _} | {"function": _}:
            return DYN
        case _:
            raise TypeFormError("no such type", path=path)


def _abstract(name: str, parameters: object, path: str, depth: int) -> Type:
    if not isinstance(parameters, list):
        raise TypeFormError("`params` is a list", path=path)
    inner = tuple(read_type(each, path, depth + 1) for each in parameters)
    if name == _OPTIONAL:
        return optional_of(*(inner or (DYN,))[:1])
    return Type(kind=Kind.ABSTRACT, name=name, parameters=inner)


def type_form(kind: Type) -> object:
    """Return `kind` as JSON, the form that read_type reads."""
    match kind.kind:
        case Kind.LIST:
            return {"list": type_form(kind.parameters[0])}
        case Kind.MAP:
            return {"map": [type_form(parameter) for parameter in kind.parameters]}
        case Kind.OPTIONAL:
            return {"abstract": _OPTIONAL, "params": [type_form(parameter) for parameter in kind.parameters]}
        case Kind.ABSTRACT:
            return {"abstract": kind.name, "params": [type_form(parameter) for parameter in kind.parameters]}
        case _:
            return kind.kind.value
