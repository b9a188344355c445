"""What the store holds of revocation reaches lists and answers at once, on both databases."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp

from pki.authority import issuer_of
from pki.crl_issuing import ListAuthority
from pki.crl_lists import load_crl
from pki.ocsp_response import Refusal
from pki.publication import shard_of
from pki.reservation import Registrar
from pki.revocation import Reason
from policyengine.adapters.authority import StoredAuthority, open_authority
from policyengine.services.actors import SYSTEM
from policyengine.services.certification.revocation import LIST_REFRESH, Published, RevocationLists
from policyengine.services.records import CertificateRecord
from tests.support.site import PASSPHRASE, Site, authority_directory, ready_site
from tests.unit.pki.making import Chain

BASE = "http://pki.example/pki"


@pytest.fixture
def site(database: str) -> Iterator[Site]:
    made = ready_site(database)
    yield made
    made.store.close()


def stored() -> StoredAuthority:
    return open_authority(authority_directory(), passphrase=PASSPHRASE, registrar=Registrar(), publish_at=BASE)


def enrolled(site: Site) -> CertificateRecord:
    device = site.of("healthy")[0]
    asyncio.run(site.enrol(device))
    view = site.store.view(device.planned.device_id)
    assert view is not None and view.certificate is not None
    return view.certificate


def issuer(site: Site) -> str:
    return stored().lists.issuer.key_identifier.hex()


def listed(content: bytes) -> dict[str, str]:
    return {
        f"{entry.serial_number:x}": next((found.value.reason.value for found in entry.extensions), "unspecified")
        for entry in load_crl(content)
    }


def complete(site: Site) -> Published:
    return site.services.lists.complete(issuer(site))


def sharded(site: Site) -> RevocationLists:
    return RevocationLists(site.store, site.clock, stored().lists)


def question(serial: int, *, nonce: bytes | None = None, above: x509.Certificate | None = None) -> bytes:
    root = above or stored().issuing
    name, key = root.subject.public_bytes(), stored().issuing.public_key()
    digest = hashes.Hash(hashes.SHA1())
    digest.update(name)
    bits = x509.SubjectKeyIdentifier.from_public_key(key).digest
    builder = ocsp.OCSPRequestBuilder().add_certificate_by_hash(digest.finalize(), bits, serial, hashes.SHA1())
    if nonce is not None:
        builder = builder.add_extension(x509.OCSPNonce(nonce), critical=False)
    return builder.build().public_bytes(Encoding.DER)


def answered(site: Site, data: bytes) -> ocsp.OCSPResponse:
    answer = site.services.responder.answer(data)
    assert isinstance(answer, Published)
    return ocsp.load_der_ocsp_response(answer.content)


def test_revoked_certificate_is_in_the_next_list_with_its_reason(site: Site) -> None:
    certificate = enrolled(site)
    before = listed(complete(site).content)
    site.services.certificates.revoke(SYSTEM, certificate.serial, reason=Reason.KEY_COMPROMISE)
    assert (before, listed(complete(site).content)) == ({}, {certificate.serial: "keyCompromise"})


def test_hold_and_release_go_through_lists_and_revocation_stays(site: Site) -> None:
    certificate = enrolled(site)
    seen = []
    site.services.certificates.hold(SYSTEM, certificate.serial, reason="odd")
    seen.append(listed(complete(site).content))
    site.services.certificates.release(SYSTEM, certificate.serial, reason="explained")
    seen.append(listed(complete(site).content))
    site.services.certificates.hold(SYSTEM, certificate.serial, reason="odd again")
    site.services.certificates.revoke(SYSTEM, certificate.serial, reason=Reason.SUPERSEDED)
    seen.append(listed(complete(site).content))
    assert seen == [{certificate.serial: "certificateHold"}, {}, {certificate.serial: "superseded"}]


def test_a_shard_holds_its_own_and_a_delta_says_what_was_released(site: Site) -> None:
    certificate = enrolled(site)
    lists, shard = sharded(site), shard_of(int(certificate.serial, 16))
    site.services.certificates.hold(SYSTEM, certificate.serial, reason="odd")
    own, other = lists.shard(issuer(site), shard), lists.shard(issuer(site), (shard + 1) % 64)
    site.services.certificates.release(SYSTEM, certificate.serial, reason="explained")
    delta = lists.delta(issuer(site), shard)
    assert [listed(each.content) for each in (own, other, delta)] == [
        {certificate.serial: "certificateHold"},
        {},
        {certificate.serial: "removeFromCRL"},
    ]


def test_list_numbers_grow_and_an_unchanged_list_is_kept(site: Site) -> None:
    """RFC 5280 section 5.2.3."""

    def number(made: Published) -> int:
        return load_crl(made.content).extensions.get_extension_for_class(x509.CRLNumber).value.crl_number

    certificate = enrolled(site)
    first, same = complete(site), complete(site)
    site.services.certificates.hold(SYSTEM, certificate.serial, reason="odd")
    changed = complete(site)
    site.clock.forward(LIST_REFRESH + timedelta(seconds=1))
    later = complete(site)
    assert first is same
    assert number(first) < number(changed) < number(later)


def test_expired_certificate_leaves_the_list(site: Site) -> None:
    certificate = enrolled(site)
    site.services.certificates.revoke(SYSTEM, certificate.serial, reason=Reason.UNSPECIFIED)
    there = listed(complete(site).content)
    site.clock.forward(certificate.not_after - site.clock.now() + timedelta(days=1))
    assert (there, listed(complete(site).content)) == ({certificate.serial: "unspecified"}, {})


def test_the_answer_follows_the_status_at_once(site: Site) -> None:
    certificate = enrolled(site)
    asked = question(int(certificate.serial, 16))
    states = [answered(site, asked).certificate_status]
    site.services.certificates.hold(SYSTEM, certificate.serial, reason="odd")
    states.append(answered(site, asked).certificate_status)
    site.services.certificates.release(SYSTEM, certificate.serial, reason="explained")
    states.append(answered(site, asked).certificate_status)
    good, revoked = ocsp.OCSPCertStatus.GOOD, ocsp.OCSPCertStatus.REVOKED
    assert states == [good, revoked, good]


def test_an_answer_is_kept_while_nothing_changed_and_made_anew_for_a_nonce(site: Site) -> None:
    serial = int(enrolled(site).serial, 16)
    responder = site.services.responder
    assert responder.answer(question(serial)) is responder.answer(question(serial))
    fresh = answered(site, question(serial, nonce=b"n" * 32))
    assert fresh.extensions.get_extension_for_class(x509.OCSPNonce).value.nonce == b"n" * 32


def test_a_serial_that_was_never_issued_is_unknown(site: Site) -> None:
    assert answered(site, question(7)).certificate_status is ocsp.OCSPCertStatus.UNKNOWN


def test_another_issuer_is_unauthorized_and_nonsense_malformed(site: Site) -> None:
    """RFC 6960 section 2.3."""
    responder = site.services.responder
    theirs = question(7, above=Chain().root())
    assert (responder.answer(theirs), responder.answer(b"\x30\x00")) == (
        Refusal.UNAUTHORIZED,
        Refusal.MALFORMED_REQUEST,
    )


def test_lists_of_an_issuer_with_another_address_are_still_of_that_issuer() -> None:
    authority = stored()
    other = issuer_of(authority.issuing, publish_at="http://elsewhere.example/pki")
    lists = ListAuthority(issuer=other, signer=authority.lists._signer)
    assert replace(lists.issuer, publication=None) == replace(authority.lists.issuer, publication=None)
