"""The slow interpreter's functions of the smaller libraries: networks, versions, encoders, formatting."""

from __future__ import annotations

import base64
import binascii
import math
import re
from collections.abc import Callable, Mapping
from ipaddress import IPv4Address
from typing import Any

from tests.property.oracle_values import UnknownError, Value, boolean, number, text

Function = Callable[..., Value]
Block = tuple[int, int]  # the bits of the address, and how many of them count
_NUMBER, _WORDS = r"(0|[1-9]\d*)", r"[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*"
_SEMVER = re.compile(rf"{_NUMBER}\.{_NUMBER}\.{_NUMBER}(?:-({_WORDS}))?(?:\+{_WORDS})?", re.ASCII)
_QUAD = re.compile(r"(0|[1-9]\d{0,2})\.(0|[1-9]\d{0,2})\.(0|[1-9]\d{0,2})\.(0|[1-9]\d{0,2})", re.ASCII)


def bits(address: str) -> int:
    """Return the 32 bits of an IPv4 address."""
    found = _QUAD.fullmatch(address)
    if found is None or any(int(part) > 255 for part in found.groups()):
        raise UnknownError
    return sum(int(part) << shift for part, shift in zip(found.groups(), (24, 16, 8, 0), strict=True))


def block(written: str) -> Block:
    """Return the IPv4 block."""
    start, _, size = written.partition("/")
    if not re.fullmatch(r"0|[1-9]\d?", size, re.ASCII) or int(size) > 32:
        raise UnknownError
    return bits(start), int(size)


def _first(held: Block) -> int:
    return held[0] - held[0] % 2 ** (32 - held[1])


def _holds(outer: Block, inner: Block) -> bool:
    return inner[1] >= outer[1] and _first((inner[0], outer[1])) == _first(outer)


def _reads(read: Callable[[str], object]) -> Callable[[Value], Value]:
    def reads(value: Value) -> Value:
        if value.kind != "string":
            raise UnknownError
        try:
            read(value.held)
        except UnknownError:
            return boolean(False)
        return boolean(True)

    return reads


def _parts(value: Value) -> Block:
    if value.kind != "cidr":
        raise UnknownError
    address, size = value.held
    return int(address), size


def _cidr_text(value: Value) -> Block:
    return block(value.held) if value.kind == "string" else _parts(value)


def _address_test(holds: Callable[[int], bool]) -> Function:
    def test(value: Value) -> Value:
        if value.kind != "ip":
            raise UnknownError
        return boolean(holds(int(value.held)))

    return test


def _unicast(address: int) -> bool:
    special = address == 0 or address >> 24 == 127 or address >> 28 == 14 or address >> 16 == 0xA9FE
    return not special and address != 2**32 - 1


NETWORK: Mapping[str, Function] = {
    "isCIDR": _reads(block),
    "containsCIDR": lambda a, b: boolean(_holds(_parts(a), _cidr_text(b))),
    "isMask": lambda a: boolean(_first(_parts(a)) == _parts(a)[0]),
    "masked": lambda a: Value("cidr", (IPv4Address(_first(_parts(a))), _parts(a)[1])),
    "ip.isCanonical": lambda a: boolean(bits(a.held) >= 0),
    "isUnspecified": _address_test(lambda a: a == 0),
    "isLoopback": _address_test(lambda a: a >> 24 == 127),
    "isLinkLocalUnicast": _address_test(lambda a: a >> 16 == 0xA9FE),
    "isLinkLocalMulticast": _address_test(lambda a: a >> 8 == 0xE00000),
    "isGlobalUnicast": _address_test(_unicast),
}


def precedence(written: str) -> tuple[Any, ...]:
    """Return what SemVer 2.0.0 clause 11 compares: three numbers, then whether and what pre-release it is."""
    found = _SEMVER.fullmatch(written)
    if found is None or any(part.isdigit() and part[0] == "0" and part != "0" for part in (found[4] or "").split(".")):
        raise UnknownError
    numbers = tuple(int(found[at]) for at in (1, 2, 3))
    if found[4] is None:
        return (*numbers, (1,))
    return (*numbers, (0, [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in found[4].split(".")]))


def _semver(value: Value, at: int) -> Value:
    if value.kind != "semver":
        raise UnknownError
    return number(value.held[at])


def _bool(value: Value) -> Value:
    if value.kind == "bool":
        return value
    if value.kind != "string" or value.held not in (
        "1",
        "t",
        "true",
        "TRUE",
        "True",
        "0",
        "f",
        "false",
        "FALSE",
        "False",
    ):
        raise UnknownError
    return boolean(value.held in ("1", "t", "true", "TRUE", "True"))


def _decoded(value: Value) -> Value:
    if value.kind != "string" or not value.held.isascii():
        raise UnknownError
    try:
        return Value(
            "bytes", base64.b64decode(value.held.rstrip("=") + "=" * (-len(value.held.rstrip("=")) % 4), validate=True)
        )
    except binascii.Error:
        raise UnknownError from None


def _root(value: Value) -> Value:
    if value.kind not in ("int", "uint", "double"):
        raise UnknownError
    return Value("double", math.sqrt(value.held) if value.held >= 0 else math.nan)


def _shown(value: Value) -> str:
    match value.kind:
        case "string":
            return str(value.held)
        case "bool":
            return "true" if value.held else "false"
        case "int" | "uint":
            return str(value.held)
        case "list":
            return f"[{', '.join(map(_shown, value.held))}]"
        case _:
            raise UnknownError


def _formatted(form: Value, values: Value) -> Value:
    """The forms that the grammar draws: `%s` of texts, bools, integers and lists of them, `%d` and `%x` of integers."""
    rest, made = list(values.held), list[str]()
    for piece in re.split(r"(%.)", form.held):
        if piece == "%s":
            made.append(_shown(rest.pop(0)))
        elif piece in ("%d", "%x"):
            made.append(_number_shown(piece, rest.pop(0)))
        else:
            made.append(piece)
    return text("".join(made))


def _number_shown(clause: str, value: Value) -> str:
    if value.kind == "int":
        return str(value.held) if clause == "%d" else f"{'-' if value.held < 0 else ''}{abs(value.held):x}"
    raise UnknownError


def _milliseconds(value: Value, *_zone: Value) -> Value:
    if value.kind == "duration":
        return number(abs(value.held) % 10**9 // 10**6 * (-1 if value.held < 0 else 1))
    if value.kind != "timestamp":
        raise UnknownError
    return number(value.held % 10**9 // 10**6)


LIBRARIES: Mapping[str, Function] = {
    **NETWORK,
    "isSemver": _reads(precedence),
    "minor": lambda a: _semver(a, 1),
    "patch": lambda a: _semver(a, 2),
    "bool": _bool,
    "base64.decode": _decoded,
    "math.sqrt": _root,
    "format": _formatted,
    "getMilliseconds": _milliseconds,
}
