"""Certification requests that are refused, and certificates that a CA may not sign: told why, and left on record."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding

from pki.errors import PkiError, RequestError
from policyengine.adapters.authority import certificate_in
from policyengine.errors import PolicyEngineError
from policyengine.services.certification.misfits import misfits
from policyengine.services.errors import UnavailableError
from policyengine.services.identification.est_identity import Credentials
from policyengine.services.ports import PageRequest
from policyengine.simulation import device as simulated
from tests.support.site import Site, authority_directory, ready_site
from tests.support.site import request as as_sent
from tests.unit.pki.making import KEYS, csr

NOBODY = Credentials(certificates=(), token=None)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    made = ready_site(f"sqlite:///{tmp_path_factory.mktemp('store') / 'store.db'}")
    yield made
    made.store.close()


@pytest.fixture(scope="module")
def known(site: Site) -> tuple[str, Credentials]:
    """The id of a device with a certificate of ours, and what it shows in TLS."""
    device = site.of("healthy")[0]
    asyncio.run(site.enrol(device))
    view = site.store.view(device.planned.device_id)
    assert view is not None and view.certificate is not None
    return view.device.id, Credentials(certificates=(view.certificate.certificate,), token=None)


def refusal(site: Site, request: bytes, given: Credentials) -> str:
    with pytest.raises((PkiError, PolicyEngineError)) as refused:
        asyncio.run(site.services.est.reenrol(request, given, label=None))
    return refused.value.code


def recorded(site: Site) -> list[tuple[str, str | None]]:
    return [(each.code, each.device_id) for each in site.store.security_events(PageRequest(), device_id=None).items]


def weak() -> bytes:
    key = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "gw")])
    asked = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
    return asked.public_bytes(Encoding.DER)


def unproven() -> bytes:
    request = csr(KEYS[0])
    return request[:-1] + bytes([request[-1] ^ 1])


@pytest.mark.parametrize(
    ("request_of", "code"),
    [
        (weak, "key.rsa-size"),
        (unproven, "csr.possession"),
        (lambda: b"\x30\x00", "csr.malformed"),
        (
            lambda: csr(KEYS[0], extensions=[(x509.SubjectAlternativeName([x509.DNSName("a.example")]), False)]),
            "est.names",
        ),
    ],
    ids=["weak-key", "wrong-proof", "no-request", "foreign-names"],
)
def test_what_a_device_asks_for_in_vain_stands_on_its_timeline(
    site: Site, known: tuple[str, Credentials], request_of: Callable[[], bytes], code: str
) -> None:
    name, given = known
    assert refusal(site, request_of(), given) == code
    assert (code, name) in recorded(site)


def test_a_check_in_whose_request_proves_nothing_stands_on_the_devices_timeline(
    site: Site, known: tuple[str, Credentials]
) -> None:
    device = next(each for each in site.of("healthy") if each.planned.device_id == known[0])
    nonce = site.services.challenges.issue(device.planned.device_id).nonce
    asked = replace(as_sent(simulated.renewal(device, nonce)), csr=unproven())
    with pytest.raises(RequestError):
        asyncio.run(site.services.checkins.check_in(asked))
    assert ("csr.possession", known[0]) in recorded(site)


def test_nonsense_of_a_stranger_is_answered_and_not_stored(site: Site) -> None:
    """Whoever has no credential could otherwise make us write as often as he likes."""
    before = recorded(site)
    assert refusal(site, b"\x30\x01\x00", NOBODY) == "csr.malformed"
    assert recorded(site) == before


def test_a_profile_outside_the_constraints_of_the_ca_is_told_as_the_operators_matter(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """RFC 5280 section 4.2.1.10: a 500 would say nothing to anybody."""
    site = ready_site(
        f"sqlite:///{tmp_path_factory.mktemp('store') / 'store.db'}",
        profiles__gateway=(b"devices.example", b"devices.invalid"),
    )
    device = next(each for each in site.of("healthy") if each.planned.model == "gw-200")
    with pytest.raises(UnavailableError, match=r"in no permitted subtree") as refused:
        asyncio.run(site.enrol(device))
    assert refused.value.code == "issue.profile"
    profiles = site.services.certificates._shelf.active().policies.profiles.values()
    issuing = certificate_in(authority_directory() / "issuing.pem")
    assert [each.message.split(":")[0] for each in misfits(profiles, issuing)] == [
        "nothing is issued by profile `gateway`"
    ]
    site.store.close()
