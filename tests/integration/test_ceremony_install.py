"""From an offline ceremony to a server: its CA issues, and what does not belong together is refused whole."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from pki.certificates import load_certificate
from pki.chain import validate_path
from pki.keys import KeyType
from policyengine.adapters.authority import FleetNames, certificate_in
from policyengine.adapters.ceremony_install import install_ceremony
from policyengine.adapters.clock import SystemClock
from policyengine.adapters.entropy import SystemEntropy
from policyengine.adapters.keyfile import PassphraseError, write_private
from policyengine.adapters.offline_ceremony import CeremonyPlan, OfflineCeremony
from policyengine.settings import Settings
from policyengine.wiring import build

SECRET = b"correct horse battery"
HOST = "server.line-1.devices.example"


def hold(directory: Path) -> Path:
    plan = CeremonyPlan(fleet="Plant A", issuing=(("line-1", ("line-1.devices.example",)),), key=KeyType.P256)
    held = OfflineCeremony(directory, plan, passphrase=SECRET, now=SystemClock().now(), entropy=SystemEntropy().draw)
    assert all(state == "made" for _, state in held.run())
    return directory


@pytest.fixture(scope="module")
def safe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return hold(tmp_path_factory.mktemp("safe") / "ceremony")


def install(safe: Path, data: Path, *, zone: Path | None = None, root: Path | None = None, host: str = HOST) -> None:
    install_ceremony(
        data / "keys" / "ca",
        zone or safe / "line-1",
        root or safe / "root" / "root.pem",
        passphrase=SECRET,
        names=FleetNames(fleet="Plant A", domains=(), hosts=(host,)),
        now=SystemClock().now(),
        entropy=SystemEntropy().draw,
    )


def test_a_server_starts_on_it_and_shows_a_certificate_below_the_offline_root(safe: Path, tmp_path: Path) -> None:
    (tmp_path / "passphrase").parent.mkdir(exist_ok=True)
    write_private(tmp_path / "passphrase", SECRET)
    install(safe, tmp_path / "data")
    installation = build(
        Settings(data=tmp_path / "data", passphrase_file=tmp_path / "passphrase", public_names=(HOST,))
    )
    leaf = certificate_in(installation.tls_chain).public_bytes(Encoding.DER)
    issuing, root = (load_certificate(each) for each in installation.services.est.chain)
    installation.close()
    now = SystemClock().now()
    path = validate_path(leaf, intermediates=(issuing.public_bytes(Encoding.DER),), anchors=(root,), at=now)
    assert path.anchor == certificate_in(safe / "root" / "root.pem")


def test_the_roots_key_does_not_come_along(safe: Path, tmp_path: Path) -> None:
    install(safe, tmp_path)
    assert not list(tmp_path.rglob("root.key"))


def mixed_key(safe: Path, tmp_path: Path) -> dict[str, object]:
    zone = Path(shutil.copytree(safe / "line-1", tmp_path / "mixed"))
    shutil.copy2(safe / "line-1" / "ocsp.key", zone / "issuing.key")
    return {"zone": zone}


def missing_key(safe: Path, tmp_path: Path) -> dict[str, object]:
    zone = Path(shutil.copytree(safe / "line-1", tmp_path / "bare"))
    (zone / "issuing.key").unlink()
    return {"zone": zone}


def other_root(safe: Path, tmp_path: Path) -> dict[str, object]:
    return {"root": hold(tmp_path / "other") / "root" / "root.pem"}


def foreign_host(safe: Path, tmp_path: Path) -> dict[str, object]:
    return {"host": "server.elsewhere.example"}


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (mixed_key, "issue.signer"),
        (missing_key, "authority.missing"),
        (other_root, "path.signature"),
        (foreign_host, "lint.failed"),
    ],
)
def test_what_does_not_belong_together_is_refused_and_leaves_nothing(
    safe: Path, tmp_path: Path, make: Callable[[Path, Path], dict[str, object]], code: str
) -> None:
    with pytest.raises(Exception) as refused:
        install(safe, tmp_path / "data", **make(safe, tmp_path))
    assert getattr(refused.value, "code", None) == code
    assert not list((tmp_path / "data").rglob("*.pem"))


def test_an_authority_that_is_there_is_not_overwritten(safe: Path, tmp_path: Path) -> None:
    (tmp_path / "keys" / "ca").mkdir(parents=True)
    with pytest.raises(Exception) as refused:
        install(safe, tmp_path)
    assert getattr(refused.value, "code", None) == "authority.exists"


def test_a_wrong_passphrase_names_the_file_that_does_not_open(safe: Path, tmp_path: Path) -> None:
    with pytest.raises(PassphraseError, match=str(safe / "line-1" / "issuing.key")):
        install_ceremony(
            tmp_path / "ca",
            safe / "line-1",
            safe / "root" / "root.pem",
            passphrase=b"wrong horse battery",
            names=FleetNames(fleet="Plant A", domains=(), hosts=(HOST,)),
            now=SystemClock().now(),
            entropy=SystemEntropy().draw,
        )
