"""Makes `tests/vectors/dice/`: our own DICE vectors, each named after its defect, each with one defect.

`python -m tests.vectors.make_dice` writes them; a test holds the files to this script. Keys are derived from fixed
numbers and ECDSA is deterministic, so the bytes never change by themselves. `failed` of the index: the check ids that
must refuse the case, no more and no fewer.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import cbor2
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from pki import der
from policyengine.simulation import dice
from policyengine.simulation.cose import DeviceKey, cose_sign1
from policyengine.simulation.dice import DiceDevice, with_plan

HERE = Path(__file__).parent / "dice"
NONCE = bytes(range(32))
AT = "2026-11-23T00:00:00+00:00"

CA = ec.derive_private_key(0x6001, ec.SECP256R1())
OTHER_CA = ec.derive_private_key(0x6002, ec.SECP256R1())
UDS, CDI_0, CDI_1 = (ed25519.Ed25519PrivateKey.from_private_bytes(bytes([seed] * 32)) for seed in (1, 2, 3))
BOOT = {"digests": [bytes([0x11] * 32)], "svn": 7, "vendor": "acme", "model": "gw-200", "version": "2.1"}
APP = {"digests": [bytes([0x22] * 32)], "svn": 12, "vendor": "acme", "model": "gw-200", "version": "1.4.2"}
DEVICE = dice.tcg_device("acme", ca_key=CA, secret=b"\x07" * 32, firmware=[BOOT, APP])
ROOT, DEVICE_ID, LAYER_0, LAYER_1 = range(4)


@dataclass(frozen=True, kw_only=True)
class Case:
    """One vector: evidence, and the trusted root (PEM: a certificate, or a bare key)."""

    name: str
    evidence: bytes
    root: bytes
    failed: tuple[str, ...] = ()
    reason: str = ""
    nonce: bytes = NONCE
    at: str = AT


def case(name: str, device: DiceDevice, failed: str = "", reason: str = "", *, root: DiceDevice = DEVICE) -> Case:
    evidence = dice.make_dice_evidence(device.leaf_key, device.chain(), NONCE)
    return Case(name=f"dice/{name}", evidence=evidence, root=pem(root), failed=split(failed), reason=reason)


def sent(name: str, evidence: bytes, failed: str = "", reason: str = "", *, root: bytes | None = None) -> Case:
    found = pem(DEVICE) if root is None else root
    return Case(name=f"dice/{name}", evidence=evidence, root=found, failed=split(failed), reason=reason)


def split(failed: str) -> tuple[str, ...]:
    return tuple(failed.split())


def pem(device: DiceDevice) -> bytes:
    return device.root().public_bytes(Encoding.PEM)


def key_pem(key: DeviceKey) -> bytes:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def said(device: DiceDevice, place: int, content: bytes, *, oid: str = dice.TCB_INFO) -> DiceDevice:
    """Return `device` with another DICE extension in one certificate."""
    return with_plan(device, place, extensions=((oid, True, content),))


def unsigned(plan: int) -> DiceDevice:
    """Return the device, one of its certificates made by somebody else's key of the same name."""
    return with_plan(DEVICE, plan, key=OTHER_CA)


def chain_signed_by_another_key() -> bytes:
    """Return evidence whose DeviceID certificate is signed by another root of the same name."""
    forged = with_plan(DEVICE, ROOT, key=OTHER_CA)
    return dice.make_dice_evidence(DEVICE.leaf_key, forged.chain(), NONCE)


def good_cases() -> list[Case]:
    flags = dice.tcb_info(digests=[bytes(32)], layer=1, flags=frozenset({1, 2, 3}))
    plain = with_plan(DEVICE, LAYER_1, usage=None)
    ueid = dice.tcg_device("acme", ca_key=CA, secret=b"\x08" * 32, firmware=[BOOT, APP], ueid=b"\x01" + bytes(32))
    multi = der.sequence(dice.tcb_info(digests=[bytes(32)], index=0), dice.tcb_info(digests=[bytes(32)], index=1))
    return [
        case("good-tcg", DEVICE),
        case("good-flags-set", said(DEVICE, LAYER_1, flags), reason="debug, recovery, notSecure: facts, no refusal"),
        case("good-no-key-usage", plain, reason="key usage is optional"),
        case("good-ueid", ueid),
        case("good-multi-tcb-info", said(DEVICE, LAYER_1, multi, oid="2.23.133.5.4.5")),
        case("good-path-length-exact", with_plan(DEVICE, DEVICE_ID, path_length=1)),
        case("good-riot", riot(CA), root=riot(CA)),
        case("good-open-dice-x509", open_dice(1), root=open_dice(1)),
        sent("good-device-key-known", good(), root=key_pem(DEVICE.device_key), reason="the DeviceID key is the anchor"),
        sent("good-open-dice-cbor", cdi(), root=key_pem(UDS)),
        sent("good-open-dice-cbor-with-uds", cdi(first=uds()), root=key_pem(UDS)),
    ]


