"""Facts of EAT and CCA tokens, and tokens that other encoders made."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from typing import Any

import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, mldsa, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from joserfc import jwt
from joserfc.jwk import ECKey, OKPKey, RSAKey

from policyengine.attestation.anchors import TrustAnchors
from policyengine.attestation.cca import appraisal as cca
from policyengine.attestation.formats import Verified
from policyengine.attestation.verifier import verify
from policyengine.model.base64url import base64url
from policyengine.model.endorsements import ReferenceComponent, ReferenceValues, Release
from policyengine.simulation.eat import coswid_evidence, eat_claims, make_cwt, make_jwt
from tests.vectors import cca_cases

NONCE = bytes(range(32))
NOW = datetime(2026, 11, 27, tzinfo=UTC)
KEY, OTHER = ec.derive_private_key(0x31, ec.SECP256R1()), ec.derive_private_key(0x32, ec.SECP256R1())
UEID = b"\x01" + bytes(16)
CLAIMS = eat_claims(nonce=NONCE, ueid=UEID, software="gateway-os", version="4.2.1", boot_count=7)
CWT, JWT = "application/eat+cwt", "application/eat+jwt"


def verified(evidence: bytes, *keys: Any, media_type: str = CWT, **more: Any) -> Verified:
    anchors = TrustAnchors(keys=keys or (KEY.public_key(),))
    return verify(
        evidence, media_type=media_type, nonce=NONCE, anchors=anchors, endorsements=more.get("endorsements"), now=NOW
    )


def facts(claims: dict[int, object], *keys: Any) -> Any:
    return verified(make_cwt(KEY, claims), *keys).facts


def test_a_token_says_how_the_device_booted() -> None:
    """RFC 9711 sections 4.2.8, 4.2.9 and 4.2.12."""
    assert facts(CLAIMS)["boot"] == {"secure": True, "mode": "production", "debug": "permanent-off", "count": 7}


def test_a_boot_that_was_authorised_is_no_production_boot_before_the_debug_state_is_known() -> None:
    """RFC 9711 sections 4.2.8 and 4.2.9."""
    assert facts({10: NONCE, 262: True})["boot"] == {"secure": True}


MEASURED = ReferenceValues(
    models=("gw-200",),
    releases=(Release(version="4.2.1", svn=8, components=(ReferenceComponent(name="app", sha256="02" * 32),)),),
)


def measured(digest: bytes) -> Any:
    claims = eat_claims(nonce=NONCE, ueid=UEID, software="os", version="4.2.1", boot_count=7)
    tag = coswid_evidence(name="os", version="4.2.1", files={"app": digest})
    return verified(make_cwt(KEY, claims | {273: [[258, tag]]}), endorsements=MEASURED).facts


def test_measured_files_are_compared_with_the_reference_values() -> None:
    """RFC 9711 section 4.2.16, RFC 9393 section 2.9.4: evidence of a CoSWID."""
    found = measured(bytes([2] * 32))
    row = {"name": "app", "digest": "02" * 32, "digest_alg": "sha-256", "match": "endorsed", "svn": 8}
    assert found["software"][1] == row | {"version": "4.2.1"}
    assert (found["boot"]["svn"], found["endorsement"]) == (8, {"matched": True})


def test_a_jwt_measures_as_a_cwt_does() -> None:
    """RFC 9711 section 4.2.16: in JSON a CoSWID is base64url text."""
    tag = coswid_evidence(name="os", version="4.2.1", files={"app": bytes([2] * 32)})
    token = make_jwt(KEY, {"eat_nonce": base64url(NONCE), "measurements": [[258, base64url(tag)], [50, "{}"]]})
    found: Any = verified(token, media_type=JWT, endorsements=MEASURED).facts["software"]
    assert [(row["name"], row["match"]) for row in found] == [("app", "endorsed")]


def test_a_measured_file_of_no_release_is_unknown_and_gives_no_security_version() -> None:
    found = measured(bytes([3] * 32))
    assert (found["software"][1]["match"], found["endorsement"]) == ("unknown", {"matched": False})
    assert "svn" not in found["boot"]


@pytest.mark.parametrize("tag", [b"", b"\xa0", b"\xff", cbor2.dumps({0: "os", 12: 0, 1: "os", 2: {31: "os", 33: 1}})])
def test_a_measurement_that_cannot_be_read_gives_nothing(tag: bytes) -> None:
    found = facts({10: NONCE, 273: [[258, tag], [50, b"{}"]]})
    assert found.keys() == {"evidence", "identity"}


@pytest.mark.parametrize(
    ("state", "debug"),
    [(0, "enabled"), (1, "disabled"), (2, "disabled"), (3, "permanent-off"), (4, "permanent-off")],
)
def test_each_debug_state_has_its_fact(state: int, debug: str) -> None:
    """RFC 9711 section 4.2.9."""
    assert facts({10: NONCE, 263: state})["boot"]["debug"] == debug


def test_what_a_token_does_not_say_stays_absent() -> None:
    assert facts({10: NONCE}).keys() == {"evidence", "identity"}


def test_software_of_a_token_is_named_and_not_matched() -> None:
    """A name is no measurement, so the list is neither complete nor endorsed."""
    found = verified(make_cwt(KEY, CLAIMS))
    assert (found.facts["software"], found.complete) == ([{"name": "gateway-os", "version": "4.2.1"}], ())


def test_what_a_device_calls_itself_is_no_fact_about_the_device() -> None:
    assert "device" not in facts(CLAIMS | {258: b"\x01\x02\x03", 259: b"gw-200"})


def test_a_submodule_in_debug_puts_the_device_in_debug() -> None:
    assert facts(CLAIMS | {266: {"modem": {263: 0}}})["boot"]["debug"] == "enabled"


def test_a_submodule_cannot_make_the_device_safer() -> None:
    assert "boot" not in facts({10: NONCE, 266: {"modem": {263: 3, 262: True}}})


def test_a_token_inside_counts_when_a_trusted_key_signed_it() -> None:
    """RFC 9711 section 4.2.18.1.2."""
    inner = make_cwt(OTHER, {10: NONCE, 270: "se-os"})
    found = facts({10: NONCE, 266: {"se": inner}}, KEY.public_key(), OTHER.public_key())
    assert found["software"] == [{"name": "se-os", "layer": "se"}]


@pytest.mark.parametrize(
    "inner",
    [
        pytest.param(make_cwt(OTHER, {10: NONCE, 263: 3, 270: "se-os"}), id="signed by a stranger"),
        pytest.param(make_cwt(KEY, {10: bytes(32), 270: "se-os"}), id="over another challenge"),
        pytest.param(make_cwt(KEY, {10: NONCE, 4: 1000, 270: "se-os"}), id="expired"),
    ],
)
def test_a_token_inside_that_is_not_believed_gives_no_facts(inner: bytes) -> None:
    found = verified(make_cwt(KEY, {10: NONCE, 266: {"se": inner}}))
    assert (found.accepted, "software" in found.facts) == (True, False)


def test_a_bundle_is_held_to_the_profile_that_its_media_type_announces() -> None:
    """RFC 9782 section 4: `eat_profile` is a parameter of all media types of EAT."""
    detached = cbor2.dumps({270: "tee"})
    profile = "https://profiles.example/gateway"
    digest = [-16, hashlib.sha256(detached).digest()]
    bundle = cbor2.dumps([make_cwt(KEY, {10: NONCE, 265: profile, 266: {"tee": digest}}), {"tee": detached}])
    types = [f'application/eat-bun+cbor; eat_profile="{each}"' for each in (profile, f"{profile}/2")]
    assert [verified(bundle, media_type=each).failed for each in types] == [(), ("eat.profile",)]


def test_a_jwt_inside_a_cwt_inside_a_jwt_is_followed() -> None:
    innermost = make_jwt(KEY, {"eat_nonce": base64url(NONCE), "swname": "tee"})
    middle = make_cwt(KEY, {10: NONCE, 266: {"tee": json.dumps(["JWT", innermost.decode()])}})
    outer = make_jwt(KEY, {"eat_nonce": base64url(NONCE), "submods": {"soc": ["CBOR", base64url(middle)]}})
    found: Any = verified(outer, media_type=JWT).facts
    assert found["software"] == [{"name": "tee", "layer": "soc/tee"}]


@pytest.mark.parametrize(
    ("algorithm", "key"),
    [
        ("ES256", ECKey.generate_key("P-256")),
        ("ES384", ECKey.generate_key("P-384")),
        ("ES512", ECKey.generate_key("P-521")),
        ("Ed25519", OKPKey.generate_key("Ed25519")),
        ("PS256", RSAKey.generate_key(2048)),
        ("RS256", RSAKey.generate_key(2048)),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_token_by_another_encoder_is_believed(algorithm: str, key: Any) -> None:
    """joserfc makes the JWT."""
    claims = {"eat_nonce": base64url(NONCE), "oemboot": True}
    token = jwt.encode({"alg": algorithm}, claims, key, algorithms=[algorithm]).encode()
    assert verified(token, key.public_key, media_type=JWT).facts["boot"] == {"secure": True}


def signed(algorithm: int, sign: Any) -> bytes:
    protected, payload = cbor2.dumps({1: algorithm}), cbor2.dumps({10: NONCE})
    signature = sign(cbor2.dumps(["Signature1", protected, b"", payload]))
    return cbor2.dumps(cbor2.CBORTag(18, [protected, {}, payload, signature]))


@pytest.mark.parametrize("kind", [mldsa.MLDSA44PrivateKey, mldsa.MLDSA65PrivateKey, mldsa.MLDSA87PrivateKey])
def test_a_token_with_ml_dsa_is_believed(kind: Any) -> None:
    """FIPS 204."""
    key = kind.generate()
    number = {mldsa.MLDSA44PrivateKey: -48, mldsa.MLDSA65PrivateKey: -49, mldsa.MLDSA87PrivateKey: -50}[kind]
    assert verified(signed(number, key.sign), key.public_key()).accepted


def test_ed25519_is_believed_under_both_its_numbers() -> None:
    """RFC 9864."""
    key = ed25519.Ed25519PrivateKey.generate()
    accepted = [verified(signed(number, key.sign), key.public_key()).accepted for number in (-8, -19)]
    assert accepted == [True, True]


def test_an_rsa_key_that_is_too_short_signs_nothing() -> None:
    key = rsa.generate_private_key(65537, 1024)
    token = signed(-257, lambda data: key.sign(data, padding.PKCS1v15(), SHA256()))
    assert verified(token, key.public_key()).failed == ("cose.signature",)


def test_a_pss_signature_with_another_salt_is_refused() -> None:
    """RFC 8230 section 2: the salt is as long as the hash."""
    key = rsa.generate_private_key(65537, 2048)
    scheme = padding.PSS(mgf=padding.MGF1(SHA256()), salt_length=20)
    token = signed(-37, lambda data: key.sign(data, scheme, SHA256()))
    assert verified(token, key.public_key()).failed == ("cose.signature",)


def realm(**more: Any) -> Verified:
    key = cca_cases.PLATFORM_KEY.public_key()
    media_type = 'application/eat-collection; profile="http://arm.com/CCA-SSD/1.0.0"'
    return verified(cca_cases.token(), key, media_type=media_type, **more)


def test_a_realm_stands_beside_its_platform_in_the_inventory() -> None:
    """The initial measurement, and of the extensible ones that which was extended."""
    found: Any = realm().facts
    assert [(row["name"], row.get("layer")) for row in found["software"]] == [
        ("BL", None),
        ("realm", "realm"),
        ("rem1", "realm"),
    ]


def test_a_realm_is_matched_by_its_initial_measurement() -> None:
    component = ReferenceComponent(name="realm", sha256=(bytes([0x77] * 32)).hex())
    known = ReferenceValues(models=("host",), releases=(Release(version="1.0.0", svn=1, components=(component,)),))
    found: Any = realm(endorsements=known).facts
    assert [row["match"] for row in found["software"]] == ["unknown", "endorsed", "unknown"]


def test_the_key_of_a_cca_token_is_the_platforms() -> None:
    binding = realm().key_binding
    assert binding is not None
    assert (binding.key, binding.proof) == (cca_cases.PLATFORM_KEY.public_key(), "cca.platform-signature")


def test_a_realm_key_is_hashed_as_its_token_carries_it() -> None:
    """The draft, section 4.10: the hash is over the claim, not over a key in some other form."""
    key = cca_cases.cose_key(cca_cases.REALM_KEY)
    by_point = cca_cases.PLATFORM | {10: hashlib.sha256(cca_cases.point(cca_cases.REALM_KEY)).digest()}
    token = cca_cases.token(by_point, cca_cases.bound(key)[1])
    found = verified(token, cca_cases.PLATFORM_KEY.public_key(), media_type=cca.ANY_PROFILE)
    assert found.failed == ("cca.binding",)
