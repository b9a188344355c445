"""Semantic versions in conditions: `semver()` and its methods, named as in Kubernetes CEL (SemVer 2.0.0)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from policyengine.decision.errors import CelError, no_overload
from policyengine.model.version import MAX_VERSION, Key, VersionError, semver_key

_INT_MAX = 2**63 - 1
_LOOSE = re.compile(r"v?(\d+)(?:\.(\d+))?(?:\.(\d+))?(?=[-+]|\Z)(.*)", re.ASCII | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Semver:
    """CEL's value of type `semver`; equal versions may differ in their build (SemVer 2.0.0 clause 10)."""

    key: Key
    text: str = field(compare=False)

    def number(self, at: int) -> int:
        """Return the major (0), minor (1) or patch number (2); raises CelError for one that is no int64."""
        found = self.key[at]
        assert isinstance(found, int)  # noqa: S101 - INVARIANT: semver_key starts with three numbers
        if found > _INT_MAX:
            raise CelError("cel.overflow", "the number in the version is beyond int64")
        return found


def _normal(text: str) -> str:
    """Return a version with what is usual and not SemVer mended: a leading `v`, missing numbers, leading zeros."""
    found = _LOOSE.fullmatch(text)
    if found is None:
        return text
    return ".".join(str(int(found[part] or 0)) for part in (1, 2, 3)) + found[4]


def _read(function: str, value: object, mend: object) -> Semver:
    if not isinstance(value, str) or not isinstance(mend, bool):
        raise no_overload(function, value, mend)
    if len(value) > MAX_VERSION:
        raise VersionError(f"the version is longer than {MAX_VERSION} characters")
    text = _normal(value) if mend else value
    return Semver(semver_key(text), text)


def semver(value: object, mend: object = False) -> Semver:  # noqa: FBT002 - CEL's optional second argument
    """Return `semver(text)`, with `true` behind it mended first; raises CelError `cel.conversion`."""
    try:
        return _read("semver", value, mend)
    except VersionError as cause:
        raise CelError("cel.conversion", cause.message) from cause


def is_semver(value: object, mend: object = False) -> bool:  # noqa: FBT002 - CEL's optional second argument
    """Return `isSemver(text)`."""
    try:
        _read("isSemver", value, mend)
    except VersionError:
        return False
    return True


def _two(function: str, left: object, right: object) -> tuple[Key, Key]:
    if isinstance(left, Semver) and isinstance(right, Semver):
        return left.key, right.key
    raise no_overload(function, left, right)


def is_greater(left: object, right: object) -> bool:
    """Return `left.isGreaterThan(right)`."""
    one, other = _two("isGreaterThan", left, right)
    return one > other


def is_less(left: object, right: object) -> bool:
    """Return `left.isLessThan(right)`."""
    one, other = _two("isLessThan", left, right)
    return one < other


def compare(left: object, right: object) -> int:
    """Return `left.compareTo(right)`: -1, 0 or 1."""
    one, other = _two("compareTo", left, right)
    return (one > other) - (one < other)


def major(value: object) -> int:
    """Return `version.major()`."""
    return _number("major", value, 0)


def minor(value: object) -> int:
    """Return `version.minor()`."""
    return _number("minor", value, 1)


def patch(value: object) -> int:
    """Return `version.patch()`."""
    return _number("patch", value, 2)


def _number(function: str, value: object, at: int) -> int:
    if isinstance(value, Semver):
        return value.number(at)
    raise no_overload(function, value)
