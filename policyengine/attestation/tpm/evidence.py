"""The parts of a TPM check-in, and the one container they come in (`application/vnd.policyengine.tpm+cbor`).

A map with text keys, through the strict CBOR door; docs/evidence-tpm.md is its specification. Here bytes become
structures or are refused; whether to believe them is for `statement`, `quote`, `ek` and `certify`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

from policyengine.attestation import cbor
from policyengine.attestation.errors import MalformedEvidenceError
from policyengine.attestation.tpm.eventlog import PCRS, EventLog, read_log
from policyengine.attestation.tpm.structures import (
    MAX_CACHED,
    Attest,
    PublicArea,
    Signature,
    read_attest,
    read_public,
    read_signature,
)
from policyengine.errors import quoted

MAX_CHAIN = 8  # as for other chains in evidence: a deeper one is refused, not followed
MAX_BANKS = 4

PcrTuples = tuple[tuple[str, tuple[int, ...], tuple[bytes, ...]], ...]  # bank, numbers, a value of each


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Pcrs:
    """The values of PCRs by bank and number. Equal ones are one value, so that what follows from it is found fast."""

    banks: Mapping[str, Mapping[int, bytes]]


class Statement(NamedTuple):
    """What an attestation key signed: the exact bytes, what they say, and the signature."""

    signed: bytes
    attest: Attest
    signature: Signature


class Certification(NamedTuple):
    """A TPM2_Certify of a key that is to be certified, and that key's public area."""

    statement: Statement
    public: PublicArea


class TpmEvidence(NamedTuple):
    """One check-in of a TPM. `ak` and `pcrs` are None only where evidence of others is read without them."""

    quote: Statement
    ak: PublicArea | None
    pcrs: Pcrs | None
    ek: PublicArea | None = None
    ek_chain: tuple[bytes, ...] = ()
    log: EventLog | None = None
    certification: Certification | None = None
    ak_chain: tuple[bytes, ...] = ()


# The fields of TpmEvidence after the first, in order.
_Beside = tuple[
    PublicArea,
    Pcrs,
    PublicArea | None,
    tuple[bytes, ...],
    EventLog | None,
    Certification | None,
    tuple[bytes, ...],
]

_read = cbor.reader()
_QUOTE = frozenset({"attest", "signature"})
_REQUIRED = _QUOTE | {"ak", "pcrs"}
_ALLOWED = _REQUIRED | {"ek", "ek_chain", "ak_chain", "eventlog", "certify"}
_CERTIFY = frozenset({"attest", "signature", "public"})
_BYTES = frozenset({bytes})


# What nearly every device sends, in the order of docs/evidence-tpm.md: a statement and its signature by a P-256 key,
# new each time, and after them what stays the same until the device starts something else, which is read once.
_FIRST_MAP, _LAST_MAP = 0xA0 + len(_REQUIRED), 0xA0 + len(_ALLOWED)  # RFC 8949 section 3.1: how maps of so many begin
_ATTEST = b"\x66attest\x58"  # with a length of one byte
_SIGNED = 1 + len(_ATTEST) + 1
_SIGNATURE = b"\x69signature\x58\x48"
_SIGNATURE_SIZE = 0x48
_SHORTEST, _LONGEST = _SIGNED, 2560  # two kibibytes with a chain; of a short log as long some 20 KiB are kept


def read_evidence(data: bytes) -> TpmEvidence:
    """Return the parts in a container; raises MalformedEvidenceError `cbor.*`, `tpm.*` or `eventlog.*`."""
    return _usual(data) or _read_whole(data)


def _usual(data: bytes) -> TpmEvidence | None:
    """Return what `_read_whole` would, at a third of its cost, for the usual form; None for all others.

    INVARIANT: only a length stands between what is sliced here, so the other bytes are the map that they would be in
    the whole, without these two keys; `_beside_quote` takes no others either.
    """
    if not _SHORTEST <= len(data) <= _LONGEST or not data.startswith(_ATTEST, 1):
        return None
    end = _SIGNED + data[_SIGNED - 1]
    if not data.startswith(_SIGNATURE, end) or not _FIRST_MAP <= data[0] <= _LAST_MAP:
        return None
    begin = end + len(_SIGNATURE)
    rest = begin + _SIGNATURE_SIZE
    try:
        beside = _beside_quote(data[0] - 2, data[rest:])
    except MalformedEvidenceError:  # read again for the place of the first thing that is wrong
        return None
    return TpmEvidence(statement(data[_SIGNED:end], data[begin:rest]), *beside)


