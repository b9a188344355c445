"""What TPM evidence says, by name, believed or not: for people, security events and test vectors."""

from __future__ import annotations

from collections.abc import Mapping

from policyengine.attestation.tpm.evidence import TpmEvidence
from policyengine.attestation.tpm.keys import name_of
from policyengine.attestation.tpm.structures import Attest, Certified, Quoted


def claims_of(decoded: Mapping[str, TpmEvidence]) -> dict[str, object]:
    """Return the claims of the check-in that `decoded` holds as `tpm`; byte strings stay bytes, PCRs are numbers."""
    parts = decoded["tpm"]
    claims = attest_claims(parts.quote.attest)
    if parts.pcrs is not None:
        claims["pcr_values"] = {bank: dict(values) for bank, values in parts.pcrs.banks.items()}
    if parts.ak is not None:
        claims["ak_name"] = name_of(parts.ak)
    if parts.log is not None:
        claims["eventlog"] = {"banks": list(parts.log.banks), "events": len(parts.log.events)}
    if parts.certification is not None:
        claims["certified"] = attest_claims(parts.certification.statement.attest)
    return claims


def attest_claims(attest: Attest) -> dict[str, object]:
    """Return the fields of a TPMS_ATTEST under short names; `clock` is in milliseconds."""
    claims: dict[str, object] = {
        "magic": attest.magic,
        "type": attest.type,
        "signer": attest.signer,
        "extra": attest.extra,
        "clock": attest.clock,
        "reset": attest.reset_count,
        "restart": attest.restart_count,
        "safe": int(attest.safe),
        "fw": attest.firmware_version,
    }
    if isinstance(attest.body, Quoted):
        claims["sel"] = [[each.hash, list(each.pcrs)] for each in attest.body.selections]
        claims["digest"] = attest.body.pcr_digest
    if isinstance(attest.body, Certified):
        claims["name"] = attest.body.name
    return claims
