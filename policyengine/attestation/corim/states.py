"""What a believed CoRIM vouches for, in the terms that evidence is compared in (draft-ietf-rats-corim section 8.3).

Reference triples give the states a device may be in; endorsed and conditional triples add security version numbers to
the states they apply to. A measurement that says more than we can compare (flags, raw values, extensions of a profile)
matches nothing and is left out whole, as the draft demands: nothing is endorsed on half of its conditions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import lru_cache, partial
from typing import Any

import cbor2
from cbor2 import CBORTag
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ed25519

from policyengine.attestation.anchors import TrustAnchors
from policyengine.attestation.checks import Outcome
from policyengine.attestation.corim import comid
from policyengine.attestation.corim.appraisal import JudgedCorim, judge_signed
from policyengine.attestation.corim.document import Corim, Tag, named
from policyengine.attestation.corim.graph import active_tags
from policyengine.attestation.corim.keys import stated_keys
from policyengine.attestation.errors import MalformedEvidenceError
from policyengine.model.canonical import MAX_INTEGER
from policyengine.model.corim import CorimSigners, EndorsedCorim, ReferenceState, RefusedCorim
from policyengine.model.endorsements import ReferenceComponent, TagVersion
from policyengine.model.ids import digest_of

_REFERENCE, _ENDORSED, _COSWID, _SERIES, _CONDITIONAL = 0, 1, 6, 8, 10
_SVN, _DIGESTS, _REGISTERS, _NAME = 1, 2, 14, 11
# What a measurement may say beside digests and still be compared by them: its version, name and signer. Not a serial
# number: what is vouched for on one device must not become so on all devices of its model.
_COMPARABLE = frozenset({0, _SVN, _DIGESTS, _NAME, 13, _REGISTERS})
_SIZES = {1: 64, 7: 96, 8: 128}  # SHA-256, SHA-384, SHA-512: digits of their digests
_BANKS = {1: "sha256", 7: "sha384", 8: "sha512"}
_PARSEC_TPM = "tag:github.com/parallaxsecond,2023-03-03:tpm"

Map = Mapping[Any, Any]


def read_endorsed(content: bytes, signers: CorimSigners, now: datetime) -> EndorsedCorim | RefusedCorim:
    """Return what a signed CoRIM endorses if one of `signers` signed it and every check holds at `now`, or why not."""
    try:
        found = judge_signed(content, signers=_anchors(signers), now=now)
        return _endorsed_by(found, content)
    except MalformedEvidenceError as error:
        return RefusedCorim(check=error.code, reason=error.message)


def _endorsed_by(found: JudgedCorim, content: bytes) -> EndorsedCorim | RefusedCorim:
    failed = next((check for check in found.checks if check.result is Outcome.FAIL), None)
    if failed is not None or found.corim is None:
        check = "corim.structure" if failed is None else failed.id
        return RefusedCorim(
            check=check, reason="" if failed is None else f"expected {failed.expected}, seen {failed.seen}"
        )
    return EndorsedCorim(
        id=found.corim.id,
        digest=digest_of(content),
        valid_until=found.valid_until,
        tags=tuple(TagVersion(tag=tag.id, version=tag.version) for tag in found.corim.tags),
        states=tuple(reference_states(found.corim)),
        keys=tuple(stated_keys(comids_in_force(found.corim))),
    )


@lru_cache(maxsize=256)
def _anchors(signers: CorimSigners) -> TrustAnchors:
    keys = tuple(ed25519.Ed25519PublicKey.from_public_bytes(key) for key in signers.keys)
    certificates = tuple(x509.load_pem_x509_certificate(each.encode()) for each in signers.authorities)
    return TrustAnchors(keys=keys, certificates=certificates)


def reference_states(corim: Corim) -> Iterator[ReferenceState]:
    """Yield the states that the CoRIM's active tags vouch for, with what they endorse of each."""
    tags = _in_force(corim)
    comids = comids_in_force(corim)
    files = {tag.id: [*_files(tag)] for tag in tags if tag.kind == comid.COSWID_TAG}
    rules, linked = _rules(comids), _linked(comids)
    for tag in comids:
        for environment, claims in tag.content[4].get(_REFERENCE, ()):
            if environment.keys() != {0}:  # of one instance or group: never widened to all devices of a model
                continue
            names = linked.get(_key(environment), ())
            state = _state(corim, environment, claims, [file for name in names for file in files.get(name, ())])
            if state.components:
                yield _endorsed(state, rules)


