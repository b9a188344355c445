"""Signed CoRIMs beside a ReferenceValues document: believed, in the signer's scope, never older than another one.

A release that names a CoRIM has the components that the CoRIM's reference triples state for the document's models. Each
environment may be in one of several states; a release is one state of each.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import product
from math import prod

from policyengine.language.nodes import YamlNode, at, items, text
from policyengine.language.page import Page
from policyengine.language.surroundings import Surroundings
from policyengine.model.corim import CorimSigners, EndorsedCorim, ReferenceState, RefusedCorim
from policyengine.model.endorsements import Endorser, ReferenceValues, Release, TagVersion
from policyengine.model.policy import Anchor, Party

MAX_COMBINATIONS = 64  # of states of one release; a vendor that means more should sign them apart
MAY_SIGN = "corim"  # the use of a trust anchor whose certificates may sign CoRIMs


def with_corims(
    page: Page, written: ReferenceValues, party: Party | None, anchors: tuple[Anchor, ...], around: Surroundings
) -> ReferenceValues:
    """Return `written` with the releases of the CoRIMs it names; what is wrong with one is reported at its name."""
    releases: list[Release] = []
    tags: list[TagVersion] = []
    signers = None if party is None else signers_of(party, written.models, anchors)
    for node, release in zip(items(page.spec, "releases"), written.releases, strict=True):
        content = around.files.get(f"{page.file.rpartition('/')[0]}/{release.corim}")
        if release.corim is None or content is None or signers is None or party is None:
            releases.append(release)
            continue
        place = at(node, "corim") or node
        found = around.corims(content, signers, around.now)
        if isinstance(found, RefusedCorim):
            message = f"`{release.corim}` is refused by `{found.check}`: {found.reason}"
            page.error(place, "reference.corim-refused", message, "ask the vendor for a CoRIM that is good now")
        elif _in_scope(page, place, found, party, written.models):
            releases += _of_states(page, place, release, found, party)
            tags += found.tags
    return replace(written, releases=tuple(releases), tags=tuple(tags))


def signers_of(party: Party, models: tuple[str, ...], anchors: tuple[Anchor, ...]) -> CorimSigners:
    """Return who may sign CoRIMs of `party` for `models`: its keys, and authorities that speak for all of them."""
    speaking = [each for each in anchors if each.vendor == party.name and MAY_SIGN in each.use]
    return CorimSigners(
        keys=tuple(key.ed25519 for key in party.keys if any(key.ed25519)),
        authorities=tuple(each.certificate for each in speaking if set(models) <= set(each.models)),
    )


def foreign_names(found: EndorsedCorim, party: Party, models: tuple[str, ...]) -> tuple[str, ...]:
    """Return the vendors, models and class ids that a CoRIM of `party` for `models` names and may not endorse."""
    said = [name for state in found.states for name in (state.vendor, state.model, state.class_id) if name is not None]
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
        page.error(place, "reference.corim-refused", message, "ask the vendor for one CoRIM a release")
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
    named = (at(node, "corim") for node in items(page.spec, "releases") if text(node, "corim"))
    return next((node for node in named if node is not None), page.root)
