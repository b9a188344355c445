"""A renewal's statement: a COSE_Sign1 by the key of the certificate that is to be renewed, over what it asks for.

It measures nothing and is no evidence; the envelope is judged by the same rules. In order: the COSE checks with that
key as the only candidate; `renewal.statement`, that it says this challenge, this certificate and this request.
"""

from __future__ import annotations

from policyengine.attestation.anchors import EvidenceKey, signers_of
from policyengine.attestation.checks import Check, Requirement, described
from policyengine.attestation.cose import ForeignEnvelope, Sign1, check_sign1, read_sign1
from policyengine.attestation.pop import ALGORITHMS

MEDIA_TYPE = "application/vnd.policyengine.renewal+cose"

SIGNATURE = Requirement(
    id="renewal.signature", clause="RFC 9052 section 4.4", expected="a signature by the key of the certificate"
)
STATEMENT = Requirement(
    id="renewal.statement", clause="docs/device.md", expected="this challenge, this certificate and this request"
)


def check_renewal(message: bytes, *, key: EvidenceKey, statement: bytes) -> tuple[Check, ...]:
    """Return whether `key` signed `statement`; raises MalformedEvidenceError for bytes that are no COSE message."""
    envelope = read_sign1(message)
    signed = check_sign1(envelope, signers=signers_of((key,)), algorithms=ALGORITHMS, signature=SIGNATURE)
    return (*signed.checks, _said(envelope, statement))


def _said(envelope: Sign1 | ForeignEnvelope, statement: bytes) -> Check:
    if isinstance(envelope, ForeignEnvelope):
        return STATEMENT.unreached
    return STATEMENT.passed if envelope.payload == statement else STATEMENT.failed(described(envelope.payload))
