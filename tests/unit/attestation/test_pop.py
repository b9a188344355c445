"""IDevID proof of possession: the chain, the challenge, the signature, and that each is needed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from pki import der as der_of
from policyengine.attestation import pop
from policyengine.attestation.anchors import TrustAnchors, thumbprint
from policyengine.attestation.checks import Requirement
from policyengine.attestation.errors import MalformedEvidenceError
from policyengine.attestation.formats import Freshness, Verified
from policyengine.attestation.verifier import verify
from policyengine.simulation.cose import cose_sign1
from policyengine.simulation.pop import make_pop
from policyengine.simulation.vendor import HardwareModule, VendorCa, issue_idevid, make_vendor_ca

NOW = datetime(2026, 11, 23, tzinfo=UTC)
CHALLENGE = bytes(range(32))
DEVICE = ec.derive_private_key(0x3001, ec.SECP256R1())
OTHER = ec.derive_private_key(0x3002, ec.SECP256R1())


def vendor(name: str, seed: int) -> VendorCa:
    root, issuing = (ec.derive_private_key(seed + step, ec.SECP256R1()) for step in (1, 2))
    return make_vendor_ca(name, root_key=root, issuing_key=issuing, now=NOW, entropy=bytes([seed % 250] * 32))


ACME, MALLORY = vendor("Acme", 0x4000), vendor("Mallory", 0x5000)


def idevid(ca: VendorCa, key: ec.EllipticCurvePrivateKey = DEVICE) -> list[bytes]:
    leaf = issue_idevid(
        ca,
        key.public_key(),
        serial_number="AC-00000007",
        model="gw-200",
        hardware=HardwareModule(type="1.3.6.1.4.1.99999.1", serial=b"\x07"),
        now=NOW,
        entropy=bytes(16),
    )
    return [der(leaf), der(ca.issuing)]


def der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.DER)


CHAIN = idevid(ACME)


def judged(
    evidence: bytes,
    *,
    nonce: bytes = CHALLENGE,
    anchors: Sequence[x509.Certificate] = (ACME.root,),
    now: datetime = NOW + timedelta(days=1),
) -> Verified:
    return verify(
        evidence,
        media_type=pop.MEDIA_TYPE,
        nonce=nonce,
        anchors=TrustAnchors(certificates=tuple(anchors)),
        endorsements=None,
        now=now,
    )


def test_the_holder_of_an_idevid_is_believed() -> None:
    found = judged(make_pop(DEVICE, CHAIN, CHALLENGE))
    assert (found.accepted, found.failed, found.freshness) == (True, (), Freshness.PROOF_OF_POSSESSION)


def test_it_proves_an_identity_and_nothing_else() -> None:
    facts = judged(make_pop(DEVICE, CHAIN, CHALLENGE)).facts
    assert set(facts) == {"evidence", "identity"}
    assert facts["identity"] == {
        "kind": "idevid",
        "key_thumbprint": thumbprint(DEVICE.public_key()),
        "anchor": ACME.root.subject.rfc4514_string(),
        "verified": True,
    }


def test_the_binding_has_the_path_from_leaf_to_anchor() -> None:
    binding = judged(make_pop(DEVICE, CHAIN, CHALLENGE)).key_binding
    assert binding is not None
    assert [der(each) for each in binding.chain] == [*CHAIN, der(ACME.root)]
    assert (binding.thumbprint, binding.proof) == (thumbprint(DEVICE.public_key()), "idevid.pop")


def test_the_claims_say_who_the_certificate_names() -> None:
    """IEEE 802.1AR section 8.6: the subject identifies the device."""
    claims = judged(make_pop(DEVICE, CHAIN, CHALLENGE)).claims
    assert claims["subject"] == {"O": ("Acme",), "OU": ("gw-200",), "CN": ("gw-200",), "serialNumber": ("AC-00000007",)}
    assert claims["challenge"] == CHALLENGE


def test_a_root_that_the_device_sends_along_changes_nothing() -> None:
    assert judged(make_pop(DEVICE, [*CHAIN, der(ACME.root)], CHALLENGE)).accepted


def test_a_leaf_issued_by_the_anchor_itself_stands_alone() -> None:
    assert judged(make_pop(DEVICE, CHAIN[:1], CHALLENGE), anchors=[ACME.issuing]).accepted


REFUSED = {
    "cose.tag": cose_sign1(DEVICE, CHALLENGE, protected={33: CHAIN}, tag=None),
    "cose.headers": cose_sign1(DEVICE, CHALLENGE, protected={33: CHAIN}, unprotected={33: CHAIN}),
    "cose.crit": cose_sign1(DEVICE, CHALLENGE, protected={33: CHAIN, 2: [-70001], -70001: 0}),
    "cose.alg": cose_sign1(DEVICE, CHALLENGE, protected={33: CHAIN, 1: -47}),
    "cose.key-type": cose_sign1(DEVICE, CHALLENGE, protected={33: CHAIN, 1: -35}),
    "pop.signature": make_pop(OTHER, CHAIN, CHALLENGE),
    "pop.nonce": make_pop(DEVICE, CHAIN, bytes(32)),
}


@pytest.mark.parametrize("check", REFUSED)
def test_each_defect_is_refused_by_exactly_its_check(check: str) -> None:
    assert judged(REFUSED[check]).failed == (check,)


def test_every_check_of_the_format_has_a_case_that_only_it_refuses() -> None:
    own = {value.id for value in vars(pop).values() if isinstance(value, Requirement)}
    assert own <= {*REFUSED, "pop.chain"}


CHAINS = {
    "none": cose_sign1(DEVICE, CHALLENGE),
    "unprotected": cose_sign1(DEVICE, CHALLENGE, unprotected={33: CHAIN}),
    "of another vendor": make_pop(DEVICE, idevid(MALLORY), CHALLENGE),
    "without its intermediate": make_pop(DEVICE, CHAIN[:1], CHALLENGE),
    "issuer first": make_pop(DEVICE, CHAIN[::-1], CHALLENGE),
    "self made with the anchor's name": make_pop(DEVICE, idevid(vendor("Acme", 0x6000)), CHALLENGE),
}


@pytest.mark.parametrize("chain", CHAINS)
def test_a_chain_that_does_not_hold_is_refused(chain: str) -> None:
    assert "pop.chain" in judged(CHAINS[chain]).failed


@pytest.mark.parametrize("chain", CHAINS)
def test_no_signature_is_checked_with_the_key_of_a_chain_that_does_not_hold(chain: str) -> None:
    """A key that comes with the message is nobody's until the path says whose."""
    results = {check.id: check.result.value for check in judged(CHAINS[chain]).checks}
    assert results["pop.signature"] == "n/a"


