"""What DICE certificates say of firmware: TCG's TcbInfo, Open DICE's input, RIoT's CompositeDeviceID, read strictly.

TCG DICE Attestation Architecture v1.1 section 6; Open Profile for DICE v2.5, "X.509 Extension"; RIoT Core of Microsoft.
All three become `Layer`s: one measured environment each. What a certificate leaves out stays None.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from pki import der
from pki.errors import DerError
from policyengine.model.canonical import MAX_INTEGER

MAX_MEASURED = 32  # environments that one certificate may report; TCG's own examples have two
MAX_FWIDS = 32  # digests of one environment
MAX_DIGESTS = 128  # of one certificate: two for each of a platform's 24 registers and plenty beside; each is kept
MAX_TEXT_OCTETS = 256  # of a vendor, model or version; longer ones are no names

TCB_INFO = "2.23.133.5.4.1"
UEID = "2.23.133.5.4.4"
MULTI_TCB_INFO = "2.23.133.5.4.5"
UCCS = "2.23.133.5.4.6"
TCG_CMW = "2.23.133.5.4.9"
CMW = "1.3.6.1.5.5.7.1.35"  # RFC 9999 section 6
OPEN_DICE = "1.3.6.1.4.1.11129.2.1.24"

# Bits of OperationalFlags (TCG DICE Attestation Architecture section 6.1.1).
NOT_CONFIGURED, NOT_SECURE, RECOVERY, DEBUG = "notConfigured", "notSecure", "recovery", "debug"
_FLAGS: Mapping[int, str] = {
    0: NOT_CONFIGURED,
    1: NOT_SECURE,
    2: RECOVERY,
    3: DEBUG,
    4: "notReplayProtected",
    5: "notIntegrityProtected",
    6: "notRuntimeMeasured",
    7: "notImmutable",
    8: "notTcb",
}
WORRYING = frozenset({NOT_CONFIGURED, NOT_SECURE, RECOVERY, DEBUG})
_HASHES = {  # NIST: OIDs of hash algorithms, with the size of their digests
    "2.16.840.1.101.3.4.2.1": ("sha-256", 32),
    "2.16.840.1.101.3.4.2.2": ("sha-384", 48),
    "2.16.840.1.101.3.4.2.3": ("sha-512", 64),
    "2.16.840.1.101.3.4.2.8": ("sha3-256", 32),
    "2.16.840.1.101.3.4.2.9": ("sha3-384", 48),
    "2.16.840.1.101.3.4.2.10": ("sha3-512", 64),
}
# Open Profile for DICE, "Mode Value Details", in the terms of OperationalFlags.
_MODES: Mapping[int, frozenset[str]] = {
    0: frozenset({NOT_CONFIGURED}),
    1: frozenset(),
    2: frozenset({DEBUG}),
    3: frozenset({RECOVERY}),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fwid:
    """A digest of firmware: the hash's OID, its name where we know one, and the value."""

    oid: str
    algorithm: str | None
    digest: bytes


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Layer:
    """One measured environment. `flags` are those set; `stated` those the certificate speaks of at all.

    Compared by identity: what many devices say in the same bytes is read once, and found again by being the same.
    """

    kind: str
    fwids: tuple[Fwid, ...] = ()
    vendor: str | None = None
    model: str | None = None
    version: str | None = None
    svn: int | None = None
    layer: int | None = None
    index: int | None = None
    type: bytes | None = None
    flags: frozenset[str] = frozenset()
    stated: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class CompositeDeviceId:
    """RIoT: the SubjectPublicKeyInfo of the device identity key, and the digest of the firmware above it."""

    device_id: bytes
    layer: Layer


def read_tcb_info(content: bytes) -> Layer:
    """Return the layer of a DiceTcbInfo; raises DerError."""
    return _tcb_info(der.whole(content, der.SEQUENCE))


def read_multi_tcb_info(content: bytes) -> tuple[Layer, ...]:
    """Return the layers of a DiceTcbInfoSeq (section 6.1.2), in order; raises DerError."""
    parts = der.children(der.whole(content, der.SEQUENCE).content)
    if not 1 <= len(parts) <= MAX_MEASURED:
        raise DerError(f"MultiTcbInfo does not hold 1 to {MAX_MEASURED} TcbInfos")
    layers = tuple(_tcb_info(part) for part in parts)
    _demand_few(sum(len(layer.fwids) for layer in layers))
    return layers


