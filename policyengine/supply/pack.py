"""Packs of feeds: what is known of vulnerabilities, gathered where there is a network, in one signed file.

    policyengine-feeds-v1 PUBLISHER SIGNATURE \\n gzip(canonical JSON)

The signature (Ed25519, base64) covers CONTEXT, the publisher's name, a newline and the gzip bytes as they stand, so
nothing is unpacked or parsed before it is known whose it is.
"""

from __future__ import annotations

import base64
import binascii
import gzip
import re
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from policyengine.errors import quoted
from policyengine.model.canonical import canonical
from policyengine.model.strict_json import InvalidJsonError, read_json
from policyengine.model.times import InvalidTimeError, format_timestamp, parse_timestamp
from policyengine.supply.advisories import Advisory, Affected, Range
from policyengine.supply.errors import SupplyError
from policyengine.supply.reading import Members

MAX_PACK_BYTES = 24 * 1024 * 1024  # the advisories of npm, PyPI and Debian together compress to about half of it
MAX_UNPACKED_BYTES = 192 * 1024 * 1024  # read at once, and some four times as large in memory
MAX_ADVISORIES = 250_000
MAX_AFFECTED = 4096  # packages and branches of one advisory; a few of a whole distribution have hundreds
MAX_VERSIONS = 16_384  # listed for one package
MAX_NAMES = 64
MAX_EXPLOITED = 65_536  # CISA's list has some 1,500
MAX_SCORES = 1_000_000  # every CVE so far, three times
FEEDS = ("osv", "kev", "epss")
CONTEXT = b"policyengine feeds v1\n"

_HEAD = re.compile(rb"policyengine-feeds-v1 ([a-z0-9][a-z0-9-]{0,62}) ([A-Za-z0-9+/=]{88})\n")
_READ = Members("feeds")


@dataclass(frozen=True, slots=True, kw_only=True)
class Feed:
    """One feed of a pack: when its source was like that, and its part of the pack as parsed JSON."""

    name: str
    observed_at: datetime
    content: Mapping[str, Any]


def signed_pack(content: bytes, publisher: str, sign: Callable[[bytes], bytes]) -> bytes:
    """Return the file of `content` (of `pack_content`), signed with an Ed25519 key of `publisher`."""
    packed = gzip.compress(content, mtime=0)
    signature = base64.b64encode(sign(_signed(publisher.encode(), packed)))
    return b"policyengine-feeds-v1 %b %b\n%b" % (publisher.encode(), signature, packed)


def pack_content(feeds: Mapping[str, tuple[datetime, Mapping[str, Any]]]) -> bytes:
    """Return the canonical JSON of feeds, each by its name: since when it was like that, and what it says."""
    return canonical(
        {
            "format": "policyengine/feeds/v1",
            "feeds": {
                name: {"observed_at": format_timestamp(at), "content": dict(said)} for name, (at, said) in feeds.items()
            },
        }
    )


def _signed(publisher: bytes, packed: bytes) -> bytes:
    return CONTEXT + publisher + b"\n" + packed


def read_pack(file: bytes, publishers: Mapping[str, Ed25519PublicKey]) -> tuple[str, tuple[Feed, ...]]:
    """Return who published a pack, and its feeds.

    Raises SupplyError: `feeds.too-large`, `feeds.form`, `feeds.publisher` (nobody here knows it), `feeds.signature`,
    `feeds.unpacked` (no gzip, or too large unpacked), `feeds.json`, `feeds.shape`, `feeds.time`, `feeds.too-many`.
    """
    if len(file) > MAX_PACK_BYTES:
        raise SupplyError(f"the pack has more than {MAX_PACK_BYTES} bytes", code="feeds.too-large")
    head = _HEAD.match(file)
    if head is None:
        raise SupplyError("no pack of feeds", code="feeds.form")
    publisher, packed = head[1].decode(), file[head.end() :]
    key = publishers.get(publisher)
    if key is None:
        message = f"no publisher {quoted(publisher)} is named in POLICYENGINE_FEEDS_FILE"
        raise SupplyError(message, code="feeds.publisher")
    try:
        key.verify(base64.b64decode(head[2], validate=True), _signed(head[1], packed))
    except (InvalidSignature, binascii.Error) as cause:
        raise SupplyError("the signature is not the publisher's", code="feeds.signature") from cause
    return publisher, _feeds(_unpacked(packed))


def _unpacked(packed: bytes) -> bytes:
    unpacker = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)  # 16: gzip alone
    try:
        content = unpacker.decompress(packed, MAX_UNPACKED_BYTES)
    except zlib.error as cause:
        raise SupplyError("the content is no gzip", code="feeds.unpacked") from cause
    if not unpacker.eof or unpacker.unused_data:
        raise SupplyError(f"unpacked it is cut, or larger than {MAX_UNPACKED_BYTES} bytes", code="feeds.unpacked")
    return content


def _feeds(content: bytes) -> tuple[Feed, ...]:
    try:
        document = read_json(content, max_bytes=MAX_UNPACKED_BYTES)
    except InvalidJsonError as cause:
        raise SupplyError(cause.message, code="feeds.json") from cause
    outer = _READ.members(document, "$")
    if outer.get("format") != "policyengine/feeds/v1":
        raise _READ.refused("`policyengine/feeds/v1` is expected", "$.format")
    listed = _READ.members(outer.get("feeds"), "$.feeds")
    unknown = sorted(listed.keys() - set(FEEDS))
    if unknown or not listed:
        raise _READ.refused(f"feeds are some of {', '.join(FEEDS)}", "$.feeds")
    return tuple(_feed(name, listed[name]) for name in FEEDS if name in listed)


