"""Private keys in encrypted files: PKCS#8 under scrypt and AES-256 (RFC 5958, RFC 7914 section 7), readable by OpenSSL.

A file is created once, whole, with mode 0600, and never overwritten; one that others may read is not opened.
"""

from __future__ import annotations

import base64
import os
import stat
from collections.abc import Callable
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt
from cryptography.hazmat.primitives.padding import PKCS7
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from pki import der
from pki.errors import KeyRefusedError
from pki.keys import KeyType
from pki.software import PrivateKey, SoftwareSigner, private_key
from policyengine.errors import PolicyEngineError

SCRYPT_N, SCRYPT_R, SCRYPT_P = 2**14, 8, 5  # OWASP's set for 16 MiB; OpenSSL refuses to load files that need over 32
SALT_BYTES, IV_BYTES, KEY_BYTES = 16, 16, 32
MIN_PASSPHRASE = 12  # characters; shorter ones fall to a laptop whatever the key derivation
MAX_FILE_BYTES = 16 * 1024
PASSPHRASE_ENTROPY = 32

Entropy = Callable[[int], bytes]


class KeyFileError(PolicyEngineError):
    """A key file that cannot be written or may not be opened; never says anything of what is inside."""

    code = "keyfile.unreadable"


class KeyFileExistsError(KeyFileError):
    """A key is never overwritten: what it signed would become unverifiable."""

    code = "keyfile.exists"


class KeyFilePermissionError(KeyFileError):
    """The file can be read by others than its owner."""

    code = "keyfile.permissions"


class PassphraseError(KeyFileError):
    """The passphrase is too short, or does not open the file."""

    code = "keyfile.passphrase"


def generate(kind: KeyType) -> PrivateKey:
    """Return a new key, drawn by the cryptographic library itself; raises KeyRefusedError for RSA."""
    match kind:
        case KeyType.P256:
            return ec.generate_private_key(ec.SECP256R1())
        case KeyType.P384:
            return ec.generate_private_key(ec.SECP384R1())
        case KeyType.ED25519:
            return ed25519.Ed25519PrivateKey.generate()
        case KeyType.RSA:
            raise KeyRefusedError("an authority signs with P-256, P-384 or Ed25519", code="key.type")


def write_key(path: Path, key: PrivateKey, *, passphrase: bytes, entropy: Entropy) -> None:
    """Store `key` at `path`, encrypted, mode 0600.

    Raises KeyFileExistsError if the file is there, PassphraseError for a short passphrase.
    """
    if len(passphrase) < MIN_PASSPHRASE:
        raise PassphraseError(f"passphrase is shorter than {MIN_PASSPHRASE} characters")
    plain = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    write_private(path, _pem(_encrypted(plain, passphrase, entropy(SALT_BYTES), entropy(IV_BYTES))))


def _encrypted(plain: bytes, passphrase: bytes, salt: bytes, iv: bytes) -> bytes:
    """Return the EncryptedPrivateKeyInfo: PBES2 with scrypt and AES-256-CBC."""
    secret = Scrypt(salt=salt, length=KEY_BYTES, n=SCRYPT_N, r=SCRYPT_R, p=SCRYPT_P).derive(passphrase)
    padder, cipher = PKCS7(128).padder(), Cipher(algorithms.AES256(secret), modes.CBC(iv)).encryptor()
    sealed = cipher.update(padder.update(plain) + padder.finalize()) + cipher.finalize()
    derivation = der.sequence(
        der.oid("1.3.6.1.4.1.11591.4.11"),
        der.sequence(der.octet_string(salt), *(der.integer(cost) for cost in (SCRYPT_N, SCRYPT_R, SCRYPT_P))),
    )
    encryption = der.sequence(der.oid("2.16.840.1.101.3.4.1.42"), der.octet_string(iv))
    scheme = der.sequence(der.oid("1.2.840.113549.1.5.13"), der.sequence(derivation, encryption))
    return der.sequence(scheme, der.octet_string(sealed))


def _pem(encrypted: bytes) -> bytes:
    text = base64.b64encode(encrypted).decode()
    lines = [text[start : start + 64] for start in range(0, len(text), 64)]
    return "\n".join(
        ["-----BEGIN ENCRYPTED PRIVATE KEY-----", *lines, "-----END ENCRYPTED PRIVATE KEY-----", ""]
    ).encode()


def write_private(path: Path, content: bytes) -> None:
    """Create `path` with `content`, mode 0600, durable, whole or not at all; raises KeyFileExistsError, OSError."""
    temporary = path.with_name(f".{path.name}.new")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    try:
        path.hardlink_to(temporary)  # unlike a rename, a link never replaces what is there
    except FileExistsError as cause:
        raise KeyFileExistsError(f"`{path}` exists and is not overwritten") from cause
    finally:
        temporary.unlink()
    sync_directory(path.parent)


def sync_directory(directory: Path) -> None:
    """Make the names in `directory` durable."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_private(path: Path) -> bytes:
    """Return the content of a file that only its owner may read.

    Raises KeyFilePermissionError if others may, KeyFileError if it is missing, no regular file, or too large.
    """
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            content = file.read(MAX_FILE_BYTES + 1)
    except OSError as cause:
        raise KeyFileError(f"`{path}` cannot be read: {(cause.strerror or 'no reason given').lower()}") from cause
    if not stat.S_ISREG(status.st_mode) or len(content) > MAX_FILE_BYTES:
        raise KeyFileError(f"`{path}` is not a key file")
    if status.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise KeyFilePermissionError(f"`{path}` can be read by others; its mode must be 0600")
    return content


def open_key(path: Path, *, passphrase: bytes) -> PrivateKey:
    """Return the private key in `path`; raises KeyFileError, PassphraseError or KeyRefusedError."""
    content = read_private(path)
    try:
        return private_key(load_pem_private_key(content, password=passphrase))
    except (ValueError, TypeError, UnsupportedAlgorithm) as cause:
        raise PassphraseError(f"`{path}` does not open with this passphrase") from cause


def open_signer(path: Path, *, passphrase: bytes) -> SoftwareSigner:
    """Return a Signer over the key in `path`; raises KeyFileError, PassphraseError or KeyRefusedError."""
    return SoftwareSigner(open_key(path, passphrase=passphrase))


def read_passphrase(path: Path) -> bytes:
    """Return the passphrase in `path`, without the line's end; raises KeyFileError, PassphraseError if it is short."""
    passphrase = read_private(path).rstrip(b"\r\n")
    if len(passphrase) < MIN_PASSPHRASE:
        raise PassphraseError(f"passphrase in `{path}` is shorter than {MIN_PASSPHRASE} characters")
    return passphrase


def read_or_create_passphrase(path: Path, *, entropy: Entropy) -> bytes:
    """Return the passphrase in `path`, creating a random one (256 bits) the first time."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_private(path, base64.urlsafe_b64encode(entropy(PASSPHRASE_ENTROPY)) + b"\n")
    return read_passphrase(path)
