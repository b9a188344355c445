"""Verdicts as documents: bytes that do not parse name the document they break."""

from __future__ import annotations

import pytest

from policyengine.attestation.documents import malformed_document
from policyengine.attestation.errors import MalformedEvidenceError


@pytest.mark.parametrize(
    ("code", "clause"),
    [
        ("jose.base64url", "RFC 7515 section 7.1"),
        ("cmw.structure", "RFC 9999 section 3"),
        ("eat.claims", "RFC 9711 section 4"),
        ("eat.unsigned", "RFC 9711 section 9.1"),
        ("cca.claims", "draft-ffm-rats-cca-token-03 section 4"),
        ("cose.structure", "RFC 9052 section 4.2"),
        ("acme.size", "RFC 9334 section 8"),
    ],
)
def test_malformed_evidence_names_the_document_it_breaks(code: str, clause: str) -> None:
    document = malformed_document(MalformedEvidenceError(code, "it is not so"), "application/eat+cwt")
    (check,) = document["checks"]
    assert (check["id"], check["clause"]) == (code, clause)
    assert (check["result"], check["seen"]) == ("fail", "evidence does not parse: it is not so")
