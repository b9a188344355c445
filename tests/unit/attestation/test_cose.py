"""COSE_Sign1: the envelope alone; the rules that need claims around them are in test_psa_vectors."""

from __future__ import annotations

from pathlib import Path

import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from hypothesis import example, given
from hypothesis import strategies as st

from policyengine.attestation import cose
from policyengine.attestation.anchors import MAX_KEYS, PublicKey, TrustAnchors
from policyengine.attestation.checks import Outcome
from policyengine.attestation.errors import MalformedEvidenceError, TrustAnchorError
from policyengine.attestation.signatures import EDDSA, ES256, ES384, ES512
from policyengine.simulation.cose import DeviceKey, cose_sign1

ALL = {each.id: each for each in (ES256, ES384, ES512, EDDSA)}
KEYS: dict[str, DeviceKey] = {
    "P-256": ec.generate_private_key(ec.SECP256R1()),
    "P-384": ec.generate_private_key(ec.SECP384R1()),
    "P-521": ec.generate_private_key(ec.SECP521R1()),
    "Ed25519": ed25519.Ed25519PrivateKey.generate(),
}


def judged(evidence: bytes, *keys: PublicKey) -> cose.Signed:
    return cose.check_sign1(cose.read_sign1(evidence), signers=TrustAnchors(keys=keys).signers, algorithms=ALL)


def failed(signed: cose.Signed) -> list[str]:
    return [check.id for check in signed.checks if check.result.value == "fail"]


@pytest.mark.parametrize("kind", KEYS)
def test_a_signature_of_every_allowed_kind_is_found_among_all_keys(kind: str) -> None:
    signed = judged(cose_sign1(KEYS[kind], b"payload"), *(key.public_key() for key in KEYS.values()))
    assert signed.signer is not None
    assert (signed.signer.kind, failed(signed)) == (kind, [])


def test_a_key_of_another_kind_is_never_tried() -> None:
    """RFC 9053 section 2: key type and curve belong to the algorithm."""
    signed = judged(cose_sign1(KEYS["P-256"], b"payload"), KEYS["P-384"].public_key())
    assert (signed.signer, failed(signed)) == (None, ["cose.key-type"])


def test_an_rsa_anchor_verifies_nothing() -> None:
    rsa_key = rsa.generate_private_key(public_exponent=65537, key_size=2048).public_key()
    assert failed(judged(cose_sign1(KEYS["P-256"], b"payload"), rsa_key)) == ["cose.key-type"]


def test_without_anchors_nothing_is_believed() -> None:
    signed = judged(cose_sign1(KEYS["P-256"], b"payload"))
    assert (signed.signer, failed(signed)) == (None, ["cose.key-type"])


def test_more_keys_than_can_be_tried_are_refused() -> None:
    key = KEYS["P-256"].public_key()
    with pytest.raises(TrustAnchorError):
        TrustAnchors(keys=(key,) * (MAX_KEYS + 1))


def test_an_unprotected_chain_is_not_read() -> None:
    """RFC 9360 section 2 allows it there; we do not, because nothing unsigned may name a key."""
    message = cose.read_sign1(cose_sign1(KEYS["P-256"], b"payload", unprotected={33: b"certificate"}))
    assert isinstance(message, cose.Sign1)
    assert cose.x5chain(message) == ()


@pytest.mark.parametrize("chain", [[b"one"], [b"a"] * 9, [b"a", "text"], {}, 7, []])
def test_a_chain_of_another_form_is_malformed(chain: object) -> None:
    message = cose.read_sign1(cose_sign1(KEYS["P-256"], b"payload", protected={33: chain}))
    assert isinstance(message, cose.Sign1)
    with pytest.raises(MalformedEvidenceError) as caught:
        cose.x5chain(message)
    assert caught.value.code == "cose.x5chain"


@pytest.mark.parametrize("chain", [b"one", [b"leaf", b"issuer"], [b"certificate"] * cose.MAX_CHAIN])
def test_a_chain_of_either_form_is_read_leaf_first(chain: bytes | list[bytes]) -> None:
    """RFC 9360 section 2: one certificate alone, several in an array."""
    message = cose.read_sign1(cose_sign1(KEYS["P-256"], b"payload", protected={33: chain}))
    assert isinstance(message, cose.Sign1)
    assert cose.x5chain(message) == ((chain,) if isinstance(chain, bytes) else tuple(chain))


