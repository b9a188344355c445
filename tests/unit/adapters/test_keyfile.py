"""Key files: encrypted, private, whole, never overwritten."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from pki.errors import KeyRefusedError
from pki.keys import KeyType
from policyengine.adapters.keyfile import (
    KeyFileError,
    KeyFileExistsError,
    KeyFilePermissionError,
    PassphraseError,
    generate,
    open_key,
    open_signer,
    read_or_create_passphrase,
    read_passphrase,
    write_key,
)

PASSPHRASE = b"correct horse battery"


def entropy(size: int) -> bytes:
    return bytes(range(size))


def stored(folder: Path, kind: KeyType = KeyType.P256) -> Path:
    path = folder / "ca.key"
    write_key(path, generate(kind), passphrase=PASSPHRASE, entropy=entropy)
    return path


@pytest.mark.parametrize("kind", [KeyType.P256, KeyType.P384, KeyType.ED25519])
def test_a_stored_key_signs_again(tmp_path: Path, kind: KeyType) -> None:
    key = generate(kind)
    write_key(tmp_path / "k", key, passphrase=PASSPHRASE, entropy=entropy)
    signer = open_signer(tmp_path / "k", passphrase=PASSPHRASE)
    public = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert signer.public_key.public_bytes(*public) == key.public_key().public_bytes(*public)
    assert signer.sign(b"data")


def test_rsa_is_not_generated(tmp_path: Path) -> None:
    with pytest.raises(KeyRefusedError):
        generate(KeyType.RSA)


def test_the_file_is_private_and_holds_no_plain_key(tmp_path: Path) -> None:
    path = stored(tmp_path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.read_text().startswith("-----BEGIN ENCRYPTED PRIVATE KEY-----\n")
    assert [file.name for file in tmp_path.iterdir()] == ["ca.key"]


def test_openssl_reads_the_file(tmp_path: Path) -> None:
    """RFC 7914 section 7: scrypt in PBES2 is a standard, not ours."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    command = ["openssl", "pkey", "-in", str(stored(tmp_path)), "-passin", f"pass:{PASSPHRASE.decode()}", "-noout"]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0


def test_a_wrong_passphrase_does_not_open_it(tmp_path: Path) -> None:
    path = stored(tmp_path)
    with pytest.raises(PassphraseError):
        open_key(path, passphrase=b"another passphrase")


def test_a_short_passphrase_protects_nothing(tmp_path: Path) -> None:
    with pytest.raises(PassphraseError):
        write_key(tmp_path / "k", generate(KeyType.P256), passphrase=b"secret", entropy=entropy)


def test_a_key_is_never_overwritten(tmp_path: Path) -> None:
    path = stored(tmp_path)
    before = path.read_bytes()
    with pytest.raises(KeyFileExistsError):
        write_key(path, generate(KeyType.P256), passphrase=PASSPHRASE, entropy=entropy)
    assert path.read_bytes() == before


def test_a_key_that_others_may_read_is_not_opened(tmp_path: Path) -> None:
    path = stored(tmp_path)
    path.chmod(0o640)
    with pytest.raises(KeyFilePermissionError):
        open_key(path, passphrase=PASSPHRASE)


@pytest.mark.parametrize("content", [b"", b"junk", b"\x00" * 100, b"-----BEGIN ENCRYPTED PRIVATE KEY-----\n"])
def test_a_damaged_file_is_refused_without_its_content(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "k"
    path.touch(mode=0o600)
    path.write_bytes(content)
    with pytest.raises(KeyFileError):
        open_key(path, passphrase=PASSPHRASE)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(KeyFileError, match="no such file"):
        open_key(tmp_path / "k", passphrase=PASSPHRASE)


def test_a_passphrase_is_made_once(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "passphrase"
    first = read_or_create_passphrase(path, entropy=entropy)
    assert read_or_create_passphrase(path, entropy=bytes) == first == read_passphrase(path)
    assert path.stat().st_mode & 0o777 == 0o600
