"""Evidence and challenge in a certification request: which messages count, and which make the request a mistake."""

from __future__ import annotations

import json

import cbor2
import pytest

from pki import der
from pki.errors import RequestError
from policyengine.attestation.errors import MalformedEvidenceError
from policyengine.model.base64url import base64url
from policyengine.services.checkins.csr_evidence import CHALLENGE_TYPE, carried
from policyengine.services.requests import EvidenceItem
from policyengine.simulation.csr_evidence import WRAPPER, with_evidence
from tests.unit.pki.making import KEYS, csr

PLAIN = csr(KEYS[0])
TOKEN = EvidenceItem(media_type="application/x-token", value=b"token")
NONCE = bytes(48)


def carrying(*contents: bytes, kind: str = WRAPPER) -> bytes:
    statements = (der.sequence(der.oid(kind), content) for content in contents)
    return with_evidence(PLAIN, KEYS[0], der.sequence(der.sequence(*statements)))


def cbor(message: object) -> bytes:
    return der.octet_string(cbor2.dumps(message))


RECORD, CHALLENGE = ["application/x-token", b"token"], [CHALLENGE_TYPE, NONCE]
IN_JSON = json.dumps(["application/x-token", base64url(b"token")]).encode()


@pytest.mark.parametrize(
    "contents",
    [
        [cbor(RECORD), cbor(CHALLENGE)],
        [cbor({"token": RECORD, "for": CHALLENGE})],
        [der.tlv(der.UTF8_STRING, IN_JSON), cbor(CHALLENGE)],
    ],
    ids=["two-statements", "one-collection", "json"],
)
def test_evidence_and_challenge_are_found_in_any_form_of_a_wrapper(contents: list[bytes]) -> None:
    """RFC 9999 sections 3 and 4."""
    found = carried(carrying(*contents))
    assert found is not None
    assert (found.evidence, found.nonce) == ((TOKEN,), NONCE)


def test_a_request_without_evidence_carries_none() -> None:
    assert carried(PLAIN) is None


def test_evidence_without_a_challenge_is_told_from_no_evidence() -> None:
    found = carried(carrying(cbor(RECORD)))
    assert found is not None
    assert found.nonce is None


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (carrying(cbor(RECORD), kind="2.23.133.20.1"), "csr.evidence-type"),
        (carrying(cbor(CHALLENGE), cbor(CHALLENGE)), "csr.evidence"),
        (carrying(cbor([*RECORD, 1])), "csr.evidence"),
        (carrying(der.integer(7)), "csr.evidence"),
    ],
    ids=["unknown-type", "two-challenges", "reference-values", "no-wrapper"],
)
def test_what_is_no_evidence_of_ours_is_a_mistake_of_the_request(request_: bytes, code: str) -> None:
    with pytest.raises(RequestError) as refused:
        carried(request_)
    assert refused.value.code == code


def test_a_type_that_is_not_taken_is_named_with_the_one_that_is() -> None:
    with pytest.raises(RequestError, match=r"`2\.23\.133\.20\.1` is not taken; wrap it as `1\.3\.6"):
        carried(carrying(cbor(RECORD), kind="2.23.133.20.1"))


def test_a_wrapper_that_does_not_parse_is_malformed_evidence() -> None:
    with pytest.raises(MalformedEvidenceError):
        carried(carrying(der.octet_string(b"\xff")))
