"""Full TPM check-ins appraised per second and core, beside the bare signature verification in the same run.

`python -m benchmarks.tpm [ROUNDS]`. Rounds of both are interleaved, so that a busy machine slows both; the figure that
counts is the median of the per-round ratios. A `quote` is what every check-in sends: container, quote, public areas of
AK and EK, eight PCRs. A `log` adds an event log to read, replay and hash again. Chains are for enrolment: not here.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import UTC, datetime
from statistics import median
from time import process_time

from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256

from policyengine.attestation.anchors import TrustAnchors
from policyengine.attestation.tpm.appraisal import MEDIA_TYPE
from policyengine.attestation.verifier import verify
from policyengine.simulation import tpm, tpm_log

PER_ROUND = 200
NONCE = bytes(range(32))
NOW = datetime(2026, 11, 23, tzinfo=UTC)
BOOT = tpm_log.boot()
VALUES = {"sha256": tpm_log.pcrs(BOOT)}
EK = tpm.TpmKey(private=ec.generate_private_key(ec.SECP256R1()), template=tpm.EK)
ECC = tpm.TpmKey(private=ec.generate_private_key(ec.SECP256R1()), template=tpm.AK, parent=EK.qualified_name)
RSA = tpm.TpmKey(private=rsa.generate_private_key(65537, 2048), template=tpm.RSA_AK, parent=EK.qualified_name)

Work = Callable[[], object]


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 25
    print("TPM check-in      appraised /s   bare verify /s   ratio")
    for name, ak, log in (("ECC quote", ECC, None), ("ECC quote, log", ECC, BOOT), ("RSA quote", RSA, None)):
        appraise, bare = appraisal(ak, log), verification(ak)
        appraise(), bare()
        pairs = [(rate(appraise), rate(bare)) for _ in range(rounds)]
        full, alone = median(pair[0] for pair in pairs), median(pair[1] for pair in pairs)
        print(f"{name:16}  {full:12,.0f}  {alone:15,.0f}  {median(one / other for one, other in pairs):6.3f}")


def appraisal(ak: tpm.TpmKey, log: tuple[tpm_log.Record, ...] | None) -> Work:
    eventlog = tpm_log.eventlog(log) if log else None
    parts = tpm.tpm_evidence(ak, nonce=NONCE, values=VALUES, ek=EK, eventlog=eventlog)
    evidence = tpm.make_tpm_evidence(parts)
    anchors = TrustAnchors(keys=(ak.private.public_key(),))

    def appraise() -> None:
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
    main()
