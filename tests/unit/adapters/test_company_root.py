"""An issuing CA of ours under a company's root: what goes out, and which certificates come back in vain."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from pki.errors import IssuanceError, PathError
from pki.reservation import Registrar
from policyengine.adapters.authority import (
    AuthorityExistsError,
    AuthorityMissingError,
    FleetNames,
    open_authority,
)
from policyengine.adapters.company_root import PENDING, accept_certificate, request_authority
from tests.support.site import FakeEntropy
from tests.unit.pki.making import ca_extensions, name

NOW = datetime(2026, 11, 23, tzinfo=UTC)
PASSPHRASE = b"correct horse battery"
NAMES = FleetNames(fleet="Plant A", domains=("devices.example",), hosts=("localhost",))
ROOT, POLICY_CA = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, x509.CertificateSigningRequest]:
    directory = tmp_path_factory.mktemp("keys") / "ca"
    draw = FakeEntropy(seed=43).draw
    request = request_authority(directory, passphrase=PASSPHRASE, names=NAMES, now=NOW, entropy=draw)
    return directory, x509.load_pem_x509_csr(request.encode())


@pytest.fixture
def waiting(asked: tuple[Path, x509.CertificateSigningRequest], tmp_path: Path) -> Path:
    shutil.copytree(asked[0].with_name(PENDING), tmp_path / PENDING)
    return tmp_path / "ca"


def certified(
    subject: x509.Name,
    key: object,
    *,
    by: ec.EllipticCurvePrivateKey,
    issuer: x509.Name,
    path_length: int | None,
    more: Sequence[x509.ExtensionType] = (),
) -> x509.Certificate:
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)  # type: ignore[arg-type]
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - timedelta(days=1))
        .not_valid_after(NOW + timedelta(days=900))
        .add_extension(x509.BasicConstraints(ca=True, path_length=path_length), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)  # type: ignore[arg-type]
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(by.public_key()), critical=False)
    )
    for value, critical in ca_extensions(ROOT, ROOT):
        if isinstance(value, x509.KeyUsage):
            builder = builder.add_extension(value, critical=critical)
    for extra in more:
        builder = builder.add_extension(extra, critical=True)
    return builder.sign(by, hashes.SHA256())


def root() -> x509.Certificate:
    return certified(name("Corp root"), ROOT.public_key(), by=ROOT, issuer=name("Corp root"), path_length=None)


def policy_ca() -> x509.Certificate:
    return certified(name("Corp CA"), POLICY_CA.public_key(), by=ROOT, issuer=name("Corp root"), path_length=1)


def given(
    request: x509.CertificateSigningRequest,
    *,
    key: object = None,
    path_length: int | None = 0,
    more: Sequence[x509.ExtensionType] = (),
) -> bytes:
    """Return what the company sends back: our certificate, its policy CA, its root."""
    ours = certified(
        request.subject,
        key or request.public_key(),
        by=POLICY_CA,
        issuer=name("Corp CA"),
        path_length=path_length,
        more=more,
    )
    return b"".join(each.public_bytes(Encoding.PEM) for each in (ours, policy_ca(), root()))


def accept(directory: Path, content: bytes) -> x509.Certificate:
    draw = FakeEntropy(seed=47).draw
    return accept_certificate(directory, content, passphrase=PASSPHRASE, now=NOW, entropy=draw)


def test_the_request_proves_possession_and_asks_for_a_bound_ca(
    asked: tuple[Path, x509.CertificateSigningRequest],
) -> None:
    """RFC 2986; RFC 5280 sections 4.2.1.9 and 4.2.1.10."""
    request = asked[1]
    assert request.is_signature_valid
    assert request.extensions.get_extension_for_class(x509.BasicConstraints).value.path_length == 0
    permitted = request.extensions.get_extension_for_class(x509.NameConstraints).value.permitted_subtrees
    assert x509.DNSName("devices.example") in (permitted or ())


def test_the_authority_stands_with_the_companys_cas_in_its_chain(
    waiting: Path, asked: tuple[Path, x509.CertificateSigningRequest]
) -> None:
    accept(waiting, given(asked[1]))
    stored = open_authority(waiting, passphrase=PASSPHRASE, registrar=Registrar())
    subjects = [each.subject.rfc4514_string() for each in stored.chain]
    assert subjects == ["CN=Plant A issuing CA", "CN=Corp CA", "CN=Corp root"]
    assert stored.trust == stored.chain


def test_a_certificate_for_another_key_is_refused(
    waiting: Path, asked: tuple[Path, x509.CertificateSigningRequest]
) -> None:
    with pytest.raises(IssuanceError) as refused:
        accept(waiting, given(asked[1], key=ROOT.public_key()))
    assert refused.value.code == "ca.key"


@pytest.mark.parametrize("path_length", [None, 1])
def test_a_certificate_with_room_for_another_ca_is_refused(
    waiting: Path, asked: tuple[Path, x509.CertificateSigningRequest], path_length: int | None
) -> None:
    """RFC 5280 section 4.2.1.9."""
    with pytest.raises(IssuanceError) as refused:
        accept(waiting, given(asked[1], path_length=path_length))
    assert refused.value.code == "ca.path-length"


def test_constraints_that_leave_the_devices_out_are_refused(
    waiting: Path, asked: tuple[Path, x509.CertificateSigningRequest]
) -> None:
    """RFC 5280 section 4.2.1.10."""
    elsewhere = x509.NameConstraints(permitted_subtrees=[x509.DNSName("corp.example")], excluded_subtrees=None)
    with pytest.raises(IssuanceError) as refused:
        accept(waiting, given(asked[1], more=[elsewhere]))
    assert refused.value.code == "ca.names"


def test_an_issuer_that_is_missing_is_refused(
    waiting: Path, asked: tuple[Path, x509.CertificateSigningRequest]
) -> None:
    ours = given(asked[1]).split(b"-----END CERTIFICATE-----\n")[0] + b"-----END CERTIFICATE-----\n"
    with pytest.raises(PathError):
        accept(waiting, ours + root().public_bytes(Encoding.PEM))


def test_what_was_refused_leaves_the_key_waiting(
    waiting: Path, asked: tuple[Path, x509.CertificateSigningRequest]
) -> None:
    with pytest.raises(IssuanceError):
        accept(waiting, given(asked[1], path_length=1))
    assert (waiting.with_name(PENDING) / "issuing.key").exists()
    assert not waiting.exists()


def test_a_certificate_without_a_request_is_refused(
    tmp_path: Path, asked: tuple[Path, x509.CertificateSigningRequest]
) -> None:
    with pytest.raises(AuthorityMissingError):
        accept(tmp_path / "ca", given(asked[1]))


def test_a_second_request_is_refused(waiting: Path) -> None:
    draw = FakeEntropy(seed=53).draw
    with pytest.raises(AuthorityExistsError):
        request_authority(waiting, passphrase=PASSPHRASE, names=NAMES, now=NOW, entropy=draw)
