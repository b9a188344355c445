"""Certificates of our own services: known from the ceremony's log, revoked by serial number, and told of like all."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp

from pki.crl_lists import load_crl
from pki.publication import shard_of
from pki.reservation import Registrar
from pki.revocation import Reason
from policyengine.adapters.authority import certificate_in, open_authority
from policyengine.adapters.own_services import certified
from policyengine.services.actors import SYSTEM, PersonRole, Principal
from policyengine.services.certification.own_certificates import SHOWN
from policyengine.services.certification.revocation import Published, RevocationLists
from policyengine.services.errors import ConflictError, ForbiddenError, MissingError
from policyengine.services.ports import PageRequest
from policyengine.services.records import CertificateStatus
from tests.support.site import PASSPHRASE, Site, authority_directory, open_site
from tests.unit.pki.making import Chain

TLS, RESULTS, OCSP = "builtin/tls-server", "builtin/result-signer", "builtin/ocsp-signer"


@pytest.fixture(scope="module")
def site(module_database: str) -> Iterator[Site]:
    """A site whose register is filled; tests that only look take the certificate of results, which stays good."""
    made = open_site(module_database)
    made.services.service_certificates.keep(certified(authority_directory()))
    yield made
    made.store.close()


@pytest.fixture(scope="module")
def after(site: Site) -> list[str]:
    """The kinds of the leaves that revoking the TLS server's certificate left."""
    before = len(leaves(site))
    site.services.revocations.revoke(SYSTEM, serial(TLS), reason=Reason.KEY_COMPROMISE)
    return leaves(site)[before:]


def made(profile: str) -> x509.Certificate:
    files = {TLS: "tls.pem", RESULTS: "results.pem", OCSP: "ocsp.pem"}
    return certificate_in(authority_directory() / files[profile])


def serial(profile: str) -> str:
    return f"{made(profile).serial_number:x}"


def answered(site: Site, profile: str) -> ocsp.OCSPResponse:
    issuing = certificate_in(authority_directory() / "issuing.pem")
    asked = ocsp.OCSPRequestBuilder().add_certificate(made(profile), issuing, hashes.SHA1()).build()
    answer = site.services.responder.answer(asked.public_bytes(Encoding.DER))
    assert isinstance(answer, Published)
    return ocsp.load_der_ocsp_response(answer.content)


def leaves(site: Site) -> list[str]:
    return [leaf.kind for leaf in site.store.log_leaves(0, 1000)]


def test_what_a_ceremony_made_is_in_the_register(site: Site) -> None:
    assert {TLS, RESULTS, OCSP} == {each.profile for each in site.services.service_certificates.list(SYSTEM)}


def test_what_the_root_certified_is_not_in_it(site: Site) -> None:
    """The issuing CA's certificate is the root's to revoke: no list of ours speaks of it."""
    issuing = certificate_in(authority_directory() / "issuing.pem")
    assert site.services.service_certificates.find(SYSTEM, f"{issuing.serial_number:x}") is None


def test_each_has_one_leaf_however_often_the_server_starts(site: Site) -> None:
    before = leaves(site)
    assert site.services.service_certificates.keep(certified(authority_directory())) == 0
    assert leaves(site) == before


def test_ocsp_says_good_of_a_service_of_ours(site: Site) -> None:
    """RFC 6960 section 2.2: `unknown` is for what the responder does not know of."""
    assert answered(site, RESULTS).certificate_status is ocsp.OCSPCertStatus.GOOD


def test_ocsp_says_why_one_was_revoked(site: Site, after: list[str]) -> None:
    assert after
    assert answered(site, TLS).revocation_reason is x509.ReasonFlags.key_compromise


def test_a_revoked_one_is_in_its_shard(site: Site, after: list[str]) -> None:
    """RFC 5280 section 5.2.5."""
    assert after
    at = "http://pki.example/pki"
    lists = open_authority(authority_directory(), passphrase=PASSPHRASE, registrar=Registrar(), publish_at=at).lists
    number = made(TLS).serial_number
    shard = RevocationLists(site.store, site.clock, lists).shard(lists.issuer.key_identifier.hex(), shard_of(number))
    entry = load_crl(shard.content).get_revoked_certificate_by_serial_number(number)
    assert entry is not None
    assert entry.extensions.get_extension_for_class(x509.CRLReason).value.reason is x509.ReasonFlags.key_compromise


def test_its_end_and_whose_act_it_was_are_leaves(after: list[str]) -> None:
    assert after == ["certificate-status", "act"]


