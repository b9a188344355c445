"""Full PSA appraisals per second and core, beside bare ECDSA P-256 verification in the same run.

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
from policyengine.attestation.psa_claims import PROFILE_TFM
from policyengine.attestation.verifier import verify
from policyengine.model.endorsements import ReferenceComponent, ReferenceValues, Release
from policyengine.simulation.psa import SECURED, MeasuredComponent, instance_id_of, make_psa_token

PER_ROUND = 400
MEDIA_TYPE = f'application/eat+cwt; eat_profile="{PROFILE_TFM}"'
NONCE = bytes(range(32))
NOW = datetime(2026, 11, 23, tzinfo=UTC)
NAMES = ("SPE", "NSPE")  # what Trusted Firmware-M measures


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 25
    appraise, bare = prepared()
    appraise(), bare()
    pairs = [(rate(appraise), rate(bare)) for _ in range(rounds)]
    print(f"PSA appraisals            {median(full for full, _ in pairs):9,.0f} /s")
    print(f"bare P-256 verifications  {median(bare for _, bare in pairs):9,.0f} /s")
    print(f"ratio (median of {rounds} rounds) {median(full / bare for full, bare in pairs):8.3f}")


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
