"""Posture tokens of an attacker's making: each with one defect, none believed (RFC 7519, RFC 8725)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes, hmac, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from joserfc import jws
from joserfc.jwk import ECKey
from typer.testing import CliRunner

from policyengine.adapters.jws import ResultKey
from policyengine.attestation.errors import MalformedEvidenceError
from policyengine.attestation.jwk import JwkSetError, read_jwk_set
from policyengine.attestation.posture import TYPE, PostureError, read_posture
from policyengine.cli.gate import app
from policyengine.model.base64url import base64url

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
SECOND = int(NOW.timestamp())
CLAIMS: Mapping[str, object] = {
    "iss": "policyengine",
    "aud": "updates",
    "sub": "gw-0001",
    "jti": "x",
    "iat": SECOND,
    "nbf": SECOND,
    "exp": SECOND + 300,
    "purpose": "update",
    "tier": "full",
    "decision": "sha256:" + "ab" * 32,
}


@cache
def key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


@cache
def signer() -> ResultKey:
    return ResultKey(key())


def published() -> bytes:
    return json.dumps(signer().jwks()).encode()


def token(kind: str = TYPE, without: str = "", **changed: object) -> bytes:
    claims = {name: value for name, value in {**CLAIMS, **changed}.items() if name != without}
    return jws.serialize_compact({"alg": "ES256", "typ": kind}, json.dumps(claims), ECKey.import_key(key())).encode()


def code_of(content: bytes, *, at: datetime = NOW, keys: bytes | None = None) -> str:
    """Return the check that refuses `content`, or what is said of it."""
    try:
        found = read_posture(
            content, keys=read_jwk_set(keys or published()), audience="updates", purpose="update", now=at
        )
    except (PostureError, MalformedEvidenceError) as refusal:
        return refusal.code
    return found.device_id


def test_token_as_we_sign_it_is_believed() -> None:
    assert code_of(signer().sign_as(TYPE, CLAIMS).encode()) == "gw-0001"


def test_token_as_another_library_signs_it_is_believed() -> None:
    assert code_of(token()) == "gw-0001"


DEFECTS = [
    ({"aud": "others"}, "posture.audience"),
    ({"aud": ["updates", "others"]}, "posture.claims"),
    ({"purpose": "network"}, "posture.purpose"),
    ({"exp": SECOND}, "posture.time"),
    ({"nbf": SECOND + 31}, "posture.time"),
    ({"iat": SECOND + 31}, "posture.time"),
    ({"exp": float(SECOND + 300)}, "posture.claims"),
    ({"exp": 10**30}, "posture.claims"),
    ({"exp": True}, "posture.claims"),
    ({"exp": -1}, "posture.claims"),
    ({"without": "exp"}, "posture.claims"),
    ({"without": "nbf"}, "posture.claims"),
    ({"without": "aud"}, "posture.claims"),
    ({"sub": 7}, "posture.claims"),
    ({"decision": 7}, "posture.claims"),
    ({"cnf": {"jkt": "x"}}, "posture.claims"),
    ({"cnf": "x"}, "posture.claims"),
    ({"kind": "eat+jwt"}, "jose.typ"),
    ({"kind": "JWT"}, "jose.typ"),
]


@pytest.mark.parametrize(("changed", "code"), DEFECTS, ids=lambda value: str(value)[:40])
def test_token_with_a_defect_is_refused(changed: dict[str, object], code: str) -> None:
    assert code_of(token(**changed)) == code  # type: ignore[arg-type]


def headed(header: Mapping[str, object]) -> bytes:
    return signer().sign_with(header, CLAIMS).encode()


def test_token_without_a_type_is_refused() -> None:
    """RFC 8725 section 3.11: the results that the same key signs carry another type, so absence says nothing."""
    assert code_of(headed({"alg": "ES256"})) == "jose.typ"


@pytest.mark.parametrize("alg", ["none", "None", "HS256", "RS256", "ES384", "", None, 256])
def test_other_algorithm_is_refused(alg: object) -> None:
    """RFC 8725 section 3.1; service ceilings section 7, line 15."""
    assert code_of(headed({"alg": alg, "typ": TYPE})) == "jose.alg"


def test_hmac_by_our_public_key_is_refused() -> None:
    """RFC 8725 section 2.1: a verifier that takes the public key for a secret."""
    public = (
        key().public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    signed = f"{base64url(json.dumps({'alg': 'HS256', 'typ': TYPE}).encode())}.{token().split(b'.')[1].decode()}"
    mac = hmac.HMAC(public, hashes.SHA256())
    mac.update(signed.encode())
    assert code_of(f"{signed}.{base64url(mac.finalize())}".encode()) == "jose.alg"


@pytest.mark.parametrize("header", [{"crit": ["exp"]}, {"crit": []}])
def test_critical_extension_is_refused(header: dict[str, object]) -> None:
    """RFC 7515 section 4.1.11."""
    assert code_of(headed({"alg": "ES256", "typ": TYPE, **header})) == "jose.crit"


def test_key_in_the_header_is_not_asked() -> None:
    """RFC 8725 section 3.10: an attacker's own key, sent along."""
    other = ResultKey(ec.generate_private_key(ec.SECP256R1()))
    own = {"alg": "ES256", "typ": TYPE, "jwk": other.jwks()["keys"][0], "jku": "https://attacker.example/jwks"}  # type: ignore[index]
    assert code_of(other.sign_with(own, CLAIMS).encode()) == "jose.signature"


