"""Another key for the server: a crash between certificate and key leaves nothing that does not fit together."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from policyengine.adapters.keyfile import open_key, write_key
from policyengine.adapters.new_keys import begin_new_key, finish_new_key
from tests.support.site import FakeEntropy
from tests.unit.pki.making import KEYS, Chain

PASSPHRASE = b"correct horse"


@pytest.fixture
def stem(tmp_path: Path) -> Path:
    write_key(tmp_path / "tls.key", KEYS[3], passphrase=PASSPHRASE, entropy=FakeEntropy(seed=3).draw)
    return tmp_path / "tls"


def certify(stem: Path, key: object) -> None:
    leaf: x509.Certificate = Chain(leaf_key=key).leaf()
    (stem.parent / "tls.pem").write_bytes(leaf.public_bytes(Encoding.PEM))


def begun(stem: Path) -> object:
    return begin_new_key(stem, passphrase=PASSPHRASE, entropy=FakeEntropy(seed=5).draw).public_key()


def key_in(stem: Path) -> object:
    return open_key(stem.parent / "tls.key", passphrase=PASSPHRASE).public_key()


def test_a_crash_after_the_certificate_is_made_good_by_the_next_start(stem: Path) -> None:
    new = begun(stem)
    certify(stem, new)
    finish_new_key(stem, passphrase=PASSPHRASE)
    assert (key_in(stem), sorted(path.name for path in stem.parent.iterdir())) == (new, ["tls.key", "tls.pem"])


def test_a_crash_before_the_certificate_leaves_the_old_key(stem: Path) -> None:
    begun(stem)
    certify(stem, KEYS[3].public_key())
    finish_new_key(stem, passphrase=PASSPHRASE)
    assert key_in(stem) == KEYS[3].public_key()
    assert sorted(path.name for path in stem.parent.iterdir()) == ["tls.key", "tls.pem"]
