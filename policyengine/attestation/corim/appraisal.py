"""Signed CoRIMs (draft-ietf-rats-corim-11): from bytes to what may be endorsed, with a check for every requirement.

In order: read the COSE_Sign1; `corim.signature` by a key that the caller trusts, or by the certificate in `x5chain` if
its path ends at an authority that the caller trusts (`corim.chain`); what the header must say of content and signer;
then the CoRIM itself. Whether the signer may speak for these devices is for the compiler of policies.

An unsigned CoRIM (tag 501) is never accepted by `judge_signed`. `judge_conveyed` is for one that came over a channel
whose other end the caller authenticated, and knows what that end may endorse.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from pki.certificates import load_certificate, name_text
from pki.chain import validate_path
from pki.errors import PathError
from pki.keys import PublicKey
from policyengine.attestation.anchors import TrustAnchors, TrustedKey, signers_of
from policyengine.attestation.checks import Check, Outcome, Requirement, described, failures
from policyengine.attestation.corim import graph as corim_graph
from policyengine.attestation.corim.document import Corim, Validity, moment, read_corim, read_meta, read_validity
from policyengine.attestation.corim.grammar import YEAR_10000
from policyengine.attestation.corim.profiles import PROFILES, Profile
from policyengine.attestation.cose import ForeignEnvelope, Sign1, check_sign1, read_sign1, x5chain
from policyengine.attestation.errors import MalformedEvidenceError
from policyengine.attestation.signatures import EDDSA, ES256, ES384, ES512, Algorithm

MEDIA_TYPE = "application/rim+cbor"
ALGORITHMS: Mapping[int, Algorithm] = {each.id: each for each in (ES256, ES384, ES512, EDDSA)}
_CONTENT_TYPE, _META, _CWT = 3, 8, 15
_HASH_ALG, _PREIMAGE_TYPE = 258, 259
_HASHES = {-16: "sha256", -43: "sha384", -44: "sha512"}  # RFC 9054 section 2.1

SIGNATURE = Requirement(
    id="corim.signature", clause="draft-ietf-rats-corim section 4.2", expected="a signature by a trusted signer"
)
CHAIN = Requirement(
    id="corim.chain",
    clause="draft-ietf-rats-corim section 8.3.3.2",
    expected="where x5chain is there, a path to an authority that may sign CoRIMs",
)
CONTENT_TYPE = Requirement(
    id="corim.content-type",
    clause="draft-ietf-rats-corim section 4.2.1",
    expected=f"protected content type {MEDIA_TYPE}",
)
META = Requirement(
    id="corim.meta",
    clause="draft-ietf-rats-corim section 4.2.1",
    expected="corim-meta or CWT-Claims in the protected header; if both, saying the same",
)
SIGNATURE_VALIDITY = Requirement(
    id="corim.signature-validity", clause="draft-ietf-rats-corim section 7.3", expected="a signature that is valid now"
)
HASH_ENVELOPE = Requirement(
    id="corim.hash-envelope",
    clause="draft-ietf-rats-corim section 4.2.1",
    expected="a payload that is the digest of the CoRIM given beside it",
)
VALIDITY = Requirement(
    id="corim.validity", clause="draft-ietf-rats-corim section 7.3", expected="a CoRIM that is valid now"
)
PROFILE = Requirement(
    id="corim.profile", clause="draft-ietf-rats-corim section 4.1.4", expected="no profile, or one that is understood"
)
PROFILE_RULES = Requirement(
    id="corim.profile-rules",
    clause="draft-ietf-rats-corim section 4.1.4",
    expected="contents as the profile demands, and extensions only where it defines them",
)
TAG_LIST = Requirement(
    id="corim.tag-list",
    clause="draft-ietf-rats-corim section 6",
    expected="all tags of a CoTL there, and the list valid now",
)
RESOLVED = Requirement(
    id="corim.resolved",
    clause="draft-ietf-rats-corim section 8.3.3.3",
    expected="every CoSWID that a triple names is in the CoRIM",
)
ACYCLIC = Requirement(
    id="corim.acyclic",
    clause="draft-ietf-rats-corim section 5.1.11.2",
    expected="domains that neither contain nor depend on themselves",
)
_OF_DOCUMENTS = (VALIDITY, PROFILE, PROFILE_RULES, TAG_LIST, RESOLVED, ACYCLIC)


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedCorim:
    """The checks of a CoRIM; `signer_name` is what it says of its signer, `signer` the key that made the signature.

    `valid_until` is the earliest end of what the signature and the CoRIM say, None if neither says anything.
    """

    checks: tuple[Check, ...]
    corim: Corim | None
    signer: TrustedKey | None
    signer_name: str | None
    valid_until: datetime | None

    @property
    def failed(self) -> tuple[str, ...]:
        """The ids of the failed checks."""
        return tuple(check.id for check in failures(self.checks))

    @property
    def accepted(self) -> bool:
        """Whether everything holds: only then may anything be endorsed by it."""
        return self.corim is not None and not self.failed


def judge_signed(
    content: bytes,
    *,
    signers: TrustAnchors,
    now: datetime,
    preimage: bytes | None = None,
    profiles: Mapping[str, Profile] = PROFILES,
) -> JudgedCorim:
    """Return what becomes of a signed CoRIM at `now`; raises MalformedEvidenceError if it does not parse.

    `preimage` is the CoRIM itself where the payload is only its digest (COSE Hash Envelope).
    """
    message = read_sign1(content)
    trusted, chain = _trusted(message, signers, now)
    signed = check_sign1(message, signers=trusted, algorithms=ALGORITHMS, signature=SIGNATURE)
    if isinstance(message, ForeignEnvelope):
        rest = tuple(each.unreached for each in (CONTENT_TYPE, META, SIGNATURE_VALIDITY, HASH_ENVELOPE, *_OF_DOCUMENTS))
        return JudgedCorim(
            checks=(*signed.checks, chain, *rest), corim=None, signer=None, signer_name=None, valid_until=None
        )
    name, validity, meta = _signer(message)
    enveloped, payload, envelope = _payload(message, preimage)
    corim = None if payload is None else read_corim(payload)
    documents = tuple(each.unreached for each in _OF_DOCUMENTS) if corim is None else _document(corim, now, profiles)
    return JudgedCorim(
        checks=(
            *signed.checks,
            chain,
            _content_type(message, _PREIMAGE_TYPE if enveloped else _CONTENT_TYPE),
            meta,
            _current(SIGNATURE_VALIDITY, validity, now),
            envelope,
            *documents,
        ),
        corim=corim,
        signer=None if chain.result is Outcome.FAIL else signed.signer,
        signer_name=name,
        valid_until=_earliest(validity, corim.validity if corim else None),
    )


def judge_conveyed(content: bytes, *, now: datetime, profiles: Mapping[str, Profile] = PROFILES) -> JudgedCorim:
    """Return what becomes of an unsigned CoRIM from an authenticated channel; raises as `judge_signed`."""
    corim = read_corim(content)
    return JudgedCorim(
        checks=_document(corim, now, profiles),
        corim=corim,
        signer=None,
        signer_name=None,
        valid_until=_earliest(corim.validity),
    )


def _earliest(*validities: Validity | None) -> datetime | None:
    return min((each.not_after for each in validities if each is not None), default=None)


def _trusted(
    message: Sign1 | ForeignEnvelope, signers: TrustAnchors, now: datetime
) -> tuple[Mapping[str, tuple[TrustedKey, ...]], Check]:
    """Return the keys that may have signed: those given, or the leaf's of x5chain; and whether that leaf is trusted."""
    certificates = () if isinstance(message, ForeignEnvelope) else x5chain(message)
    if not certificates:
        return signers.signers, CHAIN.absent
    try:
        leaf, *intermediates = [load_certificate(each) for each in certificates]
        key = leaf.public_key()
    except PathError as cause:
        raise MalformedEvidenceError("cose.x5chain", f"in x5chain, {cause.message}") from cause
    except (ValueError, UnsupportedAlgorithm):
        return {}, CHAIN.failed(f"the key of {name_text(leaf.subject)} cannot be read")
    usable = isinstance(key, ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey | rsa.RSAPublicKey)
    keys: tuple[PublicKey, ...] = (key,) if usable else ()  # type: ignore[assignment]  # mypy does not narrow by a name
    try:
        validate_path(leaf, intermediates=intermediates, anchors=signers.certificates, at=now)
    except PathError as refused:
        return signers_of(keys), CHAIN.failed(f"{refused.code}: {refused.message}")
    return signers_of(keys), CHAIN.passed


