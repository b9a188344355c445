"""PSA attestation tokens as a device with PSA firmware makes them (RFC 9783)."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import cbor2
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from policyengine.simulation.cose import DeviceKey, cose_sign1

PROFILE = "tag:psacertified.org,2023:psa#tfm"
SECURED, RECOVERABLE_DEBUG = 0x3000, 0x5000
NON_SECURE_CALLER = -1  # RFC 9783 section 4.1.2: negative client ids are callers of the non-secure side


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredComponent:
    """One measured software component. `digest` and `signer` have 32, 48 or 64 bytes; what is None is left out."""

    type: str | None
    digest: bytes
    signer: bytes
    version: str | None = None
    description: str | None = None

    def claim(self) -> dict[int, object]:
        """Return the component as the token carries it (RFC 9783 section 4.4.1)."""
        claim = {1: self.type, 2: self.digest, 4: self.version, 5: self.signer, 6: self.description}
        return {key: value for key, value in claim.items() if value is not None}


def psa_claims(
    *,
    nonce: bytes,
    implementation_id: bytes,
    instance_id: bytes,
    lifecycle: int,
    software: Sequence[MeasuredComponent],
    client_id: int = NON_SECURE_CALLER,
    boot_seed: bytes | None = None,
    certification_reference: str | None = None,
) -> dict[int, object]:
    """Return the claims of a token, by claim key (RFC 9783 section 4); what is None is left out."""
    claims: dict[int, object] = {
        10: nonce,
        256: instance_id,
        265: PROFILE,
        268: boot_seed,
        2394: client_id,
        2395: lifecycle,
        2396: implementation_id,
        2398: certification_reference,
        2399: [component.claim() for component in software],
    }
    return {key: value for key, value in claims.items() if value is not None}


def make_psa_token(
    key: DeviceKey,
    *,
    nonce: bytes,
    implementation_id: bytes,
    instance_id: bytes,
    lifecycle: int,
    software: Sequence[MeasuredComponent],
    boot_seed: bytes | None = None,
    certification_reference: str | None = None,
) -> bytes:
    """Return a token over `nonce` signed by `key`, tagged COSE_Sign1."""
    claims = psa_claims(
        nonce=nonce,
        implementation_id=implementation_id,
        instance_id=instance_id,
        lifecycle=lifecycle,
        software=software,
        boot_seed=boot_seed,
        certification_reference=certification_reference,
    )
    return cose_sign1(key, cbor2.dumps(claims))


def instance_id_of(key: DeviceKey) -> bytes:
    """Return the usual Instance ID of `key`: type RAND and SHA-256 of the uncompressed public point or raw key."""
    public = key.public_key()
    if isinstance(key, ec.EllipticCurvePrivateKey):
        raw = public.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    else:
        raw = public.public_bytes(Encoding.Raw, PublicFormat.Raw)
    return b"\x01" + hashlib.sha256(raw).digest()
