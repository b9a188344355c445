"""A DICE device with real keys: a key and a certificate for each boot layer, and evidence over a challenge.

Also wrongly on purpose: each `LayerPlan` says what its certificate claims, and every extension can be given. Keys of
layers are derived from the device secret and what was measured below, as in hardware: other firmware, another key.
Pure; ECDSA is deterministic. The certificates come from `cryptography`'s builder, not from our own encoder.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import cbor2
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID, ObjectIdentifier

from pki import der
from policyengine.simulation.cose import DeviceKey, cose_sign1

TCB_INFO, UEID, OPEN_DICE = "2.23.133.5.4.1", "2.23.133.5.4.4", "1.3.6.1.4.1.11129.2.1.24"
SUBJECT_ALTERNATIVE_NAME = "2.5.29.17"
SHA256 = "2.16.840.1.101.3.4.2.1"
BORN = datetime(2024, 1, 1, tzinfo=UTC)
NEVER = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
_X5CHAIN, _DICE_CHAIN = 33, "dice-chain"
_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551

Extension = tuple[str, bool, bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerPlan:
    """One certificate: whose it is, what key, what it says. `usage` are the bits of key usage, None for none."""

    name: str
    key: DeviceKey
    ca: bool
    extensions: tuple[Extension, ...] = ()
    path_length: int | None = None
    usage: frozenset[int] | None = field(default=frozenset({5}))
    not_before: datetime = BORN
    not_after: datetime = NEVER


@dataclass(frozen=True, slots=True, kw_only=True)
class DiceDevice:
    """A device: `plans` root first (the first is the vendor's CA), and the key of its last layer."""

    plans: tuple[LayerPlan, ...]

    @property
    def leaf_key(self) -> DeviceKey:
        """The key of the last layer, which signs evidence."""
        return self.plans[-1].key

    @property
    def device_key(self) -> DeviceKey:
        """The key of the first certificate below the vendor's CA."""
        return self.plans[1].key

    def root(self) -> x509.Certificate:
        """Return the vendor's self-signed CA certificate."""
        return certificate(self.plans[0], self.plans[0])

    def chain(self) -> tuple[bytes, ...]:
        """Return the certificates below the CA, leaf first, in DER."""
        links = zip(self.plans[1:], self.plans, strict=False)
        return tuple(certificate(plan, above).public_bytes(Encoding.DER) for plan, above in links)[::-1]


def derived_key(secret: bytes, *measured: bytes) -> ec.EllipticCurvePrivateKey:
    """Return the P-256 key of a layer: a function of the device secret and everything measured below it."""
    for each in measured:
        secret = hmac.digest(secret, each, "sha256")
    wide = hashlib.sha512(b"dice key" + secret).digest()
    return ec.derive_private_key(int.from_bytes(wide, "big") % (_ORDER - 1) + 1, ec.SECP256R1())


def tcg_device(
    vendor: str,
    *,
    ca_key: DeviceKey,
    secret: bytes,
    firmware: Sequence[Mapping[str, object]],
    ueid: bytes | None = None,
) -> DiceDevice:
    """Return a device of `vendor`: DeviceID, then one layer for each of `firmware` (the arguments of `tcb_info`)."""
    named = ((UEID, False, der.sequence(der.octet_string(ueid))),) if ueid else ()
    plans = [
        LayerPlan(name=f"{vendor} root", key=ca_key, ca=True),
        LayerPlan(name=f"{vendor} DeviceID", key=derived_key(secret), ca=True, extensions=named),
    ]
    measured: list[bytes] = []
    for number, info in enumerate(firmware):
        encoded = tcb_info(layer=number, **info)  # type: ignore[arg-type]  # what a test gives is what it encodes
        measured.append(encoded)
        last = number == len(firmware) - 1
        plans.append(
            LayerPlan(
                name=f"{vendor} layer {number}",
                key=derived_key(secret, *measured),
                ca=not last,
                usage=frozenset({0 if last else 5}),
                extensions=((TCB_INFO, True, encoded),),
            )
        )
    return DiceDevice(plans=tuple(plans))


def with_plan(device: DiceDevice, place: int, **changes: object) -> DiceDevice:
    """Return `device` with one plan changed; for tests that break one thing."""
    plans = list(device.plans)
    plans[place] = replace(plans[place], **changes)  # type: ignore[arg-type]  # the caller names fields of LayerPlan
    return DiceDevice(plans=tuple(plans))


def tcb_info(
    *,
    digests: Sequence[bytes] = (),
    flags: frozenset[int] | None = frozenset(),
    layer: int | None = None,
    index: int | None = None,
    svn: int | None = None,
    vendor: str | None = None,
    model: str | None = None,
    version: str | None = None,
) -> bytes:
    """Return a DiceTcbInfo (TCG DICE Attestation Architecture section 6.1.1); `digests` are SHA-256."""
    texts = [(0, vendor), (1, model), (2, version)]
    numbers = [(3, svn), (4, layer), (5, index)]
    parts = [der.context_primitive(tag, text.encode()) for tag, text in texts if text is not None]
    parts += [der.context_primitive(tag, _content(der.integer(value))) for tag, value in numbers if value is not None]
    if digests:
        fwids = [der.sequence(der.oid(SHA256), der.octet_string(digest)) for digest in digests]
        parts.append(der.context(6, b"".join(fwids)))
    if flags is not None:
        parts.append(der.context_primitive(7, _content(der.named_bits(flags))))
    return der.sequence(*parts)


def _content(encoded: bytes) -> bytes:
    return der.read(encoded)[0].content


def open_dice_input(*, code: bytes, authority: bytes, configuration: bytes, mode: int) -> bytes:
    """Return an OpenDiceInput (Open Profile for DICE, X.509 extension)."""
    hashed = [(0, code), (2, configuration), (4, authority)]
    parts = [der.context(tag, der.octet_string(value)) for tag, value in hashed]
    return der.sequence(*parts, der.context(6, der.tlv(0x0A, bytes((mode,)))))


def composite_device_id(device_id: DeviceKey, digest: bytes) -> bytes:
    """Return a subjectAltName with RIoT's CompositeDeviceID, as RIoT encodes it: without the EXPLICIT tag."""
    fwid = der.sequence(der.oid(SHA256), der.octet_string(digest))
    value = der.sequence(der.integer(1), _spki(device_id), fwid)
    return der.sequence(der.context(0, der.oid(TCB_INFO) + value))


def _spki(key: DeviceKey) -> bytes:
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def certificate(plan: LayerPlan, issuer: LayerPlan) -> x509.Certificate:
    """Return the certificate that `issuer` gives `plan`."""
    serial = int.from_bytes(b"\x01" + hashlib.sha256(_spki(plan.key) + plan.name.encode()).digest()[:15], "big")
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(plan.name))
        .issuer_name(_name(issuer.name))
        .public_key(plan.key.public_key())
        .serial_number(serial)
        .not_valid_before(plan.not_before)
        .not_valid_after(plan.not_after)
        .add_extension(x509.BasicConstraints(ca=plan.ca, path_length=plan.path_length), critical=True)
    )
    if plan.usage is not None:
        usage = x509.UnrecognizedExtension(ObjectIdentifier("2.5.29.15"), der.named_bits(plan.usage))
        builder = builder.add_extension(usage, critical=True)
    for oid, critical, value in plan.extensions:
        builder = builder.add_extension(x509.UnrecognizedExtension(ObjectIdentifier(oid), value), critical=critical)
    if isinstance(issuer.key, ed25519.Ed25519PrivateKey):
        return builder.sign(issuer.key, None)
    return builder.sign(issuer.key, hashes.SHA256(), ecdsa_deterministic=True)


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def make_dice_evidence(key: DeviceKey, chain_der: Sequence[bytes], challenge: bytes) -> bytes:
    """Return evidence over `challenge`: COSE_Sign1 by the last layer's key, its X.509 chain, leaf first, inside."""
    x5chain = chain_der[0] if len(chain_der) == 1 else list(chain_der)
    return cose_sign1(key, challenge, protected={_X5CHAIN: x5chain})


def make_cdi_evidence(key: DeviceKey, chain: Sequence[bytes], challenge: bytes) -> bytes:
    """Return evidence over `challenge` with CDI certificates in CBOR, root first."""
    return cose_sign1(key, challenge, protected={_DICE_CHAIN: list(chain)})


def cdi_certificate(
    issuer: str, issuer_key: DeviceKey, subject: str, key: ed25519.Ed25519PrivateKey, **claims: object
) -> bytes:
    """Return a CDI certificate in CBOR for an Ed25519 key; `claims` are `c<number>=value`, negative as `n<number>`."""
    cose_key = cbor2.dumps({1: 1, 3: -8, 4: [2], -1: 6, -2: key.public_key().public_bytes_raw()})
    content: dict[int, object] = {1: issuer, 2: subject, -4670552: cose_key, -4670553: b"\x20"}
    for name, value in claims.items():
        content[int(name[1:]) * (-1 if name[0] == "n" else 1)] = value
    return cose_sign1(issuer_key, cbor2.dumps(content), tag=None)
