"""One vector of any format, the keys that sign vectors, and messages with exactly the parts a defect needs."""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import cbor2
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from policyengine.model.base64url import base64url
from policyengine.simulation.cose import DeviceKey, raw_signature

NONCE = bytes(range(32))
P256 = ec.derive_private_key(0x2001, ec.SECP256R1())
OTHER = ec.derive_private_key(0x2002, ec.SECP256R1())
P384 = ec.derive_private_key(0x2003, ec.SECP384R1())
P521 = ec.derive_private_key(0x2004, ec.SECP521R1())
ED25519 = ed25519.Ed25519PrivateKey.from_private_bytes(bytes([9] * 32))
KEYS: Mapping[str, DeviceKey] = {"p256": P256, "other": OTHER, "p384": P384, "p521": P521, "ed25519": ED25519}
SECRET = bytes(range(100, 132))
ALG = {"p256": -7, "p384": -35, "p521": -36, "ed25519": -8}


@dataclass(frozen=True, kw_only=True)
class Case:
    """One vector. `failed` is empty for a case that must be accepted; `file` says what the evidence is."""

    name: str
    evidence: bytes
    failed: tuple[str, ...] = ()
    reason: str = ""
    key: str | None = "keys/p256.pem"
    nonce: bytes | None = NONCE
    file: str = "token.cbor"
    at: str | None = "2026-11-27T00:00:00Z"
    claims: Mapping[str, object] = field(default_factory=dict)


def cwt(
    claims: object,
    *,
    key: DeviceKey = P256,
    protected: bytes = b"\xa1\x01\x26",
    unprotected: Mapping[object, object] | None = None,
    tags: tuple[int, ...] = (18,),
    finish: Callable[[bytes], bytes] = bytes,
) -> bytes:
    """Return `claims` (encoded, unless they are bytes) in a COSE_Sign1 with exactly these parts, under `tags`."""
    payload = claims if isinstance(claims, bytes) else cbor2.dumps(claims)
    signature = finish(raw_signature(key, cbor2.dumps(["Signature1", protected, b"", payload])))
    return tagged([protected, dict(unprotected or {}), payload, signature], tags)


def mac0(claims: object, *, protected: bytes = b"\xa1\x01\x05", secret: bytes = SECRET, cut: int = 32) -> bytes:
    """Return `claims` in a COSE_Mac0 with an HMAC-SHA-256 of `cut` bytes."""
    payload = claims if isinstance(claims, bytes) else cbor2.dumps(claims)
    made = hmac.digest(secret, cbor2.dumps(["MAC0", protected, b"", payload]), "sha256")
    return tagged([protected, {}, payload, made[:cut]], (17,))


def tagged(value: object, tags: tuple[int, ...]) -> bytes:
    """Return `value` in CBOR under `tags`, the innermost first."""
    for tag in tags:
        value = cbor2.CBORTag(tag, value)
    return cbor2.dumps(value)


def jwt(
    claims: object, *, key: DeviceKey = P256, header: Mapping[str, object] | bytes | None = None, signed: bool = True
) -> bytes:
    """Return `claims` (as JSON, unless they are bytes) in a compact JWS with this header, ES256 unless said."""
    head = header if isinstance(header, bytes) else json.dumps(header or {"alg": "ES256"}).encode()
    body = claims if isinstance(claims, bytes) else json.dumps(claims).encode()
    covered = f"{base64url(head)}.{base64url(body)}".encode()
    return covered + b"." + (base64url(raw_signature(key, covered)).encode() if signed else b"")


def changed(claims: Mapping[object, object], **changes: object) -> dict[object, object]:
    """Return `claims` with `c<key>=value` changes (`n<key>` for negative keys); None removes the claim."""
    keys = {(-int(name[1:]) if name[0] == "n" else int(name[1:])): value for name, value in changes.items()}
    return {key: value for key, value in (claims | keys).items() if value is not None}
