"""Full PSA and EAT appraisals per second and core, beside bare ECDSA P-256 verification in the same run.

`python -m benchmarks.appraisal [ROUNDS]`. Rounds of both are interleaved, so that a busy machine slows both; the figure
that counts is the median of the per-round ratios. An appraisal here is everything `verify` does: strict decoding,
signature, every claim check, comparison with reference values, facts. The anchor key is parsed once, as a server does.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import UTC, datetime
from statistics import median
from time import perf_counter

import cbor2
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from policyengine.attestation.anchors import TrustAnchors
from policyengine.attestation.cose import signature_input
from policyengine.attestation.psa.claims import PROFILE_TFM
from policyengine.attestation.verifier import verify
from policyengine.model.base64url import base64url
from policyengine.model.endorsements import ReferenceComponent, ReferenceValues, Release
from policyengine.simulation.eat import eat_claims, make_cwt, make_jwt
from policyengine.simulation.psa import SECURED, MeasuredComponent, instance_id_of, make_psa_token

PER_ROUND = 400
MEDIA_TYPE = f'application/eat+cwt; eat_profile="{PROFILE_TFM}"'
CWT, JWT = "application/eat+cwt", "application/eat+jwt"
NONCE = bytes(range(32))
NOW = datetime(2026, 11, 23, tzinfo=UTC)
NAMES = ("SPE", "NSPE")  # what Trusted Firmware-M measures


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 25
    appraise, bare = prepared()
    works = {"PSA": appraise, "EAT in CWT": eat(CWT), "EAT in JWT": eat(JWT), "bare P-256": bare}
    for work in works.values():
        work()
    found = [{name: rate(work) for name, work in works.items()} for _ in range(rounds)]
    for name in works:
        ratio = median(each[name] / each["bare P-256"] for each in found)
        print(f"{name:11} {median(each[name] for each in found):9,.0f} /s  {ratio:6.3f} of bare P-256")
    print(f"medians of {rounds} rounds")


def eat(media_type: str) -> Callable[[], object]:
    """Return one appraisal of a token with the claims of a gateway."""
    key = ec.generate_private_key(ec.SECP256R1())
    if media_type == CWT:
        claims = eat_claims(nonce=NONCE, ueid=b"\x01" + bytes(16), software="os", version="4.2.1", boot_count=7)
        token = make_cwt(key, claims)
    else:
        said = {"eat_nonce": base64url(NONCE), "oemboot": True, "dbgstat": "disabled-permanently", "swname": "os"}
        token = make_jwt(key, said | {"swversion": ["4.2.1"], "bootcount": 7})
    anchors = TrustAnchors(keys=(key.public_key(),))

    def appraise() -> None:
        verified = verify(token, media_type=media_type, nonce=NONCE, anchors=anchors, endorsements=None, now=NOW)
        if not verified.accepted:
            raise SystemExit(f"refused: {verified.failed}")

    return appraise


def prepared() -> tuple[Callable[[], object], Callable[[], object]]:
    """Return the two things to time: one appraisal, and the one signature verification inside it."""
    key = ec.generate_private_key(ec.SECP256R1())
    software = [
        MeasuredComponent(type=name, digest=name.encode().ljust(32), signer=bytes(32), version="4.2.1")
        for name in NAMES
    ]
    token = make_psa_token(
        key,
        nonce=NONCE,
        implementation_id=bytes(32),
        instance_id=instance_id_of(key),
        lifecycle=SECURED,
        software=software,
        boot_seed=bytes(32),
    )
    components = tuple(ReferenceComponent(name=each.type or "", sha256=each.digest.hex()) for each in software)
    endorsements = ReferenceValues(
        models=("gw-200",), releases=(Release(version="4.2.1", svn=8, components=components),)
    )
    anchors = TrustAnchors(keys=(key.public_key(),))

    def appraise() -> None:
        verified = verify(
            token, media_type=MEDIA_TYPE, nonce=NONCE, anchors=anchors, endorsements=endorsements, now=NOW
        )
        if not verified.accepted:
            raise SystemExit(f"refused: {verified.failed}")

    public, algorithm = key.public_key(), ec.ECDSA(SHA256())
    protected, _, payload, raw = cbor2.loads(token).value
    signed = signature_input(protected, payload)
    signature = encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
    return appraise, lambda: public.verify(signature, signed, algorithm)


def rate(work: Callable[[], object]) -> float:
    start = perf_counter()
    for _ in range(PER_ROUND):
        work()
    return PER_ROUND / (perf_counter() - start)


if __name__ == "__main__":
    main()
