"""What a rule may see of the facts: without those that are too weak or too old for it (DESIGN section 6)."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache

from policyengine.decision.messages import Shown
from policyengine.decision.origins import Origins
from policyengine.model.facts import Facts, Provenance, Source

KEPT_LAYOUTS = 256  # distinct sets of provenance paths; every device of a kind has the same
KEPT_PLANS = 2048  # distinct ways in which facts of one layout are refused; a need or two each


class _Layout:
    """What follows from provenance paths alone, shared by all facts that have the same.

    `prefixes` and `groups` hold, by what was asked so far, the longest provenance key of a path and the distinct ones
    of several. `branches` are the paths below which provenance differs, with all keys that say something of what stands
    there; none when it is given by whole groups only.
    """

    __slots__ = ("_keys", "branches", "groups", "inner", "prefixes")

    def __init__(self, provenance: tuple[str, ...]) -> None:
        self._keys = frozenset(provenance)
        inner = {key.rpartition(".")[0] for key in provenance} - {""}
        inner |= {key[:at] for key in inner for at, sign in enumerate(key) if sign == "."}
        self.branches = {path: frozenset(key for key in provenance if _says(key, path)) for path in inner}
        self.prefixes: dict[str, str | None] = {}
        self.groups: dict[tuple[str, ...], tuple[str, ...]] = {}
        self.inner: dict[tuple[str, tuple[str, ...]], tuple[str | None, ...]] = {}

    def prefix(self, path: str) -> str | None:
        """Return the longest provenance key that `path` stands below, None if there is none."""
        try:
            return self.prefixes[path]
        except KeyError:
            found = self.prefixes[path] = self._longest(path)
            return found

    def below(self, path: str, names: tuple[str, ...]) -> tuple[str | None, ...]:
        """Return the prefix of each of `names` below `path`; all facts of a kind have the same names."""
        asked = (path, names)
        found = self.inner.get(asked)
        if found is None:
            if len(self.inner) >= KEPT_LAYOUTS:
                self.inner.clear()
            found = self.inner[asked] = tuple([self.prefix(f"{path}.{name}") for name in names])
        return found

    def _longest(self, path: str) -> str | None:
        key = path
        while key:
            if key in self._keys:
                return key
            key = key.rpartition(".")[0]
        return "" if "" in self._keys else None


def _says(key: str, path: str) -> bool:
    """Return whether provenance at `key` may be that of something at or below `path`."""
    return not key or f"{key}.".startswith(f"{path}.") or path.startswith(f"{key}.")


_layout = lru_cache(maxsize=KEPT_LAYOUTS)(_Layout)


@lru_cache(maxsize=KEPT_PLANS)
def _plan(
    layout: _Layout, above: str, names: tuple[str, ...], refused: tuple[str, ...]
) -> tuple[tuple[str, str | None], ...]:
    """Return which of `names` below `above` to keep where the provenance keys `refused` do not count.

    With a name goes its path if what stands there must be looked through, None if it is kept as it is.
    """
    found: list[tuple[str, str | None]] = []
    for name in names:
        path = f"{above}.{name}" if above else name
        below = layout.branches.get(path)
        if below is not None:
            found.append((name, None if below.isdisjoint(refused) else path))
        elif layout.prefix(path) not in refused:
            found.append((name, None))
    return tuple(found)


_NOTHING = timedelta()
_FUTURE = -1  # of the age of what was observed in the future: fresh for nobody


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """What a rule asks of facts; `number` is its own among the needs of one bundle, and cheap to look up."""

    number: int
    minimum: Source | None
    fresh: timedelta | None


class Needs:
    """The distinct needs of one bundle's rules."""

    def __init__(self) -> None:
        self._known: dict[tuple[Source | None, timedelta | None], Need] = {}

    def of(self, minimum: Source | None, fresh: timedelta | None) -> Need:
        """Return the one need that asks for `minimum` and `fresh`."""
        new = Need(number=len(self._known), minimum=minimum, fresh=fresh)
        return self._known.setdefault((minimum, fresh), new)

    def lifetimes(self) -> tuple[timedelta, ...]:
        """Return the distinct ages that facts must be below, ascending."""
        return tuple(sorted({fresh for _, fresh in self._known if fresh is not None}))


