"""Verdict intervals against the decisions that made them: each opens and closes exactly where a decision says so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from policyengine.model.decision import Finding
from policyengine.model.ids import Digest
from policyengine.model.policy import Action
from policyengine.model.times import parse_timestamp

_ACTIONS = tuple(action.name.lower() for action in Action)  # by its number: the name of a member is slow to ask for

Key = tuple[str, str | None]
Said = tuple[str, str, str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A decision that was made again: when, its name, and what each rule says."""

    at: datetime
    id: Digest
    findings: Sequence[Finding]


@dataclass(slots=True, kw_only=True)
class _Interval:
    said: Said
    since: datetime | None  # None: at or before the first decision of the export
    decision: Digest | None
    until: datetime | None = None


@dataclass(slots=True)
class Expected:
    """The intervals that a device's decisions make, in the order they open."""

    resets: Sequence[datetime]
    last: datetime | None = None  # when the last decision was made
    _open: dict[Key, _Interval] = field(default_factory=dict)
    _all: dict[Key, list[_Interval]] = field(default_factory=dict)
    _first: datetime | None = None
    _reset: int = 0
    _before: Sequence[Finding] = ()

    def follow(self, made: Made) -> None:
        """Go on with the next decision."""
        self._end_before(made.at)
        if not (self._open and made.findings == self._before):
            self._change(made)
        self._first, self.last, self._before = self._first or made.at, made.at, made.findings

    def _change(self, made: Made) -> None:
        after: dict[Key, Said] = {found.terms.name: _said(found) for found in made.findings}
        for key, interval in list(self._open.items()):
            if after.get(key) != interval.said:
                interval.until = made.at
                del self._open[key]
        for key, said in after.items():
            if key not in self._open:
                since, decision = (None, None) if self._first is None else (made.at, made.id)
                self._open[key] = _Interval(said=said, since=since, decision=decision)
                self._all.setdefault(key, []).append(self._open[key])

    def finish(self, end: datetime) -> None:
        """End what a person's act ended after the last decision."""
        self._end_before(end)

    def takes(self, line: Mapping[str, Any]) -> bool:
        """Tell whether a verdict record is the next interval of its rule and binding, and count it off."""
        waiting = self._all.get((line["rule"], line["binding"]))
        if not waiting or self._first is None:
            return False
        interval = waiting.pop(0)
        said = (line["result"], line["reason"], line["mode"], line["action"])
        since, until = parse_timestamp(line["valid_from"]), _time(line["valid_to"])
        if (said, until) != (interval.said, interval.until):
            return False
        if interval.since is None:
            return since <= self._first
        return (since, line["decision_id"]) == (interval.since, interval.decision)

    @property
    def left(self) -> int:
        """How many intervals no record was found for."""
        return sum(map(len, self._all.values()))

    def _end_before(self, at: datetime) -> None:
        while self._reset < len(self.resets) and self.resets[self._reset] < at:
            for interval in self._open.values():
                interval.until = self.resets[self._reset]
            self._open.clear()
            self._reset += 1


def _said(found: Finding) -> Said:
    return (found.result._value_, found.reason, found.mode._value_, _ACTIONS[found.action])


def _time(text: str | None) -> datetime | None:
    return None if text is None else parse_timestamp(text)
