"""A vendor's signed CoRIM with real keys, also wrongly on purpose: every part can be given (draft-ietf-rats-corim)."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import cbor2
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from policyengine.simulation.cose import DeviceKey, cose_sign1

CONTENT_TYPE = "application/rim+cbor"
Map = Mapping[int, Any]


def environment(
    *,
    vendor: str | None = None,
    model: str | None = None,
    class_id: Any = None,
    layer: int | None = None,
    instance: Any = None,
) -> Map:
    """Return an environment map; `class_id` and `instance` as CBOR has them, tagged."""
    stated = {0: class_id, 1: vendor, 2: model, 3: layer}
    of_class = {key: value for key, value in stated.items() if value is not None}
    found = {0: of_class or None, 1: instance}
    return {key: value for key, value in found.items() if value is not None}


def measurement(digest: bytes, *, mkey: Any = None, algorithm: int = 1, **values: Any) -> Map:
    """Return a measurement of one digest; `values` are `v<codepoint>=value` of the measurement values map."""
    said = {2: [[algorithm, digest]]} | {int(name[1:]): value for name, value in values.items()}
    return {1: said} if mkey is None else {0: mkey, 1: said}


def key_triple(environment: Map, *keys: DeviceKey) -> list[object]:
    """Return an attest-key or identity triple: what is about `environment`, and its public keys in PEM (RFC 7468)."""
    return [environment, [cbor2.CBORTag(554, _pem(key)) for key in keys]]


def _pem(key: DeviceKey) -> str:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def comid(triples: Map, *, tag_id: Any = "acme.gw-200", version: int = 0, linked: Sequence[Map] = ()) -> cbor2.CBORTag:
    """Return a CoMID tag."""
    content = {1: {0: tag_id, 1: version}, 4: triples} | ({3: list(linked)} if linked else {})
    return cbor2.CBORTag(506, cbor2.dumps(content))


def corim(tags: Sequence[cbor2.CBORTag], *, corim_id: Any = "acme.rim", **parts: Any) -> bytes:
    """Return an unsigned CoRIM (tag 501); `parts` are `p<codepoint>=value` of the CoRIM map."""
    content = {0: corim_id, 1: list(tags)} | {int(name[1:]): value for name, value in parts.items()}
    return cbor2.dumps(cbor2.CBORTag(501, content))


def validity(not_after: datetime, not_before: datetime | None = None) -> Map:
    """Return a validity map."""
    begins = {} if not_before is None else {0: cbor2.CBORTag(1, int(not_before.timestamp()))}
    return begins | {1: cbor2.CBORTag(1, int(not_after.timestamp()))}


def meta(name: str = "Acme Ltd", valid: Map | None = None) -> bytes:
    """Return a corim-meta map, encoded as the protected header holds it."""
    return cbor2.dumps({0: {0: name}} | ({} if valid is None else {1: valid}))


def signed(
    key: DeviceKey, content: bytes, *, headers: Mapping[int | str, Any] | None = None, chain: Sequence[bytes] = ()
) -> bytes:
    """Return `content` signed; `headers` replace content type and corim-meta of the protected header."""
    protected: dict[int | str, Any] = {3: CONTENT_TYPE, 8: meta()} if headers is None else dict(headers)
    if chain:
        protected[33] = chain[0] if len(chain) == 1 else list(chain)
    return cose_sign1(key, content, protected=protected)


def hash_envelope(key: DeviceKey, content: bytes) -> bytes:
    """Return a signature over the SHA-256 of `content` (COSE Hash Envelope)."""
    headers: dict[int | str, Any] = {258: -16, 259: CONTENT_TYPE, 8: meta()}
    return cose_sign1(key, hashlib.sha256(content).digest(), protected=headers)
