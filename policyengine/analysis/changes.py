"""What differs between two bundles, one value a difference."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import TypeVar

from policyengine.analysis.direction import Direction
from policyengine.analysis.neighbours import length_text
from policyengine.model.expression import Node
from policyengine.model.expression_text import condition_text
from policyengine.model.policy import Place, Selector
from policyengine.model.times import format_timestamp

_T = TypeVar("_T")


class Verdict(Enum):
    """What became of something. CHANGED: neither stricter nor looser, or which of the two is not decided."""

    ADDED = "added"
    REMOVED = "removed"
    RENAMED = "renamed"
    TIGHTENED = "tightened"
    LOOSENED = "loosened"
    CHANGED = "changed"
    REWORDED = "reworded"


class Subject(Enum):
    """What kind of thing a change is about."""

    RULE = "rule"
    PARAM = "param"
    POLICY = "policy"
    BINDING = "binding"
    WAIVER = "waiver"
    PROFILE = "profile"
    ANCHOR = "anchor"
    REFERENCE_VALUES = "reference-values"
    PARTY = "party"
    FLEET = "fleet"
    CONTROL = "control"
    FACT = "fact"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One difference. `effect` is its direction (SAME: none on any result); `aspect` the key that changed, if one did.

    `party` is whose document it is, empty where it is nobody's alone; `old` and `new` are empty where there is none.
    """

    subject: Subject
    name: str
    party: str
    verdict: Verdict
    effect: Direction
    aspect: str = ""
    old: str = ""
    new: str = ""
    place: Place | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What the changes of one thing have in common."""

    subject: Subject
    name: str
    party: str
    place: Place | None = None

    def aspect(self, key: str, old: object, new: object, direction: Direction) -> Iterator[Change]:
        """Yield the change of `key`, unless there is none."""
        if old != new:
            verdict = _VERDICTS.get(direction, Verdict.CHANGED)
            yield self._change(verdict, direction, aspect=key, old=shown(old), new=shown(new))

    def wording(self, key: str, old: str, new: str) -> Iterator[Change]:
        """Yield the change of a text that only people read."""
        if old != new:
            yield self._change(Verdict.REWORDED, Direction.SAME, aspect=key, old=old, new=new)

    def whole(self, verdict: Verdict, effect: Direction, *, old: str = "", new: str = "") -> Change:
        """Return that the thing itself came, went, or has another name."""
        return self._change(verdict, effect, old=old, new=new)

    def _change(self, verdict: Verdict, effect: Direction, *, aspect: str = "", old: str = "", new: str = "") -> Change:
        return Change(
            subject=self.subject,
            name=self.name,
            party=self.party,
            verdict=verdict,
            effect=effect,
            aspect=aspect,
            old=old,
            new=new,
            place=self.place,
        )


_VERDICTS = {Direction.TIGHTER: Verdict.TIGHTENED, Direction.LOOSER: Verdict.LOOSENED}


def shown(value: object) -> str:
    """Return `value` as its author would write it."""
    match value:
        case None:
            return "none"
        case bool():
            return str(value).lower()
        case Enum():
            return value.value if isinstance(value.value, str) else value.name.lower()
        case timedelta():
            return length_text(value)
        case datetime():
            return format_timestamp(value)
        case Node():
            return condition_text(value)
        case Selector():
            return _selector(value)
        case tuple() | frozenset():
            items = value if isinstance(value, tuple) else sorted(value, key=shown)
            return f"[{', '.join(map(shown, items))}]"
        case Mapping():
            return "{" + ", ".join(f"{key}: {shown(value[key])}" for key in sorted(value)) + "}"
        case _:
            return str(value)


def _selector(selector: Selector) -> str:
    if not selector.clauses:
        return "everything"
    words = (f"{one.key} {'not in' if one.negated else 'in'} {shown(one.values)}" for one in selector.clauses)
    return ", ".join(words)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairing:
    """How the names of two mappings belong together: kept, renamed (old -> new), removed, added; each sorted."""

    kept: tuple[str, ...]
    renamed: tuple[tuple[str, str], ...]
    removed: tuple[str, ...]
    added: tuple[str, ...]


def paired(old: Mapping[str, _T], new: Mapping[str, _T], content: Callable[[_T], object]) -> Pairing:
    """Return how the names of `old` and `new` belong together; of equal `content` is what was renamed."""
    removed, added = (
        [name for name in sorted(old) if name not in new],
        [name for name in sorted(new) if name not in old],
    )
    renamed = []
    for name in tuple(removed):
        same = next((other for other in added if content(new[other]) == content(old[name])), None)
        if same is not None:
            renamed.append((name, same))
            removed.remove(name)
            added.remove(same)
    return Pairing(
        kept=tuple(name for name in sorted(old) if name in new),
        renamed=tuple(renamed),
        removed=tuple(removed),
        added=tuple(added),
    )
