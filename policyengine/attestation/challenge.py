"""A message that says nothing but our challenge (RFC 9334 section 10.2), as proofs of possession do."""

from __future__ import annotations

from policyengine.attestation.checks import Check, Requirement, described
from policyengine.attestation.cose import ForeignEnvelope, Sign1

MIN_NONCE_BYTES = 32  # a shorter challenge could be guessed and signed in advance


def check_challenge(message: Sign1 | ForeignEnvelope, nonce: bytes, requirement: Requirement) -> Check:
    """Return whether the payload of `message` is `nonce`, which has at least MIN_NONCE_BYTES."""
    if isinstance(message, ForeignEnvelope):
        return requirement.unreached
    if len(nonce) >= MIN_NONCE_BYTES and message.payload == nonce:
        return requirement.passed
    return requirement.failed(described(message.payload))
