"""What a TPM signs and how it writes keys and signatures (TPM 2.0 Library Part 2), read strictly.

`read_attest`, `read_signature` and `read_public` each take one whole structure without a size prefix. They refuse what
is not one; what is one but not wanted (another type, a weak hash) is for the checks to refuse.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from policyengine.attestation.tpm import algorithms
from policyengine.attestation.tpm.reader import MAX_STRUCTURE, TpmReader

GENERATED = 0xFF544347  # Part 2 section 6.2: only the TPM itself begins what it signs so
QUOTE, CERTIFY = 0x8018, 0x8017  # Part 2 section 6.9

MAX_NAME = 2 + 64  # an algorithm and its digest
MAX_EXTRA = 2 + 64  # sizeof(TPMT_HA), what TPM2B_DATA may hold
MAX_BANKS = 16  # TPM_NUM_PCR_BANKS of the reference code
MAX_SELECT = 4  # bytes of a selection: 32 PCRs, more than any TPM has
MAX_RSA = 512  # RSA-4096
MAX_COORDINATE = 66  # P-521
MAX_CACHED = 4096  # public areas kept as read, 2 KiB each: a device shows the same ones at every check-in

_ORIGIN = struct.Struct(">IH")  # magic, type
_STATE = struct.Struct(">QIIBQ")  # TPMS_CLOCK_INFO and the firmware version
_BANK = struct.Struct(">HB")
_OBJECT = struct.Struct(">HHI")  # type, nameAlg, objectAttributes


class Selection(NamedTuple):
    """The PCRs of one bank (TPMS_PCR_SELECTION); `pcrs` are ascending."""

    hash: int
    pcrs: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Quoted:
    """What a quote says (TPMS_QUOTE_INFO): a digest over the values of the selected PCRs.

    Equal bytes give one value, so that what follows from it is found fast.
    """

    selections: tuple[Selection, ...]
    pcr_digest: bytes


class Certified(NamedTuple):
    """What TPM2_Certify says (TPMS_CERTIFY_INFO): an object with this name is loaded in the TPM."""

    name: bytes
    qualified_name: bytes


class Attest(NamedTuple):
    """A TPMS_ATTEST; `body` is None for the types that are neither a quote nor a certification.

    `clock` is in milliseconds. `reset_count`, `restart_count` and `firmware_version` are obfuscated by the TPM unless
    the signing key is in the endorsement or platform hierarchy (Part 2 section 10.12.12).
    """

    magic: int
    type: int
    signer: bytes
    extra: bytes
    clock: int
    reset_count: int
    restart_count: int
    safe: bool
    firmware_version: int
    body: Quoted | Certified | None


class Signature(NamedTuple):
    """A TPMT_SIGNATURE: one part for RSA, r and s for ECDSA, none for schemes that are not believed (`hash` 0)."""

    scheme: int
    hash: int
    parts: tuple[bytes, ...]


def read_attest(data: bytes) -> Attest:
    """Return the TPMS_ATTEST that `data` is (Part 2 section 10.12.12); raises MalformedEvidenceError."""
    usual = _usual_quote(data)
    if usual:
        return usual
    reader = TpmReader(data, name="TPMS_ATTEST")
    magic, kind = reader.numbers(_ORIGIN)
    signer, extra = reader.sized(MAX_NAME), reader.sized(MAX_EXTRA)
    clock, reset_count, restart_count, safe, firmware_version = reader.numbers(_STATE)
    if safe > 1:
        raise reader.refused("tpm.value", f"TPMI_YES_NO is {safe}")
    return Attest(
        magic=magic,
        type=kind,
        signer=signer,
        extra=extra,
        clock=clock,
        reset_count=reset_count,
        restart_count=restart_count,
        safe=safe == 1,
        firmware_version=firmware_version,
        body=_body(reader, kind),
    )


# What nearly every TPM quotes with: a name and a nonce of SHA-256. Magic, type and the size of the name; then the name,
# the nonce after its size, TPMS_CLOCK_INFO and the firmware version.
_USUAL_START = bytes.fromhex("ff54434780180022")
_USUAL_FIELDS = struct.Struct(">8x34sH32sQIIBQ")


def _usual_quote(data: bytes) -> Attest | None:
    """Return what the general way would, at a third of its cost, for the form that nearly all devices send."""
    if not data.startswith(_USUAL_START) or not _USUAL_FIELDS.size <= len(data) <= MAX_STRUCTURE:
        return None
    signer, size, extra, clock, resets, restarts, safe, firmware = _USUAL_FIELDS.unpack_from(data)
    if size != 32 or safe > 1:
        return None
    body = _quoted(data[_USUAL_FIELDS.size :], _USUAL_FIELDS.size)
    return Attest(GENERATED, QUOTE, signer, extra, clock, resets, restarts, safe == 1, firmware, body)


def _body(reader: TpmReader, kind: int) -> Quoted | Certified | None:
    if kind == QUOTE:
        return _quoted(*reader.rest())
    if kind == CERTIFY:
        body = Certified(name=reader.sized(MAX_NAME), qualified_name=reader.sized(MAX_NAME))
        reader.end()
        return body
    return None


@lru_cache(maxsize=MAX_CACHED)  # a device quotes the same until it starts something else
def _quoted(data: bytes, at: int) -> Quoted:
    reader = TpmReader(data, name="TPMS_ATTEST", begins=at)
    body = Quoted(selections=_selections(reader), pcr_digest=reader.sized(64))
    reader.end()
    return body


def _selections(reader: TpmReader) -> tuple[Selection, ...]:
    count = reader.u32()
    if count > MAX_BANKS:
        raise reader.refused("tpm.count", f"a selection of {count} banks, the limit is {MAX_BANKS}")
    return tuple([_selection(reader) for _ in range(count)])


def _selection(reader: TpmReader) -> Selection:
    hash_, size = reader.numbers(_BANK)
    if size > MAX_SELECT:
        raise reader.refused("tpm.count", f"a selection of {size} bytes, the limit is {MAX_SELECT}")
    return Selection(hash=hash_, pcrs=_selected(reader.take(size)))


@lru_cache(maxsize=256)
def _selected(bitmap: bytes) -> tuple[int, ...]:
    """Return the PCRs of a bitmap: bit n of byte m is PCR 8m+n (Part 2 section 10.6.1)."""
    bits = int.from_bytes(bitmap, "little")
    return tuple([pcr for pcr in range(8 * len(bitmap)) if bits >> pcr & 1])


# The usual signature: ECDSA with SHA-256, r and s of 32 bytes each after their sizes.
_ES256_START, _ES256_MIDDLE = bytes.fromhex("0018000b0020"), b"\x00\x20"
_ES256_R = len(_ES256_START)
_ES256_HALF = _ES256_R + 32
_ES256_S = _ES256_HALF + len(_ES256_MIDDLE)
_ES256_SIZE = _ES256_S + 32


def read_signature(data: bytes) -> Signature:
    """Return the TPMT_SIGNATURE that `data` is (Part 2 section 11.3.4); raises MalformedEvidenceError."""
    if len(data) == _ES256_SIZE and data.startswith(_ES256_START) and data.startswith(_ES256_MIDDLE, _ES256_HALF):
        return Signature(algorithms.ECDSA, algorithms.SHA256.id, (data[_ES256_R:_ES256_HALF], data[_ES256_S:]))
    reader = TpmReader(data, name="TPMT_SIGNATURE")
    scheme = reader.u16()
    if scheme in (algorithms.RSASSA, algorithms.RSAPSS):
        found = Signature(scheme=scheme, hash=reader.u16(), parts=(reader.sized(MAX_RSA),))
    elif scheme == algorithms.ECDSA:
        hash_ = reader.u16()
        parts = (reader.sized(MAX_COORDINATE), reader.sized(MAX_COORDINATE))
        found = Signature(scheme=scheme, hash=hash_, parts=parts)
    else:
        return Signature(scheme=scheme, hash=0, parts=())
    reader.end()
    return found


# TPMA_OBJECT (Part 2 section 8.3): the bits that say where a key can be and what it does.
FIXED_TPM, FIXED_PARENT, SENSITIVE_DATA_ORIGIN = 1 << 1, 1 << 4, 1 << 5
RESTRICTED, DECRYPT, SIGN = 1 << 16, 1 << 17, 1 << 18
ATTRIBUTE_NAMES: Mapping[int, str] = {
    FIXED_TPM: "fixedTPM",
    FIXED_PARENT: "fixedParent",
    SENSITIVE_DATA_ORIGIN: "sensitiveDataOrigin",
    RESTRICTED: "restricted",
    DECRYPT: "decrypt",
    SIGN: "sign",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Symmetric:
    """The cipher of a storage key (TPMT_SYM_DEF_OBJECT); all 0 if it has none."""

    algorithm: int
    bits: int
    mode: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PublicArea:
    """A TPMT_PUBLIC of an RSA or ECC key, and the `encoded` bytes its name is made of.

    `scheme` and `scheme_hash` are what the key is bound to, `NULL` and 0 if nothing. `size` is RSA's bits or the id of
    the curve; `exponent` is RSA's, with the default written out; `unique` is the modulus, or x and y.
    """

    encoded: bytes
    type: int
    name_hash: int
    attributes: int
    symmetric: Symmetric
    scheme: int
    scheme_hash: int
    size: int
    exponent: int
    unique: tuple[bytes, ...]


@lru_cache(maxsize=MAX_CACHED)
def read_public(data: bytes) -> PublicArea:
    """Return the TPMT_PUBLIC that `data` is (Part 2 section 12.2.4); raises MalformedEvidenceError."""
    reader = TpmReader(data, name="TPMT_PUBLIC")
    kind, name_hash, attributes = reader.numbers(_OBJECT)
    reader.sized(64)  # authPolicy: who may use the key decides nothing about what it signed
    if kind not in (algorithms.RSA, algorithms.ECC):
        raise reader.refused("tpm.key-type", f"a key of type {kind:#06x} is neither RSA nor ECC")
    symmetric = _symmetric(reader)
    scheme, scheme_hash = _scheme(reader)
    size = reader.u16()
    exponent = (reader.u32() or 65537) if kind == algorithms.RSA else _ecc_kdf(reader)
    if kind == algorithms.RSA:
        unique: tuple[bytes, ...] = (reader.sized(MAX_RSA),)
    else:
        unique = (reader.sized(MAX_COORDINATE), reader.sized(MAX_COORDINATE))
    reader.end()
    return PublicArea(
        encoded=data,
        type=kind,
        name_hash=name_hash,
        attributes=attributes,
        symmetric=symmetric,
        scheme=scheme,
        scheme_hash=scheme_hash,
        size=size,
        exponent=exponent,
        unique=unique,
    )


def _symmetric(reader: TpmReader) -> Symmetric:
    algorithm = reader.u16()
    if algorithm == algorithms.NULL:
        return Symmetric(algorithm=0, bits=0, mode=0)
    return Symmetric(algorithm=algorithm, bits=reader.u16(), mode=reader.u16())


def _scheme(reader: TpmReader) -> tuple[int, int]:
    scheme = reader.u16()
    if scheme in (algorithms.NULL, algorithms.RSAES):
        return scheme, 0
    hash_ = reader.u16()
    if scheme == algorithms.ECDAA:
        reader.u16()  # its counter
    return scheme, hash_


def _ecc_kdf(reader: TpmReader) -> int:
    if reader.u16() != algorithms.NULL:
        reader.u16()  # its hash
    return 0
