"""What packs are made of, as others publish it: OSV records in zips, CISA's KEV catalogue, FIRST's EPSS scores."""

from __future__ import annotations

import gzip
import io
import lzma
import re
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from cvss import CVSS2, CVSS3, CVSS4
from cvss.exceptions import CVSSError

from policyengine.errors import quoted
from policyengine.model.strict_json import InvalidJsonError, read_json
from policyengine.model.times import InvalidTimeError, parse_timestamp
from policyengine.supply.advisories import Advisory, Affected, Range, ecosystem_of
from policyengine.supply.errors import SupplyError
from policyengine.supply.pack import MAX_ADVISORIES, MAX_SCORES, SEVERITIES, advisory_row
from policyengine.supply.purl import package_of
from policyengine.supply.reading import Members

MAX_RECORD = 4 * 1024 * 1024  # bytes of one OSV record; the largest known have about one million
MAX_SOURCE = 512 * 1024 * 1024  # bytes of a source that is unpacked; EPSS has some 10 MB

_ZIP = b"PK"
_ENCRYPTED = 0x1  # APPNOTE 4.4.4, general purpose bit 0
# What zipfile, gzip and their decompressors raise for bytes that they do not read.
_UNREADABLE = (zipfile.BadZipFile, NotImplementedError, ValueError, OSError, EOFError, zlib.error, lzma.LZMAError)
_READ = Members("feeds")
_CVE = re.compile(r"CVE-\d{4}-\d{4,}", re.ASCII)
_SCORED = re.compile(r"score_date:([0-9T:+-]+)", re.ASCII)
_RATINGS: Mapping[str, Any] = {"CVSS_V4": CVSS4, "CVSS_V3": CVSS3, "CVSS_V2": CVSS2}  # the newest one counts
_SEVERITY_FROM = ((9.0, "critical"), (7.0, "high"), (4.0, "medium"), (0.1, "low"))  # CVSS 3.1 section 5
_WORDS = {"MODERATE": "medium"}
# Where the ecosystem's order of versions is one that is read here (model/version); elsewhere listed versions count.
_SCHEMES = {"deb": "deb", "rpm": "rpm", "npm": "semver", "cargo": "semver", "golang": "semver"}
_TYPES = {  # of package URLs, where a record has none (OSV schema, defined ecosystems)
    "npm": "npm",
    "PyPI": "pypi",
    "crates.io": "cargo",
    "Go": "golang",
    "RubyGems": "gem",
    "NuGet": "nuget",
    "Packagist": "composer",
    "Hex": "hex",
    "Pub": "pub",
    "Debian": "deb/debian",
    "Ubuntu": "deb/ubuntu",
    "Alpine": "apk/alpine",
}


def osv_feed(files: Iterator[bytes], *, covers: frozenset[str] = frozenset()) -> Mapping[str, object]:
    """Return what zips of OSV records, or single records, say. Raises SupplyError (`feeds.source`).

    A zip is taken for all that is known of the ecosystems in it, as OSV publishes it; `covers` names others of which
    this is all. A component of none of them cannot be said to have no vulnerability.
    """
    advisories: list[Advisory] = []
    covered = set(covers)
    for content in files:
        for name, record in _records(content):
            found = _advisory(record, name)
            if found is None:
                continue
            advisories.append(found)
            if content.startswith(_ZIP):
                covered |= {ecosystem_of(each.package) for each in found.affected}
            if len(advisories) > MAX_ADVISORIES:
                raise SupplyError(f"more than {MAX_ADVISORIES} advisories", code="feeds.too-many", path=name)
    rows = sorted((advisory_row(each) for each in advisories), key=lambda row: str(row["names"]))
    return {"covers": sorted(covered), "advisories": rows}


def _records(content: bytes) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if not content.startswith(_ZIP):
        yield "record", _document(content, "record")
        return
    with _opened(content) as archive:
        for entry in archive.infolist():
            if entry.filename.endswith(".json"):
                yield entry.filename, _document(_unpacked(archive, entry), entry.filename)


def _opened(content: bytes) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(io.BytesIO(content))
    except _UNREADABLE as cause:
        raise SupplyError(f"the zip cannot be read: {cause}", code="feeds.source") from cause