def read_ueid(content: bytes) -> bytes:
    """Return the octets of a TcgUeid (section 6.1.3); raises DerError."""
    parts = der.children(der.whole(content, der.SEQUENCE).content)
    if len(parts) != 1 or parts[0].tag != der.OCTET_STRING or not 1 <= len(parts[0].content) <= 64:
        raise DerError("a UEID is one octet string of 1 to 64 octets")
    return parts[0].content


def _tcb_info(element: der.Element) -> Layer:
    if element.tag != der.SEQUENCE:
        raise DerError("TcbInfo is no sequence")
    fields = {field.tag: field for field in _ascending(der.children(element.content))}
    _refuse_unknown(fields, _TCB_FIELDS, "TcbInfo")
    flags = _flags(fields, 0x87)
    mask = _flags(fields, 0x8A)
    stated = frozenset() if flags is None else frozenset(_FLAGS.values()) if mask is None else mask
    fwids = _fwids(fields[0xA6]) if 0xA6 in fields else ()
    registers = tuple(_registers(fields[0xAB])) if 0xAB in fields else ()
    _demand_few(len(fwids) + len(registers))
    return Layer(
        kind="tcb-info",
        fwids=(*fwids, *registers),
        vendor=_text(fields, 0x80),
        model=_text(fields, 0x81),
        version=_text(fields, 0x82),
        svn=_number(fields, 0x83),
        layer=_number(fields, 0x84),
        index=_number(fields, 0x85),
        type=fields[0x89].content if 0x89 in fields else None,
        flags=(flags or frozenset()) & stated,
        stated=stated,
    )


def _demand_few(digests: int) -> None:
    if digests > MAX_DIGESTS:
        raise DerError(f"there are more than {MAX_DIGESTS} digests")


# IMPLICIT tags of DiceTcbInfo: vendor 0, model 1, version 2, svn 3, layer 4, index 5, fwids 6, flags 7, vendorInfo 8,
# type 9, flagsMask 10, integrityRegisters 11.
_TCB_FIELDS = frozenset({0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0xA6, 0x87, 0x88, 0x89, 0x8A, 0xAB})


def _ascending(fields: tuple[der.Element, ...]) -> tuple[der.Element, ...]:
    numbers = [field.tag & 0x1F for field in fields]
    if numbers != sorted(set(numbers)):
        raise DerError("fields are repeated or out of order")
    return fields


def _refuse_unknown(fields: Mapping[int, der.Element], known: frozenset[int], what: str) -> None:
    if fields.keys() - known:
        raise DerError(f"{what} has a field that no edition of its standard has")


def _text(fields: Mapping[int, der.Element], tag: int) -> str | None:
    if tag not in fields:
        return None
    content = fields[tag].content
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as cause:
        raise DerError("a name is not UTF-8") from cause
    if not 1 <= len(content) <= MAX_TEXT_OCTETS or not text.isprintable():
        raise DerError(f"a name is not 1 to {MAX_TEXT_OCTETS} octets of printable text")
    return text


def _number(fields: Mapping[int, der.Element], tag: int) -> int | None:
    if tag not in fields:
        return None
    number = der.as_integer(fields[tag].content)
    if not 0 <= number <= MAX_INTEGER:
        raise DerError("a number is negative or too large")
    return number


def _flags(fields: Mapping[int, der.Element], tag: int) -> frozenset[str] | None:
    if tag not in fields:
        return None
    return frozenset(_FLAGS[bit] for bit in der.as_bits(fields[tag].content) if bit in _FLAGS)


def _fwids(element: der.Element) -> tuple[Fwid, ...]:
    parts = der.children(element.content)
    if not 1 <= len(parts) <= MAX_FWIDS:
        raise DerError(f"there are not 1 to {MAX_FWIDS} FWIDs")
    return tuple(_fwid(part) for part in parts)


def _fwid(element: der.Element) -> Fwid:
    parts = der.children(element.content)
    if [part.tag for part in parts] != [der.OBJECT_IDENTIFIER, der.OCTET_STRING] or element.tag != der.SEQUENCE:
        raise DerError("an FWID is not a hash algorithm and a digest")
    oid = der.as_oid(parts[0].content)
    algorithm, size = _HASHES.get(oid, (None, len(parts[1].content)))
    if len(parts[1].content) != size or not 1 <= size <= 64:
        raise DerError("a digest is not as long as its algorithm's")
    return Fwid(oid=oid, algorithm=algorithm, digest=parts[1].content)


