"""Full TPM check-ins appraised per second and core, beside the bare signature verification in the same run.

`python -m benchmarks.tpm [ROUNDS]`. Rounds of both are interleaved, so that a busy machine slows both; the figure that
counts is the median of the per-round ratios. A `quote` is what every check-in sends: container, quote, public areas of
AK and EK, eight PCRs. Keys and PCRs are those that the device showed before, which is all that is remembered of it; a
`new device` shows them for the first time. A `log` adds an event log to read, replay and hash again. Chains are for
enrolment: not here.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import repeat
from statistics import median
from time import process_time

from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256

from policyengine.attestation.anchors import TrustAnchors
from policyengine.attestation.tpm.appraisal import MEDIA_TYPE
from policyengine.attestation.verifier import verify
from policyengine.simulation import tpm, tpm_log

PER_ROUND = 200
TARGET = 0.70  # of bare verification, for the quote that known devices with a P-256 key send at every check-in
NONCE = bytes(range(32))
NOW = datetime(2026, 11, 23, tzinfo=UTC)
BOOT = tpm_log.boot()
VALUES = {"sha256": tpm_log.pcrs(BOOT)}
EK = tpm.TpmKey(private=ec.generate_private_key(ec.SECP256R1()), template=tpm.EK)
ECC = tpm.TpmKey(private=ec.generate_private_key(ec.SECP256R1()), template=tpm.AK, parent=EK.qualified_name)
RSA = tpm.TpmKey(private=rsa.generate_private_key(65537, 2048), template=tpm.RSA_AK, parent=EK.qualified_name)

Work = Callable[[], object]


def main() -> int:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 25
    works = (
        ("ECC quote", appraisal(ECC, None), verification(ECC)),
        ("ECC, new device", appraisal_of_new(rounds * PER_ROUND + 1), verification(ECC)),
        ("ECC quote, log", appraisal(ECC, BOOT), verification(ECC)),
        ("RSA quote", appraisal(RSA, None), verification(RSA)),
    )
    print("TPM check-in      appraised /s   bare verify /s   ratio")
    ratios = []
    for name, appraise, bare in works:
        appraise(), bare()
        pairs = [(rate(appraise), rate(bare)) for _ in range(rounds)]
        full, alone = median(pair[0] for pair in pairs), median(pair[1] for pair in pairs)
        ratios.append(median(one / other for one, other in pairs))
        print(f"{name:16}  {full:12,.0f}  {alone:15,.0f}  {ratios[-1]:6.3f}")
    print(f"target {TARGET:.2f} of bare verification for an ECC quote: {'met' if ratios[0] >= TARGET else 'MISSED'}")
    return 0 if ratios[0] >= TARGET else 1


def appraisal(ak: tpm.TpmKey, log: tuple[tpm_log.Record, ...] | None) -> Work:
    return appraising(repeat(sent(ak, EK, log)))


def appraisal_of_new(count: int) -> Work:
    """Return what appraises a quote of another device each time, with its own EK, AK and PCRs, `count` times."""
    eks = [tpm.TpmKey(private=ec.generate_private_key(ec.SECP256R1()), template=tpm.EK) for _ in range(count)]
    keys = [ec.generate_private_key(ec.SECP256R1()) for _ in range(count)]
    aks = [
        tpm.TpmKey(private=key, template=tpm.AK, parent=ek.qualified_name) for key, ek in zip(keys, eks, strict=True)
    ]
    pcrs = [{"sha256": VALUES["sha256"] | {7: number.to_bytes(32, "big")}} for number in range(count)]
    return appraising(iter([sent(ak, ek, None, values) for ak, ek, values in zip(aks, eks, pcrs, strict=True)]))


def sent(
    ak: tpm.TpmKey, ek: tpm.TpmKey, log: tuple[tpm_log.Record, ...] | None, values: tpm.Values = VALUES
) -> tuple[bytes, TrustAnchors]:
    """Return the evidence of a device, and the anchors that its verifier has for it."""
    eventlog = tpm_log.eventlog(log) if log else None
    parts = tpm.tpm_evidence(ak, nonce=NONCE, values=values, ek=ek, eventlog=eventlog)
    return tpm.make_tpm_evidence(parts), TrustAnchors(keys=(ak.private.public_key(),))


def appraising(devices: Iterator[tuple[bytes, TrustAnchors]]) -> Work:
    """Return what appraises the evidence of the next device each time it is called."""

    def appraise() -> None:
        evidence, anchors = next(devices)
        found = verify(evidence, media_type=MEDIA_TYPE, nonce=NONCE, anchors=anchors, endorsements=None, now=NOW)
        if not found.accepted:
            raise SystemExit(f"refused: {found.failed}")

    return appraise


def verification(ak: tpm.TpmKey) -> Work:
    """Return the one signature verification inside the appraisal."""
    signed = tpm.quote(ak, nonce=NONCE, values=VALUES)[0]
    key = ak.private
    if isinstance(key, rsa.RSAPrivateKey):
        public, over = key.public_key(), key.sign(signed, padding.PKCS1v15(), SHA256())
        return lambda: public.verify(over, signed, padding.PKCS1v15(), SHA256())
    point, over = key.public_key(), key.sign(signed, ec.ECDSA(SHA256()))
    return lambda: point.verify(over, signed, ec.ECDSA(SHA256()))


def rate(work: Work) -> float:
    start = process_time()
    for _ in range(PER_ROUND):
        work()
    return PER_ROUND / (process_time() - start)


if __name__ == "__main__":
    raise SystemExit(main())
