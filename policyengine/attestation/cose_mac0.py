"""COSE_Mac0 (RFC 9052 section 6.2): as COSE_Sign1, but by a secret that device and verifier share.

The checks are those of `cose` with two differences: the algorithm is an HMAC that is not cut short, and `cose.mac`
stands where `cose.signature` does. A MAC convinces only its verifier, who could have made it.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass

from policyengine.attestation.anchors import SharedKey
from policyengine.attestation.checks import Check, Requirement, described
from policyengine.attestation.cose import (
    ALG,
    KEY_TYPE,
    TAG,
    ForeignEnvelope,
    Sign1,
    byte_string,
    check_headers,
    message_of,
)
from policyengine.attestation.signatures import Algorithm

MAC0 = 17
MAC = Requirement(id="cose.mac", clause="RFC 9052 section 6.3", expected="a MAC by a trusted shared secret")

# RFC 9053 section 3.1, without HMAC 256/64, whose eight bytes are too short for evidence. `parameters`: the hash.
ALGORITHMS: Mapping[int, Algorithm] = {
    5: Algorithm(id=5, name="HMAC 256/256", kind="HMAC", size=32, parameters=("sha256",)),
    6: Algorithm(id=6, name="HMAC 384/384", kind="HMAC", size=48, parameters=("sha384",)),
    7: Algorithm(id=7, name="HMAC 512/512", kind="HMAC", size=64, parameters=("sha512",)),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Authenticated:
    """The checks of a message. `signer` is None unless that secret made its MAC."""

    checks: tuple[Check, ...]
    signer: SharedKey | None
    algorithm: Algorithm | None


def mac0_of(envelope: ForeignEnvelope) -> Sign1:
    """Return the parts of a message tagged 17; raises MalformedEvidenceError `cose.structure`."""
    return message_of(envelope.content, envelope.tag)


def check_mac0(message: Sign1, *, secrets: tuple[SharedKey, ...]) -> Authenticated:
    """Return the outcome of every check; `signer` is the secret that made the MAC."""
    label = message.headers.get(1)
    algorithm = ALGORITHMS.get(label) if type(label) is int else None
    signer = _authenticator(message, algorithm, secrets) if algorithm else None
    if algorithm is None:
        last = (ALG.failed(described(label)), KEY_TYPE.unreached, MAC.unreached)
    elif not secrets:
        last = (ALG.passed, KEY_TYPE.failed(f"{algorithm.name}, and no trusted shared secret"), MAC.unreached)
    else:
        mac = MAC.passed if signer else MAC.failed(f"no trusted secret made this MAC ({len(secrets)} tried)")
        last = (ALG.passed, KEY_TYPE.passed, mac)
    checks = (TAG.passed, *check_headers(message), *last)
    return Authenticated(checks=checks, signer=signer, algorithm=algorithm)


def _authenticator(message: Sign1, algorithm: Algorithm, secrets: tuple[SharedKey, ...]) -> SharedKey | None:
    protected = message.protected if message.headers else b""
    covered = b"\x84\x64MAC0" + byte_string(protected) + b"\x40" + byte_string(message.payload)
    (digest,) = algorithm.parameters
    for each in secrets:
        if hmac.compare_digest(hmac.digest(each.secret, covered, digest), message.signature):
            return each
    return None