def _registers(element: der.Element) -> Iterator[Fwid]:
    """Yield the digests of integrity registers (section 6.1.1), which are FWIDs with a name or number each."""
    parts = der.children(element.content)
    if not 1 <= len(parts) <= MAX_FWIDS:
        raise DerError(f"there are not 1 to {MAX_FWIDS} integrity registers")
    for part in parts:
        fields = {field.tag: field for field in _ascending(der.children(part.content))}
        _refuse_unknown(fields, frozenset({0x80, 0x81, 0xA2}), "an integrity register")
        if 0xA2 not in fields or not fields.keys() & {0x80, 0x81}:
            raise DerError("an integrity register has no digests, or neither name nor number")
        yield from _fwids(fields[0xA2])


def read_open_dice(content: bytes) -> tuple[Layer, ...]:
    """Return what an OpenDiceInput measures: code, then configuration, then authority; raises DerError."""
    fields = {field.tag: field for field in _ascending(der.children(der.whole(content, der.SEQUENCE).content))}
    _refuse_unknown(fields, frozenset(range(0xA0, 0xA8)), "OpenDiceInput")
    inner = {tag - 0xA0: _explicit(field, _OPEN_DICE_TYPES[tag - 0xA0]) for tag, field in fields.items()}
    mode = der.as_integer(inner[6]) if 6 in inner else None
    digests = {name: inner.get(number) for name, number in (("code", 0), ("configuration", 2), ("authority", 4))}
    return open_dice_layers(digests, mode, refuse=DerError)


# EXPLICIT fields of OpenDiceInput: hashes and descriptors 0 to 5, mode 6 (ENUMERATED), profile name 7.
_OPEN_DICE_TYPES = {**dict.fromkeys(range(6), der.OCTET_STRING), 6: 0x0A, 7: der.UTF8_STRING}


def _explicit(field: der.Element, tag: int) -> bytes:
    return der.whole(field.content, tag).content


def open_dice_layers(
    digests: Mapping[str, bytes | None], mode: int | None, *, refuse: Callable[[str], Exception]
) -> tuple[Layer, ...]:
    """Return one layer for each digest given, the mode's flags on the first; without any digest, the mode alone.

    Raises what `refuse` makes of a sentence, for an unknown mode or digests of odd sizes.
    """
    if mode is not None and mode not in _MODES:
        raise refuse("mode is none of the four there are")
    flags, stated = (_MODES[mode], WORRYING) if mode is not None else (frozenset(), frozenset())
    found = [(name, digest) for name, digest in digests.items() if digest is not None]
    if any(not 1 <= len(digest) <= 64 for _, digest in found):
        raise refuse("a hash is not of 1 to 64 octets")
    return tuple(Layer(kind=name, fwids=(_unnamed(digest),), flags=flags, stated=stated) for name, digest in found) or (
        Layer(kind="code", flags=flags, stated=stated),
    )


_BY_SIZE = {32: "2.16.840.1.101.3.4.2.1", 48: "2.16.840.1.101.3.4.2.2", 64: "2.16.840.1.101.3.4.2.3"}


def _unnamed(digest: bytes) -> Fwid:
    """Return a hash whose algorithm the profile leaves to its size: SHA-512, or SHA-256 and SHA-384 in shorter ones.

    NOTE: the first profile shortens no SHA-512 but pads SHA-256 with zeros to 64 octets; that is its own value.
    """
    oid = _BY_SIZE.get(len(digest), "")
    return Fwid(oid=oid, algorithm=_HASHES[oid][0] if oid else None, digest=digest)


def read_composite_device_id(san: bytes) -> CompositeDeviceId | None:
    """Return the CompositeDeviceID in a subjectAltName, None if there is none; raises DerError.

    NOTE: RIoT writes the otherName's value without the EXPLICIT tag of RFC 5280 section 4.2.1.6; both are read.
    """
    for name in der.children(der.whole(san, der.SEQUENCE).content):
        if name.tag != 0xA0:
            continue
        parts = der.children(name.content)
        if len(parts) != 2 or parts[0].tag != der.OBJECT_IDENTIFIER:
            raise DerError("an otherName is not a type and a value")
        if der.as_oid(parts[0].content) == TCB_INFO:
            value = parts[1] if parts[1].tag == der.SEQUENCE else der.whole(parts[1].content, der.SEQUENCE)
            return _composite(value)
    return None


def _composite(element: der.Element) -> CompositeDeviceId:
    parts = der.children(element.content)
    if [part.tag for part in parts] != [der.INTEGER, der.SEQUENCE, der.SEQUENCE]:
        raise DerError("a CompositeDeviceID is not a version, a key and an FWID")
    if der.as_integer(parts[0].content) != 1:
        raise DerError("a CompositeDeviceID is not of version 1")
    return CompositeDeviceId(device_id=parts[1].encoded, layer=Layer(kind="riot", fwids=(_fwid(parts[2]),)))