def _content_type(message: Sign1, label: int) -> Check:
    found = message.headers.get(label)
    return CONTENT_TYPE.passed if found == MEDIA_TYPE else CONTENT_TYPE.failed(described(found))


def _payload(message: Sign1, preimage: bytes | None) -> tuple[bool, bytes | None, Check]:
    """Return whether this is a hash envelope, the CoRIM's bytes, and whether they are those that were signed."""
    if _HASH_ALG not in message.headers:
        return False, message.payload, HASH_ENVELOPE.absent
    label = message.headers[_HASH_ALG]
    name = _HASHES.get(label) if type(label) is int else None
    if name is None:
        return True, None, HASH_ENVELOPE.failed(f"hash algorithm {described(label)}")
    if preimage is None:
        return True, None, HASH_ENVELOPE.failed("the CoRIM is not beside its signature")
    if hashlib.new(name, preimage).digest() != message.payload:
        return True, None, HASH_ENVELOPE.failed("another CoRIM than the one that was signed")
    return True, preimage, HASH_ENVELOPE.passed


def _signer(message: Sign1) -> tuple[str | None, Validity | None, Check]:
    """Return the signer's name and the signature's validity, as corim-meta or CWT-Claims say."""
    meta, claims = message.headers.get(_META), message.headers.get(_CWT)
    if meta is None and claims is None:
        return None, None, META.failed("neither of them")
    by_meta = None if meta is None else _meta_says(read_meta(meta))
    by_claims = None if claims is None else _claims_say(claims)
    if by_meta is not None and by_claims is not None and by_meta != by_claims:
        return by_meta[0], by_meta[1], META.failed("corim-meta and CWT-Claims differ")
    found = by_meta or by_claims
    if found is None:  # INVARIANT: one of them was there
        return None, None, META.failed("neither of them")
    return *found, META.passed