def _feed(name: str, given: Any) -> Feed:
    path = f"$.feeds.{name}"
    members = _READ.members(given, path)
    try:
        observed_at = parse_timestamp(_READ.text(members, "observed_at", path))
    except InvalidTimeError as cause:
        raise SupplyError(cause.message, code="feeds.time", path=f"{path}.observed_at") from cause
    content = _READ.members(members.get("content"), f"{path}.content")
    {"osv": advisories_of, "kev": exploited_of, "epss": scores_of}[name](content)
    return Feed(name=name, observed_at=observed_at, content=content)


def exploited_of(content: Mapping[str, Any]) -> frozenset[str]:
    """Return the ids that the feed `kev` lists. Raises SupplyError."""
    path = "$.feeds.kev.content"
    return frozenset(_texts(content, "exploited", path, MAX_EXPLOITED))


def scores_of(content: Mapping[str, Any]) -> Mapping[str, float]:
    """Return the probability of exploitation of each id of the feed `epss`. Raises SupplyError."""
    path = "$.feeds.epss.content.scores"
    scores = _READ.members(content.get("scores"), path)
    if len(scores) > MAX_SCORES:
        raise _READ.refused(f"{len(scores)} items, the limit is {MAX_SCORES}", path, "too-many")
    for name, score in scores.items():
        if isinstance(score, bool) or not isinstance(score, int | float) or not 0 <= score <= 1:
            raise _READ.refused("a number from 0 to 1 is expected", f"{path}[{quoted(name)}]")
    return {name: float(score) for name, score in scores.items()}


def covered_by(content: Mapping[str, Any]) -> frozenset[str]:
    """Return the ecosystems of which the feed `osv` has all that is known. Raises SupplyError."""
    return frozenset(_texts(content, "covers", "$.feeds.osv.content", MAX_NAMES))


def advisories_of(content: Mapping[str, Any]) -> tuple[Advisory, ...]:
    """Return the advisories of the feed `osv`. Raises SupplyError."""
    covered_by(content)
    path = "$.feeds.osv.content"
    listed = _READ.listed(content, "advisories", path, limit=MAX_ADVISORIES)
    return tuple(_advisory(each, f"{path}.advisories[{at}]") for at, each in enumerate(listed))


def advisory_row(advisory: Advisory) -> dict[str, object]:
    """Return the JSON of an advisory; the inverse of what `advisories_of` reads."""
    row: dict[str, object] = {"names": list(advisory.names), "affected": [_affected_row(e) for e in advisory.affected]}
    if advisory.severity is not None:
        row["severity"] = advisory.severity
    if advisory.cvss is not None:
        row["cvss"] = advisory.cvss
    return row


def _affected_row(affected: Affected) -> dict[str, object]:
    row: dict[str, object] = {"package": affected.package}
    if affected.versions:
        row["versions"] = sorted(affected.versions)
    if affected.ranges:
        row["ranges"] = [
            {name: text for name in ("introduced", "fixed", "last") if (text := getattr(each, name)) is not None}
            for each in affected.ranges
        ]
    row |= {name: text for name in ("scheme", "distro") if (text := getattr(affected, name)) is not None}
    return row


SEVERITIES = ("low", "medium", "high", "critical")
_SCHEMES = (None, "semver", "deb", "rpm", "dotted")


def _advisory(given: Any, path: str) -> Advisory:
    members = _READ.members(given, path)
    names, severity, cvss = _texts(members, "names", path, MAX_NAMES), members.get("severity"), members.get("cvss")
    if not names:
        raise _READ.refused("a name is missing", f"{path}.names")
    if severity not in (None, *SEVERITIES):
        raise _READ.refused(f"one of {', '.join(SEVERITIES)} is expected", f"{path}.severity")
    if cvss is not None and (isinstance(cvss, bool) or not isinstance(cvss, int | float) or not 0 <= cvss <= 10):
        raise _READ.refused("a number from 0 to 10 is expected", f"{path}.cvss")
    listed = _READ.listed(members, "affected", path, limit=MAX_AFFECTED)
    return Advisory(
        names=names,
        severity=severity,
        cvss=None if cvss is None else float(cvss),
        affected=tuple(_affected(each, f"{path}.affected[{at}]") for at, each in enumerate(listed)),
    )


def _affected(given: Any, path: str) -> Affected:
    members = _READ.members(given, path)
    scheme = members.get("scheme")
    if scheme not in _SCHEMES:
        raise _READ.refused("no scheme of versions", f"{path}.scheme")
    ranges = _READ.listed(members, "ranges", path, limit=MAX_VERSIONS)
    return Affected(
        package=_READ.text(members, "package", path),
        versions=frozenset(_texts(members, "versions", path, MAX_VERSIONS)),
        ranges=tuple(_range(each, f"{path}.ranges[{at}]") for at, each in enumerate(ranges)),
        scheme=scheme,
        distro=_READ.text_or_none(members, "distro", path),
    )


def _range(given: Any, path: str) -> Range:
    members = _READ.members(given, path)
    return Range(
        introduced=_READ.text(members, "introduced", path),
        fixed=_READ.text_or_none(members, "fixed", path),
        last=_READ.text_or_none(members, "last", path),
    )


def _texts(given: Mapping[str, Any], name: str, path: str, limit: int) -> tuple[str, ...]:
    listed = _READ.listed(given, name, path, limit=limit)
    if not all(isinstance(each, str) for each in listed):
        raise _READ.refused("text is expected", f"{path}.{name}")
    return tuple(listed)
