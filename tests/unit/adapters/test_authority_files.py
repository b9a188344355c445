"""The authority on disk: founded whole or not at all, logged, opened with one passphrase, renewed in time."""

from __future__ import annotations

import hashlib
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pki.certificates import load_certificate, split_certificates
from pki.chain import validate_path
from pki.errors import NameRefusedError
from pki.reservation import Registrar, Reservation
from policyengine.adapters.authority import (
    AuthorityExistsError,
    AuthorityMissingError,
    FleetNames,
    StoredAuthority,
    create_authority,
    open_authority,
    renew_services,
)
from policyengine.adapters.ceremony import CeremonyLog, SerialReusedError
from policyengine.adapters.keyfile import PassphraseError

NOW = datetime(2026, 11, 23, tzinfo=UTC)
PASSPHRASE = b"correct horse battery"
NAMES = FleetNames(fleet="Plant A", domains=("devices.example",))


class Entropy:
    """Different bytes at every draw, the same in every run."""

    def __init__(self, seed: str) -> None:
        self.seed, self.drawn = seed, 0

    def __call__(self, size: int) -> bytes:
        self.drawn += 1
        return hashlib.shake_128(f"{self.seed} {self.drawn}".encode()).digest(size)


@pytest.fixture(scope="module")
def founded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("data") / "keys" / "ca"
    create_authority(directory, passphrase=PASSPHRASE, names=NAMES, now=NOW, entropy=Entropy("found"))
    return directory


def opened(directory: Path) -> StoredAuthority:
    return open_authority(directory, passphrase=PASSPHRASE, registrar=Registrar())


def test_the_server_certificate_reaches_the_root(founded: Path) -> None:
    stored = opened(founded)
    leaf, issuing = split_certificates(stored.tls_chain.read_bytes())
    assert validate_path(leaf, intermediates=[issuing], anchors=[stored.root], at=NOW).anchor == stored.root


def test_a_tls_server_starts_with_the_encrypted_key(founded: Path) -> None:
    stored = opened(founded)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(stored.tls_chain, stored.tls_key, PASSPHRASE)


def test_results_are_signed_with_their_own_key(founded: Path) -> None:
    """The signer of results is no CA, and no CA signs results."""
    stored = opened(founded)
    assert stored.results_certificate.public_key() == stored.results_key.public_key()
    assert stored.results_certificate.public_key() != stored.issuing.public_key()


def test_every_signature_of_the_ceremony_was_reserved_before(founded: Path) -> None:
    lines = CeremonyLog(founded / "ceremony.jsonl", Registrar(), now=NOW).lines()
    assert [line["step"] for line in lines] == ["reserved", "issued"] * 5
    assert [line["profile"] for line in lines if line["step"] == "reserved"] == [
        "builtin/root",
        "builtin/issuing",
        "builtin/result-signer",
        "builtin/ocsp-signer",
        "builtin/tls-server",
    ]


def test_a_serial_is_reserved_once(tmp_path: Path) -> None:
    ledger = CeremonyLog(tmp_path / "log", Registrar(), now=NOW)
    reservation = Reservation(
        issuer="sha256:a",
        serial="1",
        tbs_sha256="sha256:b",
        subject="CN=x",
        key="sha256:c",
        not_before=NOW,
        not_after=NOW,
        profile="p",
        profile_digest="sha256:d",
        authorization="ceremony:test",
    )
    ledger.reserve(reservation)
    ledger.abort(reservation, reason="issue.signature")
    with pytest.raises(SerialReusedError):
        CeremonyLog(tmp_path / "log", Registrar(), now=NOW).reserve(reservation)


def test_every_private_file_is_private(founded: Path) -> None:
    assert {file.stat().st_mode & 0o077 for file in founded.glob("*.key")} == {0}
    assert founded.stat().st_mode & 0o077 == 0


def test_a_second_authority_is_refused(founded: Path) -> None:
    with pytest.raises(AuthorityExistsError):
        create_authority(founded, passphrase=PASSPHRASE, names=NAMES, now=NOW, entropy=Entropy("again"))


def test_a_ceremony_that_fails_leaves_nothing(tmp_path: Path) -> None:
    names = FleetNames(fleet="Plant A", domains=("*.devices.example",))
    with pytest.raises(NameRefusedError):
        create_authority(tmp_path / "ca", passphrase=PASSPHRASE, names=names, now=NOW, entropy=Entropy("bad"))
    assert list(tmp_path.iterdir()) == []


def test_the_wrong_passphrase_opens_nothing(founded: Path) -> None:
    with pytest.raises(PassphraseError):
        open_authority(founded, passphrase=b"another passphrase", registrar=Registrar())


def test_a_directory_without_an_authority_is_named(tmp_path: Path) -> None:
    with pytest.raises(AuthorityMissingError):
        open_authority(tmp_path, passphrase=PASSPHRASE, registrar=Registrar())


def test_services_are_certified_again_at_half_life(tmp_path: Path) -> None:
    directory = tmp_path / "ca"
    create_authority(directory, passphrase=PASSPHRASE, names=NAMES, now=NOW, entropy=Entropy("renewal"))

    def renewed(days: int) -> tuple[str, ...]:
        later = NOW + timedelta(days=days)
        return renew_services(
            directory, passphrase=PASSPHRASE, names=NAMES, now=later, entropy=Entropy(f"renewal {days}")
        )

    assert [renewed(days) for days in (1, 16, 17, 46)] == [(), ("tls",), (), ("results", "ocsp", "tls")]
    leaf = load_certificate(split_certificates((directory / "tls.pem").read_bytes())[0])
    assert leaf.not_valid_after_utc == NOW + timedelta(days=46 + 30)