def _meta_says(meta: Mapping[Any, Any]) -> tuple[str, Validity | None]:
    return meta[0][0], read_validity(meta.get(1))


def _claims_say(claims: Any) -> tuple[str, Validity | None]:
    """Return issuer and validity of CWT claims (RFC 8392): iss 1, exp 4, nbf 5; raises MalformedEvidenceError."""
    issuer = claims.get(1) if isinstance(claims, Mapping) else None
    if not isinstance(claims, Mapping) or not isinstance(issuer, str) or not issuer:
        raise MalformedEvidenceError("corim.structure", "CWT-Claims without an issuer in the protected header")
    times = [claims.get(5), claims.get(4)]
    if any(type(each) not in {int, float, type(None)} or not 0 <= (each or 0) < YEAR_10000 for each in times):
        raise MalformedEvidenceError("corim.structure", "a time in CWT-Claims is not a number of seconds")
    begins, ends = (None if each is None else moment(each) for each in times)
    if ends is None:
        ends = moment(YEAR_10000 - 1) if begins is not None else None
    return issuer, None if ends is None else Validity(not_before=begins, not_after=ends)


def _current(requirement: Requirement, validity: Validity | None, now: datetime) -> Check:
    if validity is None:
        return requirement.absent
    if validity.covers(now):
        return requirement.passed
    begins = f"from {validity.not_before:%Y-%m-%dT%H:%M:%SZ} " if validity.not_before else ""
    return requirement.failed(f"{begins}to {validity.not_after:%Y-%m-%dT%H:%M:%SZ}")


def _document(corim: Corim, now: datetime, profiles: Mapping[str, Profile]) -> tuple[Check, ...]:
    return (
        _current(VALIDITY, corim.validity, now),
        *_profile(corim, profiles),
        corim_graph.tag_list_check(corim, now, TAG_LIST),
        corim_graph.resolved_check(corim, RESOLVED),
        corim_graph.acyclic_check(corim, ACYCLIC),
    )


def _profile(corim: Corim, profiles: Mapping[str, Profile]) -> tuple[Check, Check]:
    known = None if corim.profile is None else profiles.get(corim.profile)
    if corim.profile is not None and known is None:
        return PROFILE.failed(f"`{corim.profile}`"), PROFILE_RULES.unreached
    stated = PROFILE.absent if known is None else PROFILE.passed
    if corim.extensions and (known is None or not known.extends):
        return stated, PROFILE_RULES.failed(f"an extension at `{corim.extensions[0]}`")
    broken = None if known is None else known.broken(corim)
    return stated, PROFILE_RULES.passed if broken is None else PROFILE_RULES.failed(broken)
