"""Vectors of Arm CCA tokens: a platform, a realm, and every way in which the two may not belong together."""

from __future__ import annotations

import hashlib

import cbor2
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from policyengine.simulation.cose import DeviceKey
from tests.vectors.format_case import ED25519, NONCE, OTHER, P256, P384, Case, changed, cwt

PLATFORM_KEY = P256
REALM_KEY = P384
ES256, EDDSA = cbor2.dumps({1: -7}), cbor2.dumps({1: -8})
ES384 = cbor2.dumps({1: -35})
COMPONENT = {1: "BL", 2: bytes([0x11] * 32), 4: "3.4.2", 5: bytes([0x22] * 32), 6: "sha-256"}


def point(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def cose_key(key: ec.EllipticCurvePrivateKey, *, curve: int = 2, also: dict[int, object] | None = None) -> bytes:
    encoded = point(key)
    half = len(encoded) // 2
    return cbor2.dumps({1: 2, -1: curve, -2: encoded[1 : half + 1], -3: encoded[half + 1 :]} | (also or {}))


REALM: dict[object, object] = {
    10: NONCE.ljust(64, b"\x00"),
    44235: bytes([0x66] * 64),
    44236: "sha-256",
    44237: point(REALM_KEY),
    44238: bytes([0x77] * 32),
    44239: [bytes(32), bytes([1] * 32), bytes(32), bytes(32)],
    44240: "sha-256",
}
PLATFORM: dict[object, object] = {
    10: hashlib.sha256(point(REALM_KEY)).digest(),
    256: b"\x01" + bytes([0x33] * 32),
    265: "http://arm.com/CCA-SSD/1.0.0",
    2395: 0x3003,
    2396: bytes([0x55] * 32),
    2399: [COMPONENT],
    2400: "https://verifier.example/",
    2401: bytes(33),
    2402: "sha-256",
}


def token(
    platform: object = PLATFORM,
    realm: object = REALM,
    *,
    key: DeviceKey = PLATFORM_KEY,
    realm_key: DeviceKey = REALM_KEY,
    realm_header: bytes = ES384,
) -> bytes:
    """Return a collection of both tokens, each signed by its key."""
    return collection({44234: cwt(platform, key=key), 44241: cwt(realm, key=realm_key, protected=realm_header)})


def collection(parts: object, *, tag: int = 399) -> bytes:
    return cbor2.dumps(cbor2.CBORTag(tag, parts))


def bound(key: bytes, algorithm: str = "sha-256") -> tuple[dict[object, object], dict[object, object]]:
    """Return the claims of a platform and a realm that are bound by `key`, as its token carries it."""
    hashed = hashlib.new(algorithm.replace("-", ""), key).digest()
    return PLATFORM | {10: hashed}, REALM | {44237: key, 44240: algorithm}


def cca(name: str, evidence: bytes, failed: str = "", reason: str = "", *, nonce: bytes = NONCE) -> Case:
    return Case(name=f"cca/{name}", evidence=evidence, failed=(failed,) if failed else (), reason=reason, nonce=nonce)


def platform(name: str, failed: str, reason: str = "", **changes: object) -> Case:
    return cca(name, token(changed(PLATFORM, **changes)), f"cca.{failed}", reason)


def realm(name: str, failed: str, reason: str = "", **changes: object) -> Case:
    return cca(name, token(realm=changed(REALM, **changes)), f"cca.{failed}", reason)


def cases() -> list[Case]:
    return [*good_cases(), *binding_cases(), *claim_cases()]


def good_cases() -> list[Case]:
    draft_platform, draft_realm = bound(cose_key(REALM_KEY), "sha-512")
    draft = (draft_platform | {265: "tag:arm.com,2023:cca_platform#1.0.0"}, draft_realm)
    return [
        cca("good", token()),
        cca("good-draft", token(draft[0], draft[1] | {265: "tag:arm.com,2023:realm#1.0.0", 44241: "private"})),
        cca("good-challenge-of-64-bytes", token(realm=REALM | {10: NONCE * 2}), nonce=NONCE * 2),
        cca("good-debug", token(PLATFORM | {2395: 0x4000}), reason="the lifecycle is a fact, for policies"),
    ]


def binding_cases() -> list[Case]:
    sha1 = (PLATFORM | {10: hashlib.sha1(point(REALM_KEY)).digest()}, REALM | {44240: "sha-1"})
    by_attacker = bound(point(OTHER))[1]
    parts = {44234: cwt(PLATFORM), 44241: cwt(REALM, key=REALM_KEY, protected=ES384)}
    by_ed25519 = cwt(PLATFORM, key=ED25519, protected=EDDSA)
    ed25519_key = cbor2.dumps({1: 1, -1: 6, -2: bytes(32)})
    return [
        cca(
            "realm-of-an-attacker",
            token(realm=by_attacker, realm_key=OTHER, realm_header=ES256),
            "cca.binding",
        ),
        cca("realm-signed-by-another-key", token(realm_key=P256, realm_header=ES256), "cca.realm-signature"),
        cca("realm-changed-after-signing", collection({**parts, 44241: tampered()}), "cca.realm-signature"),
        cca("realm-key-hash-of-another-algorithm", token(realm=REALM | {44240: "sha-384"}), "cca.binding"),
        cca("realm-key-hash-sha-1", token(*sha1), "cca.binding", "twenty bytes, by a hash that is broken"),
        cca("realm-key-off-the-curve", token(*bound(b"\x04" + bytes(96))), "cca.realm-key"),
        cca("realm-key-cut-short", token(*bound(point(REALM_KEY)[:-1])), "cca.realm-key"),
        cca("realm-key-for-its-algorithm", token(*bound(cose_key(REALM_KEY, also={3: -35, 4: [1, 2]})))),
        cca("realm-key-for-another-algorithm", token(*bound(cose_key(REALM_KEY, also={3: -7}))), "cca.realm-key"),
        cca("realm-key-for-another-use", token(*bound(cose_key(REALM_KEY, also={4: [7]}))), "cca.realm-key"),
        cca("realm-key-of-another-curve", token(*bound(cose_key(REALM_KEY, curve=1))), "cca.realm-key"),
        cca("realm-key-ed25519", token(*bound(ed25519_key)), "cca.realm-key"),
        cca("platform-missing", collection({44241: parts[44241]}), "cca.collection"),
        cca("realm-missing", collection({44234: parts[44234]}), "cca.collection"),
        cca("a-third-token", collection({**parts, 44242: parts[44241]}), "cca.collection"),
        cca("realm-not-in-bytes", collection({**parts, 44241: REALM}), "cca.collection"),
        cca("of-another-tag", collection(parts, tag=400), "cbor.tag"),
        cca("platform-of-another-device", token(key=OTHER), "cose.signature"),
        cca(
            "platform-alg-eddsa",
            collection({**parts, 44234: by_ed25519}),
            "cose.alg",
        ),
        cca("replayed", token(), "cca.challenge", nonce=bytes([9] * 32)),
        cca("challenge-of-65-bytes", token(realm=REALM | {10: bytes(65)}), "cca.challenge", nonce=bytes(65)),
        cca("challenge-not-padded", token(realm=REALM | {10: NONCE}), "cca.challenge", "64 bytes, zeros at the end"),
        cca("challenge-padded-in-front", token(realm=REALM | {10: NONCE.rjust(64, b"\x00")}), "cca.challenge"),
    ]


def tampered() -> bytes:
    """Return a good realm token whose payload was exchanged after signing."""
    protected, _, _, signature = cbor2.loads(cwt(REALM, key=REALM_KEY, protected=ES384)).value
    return cbor2.dumps(cbor2.CBORTag(18, [protected, {}, cbor2.dumps(REALM | {44238: bytes(32)}), signature]))


def claim_cases() -> list[Case]:
    return [
        platform("platform-profile-of-psa", "platform-profile", c265="tag:psacertified.org,2023:psa#tfm"),
        platform("platform-profile-missing", "platform-profile", c265=None),
        platform("implementation-id-33-bytes", "implementation-id", c2396=bytes(33)),
        platform("instance-id-not-random", "instance-id", c256=b"\x02" + bytes(32)),
        platform("config-missing", "config", c2401=None),
        platform("lifecycle-gap", "lifecycle", c2395=0x3100),
        platform("lifecycle-true", "lifecycle", c2395=True),
        platform("software-empty", "software", c2399=[]),
        platform("software-252-components", "software", "the realm's own need room", c2399=[COMPONENT] * 252),
        platform("verification-service-number", "verification-service", c2400=1),
        platform("hash-algorithm-sha-1", "hash-algorithm", c2402="sha-1"),
        realm("realm-profile-of-a-platform", "realm-profile", c265="tag:arm.com,2023:cca_platform#1.0.0"),
        realm("personalization-63-bytes", "personalization", c44235=bytes(63)),
        realm("realm-measurement-of-another-hash", "realm-measurement", c44238=bytes(48)),
        realm("three-extensible-measurements", "realm-extensible-measurements", c44239=[bytes(32)] * 3),
        realm("realm-hash-algorithm-missing", "realm-hash-algorithm", c44236=None),
        realm("realm-hash-algorithm-sha-1", "realm-hash-algorithm", c44236="sha-1"),
        realm("memory-encryption-unknown", "realm-memory-encryption", c44241="none"),
    ]