def comids_in_force(corim: Corim) -> Sequence[Tag]:
    """Return the CoMIDs that count: listed where there is a list, and not replaced."""
    return [tag for tag in _in_force(corim) if tag.kind == comid.COMID_TAG]


def _in_force(corim: Corim) -> Sequence[Tag]:
    replaced = _replaced(corim)
    return [tag for tag in active_tags(corim) if tag.id not in replaced]


def _replaced(corim: Corim) -> frozenset[str]:
    links = [link for tag in corim.of_kind(comid.COMID_TAG) for link in tag.content.get(3, ())]
    return frozenset(named(link[0]) for link in links if link[1] == 1)


def _key(environment: Map) -> str:
    return cbor2.dumps(environment, canonical=True).hex()


def _linked(comids: Sequence[Tag]) -> Mapping[str, Sequence[str]]:
    """Return the ids of the CoSWIDs that belong to each environment."""
    found: dict[str, list[str]] = {}
    for tag in comids:
        for environment, names in tag.content[4].get(_COSWID, ()):
            found.setdefault(_key(environment), []).extend(named(name) for name in names)
    return found


def _files(swid: Tag) -> Iterator[ReferenceComponent]:
    """Yield the files of a CoSWID's payload that have a digest (RFC 9393 section 2.9)."""
    files = swid.content.get(6, {}).get(17, ())
    for file in (files,) if isinstance(files, Mapping) else files:
        if 7 in file:
            yield from _component(file[24], [file[7]])


def _state(
    corim: Corim, environment: Map, claims: Sequence[Map], files: Sequence[ReferenceComponent]
) -> ReferenceState:
    of_class = environment.get(0, {})
    found: list[ReferenceComponent] = [*files]
    comparable = all(claim[1].keys() <= _COMPARABLE for claim in claims)
    for claim in claims if comparable else ():
        found += _components(corim, of_class, claim)
    svns = [claim[1][_SVN] for claim in claims if _SVN in claim[1]]
    class_id = of_class.get(0)
    return ReferenceState(
        environment=_key(environment),
        vendor=of_class.get(1),
        model=of_class.get(2),
        class_id=None if class_id is None else named(class_id),
        components=tuple(found) if comparable else (),
        svn=_plain(svns[0]) if len(svns) == 1 else None,
        min_svn=_least(svns[0]) if len(svns) == 1 else None,
    )


def _plain(svn: Any) -> int | None:
    value = svn.value if type(svn) is CBORTag and svn.tag == comid.SVN_TAG else svn
    return value if type(value) is int and value <= MAX_INTEGER else None


def _least(svn: Any) -> int | None:
    return _plain(svn.value) if type(svn) is CBORTag and svn.tag == comid.MIN_SVN_TAG else None


def _components(corim: Corim, of_class: Map, claim: Map) -> Iterator[ReferenceComponent]:
    values = claim[1]
    if _DIGESTS in values:
        yield from _component(_named_component(corim, of_class, claim), values[_DIGESTS])
    for register, digests in values.get(_REGISTERS, {}).items():
        for algorithm, digest in digests:
            name = f"{_BANKS.get(algorithm, algorithm)}:{register}" if type(register) is int else register
            yield from _component(name, [[algorithm, digest]])


def _named_component(corim: Corim, of_class: Map, claim: Map) -> str:
    """Return the name that evidence gives the component: its name, its key, its layer, or its class's model."""
    key, values = claim.get(0), claim[1]
    if _NAME in values:
        return str(values[_NAME])
    if corim.profile == _PARSEC_TPM:
        return f"sha256:{key}"
    if key is not None:
        return named(key)
    if 3 in of_class:
        return f"layer-{of_class[3]}" + (f".{of_class[4]}" if 4 in of_class else "")
    return str(of_class.get(2, "firmware"))


