"""X.509 certificates of DICE layers, read by our own strict reader (RFC 5280 section 4.1).

Why not `cryptography`: it refuses all extensions of a RIoT certificate because of one odd name in it, and has no place
to say that a critical DICE extension is understood. Everything that decides is read from exact DER here; only public
keys and signatures are `cryptography`'s. Certificates are kept by their bytes, because a device sends the same ones
until its firmware changes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import load_der_public_key

from pki import der
from pki.certificates import MAX_SERIAL_OCTETS
from pki.errors import DerError
from pki.keys import PublicKey
from pki.signatures import BELIEVED_CURVES
from policyengine.attestation.anchors import TrustedKey, is_usual
from policyengine.attestation.dice import layers as dice_layers
from policyengine.attestation.dice.layers import CompositeDeviceId, Layer
from policyengine.attestation.errors import MalformedEvidenceError

MAX_BYTES = 8 * 1024  # the largest published DICE certificate, with ten descriptors, has 4 KiB
MAX_EXTENSIONS = 32
KEPT = 4096  # certificates; the chains of a thousand devices, at 5 KiB each as published and some 30 KiB at worst

KEY_USAGE, SUBJECT_ALTERNATIVE_NAME, BASIC_CONSTRAINTS = "2.5.29.15", "2.5.29.17", "2.5.29.19"
SUBJECT_KEY_ID, AUTHORITY_KEY_ID = "2.5.29.14", "2.5.29.35"
_CERTIFICATE_POLICIES, _EXTENDED_KEY_USAGE = "2.5.29.32", "2.5.29.37"

# What may be critical: processed here, or of no consequence, as any policy, purpose and alternative name will do.
UNDERSTOOD = frozenset(
    {
        KEY_USAGE,
        BASIC_CONSTRAINTS,
        SUBJECT_ALTERNATIVE_NAME,
        SUBJECT_KEY_ID,
        AUTHORITY_KEY_ID,
        _CERTIFICATE_POLICIES,
        _EXTENDED_KEY_USAGE,
        dice_layers.TCB_INFO,
        dice_layers.MULTI_TCB_INFO,
        dice_layers.UEID,
        dice_layers.OPEN_DICE,
    }
)
DIGITAL_SIGNATURE, KEY_CERT_SIGN = 0, 5  # bits of KeyUsage (RFC 5280 section 4.2.1.3)


@dataclass(frozen=True, slots=True, kw_only=True)
class DiceExtensions:
    """What a certificate's extensions say; `key_usage` is None where it is not stated. `conveyed` is by OID, unread.

    `not_understood` are the critical ones that are not processed here (RFC 5280 section 4.2).
    """

    not_understood: tuple[str, ...]
    ca: bool
    path_length: int | None
    key_usage: frozenset[int] | None
    subject_key_id: bytes | None
    authority_key_id: bytes | None
    layers: tuple[Layer, ...]
    open_dice: bool
    composite: CompositeDeviceId | None
    ueid: bytes | None
    conveyed: Mapping[str, bytes]


class DiceCertificate(NamedTuple):
    """One certificate, nothing of it believed. Names are exact encodings. Kept by its bytes."""

    encoded: bytes
    tbs: bytes
    algorithm: str
    signature: bytes
    issuer: bytes
    subject: bytes
    not_before: datetime
    not_after: datetime
    spki: bytes
    extensions: DiceExtensions


@lru_cache(maxsize=KEPT)
def read_certificate(encoded: bytes) -> DiceCertificate:
    """Return the certificate in `encoded`; raises MalformedEvidenceError `dice.certificate` or `dice.extension`."""
    if len(encoded) > MAX_BYTES:
        raise MalformedEvidenceError("dice.certificate", f"a certificate is larger than {MAX_BYTES} bytes")
    try:
        outer = _outer(encoded)
        fields = _fields(encoded, *outer[0])
        algorithm, signature = _signature(encoded, fields[2], *outer[1:])
        issuer, validity, subject, spki = [encoded[begin:end] for begin, _, end in fields[3:7]]
        not_before, not_after = _validity(validity)
    except DerError as cause:
        raise MalformedEvidenceError("dice.certificate", f"in a certificate, {cause.message}") from cause
    tbs_begins, _, tbs_ends = outer[0]
    try:
        extensions = _read_extensions(encoded[fields[6][2] : tbs_ends])
    except DerError as cause:
        raise MalformedEvidenceError("dice.extension", f"in an extension, {cause.message}") from cause
    tbs = encoded[tbs_begins:tbs_ends]
    return DiceCertificate(encoded, tbs, algorithm, signature, issuer, subject, not_before, not_after, spki, extensions)


_OUTER_TAGS = bytes((der.SEQUENCE, der.SEQUENCE, der.BIT_STRING))
_FIELD_TAGS = bytes(
    (0xA0, der.INTEGER, *(der.SEQUENCE,) * 5)
)  # version to subjectPublicKeyInfo, the optional ones after
_VERSION_3 = bytes.fromhex("a003020102")


def _outer(encoded: bytes) -> list[der.Span]:
    """Return where the three parts of a certificate are."""
    (_, start, end), *more = der.spans(encoded, 0, len(encoded)) or [(0, 0, 0)]
    parts = der.spans(encoded, start, end)
    if encoded[:1] != _OUTER_TAGS[:1] or more or bytes([encoded[begin] for begin, _, _ in parts]) != _OUTER_TAGS:
        raise DerError("the three parts of a certificate are not there")
    return parts


def _fields(encoded: bytes, _begin: int, start: int, end: int) -> list[der.Span]:
    """Return where the fields of a TBSCertificate with this content are."""
    fields = der.spans(encoded, start, end)
    if bytes([encoded[begin] for begin, _, _ in fields[:7]]) != _FIELD_TAGS or not encoded.startswith(
        _VERSION_3, start
    ):
        raise DerError("it is not of version 3, or its fields are out of order")
    _, start, end = fields[1]
    if not 0 < end - start <= MAX_SERIAL_OCTETS or der.as_integer(encoded[start:end]) <= 0:
        raise DerError("its serial number is not positive and at most 20 octets")
    return fields


def _signature(encoded: bytes, inner: der.Span, outer: der.Span, bits: der.Span) -> tuple[str, bytes]:
    """Return the algorithm, which `inner` and `outer` both name, and the signature in `bits`."""
    algorithm, (_, start, end) = encoded[inner[0] : inner[2]], bits
    if algorithm != encoded[outer[0] : outer[2]]:  # RFC 5280 section 4.1.1.2
        raise DerError("the two signature algorithms differ")
    if not encoded.startswith(b"\x00", start, end):
        raise DerError("its signature is not of whole octets")
    return _algorithm(encoded[inner[1] : inner[2]]), encoded[start + 1 : end]


@lru_cache(maxsize=64)
def _algorithm(content: bytes) -> str:
    parts = der.children(content)
    if not parts or parts[0].tag != der.OBJECT_IDENTIFIER:
        raise DerError("its signature has no algorithm")
    return der.as_oid(parts[0].content)


@lru_cache(maxsize=1024)  # whole batches of devices share theirs
def _validity(encoded: bytes) -> tuple[datetime, datetime]:
    parts = der.children(der.whole(encoded, der.SEQUENCE).content)
    if len(parts) != 2:
        raise DerError("its validity is not two times")
    return der.as_time(parts[0]), der.as_time(parts[1])


@lru_cache(maxsize=KEPT)  # devices of one model with one firmware say the same, unless they name their keys
def _read_extensions(rest: bytes) -> DiceExtensions:
    found = _extensions(rest) if rest else {}
    critical = frozenset(oid for oid, (critical, _) in found.items() if critical)
    return _read({oid: value for oid, (_, value) in found.items()}, critical)


def _extensions(rest: bytes) -> dict[str, tuple[bool, bytes]]:
    """Return (critical, value) by OID of the extensions; unique identifiers, long out of use, are refused."""
    items = der.children(der.whole(der.whole(rest, 0xA3).content, der.SEQUENCE).content)
    if not 1 <= len(items) <= MAX_EXTENSIONS:
        raise DerError(f"there are not 1 to {MAX_EXTENSIONS} extensions")
    found: dict[str, tuple[bool, bytes]] = {}
    for item in items:
        oid, critical, value = _extension(item)
        if oid in found:
            raise DerError(f"extension {oid} is there twice")
        found[oid] = critical, value
    return found


def _extension(item: der.Element) -> tuple[str, bool, bytes]:
    parts = der.children(item.content)
    tags = [part.tag for part in parts]
    critical = tags == [der.OBJECT_IDENTIFIER, der.BOOLEAN, der.OCTET_STRING]
    if not critical and tags != [der.OBJECT_IDENTIFIER, der.OCTET_STRING]:
        raise DerError("an extension is not an identifier, a criticality and a value")
    return der.as_oid(parts[0].content), critical and der.as_boolean(parts[1].content), parts[-1].content


def _read(values: Mapping[str, bytes], critical: frozenset[str]) -> DiceExtensions:
    ca, path_length = _basic_constraints(values.get(BASIC_CONSTRAINTS))
    layers: list[Layer] = []
    composite = None
    if dice_layers.TCB_INFO in values:
        layers.append(dice_layers.read_tcb_info(values[dice_layers.TCB_INFO]))
    if dice_layers.MULTI_TCB_INFO in values:
        layers.extend(dice_layers.read_multi_tcb_info(values[dice_layers.MULTI_TCB_INFO]))
    if dice_layers.OPEN_DICE in values:
        layers.extend(dice_layers.read_open_dice(values[dice_layers.OPEN_DICE]))
    if SUBJECT_ALTERNATIVE_NAME in values:
        composite = dice_layers.read_composite_device_id(values[SUBJECT_ALTERNATIVE_NAME])
    if composite is not None:
        layers.append(composite.layer)
    ueid = values.get(dice_layers.UEID)
    return DiceExtensions(
        not_understood=tuple(sorted(critical - UNDERSTOOD)),
        ca=ca,
        path_length=path_length,
        key_usage=_bits(values.get(KEY_USAGE)),
        subject_key_id=_octets(values.get(SUBJECT_KEY_ID)),
        authority_key_id=_authority(values.get(AUTHORITY_KEY_ID)),
        layers=tuple(layers),
        open_dice=dice_layers.OPEN_DICE in values,
        composite=composite,
        ueid=None if ueid is None else dice_layers.read_ueid(ueid),
        conveyed={
            oid: values[oid] for oid in (dice_layers.UCCS, dice_layers.TCG_CMW, dice_layers.CMW) if oid in values
        },
    )


def _basic_constraints(value: bytes | None) -> tuple[bool, int | None]:
    if value is None:
        return False, None
    parts = list(der.children(der.whole(value, der.SEQUENCE).content))
    ca = bool(parts) and parts[0].tag == der.BOOLEAN and der.as_boolean(parts.pop(0).content)
    if not parts:
        return ca, None
    if len(parts) != 1 or parts[0].tag != der.INTEGER or not ca:
        raise DerError("basic constraints are neither empty nor a CA flag and a path length")
    length = der.as_integer(parts[0].content)
    if length < 0:
        raise DerError("a path length is negative")
    return ca, length


def _bits(value: bytes | None) -> frozenset[int] | None:
    return None if value is None else der.as_bits(der.whole(value, der.BIT_STRING).content)


def _octets(value: bytes | None) -> bytes | None:
    return None if value is None else der.whole(value, der.OCTET_STRING).content


def _authority(value: bytes | None) -> bytes | None:
    if value is None:
        return None
    found = [part.content for part in der.children(der.whole(value, der.SEQUENCE).content) if part.tag == 0x80]
    return found[0] if len(found) == 1 else None


@lru_cache(maxsize=KEPT)
def public_key(spki: bytes) -> PublicKey | None:
    """Return the key in a SubjectPublicKeyInfo, None if it is of no kind that is believed."""
    try:
        key = load_der_public_key(spki)
    except (ValueError, UnsupportedAlgorithm):
        return None
    if is_usual(spki):
        return key  # type: ignore[return-value]  # of P-256, and to ask takes a third of the time to load it
    if isinstance(key, ec.EllipticCurvePublicKey):
        return key if key.curve.name in BELIEVED_CURVES else None
    return key if isinstance(key, ed25519.Ed25519PublicKey | rsa.RSAPublicKey) else None


@lru_cache(maxsize=KEPT)
def signing_key(spki: bytes) -> TrustedKey | None:
    """Return the `public_key` in a SubjectPublicKeyInfo with its names; trusted once its chain is."""
    key = public_key(spki)
    return None if key is None else TrustedKey(key=key, read_from=spki)
