"""Packs of feeds: nothing is read of one before it is known whose it is, and then only what has the right form."""

from __future__ import annotations

import base64
import gzip
import io
import json
import zipfile
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from policyengine.supply import pack, sources
from policyengine.supply.advisories import by_package, matches
from policyengine.supply.errors import SupplyError
from policyengine.supply.inventory import Component, Inventory
from policyengine.supply.pack import advisories_of, covered_by, pack_content, read_pack, signed_pack
from policyengine.supply.sources import epss_feed, kev_feed, osv_feed

KEY = Ed25519PrivateKey.from_private_bytes(b"f" * 32)
THEIRS = Ed25519PrivateKey.from_private_bytes(b"x" * 32)
PUBLISHERS = {"team": KEY.public_key()}
NOW = datetime(2026, 11, 27, tzinfo=UTC)
CONTENT = pack_content({"kev": (NOW, {"exploited": ["CVE-2026-0042"]})})
PACK = signed_pack(CONTENT, "team", KEY.sign)


def refusal(file: bytes) -> str:
    with pytest.raises(SupplyError) as refused:
        read_pack(file, PUBLISHERS)
    return refused.value.code


def test_a_pack_says_whose_it_is_and_of_when() -> None:
    publisher, feeds = read_pack(PACK, PUBLISHERS)
    assert publisher == "team"
    assert [(each.name, each.observed_at) for each in feeds] == [("kev", NOW)]


@pytest.mark.parametrize("at", [30, 60, -1, -20])
def test_a_changed_byte_anywhere_is_refused(at: int) -> None:
    changed = bytearray(PACK)
    changed[at] ^= 1
    assert refusal(bytes(changed)) in {"feeds.signature", "feeds.form"}


def test_a_pack_of_somebody_unknown_is_refused() -> None:
    assert refusal(signed_pack(CONTENT, "stranger", KEY.sign)) == "feeds.publisher"


def test_a_pack_signed_with_another_key_is_refused_before_it_is_unpacked() -> None:
    assert refusal(signed_pack(b"no document at all", "team", THEIRS.sign)) == "feeds.signature"


