"""The differences between two bundles as text, JSON and Markdown."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from policyengine.analysis.changes import Change, Verdict
from policyengine.analysis.direction import Direction
from policyengine.analysis.signoffs import Signoff
from policyengine.reports.markdown import code, prose, table

MAX_TEXT = 200  # characters of an old or new value in text and Markdown; JSON has all of it
NOBODY = "everyone"
_FLEET_NOTE = "which devices this limits, and so whether operations must sign, a plan against the fleet says"


@dataclass(frozen=True, slots=True, kw_only=True)
class Diff:
    """The two sides by name, what differs, and who must sign it."""

    old: str
    new: str
    changes: tuple[Change, ...]
    signoffs: tuple[Signoff, ...]

    def by_party(self) -> dict[str, list[Change]]:
        """Return the changes by whose they are; those that are nobody's alone come last."""
        names = sorted({change.party for change in self.changes}, key=lambda name: (not name, name))
        return {name or NOBODY: [change for change in self.changes if change.party == name] for name in names}


def rendered(diff: Diff, output: str) -> str:
    """Return `diff` as `table`, `text`, `json` or `markdown`."""
    match output:
        case "json":
            return json.dumps(_document(diff), indent=2, ensure_ascii=False)
        case "markdown":
            return "\n".join(_markdown(diff))
        case _:
            return "\n".join(_lines(diff))


def _lines(diff: Diff) -> Iterator[str]:
    for party, changes in diff.by_party().items():
        yield f"{party}:"
        for change in changes:
            yield f"  {_said(change)}"
            yield from _values(change)
        yield ""
    yield _totals(diff.changes)
    if diff.signoffs:
        yield "must sign:"
        yield from (f"  {one.party}{_quorum(one)}: {one.why}" for one in diff.signoffs)
    if diff.changes:
        yield _FLEET_NOTE


def _said(change: Change) -> str:
    aspect = f" {change.aspect}" if change.aspect else ""
    place = "" if change.place is None or not change.place.file else f"  ({change.place.file}:{change.place.line})"
    return f"{change.verdict.value}{_undecided(change)} {change.subject.value} {change.name}{aspect}{place}"


def _undecided(change: Change) -> str:
    is_open = change.verdict is Verdict.CHANGED and change.effect is Direction.UNDECIDED
    return " (direction not decided)" if is_open else ""


def _values(change: Change) -> Iterator[str]:
    if change.old or change.new:
        yield f"    - {_cut(change.old)}"
        yield f"    + {_cut(change.new)}"


def _cut(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= MAX_TEXT else f"{line[:MAX_TEXT]} ..."


def _totals(changes: Sequence[Change]) -> str:
    if not changes:
        return "no difference in meaning"
    counts = ((verdict, sum(change.verdict is verdict for change in changes)) for verdict in Verdict)
    return ", ".join(f"{count} {verdict.value}" for verdict, count in counts if count)


def _quorum(signoff: Signoff) -> str:
    return " (quorum)" if signoff.quorum else ""


def _document(diff: Diff) -> dict[str, object]:
    return {
        "old": diff.old,
        "new": diff.new,
        "changes": [_change(change) for change in diff.changes],
        "by_party": {
            party: {verdict.value: sum(one.verdict is verdict for one in changes) for verdict in Verdict}
            for party, changes in diff.by_party().items()
        },
        "required_signoffs": [{"party": one.party, "why": one.why, "quorum": one.quorum} for one in diff.signoffs],
    }


def _change(change: Change) -> dict[str, object]:
    return {
        "subject": change.subject.value,
        "name": change.name,
        "party": change.party or None,
        "verdict": change.verdict.value,
        "effect": change.effect.value,
        "aspect": change.aspect or None,
        "old": change.old or None,
        "new": change.new or None,
        "file": None if change.place is None else change.place.file,
        "line": None if change.place is None else change.place.line,
    }


def _markdown(diff: Diff) -> Iterator[str]:
    yield f"## {prose(f'Policy changes from {diff.old} to {diff.new}')}"
    yield ""
    yield f"{_totals(diff.changes)}."
    for party, changes in diff.by_party().items():
        yield ""
        yield f"### {prose(party)}"
        yield ""
        yield from table(("what", "of", "old", "new"), (_row(change) for change in changes))
    if diff.signoffs:
        yield ""
        yield "### Must sign"
        yield ""
        yield from table(("party", "why"), ((prose(one.party + _quorum(one)), prose(one.why)) for one in diff.signoffs))
    if diff.changes:
        yield ""
        yield f"{_FLEET_NOTE[0].upper()}{_FLEET_NOTE[1:]}."


def _row(change: Change) -> tuple[str, ...]:
    name = f"{change.subject.value} {change.name} {change.aspect}".strip()
    values = (code(_cut(value)) if value else "" for value in (change.old, change.new))
    return (prose(change.verdict.value + _undecided(change)), prose(name), *values)
