"""What bytes say, for people: evidence of any format, and the structures it is made of. Nothing here is verified.

Verifying goes by media type and nothing else. To look at a file whose type nobody told, `seen_in` goes by structure and
says so: each reader of `_STRUCTURES` is asked in turn whether the bytes are its own, and the first that reads all of
them answers. A new structure adds one row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

from pki.certificates import certificate_facts, load_certificate, split_certificates
from pki.errors import PkiError
from policyengine.attestation.anchors import TrustAnchors
from policyengine.attestation.corim.document import read_corim
from policyengine.attestation.cose import ForeignEnvelope, read_sign1
from policyengine.attestation.documents import annotated, shown
from policyengine.attestation.errors import MalformedEvidenceError, UnsupportedMediaTypeError
from policyengine.attestation.formats import Verified
from policyengine.attestation.registry import Registry
from policyengine.attestation.tpm.claims import attest_claims
from policyengine.attestation.tpm.eventlog import read_log
from policyengine.attestation.tpm.keys import name_of, thumbprint_of
from policyengine.attestation.tpm.structures import ATTRIBUTE_NAMES, read_attest, read_public, read_signature
from policyengine.attestation.verifier import verify

MAX_ROWS = 2000  # an event log of a large machine has hundreds of records

Row = tuple[str, str, str]  # part, clause, value


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """What bytes were read as, how that was known, and their parts as (name, clause, value)."""

    read_as: str
    known_by: str
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Structure:
    """A structure that is recognised by how it begins and by being read to its end."""

    name: str
    clause: str
    begins: Callable[[bytes], bool]
    read: Callable[[bytes], Mapping[str, object]]


def told(evidence: bytes, media_type: str, *, registry: Registry, now: datetime) -> Inspection:
    """Return what evidence of `media_type` says; raises MalformedEvidenceError, UnsupportedMediaTypeError."""
    return _inspected(evidence, _read(evidence, media_type, registry, now), known_by="the media type given")


def seen_in(content: bytes, *, registry: Registry, now: datetime) -> Inspection:
    """Return what `content` is by its structure; raises MalformedEvidenceError `inspect.unknown`."""
    for structure in _STRUCTURES:
        if structure.begins(content):
            try:
                said = structure.read(content)
            except (MalformedEvidenceError, PkiError):
                continue
            rows = _bounded(_flat("", said, structure.clause))
            return Inspection(read_as=structure.name, known_by="its structure", rows=rows)
    found = [each for each in _candidates(content, registry, now) if each.claims]
    if not found:
        raise MalformedEvidenceError("inspect.unknown", "it is nothing known; say what it is by --media-type")
    likeliest = min(found, key=_strangeness)
    return _inspected(content, likeliest, known_by="its structure, as the type that fits it best")


def _strangeness(found: Verified) -> tuple[bool, int]:
    """Return how little `found` is of the type it was read as: another profile or no layer, then by failed checks."""
    another = any(check.endswith(("profile", "format")) for check in found.failed)
    return another or found.claims.get("layers") == [], len(found.failed)


def _candidates(content: bytes, registry: Registry, now: datetime) -> Iterator[Verified]:
    for media_type in next((types for begins, types in _TOKENS if begins(content)), ()):
        try:
            yield _read(content, media_type, registry, now)
        except (MalformedEvidenceError, UnsupportedMediaTypeError):  # not this one, or a wrapper of what nobody reads
            continue


def _read(evidence: bytes, media_type: str, registry: Registry, now: datetime) -> Verified:
    trust = TrustAnchors()
    return verify(
        evidence, media_type=media_type, nonce=b"", anchors=trust, endorsements=None, now=now, registry=registry
    )


def _inspected(evidence: bytes, found: Verified, *, known_by: str) -> Inspection:
    rows = _envelope(evidence, found.claims) or _flat("", found.claims, _clause(found.media_type))
    return Inspection(read_as=found.media_type, known_by=known_by, rows=_bounded(rows))


def _bounded(rows: Iterable[Row]) -> tuple[Row, ...]:
    """Return at most MAX_ROWS of `rows`; names may be a device's own words, so they are shown as values are."""
    return tuple((shown(name), clause, value) for name, clause, value in islice(rows, MAX_ROWS))


def _envelope(evidence: bytes, claims: Mapping[str, object]) -> tuple[Row, ...]:
    try:
        return tuple(annotated(evidence, claims))
    except MalformedEvidenceError:  # another envelope than COSE_Sign1
        return ()


def _flat(path: str, value: object, clause: str) -> Iterator[Row]:
    if isinstance(value, Mapping) and value:
        for key, item in value.items():
            yield from _flat(f"{path}.{key}" if path else str(key), item, clause)
    elif isinstance(value, list | tuple) and any(isinstance(item, Mapping) for item in value):
        for at, item in enumerate(value):
            yield from _flat(f"{path}[{at}]", item, clause)
    else:
        yield path, clause, shown(value)


def _clause(media_type: str) -> str:
    names = (("tpm", "TPM 2.0 Part 2"), ("jwt", "RFC 9711 section 4"), ("cca", "Arm CCA token"), ("ear", "RATS EAR"))
    return next((clause for part, clause in names if part in media_type), "RFC 9334 section 8")


def _attest(content: bytes) -> Mapping[str, object]:
    return attest_claims(read_attest(content))


