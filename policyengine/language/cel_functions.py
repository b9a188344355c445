"""The functions that policyengine adds to CEL, as a table that the type checker is told.

What they do at run time stands with the engines; here are names, overloads and types only.
"""

from __future__ import annotations

from dataclasses import dataclass

from policyengine.model.types import BOOL, STRING, VERSION, Type


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
