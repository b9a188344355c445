"""Lists of ours: what other implementations read in them, numbers, shards, deltas, and who may sign."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise

import pytest
from cryptography import x509

from pki.authority import Authority, issue, issuer_of
from pki.chain import PathReport, examine_path
from pki.crl_encoding import EntryReason, ListPlan, encode_entry, encode_list
from pki.crl_issuing import ListAuthority
from pki.crl_lists import load_crl, revocation_list
from pki.errors import IssuanceError, ProfileError
from pki.publication import SHARDS, Publication, serials_of, shard_of
from pki.software import SoftwareSigner
from pki.tbs import serial_number
from tests.unit.pki.making import KEYS, NOW, entropy, order, world

BASE = "http://pki.example/pki"
WORLD = world()
ISSUER = issuer_of(WORLD.issuing, publish_at=BASE)
LISTS = ListAuthority(issuer=ISSUER, signer=SoftwareSigner(KEYS[1]))


def plan(**changes: object) -> ListPlan:
    whole = {"number": 7, "this_update": NOW, "next_update": NOW + timedelta(days=1)}
    return ListPlan(issuer=ISSUER, **(whole | changes))


def signed(*entries: bytes, **changes: object) -> x509.CertificateRevocationList:
    return load_crl(LISTS.sign_list(plan(**changes), entries, now=NOW))


def entry(serial: int, reason: EntryReason = EntryReason.UNSPECIFIED) -> bytes:
    return encode_entry(serial, since=NOW - timedelta(hours=1), reason=reason)


@pytest.mark.parametrize("reason", list(EntryReason))
def test_another_implementation_reads_each_reason(reason: EntryReason) -> None:
    (found,) = signed(entry(5, reason))
    assert found.serial_number == 5
    assert found.revocation_date_utc == NOW - timedelta(hours=1)
    stated = [each.value.reason.name for each in found.extensions]
    assert stated == ([] if reason is EntryReason.UNSPECIFIED else [reason.name.lower()])


def test_a_list_without_entries_leaves_them_out() -> None:
    """RFC 5280 section 5.1.2.6."""
    assert list(signed()) == []


def test_the_extensions_are_marked_as_the_standard_says() -> None:
    found = signed(url=f"{BASE}/crl/x/00.crl", base=5)
    critical = {each.value.__class__.__name__: each.critical for each in found.extensions}
    assert critical == {
        "AuthorityKeyIdentifier": False,
        "CRLNumber": False,
        "DeltaCRLIndicator": True,
        "IssuingDistributionPoint": True,
    }
    assert revocation_list(found).defect is None


@pytest.mark.parametrize("bad", [{"number": -1}, {"number": 1 << 159}, {"number": 3, "base": 4}])
def test_a_number_outside_its_bounds_is_refused(bad: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="numbers"):
        encode_list(plan(**bad), ())


def test_a_list_that_is_not_current_is_not_signed() -> None:
    with pytest.raises(IssuanceError) as refused:
        LISTS.sign_list(plan(next_update=NOW), (), now=NOW)
    assert refused.value.code == "issue.list-times"


def test_a_list_of_another_issuer_is_not_signed() -> None:
    with pytest.raises(IssuanceError) as refused:
        LISTS.sign_list(ListPlan(**{**_fields(plan()), "issuer": issuer_of(WORLD.root)}), (), now=NOW)
    assert refused.value.code == "issue.other-issuer"


def _fields(of: ListPlan) -> dict[str, object]:
    return {name: getattr(of, name) for name in ("issuer", "number", "this_update", "next_update")}


def test_a_key_of_somebody_else_is_no_list_authority() -> None:
    with pytest.raises(IssuanceError):
        ListAuthority(issuer=ISSUER, signer=SoftwareSigner(KEYS[3]))


def test_shards_divide_all_serials_without_gap() -> None:
    bounds = [serials_of(shard) for shard in range(SHARDS)]
    assert bounds[0][0] == f"{serial_number(bytes(16)):x}"
    assert bounds[-1][1] == f"{serial_number(bytes([255]) * 16):x}"
    assert all(int(before[1], 16) + 1 == int(after[0], 16) for before, after in pairwise(bounds))
    assert all(shard_of(int(first, 16)) == shard_of(int(last, 16)) == at for at, (first, last) in enumerate(bounds))


@pytest.mark.parametrize(
    "base", ["", "ftp://pki.example", "http://pki.example/", "http://pki example", "http://x" * 90]
)
def test_an_address_that_is_none_is_refused(base: str) -> None:
    with pytest.raises(ProfileError):
        Publication(base, "00")


def leaf_of_ours() -> x509.Certificate:
    authority = Authority(issuer=ISSUER, signer=SoftwareSigner(KEYS[1]), registrar=WORLD.ledger.registrar)
    return issue(authority, WORLD.ledger, order(), now=NOW, entropy=entropy("published")).certificate


LEAF = leaf_of_ours()
PUBLICATION = Publication(BASE, ISSUER.key_identifier.hex())
SHARD = shard_of(LEAF.serial_number)


def judged(*lists: x509.CertificateRevocationList) -> str:
    report: PathReport = examine_path(LEAF, intermediates=(), anchors=[WORLD.issuing], at=NOW, crls=list(lists))
    return next((check.seen or "" for check in report.checks if check.result == "fail"), "accepted")


def test_a_certificate_names_its_shard_and_the_responder() -> None:
    points = LEAF.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    assert [name.value for point in points for name in point.full_name or ()] == [PUBLICATION.shard_url(SHARD)]
    access = LEAF.extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
    assert [each.access_location.value for each in access] == [f"{BASE}/ocsp"]


def test_its_shard_covers_it_and_another_shard_does_not() -> None:
    """RFC 5280 section 5.2.5: a shard served in the place of another proves nothing."""
    assert judged(signed(url=PUBLICATION.shard_url(SHARD))) == "accepted"
    assert "no usable CRL" in judged(signed(url=PUBLICATION.shard_url((SHARD + 1) % SHARDS)))


def test_a_revoked_certificate_is_found_in_its_shard_and_a_released_one_is_free() -> None:
    url, serial = PUBLICATION.shard_url(SHARD), LEAF.serial_number
    held = signed(entry(serial, EntryReason.CERTIFICATE_HOLD), url=url)
    assert "on hold" in judged(held)
    released = signed(entry(serial, EntryReason.REMOVE_FROM_CRL), url=url, number=8, base=7)
    assert judged(held, released) == "accepted"
    assert "revoked" in judged(signed(entry(serial, EntryReason.KEY_COMPROMISE), url=url))
