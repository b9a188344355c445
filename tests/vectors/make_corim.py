"""Makes `tests/vectors/corim/`: our own CoRIM vectors, each named after its defect, each with one defect.

`python -m tests.vectors.make_corim` writes them; a test holds the files to this script. `failed` of the index: the
check ids that must refuse the case, no more and no fewer.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import cbor2
from cbor2 import CBORTag
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from policyengine.simulation import corim
from policyengine.simulation.cose import cose_sign1
from policyengine.simulation.dice import LayerPlan, certificate

HERE = Path(__file__).parent / "corim"
AT = "2026-11-23T00:00:00+00:00"
NOW = datetime(2026, 11, 23, tzinfo=UTC)
PAST, FUTURE = datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)

KEY = ed25519.Ed25519PrivateKey.from_private_bytes(bytes([0x71] * 32))
OTHER = ed25519.Ed25519PrivateKey.from_private_bytes(bytes([0x72] * 32))
CA = ec.derive_private_key(0x7301, ec.SECP256R1())
SIGNER = ec.derive_private_key(0x7302, ec.SECP256R1())
ENVIRONMENT = corim.environment(vendor="ACME", model="RoadRunner")
APP = corim.measurement(bytes([0x11] * 32), mkey="app")
REFERENCE = {0: [[ENVIRONMENT, [APP]]]}
GOOD = corim.corim([corim.comid(REFERENCE)])
PSA = CBORTag(32, "tag:arm.com,2025:psa#1.0.0")
IMPLEMENTATION = CBORTag(560, bytes(32))


@dataclass(frozen=True, kw_only=True)
class Case:
    """One vector; `root` is the trust anchor in PEM, a key or a certificate."""

    name: str
    content: bytes
    failed: tuple[str, ...] = ()
    reason: str = ""
    root: bytes = b""
    extra: Mapping[str, bytes] = field(default_factory=dict)


def pem(key: Any) -> bytes:
    made: bytes = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return made


def sent(name: str, content: bytes, failed: str = "", reason: str = "", **extra: bytes) -> Case:
    return Case(
        name=f"corim/{name}",
        content=content,
        failed=tuple(failed.split()),
        reason=reason,
        root=pem(KEY),
        extra={f"{key}.cbor": value for key, value in extra.items()},
    )


def case(name: str, content: bytes, failed: str = "", reason: str = "") -> Case:
    """Return a case whose CoRIM is signed well."""
    return sent(name, corim.signed(KEY, content), failed, reason)


def triples(name: str, content: Mapping[int, Any], failed: str = "", reason: str = "", **parts: Any) -> Case:
    """Return a case with one CoMID of these triples."""
    return case(name, corim.corim([corim.comid(content)], **parts), failed, reason)


def measured(name: str, failed: str = "corim.structure", reason: str = "", **values: Any) -> Case:
    """Return a case whose one measurement has these values beside a digest."""
    claims = corim.measurement(bytes(32), mkey="app", **values)
    return triples(name, {0: [[ENVIRONMENT, [claims]]]}, failed, reason)


def good_cases() -> list[Case]:
    full = {
        **REFERENCE,
        1: [[ENVIRONMENT, [{1: {1: CBORTag(552, 7), 3: {3: False}, 0: {0: "1.2.3", 1: 16384}}}]]],
        5: [[ENVIRONMENT, [corim.environment(vendor="ACME", model="Beep")]]],
        8: [[[ENVIRONMENT, [APP]], [[[{1: {1: 3}}], [{1: {11: "old"}}]]]]],
        10: [[[[ENVIRONMENT, [APP]]], [[ENVIRONMENT, [{1: {11: "patched"}}]]]]],
    }
    claims = {1: "Acme Ltd", 4: int(FUTURE.timestamp())}
    both = {3: corim.CONTENT_TYPE, 8: corim.meta(valid=corim.validity(FUTURE)), 15: claims}
    alone = {3: corim.CONTENT_TYPE, 15: claims}
    return [
        case("good", GOOD),
        triples("good-all-triples", full),
        case("good-validity", corim.corim([corim.comid(REFERENCE)], p4=corim.validity(FUTURE, PAST))),
        sent("good-cwt-claims", corim.signed(KEY, GOOD, headers=alone)),
        sent("good-both-metas", corim.signed(KEY, GOOD, headers=both)),
        sent("good-hash-envelope", corim.hash_envelope(KEY, GOOD), preimage=GOOD),
        case("good-tag-list", with_list(["acme.gw-200"])),
        case("good-coswid", with_coswid("acme.app")),
        triples("good-psa-profile", {0: [[psa_environment(), [psa()]]]}, p3=PSA),
        measured("good-min-svn", "", v1=CBORTag(553, 4)),
        chained("good-chain", signer_chain(), ""),
    ]


def with_list(tags: list[str], until: datetime = FUTURE) -> bytes:
    listing = {0: {0: "acme.list"}, 1: [{0: each} for each in tags], 2: corim.validity(until)}
    return corim.corim([corim.comid(REFERENCE), CBORTag(508, cbor2.dumps(listing))])


def with_coswid(named: str) -> bytes:
    files = {17: [{24: "app.bin", 7: [1, bytes([0x11] * 32)]}]}
    swid = {0: "acme.app", 12: 0, 1: "app", 2: {31: "Acme", 33: 1}, 6: files}
    linked = corim.comid({**REFERENCE, 6: [[ENVIRONMENT, [named]]]})
    return corim.corim([linked, CBORTag(505, cbor2.dumps(swid))])


def psa_environment() -> Mapping[int, Any]:
    return corim.environment(class_id=IMPLEMENTATION)


def psa(**values: Any) -> Mapping[int, Any]:
    return corim.measurement(bytes(32), mkey="psa.software-component", **values)


def root_plan() -> LayerPlan:
    return LayerPlan(name="acme corim root", key=CA, ca=True, extensions=key_ids(b"\x01"))


def key_ids(own: bytes) -> tuple[tuple[str, bool, bytes], ...]:
    """Return key identifiers: the CA's subject key identifier, and for both the CA's as authority."""
    subject = ("2.5.29.14", False, b"\x04\x14" + own * 20)
    return (subject, ("2.5.29.35", False, b"\x30\x16\x80\x14" + b"\x01" * 20))


def signer_chain(until: datetime = datetime(2034, 1, 1, tzinfo=UTC)) -> bytes:
    plan = replace(signer_plan(), not_after=until)
    return certificate(plan, root_plan()).public_bytes(Encoding.DER)


def signer_plan() -> LayerPlan:
    return LayerPlan(name="acme corim signer", key=SIGNER, ca=False, usage=frozenset({0}), extensions=key_ids(b"\x02"))


def chained(name: str, leaf: bytes, failed: str, *, key: ec.EllipticCurvePrivateKey = SIGNER) -> Case:
    root: x509.Certificate = certificate(root_plan(), root_plan())
    return Case(
        name=f"corim/{name}",
        content=corim.signed(key, GOOD, chain=[leaf]),
        failed=tuple(failed.split()),
        root=root.public_bytes(Encoding.PEM),
    )


def envelope_cases() -> list[Case]:
    late = {3: corim.CONTENT_TYPE, 8: corim.meta(valid=corim.validity(PAST))}
    early = {3: corim.CONTENT_TYPE, 15: {1: "Acme", 5: int(FUTURE.timestamp())}}
    differ = {3: corim.CONTENT_TYPE, 8: corim.meta("Acme Ltd"), 15: {1: "Mallory"}}
    nameless = {3: corim.CONTENT_TYPE, 15: {2: "a"}}
    untyped = {8: corim.meta()}
    listed = with_list(["acme.gw-200"])
    sha1 = cose_sign1(KEY, bytes(20), protected={258: -14, 259: corim.CONTENT_TYPE, 8: corim.meta()})
    return [
        sent("unsigned", GOOD_AS_PAYLOAD, "cbor.tag", "a CoRIM where a signature should be"),
        sent("signed-by-another-key", corim.signed(OTHER, GOOD), "corim.signature"),
        sent("content-type-missing", corim.signed(KEY, GOOD, headers=untyped), "corim.content-type"),
        sent("content-type-cwt", corim.signed(KEY, GOOD, headers={3: 61, 8: corim.meta()}), "corim.content-type"),
        sent("meta-missing", corim.signed(KEY, GOOD, headers={3: corim.CONTENT_TYPE}), "corim.meta"),
        sent("metas-differ", corim.signed(KEY, GOOD, headers=differ), "corim.meta"),
        sent("meta-not-encoded", corim.signed(KEY, GOOD, headers={3: corim.CONTENT_TYPE, 8: {0: {0: "a"}}}), STRUCTURE),
        sent("cwt-claims-without-issuer", corim.signed(KEY, GOOD, headers=nameless), STRUCTURE),
        sent("signature-expired", corim.signed(KEY, GOOD, headers=late), "corim.signature-validity"),
        sent("signature-not-yet-valid", corim.signed(KEY, GOOD, headers=early), "corim.signature-validity"),
        sent("hash-envelope-alone", corim.hash_envelope(KEY, GOOD), "corim.hash-envelope"),
        sent(
            "hash-envelope-of-another",
            corim.hash_envelope(KEY, GOOD),
            "corim.hash-envelope",
            preimage=listed,
        ),
        sent("hash-envelope-sha-1", sha1, "corim.hash-envelope", preimage=GOOD),
        chained("chain-expired", signer_chain(PAST), "corim.chain"),
        chained("chain-to-nobody", foreign(), "corim.chain"),
        chained("chain-of-another-key", signer_chain(), "corim.signature", key=CA),
    ]


STRUCTURE = "corim.structure"
GOOD_AS_PAYLOAD = cbor2.dumps(CBORTag(18, cbor2.loads(GOOD).value))


def foreign() -> bytes:
    """Return a signer's certificate by another authority of the same name."""
    mallory = LayerPlan(name="acme corim root", key=SIGNER, ca=True, extensions=key_ids(b"\x01"))
    return certificate(signer_plan(), mallory).public_bytes(Encoding.DER)


