"""Keys that a believed CoRIM vouches for: its identity and attest-key triples.

(draft-ietf-rats-corim sections 5.1.9 and 5.1.10.)

Only a key of one device can prove an identity. A triple about a class or a group is left out whole, and so is one with
conditions (`mkey`, `authorized-by`): nothing is endorsed on half of its conditions.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from cbor2 import CBORTag
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import load_der_public_key, load_pem_public_key

from policyengine.attestation.anchors import EvidenceKey, TrustedKey
from policyengine.attestation.corim import comid
from policyengine.attestation.corim.document import Tag, named
from policyengine.attestation.errors import MalformedEvidenceError
from policyengine.model.corim import StatedKey
from policyengine.model.endorsements import KeyUse

_TRIPLES = ((2, KeyUse.IDENTITY), (3, KeyUse.ATTEST))


def stated_keys(comids: Sequence[Tag]) -> Iterator[StatedKey]:
    """Yield the keys of single devices in `comids`; raises MalformedEvidenceError for one that cannot be read.

    Keys given by a digest, a COSE_Key or a path are not used: the first names a key that is not there.
    """
    for tag in comids:
        for position, use in _TRIPLES:
            for environment, keys, *conditions in tag.content[4].get(position, ()):
                instance = _instance(environment)
                if instance is not None and not conditions:
                    yield from _of_device(environment.get(0, {}), instance, keys, use)


def _of_device(of_class: Mapping[Any, Any], instance: str, keys: Sequence[CBORTag], use: KeyUse) -> Iterator[StatedKey]:
    for each in keys:
        key = _key(each)
        if key is None:
            continue
        trusted = TrustedKey(key=key)
        yield StatedKey(
            use=use,
            spki=trusted.spki,
            thumbprint=trusted.thumbprint,
            instance=instance,
            vendor=of_class.get(1),
            model=of_class.get(2),
            class_id=named(of_class[0]) if 0 in of_class else None,
        )


def _instance(environment: Mapping[Any, Any]) -> str | None:
    """Return what evidence calls the device: bytes in hex, or a UUID; None for what names no device that way."""
    value = environment.get(1)
    if not isinstance(value, CBORTag) or 2 in environment:
        return None
    if value.tag in {comid.UEID_TAG, comid.BYTES_TAG}:
        return bytes(value.value).hex()
    return named(value) if value.tag == comid.UUID_TAG else None


def _key(tagged: CBORTag) -> EvidenceKey | None:
    if tagged.tag not in {comid.PKIX_KEY_TAG, comid.PKIX_CERTIFICATE_TAG}:
        return None
    try:
        key = _certified(tagged.value) if tagged.tag == comid.PKIX_CERTIFICATE_TAG else _public(tagged.value)
    except (ValueError, UnsupportedAlgorithm, binascii.Error) as cause:
        raise MalformedEvidenceError("corim.structure", "a key of a device cannot be read") from cause
    if not isinstance(key, ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey | rsa.RSAPublicKey):
        raise MalformedEvidenceError("corim.structure", "a key of a device is of a kind that signs no evidence")
    return key


def _public(text: str) -> object:
    """Return the key in PEM (RFC 7468 section 13), or in the bare base64 that vendors' tools still write."""
    if text.lstrip().startswith("-----BEGIN"):
        return load_pem_public_key(text.encode())
    return load_der_public_key(base64.b64decode("".join(text.split()), validate=True))


def _certified(text: str) -> object:
    return x509.load_pem_x509_certificate(text.encode()).public_key()
