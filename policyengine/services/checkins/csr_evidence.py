"""What a certification request carries beside its key: evidence as a check-in sends it, and the challenge it answers.

A statement of the bundle is a Conceptual Message Wrapper (RFC 9999) under its OID, which names a media type for every
format that we have; no format of ours has an OID of its own. The challenge rides along as one more message, because
evidence holds only its digest with the key of the request (model.challenge.bound_nonce).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pki.csr_evidence import Statement, statements_in
from pki.errors import RequestError
from policyengine.attestation.cmw.extension import OID, read_extension
from policyengine.attestation.cmw.wrapper import Record
from policyengine.errors import quoted
from policyengine.services.requests import EvidenceItem

CHALLENGE_TYPE = "application/vnd.policyengine.challenge"  # its value is a nonce of ours, nothing else

_CMW = OID.dotted_string
_WRAPPED = frozenset({0x04, 0x0C})  # CMW is a CHOICE of OCTET STRING (CBOR) and UTF8String (JSON)


@dataclass(frozen=True, slots=True, kw_only=True)
class Carried:
    """Evidence in a request, and the challenge of ours that came with it, if one did."""

    evidence: tuple[EvidenceItem, ...]
    nonce: bytes | None


def carried(csr: bytes) -> Carried | None:
    """Return the evidence in a DER PKCS#10 request; None if it has none.

    Raises RequestError (`csr.evidence`, `csr.evidence-type`), MalformedEvidenceError (`cmw.*`, `cbor.*`).
    """
    statements = statements_in(csr)
    if not statements:
        return None
    records = [record for statement in statements for record in _records(statement)]
    nonces = [record.value for record in records if record.type == CHALLENGE_TYPE]
    if len(nonces) > 1:
        raise RequestError("the evidence in the request answers more than one challenge", code="csr.evidence")
    evidence = (_item(record) for record in records if record.type != CHALLENGE_TYPE)
    return Carried(evidence=tuple(evidence), nonce=nonces[0] if nonces else None)


def _records(statement: Statement) -> Iterator[Record]:
    if statement.type != _CMW:
        raise RequestError(
            f"evidence of type {quoted(statement.type)} is not taken; wrap it as `{_CMW}` (RFC 9999)",
            code="csr.evidence-type",
        )
    if statement.content.tag not in _WRAPPED:
        raise RequestError("a wrapper of evidence is neither UTF8String nor OCTET STRING", code="csr.evidence")
    found = read_extension(statement.content.encoded)
    yield from (found,) if isinstance(found, Record) else found.records()


def _item(record: Record) -> EvidenceItem:
    if not record.is_evidence:
        raise RequestError(f"{quoted(record.type)} in the request says that it is no evidence", code="csr.evidence")
    return EvidenceItem(media_type=record.type, value=record.value)
