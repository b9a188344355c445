"""Vectors of the two older PSA profiles and of PSA tokens with a MAC."""

from __future__ import annotations

from tests.vectors.format_case import NONCE, Case, changed, cwt, mac0
from tests.vectors.make_attestation import CLAIMS, COMPONENT

SECOND = {key: value for key, value in CLAIMS.items() if key != 268} | {
    265: "http://arm.com/psa/2.0.0",
    2397: bytes([0x44] * 32),
}
FIRST: dict[object, object] = {
    -75000: "PSA_IOT_PROFILE_1",
    -75001: -1,
    -75002: 0x3000,
    -75003: bytes([0x55] * 32),
    -75004: bytes([0x44] * 32),
    -75005: "1234567890123",
    -75006: [COMPONENT],
    -75008: NONCE,
    -75009: b"\x01" + bytes([0x33] * 32),
    -75010: "https://verifier.example/",
}
MACS = "keys/secret.bin"


def psa(name: str, claims: object, failed: str = "", reason: str = "") -> Case:
    return Case(name=f"psa/{name}", evidence=cwt(claims), failed=(failed,) if failed else (), reason=reason)


def mac(name: str, evidence: bytes, failed: str = "", reason: str = "", key: str = MACS) -> Case:
    return Case(name=f"psa/{name}", evidence=evidence, failed=(failed,) if failed else (), reason=reason, key=key)


def cases() -> list[Case]:
    return [
        psa("second-good", SECOND),
        psa("second-boot-seed-absent", changed(SECOND, c2397=None)),
        psa("second-boot-seed-7-bytes", changed(SECOND, c2397=bytes(7)), "psa.boot-seed"),
        psa("first-good", FIRST),
        psa("first-certification-with-version", changed(FIRST, n75005="1234567890123-12345")),
        psa("first-no-software-measured", changed(FIRST, n75006=None, n75007=1), reason="a device may measure nothing"),
        psa("first-software-and-no-software", changed(FIRST, n75007=1), "psa.software", "one or the other"),
        psa("first-no-software-two", changed(FIRST, n75006=None, n75007=2), "psa.software", "only 1 is defined"),
        psa("first-no-software-true", changed(FIRST, n75006=None, n75007=True), "psa.software", "true is not 1"),
        psa(
            "second-no-software", changed(SECOND, c2399=None, n75007=1), "psa.software", "only profile 1 has that claim"
        ),
        psa("tfm-no-software", changed(CLAIMS, c2399=None, n75007=1), "psa.software", "only profile 1 has that claim"),
        psa("first-boot-seed-absent", changed(FIRST, n75004=None), "psa.boot-seed", "mandatory in this profile"),
        psa("first-boot-seed-16-bytes", changed(FIRST, n75004=bytes(16)), "psa.boot-seed", "32 in this profile"),
        psa("first-profile-absent", changed(FIRST, n75000=None), "psa.profile"),
        psa("first-under-the-shared-claim", FIRST | {265: "PSA_IOT_PROFILE_1"}, "psa.profile", "it has its own claim"),
        psa("first-nonce-under-the-new-key", changed(FIRST, n75008=None) | {10: NONCE}, "psa.nonce"),
        mac("mac0-good", mac0(CLAIMS)),
        mac("mac0-second", mac0(SECOND)),
        mac("mac0-by-another-secret", mac0(CLAIMS, secret=bytes(32)), "cose.mac"),
        mac("mac0-cut-to-8-bytes", mac0(CLAIMS, cut=8), "cose.mac"),
        mac("mac0-short-algorithm", mac0(CLAIMS, protected=b"\xa1\x01\x04", cut=8), "cose.alg", "HMAC 256/64"),
        mac("mac0-without-a-secret", mac0(CLAIMS), "cose.key-type", key="keys/p256.pem"),
        mac("sign1-with-a-secret", cwt(CLAIMS), "cose.key-type", "a secret verifies no signature"),
    ]
