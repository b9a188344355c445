"""The attribute that carries evidence: its frame is read strictly, and only for what the draft allows."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pki import der
from pki.csr_attributes import csr_attributes
from pki.csr_evidence import ATTESTATION, MAX_ATTRIBUTES, MAX_CERTIFICATES, MAX_STATEMENTS, statements_in
from pki.errors import RequestError
from pki.request import parse_request
from policyengine.simulation.csr_evidence import bundle_of, with_evidence
from tests.unit.pki.making import KEYS, csr, terms

KEY = KEYS[0]
PLAIN = csr(KEY)
STATEMENT = der.sequence(der.oid("1.3.6.1.5.5.7.1.35"), der.octet_string(b"said"))
CERTIFICATE = der.sequence(der.integer(1))
NULL = b"\x05\x00"


def carrying(*bundles: bytes) -> bytes:
    return with_evidence(PLAIN, KEY, *bundles)


def bundle(*statements: bytes, rest: tuple[bytes, ...] = ()) -> bytes:
    return der.sequence(der.sequence(*statements), *rest)


GOOD = carrying(bundle(STATEMENT))


def test_a_request_with_evidence_proves_possession_like_any_other() -> None:
    """RFC 2986 section 4.2: the signature covers the attributes."""
    assert parse_request(GOOD).subject == "CN=asked"


def test_statements_come_in_the_order_of_the_bundle() -> None:
    other = der.sequence(der.oid("1.2.3"), NULL)
    found = statements_in(carrying(bundle(STATEMENT, other)))
    assert [(each.type, each.content.content) for each in found] == [("1.3.6.1.5.5.7.1.35", b"said"), ("1.2.3", b"")]


def test_a_request_without_the_attribute_carries_nothing() -> None:
    assert statements_in(PLAIN) == ()


def test_certificates_beside_the_statements_are_allowed() -> None:
    """Section 4.1 of the draft: `certs` is OPTIONAL, and `certificate` and `other` are its alternatives."""
    certificates = der.sequence(CERTIFICATE, der.context(3, der.oid("1.2.3") + NULL))
    assert len(statements_in(carrying(bundle(STATEMENT, rest=(certificates,))))) == 1


@pytest.mark.parametrize(
    "bundles",
    [
        (),
        (bundle(STATEMENT), bundle(STATEMENT)),
        (bundle(),),
        (bundle(*[STATEMENT] * (MAX_STATEMENTS + 1)),),
        (bundle(STATEMENT, rest=(der.sequence(),)),),
        (bundle(STATEMENT, rest=(der.sequence(*[CERTIFICATE] * (MAX_CERTIFICATES + 1)),)),),
        (bundle(STATEMENT, rest=(der.sequence(der.context(2, NULL)),)),),
        (bundle(STATEMENT, rest=(der.sequence(CERTIFICATE), NULL)),),
        (bundle(der.sequence(der.oid("1.2.3"))),),
        (bundle(der.sequence(der.integer(1), NULL)),),
        (bundle(der.sequence(der.oid("1.2.3"), NULL, NULL)),),
        (bundle(der.sequence(b"\x06\x02\x80\x01", NULL)),),
        (der.set_of(der.sequence(STATEMENT)),),
        (der.sequence(der.set_of(STATEMENT)),),
        (der.octet_string(bundle(STATEMENT)),),
    ],
    ids=[
        "no-bundle",
        "two-bundles",
        "no-statement",
        "too-many-statements",
        "no-certificate",
        "too-many-certificates",
        "attribute-certificate",
        "third-part",
        "statement-without-content",
        "type-is-a-number",
        "statement-of-three",
        "type-not-minimal",
        "bundle-is-a-set",
        "statements-are-a-set",
        "bundle-in-octets",
    ],
)
def test_what_the_draft_s_syntax_does_not_allow_is_refused(bundles: tuple[bytes, ...]) -> None:
    """draft-ietf-lamps-csr-attestation-29 sections 4.1 and 4.3."""
    with pytest.raises(RequestError) as refused:
        statements_in(carrying(*bundles))
    assert refused.value.code == "csr.evidence"


def test_the_attribute_comes_once() -> None:
    """Section 4.3: no more than one Attribute of this type."""
    with pytest.raises(RequestError, match="exactly one attribute"):
        statements_in(with_evidence(GOOD, KEY, bundle(STATEMENT)))


def test_a_request_of_countless_attributes_is_refused() -> None:
    crowded = PLAIN
    for _ in range(MAX_ATTRIBUTES + 1):
        crowded = with_evidence(crowded, KEY, bundle(STATEMENT))
    with pytest.raises(RequestError, match=f"more than {MAX_ATTRIBUTES} attributes"):
        statements_in(crowded)


@settings(max_examples=300, deadline=None)
@given(at=st.integers(0, len(GOOD) - 1), octet=st.integers(0, 255), cut=st.booleans())
def test_a_damaged_request_is_read_or_refused_and_nothing_else(at: int, octet: int, cut: bool) -> None:
    damaged = GOOD[:at] if cut else GOOD[:at] + bytes((octet,)) + GOOD[at + 1 :]
    try:
        assert len(statements_in(damaged)) <= MAX_STATEMENTS
    except RequestError as refused:
        assert refused.code == "csr.evidence"


def test_clients_are_told_that_evidence_is_taken() -> None:
    """RFC 7030 section 4.5.2: CsrAttrs names what the CA would like to find in a request."""
    asked = der.children(der.whole(csr_attributes(terms()), der.SEQUENCE).content)
    assert der.oid(ATTESTATION) in [each.encoded for each in asked]


def test_what_a_simulated_device_makes_is_the_syntax_of_the_draft() -> None:
    made = statements_in(carrying(bundle_of([("text/plain", b"a")])))
    assert made[0].content.content == base64.b64decode("gmp0ZXh0L3BsYWluQWE=")  # ["text/plain", h'61']