def _public(content: bytes) -> Mapping[str, object]:
    area = read_public(content)
    return {
        "name": name_of(area),
        "thumbprint": thumbprint_of(area),
        "type": area.type,
        "name_hash": area.name_hash,
        "attributes": ", ".join(name for bit, name in ATTRIBUTE_NAMES.items() if area.attributes & bit),
        "scheme": area.scheme,
        "scheme_hash": area.scheme_hash,
        "size": area.size,
        "unique": list(area.unique),
    }


def _sized_public(content: bytes) -> Mapping[str, object]:
    return _public(content[2:])


def _signature(content: bytes) -> Mapping[str, object]:
    signature = read_signature(content)
    return {"scheme": signature.scheme, "hash": signature.hash, "parts": list(signature.parts)}


def _log(content: bytes) -> Mapping[str, object]:
    log = read_log(content)
    events = [{"pcr": each.pcr, "type": f"{each.type:#010x}", "data": each.data[:64]} for each in log.events]
    return {"banks": list(log.banks), "startup_locality": log.startup_locality, "event": events}


def _certificate(content: bytes) -> Mapping[str, object]:
    found = [certificate_facts(load_certificate(each)) for each in split_certificates(content)]
    return {"certificate": found} if len(found) > 1 else found[0]


def _corim(content: bytes) -> Mapping[str, object]:
    corim = read_corim(content)
    return {"corim": repr(corim.content)}


def _signed_corim(content: bytes) -> Mapping[str, object]:
    message = read_sign1(content)
    if isinstance(message, ForeignEnvelope):
        raise MalformedEvidenceError("inspect.unknown", "no signed CoRIM")
    headers = {str(label): value for label, value in message.headers.items()}
    return {"signed": headers, **_corim(message.payload)}


def _is_signed_corim(content: bytes) -> bool:
    return content[:1] == b"\xd2" and b"\xd9\x01\xf5" in content


def _is_sized(content: bytes) -> bool:
    return len(content) > 4 and int.from_bytes(content[:2], "big") == len(content) - 2


_TPM = "TPM 2.0 Part 2"
_STRUCTURES: tuple[Structure, ...] = (
    Structure(
        name="TPMS_ATTEST",
        clause=f"{_TPM} section 10.12.12",
        begins=lambda content: content[:4] == b"\xffTCG",
        read=_attest,
    ),
    Structure(name="TPM2B_PUBLIC", clause=f"{_TPM} section 12.2.5", begins=_is_sized, read=_sized_public),
    Structure(
        name="TPMT_PUBLIC",
        clause=f"{_TPM} section 12.2.4",
        begins=lambda content: content[:2] in {b"\x00\x01", b"\x00\x23"},
        read=_public,
    ),
    Structure(
        name="TPMT_SIGNATURE",
        clause=f"{_TPM} section 11.3.4",
        begins=lambda content: content[:2] in {b"\x00\x14", b"\x00\x16", b"\x00\x18"},
        read=_signature,
    ),
    Structure(
        name="TCG event log",
        clause="TCG PC Client Platform Firmware Profile section 10.2",
        begins=lambda content: len(content) > 32 and content[4:8] == b"\x03\x00\x00\x00",
        read=_log,
    ),
    Structure(
        name="X.509 certificate",
        clause="RFC 5280 section 4.1",
        begins=lambda content: content[:1] == b"\x30" or b"-----BEGIN CERTIFICATE" in content,
        read=_certificate,
    ),
    Structure(
        name="signed CoRIM",
        clause="draft-ietf-rats-corim section 4.2",
        begins=_is_signed_corim,
        read=_signed_corim,
    ),
    Structure(
        name="unsigned CoRIM",
        clause="draft-ietf-rats-corim section 4.1",
        begins=lambda content: content[:3] == b"\xd9\x01\xf5",
        read=_corim,
    ),
)

_PROFILES = (
    "tag:psacertified.org,2023:psa#tfm",
    "http://arm.com/psa/2.0.0",
    "PSA_IOT_PROFILE_1",
)
_RESULTS = ("tag:ietf.org,2026:rats/ear#03", "tag:github.com,2023:veraison/ear")
_COSE_TYPES = (
    *(f'application/eat+cwt; eat_profile="{profile}"' for profile in (*_PROFILES, *_RESULTS)),
    *("application/eat+cwt", "application/vnd.policyengine.dice+cose", "application/vnd.policyengine.pop+cose"),
)
# By how a token begins: what it may be. All are read, and the one with the fewest failed checks is shown.
_TOKENS: tuple[tuple[Callable[[bytes], bool], tuple[str, ...]], ...] = (
    (
        lambda content: content.startswith(b"eyJ") and content.count(b".") == 2,
        (*(f'application/eat+jwt; eat_profile="{profile}"' for profile in _RESULTS), "application/eat+jwt"),
    ),
    (lambda content: content[:3] == b"\xd9\x01\x8f", ("application/eat-collection",)),
    (lambda content: content[:1] in {b"\xd1", b"\xd2", b"\xd8", b"\x84"}, _COSE_TYPES),
    (lambda content: content.lstrip()[:1] in {b"[", b"{"}, ("application/cmw+json", "application/eat-ucs+json")),
    (
        bool,
        ("application/vnd.policyengine.tpm+cbor", "application/cmw+cbor", "application/eat-ucs+cbor"),
    ),
)