def good() -> bytes:
    return dice.make_dice_evidence(DEVICE.leaf_key, DEVICE.chain(), NONCE)


def riot(named: DeviceKey) -> DiceDevice:
    """Return a RIoT device whose alias certificate names the DeviceID key, or, given one, another key."""
    root = dice.LayerPlan(name="riot root", key=CA, ca=True)
    device_id = dice.LayerPlan(name="riot DeviceID", key=dice.derived_key(b"\x09" * 32), ca=True)
    key = device_id.key if named is CA else named
    san = dice.composite_device_id(key, bytes([0x33] * 32))
    alias = dice.LayerPlan(
        name="riot alias",
        key=dice.derived_key(b"\x09" * 32, b"firmware"),
        ca=False,
        usage=frozenset({0}),
        extensions=((dice.SUBJECT_ALTERNATIVE_NAME, True, san),),
    )
    return DiceDevice(plans=(root, device_id, alias))


def open_dice(mode: int) -> DiceDevice:
    """Return an Open DICE device in X.509: every layer is a CA with keyCertSign alone."""
    hashed = bytes([0x44] * 64)
    content = dice.open_dice_input(code=hashed, authority=hashed, configuration=hashed, mode=mode)
    plans = [dice.LayerPlan(name="uds", key=UDS, ca=True)]
    plans += [
        dice.LayerPlan(name=f"cdi {number}", key=key, ca=True, extensions=((dice.OPEN_DICE, True, content),))
        for number, key in enumerate((CDI_0, CDI_1))
    ]
    return DiceDevice(plans=tuple(plans))


HASHED = bytes([0x55] * 64)


def uds() -> bytes:
    return dice.cdi_certificate("uds", UDS, "uds", UDS)


def cdi(
    *,
    first: bytes | None = None,
    signer: ed25519.Ed25519PrivateKey = CDI_0,
    issuer: str = "cdi 0",
    usage: bytes = b"\x20",
    mode: bytes = b"\x01",
) -> bytes:
    measured = {"n4670545": HASHED, "n4670547": HASHED, "n4670549": HASHED, "n4670551": mode}
    layer_0 = dice.cdi_certificate("uds", UDS, "cdi 0", CDI_0, **measured, n4670553=usage)
    layer_1 = dice.cdi_certificate(issuer, signer, "cdi 1", CDI_1, **measured)
    chain = [each for each in (first, layer_0, layer_1) if each is not None]
    return dice.make_cdi_evidence(CDI_1, chain, NONCE)


def rule_cases() -> list[Case]:
    expired = datetime(2026, 1, 1, tzinfo=UTC)
    identifier = der.sequence(der.context_primitive(0, bytes(20)))
    own = der.octet_string(bytes([1] * 20))
    identified = with_plan(DEVICE, LAYER_1, extensions=(*layer(LAYER_1), ("2.5.29.35", False, identifier)))
    named = with_plan(identified, LAYER_0, extensions=(*layer(LAYER_0), ("2.5.29.14", False, own)))
    unknown = with_plan(DEVICE, LAYER_1, extensions=(*layer(LAYER_1), ("1.3.6.1.4.1.99999.7", True, b"\x05\x00")))
    bare = with_plan(with_plan(DEVICE, LAYER_0, extensions=()), LAYER_1, extensions=())
    return [
        case("expired-device-id", with_plan(DEVICE, DEVICE_ID, not_after=expired), "dice.validity"),
        case("not-yet-valid-layer", with_plan(DEVICE, LAYER_1, not_before=dice.NEVER), "dice.validity"),
        case("expired-root", with_plan(DEVICE, ROOT, not_after=expired), "dice.validity", root=expired_root(expired)),
        case("layer-is-no-ca", with_plan(DEVICE, LAYER_0, ca=False), "dice.basic-constraints"),
        case("path-length-exceeded", with_plan(DEVICE, DEVICE_ID, path_length=0), "dice.path-length"),
        case("layer-may-not-sign-certificates", with_plan(DEVICE, LAYER_0, usage=frozenset({0})), "dice.key-usage"),
        case("leaf-may-not-sign", with_plan(DEVICE, LAYER_1, usage=frozenset({4})), "dice.key-usage"),
        case("leaf-has-cert-sign-and-is-no-ca", with_plan(DEVICE, LAYER_1, usage=frozenset({0, 5})), "dice.key-usage"),
        case("critical-extension-unknown", unknown, "dice.critical"),
        case("authority-key-identifier-of-another-key", named, "dice.key-identifiers"),
        case("riot-names-another-device-id", riot(OTHER_CA), "dice.device-id", root=riot(CA)),
        case("nothing-measured", bare, "dice.measured", "an ordinary certificate chain"),
    ]