def _component(name: str, digests: Sequence[Sequence[Any]]) -> Iterator[ReferenceComponent]:
    known = {algorithm: value.hex() for algorithm, value in digests if _SIZES.get(algorithm) == 2 * len(value)}
    if known:
        others = tuple(known[algorithm] for algorithm in (7, 8) if algorithm in known)
        yield ReferenceComponent(name=name, sha256=known.get(1, ""), other=others)


Rule = Callable[[ReferenceState], Sequence[Sequence[Map]]]  # from a state to the claims that a triple adds to it
Rules = Mapping[str, Sequence[Sequence[Rule]]]  # by environment, in the order of tags, those of one tag together


def _rules(comids: Sequence[Tag]) -> Rules:
    """Return what endorsed, conditional and series triples add, by the environment of the states they are about."""
    found: dict[str, list[list[Rule]]] = {}
    for tag in comids:
        of_tag: dict[str, list[Rule]] = {}
        for environment, rule in _rules_of(tag.content[4]):
            of_tag.setdefault(environment, []).append(rule)
        for environment, rules in of_tag.items():
            found.setdefault(environment, []).append(rules)
    return found


def _rules_of(triples: Map) -> Iterator[tuple[str, Rule]]:
    for environment, claims in triples.get(_ENDORSED, ()):
        yield _key(environment), partial(_always, claims)
    for conditions, endorsements in triples.get(_CONDITIONAL, ()):
        about = {_key(environment) for environment, _ in conditions}
        if len(about) == 1:  # with conditions on several environments it holds in the states of none
            (key,) = about
            added = [claims for environment, claims in endorsements if _key(environment) == key]
            yield key, partial(_given, [claims for _, claims in conditions], added)
    for common, series in triples.get(_SERIES, ()):
        yield _key(common[0]), partial(_of_series, common[1], series)


def _endorsed(state: ReferenceState, rules: Rules) -> ReferenceState:
    """Return `state` with the security version number that endorsed and conditional triples give it."""
    for of_tag in rules.get(state.environment, ()):
        added = [claims for rule in of_tag for claims in rule(state)]
        for claim in (claim for claims in added for claim in claims if _meant(state, claim)):
            svn = claim[1].get(_SVN)
            state = replace(
                state,
                svn=state.svn if _plain(svn) is None else _plain(svn),
                min_svn=state.min_svn if _least(svn) is None else _least(svn),
            )
    return state


def _always(claims: Sequence[Map], _state: ReferenceState) -> Sequence[Sequence[Map]]:
    return [claims]


def _given(
    conditions: Sequence[Sequence[Map]], added: Sequence[Sequence[Map]], state: ReferenceState
) -> Sequence[Sequence[Map]]:
    """Return the endorsements of a conditional triple if its conditions all hold in `state`."""
    return added if all(_holds(state, claims) for claims in conditions) else ()


def _of_series(common: Sequence[Map], series: Sequence[Any], state: ReferenceState) -> Sequence[Sequence[Map]]:
    """Return the first addition of a series whose condition holds: later ones are not looked at."""
    if not _holds(state, common):
        return ()
    return [addition for condition, addition in series if _holds(state, condition)][:1]


def _holds(state: ReferenceState, claims: Sequence[Map]) -> bool:
    """Return whether each claim states only a digest or an SVN, and one that `state` has."""
    return all(_one_holds(state, claim) for claim in claims)


def _meant(state: ReferenceState, claim: Map) -> tuple[ReferenceComponent, ...]:
    """Return the components of `state` that `claim` is about: the one its key names, without a key all of them."""
    key = claim.get(0)
    names = None if key is None else {named(key), f"{_BANKS[1]}:{named(key)}"}
    return tuple(each for each in state.components if names is None or each.name in names)


def _one_holds(state: ReferenceState, claim: Map) -> bool:
    values, meant = claim[1], _meant(state, claim)
    if values.keys() - {_SVN, _DIGESTS} or not meant:
        return False
    if _SVN in values and (state.svn is None or _plain(values[_SVN]) != state.svn):
        return False
    wanted = {value.hex() for _, value in values.get(_DIGESTS, ())}
    return wanted <= {digest for each in meant for digest in each.digests}