def test_unknown_key_name_is_refused() -> None:
    assert code_of(headed({"alg": "ES256", "typ": TYPE, "kid": "other"})) == "jose.key-type"


def test_changed_claim_is_refused() -> None:
    header, _, signature = token().split(b".")
    claims = base64url(json.dumps({**CLAIMS, "sub": "gw-0002"}).encode()).encode()
    assert code_of(b".".join((header, claims, signature))) == "jose.signature"


@pytest.mark.parametrize(
    "content", [b"", b".", b"..", b"a.b", b"a.b.c.d", b"\xff.\xff.\xff", b"e30.e30.", b"." * 10**5]
)
def test_what_is_no_token_is_refused(content: bytes) -> None:
    assert code_of(content).startswith("jose.")


def test_token_is_refused_at_its_very_end() -> None:
    assert [code_of(token(), at=NOW + timedelta(seconds=after)) for after in (299, 300)] == [
        "gw-0001",
        "posture.time",
    ]


# Published keys.


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"keys":{}}', b'{"keys":[],"keys":[]}', b"\xff"])
def test_what_is_no_key_set_is_refused(content: bytes) -> None:
    """RFC 7517 section 5."""
    with pytest.raises(JwkSetError):
        read_jwk_set(content)


def test_more_keys_than_anybody_publishes_are_refused() -> None:
    with pytest.raises(JwkSetError, match="more than"):
        read_jwk_set(json.dumps({"keys": [{}] * 65}).encode())


def rsa_key(bits: int, **changed: object) -> dict[str, object]:
    numbers = rsa.generate_private_key(65537, bits).public_key().public_numbers()
    size = (numbers.n.bit_length() + 7) // 8
    return {"kty": "RSA", "n": base64url(numbers.n.to_bytes(size, "big")), "e": "AQAB", **changed}


POINT = {name: signer().jwks()["keys"][0][name] for name in ("kty", "crv", "x", "y")}  # type: ignore[index]
UNUSABLE = {
    "symmetric": {"kty": "oct", "k": "c2VjcmV0"},
    "private": {**POINT, "d": "AAAA"},
    "for encryption": {**POINT, "use": "enc"},
    "off the curve": {**POINT, "y": POINT["x"]},
    "short coordinate": {**POINT, "x": "AAAA"},
    "padded coordinate": {**POINT, "x": POINT["x"] + "="},
    "another curve": {**POINT, "crv": "P-192"},
    "kid is a number": {**POINT, "kid": 7},
    "short Ed25519": {"kty": "OKP", "crv": "Ed25519", "x": "AAAA"},
    "RSA exponent 1": rsa_key(2048, e="AQ"),
    "RSA of 1024 bits": rsa_key(1024),
    "RSA too long": {"kty": "RSA", "n": base64url(b"\xff" * 1025), "e": "AQAB"},
    "text": "text",
    "nothing": None,
}


@pytest.mark.parametrize("document", UNUSABLE.values(), ids=UNUSABLE)
def test_key_that_nobody_should_use_is_left_out(document: object) -> None:
    """RFC 7517 section 5: what is not understood is ignored, and with it what is too weak to be believed."""
    assert read_jwk_set(json.dumps({"keys": [document]}).encode()).keys == ()


# The command.


def test_command_believes_and_says_what(tmp_path: Path) -> None:
    (tmp_path / "jwks.json").write_bytes(published())
    (tmp_path / "token").write_bytes(token() + b"\n")
    arguments = ["verify", str(tmp_path / "token"), "--jwks", str(tmp_path / "jwks.json"), "--aud", "updates"]
    done = CliRunner().invoke(app, [*arguments, "--for", "update", "--now", "2026-11-27T12:01:00Z"])
    assert (done.exit_code, json.loads(done.stdout)["device_id"]) == (0, "gw-0001")


def test_command_refuses_with_exit_code_1_and_names_the_check(tmp_path: Path) -> None:
    (tmp_path / "jwks.json").write_bytes(published())
    (tmp_path / "token").write_bytes(token())
    arguments = ["verify", str(tmp_path / "token"), "--jwks", str(tmp_path / "jwks.json"), "--aud", "others"]
    done = CliRunner().invoke(app, [*arguments, "--for", "update", "--now", "2026-11-27T12:01:00Z"])
    assert (done.exit_code, json.loads(done.stdout)["check"]) == (1, "posture.audience")
