"""One requirement of a standard, and what one piece of evidence makes of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from enum import Enum

MAX_SEEN = 200  # what was seen is quoted in logs and answers; a device must not fill them


class Outcome(Enum):
    """What became of a check; `n/a`: optional and absent, or not reached because an earlier check failed."""

    PASS = "pass"  # noqa: S105 - the word of the published shape, no secret
    FAIL = "fail"
    NOT_APPLICABLE = "n/a"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """The outcome of one requirement on one piece of evidence, with its clause and what was expected and seen."""

    id: str
    result: Outcome
    clause: str
    expected: str
    seen: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirement:
    """A requirement with its stable check id. A passed check is the same value for all evidence, so it is made once."""

    id: str
    clause: str
    expected: str
    passed: Check = field(init=False, repr=False, compare=False)
    absent: Check = field(init=False, repr=False, compare=False)
    unreached: Check = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Make the checks that need nothing from the evidence."""
        object.__setattr__(self, "passed", self._check(Outcome.PASS, "as expected"))
        object.__setattr__(self, "absent", self._check(Outcome.NOT_APPLICABLE, "not present"))
        object.__setattr__(self, "unreached", self._check(Outcome.NOT_APPLICABLE, "not reached"))

    def failed(self, seen: str) -> Check:
        """Return the failed check; `seen` is cut to MAX_SEEN characters."""
        return self._check(Outcome.FAIL, seen if len(seen) <= MAX_SEEN else seen[: MAX_SEEN - 1] + "…")

    def _check(self, result: Outcome, seen: str) -> Check:
        return Check(id=self.id, result=result, clause=self.clause, expected=self.expected, seen=seen)


def stated_in(*namespaces: Mapping[str, object]) -> tuple[Requirement, ...]:
    """Return what modules require, each given as `vars(module)`: their constants, and what stands in their tables."""
    found = (each for namespace in namespaces for value in namespace.values() for each in _within(value))
    return tuple({each.id: each for each in found}.values())


def _within(value: object) -> Iterator[Requirement]:
    if isinstance(value, Requirement):
        yield value
    elif isinstance(value, tuple):
        for item in value:
            yield from _within(item)
    elif isinstance(value, dict):
        yield from _within(tuple(value.values()))
    elif is_dataclass(value) and not isinstance(value, type):
        inside = (getattr(value, each.name) for each in fields(value))
        yield from (each for each in inside if isinstance(each, Requirement))


_FAIL = Outcome.FAIL  # members of an Enum are slow to reach, and this is asked of every check of every message


def nothing_failed(checks: Iterable[Check]) -> bool:
    """Return whether no check failed. Belief needs more: a format believes only what a trusted key signed."""
    for check in checks:  # noqa: SIM110 - `all` takes twice as long
        if check.result is _FAIL:
            return False
    return True


def failures(checks: Iterable[Check]) -> tuple[Check, ...]:
    """Return the failed ones of `checks`, in order."""
    return tuple([check for check in checks if check.result is _FAIL])


def described(value: object) -> str:
    """Return what a claim was, for a person: type and size, and the value itself where it is short and harmless."""
    if value is None:
        return "absent"
    if isinstance(value, bytes):
        return f"{len(value)} bytes {value[:64].hex()}" if value else "an empty byte string"
    if isinstance(value, str):
        return f"text {value[:MAX_SEEN]!a}"
    if isinstance(value, bool | int | float):
        return f"{value}"
    if isinstance(value, list | tuple):
        return f"an array of {len(value)}"
    return "a map" if hasattr(value, "keys") else type(value).__name__