@given(st.binary(max_size=700), st.booleans())
@example(payload=bytes(255), with_kid=False)
@example(payload=bytes(256), with_kid=False)
@example(payload=bytes(65_000), with_kid=False)
@example(payload=bytes(65_536), with_kid=False)
def test_the_short_way_reads_what_the_general_way_reads(payload: bytes, with_kid: bool) -> None:
    """The usual form is read without the CBOR decoder; a longer encoding of the tag forces the general way."""
    usual = cose_sign1(KEYS["P-256"], payload, unprotected={4: b"kid"} if with_kid else None)
    general = b"\xd8\x12" + usual[1:]
    assert usual[:1] == b"\xd2"
    assert outcome(usual) == outcome(general)


@given(st.integers(0, 600), st.binary(min_size=1, max_size=3))
def test_the_short_way_refuses_what_the_general_way_refuses(at: int, patch: bytes) -> None:
    usual = cose_sign1(KEYS["P-256"], bytes(500))
    changed = usual[:at] + patch + usual[at + len(patch) :]
    if changed[:1] == b"\xd2":
        assert outcome(changed) == outcome(b"\xd8\x12" + changed[1:])


CHALLENGED = cose_sign1(KEYS["P-256"], bytes(32), protected={33: [b"\xff" * 300, b"\x00" * 260]})
CHAIN = CHALLENGED[5 : 5 + int.from_bytes(CHALLENGED[3:5], "big")]


@given(at=st.integers(1, len(CHALLENGED)), patch=st.binary(max_size=3), cut=st.integers(0, 3))
@example(at=len(CHALLENGED), patch=b"", cut=0)
@example(at=len(CHALLENGED), patch=b"\x00", cut=0)
def test_the_short_way_of_a_challenge_with_a_chain_is_the_general_way(at: int, patch: bytes, cut: int) -> None:
    changed = CHALLENGED[:at] + patch + CHALLENGED[at + cut :]
    assert outcome(changed) == outcome(b"\xd8\x12" + changed[1:])


@given(at=st.integers(1, len(CHAIN)), patch=st.binary(max_size=3), cut=st.integers(0, 3))
@example(at=len(CHAIN), patch=b"", cut=0)
@example(at=len(CHAIN), patch=b"\x00", cut=0)
@example(at=5, patch=b"", cut=len(CHAIN))
@example(at=6, patch=b"", cut=len(CHAIN))
def test_the_short_way_of_a_header_with_a_chain_is_the_general_way(at: int, patch: bytes, cut: int) -> None:
    """A longer encoding of the number of labels forces the general way."""
    changed = CHAIN[:at] + patch + CHAIN[at + cut :]
    assert headers(changed) == headers(b"\xb8\x02" + changed[1:])


def headers(protected: bytes) -> object:
    try:
        return dict(cose.message_of([protected, {}, b"", b""], 18).headers)
    except MalformedEvidenceError as error:
        return error.code


def outcome(evidence: bytes) -> object:
    try:
        return cose.read_sign1(evidence)
    except MalformedEvidenceError as error:
        return error.code


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("wg-ecdsa-sig-01", []),
        ("wg-eddsa-sig-01", []),
        ("wg-CWT-A_3", []),
        ("wg-sign-pass-01", ["cose.alg"]),  # the algorithm is not protected: good COSE, no evidence
        ("wg-sign-pass-03", ["cose.tag"]),  # untagged likewise
        ("wg-sign-fail-04", ["cose.alg"]),
        ("wg-sign-fail-06", ["cose.signature"]),
        ("wg-sign-fail-07", ["cose.signature"]),
    ],
)
def test_examples_of_the_cose_working_group(vectors: Path, name: str, expected: list[str]) -> None:
    folder = vectors / "attestation" / "cose" / name
    key = load_pem_public_key((folder / "key.pem").read_bytes())
    assert isinstance(key, ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey)
    assert failed(judged((folder / "msg.cbor").read_bytes(), key)) == expected


@pytest.mark.parametrize("size", [0, 23, 24, 255, 256, 65535])
def test_the_signature_input_is_what_an_encoder_writes(size: int) -> None:
    """RFC 9052 section 4.4, in the deterministic encoding of RFC 8949 section 4.2.1."""
    expected = cbor2.dumps(["Signature1", b"\xa1\x01\x26", b"", bytes(size)])
    assert cose.signature_input(b"\xa1\x01\x26", bytes(size)) == expected


@pytest.mark.parametrize("tag", [0, 1, 32, 37, 111])
def test_a_tag_that_belongs_inside_claims_is_no_envelope(tag: int) -> None:
    """The door lets these tags in for claims (RFC 9781); in front of a message they are a refusal, not a crash."""
    content = cbor2.dumps([b"", {}, b"", b""])
    head = bytes([0xC0 + tag]) if tag < 24 else bytes([0xD8, tag])
    signed = cose.check_sign1(cose.read_sign1(head + content), signers={}, algorithms={})
    assert [check.id for check in signed.checks if check.result is Outcome.FAIL] == ["cose.tag"]
