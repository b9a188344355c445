"""Entity Attestation Tokens (RFC 9711) as CWT and as JWT, in the media types of RFC 9782.

The order of work: read the envelope, judge it (`cose`, `jose`), read the claims, judge them (`claims`), look into
the submodules (`submods`), and only if nothing failed turn what is believed into facts.

A profile with rules of its own goes to them: a CWT that declares a PSA profile is judged as a PSA token, whichever
media type it came with, and results of other verifiers (EAR) are no evidence. Claims that nobody signed (UCCS, UJCS)
are refused: they need a secure channel that ends in the attester itself, which no check-in has.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from policyengine.attestation import cose, jose
from policyengine.attestation.anchors import SharedKey, TrustAnchors, TrustedKey
from policyengine.attestation.cca import claims as cca_claims
from policyengine.attestation.checks import Check, Requirement, nothing_failed, stated_in
from policyengine.attestation.eat import bundle as eat_bundle
from policyengine.attestation.eat import claims as eat_claims
from policyengine.attestation.eat import submods as eat_submods
from policyengine.attestation.eat.bundle import CBOR as BUNDLE_CBOR
from policyengine.attestation.eat.bundle import DETACHED, Bundle, attached, read_bundle
from policyengine.attestation.eat.bundle import JSON as BUNDLE_JSON
from policyengine.attestation.eat.envelope import CWT, JWT, Token, announced_by, read_cwt, read_jwt, read_token
from policyengine.attestation.eat.facts import add_facts
from policyengine.attestation.eat.result_profiles import PROFILES as RESULT_PROFILES
from policyengine.attestation.eat.submods import SUBMODS, Kind, Submodule, submodules
from policyengine.attestation.errors import MalformedEvidenceError
from policyengine.attestation.formats import Format, Freshness, KeyBinding, Verified
from policyengine.attestation.media_type import MediaType
from policyengine.attestation.psa import appraisal as psa
from policyengine.attestation.psa import profiles as psa_profiles
from policyengine.attestation.signatures import Algorithm
from policyengine.model.endorsements import ReferenceValues
from policyengine.model.ids import digest_of

NAME = "eat"
UNSIGNED = ("application/eat-ucs+cbor", "application/eat-ucs+json")
MAX_TOKENS = 8  # nested tokens judged in one piece of evidence, each at the cost of a signature
MAX_LEVELS = 3  # tokens in tokens

NESTED = Requirement(
    id="eat.nested",
    clause="RFC 9711 section 4.2.18.1.2",
    expected=f"at most {MAX_TOKENS} well-formed tokens, at most {MAX_LEVELS} deep",
)

_ELSEWHERE = frozenset({*psa_profiles.PROFILES, *cca_claims.PROFILES, cca_claims.REALM_PROFILE, *RESULT_PROFILES})


def appraise(
    evidence: bytes,
    *,
    media_type: str,
    nonce: bytes,
    anchors: TrustAnchors,
    endorsements: ReferenceValues | None,
    now: datetime,
) -> Verified:
    """Return what can be believed of a token; raises MalformedEvidenceError if it does not parse."""
    essence, announced = announced_by(media_type)
    bundle = read_bundle(evidence, essence) if essence in {BUNDLE_CBOR, BUNDLE_JSON} else None
    token = read_token(evidence, essence, anchors) if bundle is None else bundle.token(anchors)
    if essence == CWT and token.raw is not None and psa_profiles.declared(token.raw):
        return psa.appraise(
            evidence, media_type=media_type, nonce=nonce, anchors=anchors, endorsements=endorsements, now=now
        )
    context = _Context(nonce=nonce, anchors=anchors, now=now, announced=announced, bundle=bundle)
    judged = context.judged(token, level=0, room=MAX_TOKENS)
    facts: dict[str, object] = {}
    binding = None
    signer, algorithm = token.signed.signer, token.signed.algorithm
    if signer and algorithm and nothing_failed(judged.checks):
        facts = _envelope_facts(signer, algorithm, token.claims, digest_of(evidence))
        add_facts(facts, token.claims, judged.parts, endorsements=endorsements, now=now)
        binding = KeyBinding(key=signer.key, thumbprint=signer.thumbprint, proof="eat.signature")
    return Verified(
        media_type=media_type,
        facts=facts,
        complete=(),
        decoded=token.raw or {},
        naming=_named,
        key_binding=binding,
        signer=signer.thumbprint if signer else None,
        checks=judged.checks,
        digest=digest_of(evidence),
        freshness=Freshness.NONCE,
    )


def appraise_unsigned(
    evidence: bytes,  # noqa: ARG001 - nothing unsigned is believed, whatever it says
    *,
    media_type: str,  # noqa: ARG001
    nonce: bytes,  # noqa: ARG001
    anchors: TrustAnchors,  # noqa: ARG001
    endorsements: ReferenceValues | None,  # noqa: ARG001
    now: datetime,  # noqa: ARG001
) -> Verified:
    """Refuse claims without a signature (RFC 9711 section 9.1, RFC 9781): raises MalformedEvidenceError."""
    raise MalformedEvidenceError("eat.unsigned", "anybody on the way could have written claims without a signature")


Parts = tuple[tuple[str, eat_claims.Claims], ...]


class _Inside(NamedTuple):
    """The check over the tokens inside one, the believed claims in it by path, and how many tokens were met."""

    check: Check
    parts: Parts = ()
    tokens: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Judged:
    """All checks of one token, and what lies inside it."""

    checks: tuple[Check, ...]
    inside: _Inside

    @property
    def parts(self) -> Parts:
        """The claims of the believed parts by path."""
        return self.inside.parts


@dataclass(frozen=True, slots=True, kw_only=True)
class _Context:
    """What all tokens of one piece of evidence are judged against."""

    nonce: bytes
    anchors: TrustAnchors
    now: datetime
    announced: str | None = None
    bundle: Bundle | None = None

    def judged(self, token: Token, *, level: int, room: int) -> _Judged:
        """Return what becomes of `token`, which lies `level` tokens deep and may have `room` tokens inside."""
        if token.raw is None:
            return _Judged(checks=(*token.signed.checks, *_UNREACHED), inside=_Inside(NESTED.unreached))
        found = submodules(token.claims, token.encoding, self.now)
        announced, bundle = (self.announced, self.bundle) if level == 0 else (None, None)
        detached, beside = attached(bundle, token, self.now)
        parts = (*found.found, *beside)
        nested = self._nested([each for each in parts if each.kind in _TOKENS], level=level, room=room)
        checks = (
            *token.signed.checks,
            eat_claims.check_profile(token.claims, announced=announced, elsewhere=_ELSEWHERE),
            *eat_claims.check_claims(token.claims, self.nonce, self.now),
            found.check,
            detached,
            nested.check,
        )
        own = tuple((each.path, each.content) for each in parts if each.kind is Kind.CLAIMS)
        return _Judged(checks=checks, inside=nested._replace(parts=(*own, *nested.parts)))

    def _nested(self, tokens: Sequence[Submodule], *, level: int, room: int) -> _Inside:
        """Return what becomes of `tokens`: claims of those that a trusted key signed and that hold."""
        if not tokens:
            return _Inside(NESTED.absent)
        if level >= MAX_LEVELS:
            return _Inside(NESTED.failed(f"{level + 1} deep"))
        believed: list[tuple[str, eat_claims.Claims]] = []
        met = len(tokens)
        if met > room:
            return _Inside(_TOO_MANY, tokens=met)
        for each in tokens:
            try:
                token = (read_cwt if each.kind is Kind.CWT else read_jwt)(each.content, self.anchors)
            except MalformedEvidenceError as error:
                return _Inside(NESTED.failed(f"{each.path}: {error.code}"), tokens=met)
            judged = self.judged(token, level=level + 1, room=room - met)
            met += judged.inside.tokens
            if met > room:  # also where they are inside a stranger's: the work is ours
                return _Inside(_TOO_MANY, tokens=met)
            if token.signed.signer and nothing_failed(judged.checks):
                believed.append((each.path, token.claims))
                believed += [(f"{each.path}/{path}", claims) for path, claims in judged.parts]
        return _Inside(NESTED.passed, tuple(believed), met)


_TOKENS = frozenset({Kind.CWT, Kind.JWT})
_TOO_MANY = NESTED.failed(f"more than {MAX_TOKENS} tokens in all")
_UNREACHED = (*eat_claims.UNREACHED, SUBMODS.unreached, DETACHED.unreached, NESTED.unreached)


def _envelope_facts(
    signer: TrustedKey | SharedKey, algorithm: Algorithm, claims: eat_claims.Claims, digest: str
) -> dict[str, object]:
    evidence: dict[str, object] = {"format": NAME, "verified": True, "algorithm": algorithm.name, "digest": digest}
    profile = claims.get(eat_claims.PROFILE)
    if profile is not None:
        evidence["profile"] = profile if isinstance(profile, str) else profile.hex()
    return {
        "evidence": evidence,
        "identity": {"kind": "iak", "key_thumbprint": signer.thumbprint, "verified": True},
    }


def _named(claims: Mapping[Any, Any]) -> dict[str, object]:
    """Return the claims by name, those we do not know by their key."""
    return {
        eat_claims.NAMES.get(key, str(key)) if type(key) is int else str(key): value for key, value in claims.items()
    }


def _requirements() -> tuple[Requirement, ...]:
    return stated_in(vars(cose), vars(jose), vars(eat_bundle), vars(eat_claims), vars(eat_submods), globals())


FORMAT = Format(
    name=NAME,
    media_types=tuple(MediaType(essence=each) for each in (CWT, JWT, BUNDLE_CBOR, BUNDLE_JSON)),
    appraise=appraise,
    any_profile=frozenset({CWT, JWT, BUNDLE_CBOR, BUNDLE_JSON}),
    requirements=_requirements(),
)
UNSIGNED_FORMAT = Format(
    name="eat-ucs",
    media_types=tuple(MediaType(essence=essence) for essence in UNSIGNED),
    appraise=appraise_unsigned,
    any_profile=frozenset(UNSIGNED),
    requirements=_requirements(),
)