def test_a_pack_that_grows_beyond_the_limit_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A gzip of zeros is a thousandth of what it unpacks to."""
    monkeypatch.setattr(pack, "MAX_UNPACKED_BYTES", 1000)
    assert refusal(signed_pack(b" " * 1001, "team", KEY.sign)) == "feeds.unpacked"


@pytest.mark.parametrize("extra", [b"x", gzip.compress(b"{}", mtime=0)], ids=["a byte", "a second gzip"])
def test_bytes_behind_the_gzip_are_refused(extra: bytes) -> None:
    packed = gzip.compress(CONTENT, mtime=0) + extra
    signature = KEY.sign(pack.CONTEXT + b"team\n" + packed)
    head = b"policyengine-feeds-v1 team " + base64.b64encode(signature) + b"\n"
    assert refusal(head + packed) == "feeds.unpacked"


@pytest.mark.parametrize(
    ("document", "code"),
    [
        ({}, "feeds.shape"),
        ({"feeds": {}}, "feeds.shape"),
        ({"feeds": {"news": {}}}, "feeds.shape"),
        ({"feeds": {"kev": {"observed_at": "yesterday", "content": {}}}}, "feeds.time"),
        ({"feeds": {"kev": {"observed_at": "2026-11-27T00:00:00Z", "content": {"exploited": [5]}}}}, "feeds.shape"),
        ({"feeds": {"epss": {"observed_at": "2026-11-27T00:00:00Z", "content": {"scores": {"a": 2}}}}}, "feeds.shape"),
        ({"feeds": {"osv": {"observed_at": "2026-11-27T00:00:00Z", "content": {"advisories": [{}]}}}}, "feeds.shape"),
    ],
)
def test_a_signed_pack_of_another_form_is_refused(document: dict[str, object], code: str) -> None:
    content = json.dumps({"format": "policyengine/feeds/v1", **document}).encode()
    assert refusal(signed_pack(content, "team", KEY.sign)) == code


def record(events: list[dict[str, str]], kind: str = "SEMVER", **affected: object) -> bytes:
    ranges = [{"type": kind, "events": events}]
    package = {"ecosystem": "npm", "name": "left", "purl": "pkg:npm/left"}
    return json.dumps(
        {"id": "GHSA-1", "aliases": ["CVE-2026-0001"], "affected": [{"package": package, "ranges": ranges, **affected}]}
    ).encode()


def zipped(*records: bytes, method: int = zipfile.ZIP_STORED) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", method) as archive:
        for at, each in enumerate(records):
            archive.writestr(f"{at}.json", each)
    return held.getvalue()


def affects(content: bytes, purl: str, version: str) -> tuple[bool, bool]:
    """Return whether a component is found to be affected, and whether the answer is whole."""
    said = osv_feed(iter([content]))
    part = Component(ref="a", name="a", version=version, purl=purl)
    inventory = Inventory(format="x", document=None, subject=None, components=(part,), whole=True)
    found = matches(inventory, by_package(advisories_of(said)), covered_by(said))
    return bool(found.found), found.whole


SINCE_1 = [{"introduced": "1.0.0"}, {"fixed": "1.2.0"}, {"introduced": "2.0.0"}, {"last_affected": "2.1.0"}]


@pytest.mark.parametrize(
    ("version", "affected"),
    [
        ("0.9.0", False),
        ("1.0.0", True),
        ("1.1.9", True),
        ("1.2.0-rc.1", True),
        ("1.2.0", False),
        ("2.1.0", True),
        ("2.1.1", False),
    ],
)
def test_ranges_end_before_what_is_fixed_and_with_what_is_affected_last(version: str, affected: bool) -> None:
    """OSV schema, affected[].ranges[].events."""
    assert affects(zipped(record(SINCE_1)), f"pkg:npm/left@{version}", version) == (affected, True)


def test_a_version_that_cannot_be_compared_is_no_finding_and_leaves_the_list_open() -> None:
    assert affects(zipped(record(SINCE_1)), "pkg:npm/left@latest", "latest") == (False, False)


def test_a_listed_version_is_affected_whatever_its_order() -> None:
    content = zipped(record([], versions=["latest"]))
    assert affects(content, "pkg:npm/left@latest", "latest") == (True, True)


def test_another_package_of_a_covered_ecosystem_has_no_vulnerability() -> None:
    assert affects(zipped(record(SINCE_1)), "pkg:npm/right@1.0.0", "1.0.0") == (False, True)


def test_a_single_record_does_not_cover_its_ecosystem() -> None:
    assert affects(record(SINCE_1), "pkg:npm/right@1.0.0", "1.0.0") == (False, False)


def test_advisories_of_one_debian_release_are_not_for_another() -> None:
    affected = {"package": {"ecosystem": "Debian:12", "name": "bash"}, "ranges": [], "versions": ["5.2-1"]}
    content = zipped(json.dumps({"id": "DSA-1", "affected": [affected]}).encode())
    assert affects(content, "pkg:deb/debian/bash@5.2-1?distro=debian-12", "5.2-1") == (True, True)
    assert affects(content, "pkg:deb/debian/bash@5.2-1?distro=debian-11", "5.2-1") == (False, True)


def test_a_withdrawn_record_says_nothing() -> None:
    assert osv_feed(iter([b'{"id": "GHSA-2", "withdrawn": "2026-01-01T00:00:00Z"}']))["advisories"] == []


def test_the_newest_readable_rating_counts() -> None:
    rated = json.loads(record(SINCE_1))
    rated["severity"] = [
        {"type": "CVSS_V2", "score": "AV:N/AC:L/Au:N/C:C/I:C/A:C"},
        {"type": "CVSS_V3", "score": "nonsense"},
    ]
    advisory = advisories_of(osv_feed(iter([json.dumps(rated).encode()])))[0]
    assert (advisory.cvss, advisory.severity, advisory.names) == (10.0, "critical", ("CVE-2026-0001", "GHSA-1"))


def test_a_record_that_is_too_large_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "MAX_RECORD", 100)
    with pytest.raises(SupplyError) as refused:
        osv_feed(iter([zipped(record(SINCE_1))]))
    assert refused.value.code == "feeds.source"


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_zip_with_a_flipped_byte_is_read_or_refused_and_nothing_else(method: int) -> None:
    """Among them: encrypted, unknown methods, broken streams, ends that are missing."""
    whole = zipped(record(SINCE_1), method=method)
    refused = 0
    for at in range(len(whole)):
        for flip in (0x01, 0x80, 0xFF):
            damaged = whole[:at] + bytes([whole[at] ^ flip]) + whole[at + 1 :]
            try:
                osv_feed(iter([damaged]))
            except SupplyError as refusal:
                assert refusal.code == "feeds.source"
                refused += 1
    assert refused > len(whole)


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_zip_whose_entry_ends_early_is_refused(method: int) -> None:
    whole = zipped(record(SINCE_1), method=method)
    start = 30 + len("0.json")
    with pytest.raises(SupplyError) as refused:
        osv_feed(iter([whole[:start] + bytes(len(whole) - start - 98) + whole[-98:]]))
    assert refused.value.code == "feeds.source"


def test_scores_with_a_flipped_byte_are_read_or_refused_and_nothing_else() -> None:
    whole = gzip.compress(b"#model_version:v1,score_date:2026-11-26T00:00:00+0000\ncve,epss,percentile\n", mtime=0)
    refused = 0
    for at in range(len(whole)):
        try:
            epss_feed(whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :], names=None)
        except SupplyError as refusal:
            assert refusal.code == "feeds.source"
            refused += 1
    assert refused > len(whole) / 2


def test_an_encrypted_entry_is_named() -> None:
    whole = bytearray(zipped(record(SINCE_1)))
    directory = whole.index(b"PK\x01\x02")
    whole[6] |= 1
    whole[directory + 8] |= 1
    with pytest.raises(SupplyError, match="encrypted") as refused:
        osv_feed(iter([bytes(whole)]))
    assert refused.value.path == "`0.json`"


def test_kev_is_of_the_day_it_was_released() -> None:
    content = b'{"dateReleased": "2026-11-26T15:00:00.0000Z", "vulnerabilities": [{"cveID": "CVE-2026-0042"}]}'
    released, said = kev_feed(content)
    assert (released.day, said) == (26, {"exploited": ["CVE-2026-0042"]})


def test_epss_is_of_the_day_it_was_scored_and_of_the_asked_ids() -> None:
    lines = "#model_version:v2026.03.14,score_date:2026-11-26T00:00:00+0000\ncve,epss,percentile\n"
    content = gzip.compress((lines + "CVE-2026-1,0.25,0.9\nCVE-2026-2,0.5,0.9\n").encode())
    scored, said = epss_feed(content, names=frozenset({"CVE-2026-2"}))
    assert (scored.day, said) == (26, {"scores": {"CVE-2026-2": 0.5}})


@pytest.mark.parametrize(
    "content", [b"", b"\x1f\x8bcut", b"cve,epss\nCVE-1,1", b"#score_date:x\ncve,epss,percentile\n"]
)
def test_what_is_no_epss_is_refused(content: bytes) -> None:
    with pytest.raises(SupplyError) as refused:
        epss_feed(content, names=None)
    assert refused.value.code == "feeds.source"


@pytest.mark.parametrize("content", [b"", b"{}", b'{"dateReleased": "2026-11-26T15:00:00Z", "vulnerabilities": []}'])
def test_what_is_no_kev_is_refused(content: bytes) -> None:
    with pytest.raises(SupplyError):
        kev_feed(content)
