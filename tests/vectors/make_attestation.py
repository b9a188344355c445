"""Makes `tests/vectors/attestation/`: our own PSA vectors, each named after its defect, each with one defect.

`python -m tests.vectors.make_attestation` writes them; a test holds the files to this script. Keys are derived from
fixed numbers and ECDSA is deterministic, so the bytes never change by themselves. The layout is that of the
third-party index, with one more key: `failed`, the check ids that must refuse the case, no more and no fewer.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import cbor2
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from policyengine.simulation.cose import DeviceKey, raw_signature

HERE = Path(__file__).parent / "attestation"
NONCE = bytes(range(32))
PROFILE = "tag:psacertified.org,2023:psa#tfm"

P256 = ec.derive_private_key(0x1001, ec.SECP256R1())
P256_OTHER = ec.derive_private_key(0x1002, ec.SECP256R1())
P384 = ec.derive_private_key(0x1003, ec.SECP384R1())
P521 = ec.derive_private_key(0x1004, ec.SECP521R1())
ED25519 = ed25519.Ed25519PrivateKey.from_private_bytes(bytes([7] * 32))
KEYS: Mapping[str, DeviceKey] = {
    "p256": P256,
    "p256-other": P256_OTHER,
    "p384": P384,
    "p521": P521,
    "ed25519": ED25519,
}

COMPONENT = {1: "SPE", 2: bytes([0x11] * 32), 4: "1.6.0", 5: bytes([0x22] * 32), 6: "sha-256"}
CLAIMS: Mapping[int, object] = {
    10: NONCE,
    256: b"\x01" + bytes([0x33] * 32),
    265: PROFILE,
    268: bytes([0x44] * 32),
    2394: -1,
    2395: 0x3000,
    2396: bytes([0x55] * 32),
    2398: "1234567890123-12345",
    2399: [COMPONENT, {1: "NSPE", 2: bytes([0x66] * 32), 5: bytes([0x22] * 32)}],
    2400: "https://verifier.example/",
}


@dataclass(frozen=True, kw_only=True)
class Case:
    """One vector. `failed` is empty for a case that must be accepted."""

    name: str
    evidence: bytes
    failed: tuple[str, ...] = ()
    reason: str = ""
    key: str = "p256"
    nonce: bytes = NONCE


def payload(**changes: object) -> bytes:
    """Return the good claims with `c<key>=value` changes; None removes the claim."""
    claims = CLAIMS | {int(name[1:]): value for name, value in changes.items()}
    return cbor2.dumps({key: value for key, value in claims.items() if value is not None})


def component(**changes: object) -> bytes:
    """Return the good claims with one component, changed likewise."""
    changed = COMPONENT | {int(name[1:]): value for name, value in changes.items()}
    return payload(c2399=[{key: value for key, value in changed.items() if value is not None}])


def message(
    content: bytes,
    *,
    key: DeviceKey = P256,
    protected: bytes = b"\xa1\x01\x26",
    unprotected: Mapping[object, object] | None = None,
    tag: int | None = 18,
    finish: Callable[[bytes], bytes] = bytes,
) -> bytes:
    """Return a COSE message with exactly these parts, signed as a COSE_Sign1; `finish` changes the signature."""
    signature = raw_signature(key, cbor2.dumps(["Signature1", protected, b"", content]))
    parts = [protected, dict(unprotected or {}), content, finish(signature)]
    return cbor2.dumps(parts if tag is None else cbor2.CBORTag(tag, parts))


def header(**labels: object) -> bytes:
    """Return a protected header with `alg` ES256 and `l<label>=value`."""
    return cbor2.dumps({1: -7} | {int(name[1:]): value for name, value in labels.items()})


def psa(name: str, content: bytes, failed: str = "", reason: str = "") -> Case:
    return Case(name=f"psa/{name}", evidence=message(content), failed=(failed,) if failed else (), reason=reason)


def cose(name: str, evidence: bytes, failed: str = "", reason: str = "", *, key: str = "p256") -> Case:
    return Case(name=f"psa/{name}", evidence=evidence, failed=(failed,) if failed else (), reason=reason, key=key)


def good_cases() -> list[Case]:
    mandatory = payload(c268=None, c2398=None, c2400=None)
    return [
        psa("good-full", payload()),
        psa("good-mandatory-claims-only", mandatory, reason="optional claims absent"),
        cose("good-es384", message(payload(), key=P384, protected=cbor2.dumps({1: -35})), key="p384"),
        cose("good-es512", message(payload(), key=P521, protected=cbor2.dumps({1: -36})), key="p521"),
        cose("good-kid-ignored", message(payload(), unprotected={4: b"somebody else"}), reason="a kid decides nothing"),
        cose(
            "good-crit-understood",
            message(payload(), protected=header(l2=[3], l3=263)),
            reason="crit lists content type, which we understand",
        ),
        psa(
            "good-longer-integers",
            payload().replace(b"\x0a\x58\x20", b"\x19\x00\x0a\x59\x00\x20", 1),
            reason="preferred serialization is not required (RFC 9783 section 5.1.1)",
        ),
        psa(
            "good-unknown-claims",
            payload(c264={1: 48.5, 2: 11.25}, c77777=[None, True, {"x": b""}]),
            reason="a receiver must ignore claims it does not understand",
        ),
        psa("good-lifecycle-minor-state", payload(c2395=0x30FF), reason="the minor state is implementation defined"),
        psa("good-lifecycle-unknown", payload(c2395=0x0000), reason="valid by CDDL, and says nothing about boot"),
        psa("good-measurement-48-bytes", component(c2=bytes(48), c6="sha-384"), reason="a longer hash"),
        psa(
            "good-software-256-components",
            payload(c2399=[{2: bytes(32), 5: bytes(32)}] * 256),
            reason="the most we take",
        ),
        psa("good-version-1024-characters", component(c4="1" * 1024), reason="the longest text we take"),
        psa("good-client-id-lowest", payload(c2394=-(2**31)), reason="the lowest NSPE client id"),
    ]


def claim_cases() -> list[Case]:
    return [
        psa("profile-missing", payload(c265=None), "psa.profile"),
        psa("profile-other", payload(c265="tag:psacertified.org,2023:psa#other"), "psa.profile"),
        psa("nonce-of-another-challenge", payload(c10=bytes([9] * 32)), "psa.nonce"),
        psa("nonce-array", payload(c10=[NONCE]), "psa.nonce", "RFC 9711 allows an array, RFC 9783 does not"),
        psa("nonce-text", payload(c10=NONCE.hex()), "psa.nonce", "hexadecimal text of the right nonce"),
        Case(
            name="psa/nonce-16-bytes",
            evidence=message(payload(c10=NONCE[:16])),
            failed=("psa.nonce",),
            reason="equal to the challenge, and too short for the profile",
            nonce=NONCE[:16],
        ),
        psa("client-id-zero", payload(c2394=0), "psa.client-id", "0 is not permitted"),
        psa("client-id-beyond-32-bits", payload(c2394=2**31), "psa.client-id"),
        psa("client-id-true", payload(c2394=True), "psa.client-id", "true is not the integer 1"),
        psa("instance-id-32-bytes", payload(c256=b"\x01" + bytes(31)), "psa.instance-id"),
        psa("instance-id-not-random", payload(c256=b"\x02" + bytes(32)), "psa.instance-id", "a UEID of type IEEE EUI"),
        psa("implementation-id-33-bytes", payload(c2396=bytes(33)), "psa.implementation-id"),
        psa("implementation-id-missing", payload(c2396=None), "psa.implementation-id"),
        psa("certification-reference-ean13", payload(c2398="1234567890123"), "psa.certification-reference"),
        psa(
            "certification-reference-other-digits",
            payload(c2398="\u0661234567890123-12345"),
            "psa.certification-reference",
            "an Arabic-Indic digit",
        ),
        psa("lifecycle-beyond-decommissioned", payload(c2395=0x6100), "psa.lifecycle"),
        psa("lifecycle-negative", payload(c2395=-1), "psa.lifecycle"),
        psa("lifecycle-true", payload(c2395=True), "psa.lifecycle"),
        psa("boot-seed-7-bytes", payload(c268=bytes(7)), "psa.boot-seed"),
        psa("boot-seed-null", payload(c268=cbor2.undefined), "cbor.simple", "undefined is no value"),
        psa("boot-seed-text", payload(c268="0123456789abcdef"), "psa.boot-seed"),
        psa("software-missing", payload(c2399=None), "psa.software"),
        psa("software-map", payload(c2399=COMPONENT), "psa.software"),
        psa("software-257-components", payload(c2399=[{2: bytes(32), 5: bytes(32)}] * 257), "psa.software"),
        psa("software-signer-missing", component(c5=None), "psa.software"),
        psa("software-measurement-33-bytes", component(c2=bytes(33)), "psa.software"),
        psa("software-version-number", component(c4=16), "psa.software", "a version that is no text"),
        psa("software-version-1025-characters", component(c4="1" * 1025), "psa.software"),
        psa("software-type-with-nul", component(c1="SPE\x00"), "psa.software", "a NUL must not reach facts"),
        psa("vsi-empty", payload(c2400=""), "psa.vsi"),
        psa("vsi-bytes", payload(c2400=b"https://verifier.example/"), "psa.vsi"),
    ]


def envelope_cases() -> list[Case]:
    good = payload()
    return [
        cose("untagged", message(good, tag=None), "cose.tag"),
        cose("tagged-encrypt0", message(good, tag=16), "cose.tag"),
        cose("tagged-mac0", message(good, tag=17), "cose.alg", "a signature algorithm makes no MAC"),
        cose(
            "tagged-cwt", cbor2.dumps(cbor2.CBORTag(61, cbor2.loads(message(good)))), "cose.tag", "tag 61 is not used"
        ),
        cose("alg-in-both-headers", message(good, unprotected={1: -7}), "cose.headers"),
        cose("crit-empty", message(good, protected=header(l2=[])), "cose.crit"),
        cose("crit-lists-an-absent-label", message(good, protected=header(l2=[3])), "cose.crit"),
        cose("crit-lists-an-unknown-label", message(good, protected=header(l2=[-70001], l70001=1)), "cose.crit"),
        cose("crit-unprotected", message(good, unprotected={2: [1]}), "cose.crit"),
        cose("alg-only-unprotected", message(good, protected=b"", unprotected={1: -7}), "cose.alg"),
        cose("alg-true", message(good, protected=cbor2.dumps({1: True})), "cose.alg"),
        cose("alg-eddsa", message(good, key=ED25519, protected=b"\xa1\x01\x27"), "cose.alg", key="ed25519"),
        cose("alg-of-another-curve", message(good, protected=cbor2.dumps({1: -35})), "cose.key-type"),
        cose("signed-by-another-key", message(good, key=P256_OTHER), "cose.signature"),
        cose("signature-63-bytes", message(good, finish=lambda raw: raw[:-1]), "cose.signature"),
        cose(
            "signature-padded",
            message(good, finish=lambda raw: bytes(1) + raw[:32] + bytes(1) + raw[32:]),
            "cose.signature",
        ),
        cose("signature-der", message(good, finish=der_signature), "cose.signature", "the encoding of X.509"),
        cose("signature-zero", message(good, finish=lambda raw: bytes(len(raw))), "cose.signature"),
        cose("payload-of-another-message", other_payload(), "cose.signature"),
    ]


def der_signature(raw: bytes) -> bytes:
    return encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))


def other_payload() -> bytes:
    """Return a good message whose payload was exchanged after signing."""
    protected, unprotected, _, signature = cbor2.loads(message(payload())).value
    return cbor2.dumps(cbor2.CBORTag(18, [protected, dict(unprotected), payload(c2394=7), signature]))


def malformed_cases() -> list[Case]:
    good = payload()
    ten = b"\x0a\x58\x20" + NONCE
    lengthened = bytes([good[0] + 1]) + good[1:]
    return [
        psa("claim-repeated", lengthened + ten, "cbor.duplicate-key"),
        psa("claim-repeated-in-a-longer-encoding", lengthened + b"\x18" + ten, "cbor.duplicate-key"),
        psa("claim-key-float", lengthened + b"\xf9\x49\x00" + ten[1:], "cbor.key-type", "10.0 is not 10"),
        psa(
            "component-key-true", component(c1=None).replace(b"\x02\x58\x20\x11", b"\xf5\x58\x20\x11"), "cbor.key-type"
        ),
        psa("payload-with-trailing-byte", good + b"\x00", "cbor.trailing"),
        psa("payload-empty", b"", "cbor.empty"),
        psa("payload-array", cbor2.dumps([1, 2]), "psa.claims"),
        psa("claim-nan", lengthened + b"\x19\x01\x08\xf9\x7e\x00", "cbor.float"),
        psa("claim-bignum", good.replace(b"\x19\x30\x00", b"\xc2\x42\x30\x00"), "cbor.tag", "lifecycle as a bignum"),
        psa("claim-shared-reference", lengthened + b"\x1a\x00\x01\x2f\xd1\xd8\x1c\x80", "cbor.tag"),
        psa("text-not-utf8", good.replace(b"SPE", b"SP\xff", 1), "cbor.utf8"),
        cose("header-with-trailing-byte", message(good, protected=b"\xa1\x01\x26\x00"), "cbor.trailing"),
        cose("header-array", message(good, protected=b"\x81\x01"), "cose.structure"),
        cose("five-elements", cbor2.dumps(cbor2.CBORTag(18, [b"", {}, good, bytes(64), b""])), "cose.structure"),
        cose(
            "payload-detached", cbor2.dumps(cbor2.CBORTag(18, [b"\xa1\x01\x26", {}, None, bytes(64)])), "cose.structure"
        ),
        cose("indefinite-array", b"\xd2\x9f" + message(good)[2:] + b"\xff", "cbor.indefinite"),
    ]


def cases() -> list[Case]:
    """Return every case, in the order of the index."""
    return [*good_cases(), *claim_cases(), *envelope_cases(), *malformed_cases()]


def files() -> dict[str, bytes]:
    """Return every file of the folder by its path inside it."""
    made = {f"{case.name}/token.cbor": case.evidence for case in cases()}
    for name, key in KEYS.items():
        pem = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        made[f"keys/{name}.pem"] = pem
    made["index.json"] = (json.dumps([entry(case) for case in cases()], indent=1) + "\n").encode()
    return made


def entry(case: Case) -> dict[str, object]:
    return {
        "id": case.name,
        "format": "psa",
        "files": ["token.cbor"],
        "key": f"keys/{case.key}.pem",
        "nonce": case.nonce.hex(),
        "expect": "reject" if case.failed else "accept",
        "failed": list(case.failed),
        "reason": case.reason,
    }


if __name__ == "__main__":
    for path, content in files().items():
        target = HERE / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
