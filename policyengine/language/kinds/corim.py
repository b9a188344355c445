"""Signed CoRIMs beside a ReferenceValues document: believed, in the signer's scope, never older than another one.

A release that names a CoRIM has the components that the CoRIM's reference triples state for the document's models. Each
environment may be in one of several states; a release is one state of each. The keys that a CoRIM vouches for are
those of devices of the document's models (attest_keys.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import product
from math import prod
from typing import NamedTuple

from policyengine.language.kinds.attest_keys import attest_keys, keys_alone
from policyengine.language.nodes import YamlNode, at, items, text
from policyengine.language.page import Page
from policyengine.language.surroundings import Surroundings
from policyengine.model.corim import CorimSigners, EndorsedCorim, ReferenceState, RefusedCorim, StatedKey
from policyengine.model.endorsements import AttestKey, Endorser, ReferenceValues, Release, TagVersion
from policyengine.model.policy import Anchor, Party

MAX_COMBINATIONS = 64  # of states of one release; a vendor that means more should sign them apart
_ONE_EACH = "ask the vendor for one CoRIM a release"
MAY_SIGN = "corim"  # the use of a trust anchor whose certificates may sign CoRIMs


def with_corims(
    page: Page, written: ReferenceValues, party: Party | None, anchors: tuple[Anchor, ...], around: Surroundings
) -> ReferenceValues:
    """Return `written` with what the CoRIMs it names vouch for; what is wrong with one is reported at its name."""
    releases: list[Release] = []
    tags: list[TagVersion] = []
    keys: list[AttestKey] = []
    reader = _Reader(page=page, party=party, models=written.models, anchors=anchors, around=around)
    for node, release in zip(items(page.spec, "releases"), written.releases, strict=True):
        read = reader.read(node)
        if read is None:
            releases.append(release)
        elif read.found is not None:
            releases += _of_states(page, read.place, release, read.found, read.party)
            tags += read.found.tags
            keys += attest_keys(read.found, read.party, until=None)  # firmware ends, its devices stay genuine
    for node in items(page.spec, "attest_keys"):
        read = reader.read(node)
        if read is not None and read.found is not None:
            tags += read.found.tags
            keys += keys_alone(page, node, read.found, read.party)
    return replace(written, releases=tuple(releases), tags=tuple(tags), attest_keys=tuple(keys) or None)


class _Read(NamedTuple):
    """What became of a CoRIM; `found` is None where that was reported."""

    place: YamlNode
    party: Party
    found: EndorsedCorim | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reader:
    """The CoRIMs beside one document."""

    page: Page
    party: Party | None
    models: tuple[str, ...]
    anchors: tuple[Anchor, ...]
    around: Surroundings

    def read(self, node: YamlNode) -> _Read | None:
        """Return the CoRIM that `node` names, or None where it names none that is there."""
        name = text(node, "corim")
        content = self.around.files.get(f"{self.page.file.rpartition('/')[0]}/{name}")
        if name is None or content is None or self.party is None:
            return None
        place = at(node, "corim") or node
        found = self.around.corims(content, signers_of(self.party, self.models, self.anchors), self.around.now)
        if isinstance(found, RefusedCorim):
            message = f"`{name}` is refused by `{found.check}`: {found.reason}"
            self.page.error(place, "reference.corim-refused", message, "ask the vendor for a CoRIM that is good now")
            return _Read(place, self.party, None)
        scoped = _in_scope(self.page, place, found, self.party, self.models)
        return _Read(place, self.party, found if scoped else None)


def signers_of(party: Party, models: tuple[str, ...], anchors: tuple[Anchor, ...]) -> CorimSigners:
    """Return who may sign CoRIMs of `party` for `models`: its keys, and authorities that speak for all of them."""
    speaking = [each for each in anchors if each.vendor == party.name and MAY_SIGN in each.use]
    return CorimSigners(
        keys=tuple(key.ed25519 for key in party.keys if any(key.ed25519)),
        authorities=tuple(each.certificate for each in speaking if set(models) <= set(each.models)),
    )


def foreign_names(found: EndorsedCorim, party: Party, models: tuple[str, ...]) -> tuple[str, ...]:
    """Return the vendors, models and class ids that a CoRIM of `party` for `models` names and may not endorse."""
    about: tuple[ReferenceState | StatedKey, ...] = (*found.states, *found.keys)
    said = [name for each in about for name in (each.vendor, each.model, each.class_id) if name is not None]
    return tuple(sorted(set(said) - {party.name, *models, *party.endorses}))


def _in_scope(page: Page, place: YamlNode, found: EndorsedCorim, party: Party, models: tuple[str, ...]) -> bool:
    foreign = foreign_names(found, party, models)
    if foreign:
        message = f"the CoRIM endorses `{foreign[0]}`, which `{party.name}` may not endorse"
        advice = f"let the quorum add it to `endorses` of `{party.name}` in parties.yaml, if it is that party's"
        page.error(place, "reference.corim-scope", message, advice)
    return not foreign


def _of_states(page: Page, place: YamlNode, release: Release, found: EndorsedCorim, party: Party) -> Iterator[Release]:
    """Yield one release for each combination of the states of all environments."""
    by_environment: dict[str, list[ReferenceState]] = {}
    for state in found.states:
        by_environment.setdefault(state.environment, []).append(state)
    count = prod(len(each) for each in by_environment.values())
    if not by_environment or count > MAX_COMBINATIONS:
        reason = "has no digests that evidence can be compared with" if not by_environment else f"has {count} states"
        message = f"`{release.corim}` {reason}"
        lists_keys = bool(found.keys) and not by_environment
        advice = "it lists keys of devices: name it under `attest_keys`, beside `releases`" if lists_keys else _ONE_EACH
        page.error(place, "reference.corim-refused", message, advice)
        return
    for states in product(*by_environment.values()):
        svns = {state.svn for state in states if state.svn is not None}
        least = [state.min_svn for state in states if state.min_svn is not None]
        classes = {state.class_id for state in states if state.class_id is not None}
        yield replace(
            release,
            svn=release.svn if release.svn is not None or len(svns) != 1 else next(iter(svns)),
            components=(*release.components, *(each for state in states for each in state.components)),
            endorser=Endorser(
                party=party.name,
                corim_id=found.id,
                corim_digest=found.digest,
                valid_until=found.valid_until,
                min_svn=max(least, default=None),
                class_id=next(iter(classes)) if len(classes) == 1 else None,
            ),
        )


def check_tag_versions(pages: Iterable[Page], references: Iterable[ReferenceValues]) -> None:
    """Report CoRIMs with a tag that another CoRIM of the tree has in a newer version."""
    known = list(zip(pages, references, strict=True))
    newest: dict[str, int] = {}
    for _, values in known:
        for tag in values.tags:
            newest[tag.tag] = max(newest.get(tag.tag, 0), tag.version)
    for page, values in known:
        for tag in values.tags:
            if tag.version < newest[tag.tag]:
                message = f"tag `{tag.tag}` is there in version {newest[tag.tag]}, here in version {tag.version}"
                page.error(_first_corim(page), "reference.corim-older", message, "remove the older CoRIM")


def _first_corim(page: Page) -> YamlNode:
    nodes = (*items(page.spec, "releases"), *items(page.spec, "attest_keys"))
    return next((each for each in (at(node, "corim") for node in nodes) if each is not None), page.root)
