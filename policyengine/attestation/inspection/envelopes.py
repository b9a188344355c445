"""The envelope around claims as parts: headers and signature of COSE and JOSE messages."""

from __future__ import annotations

from collections.abc import Iterator

from policyengine.attestation.cose import ForeignEnvelope, Sign1, read_sign1, x5chain
from policyengine.attestation.documents import shown
from policyengine.attestation.errors import MalformedEvidenceError
from policyengine.attestation.inspection.parts import Row
from policyengine.attestation.jose import Jws, read_jws

_COSE = {1: "alg", 2: "crit", 3: "content type", 4: "kid", 33: "x5chain"}
_CHAIN = 33


def headers_of(evidence: bytes) -> Iterator[Row]:
    """Yield tag and headers of a COSE message, the header of a JWS, nothing of other bytes."""
    message = _message(evidence)
    if isinstance(message, Jws):
        for name, value in message.header.items():
            yield f"protected {name}", "RFC 7515 section 4.1", shown(value)
    elif message is not None:
        yield "tag", "RFC 9052 section 4.2", str(message.tag)
    if isinstance(message, Sign1):
        for place, headers in (("protected", message.headers), ("unprotected", message.unprotected)):
            for label, value in headers.items():
                chained = (place, label) == ("protected", _CHAIN)
                text = f"{len(x5chain(message))} certificates" if chained else shown(value)
                yield f"{place} {_COSE.get(label, label)}", "RFC 9052 section 3.1", text


def signature_of(evidence: bytes) -> Iterator[Row]:
    """Yield the signature of a COSE_Sign1 or a JWS."""
    message = _message(evidence)
    if isinstance(message, Jws | Sign1):
        clause = "RFC 7515 section 3.1" if isinstance(message, Jws) else "RFC 9052 section 4.4"
        yield "signature", clause, f"{len(message.signature)} bytes"


def _message(evidence: bytes) -> Sign1 | ForeignEnvelope | Jws | None:
    try:
        return read_jws(evidence) if evidence.startswith(b"eyJ") else read_sign1(evidence)
    except MalformedEvidenceError:  # another envelope, or none
        return None