def expired_root(until: datetime) -> DiceDevice:
    return with_plan(DEVICE, ROOT, not_after=until)


def layer(place: int) -> tuple[dice.Extension, ...]:
    return DEVICE.plans[place].extensions


def chain_cases() -> list[Case]:
    leaf, middle, top = DEVICE.chain()
    other = dice.tcg_device("acme", ca_key=CA, secret=b"\x0a" * 32, firmware=[BOOT, APP])

    def over(*chain: bytes, key: DeviceKey = DEVICE.leaf_key) -> bytes:
        return dice.make_dice_evidence(key, chain, NONCE)

    return [
        sent("layer-missing", over(leaf, top), "dice.chain"),
        sent(
            "root-first",
            over(top, middle, leaf),
            "dice.possession dice.key-usage dice.measured",
            "the order of CDI chains, in x5chain",
        ),
        sent("device-id-missing", over(leaf, middle), "dice.chain"),
        sent("leaf-of-another-device", over(other.chain()[0], middle, top, key=other.leaf_key), "dice.signature"),
        sent("self-made-root", chain_signed_by_another_key(), "dice.signature", "another root of the same name"),
        sent("leaf-alone-trusted", over(leaf), "dice.chain", "no authority above its own key", root=leaf_root()),
        sent("leaf-signed-by-itself", over(itself()), "dice.chain", "its own words of its firmware", root=leaf_root()),
        sent("cdi-leaf-signed-by-itself", cdi_itself(), "dice.chain", "the same in CBOR", root=key_pem(CDI_1)),
        sent("signed-by-the-layer-below", over(leaf, middle, top, key=DEVICE.plans[LAYER_0].key), "dice.possession"),
        sent("chain-of-another-device", over(*other.chain()), "dice.possession", "a chain that anyone may have seen"),
    ]


def itself() -> bytes:
    plan = DEVICE.plans[LAYER_1]
    return dice.certificate(plan, plan).public_bytes(Encoding.DER)


def cdi_itself() -> bytes:
    measured = {"n4670545": HASHED, "n4670547": HASHED, "n4670549": HASHED, "n4670551": b"\x01"}
    own = dice.cdi_certificate("cdi 1", CDI_1, "cdi 1", CDI_1, **measured)
    return dice.make_cdi_evidence(CDI_1, [own], NONCE)


def leaf_root() -> bytes:
    return key_pem(DEVICE.leaf_key)


def envelope_cases() -> list[Case]:
    chain = list(DEVICE.chain())
    late = dice.make_dice_evidence(DEVICE.leaf_key, chain, bytes([9] * 32))
    both = cose_sign1(DEVICE.leaf_key, NONCE, protected={33: chain, "dice-chain": [uds()]})
    unprotected = cose_sign1(DEVICE.leaf_key, NONCE, unprotected={33: chain})
    short = Case(
        name="dice/nonce-16-bytes",
        evidence=dice.make_dice_evidence(DEVICE.leaf_key, chain, NONCE[:16]),
        root=pem(DEVICE),
        failed=("dice.nonce",),
        nonce=NONCE[:16],
    )
    return [
        sent("nonce-of-another-challenge", late, "dice.nonce", "a replay"),
        short,
        sent("two-chains", both, "dice.certificate"),
        sent("chain-unprotected", unprotected, "dice.certificate", "nothing signed says which chain"),
    ]


