"""What cel-cpp's type checker lets pass and we do not: opaque values compared, and constants that can never work."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from policyengine.language.cel.problems import CelProblem, quoted
from policyengine.language.patterns import refusal
from policyengine.model.expression import Call, Conditional, ListOf, Literal, MapOf, Node, children, walk
from policyengine.model.network import InvalidAddressError, read_address, read_block
from policyengine.model.types import Kind, Type
from policyengine.model.version import MAX_VERSION, SCHEMES, VersionError, key_function, read_range, semver_key

# A version compares only under its model's scheme, and a fact group may be known in part: neither has an equality.
# These calls pass such values on without looking at them; every other call on them is refused.
_TRANSPARENT_NAMES = """
    _[_] _[?_] _+_ size atLeast below within slice reverse flatten first last
    optional.of optional.none or orValue value hasValue @sortByAssociatedKeys
"""
_TRANSPARENT = frozenset(_TRANSPARENT_NAMES.split())
_VERSION_HELP = 'use `.atLeast("1.2.3")`, `.below("2.0.0")` or `.within("vers:...")`'

_DURATION = re.compile(r"[-+]?(?:0|(?:(?:\d+(?:\.\d*)?|\.\d+)(?:h|ms|us|µs|μs|ns|m|s))+)")
_TIMESTAMP = re.compile(r"(\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d)(?:\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)")
_VERSION = re.compile(r"[0-9A-Za-z][0-9A-Za-z.+~:_^%-]*")
_VERSION_RANGE = re.compile(
    r"vers:[a-z][a-z0-9.+-]*/(?:\*|(?:[<>!]=|[<>=])?{v}(?:\|(?:[<>!]=|[<>=])?{v})*)".replace("{v}", _VERSION.pattern)
)


def problems_of(node: Node) -> Iterator[CelProblem]:
    """Yield what is wrong in a well-typed condition."""
    for found in walk(node):
        yield from _opaque_use(found)
        if isinstance(found, Call):
            yield from _bad_constants(found)


def _opaque_use(node: Node) -> Iterator[CelProblem]:
    if isinstance(node, Call):
        opaque = () if node.function in _TRANSPARENT and node.type.kind is not Kind.DYN else node.arguments
    elif isinstance(node, MapOf) and not _mixes(node.type):
        opaque = tuple(key for key, _ in node.entries)
    elif isinstance(node, ListOf | MapOf | Conditional):
        opaque = children(node) if _mixes(node.type) else ()
    else:
        return
    kinds = {_opaque(argument.type) for argument in opaque}
    if Kind.VERSION in kinds:
        yield _version_problem(node)
    elif Kind.STRUCT in kinds:
        message = f"{_title(node)} cannot take a whole group of facts"
        yield _problem(node, "cel.group", message, "name the single facts that matter")


def _mixes(kind: Type) -> bool:
    return kind.kind is Kind.DYN or any(map(_mixes, kind.parameters))


def _opaque(kind: Type) -> Kind | None:
    if kind.kind in (Kind.VERSION, Kind.STRUCT):
        return kind.kind
    inner = [_opaque(parameter) for parameter in kind.parameters]
    return next((found for found in inner if found is not None), None)


def _version_problem(node: Node) -> CelProblem:
    message = f"{_title(node)} cannot take a version, which compares only under its model's scheme"
    return _problem(node, "cel.version-compare", message, _VERSION_HELP)


def _title(node: Node) -> str:
    match node:
        case Call():
            return f"`{node.function.strip('_@')}`"
        case ListOf():
            return "a list of mixed types"
        case MapOf():
            return "a map with such keys or of mixed types"
        case _:
            return "`?:` with results of different types"


def _problem(node: Node, code: str, message: str, advice: str) -> CelProblem:
    return CelProblem(offset=node.offset, code=code, message=message, help=advice)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Constant:
    """A function whose argument number `index`, where it is a constant, `refusal` must have nothing against."""

    index: int
    refusal: Callable[[str], str | None]
    code: str
    what: str
    advice: str


def _is_duration(text: str) -> bool:
    return _DURATION.fullmatch(text) is not None


def _is_timestamp(text: str) -> bool:
    found = _TIMESTAMP.fullmatch(text)
    if found is None:
        return False
    try:
        datetime.fromisoformat((found[1] + found[2]).upper())
    except ValueError:
        return False
    return True


def _is_version(text: str) -> bool:
    return len(text) <= MAX_VERSION and any(map(str.isdigit, text)) and _VERSION.fullmatch(text) is not None


def _is_range(text: str) -> bool:
    return len(text) <= MAX_VERSION * 8 and _VERSION_RANGE.fullmatch(text) is not None


def _unless_read(read: Callable[[str], object]) -> Callable[[str], str | None]:
    """Return what `read` raises against a text."""

    def against(text: str) -> str | None:
        try:
            read(text)
        except (InvalidAddressError, VersionError) as error:
            return error.message
        return None

    return against


def _unless(is_good: Callable[[str], bool]) -> Callable[[str], str | None]:
    """Return a refusal without a reason of what is not `is_good`."""
    return lambda text: None if is_good(text) else ""


def _against_range(text: str) -> str | None:
    """Return why `text` is no version range, also where a version in it is none under the scheme that it names."""
    if not _is_range(text):
        return ""
    name = text.removeprefix("vers:").partition("/")[0]
    return _unless_read(lambda limits: read_range(limits, key_function(name)))(text) if name in SCHEMES else None


_FLOOR = _Constant(
    index=1,
    refusal=_unless(_is_version),
    code="cel.version",
    what="version",
    advice='write it as the vendor does, such as `"4.2.1"`',
)
_PATTERN = _Constant(
    index=1,
    refusal=refusal,
    code="cel.regex",
    what="regular expression that all engines read alike",
    advice="there is no look-around and no back-reference; double each backslash or write `r'...'`",
)
_ADDRESS = _Constant(
    index=0,
    refusal=_unless_read(read_address),
    code="cel.address",
    what="IP address",
    advice='write it as `"192.0.2.1"` or `"2001:db8::1"`, without a zone',
)
_BLOCK = _Constant(
    index=0,
    refusal=_unless_read(read_block),
    code="cel.address",
    what="address block",
    advice='write it as `"192.0.2.0/24"`',
)
_CONSTANTS: Mapping[str, _Constant] = {
    "atLeast": _FLOOR,
    "below": _FLOOR,
    "within": _Constant(
        index=1,
        refusal=_against_range,
        code="cel.version",
        what="version range",
        advice='write it as `"vers:semver/>=1.2.0|<2.0.0"`',
    ),
    "duration": _Constant(
        index=0,
        refusal=_unless(_is_duration),
        code="cel.duration",
        what="duration",
        advice='write it as `"90s"`, `"15m"`, `"24h"`; there are no days: 7 days are `"168h"`',
    ),
    "timestamp": _Constant(
        index=0,
        refusal=_unless(_is_timestamp),
        code="cel.timestamp",
        what="time",
        advice='write it with zone as in RFC 3339, such as `"2026-11-23T00:00:00Z"`',
    ),
    "ip": _ADDRESS,
    "containsIP": replace(_ADDRESS, index=1),
    "cidr": _BLOCK,
    "containsCIDR": replace(_BLOCK, index=1),
    "semver": _Constant(
        index=0,
        refusal=_unless_read(semver_key),
        code="cel.version",
        what="SemVer version",
        advice='write all three numbers, such as `"1.4.0"`, or give `true` as second argument',
    ),
    "matches": _PATTERN,
    "regex.replace": _PATTERN,
    "regex.extract": _PATTERN,
    "regex.extractAll": _PATTERN,
}


def _mends(call: Call) -> bool:
    return call.function == "semver" and len(call.arguments) > 1


def _bad_constants(call: Call) -> Iterator[CelProblem]:
    rule = _CONSTANTS.get(call.function)
    if rule is None or len(call.arguments) <= rule.index or _mends(call):
        return
    argument = call.arguments[rule.index]
    if isinstance(argument, Literal) and isinstance(argument.value, str):
        reason = rule.refusal(argument.value)
        if reason is not None:
            message = f"{quoted(argument.value)} is no {rule.what}"
            yield _problem(argument, rule.code, f"{message}: {reason}" if reason else message, rule.advice)
