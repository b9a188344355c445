"""The parts of a TPM check-in, and the one container they come in (`application/vnd.policyengine.tpm+cbor`).

A map with text keys, through the strict CBOR door; docs/evidence-tpm.md is its specification. Here bytes become
structures or are refused; whether to believe them is for `statement`, `quote`, `ek` and `certify`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from policyengine.attestation import cbor
from policyengine.attestation.errors import MalformedEvidenceError
from policyengine.attestation.tpm.eventlog import PCRS, EventLog, read_log
from policyengine.attestation.tpm.structures import (
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

PcrValues = Mapping[str, Mapping[int, bytes]]  # bank -> PCR -> value
PcrTuples = tuple[tuple[str, tuple[tuple[int, bytes], ...]], ...]  # the same, as what can be a key of a cache


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
    pcrs: PcrValues | None
    ek: PublicArea | None = None
    ek_chain: tuple[bytes, ...] = ()
    log: EventLog | None = None
    certification: Certification | None = None

    @property
    def shown(self) -> PcrTuples | None:
        """The values of PCRs as what can be a key of a cache."""
        pcrs = self.pcrs
        return None if pcrs is None else tuple([(bank, tuple(values.items())) for bank, values in pcrs.items()])


_read = cbor.reader()
_REQUIRED = frozenset({"attest", "signature", "ak", "pcrs"})
_OPTIONAL = frozenset({"ek", "ek_chain", "eventlog", "certify"})
_CERTIFY = frozenset({"attest", "signature", "public"})


def read_evidence(data: bytes) -> TpmEvidence:
    """Return the parts in a container; raises MalformedEvidenceError `cbor.*`, `tpm.*` or `eventlog.*`."""
    parts = _fields(_read(data), "the container", required=_REQUIRED, optional=_OPTIONAL)
    ek, log, certify = parts.get("ek"), parts.get("eventlog"), parts.get("certify")
    return TpmEvidence(
        quote=statement(_bytes(parts["attest"], "attest"), _bytes(parts["signature"], "signature")),
        ak=read_public(_bytes(parts["ak"], "ak")),
        pcrs=_pcrs(parts["pcrs"]),
        ek=None if ek is None else read_public(_bytes(ek, "ek")),
        ek_chain=_chain(parts.get("ek_chain", [])),
        log=None if log is None else read_log(_bytes(log, "eventlog")),
        certification=None if certify is None else _certification(certify),
    )


def statement(signed: bytes, signature: bytes) -> Statement:
    """Return a signed TPMS_ATTEST with its TPMT_SIGNATURE; raises MalformedEvidenceError."""
    return Statement(signed=signed, attest=read_attest(signed), signature=read_signature(signature))


def _certification(value: object) -> Certification:
    parts = _fields(value, "`certify`", required=_CERTIFY, optional=frozenset())
    found = statement(_bytes(parts["attest"], "certify.attest"), _bytes(parts["signature"], "certify.signature"))
    return Certification(statement=found, public=read_public(_bytes(parts["public"], "certify.public")))


def _fields(value: Any, what: str, *, required: frozenset[str], optional: frozenset[str]) -> Mapping[str, Any]:
    if type(value) is not dict:
        raise _refused(f"{what} is not a map")
    if not value.keys() >= required:
        raise _refused(f"{what} has no `{min(required - value.keys())}`")
    unknown = value.keys() - required - optional
    if unknown:
        raise _refused(f"{what} has a key {quoted(str(next(iter(unknown))))}, which means nothing")
    return value


def _bytes(value: object, what: str) -> bytes:
    if type(value) is not bytes:
        raise _refused(f"`{what}` is not a byte string")
    return value


def _chain(value: object) -> tuple[bytes, ...]:
    if not isinstance(value, list) or len(value) > MAX_CHAIN:
        raise _refused(f"`ek_chain` is not an array of at most {MAX_CHAIN} certificates")
    return tuple(_bytes(each, "ek_chain") for each in value)


def _pcrs(value: object) -> PcrValues:
    if type(value) is not dict or len(value) > MAX_BANKS:
        raise _refused(f"`pcrs` is not a map of at most {MAX_BANKS} banks")
    return {_bank(name): _values(values) for name, values in value.items()}


def _bank(name: object) -> str:
    if type(name) is not str:
        raise _refused("a bank in `pcrs` is not named by text")
    return name


def _values(values: object) -> Mapping[int, bytes]:
    if type(values) is not dict:
        raise _refused("a bank in `pcrs` is not a map of PCRs")
    for pcr, value in values.items():
        if type(pcr) is not int or not 0 <= pcr < PCRS or type(value) is not bytes:
            raise _refused(f"a bank in `pcrs` is not a map of 0 to {PCRS - 1} to bytes")
    return values


def _refused(reason: str) -> MalformedEvidenceError:
    return MalformedEvidenceError("tpm.container", reason)
