"""What a document is compiled against: the fleet, the parties, the facts, the controls and the time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from policyengine.language.cel.environment import Environment
from policyengine.language.diagnostics import did_you_mean
from policyengine.language.nodes import YamlNode
from policyengine.language.page import Page
from policyengine.model.corim import CorimReader, no_reader
from policyengine.model.ids import PartyName
from policyengine.model.policy import Control, Fleet, Party, Right, Role
from policyengine.model.schema import FactSchema


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """Everything that is known before the first policy is read.

    A party of None has a document that is itself wrong, and a fleet of None likewise: what refers to them is not
    reported a second time. `files` are all files of the tree by path; `corims` reads those that are CoRIMs.
    """

    fleet: Fleet | None
    parties: Mapping[str, Party | None]
    schema: FactSchema
    environment: Environment
    controls: Mapping[str, Control]
    now: datetime
    files: Mapping[str, bytes]
    corims: CorimReader = no_reader


def party_at(page: Page, node: YamlNode, name: str, around: Surroundings) -> Party | None:
    """Return the party called `name`; reports at `node` when there is none."""
    if name not in around.parties:
        page.error(node, "party.unknown", f"there is no party `{name}`", did_you_mean(name, around.parties))
    return around.parties.get(name)


def owner_of(page: Page, around: Surroundings) -> Party | None:
    """Return the party that owns the document; reports an unknown one. None when the document names no owner."""
    return party_at(page, page.node("metadata", "owner"), page.owner, around) if page.owner else None


def needs_right(page: Page, node: YamlNode, party: Party | None, right: Right) -> None:
    """Report at `node` unless `party` holds `right`."""
    if party is None or right in party.may:
        return
    advice = "no vendor may have it" if party.role is Role.VENDOR and right in (Right.LOOSEN, Right.WAIVE) else ""
    page.error(
        node,
        "party.right-missing",
        f"party `{party.name}` does not have the right `{right.value}`",
        advice or f"add `{right.value}` to its `may` in parties.yaml, or let another party own this",
    )


def party_names(names: tuple[str, ...]) -> tuple[PartyName, ...]:
    """Return `names` as party names, sorted."""
    return tuple(PartyName(name) for name in sorted(names))
