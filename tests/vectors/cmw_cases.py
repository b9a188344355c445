"""Vectors of wrappers: records, tags and collections in CBOR and JSON, with a PSA or EAT token inside."""

from __future__ import annotations

import json

import cbor2

from policyengine.model.base64url import base64url
from tests.vectors.eat_cases import JSON as EAT_JSON
from tests.vectors.eat_cases import MINIMAL
from tests.vectors.format_case import OTHER, Case, cwt, jwt
from tests.vectors.make_attestation import CLAIMS as PSA

PSA_TYPE = 'application/eat+cwt; eat_profile="tag:psacertified.org,2023:psa#tfm"'
EAT = "application/eat+cwt"
ANNOUNCED = f'{EAT}; eat_profile="https://fleet.example/1"'
BETWEEN = 0x63740101 + 255  # RFC 9277: blocks of 256 have 255 content formats
TAG_263 = 0x63740101 + 256 + 8  # 263 is 255 + 8
TOKEN, EAT_TOKEN = cwt(PSA), cwt(MINIMAL)
EVIDENCE, RESULTS = 4, 8


def binary(name: str, content: object, *failed: str, reason: str = "") -> Case:
    evidence = content if isinstance(content, bytes) else cbor2.dumps(content)
    return Case(name=f"cmw/{name}", evidence=evidence, failed=failed, reason=reason, file="cmw.cbor")


def text(name: str, content: object, *failed: str, reason: str = "") -> Case:
    evidence = content if isinstance(content, bytes) else json.dumps(content).encode()
    return Case(name=f"cmw/json-{name}", evidence=evidence, failed=failed, reason=reason, file="cmw.json")


def deep(levels: int) -> object:
    wrapper: object = [EAT, EAT_TOKEN]
    for _ in range(levels):
        wrapper = {"part": wrapper}
    return wrapper


def cases() -> list[Case]:
    encoded = base64url(TOKEN)
    result = ["application/eat+jwt", b"{}", RESULTS]
    return [
        binary("good-record", [PSA_TYPE, TOKEN]),
        binary("good-record-with-indicator", [PSA_TYPE, TOKEN, EVIDENCE]),
        binary("good-record-several-kinds", [EAT, EAT_TOKEN, EVIDENCE | RESULTS]),
        binary("good-content-format", [263, EAT_TOKEN]),
        binary("good-jwt-by-content-format", [264, jwt(EAT_JSON)]),
        binary("good-tag", cbor2.CBORTag(TAG_263, TOKEN)),
        binary("good-collection", {"__cmwc_t": "tag:fleet.example,2026:gateway", 1: [EAT, EAT_TOKEN], "ear": result}),
        binary("good-collection-four-deep", deep(4)),
        text("good-record", [PSA_TYPE, encoded, EVIDENCE]),
        text("good-collection", {"soc": [EAT, base64url(EAT_TOKEN)]}),
        binary("profile-of-another-token", [PSA_TYPE, EAT_TOKEN], "psa.profile"),
        binary("profile-announced-and-not-declared", [ANNOUNCED, EAT_TOKEN], "eat.profile"),
        binary("token-by-another-key", [EAT, cwt(MINIMAL, key=OTHER)], "cose.signature"),
        binary("indicator-of-a-result", [EAT, EAT_TOKEN, RESULTS], "cmw.indicator"),
        binary("two-pieces-of-evidence", {1: [EAT, EAT_TOKEN], 2: [EAT, EAT_TOKEN]}, "cmw.single"),
        binary("no-evidence-in-a-collection", {1: result}, "cmw.single"),
        binary("unknown-type", ["application/x-unknown", TOKEN], "evidence.media-type"),
        binary("unknown-content-format", [65000, TOKEN], "evidence.media-type"),
        binary("type-that-is-none", ["eat", TOKEN], "evidence.media-type"),
        binary("wrapper-in-a-wrapper", ["application/cmw+cbor", cbor2.dumps([EAT, EAT_TOKEN])], "cmw.structure"),
        binary("one-element", [EAT], "cmw.structure"),
        binary("four-elements", [EAT, EAT_TOKEN, EVIDENCE, 1], "cmw.structure"),
        binary("value-text", [EAT, "token"], "cmw.structure"),
        binary("type-negative", [-1, EAT_TOKEN], "cmw.structure"),
        binary("type-beyond-16-bits", [65536, EAT_TOKEN], "cmw.structure"),
        binary("indicator-zero", [EAT, EAT_TOKEN, 0], "cmw.structure"),
        binary("indicator-sixth-bit", [EAT, EAT_TOKEN, 32 | EVIDENCE], "cmw.structure"),
        binary("indicator-true", [EAT, EAT_TOKEN, True], "cmw.structure"),
        binary("tag-between-content-formats", cbor2.CBORTag(BETWEEN, TOKEN), "cmw.structure"),
        binary("tag-around-text", cbor2.CBORTag(TAG_263, "token"), "cmw.structure"),
        binary("tag-of-no-content-format", cbor2.CBORTag(18, TOKEN), "cbor.tag"),
        binary("collection-empty", {"__cmwc_t": "tag:fleet.example,2026:gateway"}, "cmw.structure"),
        binary("collection-type-number", {"__cmwc_t": 1, 1: [EAT, EAT_TOKEN]}, "cmw.structure"),
        binary("collection-five-deep", deep(5), "cmw.structure"),
        binary("collection-of-65", {key: [EAT, b"", RESULTS] for key in range(65)}, "cmw.structure"),
        binary("text", "token", "cmw.structure"),
        binary("trailing", cbor2.dumps([EAT, EAT_TOKEN]) + b"\x00", "cbor.trailing"),
        text("value-padded", [PSA_TYPE, encoded + "=" * (-len(encoded) % 4 or 4)], "cmw.structure"),
        text("value-with-plus", [PSA_TYPE, "+" + encoded[1:]], "cmw.structure"),
        text("type-number", [263, encoded], "cmw.structure"),
        text("label-repeated", b'{"a": ["x/y", ""], "a": ["x/y", ""]}', "cmw.json"),
        text("trailing", json.dumps([EAT, base64url(EAT_TOKEN)]).encode() + b" x", "cmw.json"),
    ]
