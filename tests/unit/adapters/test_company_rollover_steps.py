"""A successor that a company certifies: what goes out, and what comes back in vain."""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from pki.errors import IssuanceError, PathError
from policyengine.adapters.authority import FleetNames
from policyengine.adapters.company_rollover import PENDING, install_successor, request_successor, withdraw_request
from policyengine.adapters.company_root import accept_certificate, request_authority
from policyengine.adapters.rollover_state import Rollover, RolloverError, RolloverState, read_rollover
from tests.support.site import FakeEntropy
from tests.unit.adapters.test_company_root import NOW, PASSPHRASE, given

NAMES = FleetNames(fleet="Plant A", domains=("devices.example",), hosts=("localhost",))
LATER = NOW + timedelta(days=30)


@pytest.fixture(scope="module")
def founded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An authority below the company's root."""
    directory = tmp_path_factory.mktemp("keys") / "ca"
    draw = FakeEntropy(seed=53).draw
    request = request_authority(directory, passphrase=PASSPHRASE, names=NAMES, now=NOW, entropy=draw)
    content = given(x509.load_pem_x509_csr(request.encode()))
    accept_certificate(directory, content, passphrase=PASSPHRASE, now=NOW, entropy=draw)
    return directory


@pytest.fixture(scope="module")
def asked(founded: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, x509.CertificateSigningRequest]:
    """The authority with a request out, and the request."""
    directory = Path(shutil.copytree(founded, tmp_path_factory.mktemp("asked") / "ca"))
    return directory, requested(directory, fleet="Plant A", domains=("devices.example",))


@pytest.fixture
def waiting(asked: tuple[Path, x509.CertificateSigningRequest], tmp_path: Path) -> Path:
    return Path(shutil.copytree(asked[0], tmp_path / "ca"))


def requested(directory: Path, *, fleet: str | None, domains: tuple[str, ...]) -> x509.CertificateSigningRequest:
    made = request_successor(
        directory,
        passphrase=PASSPHRASE,
        fleet=fleet,
        domains=domains,
        now=LATER,
        entropy=FakeEntropy(seed=59).draw,
    )
    return x509.load_pem_x509_csr(made.encode())


def install(directory: Path, content: bytes) -> Rollover:
    draw = FakeEntropy(seed=61).draw
    return install_successor(directory, content, cross=None, passphrase=PASSPHRASE, now=LATER, entropy=draw)


def test_the_request_is_for_the_fleets_next_generation(asked: tuple[Path, x509.CertificateSigningRequest]) -> None:
    assert asked[1].subject.rfc4514_string() == "CN=Plant A G2 issuing CA"


def test_a_request_changes_nothing_else(waiting: Path) -> None:
    assert read_rollover(waiting).state is RolloverState.STEADY


def test_a_second_request_is_refused(waiting: Path) -> None:
    with pytest.raises(RolloverError) as refused:
        requested(waiting, fleet="Plant A", domains=("devices.example",))
    assert refused.value.code == "rotate.requested"


def test_what_the_company_certified_is_prepared(
    waiting: Path, asked: tuple[Path, x509.CertificateSigningRequest]
) -> None:
    made = install(waiting, given(asked[1]))
    assert (made.state, made.other, (waiting / PENDING).exists()) == (RolloverState.PREPARED, "g2", False)


def test_the_companys_cas_stand_behind_the_successor(
    waiting: Path, asked: tuple[Path, x509.CertificateSigningRequest]
) -> None:
    install(waiting, given(asked[1]))
    assert (waiting / "g2" / "issuing.pem").read_text().count("BEGIN CERTIFICATE") == 2


def test_a_certificate_without_a_request_is_refused(
    founded: Path, asked: tuple[Path, x509.CertificateSigningRequest]
) -> None:
    with pytest.raises(RolloverError) as refused:
        install(founded, given(asked[1]))
    assert refused.value.code == "rotate.no-request"


@pytest.mark.parametrize(
    ("code", "change"),
    [
        ("ca.key", {"key": ec.generate_private_key(ec.SECP256R1()).public_key()}),
        ("ca.path-length", {"path_length": 1}),
        ("ca.names", {"more": [x509.NameConstraints([x509.DNSName("other.example")], None)]}),
    ],
)
def test_a_certificate_that_does_not_fit_is_refused_and_the_key_waits_on(
    waiting: Path, asked: tuple[Path, x509.CertificateSigningRequest], code: str, change: dict[str, object]
) -> None:
    """RFC 5280 sections 4.2.1.9 and 4.2.1.10."""
    with pytest.raises(IssuanceError) as refused:
        install(waiting, given(asked[1], **change))  # type: ignore[arg-type]
    assert (refused.value.code, (waiting / PENDING).exists()) == (code, True)


def test_a_certificate_without_a_path_to_its_root_is_refused(
    waiting: Path, asked: tuple[Path, x509.CertificateSigningRequest]
) -> None:
    ours, _, root = given(asked[1]).split(b"-----END CERTIFICATE-----\n")[:3]
    end = b"-----END CERTIFICATE-----\n"
    with pytest.raises(PathError):
        install(waiting, ours + end + root + end)


def test_a_request_is_given_up_with_its_key(waiting: Path) -> None:
    assert (withdraw_request(waiting), (waiting / PENDING).exists(), withdraw_request(waiting)) == (True, False, False)


def test_a_ca_that_the_company_named_otherwise_needs_the_fleets_name(founded: Path, tmp_path: Path) -> None:
    directory = Path(shutil.copytree(founded, tmp_path / "ca"))
    renamed = x509.load_pem_x509_certificate((directory / "issuing.pem").read_bytes())
    assert renamed.subject.rfc4514_string() == "CN=Plant A issuing CA"
    other = (directory / "root.pem").read_bytes()  # any certificate whose subject is not as ours are
    (directory / "issuing.pem").write_bytes(other)
    with pytest.raises(RolloverError) as refused:
        requested(directory, fleet=None, domains=("devices.example",))
    assert refused.value.code == "rotate.subject"
