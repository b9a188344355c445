"""Who must sign a change, as far as the documents alone decide it (DESIGN section 4, "Who must sign").

What depends on the fleet (devices newly limited, which operations must sign) is a plan's to say. A change whose
direction is not decided is treated as one that loosens.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from policyengine.analysis.changes import Change, Subject
from policyengine.analysis.direction import Direction
from policyengine.model.policy import Bundle, Role

_VOUCHED = frozenset({Subject.ANCHOR, Subject.PROFILE, Subject.REFERENCE_VALUES})
_QUORUM = (Role.IT, Role.ENGINEERING, Role.OPERATIONS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Signoff:
    """A party that must sign, and the first change that asks for it; `quorum`: enough of those so marked must."""

    party: str
    why: str
    quorum: bool = False


def signoffs_for(changes: Iterable[Change], active: Bundle) -> tuple[Signoff, ...]:
    """Return who must sign `changes` to the bundle in force, `active`: its parties sign, by name; each once."""
    found: dict[str, Signoff] = {}
    for change in changes:
        for signoff in _asked(change, active):
            known = found.get(signoff.party)
            if known is None or (known.quorum and not signoff.quorum):
                found[signoff.party] = signoff
    return tuple(found[party] for party in sorted(found))


def _asked(change: Change, active: Bundle) -> Iterator[Signoff]:
    if change.subject is Subject.PARTY:
        why = f"parties.yaml changes: a quorum of IT, engineering and operations ({change.name})"
        yield from (Signoff(party=party, why=why, quorum=True) for party in _with_role(active, *_QUORUM))
    elif change.subject in _VOUCHED:
        why = f"{change.subject.value} {change.name} {change.verdict.value}"
        yield from (Signoff(party=party, why=why) for party in _owner_and(change, active, Role.ENGINEERING))
    elif change.effect in (Direction.LOOSER, Direction.UNDECIDED):
        how = "loosened" if change.effect is Direction.LOOSER else "changed, direction not decided"
        why = f"{change.subject.value} {change.name} {how}"
        yield from (Signoff(party=party, why=why) for party in _owner_and(change, active, Role.IT))


def _owner_and(change: Change, active: Bundle, role: Role) -> tuple[str, ...]:
    owner = (change.party,) if change.party in active.parties else ()
    return (*owner, *_with_role(active, role))


def _with_role(bundle: Bundle, *roles: Role) -> tuple[str, ...]:
    return tuple(sorted(party.name for party in bundle.parties.values() if party.role in roles))