def test_who_revoked_it_stands_in_the_audit_log(site: Site, after: list[str]) -> None:
    assert after
    acts = site.services.audit.events(SYSTEM, PageRequest()).items
    assert ("certificate.revoked", serial(TLS)) in [(each.action, each.detail.get("serial")) for each in acts]


def test_it_is_revoked_once(site: Site, after: list[str]) -> None:
    assert after
    with pytest.raises(ConflictError) as refusal:
        site.services.revocations.revoke(SYSTEM, serial(TLS), reason=Reason.SUPERSEDED)
    assert refusal.value.code == "certificate.revoked"


def test_of_two_who_read_it_while_it_was_good_one_revokes(site: Site) -> None:
    own = site.services.service_certificates
    read = own.find(SYSTEM, serial(OCSP))
    assert read is not None
    own.revoke(SYSTEM, read, reason=Reason.SUPERSEDED)
    with pytest.raises(ConflictError) as refusal:
        own.revoke(SYSTEM, read, reason=Reason.KEY_COMPROMISE)
    assert refusal.value.code == "certificate.revoked"


def test_a_hold_is_refused_by_saying_whose_it_is(site: Site) -> None:
    with pytest.raises(MissingError) as refusal:
        site.services.certificates.hold(SYSTEM, serial(RESULTS), reason="odd")
    assert refusal.value.code == "certificate.of-service"


def test_a_token_for_some_models_neither_sees_nor_revokes_it(site: Site) -> None:
    scoped = Principal(name="v", role=PersonRole.SECURITY, models=frozenset({"gw-200"}))
    assert site.services.service_certificates.list(scoped) == ()
    with pytest.raises(MissingError) as refusal:
        site.services.revocations.revoke(scoped, serial(RESULTS), reason=Reason.SUPERSEDED)
    assert refusal.value.code == "certificate.missing"


def test_a_role_that_may_not_revoke_is_refused(site: Site) -> None:
    operator = Principal(name="o", role=PersonRole.OPERATIONS)
    with pytest.raises(ForbiddenError):
        site.services.revocations.revoke(operator, serial(RESULTS), reason=Reason.SUPERSEDED)


def test_a_known_one_is_not_revoked_by_showing_it(site: Site) -> None:
    """A profile may ask for two parties: showing the certificate is no way around."""
    with pytest.raises(ConflictError) as refusal:
        show(site, made(RESULTS))
    assert refusal.value.code == "certificate.known"


def test_a_certificate_of_another_ca_is_not_ours_to_revoke(site: Site) -> None:
    with pytest.raises(MissingError) as refusal:
        show(site, Chain().leaf())
    assert refusal.value.code == "certificate.foreign"


def show(site: Site, certificate: x509.Certificate) -> str:
    encoded = certificate.public_bytes(Encoding.DER)
    return site.services.service_certificates.revoke_shown(SYSTEM, encoded, reason=Reason.KEY_COMPROMISE)


def test_a_certificate_that_no_register_knows_is_revoked_by_showing_it(database: str) -> None:
    """As after a database was restored that is older than the certificate."""
    site = open_site(database)
    kept = site.services.service_certificates.find(SYSTEM, show(site, made(TLS)))
    assert kept is not None
    assert (kept.profile, kept.status, kept.issued_by) == (SHOWN, CertificateStatus.REVOKED, "shown by system")
    assert answered(site, TLS).certificate_status is ocsp.OCSPCertStatus.REVOKED
    site.store.close()


def test_a_rollover_tells_of_the_services_that_nobody_renews(site: Site) -> None:
    """Devices renew by themselves and the server at its start; who carried a certificate elsewhere must hear of it."""
    own = site.services.service_certificates
    basis = next(each for each in own.list(SYSTEM) if each.profile == RESULTS)
    carried = replace(basis, serial="1ab", profile=TLS, issued_by="by-hand:local:sven")
    own.keep([carried, replace(carried, serial="1ac", not_after=site.clock.now() - timedelta(seconds=1))])
    assert [each.serial for each in site.services.rollovers.services(basis.issuer)] == ["1ab"]


def test_lists_tell_of_the_cas_in_service_alone(site: Site) -> None:
    """A certificate of a CA that was retired can be revoked, and whoever does it must hear that nobody will."""
    issuer = site.services.service_certificates.list(SYSTEM)[0].issuer
    assert (site.services.lists.tells_of(issuer), site.services.lists.tells_of("sha256:00")) == (True, False)
