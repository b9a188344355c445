"""A PSA device for tests: its key, and tokens it would make."""

from __future__ import annotations

from datetime import UTC, datetime

from cryptography.hazmat.primitives.asymmetric import ec

from policyengine.attestation.anchors import TrustAnchors
from policyengine.attestation.formats import Verified
from policyengine.attestation.verifier import verify
from policyengine.model.endorsements import ReferenceComponent, ReferenceValues, Release
from policyengine.simulation.psa import SECURED, MeasuredComponent, instance_id_of, make_psa_token

KEY = ec.derive_private_key(0x2001, ec.SECP256R1())
ANCHORS = TrustAnchors(keys=(KEY.public_key(),))
NONCE = bytes(range(32))
NOW = datetime(2026, 11, 23, tzinfo=UTC)
PSA = 'application/eat+cwt; eat_profile="tag:psacertified.org,2023:psa#tfm"'
SPE = MeasuredComponent(type="SPE", digest=bytes([1] * 32), signer=bytes([9] * 32), version="1.6.0")
NSPE = MeasuredComponent(type="NSPE", digest=bytes([2] * 32), signer=bytes([9] * 32))


def token(
    *software: MeasuredComponent, lifecycle: int = SECURED, boot_seed: bytes | None = None, nonce: bytes = NONCE
) -> bytes:
    return make_psa_token(
        KEY,
        nonce=nonce,
        implementation_id=bytes(32),
        instance_id=instance_id_of(KEY),
        lifecycle=lifecycle,
        software=software or (SPE, NSPE),
        boot_seed=boot_seed,
    )


def verified(
    evidence: bytes, *, endorsements: ReferenceValues | None = None, nonce: bytes = NONCE, media_type: str = PSA
) -> Verified:
    return verify(evidence, media_type=media_type, nonce=nonce, anchors=ANCHORS, endorsements=endorsements, now=NOW)


def facts(evidence: bytes, *, endorsements: ReferenceValues | None = None) -> dict[str, object]:
    found = verified(evidence, endorsements=endorsements)
    assert found.failed == ()
    return dict(found.facts)


def release(
    version: str, *components: MeasuredComponent, svn: int | None = None, until: datetime | None = None
) -> Release:
    listed = tuple(ReferenceComponent(name=each.type or "", sha256=each.digest.hex()) for each in components)
    return Release(version=version, svn=svn, components=listed, until=until)


def known(*releases: Release) -> ReferenceValues:
    return ReferenceValues(models=("gw-200",), releases=releases)