def document_cases() -> list[Case]:
    two = corim.comid(REFERENCE)
    other = corim.environment(vendor="ACME", model="Beep")
    loop = {5: [[ENVIRONMENT, [other]], [other, [ENVIRONMENT]]]}
    extended = corim.corim([two], p77="extension")
    wrong_psa = {0: [[psa_environment(), [corim.measurement(bytes(32), mkey="app")]]]}
    two_signers = [{0: "a", 2: [2]}, {0: "b", 2: [2]}]
    backwards = {0: CBORTag(1, int(FUTURE.timestamp())), 1: CBORTag(1, int(PAST.timestamp()))}
    return [
        case("expired", corim.corim([two], p4=corim.validity(PAST)), "corim.validity"),
        case("not-yet-valid", corim.corim([two], p4=corim.validity(FUTURE, FUTURE)), "corim.validity"),
        case("validity-backwards", corim.corim([two], p4=backwards), STRUCTURE),
        case("profile-unknown", corim.corim([two], p3=CBORTag(32, "https://acme.example/p")), "corim.profile"),
        case("extension-without-profile", extended, "corim.profile-rules"),
        triples("psa-profile-broken", wrong_psa, "corim.profile-rules", p3=PSA),
        case("tag-list-incomplete", with_list(["acme.gw-200", "acme.other"]), "corim.tag-list"),
        case("tag-list-expired", with_list(["acme.gw-200"], PAST), "corim.tag-list"),
        case("coswid-not-there", with_coswid("acme.absent"), "corim.resolved"),
        triples("membership-in-a-circle", loop, "corim.acyclic"),
        case("tag-id-twice", corim.corim([two, two]), STRUCTURE),
        case("no-tags", corim.corim([]), STRUCTURE),
        case("two-manifest-signers", corim.corim([two], p5=two_signers), STRUCTURE),
        case("tag-of-another-kind", corim.corim([CBORTag(37, bytes(16))]), STRUCTURE),
        case("tag-not-encoded", corim.corim([CBORTag(506, {1: {0: "a"}})]), STRUCTURE),
        case("trailing-byte", GOOD + b"\x00", "cbor.trailing"),
        triples("triples-empty", {}, STRUCTURE),
        triples("environment-empty", {0: [[{}, [APP]]]}, STRUCTURE),
        triples("model-without-vendor", {0: [[corim.environment(model="RoadRunner"), [APP]]]}, STRUCTURE),
        triples("measurements-empty", {0: [[ENVIRONMENT, []]]}, STRUCTURE),
        measured("digest-31-bytes", v2=[[1, bytes(31)]]),
        measured("digest-algorithm-twice", v2=[[1, bytes(32)], [1, bytes([1] * 32)]], reason="one could be chosen"),
        measured("svn-negative", v1=-1),
        measured("svn-true", v1=True),
        measured("mask-without-value", v5=b"\xff"),
        measured("mask-of-another-length", v4=CBORTag(563, [b"\x01\x02", b"\xff"])),
        measured("range-backwards", v15=CBORTag(564, [2, 1])),
        measured("flag-number", v3={0: 1}),
        measured("unknown-value", "corim.profile-rules", v99="?"),
    ]


def cases() -> list[Case]:
    """Return every case, in the order of the index."""
    return [*good_cases(), *envelope_cases(), *document_cases()]


def parts(each: Case) -> dict[str, bytes]:
    return {"corim.cbor": each.content, "root.pem": each.root, **each.extra}


def files() -> dict[str, bytes]:
    """Return every file of the folder by its path inside it."""
    made = {f"{each.name}/{name}": content for each in cases() for name, content in parts(each).items()}
    made["index.json"] = (json.dumps([entry(each) for each in cases()], indent=1) + "\n").encode()
    return made


def entry(each: Case) -> dict[str, object]:
    return {
        "id": each.name,
        "format": "corim",
        "files": sorted(parts(each)),
        "key": None,
        "at": AT,
        "expect": "reject" if each.failed else "accept",
        "failed": list(each.failed),
        "reason": each.reason,
    }


if __name__ == "__main__":
    for path, content in files().items():
        target = HERE / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
