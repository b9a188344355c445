"""COSE_Sign1 as a device makes it (RFC 9052 section 4.4), also wrongly on purpose: every part can be given."""

from __future__ import annotations

from collections.abc import Mapping

import cbor2
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512

DeviceKey = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey

_ALG = 1
_ES = {"secp256r1": (-7, SHA256(), 32), "secp384r1": (-35, SHA384(), 48), "secp521r1": (-36, SHA512(), 66)}
_EDDSA = -8
Headers = Mapping[int | str, object]


def cose_sign1(
    key: DeviceKey,
    payload: bytes,
    *,
    protected: Headers | None = None,
    unprotected: Headers | None = None,
    tag: int | None = 18,
) -> bytes:
    """Return a COSE_Sign1 over `payload`; `alg` is added to the protected header unless it stands there already.

    ECDSA is deterministic (RFC 6979), so that the same key and payload give the same bytes.
    """
    headers = {_ALG: algorithm_id(key)} | dict(protected or {})
    encoded = cbor2.dumps(headers) if headers else b""
    signature = raw_signature(key, cbor2.dumps(["Signature1", encoded, b"", payload]))
    parts = [encoded, dict(unprotected or {}), payload, signature]
    return cbor2.dumps(parts if tag is None else cbor2.CBORTag(tag, parts))


def algorithm_id(key: DeviceKey) -> int:
    """Return the COSE algorithm of `key` (RFC 9053 section 2)."""
    return _ES[key.curve.name][0] if isinstance(key, ec.EllipticCurvePrivateKey) else _EDDSA


def raw_signature(key: DeviceKey, signed: bytes) -> bytes:
    """Return the signature as COSE carries it: for ECDSA r and s, each as long as the curve's order."""
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return key.sign(signed)
    _, digest, size = _ES[key.curve.name]
    r, s = decode_dss_signature(key.sign(signed, ec.ECDSA(digest, deterministic_signing=True)))
    return r.to_bytes(size, "big") + s.to_bytes(size, "big")