def test_the_reason_of_a_refused_chain_is_told() -> None:
    check = next(each for each in judged(CHAINS["of another vendor"]).checks if each.id == "pop.chain")
    assert check.seen.startswith("path.anchor: ")


def test_a_chain_is_judged_at_the_given_time() -> None:
    before = judged(make_pop(DEVICE, CHAIN, CHALLENGE), now=NOW - timedelta(days=1))
    assert "pop.chain" in before.failed


def test_a_public_key_as_anchor_vouches_for_no_chain() -> None:
    found = verify(
        make_pop(DEVICE, CHAIN, CHALLENGE),
        media_type=pop.MEDIA_TYPE,
        nonce=CHALLENGE,
        anchors=TrustAnchors(keys=(DEVICE.public_key(),)),
        endorsements=None,
        now=NOW,
    )
    assert "pop.chain" in found.failed


@pytest.mark.parametrize("nonce", [b"", bytes(31)])
def test_a_challenge_that_could_be_guessed_is_refused(nonce: bytes) -> None:
    assert judged(make_pop(DEVICE, CHAIN, nonce), nonce=nonce).failed == ("pop.nonce",)


def without_key() -> bytes:
    """Return a well-formed certificate whose SubjectPublicKeyInfo is an empty SEQUENCE; found by tests/fuzz."""
    certificate = der_of.whole(CHAIN[0], der_of.SEQUENCE)
    body, *signature = der_of.children(certificate.content)
    fields = [each.encoded for each in der_of.children(body.content)]
    fields[6] = der_of.sequence()
    return der_of.sequence(der_of.sequence(*fields), *(each.encoded for each in signature))


@pytest.mark.parametrize("chain", [[b"no certificate"], [CHAIN[0] + b"\x00"], [CHAIN[0], b""], [without_key()]])
def test_bytes_that_are_no_certificate_are_malformed(chain: list[bytes]) -> None:
    with pytest.raises(MalformedEvidenceError) as caught:
        judged(make_pop(DEVICE, chain, CHALLENGE))
    assert caught.value.code == "cose.x5chain"


def test_another_envelope_is_refused_by_its_tag() -> None:
    assert "cose.tag" in judged(cose_sign1(DEVICE, CHALLENGE, protected={33: CHAIN}, tag=98)).failed
