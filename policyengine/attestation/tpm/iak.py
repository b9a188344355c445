"""Initial attestation keys: an AK that the maker of the device certified, in the TPM it built in.

TCG "TPM 2.0 Keys for Device Identity and Attestation" version 1.00, section 5.2: the maker's CA saw by activation that
IAK and IDevID are in one TPM before it signed, so a path to that CA stands in for an activation of ours.
"""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from cryptography import x509

from pki.chain import ValidatedPath
from policyengine.attestation.anchors import TrustedKey, signers_of
from policyengine.attestation.checks import Check, Outcome, Requirement
from policyengine.attestation.tpm.certified import Kind, judge_certificate
from policyengine.attestation.tpm.keys import key_of
from policyengine.attestation.tpm.statement import Signers
from policyengine.attestation.tpm.structures import PublicArea

IAK_PURPOSE = "2.23.133.8.3"  # tcg-kp-AIKCertificate: what tells an IAK's certificate from that of an IDevID

CHAIN = Requirement(
    id="tpm.iak-chain",
    clause="TCG TPM 2.0 Keys for Device Identity and Attestation section 8",
    expected="a chain to a trusted maker of devices",
)
PURPOSE = Requirement(
    id="tpm.iak-purpose",
    clause="TCG TPM 2.0 Keys for Device Identity and Attestation section 8",
    expected=f"extended key usage {IAK_PURPOSE} (tcg-kp-AIKCertificate)",
)
KEY = Requirement(
    id="tpm.iak-key",
    clause="TCG TPM 2.0 Keys for Device Identity and Attestation section 8",
    expected="a certificate for the AK shown",
)
_IAK = Kind(part="ak_chain", code="tpm.iak-certificate", purpose=IAK_PURPOSE, chain=CHAIN, states=PURPOSE, key=KEY)


class JudgedIak(NamedTuple):
    """The checks of an AK's certificates; `path` is None unless all of them hold."""

    checks: tuple[Check, ...]
    path: ValidatedPath | None

    def admitted(self, ak: PublicArea | None, signers: Signers) -> Signers:
        """Return `signers` and, if the maker certified it, `ak`; raises MalformedEvidenceError for no key."""
        if ak is None or self.path is None:
            return signers
        found: dict[str, tuple[TrustedKey, ...]] = dict(signers)
        for kind, keys in signers_of((key_of(ak),)).items():
            found[kind] = (*found.get(kind, ()), *keys)
        return found


def judge_iak(
    ak: PublicArea | None, chain: tuple[bytes, ...], *, anchors: tuple[x509.Certificate, ...], now: datetime
) -> JudgedIak:
    """Return what becomes of an AK's certificates; raises MalformedEvidenceError for certificates that are none."""
    if not chain:
        return _WITHOUT_CHAIN
    judged = judge_certificate(_IAK, ak, chain, anchors=anchors, now=now)
    holds = all(check.result is Outcome.PASS for check in judged.checks)
    return JudgedIak(checks=judged.checks, path=judged.path if holds else None)


_WITHOUT_CHAIN = JudgedIak(checks=(CHAIN.absent, PURPOSE.absent, KEY.absent), path=None)