def malformed_cases() -> list[Case]:
    info = dice.tcb_info(digests=[bytes(32)], layer=1)
    short = der.sequence(der.context(6, der.sequence(der.oid(dice.SHA256), der.octet_string(bytes(31)))))
    twice = der.sequence(der.context_primitive(0, b"a"), der.context_primitive(0, b"b"))
    disorder = der.sequence(der.context_primitive(1, b"a"), der.context_primitive(0, b"b"))
    repeated = with_plan(DEVICE, LAYER_1, extensions=layer(LAYER_1))
    return [
        case("tcb-info-truncated", said(DEVICE, LAYER_1, info[:-1]), "dice.extension"),
        case("tcb-info-trailing", said(DEVICE, LAYER_1, info + b"\x05\x00"), "dice.extension"),
        case("tcb-info-indefinite", said(DEVICE, LAYER_1, b"\x30\x80\x80\x01a\x00\x00"), "dice.extension"),
        case("fwid-31-bytes", said(DEVICE, LAYER_1, short), "dice.extension"),
        case("field-twice", said(DEVICE, LAYER_1, twice), "dice.extension"),
        case("fields-out-of-order", said(DEVICE, LAYER_1, disorder), "dice.extension"),
        case("svn-negative", said(DEVICE, LAYER_1, dice.tcb_info(svn=-1)), "dice.extension"),
        case("svn-beyond-a-fact", said(DEVICE, LAYER_1, dice.tcb_info(svn=2**53)), "dice.extension"),
        case("vendor-with-newline", said(DEVICE, LAYER_1, dice.tcb_info(vendor="a\nb")), "dice.extension"),
        case("field-unknown", said(DEVICE, LAYER_1, der.sequence(der.context_primitive(15, b"a"))), "dice.extension"),
        case("open-dice-mode-4", open_dice(4), "dice.extension", root=open_dice(1)),
        sent("certificate-with-trailing-byte", trailing(repeated), "dice.certificate"),
    ]


def trailing(device: DiceDevice) -> bytes:
    leaf, *above = device.chain()
    return dice.make_dice_evidence(device.leaf_key, [leaf + b"\x00", *above], NONCE)


def cdi_cases() -> list[Case]:
    root = key_pem(UDS)
    return [
        sent("cdi-issuer-of-another-name", cdi(issuer="cdi 7"), "dice.chain", root=root),
        sent("cdi-signed-by-another-key", cdi(signer=UDS), "dice.signature", root=root),
        sent("cdi-root-unknown", cdi(), "dice.signature", root=key_pem(CA)),
        sent("cdi-may-not-certify", cdi(usage=b"\x01"), "dice.key-usage", root=root),
        sent("cdi-mode-unknown", cdi(mode=b"\x09"), "dice.certificate", root=root),
        sent("cdi-leaf-first", reversed_cdi(), "dice.possession dice.chain dice.signature", root=root),
        sent("cdi-key-uses-no-list", cdi_with_key({1: 1, 4: 2, -1: 6, -2: bytes(32)}), "dice.certificate", root=root),
        sent("cdi-key-type-true", cdi_with_key({1: True, -1: 6, -2: bytes(32)}), "dice.certificate", root=root),
        sent("cdi-text-certificate", text_cdi(), "dice.certificate", root=root),
    ]


def cdi_with_key(cose_key: dict[int, object]) -> bytes:
    """Return evidence whose one certificate is for this COSE_Key."""
    certificate = dice.cdi_certificate("uds", UDS, "cdi 0", CDI_0, n4670545=HASHED, n4670552=cbor2.dumps(cose_key))
    return dice.make_cdi_evidence(CDI_0, [certificate], NONCE)


def chain_of(evidence: bytes) -> Sequence[bytes]:
    chain: Sequence[bytes] = cbor2.loads(cbor2.loads(evidence).value[0])["dice-chain"]
    return chain


def reversed_cdi() -> bytes:
    return dice.make_cdi_evidence(CDI_1, chain_of(cdi())[::-1], NONCE)


def text_cdi() -> bytes:
    return cose_sign1(CDI_1, NONCE, protected={"dice-chain": ["certificate"]})


def cases() -> list[Case]:
    """Return every case, in the order of the index."""
    return [
        *good_cases(),
        *rule_cases(),
        *chain_cases(),
        *envelope_cases(),
        *malformed_cases(),
        *cdi_cases(),
    ]


def files() -> dict[str, bytes]:
    """Return every file of the folder by its path inside it."""
    made: dict[str, bytes] = {}
    for each in cases():
        made[f"{each.name}/evidence.cbor"] = each.evidence
        made[f"{each.name}/root.pem"] = each.root
    made["index.json"] = (json.dumps([entry(each) for each in cases()], indent=1) + "\n").encode()
    return made


def entry(each: Case) -> dict[str, object]:
    return {
        "id": each.name,
        "format": "dice",
        "files": ["evidence.cbor", "root.pem"],
        "key": None,
        "nonce": each.nonce.hex(),
        "at": each.at,
        "expect": "reject" if each.failed else "accept",
        "failed": list(each.failed),
        "reason": each.reason,
    }


if __name__ == "__main__":
    for path, content in files().items():
        target = HERE / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
