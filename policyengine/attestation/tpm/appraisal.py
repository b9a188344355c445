"""TPM 2.0 check-ins: a quote over our challenge, the PCR values it digests, and what else shows how the device booted.

The order of work: read the container (`evidence`), judge the quote (`quote`), the EK (`ek`), the event log
(`eventlog_replay`) and the certification of a key (`certify`), and only if nothing failed turn them into facts.
Reading can raise; judging never does.

The attestation key is found among the anchors the caller gave: those it admitted after credential activation
(`credential`), or the maker of the device certified it (`iak`). An EK chain alone makes nobody trusted, for anybody can
show the certificate of another's TPM.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from cryptography import x509

from policyengine.attestation.anchors import TrustAnchors, TrustedKey
from policyengine.attestation.checks import Check, Requirement, nothing_failed, stated_in
from policyengine.attestation.formats import Format, Freshness, KeyBinding, Verified
from policyengine.attestation.media_type import MediaType
from policyengine.attestation.tpm import certify, ek, eventlog_replay, iak, quote, statement
from policyengine.attestation.tpm.algorithms import Hash
from policyengine.attestation.tpm.certify import judge_certification
from policyengine.attestation.tpm.claims import claims_of
from policyengine.attestation.tpm.ek import JudgedEndorsement, judge_endorsement
from policyengine.attestation.tpm.eventlog import EventLog
from policyengine.attestation.tpm.evidence import TpmEvidence, read_evidence
from policyengine.attestation.tpm.facts import facts_of
from policyengine.attestation.tpm.iak import judge_iak
from policyengine.attestation.tpm.quote import JudgedQuote, Standing, judge_quote, selected_values
from policyengine.attestation.tpm.statement import algorithm_name
from policyengine.model.endorsements import ReferenceValues
from policyengine.model.ids import Digest, digest_of

NAME = "tpm2"
MEDIA_TYPE = "application/vnd.policyengine.tpm+cbor"
AK_PROOF = "tpm.ak-signature"  # of `KeyBinding.proof`: what no other format proves

REPLAY = Requirement(
    id="tpm.eventlog-replay",
    clause="TCG PC Client Platform Firmware Profile section 10.2",
    expected="a log that leads to every quoted PCR it extends, and to PCRs 0 to 7",
)
DATA = Requirement(
    id="tpm.eventlog-data",
    clause="TCG PC Client Platform Firmware Profile section 10.4.1",
    expected="separators, actions and variables whose digest is that of their data",
)


def appraise(
    evidence: bytes,
    *,
    media_type: str,
    nonce: bytes,
    anchors: TrustAnchors,
    endorsements: ReferenceValues | None,
    now: datetime,
) -> Verified:
    """Return what can be believed of a TPM check-in; raises MalformedEvidenceError if it does not parse."""
    return judge(
        read_evidence(evidence),
        digest=digest_of(evidence),
        media_type=media_type,
        nonce=nonce,
        anchors=anchors,
        endorsements=endorsements,
        now=now,
    )


def judge(
    parts: TpmEvidence,
    *,
    digest: Digest,
    media_type: str,
    nonce: bytes,
    anchors: TrustAnchors,
    endorsements: ReferenceValues | None,
    now: datetime,
) -> Verified:
    """Return what can be believed of `parts`, however they came; `digest` is of the bytes they came in."""
    iak = judge_iak(parts.ak, parts.ak_chain, anchors=anchors.certificates, now=now)
    quote = judge_quote(parts, nonce=nonce, signers=iak.admitted(parts.ak, anchors.signers))
    endorsement = judge_endorsement(parts.ek, parts.ek_chain, anchors=anchors.certificates, now=now)
    certify_checks, certified = _NOTHING_CERTIFIED
    if parts.certification is not None:
        certify_checks, certified = judge_certification(
            parts.certification, nonce=nonce, ak=parts.ak, ek=parts.ek, candidates=quote.candidates
        )
    log_checks = _NO_LOG if parts.log is None else _log_checks(parts.log, parts, quote)
    checks = (*quote.checks, *endorsement.checks, *iak.checks, *log_checks, *certify_checks)
    signer = quote.signer
    facts: dict[str, object] = {}
    binding = None
    if signer and nothing_failed(checks):
        facts = facts_of(parts, standing=quote.standing, endorsement=endorsement, endorsements=endorsements, now=now)
        facts["evidence"] = _envelope_facts(parts, digest)
        facts["identity"] = _identity(quote, signer, endorsement)
        binding = KeyBinding(signer.key, signer.thumbprint, AK_PROOF, _vouching(quote, endorsement), certified)
        if iak.path is not None:
            binding = binding._replace(own_chain=iak.path.chain)
    thumbprint = signer.thumbprint if signer else None
    decoded = {"tpm": parts}
    return Verified(media_type, facts, (), decoded, claims_of, binding, thumbprint, checks, digest, _FRESHNESS)


_FRESHNESS = Freshness.NONCE
_NOTHING_CERTIFIED: tuple[tuple[Check, ...], str | None] = ((), None)
_NO_LOG = (REPLAY.absent, DATA.absent)


def _log_checks(log: EventLog, parts: TpmEvidence, quote: JudgedQuote) -> tuple[Check, Check]:
    if not nothing_failed(quote.checks):
        return REPLAY.unreached, DATA.unreached
    banks = selected_values(parts)
    found = [eventlog_replay.difference(log, bank, values) for bank, values in banks.items()]
    differences = [each for each in found if each]
    if differences or not banks:
        return REPLAY.failed(differences[0] if differences else "a log without PCR values"), DATA.unreached
    return REPLAY.passed, _data(log, banks)


def _data(log: EventLog, banks: Mapping[Hash, object]) -> Check:
    for bank in banks:
        lie = eventlog_replay.false_data(log, bank)
        if lie:
            return DATA.failed(lie)
    return DATA.passed


def _vouching(quote: JudgedQuote, endorsement: JudgedEndorsement) -> tuple[x509.Certificate, ...]:
    """Return the EK's path, which vouches for an AK that stands below that EK and for no other."""
    return endorsement.path.chain if endorsement.path is not None and quote.standing is Standing.BELOW_EK else ()


def _envelope_facts(parts: TpmEvidence, digest: Digest) -> dict[str, object]:
    algorithm = algorithm_name(parts.quote.signature)
    return {"format": NAME, "verified": True, "algorithm": algorithm, "digest": digest}


def _identity(quote: JudgedQuote, signer: TrustedKey, endorsement: JudgedEndorsement) -> dict[str, object]:
    identity: dict[str, object] = {"kind": "ak", "key_thumbprint": signer.thumbprint, "verified": True}
    if endorsement.path is not None and quote.standing is Standing.BELOW_EK:
        identity["anchor"] = endorsement.path.anchor.subject.rfc4514_string()
    return identity


FORMAT = Format(
    name=NAME,
    media_types=(MediaType(essence=MEDIA_TYPE),),
    appraise=appraise,
    requirements=stated_in(vars(certify), vars(ek), vars(iak), vars(quote), vars(statement), globals()),
)