class Completeness(dict[str, bool]):
    """By fact path: whether the source listed everything there, and the rule may believe it; filled as it is asked.

    It does not hold the views that hold it: a decision then leaves no circle behind, which only a collection would end.
    """

    __slots__ = ("_layout", "_provenance", "_refused")

    def __init__(self, provenance: Mapping[str, Provenance], layout: _Layout, refused: Mapping[str, str]) -> None:
        super().__init__()
        self._provenance, self._layout, self._refused = provenance, layout, refused

    def __missing__(self, path: str) -> bool:
        key = self._layout.prefix(path)
        provenance = None if key is None else self._provenance[key]
        answer = self[path] = provenance is not None and provenance.complete and key not in self._refused
        return answer


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """The facts that count for one need. `refused` says by provenance prefix why the facts below it do not."""

    values: Mapping[str, object]
    complete: Completeness
    refused: Mapping[str, str]
    shown: Shown


class Views:
    """The views of one device's facts at one moment, each made once."""

    def __init__(self, facts: Facts, origins: Origins, now: datetime) -> None:
        self.facts = facts
        self._made: dict[int, View] = {}
        self._alike: dict[tuple[str | None, ...], View] = {}
        self._origins = origins
        self._aged = [(kept.source, now - kept.observed_at) for kept in origins.distinct]
        self._layout = _layout(origins.paths)
        self.prefix, self.prefixes = self._layout.prefix, self._layout.below

    def of(self, need: Need) -> View:
        """Return the facts that count for `need`."""
        found = self._made.get(need.number)
        if found is None:
            found = self._made[need.number] = self._view(need.minimum, need.fresh)
        return found

    def standing(self, lifetimes: tuple[timedelta, ...]) -> Hashable:
        """Return all that decides which facts count for any need whose `fresh` is one of `lifetimes`, ascending.

        That is: which paths share a provenance; of each how strong it is, whether all was listed, and which of
        `lifetimes` it has outlived.
        """
        ages = [_FUTURE if age < _NOTHING else bisect_right(lifetimes, age) for _, age in self._aged]
        pairs = zip(self._origins.distinct, ages, strict=True)
        return (
            self._layout,
            self._origins.marks,
            tuple([(kept.source._value_, kept.complete, age) for kept, age in pairs]),
        )

    def _view(self, minimum: Source | None, fresh: timedelta | None) -> View:
        """Return the view that these needs make; needs that refuse the same share one."""
        reasons = tuple(
            [
                "fact.weak"
                if minimum is not None and source < minimum
                else "fact.stale"  # half-open; observed in the future counts as too old
                if fresh is not None and not (_NOTHING <= age < fresh)
                else None
                for source, age in self._aged
            ]
        )
        known = self._alike.get(reasons)
        if known is None:
            known = self._alike[reasons] = self._refusing(reasons)
        return known

    def _refusing(self, reasons: tuple[str | None, ...]) -> View:
        pairs = zip(self._origins.paths, self._origins.marks, strict=True)
        refused = {key: reason for key, mark in pairs if (reason := reasons[mark]) is not None}
        values = self._below("", self.facts.values, tuple(refused)) if refused else self.facts.values
        complete = Completeness(self.facts.provenance, self._layout, refused)
        return View(values=values, complete=complete, refused=refused, shown=Shown(values))

    def _below(self, above: str, found: Mapping[str, object], refused: tuple[str, ...]) -> dict[str, object]:
        kept: dict[str, object] = {}
        for name, path in _plan(self._layout, above, tuple(found), refused):
            value = found[name]
            if path is None:
                kept[name] = value
            elif isinstance(value, dict):
                kept[name] = self._below(path, value, refused)
            elif self.prefix(path) not in refused:
                kept[name] = value
        return kept

    def observed(self, paths: tuple[str, ...]) -> list[datetime]:
        """Return when the facts at `paths` were observed, once for each provenance key they stand below."""
        keys = self._layout.groups.get(paths)
        if keys is None:
            found = {self.prefix(path) for path in paths} - {None}
            keys = self._layout.groups[paths] = tuple(key for key in found if key is not None)
        provenance = self.facts.provenance
        return [provenance[key].observed_at for key in keys]