@lru_cache(maxsize=MAX_CACHED)
def _beside_quote(initial: int, pairs: bytes) -> _Beside:
    """Return the other parts of a container, from the map that begins with the byte `initial`."""
    parts = _read(bytes((initial,)) + pairs)
    return _beside(_fields(parts, "the container", required=_REQUIRED - _QUOTE, allowed=_ALLOWED - _QUOTE))


def _read_whole(data: bytes) -> TpmEvidence:
    parts = _fields(_read(data), "the container", required=_REQUIRED, allowed=_ALLOWED)
    quote = statement(_bytes(parts["attest"], "attest"), _bytes(parts["signature"], "signature"))
    return TpmEvidence(quote, *_beside(parts))


def _beside(parts: Mapping[str, Any]) -> _Beside:
    ak, pcrs = read_public(_bytes(parts["ak"], "ak")), _pcrs(parts["pcrs"])
    shown, log, certify = [parts.get(name) for name in ("ek", "eventlog", "certify")]
    ek = None if shown is None else read_public(_bytes(shown, "ek"))
    ek_chain, ak_chain = [_chain(parts, name) if name in parts else () for name in ("ek_chain", "ak_chain")]
    eventlog = None if log is None else read_log(_bytes(log, "eventlog"))
    certification = None if certify is None else _certification(certify)
    return ak, pcrs, ek, ek_chain, eventlog, certification, ak_chain


def statement(signed: bytes, signature: bytes) -> Statement:
    """Return a signed TPMS_ATTEST with its TPMT_SIGNATURE; raises MalformedEvidenceError."""
    return Statement(signed, read_attest(signed), read_signature(signature))


def _certification(value: object) -> Certification:
    parts = _fields(value, "`certify`", required=_CERTIFY, allowed=_CERTIFY)
    found = statement(_bytes(parts["attest"], "certify.attest"), _bytes(parts["signature"], "certify.signature"))
    return Certification(statement=found, public=read_public(_bytes(parts["public"], "certify.public")))


def _fields(value: Any, what: str, *, required: frozenset[str], allowed: frozenset[str]) -> Mapping[str, Any]:
    if type(value) is not dict:
        raise _refused(f"{what} is not a map")
    if not required.issubset(value):
        raise _refused(f"{what} has no `{min(required - value.keys())}`")
    if not allowed.issuperset(value):
        unknown = next(key for key in value if key not in allowed)
        raise _refused(f"{what} has a key {quoted(str(unknown))}, which means nothing")
    return value


def _bytes(value: object, what: str) -> bytes:
    if type(value) is not bytes:
        raise _refused(f"`{what}` is not a byte string")
    return value


def _chain(parts: Mapping[str, Any], name: str) -> tuple[bytes, ...]:
    value = parts[name]
    if not isinstance(value, list) or len(value) > MAX_CHAIN:
        raise _refused(f"`{name}` is not an array of at most {MAX_CHAIN} certificates")
    return tuple(_bytes(each, name) for each in value)


def _pcrs(value: object) -> Pcrs:
    if type(value) is not dict or len(value) > MAX_BANKS:
        raise _refused(f"`pcrs` is not a map of at most {MAX_BANKS} banks")
    shown = []
    for bank, values in value.items():
        if type(values) is not dict or not _BYTES.issuperset(map(type, values.values())):
            raise _refused("a bank in `pcrs` is not a map of PCRs to bytes")
        shown.append((bank, tuple(values), tuple(values.values())))
    return pcrs_of(tuple(shown))


@lru_cache(maxsize=MAX_CACHED)  # a device shows the same until it starts something else
def pcrs_of(shown: PcrTuples) -> Pcrs:
    """Return these values; raises MalformedEvidenceError for banks without a name and for PCRs there are none of."""
    for bank, numbers, _ in shown:
        if type(bank) is not str:
            raise _refused("a bank in `pcrs` is not named by text")
        if any(type(pcr) is not int or not 0 <= pcr < PCRS for pcr in numbers):
            raise _refused(f"a bank in `pcrs` is not a map of 0 to {PCRS - 1}")
    return Pcrs(banks={bank: dict(zip(numbers, values, strict=True)) for bank, numbers, values in shown})


def _refused(reason: str) -> MalformedEvidenceError:
    return MalformedEvidenceError("tpm.container", reason)