def _unpacked(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    """Return an entry, or as much of it as shows that it is too large; raises SupplyError with its name."""
    if entry.flag_bits & _ENCRYPTED:
        raise SupplyError("the entry is encrypted", code="feeds.source", path=quoted(entry.filename))
    try:
        with archive.open(entry) as opened:
            return opened.read(MAX_RECORD + 1)
    except _UNREADABLE as cause:
        message = f"the entry cannot be unpacked: {str(cause) or 'it ends early'}"
        raise SupplyError(message, code="feeds.source", path=quoted(entry.filename)) from cause


def _document(content: bytes, name: str) -> Mapping[str, Any]:
    try:
        return _READ.members(read_json(content, max_bytes=MAX_RECORD), quoted(name))
    except InvalidJsonError as cause:
        raise SupplyError(cause.message, code="feeds.source", path=quoted(name)) from cause


def _advisory(record: Mapping[str, Any], name: str) -> Advisory | None:
    """Return what a record says, None of one that was withdrawn or is of no package."""
    path = quoted(name)
    if record.get("withdrawn"):
        return None
    own = _READ.text(record, "id", path)
    others = [each for each in _READ.listed(record, "aliases", path, limit=1024) if isinstance(each, str)]
    listed = _READ.listed(record, "affected", path, limit=65_536)
    affected = tuple(
        found
        for at, each in enumerate(listed)
        if (found := _affected(_READ.members(each, f"{path}.affected[{at}]"), f"{path}.affected[{at}]")) is not None
    )
    if not affected:
        return None
    names = dict.fromkeys([own, *others])
    cves = sorted(each for each in names if _CVE.fullmatch(each))
    score = _score(record, path)
    return Advisory(
        names=tuple(dict.fromkeys([*cves, *names])),
        severity=_severity(record, score),
        cvss=score,
        affected=affected,
    )


def _score(record: Mapping[str, Any], path: str) -> float | None:
    given = {
        each.get("type"): each.get("score")
        for each in _READ.listed(record, "severity", path, limit=64)
        if isinstance(each, dict)
    }
    for kind, reader in _RATINGS.items():
        vector = given.get(kind)
        if isinstance(vector, str):
            try:
                return float(reader(vector).base_score)
            except CVSSError:
                continue  # a vector that nobody can read is no score; an older one beside it may be
    return None


def _severity(record: Mapping[str, Any], score: float | None) -> str | None:
    own = record.get("database_specific")
    said = str(own.get("severity", "")) if isinstance(own, dict) else ""
    word = _WORDS.get(said.upper(), said.lower())
    if word in SEVERITIES:
        return word
    return None if score is None else next((name for least, name in _SEVERITY_FROM if score >= least), None)


def _affected(given: Mapping[str, Any], path: str) -> Affected | None:
    package = _READ.members(given.get("package", {}), f"{path}.package")
    ecosystem, _, branch = str(package.get("ecosystem", "")).partition(":")
    named = _package(package, ecosystem, path)
    if named is None:
        return None
    kind = named.removeprefix("pkg:").partition("/")[0]
    ranges, schemes = _ranges(given, kind, path)
    return Affected(
        package=named,
        versions=frozenset(str(each) for each in _READ.listed(given, "versions", path, limit=65_536)),
        ranges=ranges,
        scheme=next(iter(schemes)) if len(schemes) == 1 else None,
        distro=branch or None,
    )


def _package(package: Mapping[str, Any], ecosystem: str, path: str) -> str | None:
    purl = package.get("purl")
    if isinstance(purl, str):
        return package_of(purl)
    name = package.get("name")
    if not isinstance(name, str) or ecosystem not in _TYPES:
        return None
    from_name = f"pkg:{_TYPES[ecosystem]}/{name.lstrip('@') if ecosystem != 'npm' else name.replace('@', '%40', 1)}"
    return _READ.text({"purl": from_name}, "purl", path)


def _ranges(given: Mapping[str, Any], kind: str, path: str) -> tuple[tuple[Range, ...], set[str | None]]:
    """Return ranges of versions and the schemes that they are ordered by; those of Git commits are of no version."""
    found: list[Range] = []
    schemes: set[str | None] = set()
    for at, each in enumerate(_READ.listed(given, "ranges", path, limit=4096)):
        place = f"{path}.ranges[{at}]"
        limits = _READ.members(each, place)
        if limits.get("type") not in {"SEMVER", "ECOSYSTEM"}:
            continue
        schemes.add("semver" if limits["type"] == "SEMVER" else _SCHEMES.get(kind))
        found.extend(_events(_READ.listed(limits, "events", place, limit=4096), place))
    return tuple(found), schemes


def _events(events: list[Any], path: str) -> Iterator[Range]:
    """Yield a range for each `introduced`, up to the next `fixed` or `last_affected` (OSV schema, events in order)."""
    since: str | None = None
    for at, event in enumerate(events):
        said = _READ.members(event, f"{path}.events[{at}]")
        if "introduced" in said:
            if since is not None:
                yield Range(introduced=since)
            since = str(said["introduced"])
        elif since is not None and ("fixed" in said or "last_affected" in said):
            fixed, last = said.get("fixed"), said.get("last_affected")
            yield Range(
                introduced=since,
                fixed=None if fixed is None else str(fixed),
                last=None if last is None else str(last),
            )
            since = None
    if since is not None:
        yield Range(introduced=since)


def kev_feed(content: bytes) -> tuple[datetime, Mapping[str, object]]:
    """Return what CISA's catalogue (JSON) says and when it was released. Raises SupplyError (`feeds.source`)."""
    try:
        document = _READ.members(read_json(content), "$")
        released = parse_timestamp(_READ.text(document, "dateReleased", "$"))
    except (InvalidJsonError, InvalidTimeError) as cause:
        raise SupplyError(f"no KEV catalogue: {cause.message}", code="feeds.source") from cause
    listed = _READ.listed(document, "vulnerabilities", "$", limit=65_536)
    if not listed:
        raise SupplyError("the catalogue lists nothing", code="feeds.source", path="$.vulnerabilities")
    ids = [_READ.text(_READ.members(each, "$"), "cveID", f"$.vulnerabilities[{at}]") for at, each in enumerate(listed)]
    return released, {"exploited": sorted(set(ids))}


def epss_feed(content: bytes, *, names: frozenset[str] | None) -> tuple[datetime, Mapping[str, object]]:
    """Return what FIRST's scores (CSV, or its gzip) say of `names` (None: of all), and the day they were made on.

    Raises SupplyError (`feeds.source`).
    """
    lines = iter(_plain(content).decode("utf-8", "replace").splitlines())
    scored = _SCORED.search(next(lines, ""))
    if scored is None or next(lines, "").strip() != "cve,epss,percentile":
        raise SupplyError(
            "no EPSS scores: two head lines with `score_date:` and the columns are expected", code="feeds.source"
        )
    scores: dict[str, float] = {}
    for line in lines:
        name, _, rest = line.partition(",")
        if names is None or name in names:
            scores[name] = _probability(rest.partition(",")[0], name)
        if len(scores) > MAX_SCORES:
            raise SupplyError(f"more than {MAX_SCORES} scores", code="feeds.too-many")
    return _day(scored[1]), {"scores": scores}


def _plain(content: bytes) -> bytes:
    if not content.startswith(b"\x1f\x8b"):
        return content
    try:
        with gzip.open(io.BytesIO(content)) as opened:
            plain = opened.read(MAX_SOURCE + 1)
    except _UNREADABLE as cause:
        raise SupplyError("the gzip cannot be read", code="feeds.source") from cause
    if len(plain) > MAX_SOURCE:
        raise SupplyError(f"unpacked it has more than {MAX_SOURCE} bytes", code="feeds.source")
    return plain


def _day(text: str) -> datetime:
    try:
        return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S%z").astimezone(UTC)
    except ValueError as cause:
        raise SupplyError(f"{quoted(text)} is no day", code="feeds.source") from cause


def _probability(text: str, name: str) -> float:
    try:
        value = float(text)
    except ValueError as cause:
        raise SupplyError(f"{quoted(text)} is no probability", code="feeds.source", path=quoted(name)) from cause
    if not 0 <= value <= 1:
        raise SupplyError(f"{quoted(text)} is no probability", code="feeds.source", path=quoted(name))
    return value
