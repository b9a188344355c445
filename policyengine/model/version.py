"""Versions under a scheme: a sort key for each text, so that comparing versions is comparing keys.

The scheme belongs to the device model (`versionScheme` in fleet.yaml); a text that does not parse under it has no key
and every comparison with it is unknown, never false.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from itertools import pairwise
from urllib.parse import unquote

from policyengine.errors import PolicyEngineError

MAX_VERSION = 128  # characters; package managers accept fewer
CACHED_RANGES = 4096  # ranges whose bounds are remembered; policies name a few each
CACHED_KEYS = 65_536  # texts per scheme whose key is remembered; a fleet runs a few thousand distinct versions

Key = tuple[object, ...]

_SEMVER = re.compile(
    r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)"
    r"(?:-((?:0|[1-9]\d*|\d*[A-Za-z-][0-9A-Za-z-]*)(?:\.(?:0|[1-9]\d*|\d*[A-Za-z-][0-9A-Za-z-]*))*))?"
    r"(?:\+[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?",
    re.ASCII,
)
_DOTTED = re.compile(r"\d{1,18}(?:\.\d{1,18}){0,15}", re.ASCII)
_INTEGER = re.compile(r"\d{1,18}", re.ASCII)
_DEB = re.compile(  # a colon needs an epoch before it, and a hyphen a revision behind the last one
    r"(?:(\d{1,9}):(?=\d)|(?!.*:))(\d[A-Za-z0-9.+~:-]*(?=-)|\d[A-Za-z0-9.+~:]*\Z)(?:-([A-Za-z0-9.+~]+))?", re.ASCII
)
_RPM = re.compile(r"(?:(\d{1,9}):)?([A-Za-z0-9._+~^]+)(?:-([A-Za-z0-9._+~^]+))?", re.ASCII)
_RPM_PART = re.compile(r"~|\^|\d+|[A-Za-z]+", re.ASCII)
_BOUND = re.compile(r"(>=|<=|>|<|!=|=)?(.+)")


class VersionError(PolicyEngineError):
    """A version that its scheme cannot read, or a scheme that nobody knows."""

    code = "version.invalid"


def semver_key(text: str) -> Key:
    """Return the key of a SemVer 2.0.0 version (section 11): a pre-release is before its release, build is ignored."""
    match = _SEMVER.fullmatch(text)
    if match is None:
        raise VersionError("not a SemVer version such as `1.4.0`")
    release = (int(match[1]), int(match[2]), int(match[3]))
    if match[4] is None:
        return (*release, 1)
    return (*release, 0, tuple(_prerelease(part) for part in match[4].split(".")))


def _prerelease(part: str) -> Key:
    return (0, int(part), "") if part.isdigit() else (1, 0, part)


def dotted_key(text: str) -> Key:
    """Return the key of numbers between dots, of any count; missing numbers are zero, so `1.2` equals `1.2.0`."""
    if not _DOTTED.fullmatch(text):
        raise VersionError("not numbers between dots such as `4.2.1`")
    numbers = [int(part) for part in text.split(".")]
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)


def integer_key(text: str) -> Key:
    """Return the key of a plain build number."""
    if not _INTEGER.fullmatch(text):
        raise VersionError("not a whole number")
    return (int(text),)


def deb_key(text: str) -> Key:
    """Return the key of a Debian version (Debian Policy section 5.6.12)."""
    match = _DEB.fullmatch(text)
    if match is None:
        raise VersionError("not a Debian version such as `1:2.36-9+deb12u4`")
    return (int(match[1] or 0), _deb_part(match[2]), _deb_part(match[3] or "0"))


def _deb_part(text: str) -> Key:
    """Return alternating non-digit and digit runs; `~` sorts before the end, letters before the other signs."""
    key: list[object] = []
    for run in re.findall(r"(\D*)(\d*)", text):
        if run != ("", ""):
            key.append((*(_deb_sign(sign) for sign in run[0]), 0))
            key.append(int(run[1] or 0))
    return (*key, (0,))


def _deb_sign(sign: str) -> int:
    if sign == "~":
        return -1
    return ord(sign) if sign.isalpha() else ord(sign) + 256


def rpm_key(text: str) -> Key:
    """Return the key of an RPM version `[epoch:]version[-release]`, compared as rpmvercmp does."""
    match = _RPM.fullmatch(text)
    if match is None:
        raise VersionError("not an RPM version such as `1:2.34-60.el9`")
    return (int(match[1] or 0), _rpm_part(match[2]), _rpm_part(match[3] or ""))


def _rpm_part(text: str) -> Key:
    """Return segments ranked `~` < end < `^` < letters < digits."""
    key: list[tuple[int, int, str]] = [_rpm_segment(part) for part in _RPM_PART.findall(text)]
    return (*key, (1, 0, ""))


def _rpm_segment(part: str) -> tuple[int, int, str]:
    if part == "~":
        return (0, 0, "")
    if part == "^":
        return (2, 0, "")
    return (4, int(part), "") if part.isdigit() else (3, 0, part)


SCHEMES: Mapping[str, Callable[[str], Key]] = {
    "semver": semver_key,
    "dotted": dotted_key,
    "calver": dotted_key,
    "integer": integer_key,
    "deb": deb_key,
    "rpm": rpm_key,
}


def key_function(scheme: str, versions: Sequence[str] = ()) -> Callable[[str], Key]:
    """Return the function from a version's text to its sort key under `scheme`; it raises VersionError.

    `versions` are all versions of an `ordered` scheme, oldest first. Raises VersionError for an unknown scheme.
    """
    if scheme == "ordered":
        return _bounded(_ordered(versions))
    parse = SCHEMES.get(scheme)
    if parse is None:
        raise VersionError(f"no version scheme is called `{scheme[:32]}`")
    return _bounded(parse)


def _ordered(versions: Sequence[str]) -> Callable[[str], Key]:
    ranks = {text: rank for rank, text in enumerate(versions)}

    def key(text: str) -> Key:
        if text not in ranks:
            raise VersionError("not one of the versions that the model lists")
        return (ranks[text],)

    return key


def _bounded(parse: Callable[[str], Key]) -> Callable[[str], Key]:
    @lru_cache(maxsize=CACHED_KEYS)
    def key(text: str) -> Key:
        if len(text) > MAX_VERSION:
            raise VersionError(f"the version is longer than {MAX_VERSION} characters")
        return parse(text)

    return key


def within(text: str, limits: str, key: Callable[[str], Key]) -> bool:
    """Return whether version `text` lies in `limits`: `vers:semver/>=1.0.0|<2.0.0|!=1.3.7` (ECMA-427, vers).

    The scheme named in `limits` is for the reader, `key` decides. Raises VersionError.
    """
    seen, ranges = key(text), read_range(limits, key)
    return any(single in _TOUCHING for single, edge in ranges if edge == seen) or (
        all(edge != seen for _, edge in ranges) and _between(seen, ranges)
    )


Bound = tuple[str, Key]
_TOUCHING = frozenset({"=", "<=", ">="})


@lru_cache(maxsize=CACHED_RANGES)
def read_range(limits: str, key: Callable[[str], Key]) -> tuple[Bound, ...]:
    """Return the bounds of a version range in rising order, without those that another one makes idle.

    Raises VersionError for another form, for a version that `key` cannot read, and for one that occurs twice.
    """
    form, _, bounds = limits.partition("/")
    if not form.startswith("vers:") or not bounds:
        raise VersionError("not a version range such as `vers:semver/>=1.0.0|<2.0.0`")
    if bounds == "*":
        return ()
    found = sorted((_bound(part, key) for part in bounds.split("|")), key=lambda bound: bound[1])
    if any(one[1] == other[1] for one, other in pairwise(found)):
        raise VersionError("a version occurs twice in the version range")
    return tuple(found)


def _bound(part: str, key: Callable[[str], Key]) -> Bound:
    match = _BOUND.fullmatch(part)
    if match is None:
        raise VersionError("a bound of the version range is empty")
    return (match[1] or "=", key(unquote(match[2])))


def _between(seen: Key, bounds: tuple[Bound, ...]) -> bool:
    """Return whether `seen`, which no bound names, lies where the next bound below or above opens towards it.

    Of two bounds that open upwards in a row the lower one decides, of two that open downwards the higher one (vers,
    "version ranges: simplification"); so either neighbour that opens towards `seen` lets it in.
    """
    edges = [(single, edge) for single, edge in bounds if single not in ("=", "!=")]
    if not edges:
        return all(single == "!=" for single, _ in bounds)
    below = [single for single, edge in edges if edge < seen]
    above = [single for single, edge in edges if edge > seen]
    return below[-1:] in ([">"], [">="]) or above[:1] in (["<"], ["<="])
