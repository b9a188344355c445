"""Entity Attestation Tokens as devices make them: claims, a CWT or a JWT around them (RFC 9711)."""

from __future__ import annotations

import json
from collections.abc import Mapping

import cbor2
from cryptography.hazmat.primitives.asymmetric import ec

from policyengine.model.base64url import base64url
from policyengine.simulation.cose import DeviceKey, cose_sign1, raw_signature

DISABLED_PERMANENTLY = 3  # RFC 9711 section 4.2.9
_JOSE = {"secp256r1": "ES256", "secp384r1": "ES384", "secp521r1": "ES512"}


def eat_claims(
    *, nonce: bytes, ueid: bytes, software: str, version: str, boot_count: int, debug: int = DISABLED_PERMANENTLY
) -> dict[int, object]:
    """Return the claims of a gateway whose maker authorised its boot, by CBOR key (RFC 9711 section 10.2)."""
    return {10: nonce, 256: ueid, 262: True, 263: debug, 267: boot_count, 270: software, 271: [version]}


def coswid_evidence(*, name: str, version: str, files: Mapping[str, bytes]) -> bytes:
    """Return a CoSWID with evidence of `files` measured, by name their SHA-256, for measurements (RFC 9393)."""
    measured = [{24: file, 7: [1, digest]} for file, digest in files.items()]
    entity = {31: name, 33: 1}
    return cbor2.dumps({0: name, 12: 0, 1: name, 13: version, 2: entity, 3: {17: measured}})


def make_cwt(key: DeviceKey, claims: Mapping[int, object]) -> bytes:
    """Return `claims` in a COSE_Sign1 by `key`."""
    return cose_sign1(key, cbor2.dumps(dict(claims)))


def make_jwt(key: DeviceKey, claims: Mapping[str, object], *, header: Mapping[str, object] | None = None) -> bytes:
    """Return `claims` in a compact JWS by `key` (RFC 7515 section 7.1); `alg` is added unless `header` has one."""
    algorithm = _JOSE[key.curve.name] if isinstance(key, ec.EllipticCurvePrivateKey) else "EdDSA"
    parts = ({"alg": algorithm, "typ": "eat+jwt"} | dict(header or {}), dict(claims))
    covered = ".".join(base64url(json.dumps(part).encode()) for part in parts).encode()
    return covered + b"." + base64url(raw_signature(key, covered)).encode()
