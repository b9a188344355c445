"""What bytes say, for people: evidence of any format, and the structures it is made of. Nothing here is verified.

Verifying goes by media type and nothing else. To look at a file whose type nobody told, `seen_in` goes by structure and
says so: each reader of `STRUCTURES` is asked in turn whether the bytes are its own, and the first that reads all of
them answers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

from pki.errors import PkiError
from policyengine.attestation import media_type as media_types
from policyengine.attestation.anchors import TrustAnchors
from policyengine.attestation.cmw.wrapper import Record, Wrapper, read_cbor_wrapper, read_json_wrapper
from policyengine.attestation.documents import shown
from policyengine.attestation.eat.bundle import CBOR as BUNDLE_CBOR
from policyengine.attestation.eat.bundle import JSON as BUNDLE_JSON
from policyengine.attestation.eat.bundle import Bundle, read_bundle
from policyengine.attestation.errors import MalformedEvidenceError, UnsupportedMediaTypeError
from policyengine.attestation.formats import Verified
from policyengine.attestation.inspection.clauses import ANOTHER, EAT, VOCABULARIES, WRAPPER
from policyengine.attestation.inspection.envelopes import headers_of, signature_of
from policyengine.attestation.inspection.parts import Row, Vocabulary, parts_of
from policyengine.attestation.inspection.structures import STRUCTURES
from policyengine.attestation.registry import Registry
from policyengine.attestation.verifier import verify

BUNDLES = frozenset({BUNDLE_CBOR, BUNDLE_JSON})
UNKNOWN = (
    "it is nothing known: cut short, or written as hex or base64 instead of the bytes themselves? "
    "say by --media-type what it is to read where it breaks"
)
MAX_ROWS = 2000  # an event log of a large machine has hundreds of records


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """What bytes were read as, how that was known, and their parts as (name, clause, value)."""

    read_as: str
    known_by: str
    rows: tuple[Row, ...]


def told(evidence: bytes, media_type: str, *, registry: Registry, now: datetime) -> Inspection:
    """Return what evidence of `media_type` says; raises MalformedEvidenceError, UnsupportedMediaTypeError."""
    return _inspected(evidence, _read(evidence, media_type, registry, now), known_by="the media type given")


def seen_in(content: bytes, *, registry: Registry, now: datetime) -> Inspection:
    """Return what `content` is by its structure; raises MalformedEvidenceError `inspect.unknown`."""
    for structure in STRUCTURES:
        if structure.begins(content):
            try:
                said = structure.read(content)
            except (MalformedEvidenceError, PkiError):
                continue
            rows = parts_of(said, structure.vocabulary)
            return Inspection(read_as=structure.name, known_by="its structure", rows=_bounded(rows))
    found = [each for each in _candidates(content, registry, now) if each.claims]
    if not found:
        wrapper = _wrapper(content)
        if wrapper is not None:
            rows = parts_of({"wrapper": _wrapped(wrapper)}, WRAPPER)
            return Inspection(read_as="CMW", known_by="its structure", rows=_bounded(rows))
        raise MalformedEvidenceError("inspect.unknown", UNKNOWN)
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
    wrapper = _wrapper(evidence) if any(check.id.startswith("cmw.") for check in found.checks) else None
    bundle = _bundle(evidence, found.media_type)
    enveloped = evidence if bundle is None else bundle.main
    rows = (
        *(parts_of({"wrapper": _wrapped(wrapper)}, WRAPPER) if wrapper else ()),
        *headers_of(enveloped),
        *parts_of(found.claims, _vocabulary(found)),
        *signature_of(enveloped),
        *(() if bundle is None else parts_of({"detached": _detached(bundle)}, EAT)),
    )
    return Inspection(read_as=found.media_type, known_by=known_by, rows=_bounded(rows))


def _bundle(evidence: bytes, media_type: str) -> Bundle | None:
    essence = media_types.parse(media_type).essence
    return read_bundle(evidence, essence) if essence in BUNDLES else None


def _detached(bundle: Bundle) -> Mapping[str, object]:
    """Return the claims beside the main token by name; of what are none, how many bytes there are."""
    found: dict[str, object] = {}
    for name, content in bundle.sets.items():
        try:
            found[name] = bundle.claims(name)
        except MalformedEvidenceError:
            found[name] = f"{len(content)} bytes that are no claims"
    return found


def _bounded(rows: Iterable[Row]) -> tuple[Row, ...]:
    """Return at most MAX_ROWS of `rows`; names may be a device's own words, so they are shown as values are."""
    return tuple((shown(name), clause, value) for name, clause, value in islice(rows, MAX_ROWS))


def _vocabulary(found: Verified) -> Vocabulary:
    """Return the vocabulary of the format that judged, which the ids of its own checks name."""
    kinds = (check.id.partition(".")[0] for check in found.checks)
    return next((VOCABULARIES[kind] for kind in kinds if kind in VOCABULARIES), ANOTHER)


def _wrapper(content: bytes) -> Wrapper | None:
    try:
        return (read_json_wrapper if content.lstrip()[:1] in {b"[", b"{"} else read_cbor_wrapper)(content)
    except MalformedEvidenceError:
        return None


def _wrapped(wrapper: Wrapper) -> Mapping[str, object]:
    if isinstance(wrapper, Record):
        said = {} if wrapper.indicator is None else {"indicator": wrapper.indicator}
        return {"type": wrapper.type, **said, "bytes": len(wrapper.value)}
    named = {} if wrapper.type is None else {"collection": wrapper.type}
    return {**named, **{str(label): _wrapped(item) for label, item in wrapper.items.items()}}


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
    (lambda content: content[:3] == b"\xd9\x02\x5a", (BUNDLE_CBOR,)),
    (lambda content: content[:1] in {b"\xd1", b"\xd2", b"\xd8", b"\x84"}, _COSE_TYPES),
    (
        lambda content: content.lstrip()[:1] in {b"[", b"{"},
        ("application/cmw+json", BUNDLE_JSON, "application/eat-ucs+json"),
    ),
    (
        bool,
        ("application/vnd.policyengine.tpm+cbor", "application/cmw+cbor", "application/eat-ucs+cbor"),
    ),
)
