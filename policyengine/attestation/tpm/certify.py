"""TPM2_Certify (Part 3 section 18.2): an attestation key vouches that a key lives in its TPM, as its public area says.

This is how a certificate request's key is shown to be in hardware: the caller compares the certified key with the key
in the request (`csr_key`, check id `binding.csr-key`); no certificate is issued for any other.
"""

from __future__ import annotations

from policyengine.attestation.anchors import TrustedKey
from policyengine.attestation.checks import Check, Requirement
from policyengine.attestation.tpm import statement as tpm_statement
from policyengine.attestation.tpm.evidence import Certification
from policyengine.attestation.tpm.keys import lacking, name_of, thumbprint_of
from policyengine.attestation.tpm.quote import standing_of
from policyengine.attestation.tpm.structures import (
    CERTIFY,
    FIXED_PARENT,
    FIXED_TPM,
    RESTRICTED,
    SENSITIVE_DATA_ORIGIN,
    SIGN,
    Certified,
    PublicArea,
)

RULES = tpm_statement.rules("tpm.certify-", CERTIFY, "TPM_ST_ATTEST_CERTIFY 0x8017")
QUALIFIED = Requirement(
    id="tpm.certify-signer",
    clause="TPM 2.0 Part 1, Qualified Name",
    expected="a signer below the EK shown, or a primary key of the endorsement hierarchy",
)
NAME = Requirement(
    id="tpm.certify-name", clause="TPM 2.0 Part 2 section 10.12.3", expected="the name of the public area shown"
)
ATTRIBUTES = Requirement(
    id="tpm.certify-attributes",
    clause="TPM 2.0 Part 2 section 8.3",
    expected="sign, fixedTPM, fixedParent, sensitiveDataOrigin, not restricted",
)
CSR_KEY = Requirement(
    id="binding.csr-key",
    clause="TPM 2.0 Part 3 section 18.2",
    expected="the key that the device's TPM certified in this evidence",
)
# The key of a certificate signs what its owner likes, so it is not restricted; it must never leave the TPM.
_REQUIRED = SIGN | FIXED_TPM | FIXED_PARENT | SENSITIVE_DATA_ORIGIN


def judge_certification(
    certification: Certification,
    *,
    nonce: bytes,
    ak: PublicArea | None,
    ek: PublicArea | None,
    candidates: tuple[TrustedKey, ...],
) -> tuple[tuple[Check, ...], str | None]:
    """Return the checks of `certification` and the `sha256:` thumbprint of the certified key; None if none is shown.

    The thumbprint is worth what the checks are.
    """
    statement, public = certification.statement, certification.public
    stated, signer = tpm_statement.check_statement(statement, RULES, nonce=nonce, ak=ak, candidates=candidates)
    _, qualified = standing_of(statement.attest.signer, ak, ek, QUALIFIED)
    checks = (*stated, qualified, _name(statement.attest.body, public), _attributes(public))
    return checks, thumbprint_of(public) if signer else None


def _name(body: object, public: PublicArea) -> Check:
    if not isinstance(body, Certified):
        return NAME.unreached
    name = name_of(public)
    return NAME.passed if name is not None and name == body.name else NAME.failed(body.name.hex())


def _attributes(public: PublicArea) -> Check:
    wrong = lacking(public, required=_REQUIRED, forbidden=RESTRICTED)
    return ATTRIBUTES.failed(wrong) if wrong else ATTRIBUTES.passed


def csr_key(certified: str | None, *, requested: str) -> Check:
    """Return check `binding.csr-key`: whether the key `requested` in a CSR is the one that was `certified`.

    Both are `sha256:` thumbprints; `certified` is `KeyBinding.certified` of believed evidence.
    """
    if certified is None:
        return CSR_KEY.failed("no certified key")
    return CSR_KEY.passed if certified == requested else CSR_KEY.failed(f"a request for {requested}")
