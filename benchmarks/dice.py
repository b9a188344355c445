"""DICE chains of three appraised per second and core, new and known, beside the bare signature verifications inside.

`python -m benchmarks.dice [ROUNDS]`. Rounds are interleaved, so that a busy machine slows all; the figure that counts
is the median of the per-round ratios. A `new chain` is of a device never seen: three certificates to read, three
signatures of links, one of the challenge. A `known chain` is what a device sends until its firmware changes: only the
signature over the challenge is verified again. Both stand beside the same four signatures verified bare, keys at hand.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import cycle, repeat
from statistics import median
from time import process_time

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

from policyengine.attestation.anchors import TrustAnchors
from policyengine.attestation.dice.appraisal import MEDIA_TYPE
from policyengine.attestation.verifier import verify
from policyengine.simulation import dice

PER_ROUND = 100
TARGET = 0.60  # of the sum of the signatures, for known chains and for those of devices never seen
NONCE = bytes(range(32))
NOW = datetime(2026, 11, 23, tzinfo=UTC)
CA = ec.generate_private_key(ec.SECP256R1())
LAYER = {"digests": [bytes(32)], "svn": 7, "vendor": "acme", "model": "gw-200", "version": "2.1"}

Work = Callable[[], object]
Signatures = list[tuple[ec.EllipticCurvePublicKey, bytes, bytes]]


def main() -> int:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    devices = [device(number) for number in range(rounds * PER_ROUND + 1)]
    anchors = TrustAnchors(certificates=(devices[0].root(),))
    evidence = [dice.make_dice_evidence(each.leaf_key, each.chain(), NONCE) for each in devices]
    new, known = appraising(iter(evidence), anchors), appraising(repeat(evidence[0]), anchors)
    bare = verifying(cycle(signatures(each) for each in devices[:PER_ROUND]))
    new(), known(), bare()
    rates = [(rate(new), rate(known), rate(bare)) for _ in range(rounds)]
    print("DICE chain of 3    appraised /s   bare, 4 signatures /s   ratio")
    ratios = []
    for place, name in ((0, "new chain"), (1, "known chain")):
        ratios.append(median(each[place] / each[2] for each in rates))
        full, alone = median(each[place] for each in rates), median(each[2] for each in rates)
        print(f"{name:16}  {full:13,.0f}  {alone:22,.0f}  {ratios[-1]:6.3f}")
    missed = min(ratios) < TARGET
    print(f"target {TARGET:.2f} of the signatures, new and known: {'MISSED' if missed else 'met'}")
    return 1 if missed else 0


def device(number: int) -> dice.DiceDevice:
    return dice.tcg_device("acme", ca_key=CA, secret=number.to_bytes(32, "big"), firmware=[LAYER, LAYER])


def appraising(evidence: Iterator[bytes], anchors: TrustAnchors) -> Work:
    """Return what appraises the next piece each time it is called."""

    def appraise() -> None:
        found = verify(next(evidence), media_type=MEDIA_TYPE, nonce=NONCE, anchors=anchors, endorsements=None, now=NOW)
        if not found.accepted:
            raise SystemExit(f"refused: {found.failed}")

    return appraise


def signatures(made: dice.DiceDevice) -> Signatures:
    """Return key, signature and what is signed, for every link of a chain and the challenge."""
    keys = [plan.key.public_key() for plan in made.plans]
    sent = [x509.load_der_x509_certificate(each) for each in reversed(made.chain())]
    links = [(key, each.signature, each.tbs_certificate_bytes) for key, each in zip(keys, sent, strict=False)]
    challenge = (CA.public_key(), CA.sign(NONCE, ec.ECDSA(SHA256())), NONCE)  # a key like any other
    return [
        (key, signed, over) for key, signed, over in (*links, challenge) if isinstance(key, ec.EllipticCurvePublicKey)
    ]


def verifying(of_devices: Iterator[Signatures]) -> Work:
    """Return what verifies the signatures of the next device each time it is called."""
    algorithm = ec.ECDSA(SHA256())

    def verify_all() -> None:
        for key, signed, over in next(of_devices):
            key.verify(signed, over, algorithm)

    return verify_all


def rate(work: Work) -> float:
    start = process_time()
    for _ in range(PER_ROUND):
        work()
    return PER_ROUND / (process_time() - start)


if __name__ == "__main__":
    raise SystemExit(main())
