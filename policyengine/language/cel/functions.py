"""The functions that policyengine adds to CEL, as a table that the type checker is told.

What they do at run time stands with the engines; here are names, overloads and types only.
"""

from __future__ import annotations

from dataclasses import dataclass

from policyengine.model.types import (
    BOOL,
    BYTES,
    DOUBLE,
    DURATION,
    INT,
    STRING,
    TIMESTAMP,
    UINT,
    VERSION,
    Kind,
    Type,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Overload:
    """One form of a function; a member form is called as `first.name(rest)`."""

    id: str
    parameters: tuple[Type, ...]
    result: Type
    member: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    """A function by name with all its forms."""

    name: str
    overloads: tuple[Overload, ...]


def _version_test(name: str, *arguments: Type) -> Function:
    overloads = tuple(
        Overload(id=f"version_{name}_{given.kind.value}", parameters=(VERSION, given), result=BOOL, member=True)
        for given in arguments
    )
    return Function(name=name, overloads=overloads)


VERSION_FUNCTIONS = (
    _version_test("atLeast", STRING, VERSION),
    _version_test("below", STRING, VERSION),
    _version_test("within", STRING),
)

IP = Type(kind=Kind.ABSTRACT, name="net.IP")
CIDR = Type(kind=Kind.ABSTRACT, name="net.CIDR")
SEMVER = Type(kind=Kind.ABSTRACT, name="kubernetes.Semver")
TYPE_NAMES = frozenset({IP.name, CIDR.name, SEMVER.name})


def _function(name: str, result: Type, *forms: tuple[Type, ...]) -> Function:
    return Function(name=name, overloads=tuple(_overload(name, form, result, "") for form in forms))


def _method(name: str, result: Type, *forms: tuple[Type, ...]) -> Function:
    return Function(name=name, overloads=tuple(_overload(name, form, result, "method_") for form in forms))


def _overload(name: str, form: tuple[Type, ...], result: Type, prefix: str) -> Overload:
    kinds = "_".join(each.name or each.kind.value for each in form)
    return Overload(id=f"{prefix}{name}_{kinds}", parameters=form, result=result, member=bool(prefix))


_IP = Function(name="ip", overloads=(_overload("ip", (STRING,), IP, ""), _overload("ip", (CIDR,), IP, "method_")))

# Kubernetes' CEL libraries `ip`, `cidr` and `semver`, and CEL's own network extension, which has the first two.
_NETWORK_FUNCTIONS = (
    _IP,
    _function("isIP", BOOL, (STRING,)),
    _function("ip.isCanonical", BOOL, (STRING,)),
    _method("family", INT, (IP,)),
    *(_method(name, BOOL, (IP,)) for name in ("isUnspecified", "isLoopback", "isGlobalUnicast")),
    *(_method(name, BOOL, (IP,)) for name in ("isLinkLocalUnicast", "isLinkLocalMulticast")),
    _function("cidr", CIDR, (STRING,)),
    _function("isCIDR", BOOL, (STRING,)),
    _method("containsIP", BOOL, (CIDR, STRING), (CIDR, IP)),
    _method("containsCIDR", BOOL, (CIDR, STRING), (CIDR, CIDR)),
    _method("masked", CIDR, (CIDR,)),
    _method("isMask", BOOL, (CIDR,)),
    _method("prefixLength", INT, (CIDR,)),
)
_SEMVER_FUNCTIONS = (
    _function("semver", SEMVER, (STRING,), (STRING, BOOL)),
    _function("isSemver", BOOL, (STRING,), (STRING, BOOL)),
    _method("isGreaterThan", BOOL, (SEMVER, SEMVER)),
    _method("isLessThan", BOOL, (SEMVER, SEMVER)),
    _method("compareTo", INT, (SEMVER, SEMVER)),
    *(_method(name, INT, (SEMVER,)) for name in ("major", "minor", "patch")),
)
EXTENSION_FUNCTIONS = _NETWORK_FUNCTIONS + _SEMVER_FUNCTIONS

# CEL's own `string()` with our types beside its own: cel-cpp lets nobody add a form to a function that it declares.
STRING_FUNCTION = Function(
    name="string",
    overloads=(
        *(
            Overload(id=f"{name}_to_string", parameters=(kind,), result=STRING)
            for name, kind in {
                "bool": BOOL,
                "bytes": BYTES,
                "double": DOUBLE,
                "duration": DURATION,
                "int64": INT,
                "string": STRING,
                "timestamp": TIMESTAMP,
                "uint64": UINT,
            }.items()
        ),
        _overload("string", (IP,), STRING, ""),
        _overload("string", (CIDR,), STRING, ""),
    ),
)

# The functions of the CEL standard and its extensions, for suggestions; cel-cpp holds the declarations.
_STANDARD = """
    bool bytes double duration dyn int size string timestamp type uint contains endsWith matches startsWith
    getDate getDayOfMonth getDayOfWeek getDayOfYear getFullYear getHours getMilliseconds getMinutes getMonth getSeconds
    charAt format indexOf join lastIndexOf lowerAscii quote replace reverse split strings.quote substring trim
    upperAscii distinct first flatten last lists.range slice sort sortBy sets.contains sets.equivalent sets.intersects
    base64.decode base64.encode regex.extract regex.extractAll regex.replace
    math.abs math.bitAnd math.bitNot math.bitOr math.bitShiftLeft math.bitShiftRight math.bitXor math.ceil math.floor
    math.greatest math.isFinite math.isInf math.isNaN math.least math.round math.sign math.sqrt math.trunc
    optional.none optional.of optional.ofNonZeroValue hasValue or orValue value optMap optFlatMap
    all exists exists_one filter has map transformList transformMap transformMapEntry cel.bind
"""
STANDARD_FUNCTIONS = frozenset(_STANDARD.split())
