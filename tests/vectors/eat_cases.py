"""Vectors of EAT as CWT and as JWT: submodules, tokens in tokens, and one defect each."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any

import cbor2

from policyengine.model.base64url import base64url
from tests.vectors.format_case import ED25519, NONCE, OTHER, Case, changed, cwt, jwt, mac0, tagged

NOW = 1795737600  # the time of every case
UEID = b"\x01" + bytes([7] * 16)
CLAIMS: dict[object, object] = {
    4: NOW + 600,
    5: NOW - 600,
    6: NOW - 1,
    10: NONCE,
    256: UEID,
    257: {"serial": b"\x02" + bytes(6)},
    258: b"\x01\x02\x03",
    259: b"gw-200",
    260: ["1.2.0", 1],
    261: 3600,
    262: True,
    263: 3,
    264: {1: 48.5, 2: 11, 4: 10},
    265: "https://fleet.example/eat/1",
    267: 42,
    268: bytes(16),
    269: [["https://dloa.example", "platform-1"]],
    270: "gateway-os",
    271: ["4.2.1", 16384],
    272: [[258, b"opaque"]],
    273: [["application/x-measured", b"opaque"]],
    274: [["lab", [["all", 1]]]],
    275: 5,
}
JSON: dict[str, object] = {
    "exp": NOW + 600,
    "nbf": NOW - 600,
    "iat": NOW - 1,
    "eat_nonce": base64url(NONCE),
    "ueid": base64url(UEID),
    "sueids": {"serial": base64url(b"\x02" + bytes(6))},
    "oemid": 64242,
    "hwmodel": base64url(b"gw-200"),
    "hwversion": ["1.2.0"],
    "uptime": 3600,
    "oemboot": True,
    "dbgstat": "disabled-permanently",
    "location": {"latitude": 48.5, "longitude": 11},
    "eat_profile": "https://fleet.example/eat/1",
    "bootcount": 42,
    "bootseed": base64url(bytes(16)),
    "swname": "gateway-os",
    "swversion": ["4.2.1"],
    "intuse": "pop",
}
MINIMAL: dict[object, object] = {10: NONCE}
DIGEST = hashlib.sha256(b"claims kept elsewhere").digest()


def eat(name: str, evidence: bytes, failed: str = "", reason: str = "", *, nonce: bytes = NONCE) -> Case:
    refused = (failed,) if failed else ()
    return Case(name=f"eat/{name}", evidence=evidence, failed=refused, reason=reason, nonce=nonce, file="token.cwt")


def web(name: str, evidence: bytes, failed: str = "", reason: str = "") -> Case:
    return Case(
        name=f"eat/jwt-{name}", evidence=evidence, failed=(failed,) if failed else (), reason=reason, file="token.jwt"
    )


def nested(depth: int) -> bytes:
    """Return a token in as many others as `depth` says."""
    token = cwt(MINIMAL)
    for _ in range(depth):
        token = cwt({10: NONCE, 266: {"inner": token}})
    return token


def deep(levels: int) -> dict[object, object]:
    claims: dict[object, object] = {262: True}
    for _ in range(levels):
        claims = {266: {"part": claims}}
    return claims


PART = cbor2.dumps({270: "kept", 262: True})
JSON_PART = b'{"swname": "kept", "oemboot": true}'


def digest_of(content: bytes, algorithm: int = -16, new: Callable[..., Any] = hashlib.sha256) -> list[object]:
    return [algorithm, new(content).digest()]


def bundle(name: str, content: object, failed: str = "", reason: str = "") -> Case:
    """Return a detached bundle in CBOR."""
    evidence = content if isinstance(content, bytes) else cbor2.dumps(content)
    refused = (failed,) if failed else ()
    return Case(name=f"eat/bundle-{name}", evidence=evidence, failed=refused, reason=reason, file="bundle.cbor")


def text_bundle(name: str, content: object, failed: str = "", reason: str = "") -> Case:
    """Return a detached bundle in JSON."""
    refused = (failed,) if failed else ()
    evidence = json.dumps(content).encode()
    return Case(name=f"eat/bundle-json-{name}", evidence=evidence, failed=refused, reason=reason, file="bundle.json")


def bundle_cases() -> list[Case]:
    main = cwt({10: NONCE, 266: {"kept": digest_of(PART)}})
    both = cwt({10: NONCE, 266: {"kept": digest_of(PART), "other": {270: "other"}}})
    ended = cbor2.dumps({270: "kept", 4: NOW})
    web_main = jwt(JSON | {"submods": {"kept": ["DIGEST", ["sha-256", base64url(hashlib.sha256(JSON_PART).digest())]]}})
    listed = JSON | {"submods": {"kept": ["DIGEST", ["SHA-256", base64url(hashlib.sha256(PART).digest())]]}}
    web_digest_of_cbor = jwt(listed).decode()
    inner = cbor2.dumps({266: {"se": cwt(MINIMAL)}})
    return [
        bundle("good", cbor2.CBORTag(602, [main, {"kept": PART}])),
        bundle("good-untagged", [main, {"kept": PART}], reason="the media type says what it is"),
        bundle("good-sha-512", [cwt({10: NONCE, 266: {"kept": digest_of(PART, -44, hashlib.sha512)}}), {"kept": PART}]),
        bundle("good-token-in-detached-claims", [cwt({10: NONCE, 266: {"kept": digest_of(inner)}}), {"kept": inner}]),
        bundle("changed-claims", [main, {"kept": cbor2.dumps({270: "kept", 262: False})}], "eat.detached"),
        bundle("claims-without-digest", [both, {"kept": PART, "added": PART}], "eat.detached"),
        bundle("claims-for-what-is-no-digest", [both, {"kept": PART, "other": PART}], "eat.detached"),
        bundle(
            "digest-of-unknown-hash",
            [cwt({10: NONCE, 266: {"kept": [-18, bytes(32)]}}), {"kept": PART}],
            "eat.detached",
        ),
        bundle(
            "unsound-claims",
            [cwt({10: NONCE, 266: {"kept": digest_of(cbor2.dumps({262: 1}))}}), {"kept": cbor2.dumps({262: 1})}],
            "eat.detached",
        ),
        bundle("ended-claims", [cwt({10: NONCE, 266: {"kept": digest_of(ended)}}), {"kept": ended}], "eat.detached"),
        bundle(
            "claims-that-are-no-map",
            [cwt({10: NONCE, 266: {"kept": digest_of(b"\x80")}}), {"kept": b"\x80"}],
            "eat.detached",
        ),
        bundle(
            "main-token-by-another-key",
            [cwt({10: NONCE, 266: {"kept": digest_of(PART)}}, key=OTHER), {"kept": PART}],
            "cose.signature",
        ),
        bundle(
            "main-token-with-another-nonce",
            [cwt({10: bytes(32), 266: {"kept": digest_of(PART)}}), {"kept": PART}],
            "eat.nonce",
        ),
        bundle("without-claims-sets", [main, {}], "eat.bundle"),
        bundle("claims-not-wrapped", [main, {"kept": {270: "kept"}}], "eat.bundle"),
        bundle("three-parts", [main, {"kept": PART}, 0], "eat.bundle"),
        bundle("under-another-tag", cbor2.CBORTag(601, [main, {"kept": PART}]), "cbor.tag"),
        bundle("good-jwt", [selector("JWT", web_digest_of_cbor), {"kept": PART}], reason="the encodings may differ"),
        bundle("main-token-a-jwt-without-a-selector", [web_digest_of_cbor, {"kept": PART}], "eat.bundle"),
        bundle("main-token-a-bundle-in-text", [selector("BUNDLE", []), {"kept": PART}], "eat.bundle"),
        bundle("main-token-a-map", [{10: NONCE}, {"kept": PART}], "eat.bundle"),
        text_bundle("good", [["JWT", web_main.decode()], {"kept": base64url(JSON_PART)}]),
        text_bundle(
            "good-cwt",
            [
                ["CBOR", base64url(cwt({10: NONCE, 266: {"kept": digest_of(JSON_PART)}}))],
                {"kept": base64url(JSON_PART)},
            ],
        ),
        text_bundle("changed-claims", [["JWT", web_main.decode()], {"kept": base64url(b"{}")}], "eat.detached"),
        text_bundle(
            "main-token-of-a-kind-in-an-array", [[["JWT"], "AA"], {"kept": base64url(JSON_PART)}], "eat.bundle"
        ),
        text_bundle(
            "main-token-of-another-kind", [["BUNDLE", web_main.decode()], {"kept": base64url(JSON_PART)}], "eat.bundle"
        ),
    ]


def good_cases() -> list[Case]:
    return [
        eat("good-full", cwt(CLAIMS)),
        eat("good-nonce-alone", cwt(MINIMAL), reason="every other claim is optional"),
        eat("good-cwt-tag", cwt(CLAIMS, tags=(18, 61))),
        eat("good-nonce-of-8-bytes", cwt({10: NONCE[:8]}), nonce=NONCE[:8]),
        eat("good-nonce-of-64-bytes", cwt({10: NONCE * 2}), nonce=NONCE * 2),
        eat("good-one-of-two-nonces", cwt({10: [bytes(8), NONCE]})),
        eat("good-profile-oid", cwt(changed(CLAIMS, c265=b"\x2b\x06\x01"))),
        eat("good-unknown-claims", cwt(CLAIMS | {-80000: "x", "text": [1], 99999: cbor2.CBORTag(1, 5)})),
        eat("good-imei", cwt(changed(CLAIMS, c256=b"\x03" + bytes(14)))),
        eat("good-submodules", cwt({10: NONCE, 266: {"os": {270: "os", 266: {"app": {270: "app"}}}}})),
        eat("good-detached-digest", cwt({10: NONCE, 266: {"kept": [-16, DIGEST]}})),
        eat("good-nested-cwt", cwt({10: NONCE, 266: {"se": cwt({10: NONCE, 270: "se"}, tags=(18, 61))}})),
        eat("good-nested-jwt", cwt({10: NONCE, 266: {"se": selector("JWT", jwt(JSON).decode())}})),
        eat("good-nested-cwt-in-text", cwt({10: NONCE, 266: {"se": selector("CBOR", base64url(cwt(MINIMAL)))}})),
        eat("good-nested-by-a-stranger", cwt({10: NONCE, 266: {"se": cwt(MINIMAL, key=OTHER)}}), reason="no facts"),
        web("good-full", jwt(JSON)),
        web("good-typ", jwt(JSON, header={"alg": "ES256", "typ": "application/EAT+JWT"})),
        web("good-embedded-key-ignored", jwt(JSON, header={"alg": "ES256", "jwk": {"kty": "EC"}, "kid": "x"})),
        web("good-padded-ueid", jwt(JSON | {"ueid": base64url(UEID) + "="}), reason="as in RFC 9711 A.2.6"),
        web("good-nested-cwt", jwt(JSON | {"submods": {"se": ["CBOR", base64url(cwt(MINIMAL))]}})),
        web("good-nested-jwt", jwt(JSON | {"submods": {"se": ["JWT", jwt(JSON).decode()]}})),
        web("good-detached-digest", jwt(JSON | {"submods": {"a": ["DIGEST", ["SHA-256", base64url(DIGEST)]]}})),
    ]


def claim_cases() -> list[Case]:
    unsound: list[tuple[str, int, object]] = [
        ("exp-at-this-instant", 4, NOW),
        ("exp-float", 4, float(NOW + 600)),
        ("nbf-in-the-future", 5, NOW + 1),
        ("nbf-text", 5, str(NOW)),
        ("iat-float", 6, NOW - 0.5),
        ("ueid-6-bytes", 256, b"\x01" + bytes(5)),
        ("ueid-34-bytes", 256, b"\x01" + bytes(33)),
        ("ueid-eui-of-8-bytes", 256, b"\x02" + bytes(7)),
        ("ueid-text", 256, "AQcHBwcHBwc"),
        ("sueids-array", 257, [UEID]),
        ("oemid-4-bytes", 258, bytes(4)),
        ("oemid-true", 258, True),
        ("hwmodel-33-bytes", 259, bytes(33)),
        ("hwversion-text", 260, "1.2.0"),
        ("uptime-negative", 261, -1),
        ("oemboot-one", 262, 1),
        ("dbgstat-5", 263, 5),
        ("dbgstat-true", 263, True),
        ("location-without-longitude", 264, {1: 48.5}),
        ("bootcount-text", 267, "42"),
        ("bootcount-beyond-a-fact", 267, 2**53),
        ("bootseed-7-bytes", 268, bytes(7)),
        ("dloas-empty", 269, []),
        ("swname-with-nul", 270, "gateway\x00os"),
        ("swversion-number", 271, [4, 16384]),
        ("manifests-without-content", 272, [[258]]),
        ("measurements-map", 273, {258: b""}),
        ("measurements-content-type-of-17-bits", 273, [[2**16, b""]]),
        ("measres-text", 274, "success"),
        ("intuse-6", 275, 6),
    ]
    return [
        *(eat(name, cwt(CLAIMS | {key: value}), f"eat.{name.split('-')[0]}") for name, key, value in unsound),
        eat("nonce-of-another-challenge", cwt(CLAIMS | {10: bytes(32)}), "eat.nonce"),
        eat("nonce-missing", cwt(changed(CLAIMS, c10=None)), "eat.nonce"),
        eat("nonce-7-bytes", cwt({10: NONCE[:7]}), "eat.nonce", nonce=NONCE[:7]),
        eat("nonce-65-bytes", cwt({10: NONCE * 2 + b"\x00"}), "eat.nonce", nonce=NONCE * 2 + b"\x00"),
        eat("nonce-array-of-one", cwt({10: [NONCE]}), "eat.nonce", "an array has two or more"),
        eat("nonce-array-with-a-short-one", cwt({10: [NONCE, bytes(7)]}), "eat.nonce"),
        eat("nonce-hexadecimal", cwt({10: NONCE.hex()}), "eat.nonce"),
        eat("profile-number", cwt(CLAIMS | {265: 1}), "eat.profile"),
        eat("profile-of-a-result", cwt(CLAIMS | {265: "tag:ietf.org,2026:rats/ear#03"}), "eat.profile"),
        eat("profile-of-half-a-cca-token", cwt(CLAIMS | {265: "http://arm.com/CCA-SSD/1.0.0"}), "eat.profile"),
    ]


def selector(kind: str, value: object) -> str:
    """Return a JSON-encoded selector, which is how CBOR holds a JWT."""
    return json.dumps([kind, value])


def within(*tokens: bytes) -> bytes:
    """Return a token with `tokens` in its submodules."""
    return cwt({10: NONCE, 266: {f"se{index}": each for index, each in enumerate(tokens)}})


def submodule_cases() -> list[Case]:
    def sub(name: str, value: object, failed: str = "eat.submods", reason: str = "") -> Case:
        return eat(f"submods-{name}", cwt({10: NONCE, 266: value}), failed, reason)

    short_digest = ["DIGEST", [-16, base64url(DIGEST[1:])]]
    many = {f"se{index}": cwt(MINIMAL) for index in range(9)}
    three = within(*[cwt(MINIMAL)] * 3)
    return [
        sub("empty", {}),
        sub("array", [{262: True}]),
        sub("number", {"os": 1}),
        sub("name-integer", {1: {262: True}}),
        sub("unsound-claim", {"os": {263: 9}}),
        sub("ended-claims", {"os": {4: NOW}}),
        sub("claims-of-the-future", {"os": {5: NOW + 1}}),
        sub("digest-too-short", {"kept": [-16, DIGEST[:31]]}),
        sub("digest-of-another-length", {"kept": ["SHA-384", DIGEST]}),
        sub("too-many", {f"part{index}": {262: True} for index in range(65)}),
        sub("too-deep", {"part": deep(4)}),
        sub("token-malformed", {"se": b"\x00"}, "eat.nested"),
        sub("jwt-malformed", {"se": selector("JWT", "a.b")}, "eat.nested"),
        sub("jwt-without-a-selector", {"se": jwt(JSON).decode()}, reason="text is a JSON-encoded selector"),
        sub("digest-in-text", {"kept": selector("DIGEST", [-16, base64url(DIGEST)])}, reason="MUST NOT be in CBOR"),
        sub("claims-in-text", {"os": json.dumps(JSON)}),
        sub("nine-tokens", many, "eat.nested", "each costs a signature"),
        sub("twelve-tokens-in-all", {"a": three, "b": three, "c": three}, "eat.nested", "those inside others count"),
        web("submods-unknown-selector", jwt(JSON | {"submods": {"se": ["XML", "x"]}}), "eat.submods"),
        web("submods-bare-token", jwt(JSON | {"submods": {"se": jwt(JSON).decode()}}), "eat.submods"),
        web(
            "submods-digest-of-31-bytes",
            jwt(JSON | {"submods": {"a": short_digest}}),
            "eat.submods",
        ),
    ]


def envelope_cases() -> list[Case]:
    embedded = {"alg": "ES256", "jwk": own_jwk()}
    repeated = f'{{"eat_nonce":"AAAAAAAAAAA","eat_nonce":"{base64url(NONCE)}"}}'.encode()
    return [
        eat("untagged", cwt(CLAIMS, tags=()), "cose.tag"),
        eat("unsigned-claims", tagged(CLAIMS, (601,)), "cose.tag", "a UCCS, which nobody signed"),
        eat("cwt-tag-twice", cwt(CLAIMS, tags=(18, 61, 61)), "cose.tag"),
        eat("cwt-tag-without-cose-tag", cwt(CLAIMS, tags=(61,)), "cose.tag", "RFC 8392 section 6"),
        eat("signed-by-another-key", cwt(CLAIMS, key=OTHER), "cose.signature"),
        eat("alg-hs256", cwt(CLAIMS, protected=b"\xa1\x01\x05"), "cose.alg"),
        eat("alg-of-another-key", cwt(CLAIMS, key=ED25519, protected=b"\xa1\x01\x27"), "cose.key-type"),
        eat("mac-without-a-secret", mac0(CLAIMS), "cose.key-type"),
        eat("payload-array", cwt([1]), "eat.claims"),
        eat(
            "payload-repeats-a-claim",
            cwt(b"\xa2" + b"\x0a\x40" * 2),
            "cbor.duplicate-key",
        ),
        web("alg-none", jwt(JSON, header={"alg": "none"}, signed=False), "jose.alg"),
        web("alg-hs256", jwt(JSON, header={"alg": "HS256"}), "jose.alg"),
        web("alg-missing", jwt(JSON, header={"typ": "JWT"}), "jose.alg"),
        web("alg-lowercase", jwt(JSON, header={"alg": "es256"}), "jose.alg"),
        web("alg-of-another-key", jwt(JSON, header={"alg": "EdDSA"}, key=ED25519), "jose.key-type"),
        web("alg-of-another-curve", jwt(JSON, header={"alg": "ES384"}), "jose.key-type"),
        web("crit-b64", jwt(JSON, header={"alg": "ES256", "crit": ["b64"], "b64": True}), "jose.crit", "RFC 7797"),
        web("typ-of-another-jwt", jwt(JSON, header={"alg": "ES256", "typ": "at+jwt"}), "jose.typ", "an access token"),
        web("signed-by-another-key", jwt(JSON, key=OTHER), "jose.signature"),
        web(
            "signed-by-the-embedded-key",
            jwt(JSON, key=OTHER, header=embedded),
            "jose.signature",
        ),
        web("two-parts", jwt(JSON).rpartition(b".")[0], "jose.structure"),
        web("five-parts", jwt(JSON) + b".a.b", "jose.structure", "an encrypted JWT"),
        web("trailing-newline", jwt(JSON) + b"\n", "jose.base64url"),
        web("padded", jwt(JSON) + b"==", "jose.base64url"),
        web(
            "claim-repeated",
            jwt(repeated),
            "jose.json",
        ),
        web("header-repeats-alg", jwt(JSON, header=b'{"alg":"none","alg":"ES256"}'), "jose.json"),
        web("payload-array", jwt([1]), "jose.json"),
        web("nan", jwt(b'{"uptime":NaN}'), "jose.json"),
        web("nonce-padded", jwt(JSON | {"eat_nonce": base64url(NONCE) + "="}), "eat.nonce", "one spelling only"),
        web("nonce-hexadecimal", jwt(JSON | {"eat_nonce": NONCE.hex()}), "eat.nonce"),
        web("dbgstat-number", jwt(JSON | {"dbgstat": 3}), "eat.dbgstat", "a word in JSON"),
        web("exp-float", jwt(JSON | {"exp": NOW + 600.5}), "eat.exp"),
        web("name-with-half-a-character", jwt(JSON | {"swname": "\ud800"}), "eat.swname"),
    ]


def own_jwk() -> dict[str, str]:
    numbers = OTHER.public_key().public_numbers()
    x, y = (base64url(each.to_bytes(32, "big")) for each in (numbers.x, numbers.y))
    return {"kty": "EC", "crv": "P-256", "x": x, "y": y}


def cases() -> list[Case]:
    return [*good_cases(), *claim_cases(), *submodule_cases(), *bundle_cases(), *envelope_cases(), too_deep()]


def too_deep() -> Case:
    # NOTE: what is believed of a token inside depends on its own checks; only malformed tokens refuse the outer one.
    return eat("good-nested-four-deep", nested(4), reason="the innermost is not looked at, and gives no facts")
